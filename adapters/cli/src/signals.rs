//! How a process is told to stop.

use crate::trouble::{Exit, Trouble};
use std::future::Future;
use std::pin::pin;
use tokio::sync::oneshot;

/// How it was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// Ctrl-C.
    Interrupt,
    /// The system's request to end: SIGTERM.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has it"))]
    Terminate,
}

impl Stop {
    /// What a shell would say of a process that such a signal has ended.
    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

/// Hears of every request to stop since it was made: before, a signal ends the process.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self, Trouble> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Trouble::other(error).about("signals"));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    #[cfg(windows)]
    pub(crate) fn listen() -> Result<Self, Trouble> {
        let interrupt = tokio::signal::windows::ctrl_c();
        interrupt.map(|interrupt| Self { interrupt }).map_err(|error| Trouble::other(error).about("signals"))
    }

    /// The next one.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupt,
            _ = self.terminate.recv() => Stop::Terminate,
        }
    }

    /// The next one.
    #[cfg(windows)]
    pub(crate) async fn next(&mut self) -> Stop {
        let _ = self.interrupt.recv().await;
        Stop::Interrupt
    }

    /// Serves until it is told to stop, and then until it has stopped. Told once more, everything ends at once.
    ///
    /// `serve` is given what says that it is time to stop; `stopping` is called then.
    pub(crate) async fn serve<F>(
        &mut self,
        serve: impl FnOnce(oneshot::Receiver<()>) -> F,
        stopping: impl FnOnce(),
    ) -> Exit
    where
        F: Future<Output = ()>,
    {
        let (stop, stopped) = oneshot::channel();
        let mut serving = pin!(serve(stopped));
        tokio::select! {
            () = &mut serving => return Exit::Done,
            _ = self.next() => {}
        }
        stopping();
        let _ = stop.send(());
        tokio::select! {
            () = &mut serving => Exit::Done,
            again = self.next() => again.exit(),
        }
    }
}
