//! A client of a story: our channel, and what its application says and hears.

use super::application::{operation_use, request, text_of};
use super::narrative::{Narrative, masked};
use crate::actors::Said;
use crate::pair::Paper;
use crate::rm_story::State;
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::CommunicationState;
use soap_session_core::service::Contract;
use soap_session_core::session::{
    CallId, CallRefused, ChannelAction, ChannelError, ChannelEvent, ChannelHeard, ClientChannel, CloseBegun, Message,
    fault_exception,
};
use soap_session_core::time::{Deadline, Instant};
use std::collections::BTreeMap;

/// The channel of the stories.
pub(super) type Channel = ClientChannel<Said, Chance, 8, 256, 8, 9, 16>;

/// A client of a story.
pub(super) struct RecordedClient {
    name: String,
    channel: Channel,
    contract: Contract<'static>,
    knows: bool,
    calls: BTreeMap<CallId, String>,
    /// Results of calls that are told when the channel is closed.
    held: BTreeMap<CallId, String>,
    /// What goes out, and until when there is nothing more to do.
    unsent: Vec<(Exchange, String, Vec<u8>)>,
    until: Deadline,
    buffer: Vec<u8>,
}

const fn state(of: CommunicationState) -> State {
    match of {
        CommunicationState::Created | CommunicationState::Opening => State::None,
        CommunicationState::Opened => State::Opened,
        CommunicationState::Closing => State::Closing,
        CommunicationState::Closed => State::Closed,
        CommunicationState::Faulted => State::Faulted,
    }
}

impl RecordedClient {
    /// A client that has just been made. `knows`: its contract says which operations may not be first, or are the last.
    pub(super) fn new(name: &str, channel: Channel, contract: Contract<'static>, knows: bool) -> Self {
        Self {
            name: name.to_owned(),
            channel,
            contract,
            knows,
            calls: BTreeMap::new(),
            held: BTreeMap::new(),
            unsent: Vec::new(),
            until: Deadline::Never,
            buffer: vec![0; 16 * 1024],
        }
    }

    fn says(&self, told: &mut Narrative, line: impl Into<String>) {
        told.client(&self.name, line);
    }

    fn threw(&self, told: &mut Narrative, what: &str, kind: &str, text: &str) {
        let exception = masked(&format!("{kind}: \"{text}\""));
        let state = state(self.channel.state());
        self.says(told, format!("{what} -> THREW {exception} state {state:?}"));
    }

    fn failed(&self, told: &mut Narrative, what: &str, error: &ChannelError) {
        let text = error.wcf_text(self.channel.to()).to_string();
        self.threw(told, what, error.wcf_exception(), &text);
    }

    /// The application does something.
    pub(super) fn does(&mut self, now: Instant, operation: &str, argument: &str, told: &mut Narrative) {
        let what = format!("{operation} {argument}").trim().to_owned();
        match operation {
            "open" => {
                if let Err(refused) = self.channel.open(now) {
                    self.threw(told, &what, refused.refusal.wcf_exception(), &refused.refusal.to_string());
                }
            }
            "close" => match self.channel.close(now) {
                // An event tells how it ended.
                Ok(CloseBegun::UnderWay) => {}
                Ok(CloseBegun::Nothing) => {
                    self.drains(now, told);
                    self.says(told, "close -> closed");
                }
                Err(refused) => {
                    self.drains(now, told);
                    self.threw(told, &what, refused.refusal.wcf_exception(), &refused.refusal.to_string());
                }
            },
            "abort" => {
                self.channel.abort();
                self.drains(now, told);
                self.says(told, "abort -> aborted");
            }
            "state" => self.says(told, format!("state -> {:?}", state(self.channel.state()))),
            "SessionIdClient" => {
                let id = self.channel.session_id().filter(|_| self.contract.session_mode != NOT_ALLOWED);
                self.says(told, if id.is_some() { "SessionIdClient -> sid" } else { "SessionIdClient ->" });
            }
            name => {
                let known = self.contract.operations.iter().find(|operation| operation.name == name);
                let operation = known.unwrap_or_else(|| panic!("operation {name}"));
                let message = request(operation.action, argument);
                match self.channel.call(now, operation_use(operation, self.knows), message) {
                    Ok(call) => {
                        self.calls.insert(call, what);
                    }
                    Err((_, refused)) => {
                        let text = match &refused {
                            CallRefused::State(refused) => refused.refusal.to_string(),
                            refused => refused.to_string(),
                        };
                        self.threw(told, &what, refused.wcf_exception(), &text);
                    }
                }
            }
        }
    }

    /// Does everything that is to be done now. Gives what goes to the wire, and until when there is nothing more to do.
    pub(super) fn goes_on(
        &mut self,
        now: Instant,
        told: &mut Narrative,
    ) -> (Vec<(Exchange, String, Vec<u8>)>, Deadline) {
        self.drains(now, told);
        (std::mem::take(&mut self.unsent), self.until)
    }

    /// Tells what has come of something that the channel was told, before its caller is.
    fn drains(&mut self, now: Instant, told: &mut Narrative) {
        loop {
            match self.channel.poll(now, &Paper::default(), &mut self.buffer) {
                ChannelAction::Transmit { exchange, action, message } => {
                    let action = String::from_utf8_lossy(action).into_owned();
                    self.unsent.push((exchange.expect("an exchange"), action, message.to_vec()));
                }
                ChannelAction::Event(event) => self.hear_event(event, told),
                ChannelAction::Grow(grow) => self.buffer.resize(grow.needed, 0),
                ChannelAction::Wait(deadline) => {
                    self.until = deadline;
                    return;
                }
            }
        }
    }

    fn hear_event(&mut self, event: ChannelEvent, told: &mut Narrative) {
        match event {
            ChannelEvent::Opened => {}
            ChannelEvent::Faulted(_) => self.says(told, "channel Faulted"),
            ChannelEvent::Closed => self.says(told, "channel Closed"),
            ChannelEvent::OpenDone(Ok(())) => self.says(told, "open -> sid"),
            ChannelEvent::OpenDone(Err(error)) => self.failed(told, "open", &error),
            ChannelEvent::CallDone(call, result) => {
                let what = self.calls.remove(&call).unwrap_or_default();
                match result {
                    Ok(_) => {
                        let result = self.held.remove(&call).unwrap_or_else(|| "ok".to_owned());
                        self.says(told, format!("{what} -> {result}"));
                    }
                    Err(error) => self.failed(told, &what, &error),
                }
            }
            ChannelEvent::CloseDone(Ok(())) => self.says(told, "close -> closed"),
            ChannelEvent::CloseDone(Err(error)) => self.failed(told, "close", &error),
            other => panic!("{other:?}"),
        }
    }

    /// An answer came; `None`: the exchange ended without one.
    pub(super) fn hears(&mut self, now: Instant, exchange: Exchange, message: Option<&mut [u8]>, told: &mut Narrative) {
        let Some(message) = message else {
            self.channel.exchange_failed(now, exchange);
            return;
        };
        let result = |place: &Message, bytes: &[u8]| {
            let body = String::from_utf8_lossy(place.body.of(bytes)).into_owned();
            text_of(&body, "Result").filter(|text| !text.is_empty()).unwrap_or_else(|| "ok".to_owned())
        };
        match self.channel.receive(now, Some(exchange), &Paper::default(), message) {
            ChannelHeard::Reply { call, message: place } => {
                let what = self.calls.remove(&call).unwrap_or_default();
                self.says(told, format!("{what} -> {}", result(&place, message)));
            }
            ChannelHeard::Held { call, message: place } => {
                self.held.insert(call, result(&place, message));
            }
            ChannelHeard::Fault { call, fault, .. } => {
                let what = self.calls.remove(&call).unwrap_or_default();
                // The channel's state goes before its caller knows.
                self.drains(now, told);
                let text = String::from_utf8_lossy(fault.reason.of(message));
                let text = text.replace("&lt;", "<").replace("&gt;", ">");
                // The test client's contract declares one fault.
                let declared = fault.known.is_none();
                let kind = if declared { "FaultException<CalcError>" } else { fault_exception(fault.known) };
                self.threw(told, &what, kind, &text);
            }
            ChannelHeard::Failed { call, error } => {
                let what = self.calls.remove(&call).unwrap_or_default();
                self.drains(now, told);
                self.failed(told, &what, &error);
            }
            ChannelHeard::Protocol => {}
        }
    }
}

const NOT_ALLOWED: soap_session_core::service::SessionMode = soap_session_core::service::SessionMode::NotAllowed;
