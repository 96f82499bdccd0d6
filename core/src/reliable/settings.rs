//! What can be configured. The defaults are WCF's.

use super::arrival::IncompleteSequenceBehavior;
use super::version::RmVersion;
use crate::soap::AddressingVersion;
use crate::time::Duration;

/// The greatest transfer window. WCF: the range of `MaxTransferWindowSize` is 1 to 4096.
pub const MAX_TRANSFER_WINDOW: u16 = 4096;

/// How a sender times its retransmissions and sizes its window. WCF has these as constants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransmissionSettings {
    /// The retransmission timeout is never less than the mean round trip and this. WCF: 400 ms.
    pub minimum_timeout: Duration,
    /// The round trip that is taken for the first estimate where none was measured. WCF: 2 s.
    pub unknown_round_trip: Duration,
    /// How fast the mean round trip and its deviation follow what is measured: by 1 / 2^n of the difference. WCF: 3, an eighth.
    pub gain_shift: u8,
    /// How many deviations the retransmission timeout is above the mean: 2^n. WCF: 2, four.
    pub deviations_shift: u8,
    /// The first window, in messages. WCF: 1.
    pub initial_window: u16,
    /// Beyond WCF, and invisible but for being faster: send a message again at once when so many later ones have been
    /// acknowledged before it, and let other messages pass it meanwhile. `None` waits for the timeout, as WCF does.
    pub fast_retransmission: Option<u16>,
}

impl Default for TransmissionSettings {
    fn default() -> Self {
        Self {
            minimum_timeout: Duration::from_millis(400),
            unknown_round_trip: Duration::from_secs(2),
            gain_shift: 3,
            deviations_shift: 2,
            initial_window: 1,
            fast_retransmission: None,
        }
    }
}

/// The settings of one side of reliable sessions (WCF: `ReliableSessionBindingElement`, and the binding's timeouts).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReliableSettings {
    /// The protocol's version.
    pub version: RmVersion,
    /// The version of WS-Addressing, which decides which headers are there.
    pub addressing: AddressingVersion,
    /// Deliver in order? WCF: yes.
    pub ordered: bool,
    /// How many messages may be unacknowledged, and how many may wait for the application; 1 to 4096. WCF: 8.
    pub max_transfer_window_size: u16,
    /// How often one message is sent again before the session fails; at least 1. WCF: 8.
    pub max_retry_count: u32,
    /// How long a duplex session keeps an acknowledgement back, in the hope of a message that carries it. WCF: 0.2 s.
    pub acknowledgement_interval: Duration,
    /// How long nothing may be heard from the other side. WCF: 10 minutes.
    pub inactivity_timeout: Duration,
    /// After how long a silent client asks whether the other side is there. `None`, as WCF: half the inactivity timeout.
    pub idle_poll_interval: Option<Duration>,
    /// After how long it asks again when there was no answer. `None`, as WCF: that, divided by `max_retry_count`.
    pub keep_alive_interval: Option<Duration>,
    /// Say, and heed, how many messages the receiver has room for. WCF: yes.
    pub flow_control: bool,
    /// How long a message may wait for room in the window, and a request for its reply. WCF: 1 minute.
    pub send_timeout: Duration,
    /// How long opening may take. WCF: 1 minute.
    pub open_timeout: Duration,
    /// How long closing may take. WCF: 1 minute.
    pub close_timeout: Duration,
    /// After how long a lost CreateSequence, CloseSequence or TerminateSequence is sent again. WCF: 10 s.
    pub requestor_interval: Duration,
    /// Sessions that were created and that the application has not accepted yet; more are refused with
    /// `ConnectionLimitReached`. WCF: `MaxPendingChannels`, 4.
    pub max_pending_channels: u16,
    /// Timing of retransmissions.
    pub transmission: TransmissionSettings,
}

impl Default for ReliableSettings {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            version: RmVersion::default(),
            addressing: AddressingVersion::default(),
            ordered: true,
            max_transfer_window_size: 8,
            max_retry_count: 8,
            acknowledgement_interval: Duration::from_millis(200),
            inactivity_timeout: Duration::from_secs(600),
            idle_poll_interval: None,
            keep_alive_interval: None,
            flow_control: true,
            send_timeout: MINUTE,
            open_timeout: MINUTE,
            close_timeout: MINUTE,
            requestor_interval: Duration::from_secs(10),
            max_pending_channels: 4,
            transmission: TransmissionSettings::default(),
        }
    }
}

impl ReliableSettings {
    /// The window, held to what the tables have room for.
    pub(super) fn window(&self, capacity: usize) -> u16 {
        let capacity = u16::try_from(capacity).unwrap_or(MAX_TRANSFER_WINDOW);
        self.max_transfer_window_size.clamp(1, MAX_TRANSFER_WINDOW).min(capacity)
    }

    pub(super) const fn behavior(&self) -> IncompleteSequenceBehavior {
        if self.ordered {
            IncompleteSequenceBehavior::DiscardFollowingFirstGap
        } else {
            IncompleteSequenceBehavior::NoDiscard
        }
    }
}
