//! The initiator's verdict table: every recording, what its clients' requests met with, and where its clients ended.

use soap_session_core::secure::InitiatorPhase::{self, Closed, Faulted, Opened};

/// How our client relates to the recorded one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// Every request is byte for byte the recorded one.
    Same,
    /// So are those to which reliable messaging adds nothing.
    Reliable,
    /// The story goes on where our machine has ended, and why.
    Deviates(&'static str),
    /// Not played, and why.
    Later(&'static str),
}
use Expected::{Deviates, Later, Reliable as RM, Same};

const CERTIFICATE: &str = "the client proves itself with a certificate";
const COOKIE: &str = "the token carries the session in a cookie";
const ONESHOT: &str = "one-shot message security: no session";
const TCP_DUPLEX: &str = "RM over net.tcp is duplex";

/// WCF's service channel faults on it. With RM below, that ends the sequence and cancels the token, in two more messages;
/// without, it is the end at once. Our secure machine does not know what is above it.
const FAULT_UNDER_RM: &str = "InternalServiceFault ends the secure conversation even under RM";

const CLOSED: &[InitiatorPhase] = &[Closed];
const FAULTED: &[InitiatorPhase] = &[Faulted];
/// The recording ends, or the application aborts, without a message.
const OPENED: &[InitiatorPhase] = &[Opened];

/// A recording, the requests that did not simply get their answers, by number, and the final phase of each client.
pub(crate) type Row = (&'static str, Expected, &'static [(u32, &'static str)], &'static [InitiatorPhase]);

#[rustfmt::skip]
pub(crate) const TABLE: [Row; 115] = [
    ("wcf/anon-cert", Later(ONESHOT), &[], CLOSED),
    ("wcf/anon-cert-Basic128", Later(ONESHOT), &[], CLOSED),
    ("wcf/anon-cert-Basic128Rsa15", Later(ONESHOT), &[], CLOSED),
    ("wcf/anon-cert-Basic192", Later(ONESHOT), &[], CLOSED),
    ("wcf/anon-cert-Basic256", Later(ONESHOT), &[], CLOSED),
    ("wcf/anon-cert-Basic256Rsa15", Later(ONESHOT), &[], CLOSED),
    ("wcf/anon-cert-Basic256Sha256", Later(ONESHOT), &[], CLOSED),
    ("wcf/anon-cert-ebs", Later(ONESHOT), &[], CLOSED),
    ("wcf/anon-cert-nodk", Later(ONESHOT), &[], CLOSED),
    ("wcf/anon-cert-sbe", Later(ONESHOT), &[], CLOSED),
    ("wcf/mutual-cert", Later(ONESHOT), &[], CLOSED),
    ("wcf/sc-anon-nocancel", Later(COOKIE), &[], CLOSED),
    ("wcf/sc-mutual", Later(CERTIFICATE), &[], CLOSED),
    ("wcf/sc-mutual-calc", Later(CERTIFICATE), &[], CLOSED),
    ("wcf/sc-mutual-v13", Later(CERTIFICATE), &[], CLOSED),
    ("wcf/user-cert", Later(ONESHOT), &[], CLOSED),
    ("wcf/ws-msg-cert-ctx-noneg", Later(CERTIFICATE), &[], CLOSED),
    ("wcf/ws-msg-cert-noctx-noneg", Later(ONESHOT), &[], CLOSED),
    ("wcf/ws-msg-none-noctx-noneg", Later(ONESHOT), &[], CLOSED),
    ("wcf/ws-msg-user-noctx-noneg", Later(ONESHOT), &[], CLOSED),
    ("wcf/ws-rmsec-cert", Later(CERTIFICATE), &[], CLOSED),
    ("wcf/ws2007-certificate", Later(CERTIFICATE), &[], CLOSED),
    ("wcf/sc-anon", Same, &[], CLOSED),
    ("wcf/sc-anon-basic128", Same, &[], CLOSED),
    ("wcf/sc-anon-calc", Same, &[], &[Closed, Closed]),
    ("wcf/sc-anon-nodk", Same, &[], CLOSED),
    ("wcf/sc-anon-v13", Same, &[], CLOSED),
    ("wcf/sc-anon-v13-calc", Same, &[], &[Closed, Closed]),
    ("wcf/sc-user", Same, &[], CLOSED),
    ("wcf/ws-msg-none-ctx-noneg", Same, &[], CLOSED),
    ("wcf/ws-msg-none-ctx-noneg-calc", Same, &[], &[Closed, Closed]),
    ("wcf/ws-msg-user-ctx-noneg", Same, &[], CLOSED),
    ("wcf/ws2007-none", Same, &[], CLOSED),
    ("wcf/ws2007-none-rm", RM, &[], &[Closed, Closed]),
    ("wcf/ws2007-username-rm", RM, &[], &[Closed, Closed]),
    ("wcf/rm-sc-anon", RM, &[], &[Closed, Closed]),
    ("wcf-stories/dual-message-cert", Later(CERTIFICATE), &[], CLOSED),
    ("wcf-stories/oneshot-client-clock-minus-600s", Later(ONESHOT), &[], CLOSED),
    ("wcf-stories/oneshot-client-clock-plus-600s", Later(ONESHOT), &[], CLOSED),
    ("wcf-stories/rm10-sc-call-after-terminating", RM, &[], CLOSED),
    ("wcf-stories/rm10-sc-client-abort", RM, &[(11, "unsecured BadContextToken")], CLOSED),
    ("wcf-stories/rm10-sc-drop-request-close", RM, &[(7, "no answer")], CLOSED),
    ("wcf-stories/rm10-sc-drop-request-hang", RM, &[(7, "no answer")], CLOSED),
    ("wcf-stories/rm10-sc-drop-response-close", RM, &[(7, "no answer")], CLOSED),
    ("wcf-stories/rm10-sc-drop-response-hang", RM, &[(7, "no answer")], CLOSED),
    ("wcf-stories/rm10-sc-dup-request", RM, &[], CLOSED),
    ("wcf-stories/rm10-sc-faults", Deviates(FAULT_UNDER_RM), &[(11, "secured InternalServiceFault"), (13, "not sent"), (15, "not sent")], FAULTED),
    ("wcf-stories/rm10-sc-inactivity-server-5s", RM, &[(7, "unsecured BadContextToken")], FAULTED),
    ("wcf-stories/rm10-sc-non-initiating-first", RM, &[], CLOSED),
    ("wcf-stories/rm10-sc-server-restarted", RM, &[(9, "unsecured BadContextToken")], FAULTED),
    ("wcf-stories/rm10-sc-soap11a10", RM, &[], CLOSED),
    ("wcf-stories/rm10-sc-soap12a04", RM, &[], CLOSED),
    ("wcf-stories/rm10-sc-tcp-text", Later(TCP_DUPLEX), &[], CLOSED),
    ("wcf-stories/rm11-sc-client-abort", RM, &[(11, "unsecured BadContextToken")], CLOSED),
    ("wcf-stories/rm11-sc-drop-request-close", RM, &[(7, "no answer")], CLOSED),
    ("wcf-stories/rm11-sc-drop-response-hang", RM, &[(7, "no answer")], CLOSED),
    ("wcf-stories/rm11-sc-dup-request", RM, &[], CLOSED),
    ("wcf-stories/rm11-sc-inactivity-server-5s", RM, &[(7, "unsecured BadContextToken")], FAULTED),
    ("wcf-stories/rm11-sc-keep-alive-6s", RM, &[], CLOSED),
    ("wcf-stories/rm11-sc-server-restarted", RM, &[(9, "unsecured BadContextToken")], FAULTED),
    ("wcf-stories/sc-Basic128Sha256", Same, &[], CLOSED),
    ("wcf-stories/sc-Basic192", Same, &[], CLOSED),
    ("wcf-stories/sc-Basic256Rsa15", Same, &[], CLOSED),
    ("wcf-stories/sc-Basic256Sha256Rsa15", Same, &[], CLOSED),
    ("wcf-stories/sc-TripleDes", Same, &[], CLOSED),
    ("wcf-stories/sc-TripleDesRsa15", Same, &[], CLOSED),
    ("wcf-stories/sc-abort-by-client", Same, &[], OPENED),
    ("wcf-stories/sc-call-after-terminating", Same, &[], CLOSED),
    ("wcf-stories/sc-client-clock-minus-240s", Same, &[], OPENED),
    ("wcf-stories/sc-client-clock-minus-600s", Same, &[(1, "unsecured InvalidSecurity")], FAULTED),
    ("wcf-stories/sc-client-clock-plus-240s", Same, &[], OPENED),
    ("wcf-stories/sc-client-clock-plus-600s", Same, &[(1, "unsecured InvalidSecurity")], FAULTED),
    ("wcf-stories/sc-cookie-lifetime-5s", Later(COOKIE), &[], CLOSED),
    ("wcf-stories/sc-cookie-server-restarted", Later(COOKIE), &[], CLOSED),
    ("wcf-stories/sc-cookie-server-restarted-default-encoder", Later(COOKIE), &[], CLOSED),
    ("wcf-stories/sc-encrypt-before-sign", Same, &[], CLOSED),
    ("wcf-stories/sc-fault-detail", Same, &[], CLOSED),
    ("wcf-stories/sc-host-closed-by-server", Same, &[(7, "no answer")], OPENED),
    ("wcf-stories/sc-lost-cancel-request", Same, &[(7, "close unconfirmed")], CLOSED),
    ("wcf-stories/sc-lost-cancel-response", Same, &[(7, "close unconfirmed")], CLOSED),
    ("wcf-stories/sc-lost-request", Same, &[(5, "no answer")], CLOSED),
    ("wcf-stories/sc-lost-response", Same, &[(5, "no answer")], CLOSED),
    ("wcf-stories/sc-lost-rst", Same, &[(1, "no answer")], FAULTED),
    ("wcf-stories/sc-non-initiating-first", Same, &[], CLOSED),
    ("wcf-stories/sc-oneway", Same, &[], CLOSED),
    ("wcf-stories/sc-pending-limit-1", Same, &[(3, "secured ServerTooBusy")], &[Closed, Faulted, Closed]),
    ("wcf-stories/sc-pending-limit-1-v13", Same, &[(3, "secured ServerTooBusy")], &[Closed, Faulted, Closed]),
    ("wcf-stories/sc-pending-swept", Same, &[(3, "unsecured BadContextToken")], FAULTED),
    ("wcf-stories/sc-receive-timeout-5s", Same, &[(5, "unsecured BadContextToken")], FAULTED),
    ("wcf-stories/sc-receive-timeout-5s-v13", Same, &[(5, "unsecured BadContextToken")], FAULTED),
    ("wcf-stories/sc-renew-client-5s", Same, &[], CLOSED),
    ("wcf-stories/sc-renew-needed", Same, &[], CLOSED),
    ("wcf-stories/sc-renew-needed-fault", Same, &[(5, "secured RenewNeeded")], CLOSED),
    ("wcf-stories/sc-renew-needed-v13", Same, &[], CLOSED),
    ("wcf-stories/sc-renew-old-key-after-rollover", Same, &[(7, "unsecured BadContextToken")], FAULTED),
    ("wcf-stories/sc-renew-old-key-after-rollover-v13", Same, &[(7, "unsecured BadContextToken")], CLOSED),
    ("wcf-stories/sc-renew-old-key-within-rollover", Same, &[], CLOSED),
    ("wcf-stories/sc-replayed-request", Same, &[], CLOSED),
    ("wcf-stories/sc-rm-renew-needed", RM, &[], CLOSED),
    ("wcf-stories/sc-send-timeout-3s-slow-operation", Same, &[(5, "no answer")], CLOSED),
    ("wcf-stories/sc-server-restarted", Same, &[(7, "unsecured BadContextToken")], FAULTED),
    ("wcf-stories/sc-server-restarted-v13", Same, &[(7, "unsecured BadContextToken")], FAULTED),
    ("wcf-stories/sc-sign-before-encrypt", Same, &[], CLOSED),
    ("wcf-stories/sc-soap11a04", Same, &[], CLOSED),
    ("wcf-stories/sc-soap11a10", Same, &[], CLOSED),
    ("wcf-stories/sc-tampered-request", Same, &[(5, "unsecured InvalidSecurity")], FAULTED),
    ("wcf-stories/sc-tcp-text", Same, &[], CLOSED),
    ("wcf-stories/sc-terminating", Same, &[], CLOSED),
    ("wcf-stories/sc-unhandled-exception", Same, &[(5, "secured InternalServiceFault")], FAULTED),
    ("wcf-stories/sc-v13-Basic256Sha256", Same, &[], CLOSED),
    ("wcf-stories/sc-wrong-action", Same, &[(5, "unsecured InvalidSecurity")], FAULTED),
    ("wcf-stories/session-notallowed-on-sc", Same, &[], CLOSED),
    ("wcf-stories/throttle-sessions-10-sc", Same, &[(43, "no answer"), (46, "no answer"), (50, "close unconfirmed")], &[Closed, Opened, Opened, Opened, Opened, Opened, Opened, Opened, Opened, Opened, Opened, Closed]),
    ("wcf-stories/ws-user-session", Same, &[], CLOSED),
    ("wcf-stories/ws-user-session-bad-password", Same, &[(1, "unsecured InvalidSecurityToken")], FAULTED),
];
