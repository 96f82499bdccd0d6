//! Reliable sessions as a layer, over secure conversations or without.

use super::super::action::ServiceAction;
use super::super::heard::ServiceHeard;
use super::super::service::SessionService;
use super::layer::{Delivered, GoneBecause, Kept, LayerAction, LayerHeard, Owner, ServiceLayer, Wording};
use super::secure::full;
use crate::crypto::{Backend, RustCrypto};
use crate::exchange::{Exchange, Outgoing};
use crate::lifetime::{Timer, TimerEffect, TimerName};
use crate::reliable::{Heard, Shape, Told};
use crate::secure::{Credentials, Misuse, Unsealed};
use crate::service::AbortReason;
use crate::time::{Deadline, Instant};
use heapless::Vec;

/// Reliable sessions, as a service's endpoint stands on them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReliableLayer<
    P,
    const SESSIONS: usize = 16,
    const WINDOW: usize = 8,
    const RANGES: usize = 9,
    const REQUESTS: usize = 16,
    const EXCHANGES: usize = 16,
    const REPLAY: usize = 1024,
    B = RustCrypto,
    const BUSY: usize = SESSIONS,
> {
    service: SessionService<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, REPLAY, B, BUSY>,
    wording: Wording,
    /// Sessions that the host ended, and why.
    aborted: Vec<(Owner, AbortReason), SESSIONS>,
    room: Option<u32>,
}

impl<
    P,
    const SESSIONS: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const REQUESTS: usize,
    const EXCHANGES: usize,
    const REPLAY: usize,
    B,
    const BUSY: usize,
> ReliableLayer<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, REPLAY, B, BUSY>
where
    P: Outgoing,
    B: Backend,
{
    /// A layer over this machine, which has no sessions yet.
    pub fn new(service: SessionService<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, REPLAY, B, BUSY>) -> Self {
        let wording = service.wording();
        Self { service, wording, aborted: Vec::new(), room: None }
    }

    /// The machine, to be read.
    pub const fn service(&self) -> &SessionService<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, REPLAY, B, BUSY> {
        &self.service
    }

    /// The machine, to be told what is not a session's.
    pub const fn service_mut(
        &mut self,
    ) -> &mut SessionService<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, REPLAY, B, BUSY> {
        &mut self.service
    }
}

impl<
    P,
    const SESSIONS: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const REQUESTS: usize,
    const EXCHANGES: usize,
    const REPLAY: usize,
    B,
    const BUSY: usize,
> ServiceLayer<P> for ReliableLayer<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, REPLAY, B, BUSY>
where
    P: Outgoing,
    B: Backend,
{
    type Heard = ServiceHeard;
    type Refused = Misuse;

    fn sessionful(&self) -> bool {
        true
    }

    fn set_room(&mut self, room: Option<u32>) {
        self.room = room;
    }

    fn wording(&self) -> Wording {
        self.wording
    }

    fn receive<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        from: Exchange,
        credentials: &C,
        message: &mut [u8],
    ) -> Result<LayerHeard<ServiceHeard>, Misuse> {
        if self.room.is_some() {
            let sequences = self.service.pending_sessions();
            // Who has a token has a claim to a sequence.
            let tokens = sequences.saturating_add(self.service.pending_conversations());
            self.service.set_full_each(full(self.room, tokens), full(self.room, sequences).is_some());
        }
        let heard = self.service.receive(now, from, credentials, message)?;
        let ServiceHeard::Session { session: Some(session), heard: Heard::Message { number }, message: Some(place) } =
            heard
        else {
            return Ok(LayerHeard::Other(heard));
        };
        let two_way = !place.message_id.of(message).is_empty();
        let kept = Kept { owner: Owner::Reliable(session), number };
        Ok(LayerHeard::Message(Delivered { kept, message: place, two_way }))
    }

    fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        _: &C,
        out: &'o mut [u8],
    ) -> Result<LayerAction<'o>, Unsealed> {
        let reason = |owner: Owner, aborted: &Vec<(Owner, AbortReason), SESSIONS>| {
            aborted.iter().find(|(other, _)| *other == owner).map(|(_, reason)| GoneBecause::Aborted(*reason))
        };
        Ok(match self.service.poll(now, out)? {
            ServiceAction::Answer { exchange, status, message } => LayerAction::Answer { exchange, status, message },
            ServiceAction::Transmit { connection, message, .. } => LayerAction::Transmit { connection, message },
            ServiceAction::Drop(exchange) => LayerAction::Drop(exchange),
            ServiceAction::Swept(id) => LayerAction::Swept(id),
            ServiceAction::Grow(grow) => LayerAction::Grow(grow),
            ServiceAction::Wait(deadline) => LayerAction::Wait(deadline),
            ServiceAction::Told(id, told) => {
                let owner = Owner::Reliable(id);
                let gone = match told {
                    Told::EndOfMessages => return Ok(LayerAction::Ended(owner)),
                    // What waited for room too long was the application's callback: it is given back nowhere yet.
                    Told::Opened | Told::TimedOut(..) => return Ok(LayerAction::Wait(Deadline::At(now))),
                    Told::Closed => GoneBecause::Closed,
                    Told::Ended(error) => reason(owner, &self.aborted).unwrap_or(GoneBecause::Broken(error)),
                };
                self.aborted.retain(|(other, _)| *other != owner);
                LayerAction::Gone(owner, gone)
            }
        })
    }

    fn accept(&mut self) -> Option<Owner> {
        self.service.accept().map(Owner::Reliable)
    }

    fn take(&mut self, now: Instant, owner: Owner) -> Option<Kept> {
        let Owner::Reliable(id) = owner else { return None };
        self.service.take(now, id).map(|number| Kept { owner, number })
    }

    fn reply(&mut self, now: Instant, kept: Kept, reply: P) -> Result<(), P> {
        let Owner::Reliable(id) = kept.owner else { return Err(reply) };
        if self.service.shape() == Shape::Duplex {
            return self.service.send(now, id, reply).map_err(|(reply, _)| reply);
        }
        self.service.reply(id, kept.number, reply).map_err(|(reply, _)| reply)
    }

    fn finish(&mut self, kept: Kept) {
        if let Owner::Reliable(id) = kept.owner {
            let _ = self.service.finish(id, kept.number);
        }
    }

    fn close(&mut self, now: Instant, owner: Owner) {
        if let Owner::Reliable(id) = owner {
            let _ = self.service.close(now, id);
        }
    }

    fn abort(&mut self, owner: Owner, reason: AbortReason) {
        if let Owner::Reliable(id) = owner
            && self.service.abort(id).is_ok()
        {
            let _ = self.aborted.push((owner, reason));
        }
    }

    fn exchange_failed(&mut self, exchange: Exchange) {
        self.service.exchange_failed(exchange);
    }

    fn timers(&self, owner: Owner, tell: &mut dyn FnMut(Timer)) {
        let Owner::Reliable(id) = owner else { return };
        let (timers, sweep) = self.service.timers(id);
        let running = [
            Timer::running(TimerName::InactivityTimeout, timers.inactivity, TimerEffect::Faults),
            Timer::running(TimerName::CloseTimeout, timers.close, TimerEffect::EndsClose),
            Timer::running(TimerName::Retransmission, timers.retransmission, TimerEffect::SendsAgain),
            Timer::running(TimerName::Acknowledgement, timers.acknowledgement, TimerEffect::Acknowledges),
            Timer::running(TimerName::PendingSweep, sweep, TimerEffect::Sweeps),
        ];
        running.into_iter().flatten().for_each(tell);
    }

    fn session_id(&self, owner: Owner) -> Option<&[u8]> {
        let Owner::Reliable(id) = owner else { return None };
        self.service.session(id)?.identifier()
    }
}
