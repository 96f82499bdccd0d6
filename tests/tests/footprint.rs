//! What a session costs is bounded, and a machine grows by nothing else.

use soap_session_tests::footprint::footprint;

/// Most bytes of core state that an idle secure reliable session may take, with a payload handle of sixteen bytes.
const IDLE: usize = 1024;
/// Most bytes that a busy one may take besides.
const BUSY: usize = 10_240;

fn bytes(name: &str) -> usize {
    footprint().into_iter().find(|(known, _)| *known == name).expect("it is measured").1
}

#[test]
fn an_idle_secure_reliable_session_takes_a_kibibyte() {
    let (secure, reliable) = (bytes("idle secure session"), bytes("idle reliable session"));
    let both = bytes("idle secure reliable session");
    assert_eq!(both, secure + reliable);
    assert!(both <= IDLE, "{both} bytes: {secure} of the conversation, {reliable} of the sequences");
}

#[test]
fn a_busy_session_takes_ten_more() {
    let busy = bytes("busy part of a reliable session");
    assert!(busy <= BUSY, "{busy} bytes");
}
