//! What a received message says to WS-ReliableMessaging.

use super::ranges::{MAX_RANGES, Ranges};
use super::version::RmAction;
use crate::soap::FaultCode;
use crate::time::Duration;

/// `Sequence`: the place of a message in its sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequenceHeader<'a> {
    /// `Identifier`.
    pub identifier: &'a [u8],
    /// `MessageNumber`, from 1 to [`MAX_MESSAGE_NUMBER`](super::MAX_MESSAGE_NUMBER).
    pub number: u64,
    /// `LastMessage` (February 2005).
    pub last: bool,
}

/// `SequenceAcknowledgement`. A `Nack` is read and ignored, as WCF does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcknowledgementHeader<'a> {
    /// `Identifier`.
    pub identifier: &'a [u8],
    /// The ranges, merged; none for `None` (1.1) and for the range 0 to 0 (February 2005).
    pub ranges: Ranges<MAX_RANGES>,
    /// `Final` (1.1).
    pub is_final: bool,
    /// `netrm:BufferRemaining`.
    pub buffer_remaining: Option<u32>,
}

/// What an initiator may do with an incomplete sequence (1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IncompleteSequenceBehavior {
    /// Nothing of it is delivered.
    DiscardEntireSequence,
    /// What WCF says of ordered sequences.
    DiscardFollowingFirstGap,
    /// What WCF says of unordered ones.
    NoDiscard,
}

/// `Offer` in a CreateSequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer<'a> {
    /// `Identifier`.
    pub identifier: &'a [u8],
    /// `Endpoint/Address` (1.1). gSOAP sends an empty one in February 2005 too.
    pub endpoint: Option<&'a [u8]>,
    /// `Expires`.
    pub expires: Option<Duration>,
}

/// The body of a message of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RmBody<'a> {
    /// None, or the application's.
    None,
    /// CreateSequence.
    CreateSequence {
        /// `AcksTo/Address`.
        acks_to: &'a [u8],
        /// `Expires`, as it is written: it is echoed.
        expires: Option<&'a [u8]>,
        /// `Offer`.
        offer: Option<Offer<'a>>,
        /// `Identifier` that the `SecurityTokenReference` names, of a SecurityContextToken. `Some` of nothing: a
        /// reference to something else.
        token: Option<&'a [u8]>,
    },
    /// CreateSequenceResponse.
    CreateSequenceResponse {
        /// `Identifier`.
        identifier: &'a [u8],
        /// `Accept/AcksTo/Address`.
        accept_acks_to: Option<&'a [u8]>,
    },
    /// CloseSequence.
    CloseSequence {
        /// `Identifier`.
        identifier: &'a [u8],
        /// `LastMsgNumber`.
        last: Option<u64>,
    },
    /// CloseSequenceResponse.
    CloseSequenceResponse {
        /// `Identifier`.
        identifier: &'a [u8],
    },
    /// TerminateSequence.
    TerminateSequence {
        /// `Identifier`.
        identifier: &'a [u8],
        /// `LastMsgNumber` (1.1).
        last: Option<u64>,
    },
    /// TerminateSequenceResponse.
    TerminateSequenceResponse {
        /// `Identifier`.
        identifier: &'a [u8],
    },
    /// A SOAP fault, whoever sent it.
    Fault(RmFaultSeen<'a>),
}

/// The faults of WS-ReliableMessaging (and the one of addressing that an RM endpoint sends).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RmFaultKind {
    /// The sequence cannot go on.
    SequenceTerminated,
    /// There is no such sequence.
    UnknownSequence,
    /// An acknowledgement that cannot be.
    InvalidAcknowledgement,
    /// The message numbers have run out.
    MessageNumberRollover,
    /// A number behind the last one (February 2005).
    LastMessageNumberExceeded,
    /// A message for a sequence that is closed (1.1).
    SequenceClosed,
    /// No sequence is given.
    CreateSequenceRefused,
    /// No sequence is given, because too many wait (`netrm:ConnectionLimitReached` inside CreateSequenceRefused).
    ConnectionLimitReached,
    /// A message without WS-ReliableMessaging (1.1).
    WsrmRequired,
    /// The endpoint takes no new sequences.
    EndpointUnavailable,
    /// A message that is nothing to a reliable session, and names none (addressing's fault).
    ActionNotSupported,
    /// A request of the protocol lacks MessageID or ReplyTo (addressing's fault).
    AddressingHeaderRequired,
}

/// A fault in a received message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RmFaultSeen<'a> {
    /// Who is to blame.
    pub code: FaultCode,
    /// What it is; `None` for a fault of another trade.
    pub kind: Option<RmFaultKind>,
    /// The sequence that it is about: `Identifier` of the detail.
    pub identifier: Option<&'a [u8]>,
    /// The reason's text.
    pub reason: &'a [u8],
}

/// One message, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival<'a> {
    /// The action URI; empty if there is none.
    pub action_uri: &'a [u8],
    /// What it is, if its action is one of the protocol.
    pub action: Option<RmAction>,
    /// `MessageID`.
    pub message_id: Option<&'a [u8]>,
    /// `RelatesTo`.
    pub relates_to: Option<&'a [u8]>,
    /// `To`.
    pub to: Option<&'a [u8]>,
    /// `ReplyTo/Address`.
    pub reply_to: Option<&'a [u8]>,
    /// `Sequence`.
    pub sequence: Option<SequenceHeader<'a>>,
    /// `SequenceAcknowledgement`. Of several, the one that is about a sequence of ours is not known here: WCF refuses two.
    pub acknowledgement: Option<AcknowledgementHeader<'a>>,
    /// `AckRequested/Identifier`.
    pub ack_requested: Option<&'a [u8]>,
    /// `UsesSequenceSTR` (1.1).
    pub uses_sequence_str: bool,
    /// `UsesSequenceSSL` (1.1).
    pub uses_sequence_ssl: bool,
    /// The body, where it is the protocol's or a fault.
    pub body: RmBody<'a>,
}
