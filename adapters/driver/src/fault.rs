//! Faults, as applications see and make them.

use crate::body::standalone;
use bytes::Bytes;
use soap_session_core::session::{Message, Wording};
use soap_session_core::soap::FaultCode;
use soap_session_core::soap::fault::{self, FaultAction, KnownFault, QName, Reason, read_fault, write_fault_body};
use soap_session_core::xml::{Limits, Reader, Span, Text, Writer};
use std::fmt;

/// A SOAP fault: what a call was answered with, or what a service answers.
///
/// What a version of SOAP cannot say is left out there: SOAP 1.1 has either a code of SOAP's own or one of the application's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Who is to blame.
    pub code: FaultCode,
    /// What happened, as a namespace and a local name.
    pub subcode: Option<(String, String)>,
    /// For people.
    pub reason: String,
    /// The content of `Detail`, or of `detail`: XML that declares the prefixes it uses. Empty if there is none.
    pub detail: Bytes,
    /// What WCF, WS-Addressing or WS-SecureConversation mean by it, where it is one of theirs.
    pub known: Option<KnownFault>,
}

impl Fault {
    /// A fault that blames the sender, and says by a qualified name what happened.
    pub fn sender(namespace: impl Into<String>, name: impl Into<String>, reason: impl Into<String>) -> Self {
        let subcode = Some((namespace.into(), name.into()));
        Self { code: FaultCode::Sender, subcode, reason: reason.into(), detail: Bytes::new(), known: None }
    }

    /// A fault that blames the service.
    pub fn receiver(reason: impl Into<String>) -> Self {
        Self { code: FaultCode::Receiver, subcode: None, reason: reason.into(), detail: Bytes::new(), known: None }
    }

    /// The same with this detail: XML that declares the prefixes it uses.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Bytes>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// A fault of which only the reason's text is known, as the protocol's own have it.
    pub(crate) fn told(code: FaultCode, known: Option<KnownFault>, reason: String) -> Self {
        Self { code, subcode: None, reason, detail: Bytes::new(), known }
    }

    /// Reads the fault in a message that was received. `None`: it is none that can be read.
    pub(crate) fn read(bytes: &Bytes, message: &Message) -> Option<Self> {
        let mut reader = Reader::resume(bytes, message.body, &message.body_scope, &Limits::MAX).ok()?;
        let start = reader.next_element().ok()??;
        let view = read_fault(&mut reader, &start).ok()?;
        let name = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let detail = view.detail.and_then(|detail| content_of(bytes, message, detail));
        Some(Self {
            code: view.code,
            subcode: view.subcode.map(|subcode| (name(subcode.namespace), name(subcode.local))),
            reason: view.reason.map(|reason| meant(&reason)).unwrap_or_default(),
            detail: detail.unwrap_or_default(),
            known: view.known(),
        })
    }

    /// The reason of the fault that a whole message is, as it came, or as it was decrypted.
    pub(crate) fn reason_in(message: &[u8]) -> Option<String> {
        let mut reader = Reader::document(message, &Limits::MAX).ok()?;
        reader.next_element().ok()??;
        let mut part = reader.next_element().ok()??;
        while part.name.local != b"Body" {
            reader.skip().ok()?;
            part = reader.next_element().ok()??;
        }
        let start = reader.next_element().ok()??;
        let view = read_fault(&mut reader, &start).ok()?;
        view.reason.map(|reason| meant(&reason))
    }

    /// The action that it travels under, and the content of the body.
    pub(crate) fn write(&self, wording: &Wording) -> (Bytes, Bytes) {
        let subcode = self.subcode.as_ref().map(|(namespace, local)| QName { namespace, local });
        let fault = fault::Fault {
            code: self.code,
            subcode,
            nested: None,
            reason: Reason::plain(&self.reason),
            lang: wording.language,
            action: FaultAction::Default,
            detail: &self.detail,
            not_understood: None,
        };
        let mut room = vec![0; 1024 + 6 * self.reason.len() + self.detail.len()];
        loop {
            let mut writer = Writer::new(&mut room);
            write_fault_body(&mut writer, wording.soap, wording.form, &fault);
            match writer.finish() {
                Ok(len) => {
                    room.truncate(len);
                    let action = fault.action_uri(wording.addressing);
                    return (Bytes::from_static(action.as_bytes()), Bytes::from(room));
                }
                Err(grow) => room.resize(grow.needed.max(room.len() * 2), 0),
            }
        }
    }
}

/// A text as it is meant.
pub(crate) fn meant(text: &Text<'_>) -> String {
    let mut room = vec![0; text.raw().len()];
    text.decode(&mut room).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
}

/// The content of the element that stands at `place` in the fault that is the body.
fn content_of(bytes: &Bytes, message: &Message, place: Span) -> Option<Bytes> {
    let mut reader = Reader::resume(bytes, message.body, &message.body_scope, &Limits::MAX).ok()?;
    reader.next_element().ok()??;
    loop {
        let child = reader.next_element().ok()??;
        if child.span.start == place.start {
            if child.empty {
                return None;
            }
            let scope = reader.scope().clone();
            let end_tag = place.of(bytes).windows(2).rposition(|window| window == b"</")?;
            let end = place.start + u32::try_from(end_tag).ok()?;
            return Some(standalone(bytes, Span::new(child.span.end, end), &scope));
        }
        reader.skip().ok()?;
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self.code {
            FaultCode::Sender => "Sender",
            FaultCode::Receiver => "Receiver",
            FaultCode::MustUnderstand => "MustUnderstand",
            FaultCode::VersionMismatch => "VersionMismatch",
            FaultCode::Other => "a code of its own",
        };
        match (&self.subcode, self.known) {
            (Some((_, local)), _) => write!(f, "{code}/{local}")?,
            (None, Some(known)) => write!(f, "{code}/{known:?}")?,
            (None, None) => f.write_str(code)?,
        }
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

impl std::error::Error for Fault {}
