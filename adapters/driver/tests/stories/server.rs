//! Our server against recorded clients: the peer posts the recorded octets, and compares the server's answers with the recorded ones.

use crate::client_peer::{ClientPeer, is_asked};
use crate::clock::{Played, Time};
use crate::peer::{Said, field, post};
use crate::secured::{Eyes, is_secured, tampered};
use crate::setting::{Home, contract, options};
use crate::stage::Stage;
use crate::tale::{Step, Tale};
use futures_channel::oneshot;
use futures_lite::future::block_on;
use soap_session_core::service::Contract;
use soap_session_driver::{Answer, Call, Runtime, ServeError, Server, Service, SessionId};
use soap_session_tests::rm_story::{Event, Line, Proxy, Start};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a request, by its action and the content of its body, was recorded to be answered, and when.
type Replies = Arc<Mutex<Vec<(String, String, u64, Answer)>>>;

/// The recorded application: what it was asked it answers as it did then.
struct Application<B> {
    runtime: Played<B>,
    time: Arc<Time>,
    contract: Contract<'static>,
    replies: Replies,
    /// What began to run, in order.
    ran: Arc<Mutex<Vec<String>>>,
}

fn argument(body: &str) -> String {
    let text = body.split_once("><").and_then(|(_, rest)| rest.split_once('>'));
    text.and_then(|(_, rest)| rest.split_once('<')).map(|(text, _)| text.to_owned()).unwrap_or_default()
}

impl<B: Home> Service for Application<B> {
    type Instance = ();

    fn contract(&self) -> &Contract<'_> {
        &self.contract
    }

    fn instance(&self, _: Option<&SessionId>) {}

    async fn call(&self, (): &(), call: Call) -> Answer {
        let body = String::from_utf8_lossy(&call.body).into_owned();
        let name = self.contract.operations[usize::from(call.operation)].name;
        let argument = argument(&body);
        let told = if matches!(name, "Boom" | "Finish") { "" } else { &argument };
        self.ran.lock().unwrap().push(format!("{name}({told})"));
        let answer = {
            let mut replies = self.replies.lock().unwrap();
            let at = replies.iter().position(|(action, of, ..)| *action == call.action && *of == body);
            at.map(|at| replies.remove(at))
        };
        let takes = match &answer {
            Some((.., at, _)) => at.saturating_sub(self.time.now()),
            None if name == "Slow" => argument.parse().unwrap(),
            None => 0,
        };
        self.runtime.sleep_until(self.runtime.now() + Duration::from_millis(takes)).await;
        match name {
            "Boom" => Answer::Unhandled,
            "Notify" => Answer::Nothing,
            // It was never answered: what it says nobody hears.
            _ => answer.map_or_else(
                || Answer::reply(format!("{}Response", call.action), format!("<{name}Response xmlns=\"urn:cap\"/>")),
                |(.., answer)| answer,
            ),
        }
    }
}

/// What stands between the tags of the body.
fn content(text: &str) -> Option<&str> {
    Some(text.split_once("<s:Body>")?.1.split_once("</s:Body>")?.0)
}

/// What the application answered, from the recorded messages.
fn replies(tale: &Tale) -> Replies {
    let mut replies = Vec::new();
    let mut seen = Vec::new();
    for exchange in &tale.exchanges {
        let request = tale.event(exchange.request);
        let Some(envelope) = request.envelope() else { continue };
        if !seen.contains(&envelope.message_id) || envelope.message_id.is_none() {
            seen.push(envelope.message_id.clone());
        } else {
            continue;
        }
        let head = tale.head(request);
        let soap_action = field(&head, "soapaction").unwrap_or_default().trim_matches('"').to_owned();
        let action = if envelope.action.is_empty() { soap_action } else { envelope.action.clone() };
        let answers = tale.events.iter().filter(|event| match &envelope.message_id {
            Some(id) => event.envelope().is_some_and(|answer| answer.relates_to.as_ref() == Some(id)),
            None => exchange.answer == Some(event.number),
        });
        let (text, answers) = (tale.text(request), answers.collect::<Vec<_>>());
        let Some(body) = content(&text) else { continue };
        let answer = answers.iter().find_map(|answer| {
            let told = answer.envelope()?;
            let (text, action) = (tale.text(answer), told.action.clone());
            let body = content(&text)?.to_owned();
            let said = if told.fault().is_some() {
                Answer::RawFault { action: action.into(), body: body.into() }
            } else {
                Answer::reply(action, body)
            };
            Some((answer.ms, said))
        });
        replies.extend(answer.map(|(at, answer)| (action, body.to_owned(), at, answer)));
    }
    Arc::new(Mutex::new(replies))
}

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
    ran: Arc<Mutex<Vec<String>>>,
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
        let theirs: Vec<String> = self
            .stage
            .tale
            .moments
            .iter()
            .filter_map(|moment| match &moment.line {
                Line::Operation(operation) if operation.rest != "ends" => {
                    Some(format!("{}({})", operation.name, operation.argument))
                }
                _ => None,
            })
            .collect();
        let mut ours = self.ran.lock().unwrap().clone();
        // The recorded one does not tell of what only throws.
        ours.retain(|ran| theirs.contains(ran) || !(ran.starts_with("Detail") || ran.starts_with("Boom")));
        if ours != theirs {
            self.stage.wrong(format!("it ran {ours:?}, and not {theirs:?}"));
        }
        (self.stage.compared, self.stage.wrong)
    }
}
