//! Our client against the recorded server: the peer answers with the recorded octets, and compares what the client posts with what
//! WCF's posted.

use crate::calls::{Ended, does, threw};
use crate::clock::Played;
use crate::peer::{Inbox, Reaction, Request, field};
use crate::secured::Eyes;
use crate::service_peer::ServicePeer;
use crate::setting::{Home, client_options, operation_use};
use crate::stage::Stage;
use crate::tale::{Step, Tale};
use soap_session_driver::{Client, Runtime};
use soap_session_tests::Direction;
use soap_session_tests::rm_story::{Call, Event, ExchangeEnd, Line, Outcome};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// A request of ours.
struct Posted {
    request: Request,
    /// All of it that is compared.
    sight: String,
    flaw: Option<String>,
}

/// Takes what has come.
fn take(inbox: &Inbox, eyes: &mut Option<Eyes>, pool: &mut Vec<Posted>) {
    for request in inbox.take() {
        let (sight, flaw) = match eyes {
            Some(eyes) => {
                let seen = eyes.see(Direction::ClientToServer, &request.said.body);
                (seen.text, seen.flaw)
            }
            None => (request.said.text(), None),
        };
        pool.push(Posted { request, sight, flaw });
    }
}

struct Play<'t, B: Home> {
    stage: Stage<'t>,
    inbox: Inbox,
    /// Who sees what is protected, where it is.
    eyes: Option<Eyes>,
    /// The security of the recorded service, where there are sessions of it.
    peer: Option<ServicePeer>,
    /// How much longer the first exchange of a session takes than was seen.
    lead: u64,
    clients: BTreeMap<String, Client<Played<B>>>,
    calls: HashMap<usize, Arc<Mutex<Option<Ended>>>>,
    /// Requests that no recorded one is known for yet.
    pool: Vec<Posted>,
    /// Exchanges that are open.
    open: HashMap<usize, Request>,
    /// Those of them whose requests reach the service later, and when.
    held: HashMap<usize, u64>,
    /// Bodies that calls have used.
    used: Vec<u32>,
}

/// Plays a story. Returns how many messages were compared, and what is wrong.
///
/// The round trip from which a client's first timeout follows is not on the wire: it began before the recorder's machine had compiled
/// what writes a message. It is looked for, as the one with which the story comes out best.
pub(crate) fn play<B: Home>(tale: &Tale) -> (usize, Vec<String>) {
    let mut best: Option<(usize, Vec<String>)> = None;
    for lead in tale.leads() {
        let told = play_with::<B>(tale, lead);
        if told.1.is_empty() {
            return told;
        }
        if best.as_ref().is_none_or(|best| told.1.len() < best.1.len()) {
            best = Some(told);
        }
    }
    best.unwrap()
}

fn play_with<B: Home>(tale: &Tale, lead: u64) -> (usize, Vec<String>) {
    let mut stage = Stage::new(tale);
    let inbox = Inbox::open();
    stage.names.our_authority = inbox.address.to_string();
    let play = Play::<B> {
        stage,
        inbox,
        eyes: tale.is_secured().then(Eyes::open),
        peer: ServicePeer::new(tale),
        lead,
        clients: BTreeMap::new(),
        calls: HashMap::new(),
        pool: Vec::new(),
        open: HashMap::new(),
        held: HashMap::new(),
        used: Vec::new(),
    };
    play.run()
}

impl<B: Home> Play<'_, B> {
    fn run(mut self) -> (usize, Vec<String>) {
        let steps = self.stage.tale.steps(true);
        for (at, (ms, step)) in steps.iter().enumerate() {
            match *step {
                Step::Deed(place) => {
                    // What a call posts at once was posted later by one that had yet to be compiled.
                    let next = steps[at + 1..].iter().find(|(_, next)| !matches!(next, Step::Told(_)));
                    let posts = next.filter(|(_, next)| matches!(next, Step::Asks(_))).map(|(ms, _)| *ms);
                    self.deed(place, posts.filter(|posts| *posts < ms + 3_000).unwrap_or(*ms));
                }
                Step::Asks(place) => {
                    if !self.asks(place, *ms) {
                        break;
                    }
                }
                Step::Ends(place) => self.ends(place, *ms),
                Step::Told(place) => self.told(place, *ms),
                Step::Server(place) => {
                    if let (Some(peer), Line::ServerReady) = (&mut self.peer, &self.stage.tale.moments[place].line) {
                        peer.starts_again();
                    }
                }
            }
        }
        self.over()
    }

    /// Is a message on its way to us?
    fn settle(&mut self) {
        let (inbox, counts) = (&self.inbox, &self.stage.counts);
        self.stage.settle(&|| counts.sent() > inbox.count());
        take(&self.inbox, &mut self.eyes, &mut self.pool);
    }

    fn advance(&mut self, ms: u64) {
        let (inbox, counts) = (&self.inbox, Arc::clone(&self.stage.counts));
        self.stage.advance(ms, &|| counts.sent() > inbox.count());
        self.settle();
    }

    fn deed(&mut self, place: usize, ms: u64) {
        self.advance(ms);
        let call = self.stage.tale.call(place).clone();
        if call.operation == "make" {
            let url = format!("http://{}/probe", self.inbox.address);
            let options = client_options(self.stage.tale, &call.client);
            let options = options.with_observer(Arc::clone(&self.stage.counts) as Arc<_>);
            match Client::new(&url, options) {
                Ok(client) => drop(self.clients.insert(call.client, client)),
                Err(error) => self.stage.wrong(format!("{} cannot be made: {error}", call.client)),
            }
            return;
        }
        let Some(client) = self.clients.get(&call.client).cloned() else { return };
        let (action, body) = self.request(&call);
        let told = Arc::new(Mutex::new(None));
        self.calls.insert(place, Arc::clone(&told));
        if call.operation == "state" || call.operation == "SessionIdClient" {
            *told.lock().unwrap() = Some((Ok(String::new()), client.state(), client.session_id()));
            return;
        }
        let knows = !self.stage.tale.name.contains("call-after-terminating")
            && !self.stage.tale.name.contains("non-initiating-first");
        let used = operation_use(&self.stage.tale.contract, &call.operation, knows);
        let runtime = Played::<B>::default();
        runtime.spawn(async move {
            let ended = does(client, call.operation, used, action, body).await;
            *told.lock().unwrap() = Some(ended);
        });
        self.settle();
    }

    /// The action and the body of a call, from the recorded message that was it.
    fn request(&mut self, call: &Call) -> (String, String) {
        let name = &call.operation;
        let argument = format!(">{}<", call.argument);
        let (tale, used) = (self.stage.tale, &self.used);
        let theirs = tale.events.iter().find_map(|event| {
            let fresh = event.way == Direction::ClientToServer && event.is_genuine() && !used.contains(&event.number);
            let text = tale.text(event);
            let body = text.split_once("<s:Body>")?.1.split_once("</s:Body>")?.0.to_owned();
            let same = body.starts_with(&format!("<{name} ")) && body.contains(&argument);
            (fresh && (same || body == format!("<{name} xmlns=\"urn:cap\"/>"))).then_some((event, body))
        });
        match theirs {
            Some((event, body)) => {
                // Each time it was posted is the same call.
                let same = |other: &&Event| other.envelope().map(id) == event.envelope().map(id);
                self.used.extend(tale.events.iter().filter(same).map(|event| event.number));
                (self.action(event), body)
            }
            None => {
                let contract = tale.contract.trim_start_matches('I');
                let body = format!("<{name} xmlns=\"urn:cap\"><n>{}</n></{name}>", call.argument);
                (format!("urn:cap/{contract}/{name}"), body)
            }
        }
    }

    fn action(&self, event: &Event) -> String {
        let action = event.envelope().map(|envelope| envelope.action.clone()).filter(|action| !action.is_empty());
        let head = self.stage.tale.head(event);
        action.unwrap_or_else(|| field(&head, "soapaction").unwrap_or_default().trim_matches('"').to_owned())
    }

    /// The client posts. Is the story to go on?
    fn asks(&mut self, place: usize, ms: u64) -> bool {
        let tale = self.stage.tale;
        let event = tale.event(tale.exchanges[place].request);
        let theirs = tale.sight(event);
        let (inbox, counts) = (&self.inbox, Arc::clone(&self.stage.counts));
        let (pool, eyes, mut found) = (&mut self.pool, &mut self.eyes, None);
        self.stage.until(ms, 1_500, &|| counts.sent() > inbox.count(), |stage| {
            take(inbox, eyes, pool);
            found = pool.iter().position(|posted| stage.names.difference(&posted.sight, &theirs).is_none());
            found.is_some()
        });
        let close = || {
            let action = |text: &str| {
                let (_, rest) = text.split_once("Action s:mustUnderstand=\"1\"")?;
                Some(rest.split_once('>')?.1.split_once('<')?.0.to_owned())
            };
            self.pool.iter().position(|posted| action(&posted.sight) == action(&theirs))
        };
        let Some(at) = found.or_else(close) else {
            let other = self.pool.first().map(|posted| posted.sight.clone()).unwrap_or_default();
            self.stage.wrong(format!("#{:02} is not posted ({}); posted: {other}", event.number, event.told));
            // Without an answer the story goes on without it.
            return tale.exchanges[place].end == ExchangeEnd::Hung;
        };
        let Posted { request, sight: ours, flaw } = self.pool.remove(at);
        if let Some(flaw) = flaw {
            self.stage.wrong(format!("#{:02}: a receiver refuses it: {flaw}", event.number));
        }
        match self.stage.names.difference(&ours, &theirs) {
            None => self.stage.names.learn(&ours, &theirs),
            Some(difference) => self.stage.wrong(format!("#{:02}: {difference}", event.number)),
        }
        let head = tale.head(event);
        for name in ["content-type", "soapaction"] {
            let (ours, theirs) = (request.said.field(name), field(&head, name));
            if ours != theirs {
                self.stage.wrong(format!("#{:02}: {name} is {ours:?}, and not {theirs:?}", event.number));
            }
        }
        if !request.said.head.starts_with("POST /probe HTTP/1.1\r\n") {
            self.stage.wrong(format!("#{:02}: {}", event.number, request.said.head));
        }
        self.stage.compared += 1;
        self.stage.is_now(ms);
        let exchange = &tale.exchanges[place];
        match exchange.received.map(|received| tale.issued(exchange).unwrap_or(received)) {
            Some(received) if received > ms => drop(self.held.insert(place, received)),
            Some(_) => self.reaches(place, &request, ms),
            None => {}
        }
        self.open.insert(place, request);
        true
    }

    /// A request reaches the recorded service.
    fn reaches(&mut self, place: usize, request: &Request, ms: u64) {
        if let Some(peer) = &mut self.peer {
            peer.hears(self.stage.target(ms), self.stage.tale.exchanges[place].request, &request.said.body);
        }
    }

    /// What the recorded service answers, here.
    fn answer(&mut self, place: usize, request: &Request) -> Vec<u8> {
        let tale = self.stage.tale;
        let exchange = &tale.exchanges[place];
        let answer = tale.event(exchange.answer.unwrap());
        if let Some(ms) = self.held.remove(&place) {
            self.reaches(place, request, ms);
        }
        let names = &mut self.stage.names;
        let Some(peer) = &mut self.peer else { return names.translate(&tale.text(answer)).into_bytes() };
        let conversation = tale.event(exchange.request).envelope().and_then(|asked| asked.conversation.as_deref());
        let conversation = conversation.map(|name| names.translate(name));
        let now = self.stage.time.now();
        let bare = || names.translate(&tale.text(answer));
        let said = match peer.says(now, exchange.request, answer, bare, conversation.as_deref()) {
            Ok(said) => said,
            Err(why) => {
                self.stage.wrong(format!("the peer cannot say #{:02}: {why}", answer.number));
                return Vec::new();
            }
        };
        if let Some(eyes) = self.eyes.as_mut().filter(|_| !said.is_empty()) {
            let (seen, theirs) = (eyes.see(Direction::ServerToClient, &said), tale.sight(answer));
            match seen.flaw.or_else(|| self.stage.names.difference(&seen.text, &theirs)) {
                None => self.stage.names.learn(&seen.text, &theirs),
                Some(flaw) => self.stage.wrong(format!("the peer's own #{:02}: {flaw}", answer.number)),
            }
        }
        said
    }

    /// An exchange ends.
    fn ends(&mut self, place: usize, ms: u64) {
        self.advance(ms);
        let tale = self.stage.tale;
        let exchange = &tale.exchanges[place];
        if tale.event(exchange.request).told.ends_with("/CreateSequence") {
            self.advance(ms + self.lead);
            self.stage.is_now(ms);
        }
        if let ExchangeEnd::Closed(_) = exchange.end {
            // It takes some time to notice.
            self.advance(ms + 2);
        }
        let Some(request) = self.open.remove(&place) else { return };
        // Its time was over.
        if request.is_given_up() {
            return;
        }
        let received = self.stage.counts.received();
        let said = match exchange.end {
            ExchangeEnd::Closed(_) => {
                let ended = self.stage.time.ended();
                let _ = request.react.send(Reaction::Close);
                // That of the exchange, and that of the connection.
                let time = Arc::clone(&self.stage.time);
                if !self.stage.soon(|| time.ended() >= ended + 2) {
                    self.stage.wrong(format!("that #{:02} has no answer is not taken", exchange.request));
                }
                self.settle();
                return;
            }
            ExchangeEnd::Refused(_, status) => {
                format!("HTTP/1.1 {status} Unavailable\r\nContent-Length: 0\r\n\r\n").into_bytes()
            }
            ExchangeEnd::Answered(_) => {
                let body = self.answer(place, &request);
                let head = tale.head(tale.event(exchange.answer.unwrap()));
                let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
                let head: String = lines.map(|line| format!("{line}\r\n")).collect();
                [format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes(), body].concat()
            }
            ExchangeEnd::Hung | ExchangeEnd::Unanswered => return,
        };
        let _ = request.react.send(Reaction::Answer(said));
        let counts = Arc::clone(&self.stage.counts);
        if !self.stage.soon(|| counts.received() > received) {
            self.stage.wrong(format!("the answer to #{:02} is not taken", exchange.request));
        }
        self.settle();
    }

    /// A call ends.
    fn told(&mut self, place: usize, ms: u64) {
        let call = self.stage.tale.call(place).clone();
        let Some(ended) = self.calls.get(&place).cloned() else { return };
        let (inbox, counts) = (&self.inbox, Arc::clone(&self.stage.counts));
        let what = format!("{} {} {}", call.client, call.operation, call.argument);
        self.stage.until(ms, 3_000, &|| counts.sent() > inbox.count(), |_| ended.lock().unwrap().is_some());
        if self.stage.time.now() > self.stage.target(ms) {
            self.stage.is_now(ms);
        }
        let Some((ours, state, session)) = ended.lock().unwrap().take() else {
            self.stage.wrong(format!("{what} does not end"));
            return;
        };
        let state = format!("{state:?}");
        let (theirs, then) = match &call.outcome {
            Outcome::Returned(text) => {
                let name = text.strip_prefix("sid=").unwrap_or(text);
                if name.starts_with("urn:") {
                    let session = session.unwrap_or_default();
                    if let Some(difference) = self.stage.names.difference(&session, name) {
                        self.stage.wrong(format!("{what}: the session: {difference}"));
                    }
                }
                let value = matches!(call.operation.as_str(), "open" | "close" | "abort");
                let theirs = if value { "ok" } else { text };
                if call.operation == "state" {
                    if *text != state {
                        self.stage.wrong(format!("{what}: {state}, and not {text}"));
                    }
                    return;
                }
                if call.operation == "SessionIdClient" {
                    return;
                }
                (Ok(theirs.to_owned()), None)
            }
            Outcome::Threw { state, .. } => (threw(call.exception().unwrap()), Some(format!("{state:?}"))),
        };
        if ours != theirs || then.as_ref().is_some_and(|then| *then != state) {
            self.stage.wrong(format!("{what}: {ours:?} in state {state}, and not {theirs:?} in {then:?}"));
        }
    }

    fn over(mut self) -> (usize, Vec<String>) {
        self.settle();
        for request in std::mem::take(&mut self.pool) {
            self.stage.wrong(format!("was not recorded: {}", request.sight));
        }
        self.clients.clear();
        (self.stage.compared, self.stage.wrong)
    }
}

/// What makes a message the same when it is sent again.
fn id(envelope: &soap_session_tests::rm_story::Envelope) -> (Option<String>, Option<u64>, Vec<u8>) {
    let number = envelope.sequence.as_ref().map(|sequence| sequence.number);
    (envelope.message_id.clone(), number, envelope.body_bytes().to_vec())
}
