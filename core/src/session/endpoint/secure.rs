//! Secure conversations as a layer: each is a session, from its first message on.

use super::super::heard::message_in;
use super::layer::{Delivered, GoneBecause, Kept, LayerAction, LayerHeard, Owner, ServiceLayer, Wording};
use crate::chance::{Chance, Entropy};
use crate::crypto::{Backend, RustCrypto};
use crate::exchange::{Exchange, Outgoing};
use crate::lifetime::{Timer, TimerEffect, TimerName};
use crate::secure::{Acceptor, AcceptorAction, Credentials, Incoming, Misuse, SessionId, Unsealed};
use crate::service::AbortReason;
use crate::soap::fault::FaultForm;
use crate::time::Instant;
use heapless::Vec;
use heapless::deque::Deque;

/// A conversation that has been used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Used {
    id: SessionId,
    accepted: bool,
    /// Its client cancelled.
    cancelled: bool,
    told: bool,
    gone: Option<GoneBecause>,
}

/// Is there no room for one more beside those that have a claim to it? The limit, for the reason.
pub(super) fn full(room: Option<u32>, claimed: usize) -> Option<u16> {
    let room = room?;
    (usize::try_from(room).unwrap_or(usize::MAX) <= claimed).then(|| u16::try_from(room).unwrap_or(u16::MAX))
}

/// Secure conversations, as a service's endpoint stands on them.
///
/// A conversation waits to be accepted from its first message on, and its messages wait with it. In cookie mode
/// ([`Binding::require_cancellation`](crate::secure::Binding::require_cancellation) off) the service keeps nothing of a conversation,
/// and sees messages without a session: one channel, as WCF's listener has one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecureLayer<
    P,
    E = Chance,
    const SESSIONS: usize = 16,
    const EXCHANGES: usize = 16,
    const REPLAY: usize = 1024,
    B = RustCrypto,
> {
    acceptor: Acceptor<P, E, SESSIONS, EXCHANGES, REPLAY, B>,
    wording: Wording,
    used: Vec<Used, SESSIONS>,
    inbox: Deque<(SessionId, Exchange), EXCHANGES>,
    room: Option<u32>,
    /// In cookie mode: the one channel was accepted.
    opened: bool,
}

impl<P: Outgoing, E: Entropy + Clone, const SESSIONS: usize, const EXCHANGES: usize, const REPLAY: usize, B: Backend>
    SecureLayer<P, E, SESSIONS, EXCHANGES, REPLAY, B>
{
    /// A layer over this acceptor, which has no sessions yet.
    pub fn new(acceptor: Acceptor<P, E, SESSIONS, EXCHANGES, REPLAY, B>) -> Self {
        let binding = acceptor.binding();
        let wording = Wording {
            soap: binding.soap,
            addressing: binding.addressing,
            form: FaultForm::Encrypted,
            language: acceptor.settings().language,
            addressed: true,
        };
        Self { acceptor, wording, used: Vec::new(), inbox: Deque::new(), room: None, opened: false }
    }

    /// The acceptor, to be read.
    pub const fn acceptor(&self) -> &Acceptor<P, E, SESSIONS, EXCHANGES, REPLAY, B> {
        &self.acceptor
    }

    /// The acceptor, to be told what is not a session's.
    pub const fn acceptor_mut(&mut self) -> &mut Acceptor<P, E, SESSIONS, EXCHANGES, REPLAY, B> {
        &mut self.acceptor
    }

    fn known(&mut self, owner: Owner) -> Option<&mut Used> {
        let Owner::Secure(id) = owner else { return None };
        self.used.iter_mut().find(|used| used.id == id)
    }

    fn forget(&mut self, id: SessionId, because: GoneBecause) {
        self.inbox.retain(|(session, _)| *session != id);
        if let Some(used) = self.used.iter_mut().find(|used| used.id == id) {
            used.gone = Some(because);
        }
    }

    fn count_queued(&mut self) {
        let queued = self.used.iter().filter(|used| !used.accepted).count();
        self.acceptor.set_queued(queued);
    }
}

impl<P: Outgoing, E: Entropy + Clone, const SESSIONS: usize, const EXCHANGES: usize, const REPLAY: usize, B: Backend>
    ServiceLayer<P> for SecureLayer<P, E, SESSIONS, EXCHANGES, REPLAY, B>
{
    type Heard = Incoming;
    type Refused = Misuse;

    fn sessionful(&self) -> bool {
        !self.acceptor.is_stateless()
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
    ) -> Result<LayerHeard<Incoming>, Misuse> {
        if self.inbox.is_full() {
            return Err(Misuse::TooManyCalls { limit: u16::try_from(EXCHANGES).unwrap_or(u16::MAX) });
        }
        if self.room.is_some() {
            // Each token that was issued will want a permit.
            let claimed = self.acceptor.pending_sessions().saturating_add(self.acceptor.queued());
            self.acceptor.set_full(full(self.room, claimed));
        }
        let heard = match self.acceptor.receive(now, from, credentials, message)? {
            Incoming::Request { session, two_way, opened } => {
                let stateless = self.acceptor.is_stateless();
                if !stateless && !self.used.iter().any(|used| used.id == session) {
                    let used = Used { id: session, accepted: false, cancelled: false, told: false, gone: None };
                    // As many as the acceptor has sessions, and those that are gone are told before more come.
                    let _ = self.used.push(used);
                    self.count_queued();
                }
                // Room was seen above.
                let _ = self.inbox.push_back((session, from));
                let owner = if stateless { Owner::Datagram } else { Owner::Secure(session) };
                let kept = Kept { owner, number: u64::from(from.0) };
                return Ok(LayerHeard::Message(Delivered { kept, message: message_in(&opened), two_way }));
            }
            heard @ (Incoming::Issued(_) | Incoming::Renewed(_) | Incoming::Cancelled(_) | Incoming::Refused(_)) => {
                heard
            }
        };
        if let Incoming::Cancelled(id) = heard {
            match self.used.iter_mut().find(|used| used.id == id) {
                Some(used) => used.cancelled = true,
                // It was never used: there is nobody to ask.
                None => {
                    let _ = self.acceptor.close(id);
                }
            }
        }
        Ok(LayerHeard::Other(heard))
    }

    fn poll<'o, C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        _: &C,
        out: &'o mut [u8],
    ) -> Result<LayerAction<'o>, Unsealed> {
        // First to see whether it wants anything: what it writes cannot be kept while others are asked.
        let Some(deadline) = self.acceptor.wait(now) else {
            return Ok(match self.acceptor.poll(now, out)? {
                AcceptorAction::Answer { exchange, status, message } => {
                    LayerAction::Answer { exchange, status, message }
                }
                AcceptorAction::Drop(exchange) => LayerAction::Drop(exchange),
                AcceptorAction::Swept(id) => LayerAction::Swept(id),
                AcceptorAction::Grow(grow) => LayerAction::Grow(grow),
                AcceptorAction::Wait(deadline) => LayerAction::Wait(deadline),
            });
        };
        if let Some(index) = self.used.iter().position(|used| used.gone.is_some()) {
            let used = self.used.remove(index);
            self.count_queued();
            let because = used.gone.unwrap_or(GoneBecause::Closed);
            return Ok(LayerAction::Gone(Owner::Secure(used.id), because));
        }
        let inbox = &self.inbox;
        let ended = self.used.iter_mut().find(|used| {
            used.cancelled && used.accepted && !used.told && !inbox.iter().any(|(session, _)| *session == used.id)
        });
        if let Some(used) = ended {
            used.told = true;
            return Ok(LayerAction::Ended(Owner::Secure(used.id)));
        }
        Ok(LayerAction::Wait(deadline))
    }

    fn accept(&mut self) -> Option<Owner> {
        if self.acceptor.is_stateless() {
            // One channel, as soon as there is a message.
            let first = !self.opened && !self.inbox.is_empty();
            self.opened |= first;
            return first.then_some(Owner::Datagram);
        }
        let used = self.used.iter_mut().find(|used| !used.accepted && used.gone.is_none())?;
        used.accepted = true;
        let id = used.id;
        self.count_queued();
        Some(Owner::Secure(id))
    }

    fn take(&mut self, _: Instant, owner: Owner) -> Option<Kept> {
        let exchange = match owner {
            Owner::Datagram => self.inbox.pop_front()?.1,
            Owner::Secure(id) => {
                let (_, exchange) = self.inbox.iter().find(|(session, _)| *session == id).copied()?;
                self.inbox.retain(|(_, other)| *other != exchange);
                exchange
            }
            Owner::Reliable(_) => return None,
        };
        Some(Kept { owner, number: u64::from(exchange.0) })
    }

    fn reply(&mut self, _: Instant, kept: Kept, reply: P) -> Result<(), P> {
        self.acceptor.reply(kept.exchange(), reply).map_err(|(reply, _)| reply)
    }

    fn finish(&mut self, kept: Kept) {
        self.acceptor.finish(kept.exchange());
    }

    fn refuse_action(&mut self, kept: Kept) -> bool {
        self.acceptor.refuse_action(kept.exchange())
    }

    fn close(&mut self, _: Instant, owner: Owner) {
        if let (Owner::Secure(id), Some(_)) = (owner, self.known(owner)) {
            let _ = self.acceptor.close(id);
            self.forget(id, GoneBecause::Closed);
        }
    }

    fn abort(&mut self, owner: Owner, reason: AbortReason) {
        if let (Owner::Secure(id), Some(_)) = (owner, self.known(owner)) {
            let _ = self.acceptor.abort(id);
            self.forget(id, GoneBecause::Aborted(reason));
        }
    }

    fn exchange_failed(&mut self, exchange: Exchange) {
        self.acceptor.exchange_failed(exchange);
    }

    fn timers(&self, _: Owner, tell: &mut dyn FnMut(Timer)) {
        let sweep = Timer::running(TimerName::PendingSweep, self.acceptor.sweep_at(), TimerEffect::Sweeps);
        sweep.into_iter().for_each(tell);
    }

    fn session_id(&self, owner: Owner) -> Option<&[u8]> {
        let Owner::Secure(id) = owner else { return None };
        self.acceptor.identifier(id)
    }
}
