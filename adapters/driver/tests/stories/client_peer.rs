//! The security of recorded clients: they say what was recorded, under the keys of the play.

use crate::clock::CALENDAR_MS;
use crate::secured::client_store;
use crate::service_peer::{ROOM, with_message};
use crate::stage::skew;
use crate::tale::Tale;
use soap_session_core::chance::Chance;
use soap_session_core::secure::{
    Exchange, Initiator, InitiatorAction, InitiatorPhase, InitiatorSettings, OneShotClient, UserCredential,
};
use soap_session_core::time::{Instant, Wall};
use soap_session_credentials::CredentialStore;
use soap_session_tests::Direction;
use soap_session_tests::actors::Said;
use soap_session_tests::rm_story::{Envelope, Event};
use soap_session_tests::story::Config;
use std::collections::HashMap;

type Machine = Initiator<Said, Chance, 16, 256>;
type OneShot = OneShotClient<Chance, 8, 64>;

/// What a side's configuration says of its security.
pub(crate) fn initiator_settings(config: &Config) -> InitiatorSettings {
    let standard = InitiatorSettings::default();
    InitiatorSettings {
        key_renewal_interval: config.seconds("crenew").unwrap_or(standard.key_renewal_interval),
        key_rollover_interval: config.seconds("croll").unwrap_or(standard.key_rollover_interval),
        ..standard
    }
}

/// Who the recorded clients were.
pub(crate) fn user(config: &Config) -> Option<UserCredential> {
    UserCredential::new("alice", config.get("pw").unwrap_or("wonder"))
}

/// The peer: all clients of a story.
pub(crate) struct ClientPeer {
    config: Config,
    wall: Wall,
    to: String,
    credentials: CredentialStore,
    machines: Vec<Box<Machine>>,
    one_shot: Option<Box<OneShot>>,
    /// Which client has which recorded conversation.
    of: HashMap<String, usize>,
    /// The token requests that wait for their answers.
    asked: HashMap<u32, (usize, Exchange)>,
}

impl ClientPeer {
    /// The clients of a story, if they protect what they say.
    pub(crate) fn new(tale: &Tale, to: String) -> Option<Self> {
        let config = tale.client.clone();
        let one_shot = config.get("sec")? == "oneshot";
        let wall = Wall { unix_ms_at_zero: i64::try_from(CALENDAR_MS).unwrap() + skew(tale) };
        let one_shot = one_shot.then(|| {
            let chance = Chance::new(&[0x31; 32]);
            Box::new(OneShot::new(config.binding(), &to, user(&config), wall, chance).unwrap())
        });
        let mut of = HashMap::new();
        // Each token is its client's, who says in a renewal which one it is that it has; in cookie mode tokens follow each other.
        let mut clients = 0;
        for exchange in &tale.exchanges {
            let Some(envelope) = tale.event(exchange.request).envelope().filter(|envelope| envelope.is_trust()) else {
                continue;
            };
            let answer = exchange.answer.and_then(|answer| tale.event(answer).envelope());
            if let (None, Some(issued)) =
                (&envelope.conversation, answer.and_then(|answer| answer.conversation.clone()))
            {
                let number = if config.get("cancel") == Some("0") { 0 } else { clients };
                of.insert(issued, number);
            }
            clients += usize::from(envelope.conversation.is_none());
        }
        let (credentials, machines, asked) = (client_store(), Vec::new(), HashMap::new());
        Some(Self { config, wall, to, credentials, machines, one_shot, of, asked })
    }

    /// Protects a recorded request. `bare`: what it says here; a request for a token says what its machine makes up.
    pub(crate) fn says(&mut self, now: u64, request: &Event, bare: impl FnOnce() -> String) -> Result<Vec<u8>, String> {
        let now = Instant::from_millis(now);
        let envelope = request.envelope().ok_or("there is nothing to say")?;
        let mut out = vec![0; ROOM];
        if let Some(client) = &mut self.one_shot {
            let said = said(envelope);
            let sealed = client.seal_request(now, &self.credentials, &said, &mut out);
            out.truncate(sealed.map_err(|failure| failure.to_string())?.1);
            return Ok(out);
        }
        let number = match &envelope.conversation {
            Some(conversation) => *self.of.get(conversation).ok_or("whose is it?")?,
            None if self.config.get("cancel") == Some("0") && !self.machines.is_empty() => 0,
            None => {
                let chance = Chance::new(&[0x43 + self.machines.len() as u8; 32]);
                let (binding, settings) = (self.config.binding(), initiator_settings(&self.config));
                let machine = Machine::new(binding, settings, &self.to, user(&self.config), self.wall, chance);
                self.machines.push(Box::new(machine.unwrap()));
                self.machines.len() - 1
            }
        };
        let machine = self.machines.get_mut(number).ok_or("its token was not asked for")?;
        if !envelope.is_trust() {
            let len = with_message(&bare(), request, |message| machine.seal_message(now, message, &mut out));
            out.truncate(len.map_err(|unsealed| unsealed.to_string())?);
            return Ok(out);
        }
        let provoked = match (machine.phase(), envelope.action.ends_with("/Cancel")) {
            (InitiatorPhase::Created, false) => machine.open(),
            (_, false) => machine.renew(),
            (_, true) => machine.close(),
        };
        provoked.map_err(|misuse| misuse.to_string())?;
        match machine.poll(now, &self.credentials, &mut out) {
            Ok(InitiatorAction::Transmit { exchange, message, .. }) => {
                self.asked.insert(request.number, (number, exchange));
                Ok(message.to_vec())
            }
            other => Err(format!("{other:?}")),
        }
    }

    /// A request was answered.
    pub(crate) fn hears(&mut self, now: u64, request: u32, wire: &[u8]) {
        if let Some((number, exchange)) = self.asked.remove(&request) {
            let mut octets = wire.to_vec();
            // What it makes of it shows when it says something again.
            let _ = self.machines[number].receive(Instant::from_millis(now), exchange, &self.credentials, &mut octets);
        }
    }
}

fn said(envelope: &Envelope) -> Said {
    let (action, body) = (envelope.action.clone(), envelope.body_bytes().to_vec());
    Said { action, body, two_way: envelope.message_id.is_some(), fault: false }
}

/// Is this a request that somebody has to protect?
pub(crate) fn is_asked(event: &Event) -> bool {
    event.way == Direction::ClientToServer && event.is_genuine() && event.delivered.is_some()
}
