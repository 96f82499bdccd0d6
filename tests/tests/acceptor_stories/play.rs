//! One recorded service, played by our acceptor.

use soap_session_core::crypto::RustCrypto;
use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Encryption, Exchange, Incoming, NoCredentials, OpenContext, Policy,
    SessionId, SessionMessage, UniqueIds, open,
};
use soap_session_core::time::{Deadline, Instant, Wall};
use soap_session_core::xml::Limits;
use soap_session_tests::actors::{Recorded, Said};
use soap_session_tests::dom::Node;
use soap_session_tests::script::Script;
use soap_session_tests::story::{Story, Turn};
use soap_session_tests::wire::{
    body, context_of, created, header, header_blocks, is_rm, ivs, lifetime_created, message_nonces, tree, unique_id,
    urn, without_ids,
};
use soap_session_tests::{Direction, Message, Verdict};
use std::collections::{BTreeMap, BTreeSet};

type Service = Acceptor<Said, Script, 16, 16, 256>;

/// The contract of the recorded services, as far as security asks: `NoSuchOperation` is not in it.
fn contract(action: &[u8]) -> Option<Encryption> {
    (!action.ends_with(b"/NoSuchOperation")).then_some(Encryption::Required)
}

/// What reliable messaging makes of it: its own messages go in clear, as the recorded ones must.
fn reliable_contract(action: &[u8]) -> Option<Encryption> {
    if is_rm(&String::from_utf8_lossy(action)) { Some(Encryption::None) } else { contract(action) }
}

fn service(story: &Story, script: &Script) -> Service {
    let config = &story.server;
    let standard = AcceptorSettings::default();
    let settings = AcceptorSettings {
        key_renewal_interval: config.seconds("srenew").unwrap_or(standard.key_renewal_interval),
        key_rollover_interval: config.seconds("sroll").unwrap_or(standard.key_rollover_interval),
        inactivity_timeout: config.seconds("sinact").unwrap_or(standard.inactivity_timeout),
        issued_cookie_lifetime: config.seconds("scookie").unwrap_or(standard.issued_cookie_lifetime),
        max_pending_sessions: config.get("spend").map_or(standard.max_pending_sessions, |n| n.parse().unwrap()),
        duplex: config.get("tr") == Some("tcp"),
        language: "",
        contract,
        ..standard
    };
    Service::new(config.binding(), settings, Wall { unix_ms_at_zero: 0 }, script.clone())
}

/// What the recorded service did to its session before it received this message (from the stories' own accounts).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// A time-out, or a fault of the layer above, ended the session silently.
    SessionEnds,
    /// The process was killed and started again.
    Restart,
}

const BEFORE: [(&str, u32, Before); 12] = [
    ("rm10-sc-client-abort", 11, Before::SessionEnds),
    ("rm11-sc-client-abort", 11, Before::SessionEnds),
    ("rm10-sc-faults", 15, Before::SessionEnds),
    ("rm10-sc-inactivity-server-5s", 7, Before::SessionEnds),
    ("rm11-sc-inactivity-server-5s", 7, Before::SessionEnds),
    ("rm10-sc-server-restarted", 9, Before::Restart),
    ("rm11-sc-server-restarted", 9, Before::Restart),
    ("sc-cookie-server-restarted", 7, Before::Restart),
    ("sc-cookie-server-restarted-default-encoder", 7, Before::Restart),
    ("sc-receive-timeout-5s", 5, Before::SessionEnds),
    ("sc-receive-timeout-5s-v13", 5, Before::SessionEnds),
    ("sc-server-restarted", 7, Before::Restart),
];

fn before(story: &str, number: u32) -> Option<Before> {
    let name = story.trim_start_matches("wcf-stories/");
    if name == "sc-server-restarted-v13" && number == 7 {
        return Some(Before::Restart);
    }
    BEFORE.iter().find(|(s, n, _)| *s == name && *n == number).map(|(_, _, what)| *what)
}

/// WCF numbers an answer's timestamp between the token and the derived keys that it issues, which we number in one go: a
/// story is played once with the recorded Ids of the tokens, once with those of the keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    OfTokens,
    OfKeys,
}

/// What playing a story counts.
#[derive(Default)]
pub(crate) struct Tally {
    /// Answers, by the number of their requests.
    pub(crate) answers: BTreeSet<u32>,
    /// Those that are byte for byte the recorded ones.
    pub(crate) byte_for_byte: BTreeSet<u32>,
    pub(crate) wrong: Vec<String>,
}

/// A moment of the story: a request arrives, or its answer leaves.
enum Moment<'t> {
    Arrives(&'t Turn),
    Leaves(&'t Turn, u32),
}

pub(crate) struct Play<'s> {
    story: &'s Story,
    ids: Ids,
    keys: Recorded,
    script: Script,
    service: Service,
    tally: Tally,
    now: Instant,
    /// Requests that the application has and has not answered.
    waiting: BTreeSet<u32>,
    /// The sessions of the messages that reliable messaging has.
    layered: BTreeMap<u32, SessionId>,
    /// How many requests are to be answered later in the story.
    open: u32,
}

impl<'s> Play<'s> {
    pub(crate) fn new(story: &'s Story, ids: Ids) -> Self {
        let script = Script::default();
        let service = service(story, &script);
        let (keys, now) = (story.keyring(), Instant::from_millis(0));
        let (tally, waiting, layered) = (Tally::default(), BTreeSet::new(), BTreeMap::new());
        Self { story, ids, keys, script, service, tally, now, waiting, layered, open: 0 }
    }

    pub(crate) fn run(mut self) -> Tally {
        let mut moments: Vec<(i64, Moment<'_>)> = Vec::new();
        for turn in self.story.turns.iter().filter(|turn| turn.verdict != Verdict::Lost) {
            let reply = turn.reply.map(|number| self.story.reply(number));
            // A token's lifetime begins when the service made it.
            let life = reply.filter(|m| !m.bytes.is_empty()).and_then(|m| lifetime_created(&tree(m)));
            let arrives = life.unwrap_or(turn.received_at);
            moments.push((arrives, Moment::Arrives(turn)));
            if let Some(number) = turn.reply {
                let reply = self.story.reply(number);
                let sealed = if reply.is_secured() { created(&tree(reply)) } else { None };
                moments.push((sealed.unwrap_or(arrives).max(arrives), Moment::Leaves(turn, number)));
            }
        }
        moments.sort_by_key(|(at, _)| *at);
        for (at, moment) in moments {
            self.time_passes(at);
            match moment {
                Moment::Arrives(turn) => {
                    self.arrives(turn);
                    self.open += u32::from(turn.reply.is_some());
                }
                Moment::Leaves(turn, reply) => self.leaves(turn, reply),
            }
        }
        self.tally
    }

    fn wrong(&mut self, turn: &Turn, what: String) {
        self.tally.wrong.push(format!("{} {:02}: {what}", self.story.name, turn.number));
    }

    fn arrives(&mut self, turn: &Turn) {
        match before(&self.story.name, turn.number) {
            Some(Before::Restart) => self.service = service(self.story, &self.script),
            Some(Before::SessionEnds) => {
                let session = SessionId(1);
                self.service.close(session).expect("the session is there until then");
            }
            None => {}
        }
        let story = self.story;
        let message = story.request(turn.number);
        if let Some(reply) = turn.reply.map(|n| story.reply(n)).filter(|m| m.plain.is_some()) {
            self.whisper_token(reply);
        }
        let mut bytes = message.received().to_vec();
        let (reliable, exchange) = (story.server.reliable(), Exchange(turn.number));
        let incoming = if reliable {
            self.service.open_message(self.now, exchange, &self.keys, reliable_contract, &mut bytes)
        } else {
            self.service.receive(self.now, exchange, &self.keys, &mut bytes)
        };
        let incoming = incoming.expect("room");
        let action = header(&tree(message), "Action");
        let good = match (turn.verdict, &incoming) {
            (Verdict::Accepted, Incoming::Issued(_)) => action.ends_with("RST/SCT"),
            (Verdict::Accepted, Incoming::Renewed(_)) => action.ends_with("RST/SCT/Renew"),
            (Verdict::Accepted | Verdict::NoAnswer, Incoming::Cancelled(_)) => action.ends_with("RST/SCT/Cancel"),
            (Verdict::Accepted | Verdict::NoAnswer, Incoming::Request { .. }) => !action.contains("RST/SCT"),
            (Verdict::Refused | Verdict::RenewNeeded | Verdict::TooBusy, Incoming::Refused(_)) => true,
            _ => false,
        };
        if !good {
            self.wrong(turn, format!("{:?}, and we say {incoming:?}", turn.verdict));
        }
        match incoming {
            Incoming::Request { session, .. } if reliable => {
                self.layered.insert(turn.number, session);
            }
            Incoming::Cancelled(session) if turn.reply.is_some_and(|n| sends_cancel(story.reply(n))) => {
                self.layered.insert(turn.number, session);
            }
            // Asked already and found wrong if not.
            Incoming::Cancelled(session) if turn.verdict == Verdict::Accepted => {
                self.service.close(session).expect("the session is there");
            }
            Incoming::Request { two_way: true, .. } => {
                self.waiting.insert(turn.number);
            }
            _ => {}
        }
    }

    /// The service's randomness for the token that `reply` issues.
    fn whisper_token(&mut self, reply: &Message) {
        let Some(issued) = self.story.secrets.of(&reply.file).and_then(|keys| keys.issued.clone()) else {
            self.script.say([]);
            return;
        };
        let name = (issued.identifier.clone(), issued.instance.clone());
        let (nonces, first) = self.story.session_nonces(Direction::ServerToClient, &name);
        let fresh = issued.instance.as_ref().unwrap_or(&issued.identifier);
        let mut pieces = vec![urn(fresh), issued.server_entropy];
        pieces.extend(nonces);
        self.script.say(pieces);
        // The token and its secret have Ids of their own, drawn before those of the derived keys.
        let of_keys = first.map(|mut ids| {
            let keys = ids.next_id();
            UniqueIds::new(keys.prefix, keys.number - 2)
        });
        let tree = tree(reply);
        let token = tree.all().into_iter().find(|node| node.local == "SecurityContextToken");
        let of_token = token.and_then(|token| unique_id(token.attribute("Id")?));
        // In cookie mode there are no others: the Ids are drawn as WCF draws them.
        if let Some(ids) = of_keys.filter(|_| self.ids == Ids::OfKeys).or(of_token) {
            self.service.continue_ids(ids);
        }
    }

    /// The application's reply is the recorded one.
    fn application_replies(&mut self, turn: &Turn, reply: &Message) {
        if self.waiting.remove(&turn.number) && reply.plain.is_some() {
            let action = header(&tree(reply), "Action");
            let said = Said {
                body: body(reply),
                action,
                two_way: false,
                fault: tree(reply).path(&["Body", "Fault"]).is_some(),
            };
            self.service.reply(Exchange(turn.number), said).expect("the request waits");
        }
    }

    /// Asks the service whenever it wants to be asked until `at`.
    fn time_passes(&mut self, at: i64) {
        let until = Instant::from_millis(u64::try_from(at).unwrap());
        // A service that has something to say says it when the story tells.
        while self.open == 0 {
            match self.service.poll(self.now, &mut []) {
                Ok(AcceptorAction::Swept(_)) => {}
                Ok(AcceptorAction::Wait(Deadline::At(due))) if due <= until => self.now = due,
                _ => break,
            }
        }
        self.now = until;
    }

    fn leaves(&mut self, turn: &Turn, number: u32) {
        let story = self.story;
        let reply = story.reply(number);
        self.open -= 1;
        self.application_replies(turn, reply);
        let secured = reply.is_secured();
        if secured {
            let tree = tree(reply);
            let mut pieces = message_nonces(&tree);
            if context_of(&tree).is_none() && !story.server.binding().derived_keys {
                // Drawn for an answer under the bootstrap, and not used.
                pieces.resize(2, vec![0; 16]);
            }
            pieces.extend(ivs(reply, story.server.binding().suite));
            self.script.say(pieces);
            let timestamp = tree.path(&["Header", "Security", "Timestamp"]).and_then(|t| t.attribute("Id"));
            let token = lifetime_created(&tree).is_some();
            if let Some(ids) = timestamp.filter(|_| !token || self.ids == Ids::OfTokens).and_then(unique_id) {
                self.service.continue_ids(ids);
            }
        }
        let mut out = vec![0; 32_768];
        if let Some(session) = self.layered.get(&turn.number).copied() {
            return self.layer_answers(turn, session, reply, &mut out);
        }
        let (status, ours) = loop {
            match self.service.poll(self.now, &mut out).expect("sealing") {
                AcceptorAction::Answer { exchange: Exchange(exchange), status, message } => {
                    if exchange == turn.number {
                        break (status, message.to_vec());
                    }
                    let what = format!("exchange {exchange} is answered first");
                    self.wrong(turn, what);
                }
                AcceptorAction::Swept(_) => {}
                other => {
                    let what = format!("no answer: {other:?}");
                    return self.wrong(turn, what);
                }
            }
        };
        self.tally.answers.insert(turn.number);
        let left = self.script.left();
        self.compare(turn, reply, status, &ours, left);
    }

    /// Reliable messaging answers what it was given, or cancels as well.
    fn layer_answers(&mut self, turn: &Turn, session: SessionId, reply: &Message, out: &mut [u8]) {
        let Some(plain) = &reply.plain else {
            assert!(reply.bytes.is_empty(), "an answer without security is the machine's");
            return;
        };
        let (tree, body) = (tree(reply), body(reply));
        if sends_cancel(reply) {
            let len = self.service.write_cancel(session, out).expect("the session is there");
            assert_eq!(out[..len], body);
        }
        let encrypt_body = Node::parse(&reply.bytes).path(&["Body", "EncryptedData"]).is_some();
        let headers = header_blocks(&tree, plain);
        let message = SessionMessage { headers: &headers, body: &body, encrypt_body };
        // Where messages go both ways, this one may have left before the other arrived.
        let at = Instant::from_millis(u64::try_from(created(&tree).expect("a time stamp")).unwrap());
        let len = self.service.seal_message(at, session, &message, out).expect("sealing");
        self.tally.answers.insert(turn.number);
        let (status, left) = (turn.status.unwrap_or_default(), self.script.left());
        self.compare(turn, reply, status, &out[..len], left);
        if sends_cancel(reply) {
            // Both sides have cancelled, and neither answers.
            self.service.abort(session).expect("the session is there until then");
            let action = self.service.poll(self.now, out).expect("nothing to seal");
            assert!(matches!(action, AcceptorAction::Drop(Exchange(number)) if number == turn.number));
        }
    }

    fn compare(&mut self, turn: &Turn, reply: &Message, status: u16, ours: &[u8], left: usize) {
        if turn.status.is_some_and(|recorded| recorded != status) {
            self.wrong(turn, format!("status {status}, recorded {:?}", turn.status));
        }
        if ours == reply.bytes {
            self.tally.byte_for_byte.insert(turn.number);
            return;
        }
        if !reply.is_secured() || ours.is_empty() {
            let ours = String::from_utf8_lossy(ours).into_owned();
            return self.wrong(turn, format!("ours {ours}\n theirs {}", String::from_utf8_lossy(&reply.bytes)));
        }
        if left > 0 {
            self.wrong(turn, format!("{left} recorded draws were not asked for"));
        }
        let (a, b) = (without_ids(ours), without_ids(&reply.bytes));
        if a != b {
            self.wrong(turn, first_difference(&a, &b));
        }
        self.opens(turn, reply, ours);
    }

    /// The recorded keys open our answer, and it says what the recorded one says.
    fn opens(&mut self, turn: &Turn, reply: &Message, ours: &[u8]) {
        let mut bytes = ours.to_vec();
        let (policy, limits) = (Policy::inspection(), Limits::default());
        let context = OpenContext {
            policy: &policy,
            limits: &limits,
            keyring: &self.keys,
            credentials: &NoCredentials,
            now: None,
        };
        let opened = match open::<RustCrypto, _, _>(&mut bytes, &context) {
            Ok(opened) => opened,
            Err(refusal) => return self.wrong(turn, format!("the recorded keys do not open our answer: {refusal}")),
        };
        let theirs = tree(reply);
        let text = |span: soap_session_core::xml::Span| String::from_utf8_lossy(span.of(&bytes)).into_owned();
        let (action, relates_to) = (text(opened.addressing.action), text(opened.addressing.relates_to));
        let (body, recorded) = (without_ids(opened.body.of(&bytes)), without_ids(&body(reply)));
        if action != header(&theirs, "Action") {
            self.wrong(turn, format!("action {action}"));
        }
        if relates_to != header(&theirs, "RelatesTo") {
            self.wrong(turn, format!("RelatesTo {relates_to}"));
        }
        if body != recorded {
            self.wrong(turn, first_difference(&body, &recorded));
        }
    }
}

/// Does the service itself cancel? It does where messages go both ways.
fn sends_cancel(reply: &Message) -> bool {
    reply.plain.is_some() && header(&tree(reply), "Action").ends_with("/RST/SCT/Cancel")
}

fn first_difference(ours: &str, theirs: &str) -> String {
    let at = ours.bytes().zip(theirs.bytes()).position(|(a, b)| a != b).unwrap_or_else(|| ours.len().min(theirs.len()));
    let show = |text: &str| -> String { text.chars().skip(at.saturating_sub(80)).take(200).collect() };
    format!("\n  ours   {}\n  theirs {}", show(ours), show(theirs))
}
