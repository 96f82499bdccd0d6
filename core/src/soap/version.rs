//! The versions of the specifications that one conversation is spoken in. They are configured, never guessed.

use super::names;

/// The SOAP envelope's version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum SoapVersion {
    /// SOAP 1.1: `text/xml`, the action in a SOAPAction header.
    Soap11,
    /// SOAP 1.2, WCF's default wherever WS-Security is on (basicHttpBinding apart).
    #[default]
    Soap12,
}

impl SoapVersion {
    /// The envelope's namespace name.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Soap11 => names::SOAP11,
            Self::Soap12 => names::SOAP12,
        }
    }

    /// The version whose envelope namespace this is.
    pub fn from_namespace(namespace: &[u8]) -> Option<Self> {
        [Self::Soap12, Self::Soap11].into_iter().find(|version| version.namespace().as_bytes() == namespace)
    }

    /// The HTTP media type, without parameters.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Soap11 => "text/xml",
            Self::Soap12 => "application/soap+xml",
        }
    }

    /// The HTTP Content-Type that WCF writes when WS-Addressing carries the action: no `action` parameter.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Soap11 => "text/xml; charset=utf-8",
            Self::Soap12 => "application/soap+xml; charset=utf-8",
        }
    }

    /// Whether the action also has to be told in a (quoted) SOAPAction HTTP header.
    pub const fn soap_action_header(self) -> bool {
        matches!(self, Self::Soap11)
    }

    /// Local name of the fault code that blames the sender: `Sender`, or `Client` in SOAP 1.1.
    pub const fn sender_code(self) -> &'static str {
        match self {
            Self::Soap11 => "Client",
            Self::Soap12 => "Sender",
        }
    }

    /// Local name of the fault code that blames the receiver: `Receiver`, or `Server` in SOAP 1.1.
    pub const fn receiver_code(self) -> &'static str {
        match self {
            Self::Soap11 => "Server",
            Self::Soap12 => "Receiver",
        }
    }

    /// Local name of the attribute that addresses a header block to an intermediary: `role`, or `actor` in SOAP 1.1.
    pub const fn role_attribute(self) -> &'static str {
        match self {
            Self::Soap11 => "actor",
            Self::Soap12 => "role",
        }
    }
}

/// The version of WS-Addressing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum AddressingVersion {
    /// The submission of August 2004.
    August2004,
    /// WS-Addressing 1.0, WCF's default.
    #[default]
    Wsa10,
}

impl AddressingVersion {
    /// The namespace of the header blocks.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::August2004 => names::WSA_2004,
            Self::Wsa10 => names::WSA_10,
        }
    }

    /// The version whose namespace this is.
    pub fn from_namespace(namespace: &[u8]) -> Option<Self> {
        [Self::Wsa10, Self::August2004].into_iter().find(|version| version.namespace().as_bytes() == namespace)
    }

    /// The address that stands for "answer on the connection that the request came by".
    pub const fn anonymous(self) -> &'static str {
        match self {
            Self::August2004 => "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous",
            Self::Wsa10 => "http://www.w3.org/2005/08/addressing/anonymous",
        }
    }

    /// The address that asks for no answer at all; August 2004 has none.
    pub const fn none(self) -> Option<&'static str> {
        match self {
            Self::August2004 => None,
            Self::Wsa10 => Some("http://www.w3.org/2005/08/addressing/none"),
        }
    }

    /// The action of addressing faults.
    pub const fn fault_action(self) -> &'static str {
        match self {
            Self::August2004 => "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault",
            Self::Wsa10 => "http://www.w3.org/2005/08/addressing/fault",
        }
    }

    /// The action that WCF gives a fault that has no better one, unsecured security faults among them.
    pub const fn default_fault_action(self) -> &'static str {
        match self {
            Self::August2004 => "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault",
            Self::Wsa10 => "http://www.w3.org/2005/08/addressing/soap/fault",
        }
    }
}

/// What a RequestSecurityToken asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RequestType {
    /// A new token.
    Issue,
    /// The same token with a new key.
    Renew,
    /// The end of the token, which closes the conversation.
    Cancel,
}

/// The version of WS-Trust. WCF always pairs it with the same version of WS-SecureConversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum TrustVersion {
    /// February 2005: wsHttpBinding, netTcpBinding and the custom binding's default.
    #[default]
    February2005,
    /// WS-Trust 1.3: ws2007HttpBinding. Its answers stand in a RequestSecurityTokenResponseCollection.
    V13,
}

impl TrustVersion {
    /// Both versions.
    pub const ALL: [Self; 2] = [Self::February2005, Self::V13];

    /// The namespace of the elements.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::February2005 => names::TRUST_FEB2005,
            Self::V13 => names::TRUST_13,
        }
    }

    /// The version whose namespace this is.
    pub fn from_namespace(namespace: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.namespace().as_bytes() == namespace)
    }

    /// The prefix that WCF writes.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::February2005 => "t",
            Self::V13 => "trust",
        }
    }

    /// The version of WS-SecureConversation that goes with it.
    pub const fn conversation(self) -> ScVersion {
        match self {
            Self::February2005 => ScVersion::February2005,
            Self::V13 => ScVersion::V13,
        }
    }

    /// Whether an answer is wrapped in a RequestSecurityTokenResponseCollection of exactly one.
    pub const fn collects_responses(self) -> bool {
        matches!(self, Self::V13)
    }

    /// Content of `RequestType`.
    pub const fn request_type(self, request: RequestType) -> &'static str {
        match (self, request) {
            (Self::February2005, RequestType::Issue) => "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue",
            (Self::February2005, RequestType::Renew) => "http://schemas.xmlsoap.org/ws/2005/02/trust/Renew",
            (Self::February2005, RequestType::Cancel) => "http://schemas.xmlsoap.org/ws/2005/02/trust/Cancel",
            (Self::V13, RequestType::Issue) => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue",
            (Self::V13, RequestType::Renew) => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Renew",
            (Self::V13, RequestType::Cancel) => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Cancel",
        }
    }

    /// Action of a request for a SecurityContextToken.
    pub const fn request_action(self, request: RequestType) -> &'static str {
        match (self, request) {
            (Self::February2005, RequestType::Issue) => "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/SCT",
            (Self::February2005, RequestType::Renew) => "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/SCT/Renew",
            (Self::February2005, RequestType::Cancel) => "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/SCT/Cancel",
            (Self::V13, RequestType::Issue) => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/SCT",
            (Self::V13, RequestType::Renew) => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/SCT/Renew",
            (Self::V13, RequestType::Cancel) => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/SCT/Cancel",
        }
    }

    /// Action of the answer. WCF says RSTR even where 1.3 puts a collection into the body.
    pub const fn response_action(self, request: RequestType) -> &'static str {
        match (self, request) {
            (Self::February2005, RequestType::Issue) => "http://schemas.xmlsoap.org/ws/2005/02/trust/RSTR/SCT",
            (Self::February2005, RequestType::Renew) => "http://schemas.xmlsoap.org/ws/2005/02/trust/RSTR/SCT/Renew",
            (Self::February2005, RequestType::Cancel) => "http://schemas.xmlsoap.org/ws/2005/02/trust/RSTR/SCT/Cancel",
            (Self::V13, RequestType::Issue) => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RSTR/SCT",
            (Self::V13, RequestType::Renew) => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RSTR/SCT/Renew",
            (Self::V13, RequestType::Cancel) => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RSTR/SCT/Cancel",
        }
    }

    /// `BinarySecret/@Type` of entropy.
    pub const fn nonce(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/Nonce",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Nonce",
        }
    }

    /// `BinarySecret/@Type` of a key.
    pub const fn symmetric_key(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/SymmetricKey",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/SymmetricKey",
        }
    }

    /// `ComputedKey`: P_SHA1 over both entropies.
    pub const fn computed_key_psha1(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/CK/PSHA1",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/CK/PSHA1",
        }
    }
}

/// The version of WS-SecureConversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum ScVersion {
    /// February 2005.
    #[default]
    February2005,
    /// WS-SecureConversation 1.3.
    V13,
}

impl ScVersion {
    /// Both versions.
    pub const ALL: [Self; 2] = [Self::February2005, Self::V13];

    /// The namespace of the elements.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::February2005 => names::SC_FEB2005,
            Self::V13 => names::SC_13,
        }
    }

    /// The version whose namespace this is.
    pub fn from_namespace(namespace: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.namespace().as_bytes() == namespace)
    }

    /// The prefix that WCF writes.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::February2005 => "c",
            Self::V13 => "sc",
        }
    }

    /// The version of WS-Trust that goes with it.
    pub const fn trust(self) -> TrustVersion {
        match self {
            Self::February2005 => TrustVersion::February2005,
            Self::V13 => TrustVersion::V13,
        }
    }

    /// Token type of a SecurityContextToken.
    pub const fn sct_token_type(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/sc/sct",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512/sct",
        }
    }

    /// Token type of a DerivedKeyToken.
    pub const fn dk_token_type(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/sc/dk",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512/dk",
        }
    }

    /// The only derivation algorithm, P_SHA1; `DerivedKeyToken/@Algorithm` defaults to it.
    pub const fn p_sha1(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/sc/dk/p_sha1",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512/dk/p_sha1",
        }
    }
}
