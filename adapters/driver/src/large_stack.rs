//! Making machines that are too large for a stack of the usual size: they are put together by value, and unoptimized builds copy
//! them at every step.

use std::io;
use std::thread;

/// Only what is touched of it takes memory.
const STACK: usize = 256 * 1024 * 1024;

/// Runs `make` on a stack that is large enough.
pub(crate) fn run<T: Send>(make: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let made = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, make)?.join();
        // It panics only if the system has no memory, and then it does not come here.
        made.map_err(|_| io::Error::other("the tables could not be made"))
    })
}
