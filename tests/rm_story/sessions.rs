//! Which message belongs to which reliable session.

use super::exchanges::Exchange;
use super::facts::{Body, Envelope, Offer};
use super::wire::{Content, Event};

/// One reliable session that a client asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// The client in the words of the timeline, `A`, `B`, ...; empty where there is no timeline.
    pub client: String,
    /// The `MessageID` of its `CreateSequence`.
    pub create: String,
    /// The sequence from the service to the client: the one that the client offered.
    pub offered: Option<String>,
    /// The sequence from the client to the service: the one that the service granted.
    pub granted: Option<String>,
    /// The numbers of its messages, copies of the proxy's included, and of the empty answers to them. The frames of net.tcp
    /// that carry no envelope belong to no session.
    pub events: Vec<u32>,
}

impl Session {
    fn names(&self, envelope: &Envelope) -> bool {
        let sequences = [self.offered.as_deref(), self.granted.as_deref()];
        let related = [&envelope.message_id, &envelope.relates_to];
        related.into_iter().flatten().any(|id| *id == self.create)
            || envelope.sequences().into_iter().any(|id| sequences.contains(&Some(id)))
    }
}

/// A session for each `CreateSequence` that is not a repetition, in order: clients make their channels in the same order.
pub(super) fn read(events: &[Event], exchanges: &[Exchange], clients: &[String]) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for envelope in events.iter().filter_map(Event::reliable) {
        match &envelope.body {
            Body::CreateSequence { offer, .. } => {
                let create = envelope.message_id.clone().expect("a MessageID");
                if sessions.iter().all(|known| known.create != create) {
                    let client = clients.get(sessions.len()).cloned().unwrap_or_default();
                    let offered = offer.as_ref().map(|Offer { id, .. }| id.clone());
                    sessions.push(Session { client, create, offered, granted: None, events: Vec::new() });
                }
            }
            Body::CreateSequenceResponse { id, .. } => {
                let asked = sessions.iter_mut().find(|known| Some(&known.create) == envelope.relates_to.as_ref());
                asked.expect("a CreateSequence").granted = Some(id.clone());
            }
            _ => {}
        }
    }
    let mut owners: Vec<Option<usize>> = events.iter().map(|event| named(event, &sessions)).collect();
    by_conversation(events, &mut owners);
    // Whatever names no sequence (an empty answer, a fault of another layer) goes with the other half of its exchange.
    let place = |number: u32| events.iter().position(|event| event.number == number).expect("an event");
    for exchange in exchanges {
        if let Some((request, answer)) = exchange.answer.map(|answer| (place(exchange.request), place(answer))) {
            let owner = owners[request].or(owners[answer]);
            (owners[request], owners[answer]) = (owner, owner);
        }
    }
    for (event, owner) in events.iter().zip(owners) {
        // What is still nobody's is the only session's.
        let only = (sessions.len() == 1 && !matches!(event.content, Content::Frame(_))).then_some(0);
        if let Some(owner) = owner.or(only) {
            sessions[owner].events.push(event.number);
        }
    }
    sessions
}

/// Each session has a secure conversation of its own: whatever the conversation protects is the session's.
fn by_conversation(events: &[Event], owners: &mut [Option<usize>]) {
    let conversation = |event: &Event| event.envelope()?.conversation.clone();
    for at in 0..events.len() {
        let Some(name) = conversation(&events[at]).filter(|_| owners[at].is_none()) else { continue };
        let same = events
            .iter()
            .zip(owners.iter())
            .find(|(event, owner)| owner.is_some() && conversation(event).as_ref() == Some(&name));
        owners[at] = same.and_then(|(_, owner)| *owner);
    }
}

fn named(event: &Event, sessions: &[Session]) -> Option<usize> {
    let envelope = event.reliable()?;
    sessions.iter().position(|session| session.names(envelope))
}
