//! The reasons of faults. They are for people: nobody may compare them. Those that occur in recordings are written as
//! WCF writes them, with its mistakes; the others are the specification's or our own words.

use super::frame::FaultReason;
use crate::time::Duration;
use heapless::Vec;

/// Recorded: the application aborted its end.
pub const ABORTED: &str = "Due to a user abort the reliable session cannot continue.";
/// Recorded: a call has timed out, or its context was given up.
pub const STOPPED_WAITING: &str =
    "The session has stopped waiting for a particular reply. Because of this the reliable session cannot continue.";
/// Recorded: `MaxRetryCount` is used up.
pub const RETRIES: &str = "The user specified maximum retry count for a particular message has been exceeded. \
                           Because of this the reliable session cannot continue.";
/// Recorded: the reason of UnknownSequence (also the specification's).
pub const UNKNOWN: &str = "The value of wsrm:Identifier is not a known Sequence identifier.";
/// Recorded: a message for a server that is closing its end.
pub const CLOSING: &str = "The user of the remote endpoint's reliable session expects no more messages and a new \
                           message arrived. Due to this the reliable session cannot continue.";
/// Recorded: the reason of WsrmRequired.
pub const REQUIRED: &str = "The RM server requires the use of WS-ReliableMessaging 1.1 protocol. \
                            This is likely caused by a binding mismatch.";
/// Recorded, around an action: the reason of ActionNotSupported at an endpoint that speaks February 2005.
pub const ACTION_NOT_SUPPORTED: [&str; 2] = [
    "The action ",
    " is not supported by this endpoint. Only WS-ReliableMessaging February 2005 messages are processed by this \
     endpoint.",
];
/// Recorded, around a sentence that says why: the reason of CreateSequenceRefused.
pub const REFUSED: [&str; 2] = [
    "The request to create a reliable session has been refused by the RM Destination. ",
    " The channel could not be opened.",
];
/// The specification's: InvalidAcknowledgement.
pub const INVALID_ACKNOWLEDGEMENT: &str =
    "The SequenceAcknowledgement violates the cumulative acknowledgement invariant.";
/// The specification's: MessageNumberRollover.
pub const ROLLOVER: &str = "The maximum value for wsrm:MessageNumber has been exceeded.";
/// The specification's: LastMessageNumberExceeded.
pub const LAST_EXCEEDED: &str = "The value for wsrm:MessageNumber exceeds the value of the MessageNumber \
                                 accompanying a LastMessage element in this Sequence.";
/// The specification's: SequenceClosed.
pub const CLOSED: &str = "The Sequence is closed and can not accept new messages.";
/// Our own: EndpointUnavailable.
pub const UNAVAILABLE: &str = "The endpoint takes no new reliable sessions.";

/// Recorded, around the address of the service: the reason of ConnectionLimitReached.
pub const fn connection_limit(service: &[u8]) -> FaultReason<'_> {
    FaultReason::With(
        "The request to create a reliable session has been refused by the RM Destination. Server '",
        service,
        "' is too busy to process this request. Try again later. The channel could not be opened.",
    )
}

/// Recorded, around the text of a [`TimeSpan`]: nothing was heard for the inactivity timeout.
pub const fn inactivity(timeout: &[u8]) -> FaultReason<'_> {
    FaultReason::With("The inactivity timeout of (", timeout, ") has been exceeded.")
}

/// The text that .NET makes of a duration: `[d.]hh:mm:ss[.fffffff]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeSpan(Vec<u8, 40>);

impl TimeSpan {
    /// Of this duration.
    pub fn new(duration: Duration) -> Self {
        let mut text = Vec::new();
        // 20 digits, a dot, eight characters and another eight: never more than 40.
        let mut put = |bytes: &[u8]| {
            let _ = text.extend_from_slice(bytes);
        };
        let seconds = duration.as_secs();
        let part = |unit: u64, of: u64| seconds.checked_div(unit).and_then(|n| n.checked_rem(of)).unwrap_or(0);
        let days = seconds.checked_div(86400).unwrap_or(0);
        if days > 0 {
            digits(days, 1, &mut put);
            put(b".");
        }
        digits(part(3600, 24), 2, &mut put);
        put(b":");
        digits(part(60, 60), 2, &mut put);
        put(b":");
        digits(part(1, 60), 2, &mut put);
        let ticks = duration.subsec_nanos().checked_div(100).unwrap_or(0);
        if ticks > 0 {
            put(b".");
            digits(ticks.into(), 7, &mut put);
        }
        Self(text)
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A number in decimal digits, at least `least` of them.
fn digits(mut value: u64, least: usize, put: &mut impl FnMut(&[u8])) {
    let mut reversed: Vec<u8, 20> = Vec::new();
    while value > 0 || reversed.len() < least {
        let digit = u8::try_from(value.checked_rem(10).unwrap_or(0)).unwrap_or(0);
        if reversed.push(b'0'.saturating_add(digit)).is_err() {
            break;
        }
        value = value.checked_div(10).unwrap_or(0);
    }
    for digit in reversed.iter().rev() {
        put(&[*digit]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_dotnet_writes_them() {
        for (millis, text) in [
            (5000, "00:00:05"),
            (600_000, "00:10:00"),
            (86_399_999, "23:59:59.9990000"),
            (93_784_005, "1.02:03:04.0050000"),
            (0, "00:00:00"),
        ] {
            assert_eq!(TimeSpan::new(Duration::from_millis(millis)).as_bytes(), text.as_bytes());
        }
        assert!(TimeSpan::new(Duration::MAX).as_bytes().ends_with(b".9999999"));
    }
}
