//! Envelopes with nothing above SOAP, for who stands between a plain service or client and a session: gateways.

use crate::body::{marked_block, standalone};
use crate::fault::Fault;
use bytes::Bytes;
use soap_session_core::session::{Message, Wording};
use soap_session_core::soap::fault::FaultForm;
use soap_session_core::soap::{AddressingVersion, PlainMessage, SoapError, SoapVersion, write_plain};
use soap_session_core::xml::Limits;

/// A plain envelope that was read. Of its headers nothing is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlainEnvelope {
    /// The content of the body: XML that declares the prefixes it uses.
    pub body: Bytes,
    /// The same, if it is a fault that can be read.
    pub fault: Option<Fault>,
    /// Does the body hold a fault?
    pub is_fault: bool,
    /// The namespace and the name of the first header block that must be understood.
    pub must_understand: Option<(String, String)>,
}

impl PlainEnvelope {
    /// Reads an envelope of this version.
    ///
    /// # Errors
    /// It is no such envelope, or one that the limits forbid.
    pub fn read(message: &Bytes, soap: SoapVersion, limits: &Limits) -> Result<Self, SoapError> {
        let read = PlainMessage::read(message, soap, None, limits)?;
        let body = standalone(message, read.body, &read.body_scope);
        let PlainMessage { action, message_id, relates_to, body: place, body_scope, must_understand, fault } = read;
        let read = Message { action, message_id, relates_to, body: place, body_scope, must_understand };
        Ok(Self {
            fault: if fault { Fault::read(message, &read) } else { None },
            body,
            is_fault: fault,
            must_understand: marked_block(&read, message),
        })
    }

    /// Writes an envelope around a body that declares the prefixes it uses.
    pub fn write(soap: SoapVersion, body: &[u8]) -> Bytes {
        let mut room = vec![0; 256 + body.len()];
        loop {
            match write_plain(&mut room, soap, None, &[], body) {
                Ok(len) => {
                    room.truncate(len);
                    return room.into();
                }
                Err(grow) => room.resize(grow.needed, 0),
            }
        }
    }

    /// Writes an envelope with a fault.
    pub fn write_fault(soap: SoapVersion, fault: &Fault) -> Bytes {
        let addressing = AddressingVersion::default();
        let wording = Wording { soap, addressing, form: FaultForm::Encrypted, language: "en-US", addressed: false };
        let (_, body) = fault.write(&wording);
        Self::write(soap, &body)
    }
}
