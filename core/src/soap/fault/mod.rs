//! SOAP faults: those that WCF's security, addressing and dispatching send, written byte for byte as WCF writes them.

mod known;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use known::KnownFault;
pub use read::{FaultView, read_fault, read_qname};
pub use write::{FaultForm, SerializedString, write_fault_body, write_fault_body_with, write_fault_envelope};

use super::names;
use super::{AddressingVersion, ScVersion};

/// Who is to blame (SOAP 1.2 part 1, section 5.4.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FaultCode {
    /// The message was wrong (`Client` in SOAP 1.1).
    Sender,
    /// The message could not be processed for no fault of its own (`Server` in SOAP 1.1).
    Receiver,
    /// A header block marked mustUnderstand was not understood.
    MustUnderstand,
    /// The envelope's version is not spoken here.
    VersionMismatch,
    /// A code of the application's own, or a SOAP 1.1 code that replaced the level. WCF writes such codes.
    Other,
}

/// A qualified name to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QName<'a> {
    /// Namespace name.
    pub namespace: &'a str,
    /// Local name.
    pub local: &'a str,
}

/// A fault's text, with at most two values in its middle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reason<'a> {
    /// The text up to the value.
    pub before: &'a str,
    /// The value, UTF-8, unescaped: an action or an address from the message.
    pub value: &'a [u8],
    /// The text up to a second value, and that value.
    pub second: Option<(&'a str, &'a [u8])>,
    /// The text behind the last value.
    pub after: &'a str,
}

impl<'a> Reason<'a> {
    /// A text without a value.
    pub const fn plain(text: &'a str) -> Self {
        Self::with(text, &[], "")
    }

    /// A text with one value.
    pub const fn with(before: &'a str, value: &'a [u8], after: &'a str) -> Self {
        Self { before, value, second: None, after }
    }
}

/// Which action URI a fault travels under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultAction {
    /// [`AddressingVersion::default_fault_action`].
    Default,
    /// [`AddressingVersion::fault_action`].
    Addressing,
    /// [`names::SECURE_CONVERSATION_FAULT_ACTION`].
    SecureConversation,
    /// [`names::DISPATCHER_FAULT_ACTION`].
    Dispatcher,
    /// This one.
    Uri(&'static str),
}

/// A fault to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault<'a> {
    /// Who is to blame. [`FaultCode::Other`] is written as the receiver's.
    pub code: FaultCode,
    /// What happened.
    pub subcode: Option<QName<'a>>,
    /// A subcode of the subcode, SOAP 1.2 only.
    pub nested: Option<QName<'a>>,
    /// For people. Never matched on.
    pub reason: Reason<'a>,
    /// `xml:lang` of the reason. .NET Framework writes its culture, so "en-US" is the default here; "" is the invariant
    /// culture, for which SOAP 1.1 writes no attribute.
    pub lang: &'a str,
    /// The action URI.
    pub action: FaultAction,
    /// The content of `Detail`: well-formed XML that declares its own namespaces. Empty: no `Detail`.
    pub detail: &'a [u8],
    /// The header that a MustUnderstand fault is about, told in a `NotUnderstood` header under SOAP 1.2.
    pub not_understood: Option<QName<'a>>,
}

/// WCF's reason for [`Fault::bad_context_token`].
const BAD_CONTEXT_TOKEN: &str = "The security context token is expired or is not valid. The message was not processed.";

impl<'a> Fault<'a> {
    const fn new(code: FaultCode, namespace: &'a str, local: &'a str, reason: Reason<'a>, action: FaultAction) -> Self {
        Self {
            code,
            subcode: Some(QName { namespace, local }),
            nested: None,
            reason,
            lang: "en-US",
            action,
            detail: &[],
            not_understood: None,
        }
    }

    /// The same fault with another `xml:lang`.
    #[must_use]
    pub const fn in_language(mut self, lang: &'a str) -> Self {
        self.lang = lang;
        self
    }

    /// The same fault with this `Detail` content.
    #[must_use]
    pub const fn with_detail(mut self, detail: &'a [u8]) -> Self {
        self.detail = detail;
        self
    }

    /// The action URI to send it under.
    pub const fn action_uri(&self, addressing: AddressingVersion) -> &'static str {
        match self.action {
            FaultAction::Default => addressing.default_fault_action(),
            FaultAction::Addressing => addressing.fault_action(),
            FaultAction::SecureConversation => names::SECURE_CONVERSATION_FAULT_ACTION,
            FaultAction::Dispatcher => names::DISPATCHER_FAULT_ACTION,
            FaultAction::Uri(uri) => uri,
        }
    }

    /// The token of a message names a key that is gone. WCF sends it unsecured, and from this place always in the
    /// February 2005 namespace: pass [`ScVersion::February2005`] to be like it.
    pub const fn bad_context_token(version: ScVersion) -> Self {
        let reason = Reason::plain(BAD_CONTEXT_TOKEN);
        Self::new(FaultCode::Sender, version.namespace(), "BadContextToken", reason, FaultAction::Default)
    }

    /// No session takes a message with this token and action. Unsecured, in the namespace of the configured version.
    pub const fn no_session(version: ScVersion, action: &'a [u8]) -> Self {
        let reason = Reason::with(
            "The message could not be processed. This is most likely because the action '",
            action,
            "' is incorrect or because the message contains an invalid or expired security context token or \
                    because there is a mismatch between bindings. The security context token would be invalid if the \
                    service aborted the channel due to inactivity. To prevent the service from aborting idle sessions \
                    prematurely increase the Receive timeout on the service endpoint's binding.",
        );
        Self::new(FaultCode::Sender, version.namespace(), "BadContextToken", reason, FaultAction::Default)
    }

    /// The session's key is past its time and has to be renewed before the next message. Secured by the session.
    pub const fn renew_needed(version: ScVersion) -> Self {
        let reason = Reason::plain("The SecurityContextSecurityToken's key needs to be renewed.");
        Self::new(FaultCode::Sender, version.namespace(), "RenewNeeded", reason, FaultAction::SecureConversation)
    }

    /// A token was understood and not believed. Unsecured.
    pub const fn failed_authentication() -> Self {
        let reason = Reason::plain("At least one security token in the message could not be validated.");
        Self::new(FaultCode::Sender, names::WSSE, "FailedAuthentication", reason, FaultAction::Default)
    }

    /// A token could not be processed. Unsecured.
    pub const fn invalid_security_token() -> Self {
        let reason = Reason::plain("An error occurred when processing the security tokens in the message.");
        Self::new(FaultCode::Sender, names::WSSE, "InvalidSecurityToken", reason, FaultAction::Default)
    }

    /// Anything else that verification found. Unsecured.
    pub const fn invalid_security() -> Self {
        let reason = Reason::plain("An error occurred when verifying security for the message.");
        Self::new(FaultCode::Sender, names::WSSE, "InvalidSecurity", reason, FaultAction::Default)
    }

    /// A message in a secure session carries an action that its contract does not know. Unsecured.
    pub const fn unrecognized_action(action: &'a [u8]) -> Self {
        let reason = Reason::with(
            "The message could not be processed because the action '",
            action,
            "' is invalid or unrecognized.",
        );
        Self::new(FaultCode::Sender, names::WSSE, "InvalidSecurity", reason, FaultAction::Default)
    }

    /// A RequestSecurityToken that cannot be served. Secured as its reply; WCF uses the February 2005 namespace for
    /// both versions.
    pub const fn invalid_request() -> Self {
        let reason = Reason::plain("The request for security token has invalid or malformed elements.");
        Self::new(FaultCode::Sender, names::TRUST_FEB2005, "InvalidRequest", reason, FaultAction::Default)
    }

    /// A negotiation that failed. Unsecured; February 2005 namespace for both versions.
    pub const fn negotiation_failed() -> Self {
        let reason =
            Reason::plain("The request for security token could not be satisfied because authentication failed.");
        Self::new(FaultCode::Sender, names::TRUST_FEB2005, "FailedAuthentication", reason, FaultAction::Default)
    }

    /// MaxPendingSessions is reached. Secured as the reply of the issuing exchange.
    pub const fn too_many_pending_sessions() -> Self {
        let reason =
            Reason::plain("There are too many pending secure conversations on the server. Please retry later.");
        Self::new(FaultCode::Receiver, names::DNSE, "ServerTooBusy", reason, FaultAction::Default)
    }

    /// The quota of negotiations is reached.
    pub const fn too_many_negotiations() -> Self {
        let reason = Reason::plain(
            "There are too many active security negotiations or secure conversations at the service. Please retry \
             later.",
        );
        Self::new(FaultCode::Receiver, names::DNSE, "ServerTooBusy", reason, FaultAction::Default)
    }

    /// The listener is closing and takes no new session.
    pub const fn closing(addressing: AddressingVersion) -> Self {
        let reason = Reason::plain(
            "The server is not accepting new secure conversations currently because it is closing. Please retry later.",
        );
        Self::new(FaultCode::Receiver, addressing.namespace(), "EndpointUnavailable", reason, FaultAction::Default)
    }

    /// A call on a channel whose terminating operation has already been called. Secured like an application's fault.
    pub const fn session_terminated() -> Self {
        let reason = Reason::plain(
            "An operation marked as IsTerminating has already been invoked on this channel, causing the channel's \
             connection to terminate.  No more operations may be invoked on this channel.  Please re-create the \
             channel to continue communication.",
        );
        Self::new(FaultCode::Sender, names::DISPATCHER, "SessionTerminated", reason, FaultAction::Dispatcher)
    }

    /// An operation failed in a way that it did not declare. Secured like an application's fault.
    pub const fn internal_service_fault() -> Self {
        let reason = Reason::plain(
            "The server was unable to process the request due to an internal error.  For more information about the \
             error, either turn on IncludeExceptionDetailInFaults (either from ServiceBehaviorAttribute or from the \
             <serviceDebug> configuration behavior) on the server in order to send the exception information back to \
             the client, or turn on tracing as per the Microsoft .NET Framework SDK documentation and inspect the \
             server trace logs.",
        );
        Self::new(FaultCode::Receiver, names::DISPATCHER, "InternalServiceFault", reason, FaultAction::Dispatcher)
    }

    /// No operation has this action (outside a secure session's contract check), or it may not be the first one.
    pub const fn action_not_supported(addressing: AddressingVersion, action: &'a [u8]) -> Self {
        let reason = Reason::with(
            "The message with Action '",
            action,
            "' cannot be processed at the receiver, due to a ContractFilter mismatch at the \
                    EndpointDispatcher. This may be because of either a contract mismatch (mismatched Actions between \
                    sender and receiver) or a binding/security mismatch between the sender and the receiver.  Check \
                    that sender and receiver have the same contract and the same binding (including security \
                    requirements, e.g. Message, Transport, None).",
        );
        Self::new(FaultCode::Sender, addressing.namespace(), "ActionNotSupported", reason, FaultAction::Addressing)
    }

    /// No operation has this action, on a session in use. Recorded over reliable sessions and net.tcp. Its detail is the action, as a
    /// [`SerializedString`].
    pub const fn unhandled_action(addressing: AddressingVersion, action: &'a [u8]) -> Self {
        let mut fault = Self::action_not_supported(addressing, action);
        fault.action = FaultAction::Default;
        fault
    }

    /// No endpoint has this address.
    pub const fn destination_unreachable(addressing: AddressingVersion, to: &'a [u8]) -> Self {
        let reason = Reason::with(
            "The message with To '",
            to,
            "' cannot be processed at the receiver, due to an AddressFilter mismatch at the \
                    EndpointDispatcher.  Check that the sender and receiver's EndpointAddresses agree.",
        );
        Self::new(FaultCode::Sender, addressing.namespace(), "DestinationUnreachable", reason, FaultAction::Addressing)
    }

    /// An addressing header that must be there is not. `header` is its name. The reason is the specification's
    /// (WS-Addressing 1.0 SOAP binding, section 6.4.2; 2004/08, section 4).
    pub const fn addressing_header_required(addressing: AddressingVersion) -> Self {
        let local = match addressing {
            AddressingVersion::August2004 => "MessageInformationHeaderRequired",
            AddressingVersion::Wsa10 => "MessageAddressingHeaderRequired",
        };
        let reason = Reason::plain("A required header representing a Message Addressing Property is not present");
        Self::new(FaultCode::Sender, addressing.namespace(), local, reason, FaultAction::Addressing)
    }

    /// An addressing header that cannot be processed (WS-Addressing 1.0 SOAP binding, section 6.4.1; 2004/08, section
    /// 4). `twice`: because it stands there twice, which only 1.0 can say.
    pub const fn invalid_addressing_header(addressing: AddressingVersion, twice: bool) -> Self {
        let local = match addressing {
            AddressingVersion::August2004 => "InvalidMessageInformationHeader",
            AddressingVersion::Wsa10 => "InvalidAddressingHeader",
        };
        let reason = Reason::plain(
            "A header representing a Message Addressing Property is not valid and the message cannot be processed",
        );
        let mut fault = Self::new(FaultCode::Sender, addressing.namespace(), local, reason, FaultAction::Addressing);
        if twice && matches!(addressing, AddressingVersion::Wsa10) {
            fault.nested = Some(QName { namespace: names::WSA_10, local: "InvalidCardinality" });
        }
        fault
    }

    /// A header marked mustUnderstand that is not understood here. Its name goes into a `NotUnderstood` header.
    pub const fn must_understand(header: QName<'a>) -> Self {
        let reason = Reason {
            before: "The header '",
            value: header.local.as_bytes(),
            second: Some(("' from the namespace '", header.namespace.as_bytes())),
            after: "' was not understood by the recipient of this message, causing the message to not be processed.  This \
                    error typically indicates that the sender of this message has enabled a communication protocol that \
                    the receiver cannot process.  Please ensure that the configuration of the client's binding is \
                    consistent with the service's binding. ",
        };
        Self { not_understood: Some(header), ..Self::must_understand_some(reason) }
    }

    /// The same where the header cannot be named. The reason is SOAP's own (SOAP 1.2 part 1, section 5.4.8).
    pub const fn headers_not_understood() -> Self {
        Self::must_understand_some(Reason::plain("One or more mandatory SOAP header blocks not understood"))
    }

    const fn must_understand_some(reason: Reason<'a>) -> Self {
        Self { subcode: None, ..Self::new(FaultCode::MustUnderstand, "", "", reason, FaultAction::Default) }
    }
}
