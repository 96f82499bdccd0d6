//! The verdicts.

use soap_session_tests::rm_replay::Verdict::{self, Deviates, Same, SameBut, Unplayed};

const TCP: &str = "net.tcp is not spoken yet: the service's side is played, with its clients' deeds as recorded";
const RM_TCP: &str = "reliable messaging over net.tcp: rm_client_stories and rm_service_stories play both roles";
const ENDS: &str = "the recording ends before the client's abort went out";
const WAITS: &str = "ours is closed at once; WCF's waits for its client's Cancel, up to the close timeout";
const CUT: &[(&str, &str)] = &[("channel 1, line 3", ENDS), ("instance 1, line 4", ENDS), ("wire, line 7", ENDS)];

#[rustfmt::skip]
pub(crate) const TABLE: [(&str, Verdict); 50] = [
    ("basic-faults", Same),
    ("rm10-call-after-terminating", Same),
    ("rm10-client-abort", Same),
    ("rm10-faults", SameBut(CUT)),
    ("rm10-non-initiating-first", Same),
    ("rm10-receive-timeout-server-5s", Same),
    ("rm10-sc-call-after-terminating", Same),
    ("rm10-sc-client-abort", Same),
    ("rm10-sc-faults", Same),
    ("rm10-sc-non-initiating-first", Same),
    ("rm10-send-timeout-3s-slow-operation", Same),
    ("rm10-tcp-client-abort", Unplayed(RM_TCP)),
    ("rm10-terminating", Same),
    ("rm11-call-after-terminating", Same),
    ("rm11-client-abort", Same),
    ("rm11-faults", SameBut(CUT)),
    ("rm11-non-initiating-first", Same),
    ("rm11-sc-client-abort", Same),
    ("rm11-send-timeout-3s-slow-operation", Same),
    ("rm11-tcp-client-abort", Unplayed(RM_TCP)),
    ("rm11-terminating", Same),
    ("sc-abort-by-client", Same),
    ("sc-call-after-terminating", Same),
    ("sc-non-initiating-first", Same),
    ("sc-pending-limit-1", Same),
    ("sc-pending-limit-1-v13", Same),
    ("sc-pending-swept", Same),
    ("sc-receive-timeout-5s", Same),
    ("sc-receive-timeout-5s-v13", Same),
    ("sc-send-timeout-3s-slow-operation", Same),
    ("sc-terminating", Same),
    ("sc-unhandled-exception", Deviates(&[("channel 1, line 3", WAITS), ("instance 1, line 4", WAITS)])),
    ("session-notallowed-on-nettcp", Same),
    ("session-notallowed-on-rm", Same),
    ("session-notallowed-on-sc", Same),
    ("session-required-on-basic", Same),
    ("session-required-on-cookie-sct", Same),
    ("session-required-on-ws-none", Same),
    ("tcp-call-after-terminating", SameBut(&[("client ", TCP)])),
    ("tcp-client-abort", SameBut(&[("client ", TCP)])),
    ("tcp-non-initiating-first", SameBut(&[("client ", TCP)])),
    ("tcp-receive-timeout-5s", SameBut(&[("client ", TCP)])),
    ("tcp-unhandled-exception", SameBut(&[("client ", TCP)])),
    ("throttle-calls-2", Same),
    ("throttle-instances-2-rm10", Same),
    ("throttle-instances-2-tcp", SameBut(&[("client ", TCP)])),
    ("throttle-sessions-10-rm10", Same),
    ("throttle-sessions-10-sc", Same),
    ("throttle-sessions-10-tcp", SameBut(&[("client ", TCP)])),
    ("ws-none-faults", Same),
];
