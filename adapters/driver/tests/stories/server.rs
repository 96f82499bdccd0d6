//! Our server against recorded clients: the peer posts the recorded octets, and compares the server's answers with the recorded ones.

use crate::application::{Application, Ran, Replies, replies};
use crate::client_peer::{ClientPeer, is_asked};
use crate::clock::{Played, Time};
use crate::peer::{Said, field, post};
use crate::secured::{Eyes, is_secured, tampered};
use crate::setting::{Home, options};
use crate::stage::Stage;
use crate::tale::{Step, Tale};
use futures_channel::oneshot;
use futures_lite::future::block_on;
use soap_session_driver::{Runtime, ServeError, Server};
use soap_session_tests::host_replay::contract;
use soap_session_tests::rm_story::{Event, Line, Proxy, Start};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    /// Dropped to end everything at once.
    kill: oneshot::Sender<()>,
    /// It is not served any more.
    over: Arc<AtomicBool>,
}

struct Play<'t, B: Home> {
    stage: Stage<'t>,
    /// Who sees what is protected, where it is.
    eyes: Option<Eyes>,
    /// The security of the recorded clients.
    peer: Option<ClientPeer>,
    /// What they have said, by its number.
    said: HashMap<u32, Vec<u8>>,
    replies: Replies,
    ran: Ran,
    running: Option<Running>,
    posted: usize,
    answered: Arc<AtomicUsize>,
    answers: HashMap<usize, Receiver<Option<Said>>>,
    of: std::marker::PhantomData<B>,
}

/// Plays a story. Returns how many messages were compared, and what is wrong.
pub(crate) fn play<B: Home>(tale: &Tale) -> (usize, Vec<String>) {
    let stage = Stage::new(tale);
    if tale.events.is_empty() {
        return (0, does_not_open::<B>(tale));
    }
    let play = Play::<B> {
        stage,
        eyes: tale.is_secured().then(Eyes::open),
        peer: None,
        said: HashMap::new(),
        replies: replies(tale),
        ran: Arc::default(),
        running: None,
        posted: 0,
        answered: Arc::default(),
        answers: HashMap::new(),
        of: std::marker::PhantomData,
    };
    play.run()
}

/// A binding that cannot carry the contract.
fn does_not_open<B: Home>(tale: &Tale) -> Vec<String> {
    let told = tale.moments.iter().find_map(|moment| match &moment.line {
        Line::Note(text) => text.strip_prefix("server: OPEN-FAILED System.InvalidOperationException: "),
        _ => None,
    });
    let theirs = told.unwrap_or_default().trim_matches('"');
    let application = Application::<B> {
        runtime: Played::default(),
        time: Time::begin(),
        contract: contract(&tale.contract),
        replies: Arc::default(),
        ran: Arc::default(),
    };
    let address = "127.0.0.1:0".parse().unwrap();
    match block_on(Server::<Played<B>, _>::bind(address, options(&tale.server), application)) {
        Err(ServeError::Contract(ours)) if ours == theirs => Vec::new(),
        Err(other) => vec![format!("it does not open: {other}, and not {theirs}")],
        Ok(_) => vec!["it opens".to_owned()],
    }
}

impl<B: Home> Play<'_, B> {
    fn start(&mut self) {
        let tale = self.stage.tale;
        let application = Application::<B> {
            runtime: Played::default(),
            time: Arc::clone(&self.stage.time),
            contract: contract(&tale.contract),
            replies: Arc::clone(&self.replies),
            ran: Arc::clone(&self.ran),
        };
        let mut options = options(&tale.server).with_observer(Arc::clone(&self.stage.counts) as Arc<_>);
        options.close = tale.closing().unwrap_or(options.close);
        let server = Server::<Played<B>, _>::bind("127.0.0.1:0".parse().unwrap(), options, application);
        let server = block_on(server).unwrap();
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (kill, killed) = oneshot::channel::<()>();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        Played::<B>::default().spawn(async move {
            let serve = server.serve(async {
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            });
            futures_lite::future::or(serve, async {
                let _ = killed.await;
            })
            .await;
            ended.store(true, Ordering::SeqCst);
        });
        self.stage.names.our_authority = address.to_string();
        self.running = Some(Running { address, stop: Some(stop), kill, over });
    }

    fn run(mut self) -> (usize, Vec<String>) {
        self.start();
        self.peer = ClientPeer::new(self.stage.tale, format!("http://{}/probe", self.stage.names.our_authority));
        for (ms, step) in self.stage.tale.steps(false) {
            self.say(ms);
            match step {
                Step::Asks(place) => self.asks(place, ms),
                Step::Ends(place) => self.ends(place, ms),
                Step::Server(place) => self.process(place, ms),
                Step::Deed(_) | Step::Told(_) => {}
            }
        }
        self.over()
    }

    fn process(&mut self, place: usize, ms: u64) {
        self.stage.advance(ms, &|| false);
        match self.stage.tale.moments[place].line {
            Line::ServerKilled => drop(self.running.take().map(|running| running.kill)),
            Line::ServerReady => self.start(),
            _ => {
                if let Some(stop) = self.running.as_mut().and_then(|running| running.stop.take()) {
                    let _ = stop.send(());
                }
            }
        }
        self.stage.settle(&|| false);
    }

    /// The clients say what they have said until then: it may arrive later.
    fn say(&mut self, ms: u64) {
        let tale = self.stage.tale;
        let Some(peer) = &mut self.peer else { return };
        for event in tale.events.iter().filter(|event| event.ms <= ms && is_asked(event)) {
            if self.said.contains_key(&event.number) {
                continue;
            }
            let at = self.stage.target(event.ms);
            let said = peer.says(at, event, || self.stage.names.translate(&tale.text(event))).and_then(|said| {
                let seen = self.eyes.as_mut().unwrap().see(event.way, &said);
                let theirs = tale.sight(event);
                match seen.flaw.or_else(|| self.stage.names.difference(&seen.text, &theirs)) {
                    None => self.stage.names.learn(&seen.text, &theirs),
                    Some(flaw) => return Err(flaw),
                }
                Ok(said)
            });
            match said {
                Ok(said) => drop(self.said.insert(event.number, said)),
                Err(why) => {
                    self.said.insert(event.number, Vec::new());
                    self.stage.wrong(format!("the peer's own #{:02}: {why}", event.number));
                }
            }
        }
    }

    /// What reaches the server of this request.
    fn request(&mut self, request: &Event) -> Vec<u8> {
        if self.peer.is_none() {
            return self.stage.names.translate(&self.stage.tale.text(request)).into_bytes();
        }
        let original = if let Proxy::CopyOf(original) = request.proxy { original } else { request.number };
        let said = self.said.get(&original).cloned().unwrap_or_default();
        if request.proxy == Proxy::Replace { tampered(&String::from_utf8_lossy(&said)).into_bytes() } else { said }
    }

    fn asks(&mut self, place: usize, ms: u64) {
        self.stage.advance(ms, &|| false);
        let tale = self.stage.tale;
        let request = tale.event(tale.exchanges[place].request);
        let Some(running) = &self.running else { return };
        let (address, over) = (running.address, running.over.load(Ordering::SeqCst));
        let body = self.request(request);
        let head = tale.head(request);
        let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
        let head: String = lines.map(|line| format!("{line}\r\n")).collect();
        let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
        self.answers.insert(place, post(address, head, body, Arc::clone(&self.answered)));
        if over {
            return;
        }
        self.posted += 1;
        let (counts, posted) = (Arc::clone(&self.stage.counts), self.posted);
        if !self.stage.soon(|| counts.received() >= posted) {
            self.stage.wrong(format!("#{:02} does not arrive", request.number));
            self.posted = counts.received();
        }
        self.stage.settle(&|| false);
    }

    fn ends(&mut self, place: usize, ms: u64) {
        let tale = self.stage.tale;
        let exchange = &tale.exchanges[place];
        let answer = tale.event(exchange.answer.unwrap());
        let Some(coming) = self.answers.remove(&place) else { return };
        let mut said = None;
        let (counts, answered) = (Arc::clone(&self.stage.counts), Arc::clone(&self.answered));
        let under_way = || counts.sent() > answered.load(Ordering::SeqCst);
        self.stage.until(ms, 1_000, &under_way, |_| {
            match coming.try_recv() {
                Ok(answer) => said = Some(answer),
                Err(TryRecvError::Disconnected) => said = Some(None),
                Err(TryRecvError::Empty) => {}
            }
            said.is_some()
        });
        if self.stage.time.now() > self.stage.target(ms) {
            self.stage.is_now(ms);
        }
        let number = answer.number;
        // Mono's way to say that an exchange was given up, or that nobody is there any more: nothing, with a 200.
        let nothing = answer.start == Start::Status(200) && answer.bytes.is_empty();
        if !matches!(said, Some(Some(_))) && nothing {
            return;
        }
        let Some(Some(said)) = said else {
            self.stage.wrong(format!("#{number:02} is not answered ({})", answer.told));
            return;
        };
        self.stage.compared += 1;
        let (mut ours, theirs) = (said.text(), tale.sight(answer));
        let head = tale.head(answer);
        let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
        if nothing && said.status() == Some(500) && ours == "the service gave this exchange up" {
            return;
        }
        if said.status() != status {
            self.stage.wrong(format!("#{number:02}: status {:?}, and not {status:?}: {ours}", said.status()));
        }
        if let Some(eyes) = self.eyes.as_mut().filter(|_| is_secured(&said.body)) {
            let seen = eyes.see(answer.way, &said.body);
            if let Some(flaw) = seen.flaw {
                self.stage.wrong(format!("#{number:02}: a receiver refuses it: {flaw}"));
            }
            ours = seen.text;
        }
        match self.stage.names.difference(&ours, &theirs) {
            None => self.stage.names.learn(&ours, &theirs),
            Some(difference) => self.stage.wrong(format!("#{number:02}: {difference}")),
        }
        if let Some(peer) = self.peer.as_mut().filter(|_| answer.delivered.is_some()) {
            peer.hears(self.stage.time.now(), exchange.request, &said.body);
        }
        let (our_type, their_type) = (said.field("content-type"), field(&head, "content-type"));
        if our_type != their_type {
            self.stage.wrong(format!("#{number:02}: Content-Type is {our_type:?}, and not {their_type:?}"));
        }
    }

    fn over(mut self) -> (usize, Vec<String>) {
        self.stage.settle(&|| false);
        let (mut theirs, mut sessions) = (Vec::new(), Vec::new());
        for moment in &self.stage.tale.moments {
            if let Line::Operation(operation) = &moment.line
                && operation.rest != "ends"
            {
                theirs.push(format!("{}({})", operation.name, operation.argument));
                sessions.push(operation.rest.strip_prefix("sid=").unwrap_or_default());
            }
        }
        let mut ran = self.ran.lock().unwrap().clone();
        // The recorded one does not tell of what only throws.
        ran.retain(|(ran, _)| theirs.contains(ran) || !(ran.starts_with("Detail") || ran.starts_with("Boom")));
        let ours: Vec<&String> = ran.iter().map(|(ran, _)| ran).collect();
        if ours != theirs.iter().collect::<Vec<_>>() {
            self.stage.wrong(format!("it ran {ours:?}, and not {theirs:?}"));
        }
        for ((what, ours), theirs) in ran.iter().zip(sessions).filter(|(_, theirs)| theirs.starts_with("urn:")) {
            let ours = ours.as_ref().map_or("", |session| &session.0);
            if let Some(difference) = self.stage.names.difference(ours, theirs) {
                self.stage.wrong(format!("the session of {what}: {difference}"));
            }
        }
        (self.stage.compared, self.stage.wrong)
    }
}
