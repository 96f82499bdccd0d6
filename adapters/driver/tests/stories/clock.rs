//! A runtime whose sockets and tasks are another's, and whose clock stands still until a story moves it. It knows when nothing of
//! the story can go on by itself.

use soap_session_driver::Runtime;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant, SystemTime};

/// The calendar's time when a story begins: that of the recordings, about.
pub(crate) const CALENDAR_MS: u64 = 1_795_230_000_000;

thread_local! {
    /// The clock of the story that this thread tells: a runtime is made without arguments.
    static TIME: RefCell<Option<Arc<Time>>> = const { RefCell::new(None) };
}

/// The clock of a story.
pub(crate) struct Time {
    zero: Instant,
    state: Mutex<State>,
    /// Tasks that are woken, or run.
    busy: AtomicUsize,
    /// Tasks that are over.
    ended: AtomicUsize,
}

#[derive(Default)]
struct State {
    now: Duration,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    names: u64,
}

impl Time {
    /// A new clock, which every runtime that this thread makes from now on will have.
    pub(crate) fn begin() -> Arc<Self> {
        let time = Arc::new(Self {
            zero: Instant::now(),
            state: Mutex::default(),
            busy: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        });
        TIME.with(|of| of.replace(Some(Arc::clone(&time))));
        time
    }

    /// Milliseconds since the story began.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.state.lock().unwrap().now.as_millis()).unwrap()
    }

    /// When the next sleeper wants to be woken: in whole milliseconds, not before it.
    pub(crate) fn next(&self) -> Option<u64> {
        let state = self.state.lock().unwrap();
        let ((until, _), _) = state.sleepers.first_key_value()?;
        Some(u64::try_from(until.as_nanos().div_ceil(1_000_000)).unwrap())
    }

    /// Puts the clock forward, and wakes who waits for that.
    pub(crate) fn put(&self, millis: u64) {
        let woken = {
            let mut state = self.state.lock().unwrap();
            state.now = state.now.max(Duration::from_millis(millis));
            let after = state.now + Duration::from_nanos(1);
            let later = state.sleepers.split_off(&(after, 0));
            std::mem::replace(&mut state.sleepers, later)
        };
        woken.into_values().for_each(Waker::wake);
    }

    /// How many tasks have ended.
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    /// Does no task run, and is none about to?
    pub(crate) fn is_idle(&self) -> bool {
        self.busy.load(Ordering::SeqCst) == 0
    }
}

/// The runtime.
#[derive(Clone)]
pub(crate) struct Played<B> {
    base: B,
    time: Arc<Time>,
}

impl<B: Default> Default for Played<B> {
    fn default() -> Self {
        let time = TIME.with(|time| time.borrow().clone()).expect("a story's thread");
        Self { base: B::default(), time }
    }
}

impl<B: Runtime> Runtime for Played<B> {
    type Stream = B::Stream;
    type Listener = B::Listener;

    fn connect(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        self.base.connect(host, port)
    }

    fn listen(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send {
        self.base.listen(address)
    }

    fn local_addr(&self, listener: &Self::Listener) -> io::Result<SocketAddr> {
        self.base.local_addr(listener)
    }

    fn accept(&self, listener: &Self::Listener) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send {
        self.base.accept(listener)
    }

    fn now(&self) -> Instant {
        self.time.zero + self.time.state.lock().unwrap().now
    }

    fn calendar(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(CALENDAR_MS) + self.time.state.lock().unwrap().now
    }

    fn sleep_until(&self, until: Instant) -> impl Future<Output = ()> + Send {
        let until = until.saturating_duration_since(self.time.zero);
        Sleep { time: Arc::clone(&self.time), until, name: None }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.time.busy.fetch_add(1, Ordering::SeqCst);
        let turn = Turn { time: Arc::clone(&self.time), woken: AtomicBool::new(true), outer: Mutex::new(None) };
        self.base.spawn(Tracked { turn: Arc::new(turn), task: Box::pin(task) });
    }
}

struct Sleep {
    time: Arc<Time>,
    until: Duration,
    name: Option<u64>,
}

impl Sleep {
    fn forget(&mut self, state: &mut State) {
        if let Some(name) = self.name.take() {
            state.sleepers.remove(&(self.until, name));
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let time = Arc::clone(&self.time);
        let mut state = time.state.lock().unwrap();
        self.forget(&mut state);
        if state.now >= self.until {
            return Poll::Ready(());
        }
        state.names += 1;
        let name = state.names;
        state.sleepers.insert((self.until, name), cx.waker().clone());
        self.name = Some(name);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let time = Arc::clone(&self.time);
        self.forget(&mut time.state.lock().unwrap());
    }
}

/// A task, and whether its turn is still to come.
struct Tracked {
    turn: Arc<Turn>,
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
}

struct Turn {
    time: Arc<Time>,
    woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            self.time.busy.fetch_add(1, Ordering::SeqCst);
        }
        let outer = self.outer.lock().unwrap().clone();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl Future for Tracked {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let turn = Arc::clone(&self.turn);
        *turn.outer.lock().unwrap() = Some(cx.waker().clone());
        if !turn.woken.swap(false, Ordering::SeqCst) {
            // Nobody woke it by us.
            turn.time.busy.fetch_add(1, Ordering::SeqCst);
        }
        let waker = Waker::from(Arc::clone(&turn));
        let polled = self.task.as_mut().poll(&mut Context::from_waker(&waker));
        turn.time.busy.fetch_sub(1, Ordering::SeqCst);
        polled
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // Whoever wakes it later wakes nothing.
        if self.turn.woken.swap(true, Ordering::SeqCst) {
            self.turn.time.busy.fetch_sub(1, Ordering::SeqCst);
        }
        self.turn.time.ended.fetch_add(1, Ordering::SeqCst);
    }
}
