//! A client's channel and a service, over any of the three stacks, in simulated time. What the client's application sees is
//! written down as the recorded timelines write it.

mod contract;
mod machines;

pub use contract::{ADD_TO, BOOM, DETAIL, FINISH, MISSING, NOTIFY, SLOW, START, Sheet, fault};
pub use machines::{Channel, Over, channel};

use crate::pair::Paper;
use contract::{SOAP, WSA, answer};
use machines::{Server, Whom, server, settings};
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::{CommunicationState, Timeouts};
use soap_session_core::reliable::{Heard, ReliableSessionId, ReliableSettings, Told};
use soap_session_core::secure::{AcceptorAction, AcceptorSettings, Incoming, InitiatorSettings};
use soap_session_core::session::{
    Answered, CallId, CallRefused, ChannelAction, ChannelError, ChannelEvent, ChannelHeard, CloseBegun, OperationUse,
    ServiceAction, ServiceHeard, fault_exception,
};
use soap_session_core::time::{Deadline, Duration, Instant};
use soap_session_core::xml::Span;
use std::collections::BTreeMap;

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It arrives at once.
    Arrives,
    /// It arrives after so many milliseconds.
    Late(u64),
    /// It is lost, and the exchange ends.
    Lost,
    /// It is lost, and nobody is told.
    Hangs,
}

/// A client, a service, and the time between them.
pub struct World {
    /// The client.
    pub client: Channel,
    server: Server,
    over: Over,
    /// Does the service's application accept reliable sessions?
    pub accepts: bool,
    clients: u8,
    /// How many calls are over.
    pub ended: usize,
    paper: Paper,
    /// Now.
    pub now: Instant,
    /// The actions on the wire, without what all have in common; the service's begin with `<`.
    pub wire: Vec<String>,
    /// What the client's application saw.
    pub seen: Vec<String>,
    /// Everything that was told.
    pub events: Vec<ChannelEvent>,
    names: BTreeMap<CallId, &'static str>,
    later: BTreeMap<(Instant, usize), (Whom, Sheet)>,
    /// Messages under way: the client's or not, the exchange, the bytes.
    flying: BTreeMap<(Instant, usize), (bool, Exchange, Vec<u8>)>,
    serial: usize,
    /// What becomes of the next messages, by `seen as in wire`.
    pub fate: Box<dyn FnMut(&str) -> Fate>,
}

fn short(action: &str) -> String {
    action.rsplit('/').next().unwrap_or_default().to_owned()
}

impl World {
    /// A client with WCF's defaults but for its timeouts.
    pub fn new(over: Over, timeouts: Timeouts) -> Self {
        Self::with(over, timeouts, &settings(over), &InitiatorSettings::default())
    }

    /// A client with these settings.
    pub fn with(over: Over, timeouts: Timeouts, reliable: &ReliableSettings, initiator: &InitiatorSettings) -> Self {
        Self {
            client: channel(over, timeouts, reliable, initiator, 1),
            server: server(over, 100, &AcceptorSettings::default()),
            accepts: true,
            clients: 1,
            ended: 0,
            over,
            paper: Paper { password: "wonder".into(), ..Paper::default() },
            now: Instant::from_millis(1000),
            wire: Vec::new(),
            seen: Vec::new(),
            events: Vec::new(),
            names: BTreeMap::new(),
            later: BTreeMap::new(),
            flying: BTreeMap::new(),
            serial: 0,
            fate: Box::new(|_| Fate::Arrives),
        }
    }

    /// A new service takes the place of the old one, and knows nothing of it.
    pub fn restart(&mut self) {
        self.server = server(self.over, 200, &AcceptorSettings::default());
        self.later.clear();
    }

    /// A service of this kind and with these settings takes the place of the first one.
    #[must_use]
    pub fn served_by(mut self, over: Over, acceptor: &AcceptorSettings) -> Self {
        self.server = server(over, 100, acceptor);
        self
    }

    /// A new client takes the place of the old one; the service stays.
    pub fn replace(&mut self, timeouts: Timeouts) {
        self.clients += 1;
        let (settings, initiator) = (settings(self.over), InitiatorSettings::default());
        self.client = channel(self.over, timeouts, &settings, &initiator, self.clients);
        self.names.clear();
    }

    /// Calls an operation of the contract; what comes of it is seen later.
    ///
    /// # Errors
    /// As the channel's.
    pub fn call(&mut self, operation: OperationUse, value: u32) -> Result<CallId, CallRefused> {
        self.call_as(operation, operation.name, value)
    }

    /// Calls an operation under the action of another.
    ///
    /// # Errors
    /// As the channel's.
    pub fn call_as(&mut self, operation: OperationUse, action: &str, value: u32) -> Result<CallId, CallRefused> {
        let body = format!("<v xmlns=\"urn:cap\">{value}</v>");
        let action = format!("urn:cap/Calc/{action}");
        let sheet = Sheet { action, body, two_way: operation.two_way, fault: false };
        let called = self.client.call(self.now, operation, sheet).map_err(|(_, refused)| refused);
        match &called {
            Ok(call) => drop(self.names.insert(*call, operation.name)),
            Err(refused) => {
                let line = format!("{} -> THREW {}: \"{refused}\"", operation.name, refused.wcf_exception());
                self.seen.push(line);
            }
        }
        called
    }

    /// Calls, and lets time pass until the call is over. What the application then saw last.
    ///
    /// # Panics
    /// If the call is refused, or never ends.
    pub fn done(&mut self, operation: OperationUse, value: u32) -> String {
        let call = self.call(operation, value).expect("the call is legal");
        assert!(self.run_until(|world| !world.names.contains_key(&call)), "{} is never over", operation.name);
        let of_it = |line: &&String| line.starts_with(&format!("{} -> ", operation.name));
        self.seen.iter().rev().find(of_it).cloned().unwrap_or_default()
    }

    /// Closes, and lets time pass until that is over. What the application then saw last.
    pub fn close(&mut self) -> String {
        match self.client.close(self.now) {
            Ok(CloseBegun::UnderWay) => {
                self.run_until(|world| world.seen.last().is_some_and(|line| line.starts_with("close")));
            }
            Ok(CloseBegun::Nothing) => {
                self.run();
                self.seen.push("close -> closed".into());
            }
            Err(refused) => {
                self.run();
                self.seen.push(format!("close -> THREW {}: \"{refused}\"", refused.refusal.wcf_exception()));
            }
        }
        self.seen.last().cloned().unwrap_or_default()
    }

    /// Aborts, and lets both finish what they do at this moment.
    pub fn abort(&mut self) {
        self.client.abort();
        self.run();
    }

    /// The client's state.
    pub const fn state(&self) -> CommunicationState {
        self.client.state()
    }

    fn progress(&self) -> [usize; 5] {
        [self.wire.len(), self.seen.len(), self.events.len(), self.later.len(), self.flying.len()]
    }

    /// Runs until nothing happens at this moment.
    ///
    /// # Panics
    /// If the machines never fall silent.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            let before = self.progress();
            self.client_speaks();
            while let Some(((at, _), _)) = self.flying.first_key_value()
                && *at <= self.now
                && let Some((_, (client, exchange, bytes))) = self.flying.pop_first()
            {
                self.arrive(client, exchange, bytes);
            }
            self.service_works();
            if before == self.progress() {
                return;
            }
        }
        panic!("the machines do not fall silent at {:?}", self.now);
    }

    /// Runs, and lets time pass from deadline to deadline until `done`. `false`: nothing ever happens again.
    pub fn run_until(&mut self, done: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..1000 {
            self.run();
            if done(self) {
                return true;
            }
            match self.deadline() {
                Deadline::At(at) => self.now = self.now.max(at),
                Deadline::Never => return false,
            }
        }
        false
    }

    /// Lets so many milliseconds pass.
    pub fn wait(&mut self, millis: u64) {
        let until = self.now.after(Duration::from_millis(millis));
        loop {
            self.run();
            match self.deadline() {
                Deadline::At(at) if at <= until => self.now = self.now.max(at),
                Deadline::At(_) | Deadline::Never => break,
            }
        }
        self.now = until;
        self.run();
    }

    fn deadline(&mut self) -> Deadline {
        let mut out = vec![0; 65_536];
        let client = match self.client.poll(self.now, &self.paper, &mut out) {
            ChannelAction::Wait(deadline) => deadline,
            other => panic!("the client is not waiting: {:.60}", format!("{other:?}")),
        };
        let service = match &mut self.server {
            Server::Plain => Deadline::Never,
            Server::Secure(service) => match service.poll(self.now, &mut out) {
                Ok(AcceptorAction::Wait(deadline)) => deadline,
                other => panic!("the service is not waiting: {:.60}", format!("{other:?}")),
            },
            Server::Reliable(service, _) => match service.poll(self.now, &mut out) {
                Ok(ServiceAction::Wait(deadline)) => deadline,
                other => panic!("the service is not waiting: {:.60}", format!("{other:?}")),
            },
        };
        let later = self.later.first_key_value().map_or(Deadline::Never, |((at, _), _)| Deadline::At(*at));
        let flying = self.flying.first_key_value().map_or(Deadline::Never, |((at, _), _)| Deadline::At(*at));
        client.min(service).min(later).min(flying)
    }

    fn client_speaks(&mut self) {
        let mut out = vec![0; 64];
        loop {
            match self.client.poll(self.now, &self.paper, &mut out) {
                ChannelAction::Transmit { exchange, action, message } => {
                    let exchange = exchange.expect("messages go in exchanges");
                    let (action, bytes) = (short(&String::from_utf8_lossy(action)), message.to_vec());
                    self.carry(true, &action, exchange, bytes);
                }
                ChannelAction::Event(event) => self.told(event),
                ChannelAction::Grow(grow) => out = vec![0; grow.needed],
                ChannelAction::Wait(_) => return,
            }
        }
    }

    fn threw(&self, error: &ChannelError) -> String {
        format!("THREW {}: \"{}\"", error.wcf_exception(), error.wcf_text(self.client.to()))
    }

    fn told(&mut self, event: ChannelEvent) {
        self.events.push(event.clone());
        let result = |world: &Self, result: Result<(), ChannelError>, well: &str| match result {
            Ok(()) => well.to_owned(),
            Err(error) => world.threw(&error),
        };
        let line = match event {
            ChannelEvent::Opened => return,
            ChannelEvent::Faulted(_) => "channel Faulted".to_owned(),
            ChannelEvent::Closed => "channel Closed".to_owned(),
            ChannelEvent::OpenDone(done) => format!("open -> {}", result(self, done, "opened")),
            ChannelEvent::CloseDone(done) => format!("close -> {}", result(self, done, "closed")),
            ChannelEvent::CallDone(call, done) => {
                let well = if done == Ok(Answered::Reply) { "reply" } else { "ok" };
                let line = result(self, done.map(drop), well);
                self.call_over(call, &line);
                return;
            }
            other => format!("{other:?}"),
        };
        self.seen.push(line);
    }

    fn call_over(&mut self, call: CallId, line: &str) {
        let name = self.names.remove(&call).expect("a call is over once");
        self.ended += 1;
        self.seen.push(format!("{name} -> {line}"));
    }

    fn client_hears(&mut self, exchange: Exchange, mut bytes: Vec<u8>) {
        match self.client.receive(self.now, Some(exchange), &self.paper, &mut bytes) {
            ChannelHeard::Reply { call, message } => {
                assert!(message.body.of(&bytes).starts_with(b"<"), "the body of the reply");
                self.call_over(call, "reply");
            }
            ChannelHeard::Held { call, .. } => assert!(self.names.contains_key(&call), "it is not over"),
            ChannelHeard::Fault { call, fault, .. } => {
                let line = format!("THREW {}", fault_exception(fault.known));
                self.call_over(call, &line);
            }
            ChannelHeard::Failed { call, error } => {
                let line = self.threw(&error);
                self.call_over(call, &line);
            }
            ChannelHeard::Protocol => {}
        }
    }

    fn carry(&mut self, client: bool, line: &str, exchange: Exchange, bytes: Vec<u8>) {
        self.wire.push(line.to_owned());
        match (self.fate)(line) {
            Fate::Arrives => self.arrive(client, exchange, bytes),
            Fate::Late(millis) => {
                self.serial += 1;
                let at = self.now.after(Duration::from_millis(millis));
                self.flying.insert((at, self.serial), (client, exchange, bytes));
            }
            Fate::Lost => self.client.exchange_failed(self.now, exchange),
            Fate::Hangs => {}
        }
    }

    fn arrive(&mut self, client: bool, exchange: Exchange, bytes: Vec<u8>) {
        if client {
            self.service_hears(exchange, bytes);
        } else {
            self.client_hears(exchange, bytes);
        }
    }

    fn carry_back(&mut self, exchange: Exchange, action: &str, bytes: Vec<u8>) {
        self.carry(false, &format!("<{action}"), exchange, bytes);
    }

    fn do_later(&mut self, whom: Whom, (millis, sheet): (u64, Option<Sheet>)) {
        let Some(sheet) = sheet else { return };
        self.serial += 1;
        self.later.insert((self.now.after(Duration::from_millis(millis)), self.serial), (whom, sheet));
    }

    fn service_hears(&mut self, exchange: Exchange, mut bytes: Vec<u8>) {
        let text = |bytes: &[u8], span: Span| String::from_utf8_lossy(span.of(bytes)).into_owned();
        match &mut self.server {
            Server::Plain => {
                let message = String::from_utf8(bytes).expect("UTF-8");
                let between = |from: &str, to: &str| {
                    let rest = message.split_once(from).map_or("", |(_, rest)| rest);
                    rest.split_once(to).map_or("", |(inside, _)| inside).to_owned()
                };
                let action = between("<a:Action s:mustUnderstand=\"1\">", "<");
                let id = between("<a:MessageID>", "<");
                let todo = answer(&action, &between("<s:Body>", "</s:Body>"));
                if todo.1.is_none() {
                    self.carry_back(exchange, "202", Vec::new());
                }
                self.do_later(Whom::Plain(exchange, id), todo);
            }
            Server::Secure(service) => {
                let heard = service.receive(self.now, exchange, &self.paper, &mut bytes).expect("room");
                match heard {
                    Incoming::Request { opened, .. } => {
                        let todo = answer(&text(&bytes, opened.addressing.action), &text(&bytes, opened.body));
                        self.do_later(Whom::Secure(exchange), todo);
                    }
                    Incoming::Cancelled(session) => service.close(session).expect("the session is there"),
                    Incoming::Issued(_) | Incoming::Renewed(_) | Incoming::Refused(_) => {}
                }
            }
            Server::Reliable(service, kept) => {
                let heard = service.receive(self.now, exchange, &self.paper, &mut bytes).expect("room");
                if let ServiceHeard::Session {
                    session: Some(id),
                    heard: Heard::Message { number },
                    message: Some(place),
                } = heard
                {
                    let parts = (text(&bytes, place.action), text(&bytes, place.body), !place.message_id.is_empty());
                    kept.messages.insert((id, number), parts);
                }
            }
        }
    }

    fn service_works(&mut self) {
        if let Server::Reliable(service, kept) = &mut self.server {
            while self.accepts && service.accept().is_some() {}
            let ids: Vec<ReliableSessionId> = kept.messages.keys().map(|(id, _)| *id).collect();
            let mut todo = Vec::new();
            for id in ids {
                while let Some(number) = service.take(self.now, id) {
                    let (action, body, two_way) = kept.messages.remove(&(id, number)).expect("it was kept");
                    let what = answer(&action, &body);
                    assert_eq!(two_way, what.1.is_some(), "one-way messages have no MessageID");
                    todo.push((Whom::Reliable(id, number), what));
                }
            }
            for (whom, what) in todo {
                self.do_later(whom, what);
            }
        }
        while let Some(((at, _), _)) = self.later.first_key_value()
            && *at <= self.now
        {
            let Some((_, (whom, sheet))) = self.later.pop_first() else { return };
            self.reply(whom, sheet);
        }
        self.service_speaks();
        if let Server::Reliable(service, kept) = &mut self.server {
            let later = &self.later;
            let busy = |id| later.values().any(|(whom, _)| matches!(whom, Whom::Reliable(of, _) if *of == id));
            for id in kept.ending.iter().copied().filter(|id| !busy(*id)).collect::<Vec<_>>() {
                kept.ending.remove(&id);
                let _ = service.close(self.now, id);
            }
        }
        self.service_speaks();
    }

    fn reply(&mut self, whom: Whom, sheet: Sheet) {
        match (&mut self.server, whom) {
            (Server::Secure(service), Whom::Secure(exchange)) => drop(service.reply(exchange, sheet)),
            (Server::Reliable(service, _), Whom::Reliable(id, number)) => drop(service.reply(id, number, sheet)),
            (_, Whom::Plain(exchange, id)) => {
                let message = format!(
                    "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"{WSA}\"><s:Header><a:Action s:mustUnderstand=\"1\">{}\
                     </a:Action><a:RelatesTo>{id}</a:RelatesTo></s:Header><s:Body>{}</s:Body></s:Envelope>",
                    sheet.action, sheet.body
                );
                self.carry_back(exchange, &short(&sheet.action), message.into_bytes());
            }
            // The service was restarted.
            (Server::Plain | Server::Secure(_) | Server::Reliable(..), _) => {}
        }
    }

    fn service_speaks(&mut self) {
        let mut out = vec![0; 64];
        loop {
            let answer = match &mut self.server {
                Server::Plain => return,
                Server::Secure(service) => match service.poll(self.now, &mut out).expect("it can write") {
                    AcceptorAction::Answer { exchange, status, message } => Some((exchange, status, message.to_vec())),
                    AcceptorAction::Drop(_) | AcceptorAction::Swept(_) => None,
                    AcceptorAction::Grow(grow) => {
                        out = vec![0; grow.needed];
                        None
                    }
                    AcceptorAction::Wait(_) => return,
                },
                Server::Reliable(service, kept) => match service.poll(self.now, &mut out).expect("it can write") {
                    ServiceAction::Answer { exchange, status, message } => Some((exchange, status, message.to_vec())),
                    ServiceAction::Told(id, told) => {
                        if told == Told::EndOfMessages {
                            kept.ending.insert(id);
                        }
                        None
                    }
                    ServiceAction::Transmit { .. } | ServiceAction::Swept(_) => None,
                    ServiceAction::Drop(exchange) => {
                        self.client.exchange_failed(self.now, exchange);
                        None
                    }
                    ServiceAction::Grow(grow) => {
                        out = vec![0; grow.needed];
                        None
                    }
                    ServiceAction::Wait(_) => return,
                },
            };
            if let Some((exchange, status, bytes)) = answer {
                self.carry_back(exchange, &status.to_string(), bytes);
            }
        }
    }
}

/// What the application of a recorded story saw, by the name of what it did: `THREW ...`, without times.
///
/// # Panics
/// If the story is not there, or does not say that.
pub fn recorded(story: &str, what: &str) -> String {
    let path = crate::vectors_root().join("wcf-stories").join(story).join("timeline.txt");
    let timeline = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let line = timeline.lines().find_map(|line| {
        let (_, seen) = line.split_once(" client: ")?;
        let (did, came) = seen.split_once(" -> ")?;
        (did.contains(what) && came.starts_with("THREW")).then(|| came.to_owned())
    });
    line.unwrap_or_else(|| panic!("{story} does not say that {what} threw"))
}
