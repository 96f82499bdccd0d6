//! What stands inside the elements of WS-ReliableMessaging, as WCF writes it.

use crate::reliable::frame::{Acknowledgement, FrameBody, SequencePlace};
use crate::reliable::ranges::MAX_MESSAGE_NUMBER;
use crate::reliable::version::{NETRM, RmVersion};
use crate::reliable::{Identifier, IncompleteSequenceBehavior};
use crate::soap::Content;
use crate::xml::Writer;

/// How names of WS-ReliableMessaging are written at some place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Names {
    pub(super) version: RmVersion,
    /// Is `r` declared here? Otherwise the outermost element declares the default namespace.
    pub(super) prefixed: bool,
}

impl Names {
    /// Where `r` is declared.
    pub(super) const fn prefixed(version: RmVersion) -> Self {
        Self { version, prefixed: true }
    }

    fn start(self, w: &mut Writer<'_>, local: &str, outermost: bool) {
        w.put(if self.prefixed { b"<r:" } else { b"<" });
        w.put_str(local);
        if outermost && !self.prefixed {
            w.put(b" xmlns=\"");
            w.put_str(self.version.namespace());
            w.put(b"\"");
        }
        w.put(b">");
    }

    fn end(self, w: &mut Writer<'_>, local: &str) {
        w.put(if self.prefixed { b"</r:" } else { b"</" });
        w.put_str(local);
        w.put(b">");
    }

    fn element(self, w: &mut Writer<'_>, local: &str, inside: impl FnOnce(&mut Writer<'_>)) {
        self.start(w, local, false);
        inside(w);
        self.end(w, local);
    }

    fn text(self, w: &mut Writer<'_>, local: &str, text: &[u8]) {
        self.element(w, local, |w| w.text(text));
    }

    fn number(self, w: &mut Writer<'_>, local: &str, number: u64) {
        self.element(w, local, |w| w.number(number));
    }

    fn empty(self, w: &mut Writer<'_>, local: &str) {
        w.put(if self.prefixed { b"<r:" } else { b"<" });
        w.put_str(local);
        w.put(b"/>");
    }

    fn address(self, w: &mut Writer<'_>, local: &str, address: &[u8]) {
        self.element(w, local, |w| {
            w.put(b"<a:Address>");
            w.text(address);
            w.put(b"</a:Address>");
        });
    }

    /// The inside of `SequenceAcknowledgement` that faults have too.
    fn ranges(self, w: &mut Writer<'_>, ack: &Acknowledgement<'_>) {
        self.text(w, "Identifier", ack.identifier.as_bytes());
        let range = |w: &mut Writer<'_>, lower, upper| {
            w.put(if self.prefixed { b"<r:" } else { b"<" });
            w.put(b"AcknowledgementRange Lower=\"");
            w.number(lower);
            w.put(b"\" Upper=\"");
            w.number(upper);
            w.put(b"\"/>");
        };
        match (ack.ranges, self.version) {
            ([], RmVersion::February2005) => range(w, 0, 0),
            ([], RmVersion::V11) => self.empty(w, "None"),
            (ranges, RmVersion::February2005 | RmVersion::V11) => {
                for one in ranges {
                    range(w, one.lower, one.upper);
                }
            }
        }
    }

    /// A whole body, but for faults.
    pub(super) fn body(self, w: &mut Writer<'_>, body: &FrameBody<'_>) {
        let v11 = self.version == RmVersion::V11;
        let outermost = |w: &mut Writer<'_>, local: &str, inside: &dyn Fn(&mut Writer<'_>)| {
            self.start(w, local, true);
            inside(w);
            self.end(w, local);
        };
        let ending = |w: &mut Writer<'_>, local: &str, identifier: &Identifier, last: Option<u64>| {
            outermost(w, local, &|w| {
                self.text(w, "Identifier", identifier.as_bytes());
                if let (true, Some(last)) = (v11, last) {
                    self.number(w, "LastMsgNumber", last);
                }
            });
        };
        let behavior = |w: &mut Writer<'_>, behavior: IncompleteSequenceBehavior| {
            if v11 {
                self.text(w, "IncompleteSequenceBehavior", behavior.name().as_bytes());
            }
        };
        match *body {
            // A fault is written by itself.
            FrameBody::Empty | FrameBody::Fault(..) => {}
            FrameBody::Payload(payload) => w.put(payload),
            FrameBody::CreateSequence { acks_to, offer, token_reference } => outermost(w, "CreateSequence", &|w| {
                self.address(w, "AcksTo", acks_to);
                if let Some((identifier, kind)) = offer {
                    self.element(w, "Offer", |w| {
                        self.text(w, "Identifier", identifier.as_bytes());
                        if v11 {
                            self.address(w, "Endpoint", acks_to);
                        }
                        behavior(w, kind);
                    });
                }
                w.put(token_reference.unwrap_or_default());
            }),
            FrameBody::CreateSequenceResponse { identifier, expires, behavior: kind, accept_acks_to } => {
                outermost(w, "CreateSequenceResponse", &|w| {
                    self.text(w, "Identifier", identifier.as_bytes());
                    if let Some(expires) = expires {
                        self.text(w, "Expires", expires);
                    }
                    behavior(w, kind);
                    if let Some(address) = accept_acks_to {
                        self.element(w, "Accept", |w| self.address(w, "AcksTo", address));
                    }
                });
            }
            FrameBody::CloseSequence { identifier, last } => ending(w, "CloseSequence", identifier, last),
            FrameBody::CloseSequenceResponse(identifier) => ending(w, "CloseSequenceResponse", identifier, None),
            FrameBody::TerminateSequence { identifier, last } => ending(w, "TerminateSequence", identifier, last),
            FrameBody::TerminateSequenceResponse(identifier) => {
                ending(w, "TerminateSequenceResponse", identifier, None);
            }
        }
    }
}

/// Inside `Sequence`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'f>(pub(super) RmVersion, pub(super) SequencePlace<'f>);

impl Content for Place<'_> {
    fn write(&self, w: &mut Writer<'_>) {
        let Self(version, place) = *self;
        let names = Names::prefixed(version);
        names.text(w, "Identifier", place.identifier.as_bytes());
        names.number(w, "MessageNumber", place.number);
        if place.last && version == RmVersion::February2005 {
            names.empty(w, "LastMessage");
        }
    }
}

/// Inside `SequenceAcknowledgement`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked<'f>(pub(super) RmVersion, pub(super) Acknowledgement<'f>);

impl Content for Acked<'_> {
    fn write(&self, w: &mut Writer<'_>) {
        let Self(version, ack) = *self;
        let names = Names::prefixed(version);
        names.ranges(w, &ack);
        if ack.is_final && version == RmVersion::V11 {
            names.empty(w, "Final");
        }
        if let Some(remaining) = ack.buffer_remaining {
            w.put(b"<netrm:BufferRemaining xmlns:netrm=\"");
            w.put_str(NETRM);
            w.put(b"\">");
            w.number(remaining.into());
            w.put(b"</netrm:BufferRemaining>");
        }
    }
}

/// Inside `AckRequested`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'f>(pub(super) RmVersion, pub(super) &'f Identifier);

impl Content for Wish<'_> {
    fn write(&self, w: &mut Writer<'_>) {
        Names::prefixed(self.0).text(w, "Identifier", self.1.as_bytes());
    }
}

/// What a fault tells beside its code: a sequence, its greatest number, or a whole acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Detail<'f> {
    Identifier(&'f [u8]),
    Rollover(&'f [u8]),
    Acknowledgement(Acknowledgement<'f>),
}

/// A fault's detail at a place. WCF writes the prefix `r` for identifiers whether it is declared or not, and for
/// acknowledgements only where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detailed<'f>(pub(super) Names, pub(super) Detail<'f>);

impl Content for Detailed<'_> {
    fn write(&self, w: &mut Writer<'_>) {
        let Self(names, detail) = *self;
        let start = |w: &mut Writer<'_>, local: &str| {
            w.put(b"<r:");
            w.put_str(local);
            if !names.prefixed {
                w.put(b" xmlns:r=\"");
                w.put_str(names.version.namespace());
                w.put(b"\"");
            }
            w.put(b">");
        };
        match detail {
            Detail::Identifier(identifier) | Detail::Rollover(identifier) => {
                start(w, "Identifier");
                w.text(identifier);
                w.put(b"</r:Identifier>");
            }
            Detail::Acknowledgement(ack) => {
                names.start(w, "SequenceAcknowledgement", true);
                names.ranges(w, &ack);
                names.end(w, "SequenceAcknowledgement");
            }
        }
        if let (Detail::Rollover(_), RmVersion::V11) = (detail, names.version) {
            start(w, "MaxMessageNumber");
            w.number(MAX_MESSAGE_NUMBER);
            w.put(b"</r:MaxMessageNumber>");
        }
    }
}

/// Inside `SequenceFault` (SOAP 1.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct FaultHeader<'f> {
    pub(super) version: RmVersion,
    pub(super) code: &'static str,
    pub(super) detail: Detail<'f>,
}

impl Content for FaultHeader<'_> {
    fn write(&self, w: &mut Writer<'_>) {
        let names = Names::prefixed(self.version);
        names.element(w, "FaultCode", |w| {
            w.put(b"r:");
            w.put_str(self.code);
        });
        let detail = Detailed(names, self.detail);
        match self.version {
            RmVersion::February2005 => detail.write(w),
            RmVersion::V11 => names.element(w, "Detail", |w| detail.write(w)),
        }
    }
}
