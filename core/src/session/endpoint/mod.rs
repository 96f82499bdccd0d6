//! A service's endpoint: a layer of sessions, and the host that decides what runs.
//!
//! ```text
//!   receive(..)  -> a message to keep under its name     poll(..)  -> what goes to the wire
//!   order(..)    -> Look: what does the message call?    looked(..)
//!                -> Run this call                        answered(..)
//!                -> Refused, Discard, Gone: forget it
//! ```
//!
//! The endpoint belongs to one lock, the host to another that is held for table look-ups only: an endpoint's `receive` and
//! `poll`, where the cryptography is, do without the host. So the sessions of a service may be spread over as many endpoints
//! as it has cores, with one host and its permits for all.

mod datagrams;
mod layer;
mod one_shot;
mod plain;
mod reliable;
mod secure;

pub use layer::{Delivered, FaultReply, GoneBecause, Kept, LayerAction, LayerHeard, Owner, ServiceLayer, Wording};
pub use one_shot::OneShotLayer;
pub use plain::PlainLayer;
pub use reliable::ReliableLayer;
pub use secure::SecureLayer;

use crate::exchange::Exchange;
use crate::lifetime::Timer;
use crate::secure::{Credentials, Unsealed};
use crate::service::{
    AbortReason, CallId, Called, ChannelId, ChosenChannel, Dispatch, DispatchFault, Gone, HostAction, HostRefused,
    InstanceId, Listener, Outcome, Request, ServiceHost,
};
use crate::soap::fault::{FaultForm, QName, Reason, SerializedString, write_fault_body_with};
use crate::soap::names::WSA_NONE;
use crate::soap::{Content, Fault, SoapVersion};
use crate::store::{Arena, Key, Store};
use crate::throttle::{Pressure, Throttle, ThrottleEvent};
use crate::time::{Deadline, Instant};
use crate::xml::Writer;
use core::marker::PhantomData;

/// Room for the body of a fault of the dispatcher. The longest has 900 bytes beside the action.
const FAULT: usize = 3072;

/// What the driver has to do for the application.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "an order that is not carried out is lost"]
pub enum Order {
    /// What does the message that is kept under this name call? Answer with [`ServiceEndpoint::looked`].
    Look(Kept),
    /// A channel's first message suits the contract: from now on it is the application's.
    Bound(ChannelId, Owner),
    /// Run this call, and answer with [`ServiceEndpoint::answered`]. The message is yours.
    Run(Dispatch<Kept>),
    /// The message was answered by the dispatcher: forget it. The fault is on its way, unless the message is one-way.
    Refused(Kept, DispatchFault),
    /// A call that had called out has its turn again.
    Resume(CallId),
    /// The service closes this channel, or aborts it.
    Ending(ChannelId, Owner),
    /// The channel is gone, and every message of its session that is still kept.
    Gone(Owner, GoneBecause, Disposed),
    /// A session, or its message, has to wait for a permit: told once for each.
    Waits {
        /// Who waits.
        owner: Owner,
        /// For what, and how things stand.
        pressure: Pressure,
        /// Whose permit is the oldest: [`Pressure::oldest`] says for how long it has been held.
        oldest: Option<Owner>,
    },
    /// A limit was reached, has eased, or somebody was refused for it.
    Throttle(ThrottleEvent),
    /// Nothing to do before this time, or before something is told. The last of a drain.
    Wait(Deadline),
}

/// The instance that went with something; its application can let go of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Disposed(pub Option<InstanceId>);

/// How the application answers a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallAnswer<P> {
    /// With a reply, or with a fault that its operation declares.
    Reply(P),
    /// Without: a one-way operation, or one whose reply is nothing.
    Nothing,
    /// It failed in a way that it does not declare: the client gets InternalServiceFault, and its session is closed.
    Unhandled,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bound {
    owner: Owner,
    channel: ChannelId,
    /// The host wants it ended, once what is to be sent has been sent.
    ending: Option<Option<AbortReason>>,
}

/// A service's endpoint over one layer of sessions.
///
/// `S` holds a table of the sessions that were accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceEndpoint<P, L, S: Store> {
    layer: L,
    listener: Listener,
    number: u16,
    /// Does the service see the sessions?
    session: bool,
    channels: Arena<Bound, S>,
    /// What the layer has told, until the host knows it.
    gone: Option<(Owner, GoneBecause)>,
    ended: Option<Owner>,
    /// The layer was told something since it was polled.
    stirred: bool,
    reply: PhantomData<P>,
}

impl<P: FaultReply, L: ServiceLayer<P>, S: Store> ServiceEndpoint<P, L, S> {
    /// An endpoint over `layer`. `number` tells apart the endpoints that share one host; `listener` is the host's pump that it
    /// accepts through.
    pub fn new(layer: L, number: u16, listener: Listener, chosen: ChosenChannel, channels: S) -> Self {
        Self {
            layer,
            listener,
            number,
            session: !chosen.datagram,
            channels: Arena::new(channels),
            gone: None,
            ended: None,
            stirred: false,
            reply: PhantomData,
        }
    }

    /// The layer, to be read.
    pub const fn layer(&self) -> &L {
        &self.layer
    }

    /// The layer, to be told what is not a session's.
    pub const fn layer_mut(&mut self) -> &mut L {
        &mut self.layer
    }

    /// Takes a message in; it is decrypted in place. A message for the application is to be kept under its name.
    ///
    /// # Errors
    /// There is no room. Nothing has changed.
    pub fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        from: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<LayerHeard<L::Heard>, L::Refused> {
        self.layer.receive(now, from, credentials, message)
    }

    /// Asks what to do at `now`, until it says [`LayerAction::Wait`]. `credentials`: [`receive`](Self::receive)'s.
    ///
    /// What it tells of sessions is known to [`order`](Self::order), which has to be asked between two polls.
    ///
    /// # Errors
    /// A reply of the application is not well-formed, or there is no certificate for it; its exchange or session has ended.
    pub fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        out: &'o mut [u8],
    ) -> Result<LayerAction<'o>, Unsealed> {
        if self.gone.is_some() || self.ended.is_some() {
            return Ok(LayerAction::Wait(Deadline::At(now)));
        }
        let action = self.layer.poll(now, credentials, out)?;
        match action {
            LayerAction::Gone(owner, because) => self.gone = Some((owner, because)),
            LayerAction::Ended(owner) => self.ended = Some(owner),
            LayerAction::Answer { .. }
            | LayerAction::Transmit { .. }
            | LayerAction::Drop(_)
            | LayerAction::Swept(_)
            | LayerAction::Grow(_)
            | LayerAction::Wait(_) => {}
        }
        Ok(action)
    }

    /// The exchange is gone: its client went away.
    pub fn exchange_failed(&mut self, exchange: Exchange) {
        self.layer.exchange_failed(exchange);
    }

    /// WCF's session id, as the application sees it: none where it sees no session.
    pub fn session_id(&self, owner: Owner) -> Option<&[u8]> {
        if self.session { self.layer.session_id(owner) } else { None }
    }

    /// The sessions that were accepted, those included that wait for their permit, or for their first message.
    pub fn owners(&self) -> impl Iterator<Item = Owner> {
        self.channels.iter().map(|(_, bound)| bound.owner)
    }

    /// Every timer of a session that is running, the host's and the layers'; `tell` hears of each: its name, when it is due, and
    /// what it will then do.
    pub fn timers(&self, host: &ServiceHost<Kept, S>, owner: Owner, tell: &mut dyn FnMut(Timer)) {
        if let Some((_, bound)) = self.find(owner) {
            host.timers(bound.channel).into_iter().flatten().for_each(&mut *tell);
        }
        self.layer.timers(owner, tell);
    }

    fn find(&self, owner: Owner) -> Option<(Key, Bound)> {
        self.channels.iter().find(|(_, bound)| bound.owner == owner).map(|(key, bound)| (key, *bound))
    }

    /// Asks what to do for the application, once [`poll`](Self::poll) has nothing more to send. For an endpoint that has a host
    /// of its own; who shares one calls [`offer`](Self::offer), asks the host, and hands each of its actions to
    /// [`carry_out`](Self::carry_out) of the endpoint that [`Owner::of_bits`] names.
    pub fn order(&mut self, now: Instant, host: &mut ServiceHost<Kept, S>) -> Order {
        loop {
            if let Some(order) = self.offer(now, host) {
                return order;
            }
            let action = host.poll(now);
            match self.carry_out(host, action) {
                // What the layer was told may have given it something to say.
                Some(Order::Wait(_)) if self.stirred() => return Order::Wait(Deadline::At(now)),
                Some(order) => return order,
                None => {}
            }
        }
    }

    /// Has [`offer`](Self::offer) told the layer something since this was asked, so that [`poll`](Self::poll) may have something to
    /// send? [`order`](Self::order) asks that by itself.
    pub const fn stirred(&mut self) -> bool {
        core::mem::replace(&mut self.stirred, false)
    }

    /// Tells the host what there is: sessions to accept, messages whose pump is free, sessions that are gone.
    pub fn offer(&mut self, now: Instant, host: &mut ServiceHost<Kept, S>) -> Option<Order> {
        if let Some((owner, because)) = self.gone.take() {
            let instance = self.find(owner).and_then(|(key, bound)| {
                self.channels.remove(key);
                host.closed(now, bound.channel).ok().and_then(|Gone { instance, .. }| instance)
            });
            return Some(Order::Gone(owner, because, Disposed(instance)));
        }
        if let Some((_, bound)) = self.ended.take().and_then(|owner| self.find(owner)) {
            let _ = host.ended(bound.channel);
        }
        self.end_what_is_to_end(now);
        self.accept(now, host);
        self.tell_room(now, host);
        for (_, bound) in self.channels.iter() {
            if host.may_take(bound.channel)
                && let Some(kept) = self.layer.take(now, bound.owner)
            {
                return Some(Order::Look(kept));
            }
        }
        None
    }

    fn accept(&mut self, now: Instant, host: &mut ServiceHost<Kept, S>) {
        while !self.channels.is_full() && host.may_accept(self.listener) {
            if host.settings().refuse_when_busy && self.layer.sessionful() && host.session_would_wait(now) {
                return;
            }
            let Some(owner) = self.layer.accept() else { return };
            self.stirred = true;
            let bits = owner.to_bits(self.number);
            // Room was seen above.
            if let Ok(channel) = host.accept(now, self.listener, bits, self.layer.sessionful(), self.session) {
                self.channels.insert(Bound { owner, channel, ending: None });
            }
        }
    }

    /// Where nobody shall wait, who wants to open a session too many is told then. [`offer`](Self::offer) tells the layer so. An
    /// endpoint that shares its host knows nothing of the claims of others: there a [`Door`](crate::door::Door::admit_within) judges
    /// for all, and its verdict replaces this one before each message (`set_room(None)`).
    pub fn tell_room(&mut self, now: Instant, host: &ServiceHost<Kept, S>) {
        let refuses = host.settings().refuse_when_busy && self.layer.sessionful();
        let room = || {
            let pressure = host.pressure(Throttle::Sessions, now);
            pressure.limit.saturating_sub(pressure.used)
        };
        self.layer.set_room(refuses.then(room));
    }

    fn end_what_is_to_end(&mut self, now: Instant) {
        let next = |channels: &Arena<Bound, S>| {
            channels.iter().find_map(|(key, bound)| bound.ending.map(|ending| (key, bound.owner, ending)))
        };
        while let Some((key, owner, ending)) = next(&self.channels) {
            if let Some(bound) = self.channels.get_mut(key) {
                bound.ending = None;
            }
            self.stirred = true;
            match ending {
                Some(reason) => self.layer.abort(owner, reason),
                None => self.layer.close(now, owner),
            }
        }
    }

    /// The driver has looked: what the message calls, with its action; `called` is `None` if the contract has no such action.
    ///
    /// # Errors
    /// Forget the message: its session went away meanwhile, or its action is unknown to the contract and message security has
    /// refused it for that ([`HostRefused::UnknownAction`]), so that the host has nothing to do with it.
    pub fn looked(
        &mut self,
        now: Instant,
        host: &mut ServiceHost<Kept, S>,
        kept: Kept,
        called: Option<Called>,
    ) -> Result<(), HostRefused> {
        self.take(now, host, Request { message: kept, called, understood: true })
    }

    /// As [`looked`](Self::looked), of a message with a header block that [must be
    /// understood](crate::session::Message::must_understand) and that neither this room nor the application understands. It is
    /// refused when it is its turn: [`Order::Refused`] with [`DispatchFault::MustUnderstand`], to be answered by
    /// [`refuse_block`](Self::refuse_block). Nothing runs. Whose action is unknown is refused for that, as in WCF.
    ///
    /// # Errors
    /// As [`looked`](Self::looked).
    pub fn not_understood(
        &mut self,
        now: Instant,
        host: &mut ServiceHost<Kept, S>,
        kept: Kept,
        called: Option<Called>,
    ) -> Result<(), HostRefused> {
        self.take(now, host, Request { message: kept, called, understood: false })
    }

    fn take(
        &mut self,
        now: Instant,
        host: &mut ServiceHost<Kept, S>,
        request: Request<Kept>,
    ) -> Result<(), HostRefused> {
        if request.called.is_none() && self.layer.refuse_action(request.message) {
            self.stirred = true;
            return Err(HostRefused::UnknownAction);
        }
        let (_, bound) = self.find(request.message.owner).ok_or(HostRefused::Unknown)?;
        host.take(now, bound.channel, request).map_err(|(_, refused)| refused)
    }

    /// Carries out what the host wants of this endpoint.
    pub fn carry_out(&mut self, host: &ServiceHost<Kept, S>, action: HostAction<Kept>) -> Option<Order> {
        let owner_of = |channel: ChannelId| host.owner(channel).and_then(|bits| Owner::of_bits(bits).1);
        Some(match action {
            HostAction::Bound(channel) => Order::Bound(channel, owner_of(channel)?),
            HostAction::Dispatch(dispatch) => {
                if !dispatch.called.two_way {
                    // Its client need not wait until it has run.
                    self.layer.finish(dispatch.message);
                }
                Order::Run(dispatch)
            }
            HostAction::Refuse { message, two_way, fault, .. } => {
                if !two_way {
                    self.layer.finish(message);
                }
                Order::Refused(message, fault)
            }
            HostAction::Resume(call) => Order::Resume(call),
            HostAction::Close(channel) => self.mark_ending(channel, owner_of(channel)?, None),
            HostAction::Abort(channel, reason) => self.mark_ending(channel, owner_of(channel)?, Some(reason)),
            HostAction::Waits(channel, pressure) => {
                let oldest = pressure.oldest.and_then(|oldest| ChannelId::of_holder(oldest.holder)).and_then(owner_of);
                Order::Waits { owner: owner_of(channel)?, pressure, oldest }
            }
            HostAction::Throttle(event) => Order::Throttle(event),
            HostAction::Wait(deadline) => Order::Wait(deadline),
        })
    }

    fn mark_ending(&mut self, channel: ChannelId, owner: Owner, reason: Option<AbortReason>) -> Order {
        if let Some(bound) = self.find(owner).and_then(|(key, _)| self.channels.get_mut(key)) {
            bound.ending = Some(reason);
        }
        Order::Ending(channel, owner)
    }

    /// Answers a message that the dispatcher refused; `action` is the message's.
    pub fn refuse(&mut self, now: Instant, kept: Kept, action: &[u8], fault: DispatchFault) {
        let reply = self.fault_reply(kept, action, fault);
        // Nobody waits for it any more, or it is one-way.
        let _ = self.layer.reply(now, kept, reply);
    }

    /// Answers a message that was refused with [`DispatchFault::MustUnderstand`]; `block` is the name of the block that was [not
    /// understood](crate::session::Message::not_understood). It is named in the fault's reason and, under SOAP 1.2, in a
    /// `NotUnderstood` header as well, as WCF does. Not so where faults are encrypted: the header would tell in clear what they hide.
    pub fn refuse_block(&mut self, now: Instant, kept: Kept, block: QName<'_>) {
        let reply = self.written(kept, Fault::must_understand(block), None);
        let _ = self.layer.reply(now, kept, reply);
    }

    fn fault_reply(&self, kept: Kept, action: &[u8], fault: DispatchFault) -> P {
        let addressing = self.layer.wording().addressing;
        let told = SerializedString(action);
        let detail: Option<&dyn Content> = if fault == DispatchFault::UnhandledAction { Some(&told) } else { None };
        let fault = match fault {
            DispatchFault::ActionNotSupported => Fault::action_not_supported(addressing, action),
            DispatchFault::UnhandledAction => Fault::unhandled_action(addressing, action),
            DispatchFault::SessionTerminated => Fault::session_terminated(),
            DispatchFault::InternalServiceFault => Fault::internal_service_fault(),
            DispatchFault::ServerTooBusy(throttle) => too_busy(throttle),
            DispatchFault::MustUnderstand => Fault::headers_not_understood(),
        };
        self.written(kept, fault, detail)
    }

    fn written(&self, kept: Kept, mut fault: Fault<'_>, detail: Option<&dyn Content>) -> P {
        let Wording { soap, addressing, form, language, addressed } = self.layer.wording();
        if let Some(subcode) =
            fault.subcode.as_mut().filter(|name| !addressed && name.namespace == addressing.namespace())
        {
            subcode.namespace = WSA_NONE;
        }
        let fault = fault.in_language(language);
        let mut body = [0; FAULT];
        let mut write = |detail| {
            let mut w = Writer::new(&mut body);
            write_fault_body_with(&mut w, soap, form, &fault, detail);
            w.finish()
        };
        // An action is bounded by the reader's limits; one that is longer than this loses the detail, or its fault's body, and not
        // the answer.
        let len = write(detail).or_else(|_| write(None)).unwrap_or(0);
        let (action, body) = (fault.action_uri(addressing), body.get(..len).unwrap_or(&[]));
        let named = fault.not_understood.filter(|_| soap == SoapVersion::Soap12 && form != FaultForm::Encrypted);
        match named {
            Some(block) => P::must_understand(action, body, kept, block),
            None => P::fault(action, body, kept),
        }
    }

    /// The application has answered a call. Ask [`poll`](Self::poll) for what goes to the wire before [`order`](Self::order) or
    /// [`offer`](Self::offer) takes the session's next message: as in WCF that stands in the transfer window until then, and
    /// `BufferRemaining` of the reply says so.
    ///
    /// # Errors
    /// [`HostRefused::Unknown`]: there is no such call.
    pub fn answered(
        &mut self,
        now: Instant,
        host: &mut ServiceHost<Kept, S>,
        call: CallId,
        kept: Kept,
        answer: CallAnswer<P>,
    ) -> Result<Disposed, HostRefused> {
        let outcome = match answer {
            CallAnswer::Reply(reply) => {
                // Refused if the session ended meanwhile: then nobody waits.
                let _ = self.layer.reply(now, kept, reply);
                Outcome::Handled
            }
            CallAnswer::Nothing => {
                self.layer.finish(kept);
                Outcome::Handled
            }
            CallAnswer::Unhandled => {
                let reply = self.fault_reply(kept, &[], DispatchFault::InternalServiceFault);
                let _ = self.layer.reply(now, kept, reply);
                Outcome::Unhandled
            }
        };
        host.returned(now, call, outcome).map(Disposed)
    }
}

/// No permit, and nobody waits: what WCF's client takes for `ServerTooBusyException`.
const fn too_busy(throttle: Throttle) -> Fault<'static> {
    let mut fault = Fault::too_many_pending_sessions();
    fault.reason =
        Reason::with("The server is too busy: ", throttle.limit_name().as_bytes(), " is reached. Please retry later.");
    fault
}
