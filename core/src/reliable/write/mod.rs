//! Messages, written byte for byte as WCF writes them.

mod content;
mod fault;

use content::{Acked, FaultHeader, Names, Place, Wish};

use super::frame::{Frame, FrameAction, FrameBody, HeaderOrder};
use super::identifier::Identifier;
use super::version::{RmVersion, Versions};
use crate::soap::HeaderBlock;
use crate::xml::{Grow, Writer};
use heapless::Vec;

/// Most header blocks of a frame: five of WS-ReliableMessaging, five of addressing.
const MAX_BLOCKS: usize = 11;

/// A frame as a message that somebody else puts into an envelope: what [`Frame::render`] hands on.
#[derive(Clone, Copy, Debug)]
pub struct Rendered<'r> {
    /// The action URI.
    pub action: &'r [u8],
    /// The header blocks, in order.
    pub headers: &'r [HeaderBlock<'r>],
    /// The content of the body.
    pub body: &'r [u8],
    /// Whether WCF encrypts the body under a secure conversation. Messages of the protocol, and faults of 1.1, are
    /// only signed.
    pub encrypt_body: bool,
}

impl<'f> Frame<'f> {
    /// The action URI.
    pub fn action_uri(&self, versions: Versions) -> &'f [u8] {
        match (self.action, self.body) {
            (FrameAction::Rm(action), _) => versions.reliable.action(action).as_bytes(),
            (FrameAction::Application(uri), _) => uri,
            (FrameAction::Fault, FrameBody::Fault(fault, _)) => fault.action_uri(versions).as_bytes(),
            (FrameAction::Fault, _) => versions.reliable.fault_action(versions.addressing).as_bytes(),
        }
    }

    /// Whether the body is encrypted under a secure conversation.
    fn is_secret(&self, versions: Versions) -> bool {
        match self.action {
            FrameAction::Rm(_) => false,
            FrameAction::Application(_) => true,
            FrameAction::Fault => {
                self.action_uri(versions) != RmVersion::V11.fault_action(versions.addressing).as_bytes()
            }
        }
    }

    /// Writes the whole message into `out`; gives its length. `language` is the `xml:lang` of a fault's reason.
    ///
    /// # Errors
    /// `out` is too small; says how much is needed.
    pub fn write_envelope(&self, versions: Versions, language: &str, out: &mut [u8]) -> Result<usize, Grow> {
        let mut w = Writer::new(out);
        self.with_headers(versions, |headers| {
            w.put(b"<s:Envelope xmlns:s=\"");
            w.put_str(versions.soap.namespace());
            w.put(b"\"");
            let mut declared: Vec<&str, 2> = Vec::new();
            for (prefix, namespace) in headers.iter().filter_map(|block| block.shared_prefix(versions.addressing)) {
                if declared.contains(&prefix) {
                    continue;
                }
                w.put(b" xmlns:");
                w.put_str(prefix);
                w.put(b"=\"");
                w.put_str(namespace);
                w.put(b"\"");
                // `r` and `a`: there are no others.
                let _ = declared.push(prefix);
            }
            w.put(b"><s:Header>");
            for block in headers {
                block.write(&mut w, None);
            }
        });
        w.put(b"</s:Header>");
        if self.is_empty() {
            w.put(b"<s:Body/>");
        } else {
            w.put(b"<s:Body>");
            self.write_body(&mut w, versions, language, false);
            w.put(b"</s:Body>");
        }
        w.put(b"</s:Envelope>");
        w.finish()
    }

    /// Hands the parts of the message to `then`, which seals them. `scratch` is for the bodies of the protocol.
    ///
    /// # Errors
    /// `scratch` is too small; says how much is needed. `then` was not called.
    pub fn render<R>(
        &self,
        versions: Versions,
        language: &str,
        scratch: &mut [u8],
        then: impl FnOnce(Rendered<'_>) -> R,
    ) -> Result<R, Grow> {
        let encrypt_body = self.is_secret(versions);
        let body = if let FrameBody::Payload(payload) = self.body {
            payload
        } else {
            let mut w = Writer::new(scratch);
            self.write_body(&mut w, versions, language, encrypt_body);
            let len = w.finish()?;
            scratch.get(..len).unwrap_or_default()
        };
        let action = self.action_uri(versions);
        Ok(self.with_headers(versions, |headers| then(Rendered { action, headers, body, encrypt_body })))
    }

    fn is_empty(&self) -> bool {
        matches!(self.body, FrameBody::Empty | FrameBody::Payload([]))
    }

    /// Does the envelope declare `r`?
    fn declares_r(&self, versions: Versions) -> bool {
        self.sequence.is_some()
            || self.acknowledgement.is_some()
            || self.ack_requested.is_some()
            || self.uses_sequence_str
            || self.fault_header(versions).is_some()
    }

    /// The content of the body; `secret` where it will be encrypted.
    fn write_body(&self, w: &mut Writer<'_>, versions: Versions, language: &str, secret: bool) {
        // What is encrypted stands alone and declares what it needs.
        let names = Names { version: versions.reliable, prefixed: self.declares_r(versions) && !secret };
        if let FrameBody::Fault(fault, acknowledgement) = self.body {
            fault.write(w, versions, language, names, acknowledgement, secret);
        } else {
            names.body(w, &self.body);
        }
    }

    /// The `SequenceFault` of a fault under SOAP 1.1.
    fn fault_header(&self, versions: Versions) -> Option<FaultHeader<'f>> {
        let FrameBody::Fault(fault, acknowledgement) = self.body else { return None };
        fault.header(versions, acknowledgement)
    }

    /// Builds the header blocks in WCF's order: those of WS-ReliableMessaging, then addressing's.
    fn with_headers<R>(&self, versions: Versions, then: impl FnOnce(&[HeaderBlock<'_>]) -> R) -> R {
        let (prefix, namespace, version) = ("r", versions.reliable.namespace(), versions.reliable);
        let place = self.sequence.map(|place| Place(version, place));
        let acked = self.acknowledgement.map(|ack| Acked(version, ack));
        let wish = self.ack_requested.map(|identifier| Wish(version, identifier));
        let fault = self.fault_header(versions);
        let message_id = self.message_id.map(Identifier::of);
        let sequence = place.as_ref().map(|content| HeaderBlock::Written {
            prefix,
            namespace,
            local: "Sequence",
            must_understand: true,
            content,
        });
        let acknowledgement = acked.as_ref().map(|content| HeaderBlock::Written {
            prefix,
            namespace,
            local: "SequenceAcknowledgement",
            must_understand: false,
            content,
        });
        let ack_requested = wish.as_ref().map(|content| HeaderBlock::Written {
            prefix,
            namespace,
            local: "AckRequested",
            must_understand: false,
            content,
        });
        let uses_str = self.uses_sequence_str.then_some(HeaderBlock::Other {
            prefix,
            namespace,
            local: "UsesSequenceSTR",
            must_understand: true,
            content: &[],
        });
        let sequence_fault = fault.as_ref().map(|content| HeaderBlock::Written {
            prefix,
            namespace,
            local: "SequenceFault",
            must_understand: false,
            content,
        });
        let [first, second, third] = match self.order {
            HeaderOrder::AcknowledgementFirst => [acknowledgement, ack_requested, sequence],
            HeaderOrder::SequenceFirst => [sequence, acknowledgement, ack_requested],
        };
        let blocks: Vec<HeaderBlock<'_>, MAX_BLOCKS> = [
            uses_str,
            first,
            second,
            third,
            Some(HeaderBlock::Action(self.action_uri(versions))),
            self.not_understood.map(HeaderBlock::NotUnderstood),
            sequence_fault,
            message_id.as_ref().map(|id| HeaderBlock::MessageId(id.as_bytes())),
            self.relates_to.map(HeaderBlock::RelatesTo),
            self.reply_to.map(HeaderBlock::ReplyTo),
            self.to.map(HeaderBlock::To),
        ]
        .into_iter()
        .flatten()
        .collect();
        then(&blocks)
    }
}
