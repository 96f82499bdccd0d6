//! What carries a client's bytes and time: it asks the channel, posts what it wants posted, and tells it what came.

use super::Reply;
use super::error::{CallError, Failed, Transport};
use super::make::WINDOW;
use super::telemetry::ChannelTelemetry;
use crate::Runtime;
use crate::binding::Binding;
use crate::body::standalone;
use crate::clock::Clock;
use crate::fault::Fault;
use crate::http::{ContentHeaders, HttpClient, HttpError, HttpReply, Row, Turn};
use crate::letter::Letter;
use crate::observe::{Watched, Way};
use crate::telemetry::CallUnderWay;
use bytes::{Bytes, BytesMut};
use event_listener::Event;
use futures_channel::oneshot;
use futures_lite::future::or;
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::lifetime::{CommunicationState, Timeouts};
use soap_session_core::reliable::SessionError;
use soap_session_core::secure::{Credentials, Failure};
use soap_session_core::session::{
    Answered, CallId, ChannelAction, ChannelError, ChannelEvent, ChannelHeard, ClientChannel, Message,
};
use soap_session_core::soap::SoapVersion;
use soap_session_core::time::{Deadline, Instant};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Calls under way; signatures remembered; messages in the window, ranges of replies, open exchanges.
pub(super) type Channel = ClientChannel<Letter, Chance, 64, 1024, WINDOW, { WINDOW + 1 }, WINDOW>;

type Answer = Result<Option<Reply>, CallError>;

/// Who waits for the end of a call.
pub(super) struct Waiter {
    tell: oneshot::Sender<Answer>,
    /// The reply of a terminating call, until the channel is closed.
    held: Option<Reply>,
    under_way: CallUnderWay,
}

impl Waiter {
    pub(super) const fn new(tell: oneshot::Sender<Answer>, under_way: CallUnderWay) -> Self {
        Self { tell, held: None, under_way }
    }
}

/// The channel, and who waits for what.
pub(super) struct State {
    pub(super) channel: Box<Channel>,
    out: Vec<u8>,
    pub(super) calls: HashMap<CallId, Waiter>,
    pub(super) opening: Vec<oneshot::Sender<Result<(), Failed>>>,
    pub(super) closing: Vec<oneshot::Sender<Result<(), Failed>>>,
    /// When the channel wants to be asked again.
    deadline: Deadline,
    /// Exchanges that are open.
    exchanges: usize,
    /// Where messages are to arrive in order: those that go out one after the other.
    row: Option<Row>,
    /// The channel is closed, and what is still to be said has this long.
    linger: Option<Deadline>,
    /// Nothing runs any more.
    pub(super) over: bool,
    /// The text of the last fault of the protocol.
    reason: String,
    transport: Option<Transport>,
    pub(super) telemetry: ChannelTelemetry,
}

/// A client, as its tasks share it.
pub(super) struct Shared<R: Runtime> {
    pub(super) runtime: R,
    pub(super) clock: Clock,
    http: HttpClient<R>,
    credentials: Arc<dyn Credentials + Send + Sync>,
    soap: SoapVersion,
    /// Does WS-Addressing tell the action?
    addressed: bool,
    pub(super) timeouts: Timeouts,
    /// Most bytes of an answer.
    largest: usize,
    observer: Watched,
    state: Mutex<State>,
    /// The deadline has changed.
    changed: Event,
    /// A call has ended.
    pub(super) room: Event,
    /// Exchanges that are open are to be given up.
    cut: Event,
    pub(super) over: Event,
}

impl State {
    /// An error with what is known of it besides.
    pub(super) fn failed(&self, error: ChannelError) -> Failed {
        let lost = matches!(
            error,
            ChannelError::NoAnswer
                | ChannelError::TimedOut { .. }
                | ChannelError::Reliable(_)
                | ChannelError::Conversation(Failure::NoAnswer | Failure::CloseUnconfirmed)
                | ChannelError::Lower(Failure::NoAnswer | Failure::CloseUnconfirmed)
        );
        let faulty = matches!(
            error,
            ChannelError::Conversation(Failure::Fault(_))
                | ChannelError::Lower(Failure::Fault(_))
                | ChannelError::Reliable(SessionError::Remote { .. })
                | ChannelError::UnsecuredFault(_)
                | ChannelError::Fault(_)
        );
        Failed {
            error,
            reason: if faulty { self.reason.clone() } else { String::new() },
            transport: self.transport.clone().filter(|_| lost),
        }
    }

    fn answer(&mut self, call: CallId, answer: Answer) {
        if let Some(waiter) = self.calls.remove(&call) {
            self.telemetry.answered(call, waiter.under_way, &answer);
            // Whoever waited may have gone.
            let _ = waiter.tell.send(answer);
        }
    }

    /// The application gives up.
    pub(super) fn abort(&mut self) {
        self.telemetry.giving_up();
        self.channel.abort();
    }

    fn told(&mut self, event: ChannelEvent) {
        self.telemetry.told(&event, self.channel.session_id());
        match event {
            ChannelEvent::OpenDone(opened) => {
                let opened = opened.map_err(|error| self.failed(error));
                self.opening.drain(..).for_each(|tell| drop(tell.send(opened.clone())));
            }
            ChannelEvent::CloseDone(closed) => {
                let closed = closed.map_err(|error| self.failed(error));
                self.closing.drain(..).for_each(|tell| drop(tell.send(closed.clone())));
            }
            ChannelEvent::CallDone(call, outcome) => {
                let held = self.calls.get_mut(&call).and_then(|waiter| waiter.held.take());
                let answer = match outcome {
                    Ok(Answered::Accepted) => Ok(None),
                    Ok(Answered::Reply) => Ok(held),
                    Err(error) => Err(CallError::Failed(self.failed(error))),
                };
                self.answer(call, answer);
            }
            // What they mean for calls, opens and closes is told by itself; the rest is for the log.
            ChannelEvent::Opened | ChannelEvent::Faulted(_) | ChannelEvent::Closed | _ => {}
        }
    }

    fn heard(&mut self, heard: ChannelHeard, bytes: &Bytes) {
        let reply = |message: &Message| Reply {
            action: String::from_utf8_lossy(message.action.of(bytes)).into_owned(),
            body: standalone(bytes, message.body, &message.body_scope),
        };
        match heard {
            ChannelHeard::Reply { call, message } => self.answer(call, Ok(Some(reply(&message)))),
            ChannelHeard::Held { call, message } => {
                if let Some(waiter) = self.calls.get_mut(&call) {
                    waiter.held = Some(reply(&message));
                }
            }
            ChannelHeard::Fault { call, fault, message } => {
                let reason = String::from_utf8_lossy(fault.reason.of(bytes)).into_owned();
                self.reason.clone_from(&reason);
                self.telemetry.fault(call, &fault);
                let read = message.as_ref().and_then(|message| Fault::read(bytes, message));
                let fault = read.unwrap_or_else(|| Fault::told(fault.code, fault.known, reason));
                self.answer(call, Err(CallError::Fault(fault)));
            }
            ChannelHeard::Failed { call, error } => {
                if let ChannelError::Conversation(Failure::Fault(fault))
                | ChannelError::Lower(Failure::Fault(fault))
                | ChannelError::UnsecuredFault(fault) = &error
                {
                    self.reason = String::from_utf8_lossy(fault.reason.of(bytes)).into_owned();
                }
                let failed = self.failed(error);
                self.answer(call, Err(CallError::Failed(failed)));
            }
            // If it has ended something, that is told next.
            ChannelHeard::Protocol => {
                if let Some(reason) = Fault::reason_in(bytes) {
                    self.reason = reason;
                }
            }
        }
    }
}

impl<R: Runtime> Shared<R> {
    pub(super) fn new(
        runtime: R,
        clock: Clock,
        http: HttpClient<R>,
        channel: Box<Channel>,
        credentials: Arc<dyn Credentials + Send + Sync>,
        binding: &Binding,
        (observer, telemetry): (Watched, ChannelTelemetry),
    ) -> Arc<Self> {
        let state = State {
            channel,
            out: vec![0; 8 * 1024],
            calls: HashMap::new(),
            opening: Vec::new(),
            closing: Vec::new(),
            deadline: Deadline::Never,
            exchanges: 0,
            row: binding.reliable.as_ref().filter(|reliable| reliable.ordered).map(|_| Row::default()),
            linger: None,
            over: false,
            reason: String::new(),
            transport: None,
            telemetry,
        };
        Arc::new(Self {
            runtime,
            clock,
            http,
            credentials,
            soap: binding.soap(),
            addressed: binding.addressing().is_some(),
            timeouts: binding.timeouts,
            largest: binding.limits.message as usize,
            observer,
            state: Mutex::new(state),
            changed: Event::new(),
            room: Event::new(),
            cut: Event::new(),
            over: Event::new(),
        })
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now(&self.runtime)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads.
    pub(super) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state())
    }

    /// Tells the channel something, and carries out what it then wants.
    pub(super) fn tell<T>(self: &Arc<Self>, tell: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.state();
        let calls = state.channel.calls();
        let told = tell(&mut state, self.now());
        self.carry_out(&mut state);
        // By what was told or by what came of it: there is room for those who wait for it.
        if state.channel.calls() < calls {
            self.room.notify(usize::MAX);
        }
        told
    }

    fn carry_out(self: &Arc<Self>, state: &mut State) {
        let now = self.now();
        let before = state.deadline;
        loop {
            let State { channel, out, telemetry, .. } = state;
            match channel.poll(now, &*self.credentials, out) {
                ChannelAction::Transmit { exchange, action, message } => {
                    // Without an exchange it is a duplex connection's, which HTTP is not.
                    if let Some(exchange) = exchange {
                        telemetry.sent(exchange, action, message.len());
                        let action = String::from_utf8_lossy(action);
                        let headers = if self.addressed {
                            ContentHeaders::of(self.soap, action)
                        } else {
                            ContentHeaders::without_addressing(self.soap, &action)
                        };
                        let message = Bytes::copy_from_slice(message);
                        state.exchanges += 1;
                        let turn = state.row.as_mut().map(Row::place);
                        self.runtime.spawn(Arc::clone(self).post(exchange, headers, message, turn));
                    }
                }
                ChannelAction::Event(event) => state.told(event),
                ChannelAction::Grow(grow) => state.out.resize(grow.needed.max(2 * state.out.len()), 0),
                ChannelAction::Wait(deadline) => {
                    state.deadline = deadline;
                    break;
                }
            }
        }
        state.telemetry.resent(state.channel.retransmissions());
        if state.channel.state() == CommunicationState::Closed && state.linger.is_none() {
            state.linger = Some(Deadline::within(now, self.timeouts.close));
        }
        let late = state.linger.is_some_and(|linger| linger.due(now));
        if late {
            self.cut.notify(usize::MAX);
        }
        if state.linger.is_some() && (late || state.exchanges == 0) && !state.over {
            state.over = true;
            self.over.notify(usize::MAX);
        }
        if state.deadline != before || state.over {
            self.changed.notify(1);
        }
    }

    /// One exchange: from the message to what came of it.
    async fn post(self: Arc<Self>, exchange: Exchange, headers: ContentHeaders, message: Bytes, turn: Option<Turn>) {
        let cut = self.cut.listen();
        // It may have been given up before it began.
        if self.read(|state| state.over) {
            return;
        }
        let until = self.patience();
        self.observer.passed(Way::Sent, None, &message, exchange);
        let answered = async { Some(self.http.exchange_in_turn(&headers, message, self.largest, turn).await) };
        let given_up = async {
            or(cut, self.clock.wait(&self.runtime, until)).await;
            None
        };
        let answer = or(answered, given_up).await;
        self.arrived(exchange, answer);
    }

    /// Until when an exchange that begins now may take: whatever it is for has that long, so that nothing ends here that the
    /// channel still waits for.
    fn patience(&self) -> Deadline {
        let besides = match self.read(|state| state.channel.state()) {
            CommunicationState::Created | CommunicationState::Opening => self.timeouts.open,
            CommunicationState::Opened | CommunicationState::Faulted => self.timeouts.send,
            CommunicationState::Closing | CommunicationState::Closed => self.timeouts.close,
        };
        let now = self.now();
        Deadline::within(now, self.timeouts.send).max(Deadline::within(now, besides))
    }

    fn arrived(self: &Arc<Self>, exchange: Exchange, answer: Option<Result<HttpReply, HttpError>>) {
        let (mut seen, mut answered) = (None, None);
        let answer = match answer {
            Some(Ok(reply)) => {
                answered = Some((reply.status, reply.body.len()));
                seen = self.observer.passed(Way::Received, Some(reply.status), &reply.body, exchange);
                match reply.soap() {
                    Ok(Some(_)) => Ok(reply.body),
                    Ok(None) => Ok(Bytes::new()),
                    Err(error) => Err(Transport::Failed(Arc::new(error))),
                }
            }
            Some(Err(error)) => Err(Transport::Failed(Arc::new(error))),
            None => Err(Transport::TimedOut),
        };
        self.tell(|state, now| {
            state.exchanges -= 1;
            answered.inspect(|(status, bytes)| state.telemetry.received(exchange, *status, *bytes));
            match answer {
                Ok(message) => {
                    // It is decrypted where it lies.
                    let mut message = message.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
                    let heard = state.channel.receive(now, Some(exchange), &*self.credentials, &mut message);
                    let message = message.freeze();
                    if let Some(seen) = seen.as_mut().filter(|_| !matches!(heard, ChannelHeard::Failed { .. })) {
                        seen.opened(&message);
                    }
                    state.heard(heard, &message);
                }
                Err(transport) => {
                    state.telemetry.lost(exchange, &transport);
                    state.transport = Some(transport);
                    state.channel.exchange_failed(now, exchange);
                }
            }
        });
        self.observer.opened(seen);
    }
}

/// Asks the channel whenever its deadline comes, until nothing of it is left.
pub(super) async fn keep_time<R: Runtime>(shared: Arc<Shared<R>>) {
    loop {
        let changed = shared.changed.listen();
        let deadline = {
            let state = shared.state();
            if state.over {
                return;
            }
            state.deadline.min(state.linger.unwrap_or(Deadline::Never))
        };
        or(changed, shared.clock.wait(&shared.runtime, deadline)).await;
        shared.tell(|_, _| ());
    }
}
