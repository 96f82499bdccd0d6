//! What a service's contract asks of sessions, and which channel of a binding can give it.

use super::shapes::{ChannelKind, ChannelShape, Shapes};
use core::fmt;

/// Does a contract want sessions? WCF's `SessionMode`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SessionMode {
    /// With a session where the binding makes one, else without.
    #[default]
    Allowed,
    /// Only with a session.
    Required,
    /// Only without.
    NotAllowed,
}

/// The action of an operation that takes every message whose action no other operation has, or that has none: a router's, a
/// gateway's. WCF's wildcard (`Action = "*"`), whose handler of unmatched messages it is.
pub const CATCH_ALL: &str = "*";

/// One operation of a contract.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Operation<'c> {
    /// Its name, for errors.
    pub name: &'c str,
    /// The action of its requests, or [`CATCH_ALL`].
    pub action: &'c str,
    /// Is it answered? A one-way operation is not.
    pub two_way: bool,
    /// May it be the first of a session? WCF's default: yes.
    pub is_initiating: bool,
    /// Does it end the session? WCF's default: no.
    pub is_terminating: bool,
}

impl<'c> Operation<'c> {
    /// A two-way operation, initiating and not terminating, as WCF's attributes have it.
    pub const fn new(name: &'c str, action: &'c str) -> Self {
        Self { name, action, two_way: true, is_initiating: true, is_terminating: false }
    }

    /// Without an answer.
    #[must_use]
    pub const fn one_way(self) -> Self {
        Self { two_way: false, ..self }
    }

    /// Never the first of a session.
    #[must_use]
    pub const fn not_initiating(self) -> Self {
        Self { is_initiating: false, ..self }
    }

    /// The last of a session.
    #[must_use]
    pub const fn terminating(self) -> Self {
        Self { is_terminating: true, ..self }
    }
}

/// A service's contract.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Contract<'c> {
    /// Its name, for errors.
    pub name: &'c str,
    /// Does it want sessions?
    pub session_mode: SessionMode,
    /// Does the service call its client back?
    pub callbacks: bool,
    /// What can be called.
    pub operations: &'c [Operation<'c>],
}

/// A binding, as a contract sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BindingShapes<'c> {
    /// Its name, as WCF's errors show it: `WSHttpBinding`, `CustomBinding`, ...
    pub name: &'c str,
    /// The channels that it can build.
    pub shapes: Shapes,
}

impl<'c> BindingShapes<'c> {
    /// HTTP without sessions: `BasicHttpBinding`, `WSHttpBinding` without security, a secure conversation with a cookie.
    pub const fn datagram(name: &'c str) -> Self {
        Self { name, shapes: Shapes::of(&[ChannelShape::datagram(ChannelKind::RequestReply)]) }
    }

    /// A secure conversation over HTTP that is cancelled at its end (`requireSecurityContextCancellation`).
    pub const fn secure_session(name: &'c str) -> Self {
        Self { name, shapes: Shapes::of(&[ChannelShape::session(ChannelKind::RequestReply)]) }
    }

    /// Reliable messaging over HTTP, over a secure conversation or without.
    pub const fn reliable_session(name: &'c str) -> Self {
        Self {
            name,
            shapes: Shapes::of(&[
                ChannelShape::session(ChannelKind::OneWay),
                ChannelShape::session(ChannelKind::RequestReply),
            ]),
        }
    }

    /// One connection in both directions: `NetTcpBinding`, `WSDualHttpBinding`.
    pub const fn duplex_session(name: &'c str) -> Self {
        Self { name, shapes: Shapes::of(&[ChannelShape::session(ChannelKind::Duplex)]) }
    }
}

/// The channel that a contract gets of a binding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChosenChannel {
    /// The channel that the binding builds.
    pub shape: ChannelShape,
    /// Does the service see it without its session? WCF's datagram adapter: no session id, an instance for each message.
    pub datagram: bool,
}

/// Why a contract cannot be served by a binding, in WCF's words (`InvalidOperationException` when a host or a client's
/// factory is opened).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ContractError<'c> {
    /// No channel at all comes of the binding.
    NoChannels {
        /// The binding.
        binding: &'c str,
    },
    /// The contract requires what the binding cannot do.
    Requires {
        /// What it is.
        requirement: Requirement,
        /// The binding.
        binding: &'c str,
    },
    /// Nothing that the binding builds suits, though no single requirement is to blame.
    NoCommonChannel {
        /// The binding.
        binding: &'c str,
    },
    /// Operations that only make sense in a session, and a contract that does not require one.
    NotSelfConsistent {
        /// The contract.
        contract: &'c str,
    },
    /// No operation may be the first.
    NothingInitiates {
        /// The contract.
        contract: &'c str,
    },
    /// Two contracts at one address and binding, one that requires sessions and one that forbids them.
    SessionAndDatagram {
        /// The contract that requires a session.
        requires: &'c str,
        /// The contract that forbids it.
        forbids: &'c str,
        /// The binding.
        binding: &'c str,
    },
}

/// What a contract may require of a binding, in the order in which WCF looks for what is missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Requirement {
    /// Messages of one session belong together.
    Session,
    /// Each message by itself.
    Datagram,
    /// Both sides send.
    Duplex,
    /// Requests and replies.
    RequestReply,
    /// Messages without answers.
    OneWay,
    /// Requests and replies, one way or the other.
    TwoWay,
}

impl Requirement {
    const ALL: [Self; 6] =
        [Self::Session, Self::Datagram, Self::Duplex, Self::RequestReply, Self::OneWay, Self::TwoWay];

    const fn holds_for(self, shape: ChannelShape) -> bool {
        match self {
            Self::Session => shape.session,
            Self::Datagram => !shape.session,
            Self::Duplex => matches!(shape.kind, ChannelKind::Duplex),
            Self::RequestReply => matches!(shape.kind, ChannelKind::RequestReply),
            Self::OneWay => matches!(shape.kind, ChannelKind::OneWay),
            Self::TwoWay => !matches!(shape.kind, ChannelKind::OneWay),
        }
    }
}

impl fmt::Display for ContractError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoChannels { binding } => write!(f, "Binding '{binding}' builds no channels at all."),
            Self::Requires { requirement: Requirement::Datagram, binding } => write!(
                f,
                "Contract does not allow Session, but Binding '{binding}' does not support Datagram or is not configured \
                 properly to support it."
            ),
            Self::Requires { requirement, binding } => {
                let what = match requirement {
                    Requirement::Session => "Session",
                    Requirement::Datagram => "Datagram",
                    Requirement::Duplex => "Duplex",
                    Requirement::RequestReply => "Request/Reply",
                    Requirement::OneWay => "OneWay",
                    Requirement::TwoWay => "TwoWay (either request-reply or duplex)",
                };
                write!(
                    f,
                    "Contract requires {what}, but Binding '{binding}' doesn't support it or isn't configured properly \
                     to support it."
                )
            }
            Self::NoCommonChannel { binding } => {
                write!(f, "None of the channels that Binding '{binding}' builds suits the contract.")
            }
            Self::NotSelfConsistent { contract } => write!(
                f,
                "The contract '{contract}' is not self-consistent -- it has one or more IsTerminating or non-IsInitiating \
                 operations, but it does not have the SessionMode property set to SessionMode.Required.  The IsInitiating \
                 and IsTerminating attributes can only be used in the context of a session."
            ),
            Self::NothingInitiates { contract } => write!(
                f,
                "ContractDescription '{contract}' has zero IsInitiating=true operations; a contract must have at least \
                 one IsInitiating=true operation."
            ),
            Self::SessionAndDatagram { requires, forbids, binding } => write!(
                f,
                "Contract '{requires}' requires a session and contract '{forbids}' forbids it, at one address over one \
                 Binding '{binding}': give one of them an address of its own."
            ),
        }
    }
}

impl core::error::Error for ContractError<'_> {}

impl<'c> Contract<'c> {
    /// The operation of an action; and its number in the contract. What no other operation has is [`CATCH_ALL`]'s, if there is
    /// one.
    pub fn operation(&self, action: &[u8]) -> Option<(usize, &'c Operation<'c>)> {
        let of = |action: &[u8]| {
            self.operations.iter().enumerate().find(|(_, operation)| operation.action.as_bytes() == action)
        };
        of(action).or_else(|| of(CATCH_ALL.as_bytes()))
    }

    /// The channels that can carry it, in WCF's order of preference.
    pub fn shapes(&self) -> Shapes {
        use ChannelKind::{Duplex, OneWay, RequestReply};
        let one_way_only = self.operations.iter().all(|operation| !operation.two_way);
        let kinds: &[ChannelKind] = match (self.callbacks, one_way_only) {
            (true, _) => &[Duplex],
            (false, true) => &[OneWay, RequestReply, Duplex],
            (false, false) => &[RequestReply, Duplex],
        };
        let mut shapes = Shapes::default();
        for kind in kinds {
            match self.session_mode {
                SessionMode::Allowed => {
                    shapes.insert(ChannelShape::datagram(*kind));
                    shapes.insert(ChannelShape::session(*kind));
                }
                SessionMode::Required => shapes.insert(ChannelShape::session(*kind)),
                SessionMode::NotAllowed => shapes.insert(ChannelShape::datagram(*kind)),
            }
        }
        shapes
    }

    /// Is it consistent in itself?
    ///
    /// # Errors
    /// [`ContractError::NotSelfConsistent`], [`ContractError::NothingInitiates`].
    pub fn validate(&self) -> Result<(), ContractError<'c>> {
        let sessionful = |operation: &Operation<'_>| operation.is_terminating || !operation.is_initiating;
        if self.session_mode != SessionMode::Required && self.operations.iter().any(sessionful) {
            return Err(ContractError::NotSelfConsistent { contract: self.name });
        }
        if !self.operations.iter().any(|operation| operation.is_initiating) {
            return Err(ContractError::NothingInitiates { contract: self.name });
        }
        Ok(())
    }

    /// The channel that this contract gets of `binding`: checked when a host opens, and when a client is made.
    ///
    /// # Errors
    /// As [`validate`](Self::validate), and what the binding cannot do.
    pub fn over(&self, binding: &BindingShapes<'c>) -> Result<ChosenChannel, ContractError<'c>> {
        self.validate()?;
        let wanted = self.shapes();
        if let Some(shape) = wanted.iter().find(|shape| binding.shapes.contains(*shape)) {
            return Ok(ChosenChannel { shape, datagram: !shape.session });
        }
        // WCF takes the session away for a contract that forbids it, but not of a duplex channel.
        let adapted = wanted.iter().filter(|shape| !shape.session && shape.kind != ChannelKind::Duplex);
        let mut adapted = adapted.map(|shape| ChannelShape::session(shape.kind));
        if let Some(shape) = adapted.find(|shape| binding.shapes.contains(*shape)) {
            return Ok(ChosenChannel { shape, datagram: true });
        }
        if binding.shapes.is_empty() {
            return Err(ContractError::NoChannels { binding: binding.name });
        }
        let missing = Requirement::ALL.into_iter().find(|requirement| {
            wanted.iter().all(|shape| requirement.holds_for(shape))
                && !binding.shapes.iter().any(|shape| requirement.holds_for(shape))
        });
        Err(match missing {
            Some(requirement) => ContractError::Requires { requirement, binding: binding.name },
            None => ContractError::NoCommonChannel { binding: binding.name },
        })
    }

    /// May two contracts share one address and binding?
    ///
    /// # Errors
    /// [`ContractError::SessionAndDatagram`].
    pub fn beside(&self, other: &Self, binding: &BindingShapes<'c>) -> Result<(), ContractError<'c>> {
        let (requires, forbids) = match (self.session_mode, other.session_mode) {
            (SessionMode::Required, SessionMode::NotAllowed) => (self.name, other.name),
            (SessionMode::NotAllowed, SessionMode::Required) => (other.name, self.name),
            (SessionMode::Allowed | SessionMode::Required | SessionMode::NotAllowed, _) => return Ok(()),
        };
        Err(ContractError::SessionAndDatagram { requires, forbids, binding: binding.name })
    }
}
