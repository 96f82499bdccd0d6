//! Stories over net.tcp, from the service's side: its framing is not spoken here, so connections and their messages are told to the
//! host by a layer that stands for them. What the clients see is not played.

use super::application::request;
use super::narrative::Narrative;
use super::recorded_service::RecordedService;
use crate::actors::Said;
use crate::rm_story::{Call, Line, Moment, moments};
use crate::story::Config;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::Timer;
use soap_session_core::secure::{Credentials, SessionId, Unsealed};
use soap_session_core::service::{AbortReason, ChosenChannel, Contract};
use soap_session_core::session::{
    Delivered, GoneBecause, Kept, LayerAction, LayerHeard, Message, Owner, ServiceLayer, Wording,
};
use soap_session_core::soap::fault::FaultForm;
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::time::{Deadline, Instant};
use soap_session_core::xml::{Scope, Span};
use std::collections::{BTreeMap, VecDeque};

/// What comes by a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Frame {
    Message(u64),
    /// End, or the end of the stream.
    End,
}

#[derive(Default)]
struct Connection {
    accepted: bool,
    frames: VecDeque<Frame>,
    ended: bool,
    told: bool,
    gone: Option<GoneBecause>,
}

/// Connections, each a session.
#[derive(Default)]
pub(super) struct Connections {
    connections: BTreeMap<u32, Connection>,
    numbers: u64,
}

impl Connections {
    /// A client connects.
    pub(super) fn connect(&mut self, connection: u32) {
        self.connections.entry(connection).or_default();
    }

    /// The client of a connection sends no more. The service knows once it has read so far.
    pub(super) fn end(&mut self, connection: u32) {
        self.connections.entry(connection).or_default().frames.push_back(Frame::End);
    }
}

const fn id(owner: Owner) -> u32 {
    match owner {
        Owner::Secure(SessionId(id)) => id,
        Owner::Datagram | Owner::Reliable(_) => 0,
    }
}

impl ServiceLayer<Said> for Connections {
    type Heard = ();
    type Refused = ();

    fn sessionful(&self) -> bool {
        true
    }
    fn set_room(&mut self, _: Option<u32>) {}
    fn wording(&self) -> Wording {
        let addressing = AddressingVersion::Wsa10;
        let form = FaultForm::Clear(addressing);
        Wording { soap: SoapVersion::Soap12, addressing, form, language: "", addressed: true }
    }
    fn receive<C: Credentials + ?Sized>(
        &mut self,
        _: Instant,
        from: Exchange,
        _: &C,
        message: &mut [u8],
    ) -> Result<LayerHeard<()>, ()> {
        self.numbers += 1;
        let number = self.numbers;
        self.connections.entry(from.0).or_default().frames.push_back(Frame::Message(number));
        let split = message.iter().position(|byte| *byte == b'<').expect("a body");
        let span = |start: usize, end: usize| {
            Span::new(u32::try_from(start).expect("short"), u32::try_from(end).expect("short"))
        };
        let message = Message {
            action: span(0, split),
            message_id: Span::default(),
            relates_to: Span::default(),
            body: span(split, message.len()),
            body_scope: Scope::EMPTY,
            must_understand: None,
        };
        let kept = Kept { owner: Owner::Secure(SessionId(from.0)), number };
        Ok(LayerHeard::Message(Delivered { kept, message, two_way: true }))
    }
    fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        _: Instant,
        _: &C,
        _: &'o mut [u8],
    ) -> Result<LayerAction<'o>, Unsealed> {
        let gone = self.connections.iter().find_map(|(id, connection)| Some((*id, connection.gone?)));
        if let Some((id, because)) = gone {
            self.connections.remove(&id);
            return Ok(LayerAction::Gone(Owner::Secure(SessionId(id)), because));
        }
        let ended = self.connections.iter_mut().find(|(_, connection)| connection.ended && !connection.told);
        if let Some((id, connection)) = ended {
            connection.told = true;
            return Ok(LayerAction::Ended(Owner::Secure(SessionId(*id))));
        }
        Ok(LayerAction::Wait(Deadline::Never))
    }
    fn accept(&mut self) -> Option<Owner> {
        let (id, connection) = self.connections.iter_mut().find(|(_, connection)| !connection.accepted)?;
        connection.accepted = true;
        Some(Owner::Secure(SessionId(*id)))
    }
    fn take(&mut self, _: Instant, owner: Owner) -> Option<Kept> {
        let connection = self.connections.get_mut(&id(owner))?;
        match connection.frames.pop_front()? {
            Frame::Message(number) => Some(Kept { owner, number }),
            Frame::End => {
                connection.ended = true;
                None
            }
        }
    }
    fn reply(&mut self, _: Instant, _: Kept, _: Said) -> Result<(), Said> {
        Ok(())
    }
    fn finish(&mut self, _: Kept) {}
    fn close(&mut self, _: Instant, owner: Owner) {
        if let Some(connection) = self.connections.get_mut(&id(owner)) {
            connection.gone = Some(GoneBecause::Closed);
        }
    }
    fn abort(&mut self, owner: Owner, reason: AbortReason) {
        if let Some(connection) = self.connections.get_mut(&id(owner)) {
            connection.gone = Some(GoneBecause::Aborted(reason));
        }
    }
    fn exchange_failed(&mut self, _: Exchange) {}
    fn timers(&self, _: Owner, _: &mut dyn FnMut(Timer)) {}
    fn session_id(&self, _: Owner) -> Option<&[u8]> {
        Some(b"uuid:0;id=1")
    }
}

/// What a client does, and when.
enum Deed {
    Connects,
    Says(String, String),
    Ends,
}

/// Plays the service's side. Clients do what was recorded of them: they say what they call, and end by closing, aborting or
/// giving up.
///
/// # Panics
/// If it is not such a story.
pub(super) fn play(name: &str, server: &Config, contract: Contract<'static>, chosen: ChosenChannel) -> Narrative {
    let mut narrative = Narrative::default();
    let mut service = RecordedService::new(Connections::default(), server, contract, chosen, false);
    let mut clients: Vec<String> = Vec::new();
    let mut deeds: Vec<(u64, u32, Deed)> = Vec::new();
    let recorded = moments(name);
    let last = recorded.last().map(|moment| moment.ms).unwrap_or_default();
    for moment in &recorded {
        let mut number = |client: &String| {
            let known = clients.iter().position(|known| known == client).unwrap_or_else(|| {
                clients.push(client.clone());
                clients.len() - 1
            });
            u32::try_from(known + 1).expect("few")
        };
        match &moment.line {
            Line::Call(Call { client, operation, argument, .. }) => match operation.as_str() {
                "make" | "state" => {}
                "close" | "abort" => deeds.push((moment.began(), number(client), Deed::Ends)),
                _ if refused_locally(moment) => {}
                "open" => deeds.push((moment.began(), number(client), Deed::Connects)),
                _ => deeds.push((moment.began(), number(client), Deed::Says(operation.clone(), argument.clone()))),
            },
            // Connections have the numbers of the clients, in the order in which these first spoke.
            Line::Note(text) => {
                if let Some(number) = text.strip_prefix("conn ").and_then(|rest| rest.split_once(": c2s ")) {
                    deeds.push((moment.ms, number.0.parse().expect("a number"), Deed::Ends));
                }
            }
            _ => {}
        }
    }
    deeds.sort_by_key(|(at, ..)| *at);
    let mut deeds = deeds.into_iter().peekable();
    let mut now = 0;
    loop {
        let (_, due) = service.goes_on(Instant::from_millis(now), &mut narrative);
        let due = match due {
            Deadline::At(at) => at.as_millis().max(now),
            Deadline::Never => u64::MAX,
        };
        let next = deeds.peek().map_or(u64::MAX, |(at, ..)| *at).min(due);
        if next > last + 5_000 {
            return narrative;
        }
        now = next;
        while let Some((_, client, deed)) = deeds.next_if(|(at, ..)| *at <= now) {
            match deed {
                Deed::Connects => service.layer_mut().connect(client),
                Deed::Ends => service.layer_mut().end(client),
                Deed::Says(operation, argument) => {
                    let called = contract.operations.iter().find(|known| known.name == operation);
                    let action = called.map(|known| known.action).expect("an operation");
                    let said = request(action, &argument);
                    let mut bytes = [action.as_bytes(), &said.body].concat();
                    service.hears(Instant::from_millis(now), Exchange(client), "", &mut bytes);
                }
            }
            service.goes_on(Instant::from_millis(now), &mut narrative);
        }
    }
}

/// Was the call refused before anything was sent?
fn refused_locally(moment: &Moment) -> bool {
    let Line::Call(call) = &moment.line else { return false };
    let kinds = ["System.ServiceModel.CommunicationObject", "System.InvalidOperationException"];
    call.exception().is_some_and(|kind| kinds.iter().any(|local| kind.starts_with(local)))
}
