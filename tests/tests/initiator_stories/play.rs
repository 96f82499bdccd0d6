//! One recorded client, played by our initiator.

use soap_session_core::secure::{
    Encryption, Exchange, Failure, FaultSeen, Heard, Initiator, InitiatorAction, InitiatorPhase, InitiatorSettings,
    Received, SessionMessage, UniqueIds, Unsealed, UserCredential,
};
use soap_session_core::time::{Instant, Wall};
use soap_session_tests::actors::{Recorded, Said};
use soap_session_tests::dom::Node;
use soap_session_tests::script::Script;
use soap_session_tests::story::{Story, Turn};
use soap_session_tests::wire::{
    body, context_of, created, header, header_blocks, is_rm, ivs, message_nonces, tree, unique_id, urn,
};
use soap_session_tests::{Direction, Message, Verdict};
use std::collections::{BTreeMap, BTreeSet};

type Client = Initiator<Said, Script, 16, 256>;

/// Requests that the client gave up before their answers came.
const GIVEN_UP: [(&str, u32); 2] =
    [("wcf-stories/sc-send-timeout-3s-slow-operation", 5), ("wcf-stories/throttle-sessions-10-sc", 43)];

/// What playing a client counts.
#[derive(Default)]
pub(crate) struct Tally {
    /// Messages sent.
    pub(crate) sent: usize,
    /// Those that are byte for byte the recorded ones.
    pub(crate) byte_for_byte: usize,
    /// What became of each request, by its number.
    pub(crate) outcomes: BTreeMap<u32, String>,
    /// Where the client ended.
    pub(crate) phases: Vec<InitiatorPhase>,
    /// What must not be.
    pub(crate) wrong: Vec<String>,
}

/// The clients of a recording, each with the numbers of its messages.
pub(crate) fn clients(story: &Story) -> Vec<Vec<&Turn>> {
    let mut clients: Vec<Vec<&Turn>> = Vec::new();
    let mut by_identifier: BTreeMap<String, usize> = BTreeMap::new();
    if story.client.get("cancel") == Some("0") {
        // Its tokens come one after the other, each under a name of its own.
        return vec![story.turns.iter().collect()];
    }
    for turn in &story.turns {
        let message = story.request(turn.number);
        if message.proxy.starts_with("duplicate") {
            continue;
        }
        match context_of(&tree(message)) {
            Some((identifier, _)) => clients[by_identifier[&identifier]].push(turn),
            None => {
                let issued = turn.reply.and_then(|n| story.secrets.of(&story.reply(n).file)?.issued.clone());
                if let Some(issued) = issued {
                    by_identifier.insert(issued.identifier, clients.len());
                }
                clients.push(vec![turn]);
            }
        }
    }
    clients
}

#[derive(Clone, Copy)]
enum Moment<'t> {
    Sends(&'t Turn),
    /// `None`: the exchange fails.
    Hears(&'t Turn, Option<&'t Message>),
}

pub(crate) struct Play<'s> {
    story: &'s Story,
    turns: &'s [&'s Turn],
    keys: Recorded,
    script: Script,
    client: Client,
    now: Instant,
    exchanges: BTreeMap<u32, Exchange>,
    /// Calls that were handed over before their turn, because a renewal goes before them.
    handed_over: BTreeSet<u32>,
    /// Replies that reliable messaging has: one may answer two messages.
    heard: BTreeSet<u32>,
    /// CreateSequences whose reference to the token was compared.
    references: u32,
    pub(crate) tally: Tally,
}

impl<'s> Play<'s> {
    pub(crate) fn new(story: &'s Story, turns: &'s [&'s Turn]) -> Self {
        let script = Script::default();
        let request = tree(story.request(turns[0].number));
        let prefix = |node: Option<&Node>| {
            let id = node.and_then(|n| unique_id(n.attribute("Id")?));
            id.map_or_else(|| vec![0; 16], |mut ids| ids.next_id().prefix.0.to_vec())
        };
        let own = prefix(request.path(&["Header", "Security", "Timestamp"]));
        let user = prefix(request.path(&["Header", "Security", "UsernameToken"]));
        script.say([own, user]);
        let config = &story.client;
        let standard = InitiatorSettings::default();
        let settings = InitiatorSettings {
            key_renewal_interval: config.seconds("crenew").unwrap_or(standard.key_renewal_interval),
            key_rollover_interval: config.seconds("croll").unwrap_or(standard.key_rollover_interval),
            ..standard
        };
        let password = config.get("pw").unwrap_or("wonder");
        let client = Client::new(
            config.binding(),
            settings,
            &header(&request, "To"),
            UserCredential::new("alice", password),
            Wall { unix_ms_at_zero: 0 },
            script.clone(),
        );
        Self {
            story,
            turns,
            keys: story.keyring(),
            script,
            client: client.expect("a client"),
            now: Instant::from_millis(0),
            exchanges: BTreeMap::new(),
            handed_over: BTreeSet::new(),
            heard: BTreeSet::new(),
            references: 0,
            tally: Tally::default(),
        }
    }

    /// The client's clock at a moment of the story, from the time stamps of its requests.
    fn clock(&self, message: &Message) -> Option<i64> {
        let at = |m: &Message| i64::try_from(m.time_ms?).ok();
        let offsets = self.turns.iter().filter_map(|turn| {
            let request = self.story.request(turn.number);
            Some(created(&tree(request))? - at(request)?)
        });
        Some(at(message)? + offsets.max()?)
    }

    pub(crate) fn run(mut self) -> Tally {
        let mut moments = Vec::new();
        for turn in self.turns {
            let sends = created(&tree(self.story.request(turn.number))).expect("a time stamp");
            moments.push((sends, Moment::Sends(turn)));
            let reply = turn.reply.map(|number| self.story.reply(number));
            let heard = reply.filter(|m| !m.proxy.starts_with("drop") && turn.verdict != Verdict::Lost);
            let given_up = GIVEN_UP.contains(&(self.story.name.as_str(), turn.number));
            if given_up || heard.is_none() {
                moments.push((sends, Moment::Hears(turn, None)));
            }
            if let Some(reply) = heard {
                // Recordings without times were made on one machine: the service's clock is the client's.
                let at = self.clock(reply).or_else(|| created(&tree(reply.is_secured().then_some(reply)?)));
                moments.push((at.unwrap_or(sends).max(sends), Moment::Hears(turn, Some(reply))));
            }
        }
        moments.sort_by_key(|(at, _)| *at);
        for (at, moment) in moments {
            self.now = Instant::from_millis(u64::try_from(at).unwrap());
            match moment {
                Moment::Sends(turn) => self.sends(turn),
                Moment::Hears(turn, Some(reply)) => self.hears(turn, reply),
                Moment::Hears(turn, None) => self.hears_nothing(turn),
            }
        }
        self.tally.phases.push(self.client.phase());
        if self.story.client.reliable() && self.references == 0 {
            self.tally.wrong.push(format!("{}: no CreateSequence", self.story.name));
        }
        self.tally
    }

    fn wrong(&mut self, turn: &Turn, what: &str) {
        self.tally.wrong.push(format!("{} {:02}: {what}", self.story.name, turn.number));
    }

    fn hand_over(&mut self, number: u32) -> bool {
        let message = self.story.request(number);
        let tree = tree(message);
        let action = header(&tree, "Action");
        let said = Said { body: body(message), action, two_way: !header(&tree, "MessageID").is_empty(), fault: false };
        self.handed_over.insert(number);
        match self.client.call(said) {
            Ok(exchange) => {
                self.exchanges.insert(number, exchange);
                true
            }
            Err(_) => false,
        }
    }

    /// The application does what makes the recorded client send this message.
    fn provoke(&mut self, number: u32, action: &str) -> bool {
        if action.ends_with("/RST/SCT") && self.client.phase() == InitiatorPhase::Created {
            self.client.open().is_ok()
        } else if action.ends_with("/RST/SCT/Cancel") {
            self.client.close().is_ok()
        } else if action.ends_with("/RST/SCT/Renew") && self.story.client.reliable() {
            // The layer above finds out before it sends.
            assert!(self.client.needs_renewal(self.now));
            let message = SessionMessage { headers: &[], body: &[], encrypt_body: true };
            assert_eq!(self.client.seal_message(self.now, &message, &mut []), Err(Unsealed::RenewalDue));
            self.client.renew().is_ok()
        } else if action.ends_with("/RST/SCT/Renew") || action.ends_with("/RST/SCT") {
            // Not asked for: the next call makes it necessary.
            let next = self.turns.iter().map(|turn| turn.number).find(|n| *n > number).expect("a call");
            self.hand_over(next)
        } else {
            self.handed_over.contains(&number) || self.hand_over(number)
        }
    }

    fn sends(&mut self, turn: &Turn) {
        let message = self.story.request(turn.number);
        let recorded = tree(message);
        let action = header(&recorded, "Action");
        if self.story.client.reliable() && !action.contains("/RST/SCT") {
            return self.layer_sends(turn, message, &recorded);
        }
        if !self.provoke(turn.number, &action) {
            self.tally.outcomes.insert(turn.number, "not sent".into());
            return;
        }
        self.whisper_request(message, &recorded);
        let mut out = vec![0; 32_768];
        let ours = match self.client.poll(self.now, &self.keys, &mut out) {
            Ok(InitiatorAction::Transmit { exchange, action: said, message }) => {
                if said != action.as_bytes() {
                    let said = String::from_utf8_lossy(said).into_owned();
                    self.tally.wrong.push(format!("{} {:02}: {said}", self.story.name, turn.number));
                }
                self.exchanges.insert(turn.number, exchange);
                message.to_vec()
            }
            other => {
                let what = format!("nothing is sent: {other:?}");
                return self.wrong(turn, &what);
            }
        };
        self.compare(turn, &ours, message);
    }

    /// Reliable messaging hands a message down.
    fn layer_sends(&mut self, turn: &Turn, message: &Message, tree: &Node) {
        self.script.say(ivs(message, self.story.client.binding().suite));
        let timestamp = tree.path(&["Header", "Security", "Timestamp"]);
        if let Some(ids) = timestamp.and_then(|n| unique_id(n.attribute("Id")?)) {
            self.client.continue_ids(ids);
        }
        let plain = message.plain.as_ref().expect("a message in clear");
        let (headers, body) = (header_blocks(tree, plain), body(message));
        let encrypt_body = Node::parse(&message.bytes).path(&["Body", "EncryptedData"]).is_some();
        let handed = SessionMessage { headers: &headers, body: &body, encrypt_body };
        let mut out = vec![0; 32_768];
        match self.client.seal_message(self.now, &handed, &mut out) {
            Ok(len) => self.compare(turn, &out[..len], message),
            Err(error) => self.wrong(turn, &format!("nothing is sealed: {error}")),
        }
        if self.script.left() > 0 {
            self.wrong(turn, "recorded draws were not asked for");
        }
        let action = header(tree, "Action");
        if action.ends_with("/CreateSequence") {
            let len = self.client.write_token_reference(&mut out).expect("a token");
            let whole = String::from_utf8_lossy(&body);
            if !whole.contains(&*String::from_utf8_lossy(&out[..len])) {
                self.wrong(turn, "the reference to the token is not the recorded one");
            }
            self.references += 1;
        }
    }

    fn compare(&mut self, turn: &Turn, ours: &[u8], message: &Message) {
        self.tally.sent += 1;
        if ours == message.bytes {
            self.tally.byte_for_byte += 1;
        } else {
            let what = first_difference(ours, &message.bytes);
            self.wrong(turn, &what);
        }
    }

    /// The client's randomness for a request.
    fn whisper_request(&mut self, message: &Message, tree: &Node) {
        let keys = self.story.secrets.of(&message.file).cloned().unwrap_or_default();
        let binding = self.story.client.binding();
        let mut pieces = keys.binary_secrets;
        let trust = keys.encrypted_key.is_some();
        pieces.extend(keys.encrypted_key);
        if trust {
            let mut nonces = message_nonces(tree);
            // Drawn even where keys are not derived.
            nonces.resize(nonces.len().max(2), vec![0; 16]);
            pieces.extend(nonces);
        }
        let message_id = header(tree, "MessageID");
        // One-way messages draw a MessageID and do not send it.
        pieces.push(if message_id.is_empty() { vec![0; 16] } else { urn(&message_id) });
        if !trust {
            pieces.extend(message_nonces(tree));
        }
        pieces.extend(ivs(message, binding.suite));
        self.script.say(pieces);
        let first = if trust { tree.all().into_iter().find(|n| n.local == "BinarySecret") } else { None };
        let first = first.or_else(|| tree.path(&["Header", "Security", "Timestamp"]));
        if let Some(ids) = first.and_then(|n| unique_id(n.attribute("Id")?)) {
            self.client.continue_ids(ids);
        }
        let user = tree
            .path(&["Header", "Security"])
            .and_then(|security| security.child("UsernameToken").or_else(|| security.child("BinarySecurityToken")));
        if let Some(ids) = user.and_then(|n| unique_id(n.attribute("Id")?)) {
            self.client.continue_user_ids(ids);
        }
    }

    fn hears_nothing(&mut self, turn: &Turn) {
        let outcome = match self.exchanges.get(&turn.number).map(|exchange| self.client.exchange_failed(*exchange)) {
            Some(Some(failure)) => failed(&failure),
            Some(None) => "nothing failed".into(),
            None if self.story.client.reliable() => "no answer".into(),
            None => return,
        };
        self.tally.outcomes.insert(turn.number, outcome);
    }

    fn hears(&mut self, turn: &Turn, reply: &Message) {
        let exchange = self.exchanges.get(&turn.number).copied();
        let related = self.client.trust_exchange_related_to(reply.received());
        let Some(exchange) = exchange.filter(|_| !sends_cancel(reply)) else {
            if self.story.client.reliable() && self.heard.insert(reply.number) {
                assert_eq!(related, None);
                self.layer_hears(turn, reply);
            } else if self.story.client.reliable() {
                self.tally.outcomes.insert(turn.number, "reply".into());
            }
            return;
        };
        let trust = header(&tree(self.story.request(turn.number)), "Action").contains("/RST/SCT");
        if trust && reply.is_secured() && related != Some(exchange) {
            self.wrong(turn, "the answer is not known by its RelatesTo");
        }
        let issued = self.story.secrets.of(&reply.file).and_then(|keys| keys.issued.clone());
        if let Some(issued) = &issued {
            let name = (issued.identifier.clone(), issued.instance.clone());
            let (nonces, ids): (_, Option<UniqueIds>) = self.story.session_nonces(Direction::ClientToServer, &name);
            self.script.say(nonces);
            if let Some(ids) = ids {
                self.client.continue_ids(ids);
            }
        }
        let mut bytes = reply.received().to_vec();
        let received = self.client.receive(self.now, exchange, &self.keys, &mut bytes);
        let outcome = match received {
            Ok(Received::Established) => "established".into(),
            Ok(Received::Renewed) => "renewed".into(),
            Ok(Received::Closed) => "closed".into(),
            Ok(Received::Accepted) => "accepted".into(),
            Ok(Received::Reply(opened)) => {
                let heard = opened.body.of(&bytes);
                if heard != body(reply) {
                    self.wrong(turn, "the reply's body is not the recorded one");
                }
                "reply".into()
            }
            Ok(Received::Failed(failure)) => failed(&failure),
            Err(refusal) => format!("refused: {refusal}"),
        };
        if let Some(issued) = issued {
            let instance = self.client.instance().map(<[u8]>::to_vec);
            if self.client.identifier() != Some(issued.identifier.as_bytes())
                || instance != issued.instance.map(String::into_bytes)
            {
                self.wrong(turn, "not the recorded token");
            }
        }
        // A late answer tells nothing that was not told.
        self.tally.outcomes.entry(turn.number).or_insert(outcome);
    }

    /// Reliable messaging gets a message up.
    fn layer_hears(&mut self, turn: &Turn, reply: &Message) {
        let mut bytes = reply.received().to_vec();
        let body_of = |action: &[u8]| {
            if is_rm(&String::from_utf8_lossy(action)) { Encryption::None } else { Encryption::Required }
        };
        let outcome = if bytes.is_empty() {
            "accepted".into()
        } else {
            match self.client.open_message(self.now, &self.keys, body_of, &mut bytes) {
                Ok(Heard::Message(opened)) => {
                    if opened.body.of(&bytes) != body(reply) {
                        self.wrong(turn, "the message's body is not the recorded one");
                    }
                    "reply".into()
                }
                Ok(Heard::Fault(fault)) => failed(&Failure::Fault(fault)),
                Ok(Heard::Cancelled) => "cancelled".into(),
                Err(refusal) => format!("refused: {refusal}"),
            }
        };
        self.tally.outcomes.entry(turn.number).or_insert(outcome);
    }
}

/// Does the service itself cancel? It does where messages go both ways.
fn sends_cancel(reply: &Message) -> bool {
    reply.plain.is_some() && header(&tree(reply), "Action").ends_with("/RST/SCT/Cancel")
}

fn failed(failure: &Failure) -> String {
    match failure {
        Failure::NoAnswer => "no answer".into(),
        Failure::CloseUnconfirmed => "close unconfirmed".into(),
        Failure::Fault(FaultSeen { known: Some(known), secured, .. }) => {
            format!("{} {known:?}", if *secured { "secured" } else { "unsecured" })
        }
        other => format!("{other:?}"),
    }
}

fn first_difference(ours: &[u8], theirs: &[u8]) -> String {
    let at = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or_else(|| ours.len().min(theirs.len()));
    let show = |bytes: &[u8]| {
        let from = at.saturating_sub(80).min(bytes.len());
        String::from_utf8_lossy(&bytes[from..(at + 120).min(bytes.len())]).into_owned()
    };
    format!("byte {at}\n  ours   {}\n  theirs {}", show(ours), show(theirs))
}
