//! Namespace names, token types and action URIs that appear on the wire, each written once.
//!
//! What exists in two versions (WS-Trust, WS-SecureConversation, WS-Addressing, SOAP) is reached through the version enums
//! of [`super`].

/// SOAP 1.1 envelope namespace.
pub const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// SOAP 1.2 envelope namespace.
pub const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Addressing, August 2004 submission.
pub const WSA_2004: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// WS-Addressing 1.0.
pub const WSA_10: &str = "http://www.w3.org/2005/08/addressing";
/// WCF's namespace for faults of addressing in messages without WS-Addressing.
pub const WSA_NONE: &str = "http://schemas.microsoft.com/ws/2005/05/addressing/none";
/// WS-Security 1.0 extension elements (`Security`, `SecurityTokenReference`, `BinarySecurityToken`, ...); WS-Security 1.1 keeps it for them.
pub const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
/// WS-Security 1.1 additions (`SignatureConfirmation`, `TokenType`).
pub const WSSE11: &str = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd";
/// WS-Security utility (`Id`, `Timestamp`).
pub const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
/// XML Signature.
pub const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// XML Encryption.
pub const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// Exclusive canonicalization without comments: its algorithm URI and the namespace of `InclusiveNamespaces`.
pub const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// WS-SecureConversation, February 2005.
pub const SC_FEB2005: &str = "http://schemas.xmlsoap.org/ws/2005/02/sc";
/// WS-SecureConversation 1.3 and 1.4.
pub const SC_13: &str = "http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512";
/// WS-Trust, February 2005.
pub const TRUST_FEB2005: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust";
/// WS-Trust 1.3.
pub const TRUST_13: &str = "http://docs.oasis-open.org/ws-sx/ws-trust/200512";
/// WCF's own security additions: the SCT cookie and the ServerTooBusy fault.
pub const DNSE: &str = "http://schemas.microsoft.com/ws/2006/05/security";
/// Action of the faults of the secure session itself (RenewNeeded).
pub const SECURE_CONVERSATION_FAULT_ACTION: &str =
    "http://schemas.microsoft.com/ws/2006/05/security/SecureConversationFault";
/// What .NET's DataContractSerializer writes values of simple types in.
pub const SERIALIZATION: &str = "http://schemas.microsoft.com/2003/10/Serialization/";
/// Subcode namespace of the faults of WCF's dispatcher (InternalServiceFault, SessionTerminated).
pub const DISPATCHER: &str = "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher";
/// Action of the faults of WCF's dispatcher.
pub const DISPATCHER_FAULT_ACTION: &str =
    "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher/fault";
/// Header namespace of `ChannelInstance`, by which WCF tells apart several duplex channels of one client.
pub const DUPLEX: &str = "http://schemas.microsoft.com/ws/2005/02/duplex";
/// Header namespace of `PacketRoutable`, which WCF adds to one-way messages.
pub const ROUTING: &str = "http://schemas.microsoft.com/ws/2005/05/routing";
/// The namespace that `xml:lang` lives in.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// `EncryptedData/@Type` where a whole element was encrypted.
pub const XENC_ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";
/// `EncryptedData/@Type` where the content of an element was encrypted.
pub const XENC_CONTENT: &str = "http://www.w3.org/2001/04/xmlenc#Content";
/// KeyIdentifier value type: SHA-1 of a certificate.
pub const THUMBPRINT_SHA1: &str = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1";
/// KeyIdentifier value type: SHA-1 of the wrapped octets of an EncryptedKey.
pub const ENCRYPTED_KEY_SHA1: &str =
    "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKeySHA1";
/// Token type of an EncryptedKey.
pub const ENCRYPTED_KEY: &str = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey";
/// KeyIdentifier value type: a certificate's SubjectKeyIdentifier extension.
pub const X509_SKI: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509SubjectKeyIdentifier";
/// Token type of an X.509 v3 certificate.
pub const X509_V3: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3";
/// `EncodingType` of base64 content.
pub const BASE64_BINARY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";
/// `Password/@Type` of a password in the clear.
pub const PASSWORD_TEXT: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText";
/// Token type of a UsernameToken.
pub const USERNAME_TOKEN: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#UsernameToken";
