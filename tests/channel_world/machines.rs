//! The machines of a world: clients and services over each stack.

use super::contract::Sheet;
use crate::pair::MIDNIGHT;
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::Timeouts;
use soap_session_core::reliable::{ClientAddresses, ReliableSessionId, ReliableSettings, RmVersion, Shape};
use soap_session_core::secure::{
    Acceptor, AcceptorSettings, Binding, Encryption, Initiator, InitiatorSettings, UserCredential,
};
use soap_session_core::session::{ClientChannel, PlainClient, SessionClient, SessionService};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::xml::Limits;
use std::collections::{BTreeMap, BTreeSet};

/// The client's channel.
pub type Channel = ClientChannel<Sheet, Chance, 4, 64, 8, 9, 32>;
type SecureService = Acceptor<Sheet, Chance, 8, 16, 64>;
type ReliableService = SessionService<Sheet, 8, 8, 9, 16, 32>;

/// Which stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// No session.
    Plain,
    /// WS-SecureConversation.
    Secure,
    /// WS-ReliableMessaging, February 2005.
    Reliable,
    /// WS-ReliableMessaging 1.1.
    Reliable11,
    /// WS-ReliableMessaging over WS-SecureConversation.
    Both,
}

impl Over {
    /// All stacks.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Secure, Self::Reliable, Self::Reliable11, Self::Both];
    /// Those with a session.
    pub const SESSIONS: [Self; 4] = [Self::Secure, Self::Reliable, Self::Reliable11, Self::Both];
}

pub(super) enum Server {
    Plain,
    Secure(Box<SecureService>),
    Reliable(Box<ReliableService>, Kept),
}

/// What a reliable service keeps for its application.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) messages: BTreeMap<(ReliableSessionId, u64), (String, String, bool)>,
    /// Sessions whose client sends no more: closed when their operations are done.
    pub(super) ending: BTreeSet<ReliableSessionId>,
}

/// Whom a reply is for.
pub(super) enum Whom {
    Plain(Exchange, String),
    Secure(Exchange),
    Reliable(ReliableSessionId, u64),
}

fn chance(seed: u8) -> Chance {
    Chance::new(&[seed; 32])
}

fn contract(action: &[u8]) -> Option<Encryption> {
    (!action.ends_with(b"NoSuchOperation")).then_some(Encryption::Required)
}

pub(super) fn settings(over: Over) -> ReliableSettings {
    let version = if over == Over::Reliable11 { RmVersion::V11 } else { RmVersion::February2005 };
    ReliableSettings { version, ..ReliableSettings::default() }
}

pub(super) fn server(over: Over, seed: u8, acceptor: &AcceptorSettings) -> Server {
    let shape = Shape::RequestReply;
    match over {
        Over::Plain => Server::Plain,
        Over::Secure => {
            let settings = AcceptorSettings { contract, ..acceptor.clone() };
            Server::Secure(Box::new(SecureService::new(Binding::default(), settings, MIDNIGHT, chance(seed))))
        }
        Over::Reliable | Over::Reliable11 => {
            let (soap, limits) = (SoapVersion::Soap12, Limits::default());
            let service = ReliableService::plain(settings(over), soap, shape, limits, chance(seed));
            Server::Reliable(Box::new(service), Kept::default())
        }
        Over::Both => {
            let (acceptor, binding) = (acceptor.clone(), Binding::default());
            let chances = (chance(seed), chance(seed ^ 0x55));
            let service =
                ReliableService::secure(settings(over), shape, binding, acceptor, MIDNIGHT, chances.0, chances.1);
            Server::Reliable(Box::new(service), Kept::default())
        }
    }
}

/// A client's channel, just made.
///
/// # Panics
/// If the machines cannot be made.
pub fn channel(
    over: Over,
    timeouts: Timeouts,
    settings: &ReliableSettings,
    initiator: &InitiatorSettings,
    seed: u8,
) -> Channel {
    const TO: &str = "http://localhost/calc";
    let user = UserCredential::new("alice", "wonder");
    let addresses = ClientAddresses::new(TO, None).expect("an address");
    let shape = Shape::RequestReply;
    match over {
        Over::Plain => {
            let limits = Limits::default();
            let client =
                PlainClient::new(SoapVersion::Soap12, Some(AddressingVersion::Wsa10), TO, limits, chance(seed));
            Channel::plain(client.expect("a client"), timeouts)
        }
        Over::Secure => {
            let client = Initiator::new(Binding::default(), initiator.clone(), TO, user, MIDNIGHT, chance(seed));
            Channel::over_secure(client.expect("a client"), timeouts)
        }
        Over::Reliable | Over::Reliable11 => {
            let soap = SoapVersion::Soap12;
            let client =
                SessionClient::plain(settings.clone(), soap, shape, addresses, Limits::default(), chance(seed));
            Channel::over_reliable(client, timeouts)
        }
        Over::Both => {
            let (binding, chances) = (Binding::default(), (chance(seed), chance(!seed)));
            let initiator = initiator.clone();
            let client = SessionClient::secure(
                settings.clone(),
                shape,
                addresses,
                binding,
                initiator,
                user,
                MIDNIGHT,
                chances.0,
                chances.1,
            );
            Channel::over_reliable(client.expect("a client"), timeouts)
        }
    }
}
