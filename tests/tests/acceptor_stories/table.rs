//! The acceptor's verdict table: every recording, and how our answers relate to the recorded ones.

/// How our answers relate to the recorded ones.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// The same: status, security, action, fault, header order, contents.
    Same,
    /// The same but for what these words name, which is the work of layers that are not there yet.
    But(&'static [&'static str]),
    /// Not played, and why.
    Later(&'static str),
}
use Expected::{But, Later, Same};

/// RM headers ride in the messages, and RM bodies go in clear: the reliable layer's to say.
pub(crate) const RM_HEADERS: &str = "RM headers";
pub(crate) const RM_CLEAR: &str = "RM body in clear";
/// RM answers some messages that have no MessageID.
pub(crate) const RM_ANSWER: &str = "RM answers a message without MessageID";
pub(crate) const RM_ONE_WAY: &str = "RM answer without RelatesTo";
/// Over net.tcp every answer says To.
pub(crate) const TCP_TO: &str = "To over net.tcp";
pub(crate) const TCP_DUPLEX: &str = "RM over net.tcp is duplex";
pub(crate) const CERTIFICATE: &str = "the client proves itself with a certificate";
pub(crate) const COOKIE: &str = "the token carries the session in a cookie";
pub(crate) const ONESHOT: &str = "one-shot message security: no session";

/// RM 1.0 to its end; RM 1.1, or RM 1.0 broken off; RM 1.1 polls.
pub(crate) const RM10: Expected = But(&[RM_ONE_WAY, RM_ANSWER, RM_CLEAR, RM_HEADERS]);
pub(crate) const RM: Expected = But(&[RM_CLEAR, RM_HEADERS]);
pub(crate) const RM11_POLLS: Expected = But(&[RM_ANSWER, RM_CLEAR, RM_HEADERS]);

#[rustfmt::skip]
pub(crate) const TABLE: [(&str, Expected); 115] = [
    ("wcf/anon-cert", Later(ONESHOT)),
    ("wcf/anon-cert-Basic128", Later(ONESHOT)),
    ("wcf/anon-cert-Basic128Rsa15", Later(ONESHOT)),
    ("wcf/anon-cert-Basic192", Later(ONESHOT)),
    ("wcf/anon-cert-Basic256", Later(ONESHOT)),
    ("wcf/anon-cert-Basic256Rsa15", Later(ONESHOT)),
    ("wcf/anon-cert-Basic256Sha256", Later(ONESHOT)),
    ("wcf/anon-cert-ebs", Later(ONESHOT)),
    ("wcf/anon-cert-nodk", Later(ONESHOT)),
    ("wcf/anon-cert-sbe", Later(ONESHOT)),
    ("wcf/mutual-cert", Later(ONESHOT)),
    ("wcf/sc-anon-nocancel", Later(COOKIE)),
    ("wcf/sc-mutual", Later(CERTIFICATE)),
    ("wcf/sc-mutual-calc", Later(CERTIFICATE)),
    ("wcf/sc-mutual-v13", Later(CERTIFICATE)),
    ("wcf/user-cert", Later(ONESHOT)),
    ("wcf/ws-msg-cert-ctx-noneg", Later(CERTIFICATE)),
    ("wcf/ws-msg-cert-noctx-noneg", Later(ONESHOT)),
    ("wcf/ws-msg-none-noctx-noneg", Later(ONESHOT)),
    ("wcf/ws-msg-user-noctx-noneg", Later(ONESHOT)),
    ("wcf/ws-rmsec-cert", Later(CERTIFICATE)),
    ("wcf/ws2007-certificate", Later(CERTIFICATE)),
    ("wcf/sc-anon", Same),
    ("wcf/sc-anon-basic128", Same),
    ("wcf/sc-anon-calc", Same),
    ("wcf/sc-anon-nodk", Same),
    ("wcf/sc-anon-v13", Same),
    ("wcf/sc-anon-v13-calc", Same),
    ("wcf/sc-user", Same),
    ("wcf/ws-msg-none-ctx-noneg", Same),
    ("wcf/ws-msg-none-ctx-noneg-calc", Same),
    ("wcf/ws-msg-user-ctx-noneg", Same),
    ("wcf/ws2007-none", Same),
    ("wcf/ws2007-none-rm", RM),
    ("wcf/ws2007-username-rm", RM),
    ("wcf/rm-sc-anon", RM10),
    ("wcf-stories/dual-message-cert", Later(CERTIFICATE)),
    ("wcf-stories/oneshot-client-clock-minus-600s", Later(ONESHOT)),
    ("wcf-stories/oneshot-client-clock-plus-600s", Later(ONESHOT)),
    ("wcf-stories/rm10-sc-call-after-terminating", RM10),
    ("wcf-stories/rm10-sc-client-abort", RM),
    ("wcf-stories/rm10-sc-drop-request-close", RM10),
    ("wcf-stories/rm10-sc-drop-request-hang", RM10),
    ("wcf-stories/rm10-sc-drop-response-close", RM10),
    ("wcf-stories/rm10-sc-drop-response-hang", RM10),
    ("wcf-stories/rm10-sc-dup-request", RM10),
    ("wcf-stories/rm10-sc-faults", RM),
    ("wcf-stories/rm10-sc-inactivity-server-5s", RM),
    ("wcf-stories/rm10-sc-non-initiating-first", RM10),
    ("wcf-stories/rm10-sc-server-restarted", RM),
    ("wcf-stories/rm10-sc-soap11a10", RM10),
    ("wcf-stories/rm10-sc-soap12a04", RM10),
    ("wcf-stories/rm10-sc-tcp-text", Later(TCP_DUPLEX)),
    ("wcf-stories/rm11-sc-client-abort", RM),
    ("wcf-stories/rm11-sc-drop-request-close", RM),
    ("wcf-stories/rm11-sc-drop-response-hang", RM),
    ("wcf-stories/rm11-sc-dup-request", RM),
    ("wcf-stories/rm11-sc-inactivity-server-5s", RM),
    ("wcf-stories/rm11-sc-keep-alive-6s", RM11_POLLS),
    ("wcf-stories/rm11-sc-server-restarted", RM),
    ("wcf-stories/sc-Basic128Sha256", Same),
    ("wcf-stories/sc-Basic192", Same),
    ("wcf-stories/sc-Basic256Rsa15", Same),
    ("wcf-stories/sc-Basic256Sha256Rsa15", Same),
    ("wcf-stories/sc-TripleDes", Same),
    ("wcf-stories/sc-TripleDesRsa15", Same),
    ("wcf-stories/sc-abort-by-client", Same),
    ("wcf-stories/sc-call-after-terminating", Same),
    ("wcf-stories/sc-client-clock-minus-240s", Same),
    ("wcf-stories/sc-client-clock-minus-600s", Same),
    ("wcf-stories/sc-client-clock-plus-240s", Same),
    ("wcf-stories/sc-client-clock-plus-600s", Same),
    ("wcf-stories/sc-cookie-lifetime-5s", Later(COOKIE)),
    ("wcf-stories/sc-cookie-server-restarted", Later(COOKIE)),
    ("wcf-stories/sc-cookie-server-restarted-default-encoder", Later(COOKIE)),
    ("wcf-stories/sc-encrypt-before-sign", Same),
    ("wcf-stories/sc-fault-detail", Same),
    ("wcf-stories/sc-host-closed-by-server", Same),
    ("wcf-stories/sc-lost-cancel-request", Same),
    ("wcf-stories/sc-lost-cancel-response", Same),
    ("wcf-stories/sc-lost-request", Same),
    ("wcf-stories/sc-lost-response", Same),
    ("wcf-stories/sc-lost-rst", Same),
    ("wcf-stories/sc-non-initiating-first", Same),
    ("wcf-stories/sc-oneway", Same),
    ("wcf-stories/sc-pending-limit-1", Same),
    ("wcf-stories/sc-pending-limit-1-v13", Same),
    ("wcf-stories/sc-pending-swept", Same),
    ("wcf-stories/sc-receive-timeout-5s", Same),
    ("wcf-stories/sc-receive-timeout-5s-v13", Same),
    ("wcf-stories/sc-renew-client-5s", Same),
    ("wcf-stories/sc-renew-needed", Same),
    ("wcf-stories/sc-renew-needed-fault", Same),
    ("wcf-stories/sc-renew-needed-v13", Same),
    ("wcf-stories/sc-renew-old-key-after-rollover", Same),
    ("wcf-stories/sc-renew-old-key-after-rollover-v13", Same),
    ("wcf-stories/sc-renew-old-key-within-rollover", Same),
    ("wcf-stories/sc-replayed-request", Same),
    ("wcf-stories/sc-rm-renew-needed", RM10),
    ("wcf-stories/sc-send-timeout-3s-slow-operation", Same),
    ("wcf-stories/sc-server-restarted", Same),
    ("wcf-stories/sc-server-restarted-v13", Same),
    ("wcf-stories/sc-sign-before-encrypt", Same),
    ("wcf-stories/sc-soap11a04", Same),
    ("wcf-stories/sc-soap11a10", Same),
    ("wcf-stories/sc-tampered-request", Same),
    ("wcf-stories/sc-tcp-text", But(&[TCP_TO])),
    ("wcf-stories/sc-terminating", Same),
    ("wcf-stories/sc-unhandled-exception", Same),
    ("wcf-stories/sc-v13-Basic256Sha256", Same),
    ("wcf-stories/sc-wrong-action", Same),
    ("wcf-stories/session-notallowed-on-sc", Same),
    ("wcf-stories/throttle-sessions-10-sc", Same),
    ("wcf-stories/ws-user-session", Same),
    ("wcf-stories/ws-user-session-bad-password", Same),
];
