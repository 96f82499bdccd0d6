//! What the tests share: a runtime that counts its tasks, credentials, what the system says of a process.

use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_driver::Runtime;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tasks of this process that have not ended.
static TASKS: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn tasks() -> usize {
    TASKS.load(Ordering::SeqCst)
}

/// Tasks and memory are the whole process's: one test at a time.
#[allow(dead_code, reason = "the soak is alone")]
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A runtime whose tasks are counted.
#[derive(Clone, Default)]
pub(crate) struct Counted<R>(R);

struct Leaves;

impl Drop for Leaves {
    fn drop(&mut self) {
        TASKS.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<R: Runtime> Runtime for Counted<R> {
    type Stream = R::Stream;
    type Listener = R::Listener;

    async fn connect(&self, host: &str, port: u16) -> io::Result<R::Stream> {
        self.0.connect(host, port).await
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<R::Listener> {
        self.0.listen(address).await
    }

    fn local_addr(&self, listener: &R::Listener) -> io::Result<SocketAddr> {
        self.0.local_addr(listener)
    }

    async fn accept(&self, listener: &R::Listener) -> io::Result<(R::Stream, SocketAddr)> {
        self.0.accept(listener).await
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    async fn sleep_until(&self, until: Instant) {
        self.0.sleep_until(until).await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        TASKS.fetch_add(1, Ordering::SeqCst);
        let leaves = Leaves;
        self.0.spawn(async move {
            task.await;
            drop(leaves);
        });
    }
}

pub(crate) const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

pub(crate) async fn sleep<R: Runtime>(runtime: &R, time: Duration) {
    runtime.sleep_until(runtime.now() + time).await;
}

#[allow(dead_code, reason = "the soak does not ask")]
/// Runs a task whose result somebody may want.
pub(crate) fn run<R: Runtime, T: Send + 'static>(
    runtime: &R,
    task: impl Future<Output = T> + Send + 'static,
) -> async_channel::Receiver<T> {
    let (tell, told) = async_channel::bounded(1);
    runtime.spawn(async move {
        let _ = tell.try_send(task.await);
    });
    told
}

/// Waits until it holds, at most that long. Does it?
pub(crate) async fn eventually<R: Runtime>(runtime: &R, time: Duration, holds: impl Fn() -> bool) -> bool {
    let late = runtime.now() + time;
    while !holds() {
        if runtime.now() >= late {
            return false;
        }
        sleep(runtime, Duration::from_millis(2)).await;
    }
    true
}

fn key_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../credentials/tests/keys").join(name)
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_file(key_file(&format!("{name}.cert.pem"))).unwrap()
}

/// A service's, that knows `ada`.
pub(crate) fn service_store() -> CredentialStore {
    CredentialStore::new()
        .with_key(certificate("service"), PrivateKey::from_file(key_file("service.key.pem")).unwrap())
        .unwrap()
        .with_user_check(|name, password| name == "ada" && password == "secret")
}

pub(crate) fn client_store() -> CredentialStore {
    CredentialStore::new().with_service(certificate("service")).unwrap()
}

#[allow(dead_code, reason = "only the soak asks")]
/// Sockets of this process that are open; nothing where the system does not tell.
pub(crate) fn sockets() -> Option<usize> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?;
    let is_socket = |file: &std::fs::DirEntry| {
        std::fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
    };
    Some(open.flatten().filter(is_socket).count())
}

/// Memory of a process that is resident, in KiB; nothing where the system does not tell.
pub(crate) fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Whose tests run on both runtimes: `$(name)` is generic over a runtime that counts.
#[allow(unused_macros, reason = "the soak has no tests of this kind")]
macro_rules! on_both {
    ($($module:ident: $($test:ident)*;)*) => {
        mod tokio_runtime {
            $(mod $module { $(
                #[test]
                fn $test() {
                    let _alone = crate::world::alone();
                    let engine = ::tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                    engine.block_on(crate::$module::$test::<crate::world::Counted<soap_session_tokio::Tokio>>());
                }
            )* })*
        }

        mod smol_runtime {
            $(mod $module { $(
                #[test]
                fn $test() {
                    let _alone = crate::world::alone();
                    ::smol::block_on(crate::$module::$test::<crate::world::Counted<soap_session_smol::Smol>>());
                }
            )* })*
        }
    };
}
#[allow(unused_imports, reason = "the soak has no tests of this kind")]
pub(crate) use on_both;
