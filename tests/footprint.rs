//! What a session costs in memory, taken from the sizes of real machines.

use soap_session_core::chance::Chance;
use soap_session_core::crypto::RustCrypto;
use soap_session_core::exchange::Outgoing;
use soap_session_core::reliable::{ReliableAcceptor, Service};
use soap_session_core::secure::Acceptor;
use soap_session_core::session::SessionService;

/// A payload: the caller keeps the message, the machine its handle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handle(pub Box<[u8]>);

impl Outgoing for Handle {
    fn action(&self) -> &[u8] {
        &self.0
    }
    fn body(&self) -> &[u8] {
        &self.0
    }
}

/// The default capacities, and room for `SESSIONS` sessions, 16 of which are busy.
pub type Both<const SESSIONS: usize> = SessionService<Handle, SESSIONS, 8, 9, 16, 16, 1024, RustCrypto, 16>;
/// The reliable half, `BUSY` of which are busy.
pub type Reliable<const SESSIONS: usize, const BUSY: usize> = ReliableAcceptor<Handle, SESSIONS, 8, 9, 16, 16, BUSY>;
/// The secure half.
pub type Secure<const SESSIONS: usize, const EXCHANGES: usize, const REPLAY: usize> =
    Acceptor<Handle, Chance, SESSIONS, EXCHANGES, REPLAY>;
/// What one busy session has besides.
pub type Busy = Service<Handle, 8, 9, 16, 16>;

/// Bytes of each thing, with its name.
pub fn footprint() -> [(&'static str, usize); 9] {
    let each = |large: usize, small: usize, of: usize| (large - small).div_ceil(of);
    let both = each(size_of::<Both<64>>(), size_of::<Both<32>>(), 32);
    let secure = each(size_of::<Secure<64, 16, 1024>>(), size_of::<Secure<32, 16, 1024>>(), 32);
    let reliable = each(size_of::<Reliable<64, 16>>(), size_of::<Reliable<32, 16>>(), 32);
    let busy = each(size_of::<Reliable<64, 32>>(), size_of::<Reliable<64, 16>>(), 16);
    let exchange = each(size_of::<Secure<64, 32, 1024>>(), size_of::<Secure<64, 16, 1024>>(), 16);
    let replay = each(size_of::<Secure<64, 16, 2048>>(), size_of::<Secure<64, 16, 1024>>(), 1024);
    [
        ("idle secure session", secure),
        ("idle reliable session", reliable),
        ("idle secure reliable session", both),
        ("busy part of a reliable session", busy),
        ("exchange of a token request", exchange),
        ("remembered signature", replay),
        ("machine for 16 sessions, all busy at once", size_of::<SessionService<Handle>>()),
        ("machine for 32 sessions, 16 busy at once", size_of::<Both<32>>()),
        ("machine for 1024 sessions, 16 busy at once", size_of::<Both<1024>>()),
    ]
}
