//! The security of a recorded service: it says what was recorded, under the keys of the play.

use crate::clock::CALENDAR_MS;
use crate::secured::{is_secured, service_store};
use crate::stage::skew;
use crate::tale::Tale;
use soap_session_core::chance::Chance;
use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Encryption, Exchange, Incoming, SessionMessage,
};
use soap_session_core::time::{Instant, Wall};
use soap_session_credentials::CredentialStore;
use soap_session_tests::actors::Said;
use soap_session_tests::dom::Node;
use soap_session_tests::rm_story::Event;
use soap_session_tests::story::Config;
use soap_session_tests::wire::header_blocks;
use std::collections::HashMap;

type Machine = Acceptor<Said, Chance, 16, 16, 256>;

/// The longest message of a story is shorter.
pub(crate) const ROOM: usize = 32 * 1024;

/// What a side's configuration says of its security.
pub(crate) fn acceptor_settings(config: &Config) -> AcceptorSettings {
    let standard = AcceptorSettings::default();
    AcceptorSettings {
        key_renewal_interval: config.seconds("srenew").unwrap_or(standard.key_renewal_interval),
        key_rollover_interval: config.seconds("sroll").unwrap_or(standard.key_rollover_interval),
        inactivity_timeout: config.seconds("sinact").unwrap_or(standard.inactivity_timeout),
        issued_cookie_lifetime: config.seconds("scookie").unwrap_or(standard.issued_cookie_lifetime),
        max_pending_sessions: config.get("spend").map_or(standard.max_pending_sessions, |n| n.parse().unwrap()),
        ..standard
    }
}

/// The peer.
pub(crate) struct ServicePeer {
    machine: Box<Machine>,
    settings: (Config, Wall),
    starts: u8,
    credentials: CredentialStore,
    /// What the machine itself answers, by the number of the request.
    own: HashMap<u32, Vec<u8>>,
}

impl ServicePeer {
    /// The service of a story; none where its messages have no session.
    pub(crate) fn new(tale: &Tale) -> Option<Self> {
        let config = tale.server.clone();
        if config.get("sec").is_none_or(|kind| kind == "oneshot") {
            return None;
        }
        // Our client's clock is the play's.
        let wall = Wall { unix_ms_at_zero: i64::try_from(CALENDAR_MS).unwrap() - skew(tale) };
        let (machine, credentials) = (machine(&config, wall, 0), service_store());
        Some(Self { machine, settings: (config, wall), starts: 0, credentials, own: HashMap::new() })
    }

    /// Its process was killed and started again.
    pub(crate) fn starts_again(&mut self) {
        self.starts += 1;
        self.machine = machine(&self.settings.0, self.settings.1, self.starts);
        self.own.clear();
    }

    /// A request has come.
    pub(crate) fn hears(&mut self, now: u64, request: u32, wire: &[u8]) {
        let (now, exchange) = (Instant::from_millis(now), Exchange(request));
        let contract = |_: &[u8]| Some(Encryption::Optional);
        let mut octets = wire.to_vec();
        let heard = self.machine.open_message(now, exchange, &self.credentials, contract, &mut octets);
        if let Incoming::Cancelled(session) = heard.unwrap() {
            self.machine.close(session).unwrap();
        }
        let mut out = vec![0; ROOM];
        loop {
            match self.machine.poll(now, &mut out).unwrap() {
                AcceptorAction::Answer { exchange, message, .. } => drop(self.own.insert(exchange.0, message.to_vec())),
                AcceptorAction::Swept(_) => {}
                AcceptorAction::Drop(_) | AcceptorAction::Grow(_) | AcceptorAction::Wait(_) => return,
            }
        }
    }

    /// The recorded answer to a request, with `bare` what it says here; an answer with a token says what its machine makes
    /// up. `conversation`: that of the request, as it is named here.
    pub(crate) fn says(
        &mut self,
        now: u64,
        request: u32,
        answer: &Event,
        bare: impl FnOnce() -> String,
        conversation: Option<&str>,
    ) -> Result<Vec<u8>, String> {
        let own = self.own.remove(&request);
        if !is_secured(&answer.bytes) {
            return Ok(bare().into_bytes());
        }
        if let Some(own) = own.filter(|own| is_secured(own)) {
            return Ok(own);
        }
        let session = conversation.and_then(|name| self.machine.named(name.as_bytes()));
        let session = session.ok_or_else(|| format!("no conversation {conversation:?}"))?;
        let mut out = vec![0; ROOM];
        let len = with_message(&bare(), answer, |message| {
            self.machine.seal_message(Instant::from_millis(now), session, message, &mut out)
        });
        out.truncate(len.map_err(|unsealed| unsealed.to_string())?);
        Ok(out)
    }
}

fn machine(config: &Config, wall: Wall, starts: u8) -> Box<Machine> {
    let chance = Chance::new(&[0x53 + starts; 32]);
    Box::new(Machine::new(config.binding(), acceptor_settings(config), wall, chance))
}

/// Does something with a message that says what stands in `bare`, protected as the recorded one was.
pub(crate) fn with_message<T>(bare: &str, recorded: &Event, work: impl FnOnce(&SessionMessage<'_>) -> T) -> T {
    let tree = Node::parse(bare.as_bytes());
    let headers = header_blocks(&tree, bare.as_bytes());
    let body = tree.child("Body").unwrap().inner.of(bare.as_bytes());
    let wire = String::from_utf8_lossy(&recorded.bytes);
    let encrypt_body = wire.split_once("<s:Body").is_some_and(|(_, body)| body.contains("<e:EncryptedData"));
    work(&SessionMessage { headers: &headers, body, encrypt_body })
}
