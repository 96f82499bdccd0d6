//! Entropy that a test dictates: recorded randomness first, made-up bytes when there is none.

use soap_session_core::chance::Entropy;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Hands out what [`Script::say`] put in; copies share one queue, as a machine copies its entropy to try an answer.
#[derive(Clone, Default)]
pub struct Script(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    queue: VecDeque<Vec<u8>>,
    made_up: u64,
}

impl Script {
    /// Replaces whatever is still queued. The pieces are handed out in order, each to a request of exactly its length.
    pub fn say(&self, pieces: impl IntoIterator<Item = Vec<u8>>) {
        self.0.borrow_mut().queue = pieces.into_iter().collect();
    }

    /// How many pieces nobody asked for.
    pub fn left(&self) -> usize {
        self.0.borrow().queue.len()
    }
}

impl Entropy for Script {
    fn fill(&mut self, out: &mut [u8]) {
        let mut state = self.0.borrow_mut();
        if state.queue.front().is_some_and(|piece| piece.len() == out.len()) {
            let piece = state.queue.pop_front().unwrap_or_default();
            out.copy_from_slice(&piece);
            return;
        }
        for byte in out {
            state.made_up = state.made_up.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = state.made_up.to_be_bytes()[0];
        }
    }
}
