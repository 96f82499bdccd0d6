//! What a service's conversations show of their timers.

use super::acceptor::Acceptor;
use super::answer::Answer;
use super::phase::AcceptorPhase;
use super::server_session::SessionId;
use crate::time::Deadline;

impl<P, E, const SESSIONS: usize, const EXCHANGES: usize, const REPLAY: usize, B>
    Acceptor<P, E, SESSIONS, EXCHANGES, REPLAY, B>
{
    /// When tokens that were issued and never used are swept next; `Never` while there are none.
    pub const fn sweep_at(&self) -> Deadline {
        self.next_sweep
    }

    /// Sessions whose clients wait for the answer to their cancellation, the one that has waited longest first.
    pub fn held(&self) -> impl Iterator<Item = SessionId> {
        self.exchanges
            .iter()
            .filter_map(|open| if let Answer::CancelHeld(session) = open.answer { Some(session) } else { None })
    }

    /// Sessions that their clients have cancelled, and that the service has not closed.
    pub fn cancelled(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.iter().filter(|session| session.phase == AcceptorPhase::Closing).map(|session| session.id)
    }
}
