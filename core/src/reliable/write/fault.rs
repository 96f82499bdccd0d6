//! The faults of WS-ReliableMessaging.

use super::content::{Detail, Detailed, FaultHeader, Names};
use crate::reliable::arrival::RmFaultKind;
use crate::reliable::frame::{Acknowledgement, FaultReason, RmFault};
use crate::reliable::version::{NETRM, Versions};
use crate::soap::fault::{FaultAction, FaultForm, QName, Reason, write_fault_body_with};
use crate::soap::{AddressingVersion, Content, Fault, SoapVersion};
use crate::xml::Writer;

impl RmFaultKind {
    /// The local name of its code: in the version's namespace, but for EndpointUnavailable, which is addressing's.
    pub const fn local(self) -> &'static str {
        match self {
            Self::SequenceTerminated => "SequenceTerminated",
            Self::UnknownSequence => "UnknownSequence",
            Self::InvalidAcknowledgement => "InvalidAcknowledgement",
            Self::MessageNumberRollover => "MessageNumberRollover",
            Self::LastMessageNumberExceeded => "LastMessageNumberExceeded",
            Self::SequenceClosed => "SequenceClosed",
            Self::CreateSequenceRefused | Self::ConnectionLimitReached => "CreateSequenceRefused",
            Self::WsrmRequired => "WsrmRequired",
            Self::EndpointUnavailable => "EndpointUnavailable",
            Self::ActionNotSupported => "ActionNotSupported",
            Self::AddressingHeaderRequired => "MessageAddressingHeaderRequired",
        }
    }

    /// Is it about a sequence? Then it has a detail, or under SOAP 1.1 a header of its own.
    pub const fn has_sequence(self) -> bool {
        match self {
            Self::SequenceTerminated
            | Self::UnknownSequence
            | Self::InvalidAcknowledgement
            | Self::MessageNumberRollover
            | Self::LastMessageNumberExceeded
            | Self::SequenceClosed => true,
            Self::CreateSequenceRefused
            | Self::ConnectionLimitReached
            | Self::WsrmRequired
            | Self::EndpointUnavailable
            | Self::ActionNotSupported
            | Self::AddressingHeaderRequired => false,
        }
    }
}

impl<'f> RmFault<'f> {
    fn action(&self, versions: Versions) -> FaultAction {
        match self.kind {
            RmFaultKind::EndpointUnavailable => FaultAction::Default,
            RmFaultKind::ActionNotSupported | RmFaultKind::AddressingHeaderRequired => FaultAction::Addressing,
            RmFaultKind::SequenceTerminated
            | RmFaultKind::UnknownSequence
            | RmFaultKind::InvalidAcknowledgement
            | RmFaultKind::MessageNumberRollover
            | RmFaultKind::LastMessageNumberExceeded
            | RmFaultKind::SequenceClosed
            | RmFaultKind::CreateSequenceRefused
            | RmFaultKind::ConnectionLimitReached
            | RmFaultKind::WsrmRequired => FaultAction::Uri(versions.reliable.fault_action(versions.addressing)),
        }
    }

    /// The action URI that it travels under.
    pub fn action_uri(&self, versions: Versions) -> &'static str {
        self.soap(versions, "").action_uri(versions.addressing)
    }

    fn detail(&self, acknowledgement: Option<Acknowledgement<'f>>) -> Option<Detail<'f>> {
        match (self.kind, acknowledgement) {
            (RmFaultKind::InvalidAcknowledgement, Some(ack)) => Some(Detail::Acknowledgement(ack)),
            (RmFaultKind::MessageNumberRollover, _) => Some(Detail::Rollover(self.identifier)),
            (kind, _) => kind.has_sequence().then_some(Detail::Identifier(self.identifier)),
        }
    }

    /// `SequenceFault`, where SOAP 1.1 needs it.
    pub(super) fn header(
        &self,
        versions: Versions,
        acknowledgement: Option<Acknowledgement<'f>>,
    ) -> Option<FaultHeader<'f>> {
        match versions.soap {
            SoapVersion::Soap12 => None,
            SoapVersion::Soap11 => {
                let detail = self.detail(acknowledgement)?;
                Some(FaultHeader { version: versions.reliable, code: self.kind.local(), detail })
            }
        }
    }

    fn soap<'a>(&self, versions: Versions, lang: &'a str) -> Fault<'a>
    where
        'f: 'a,
    {
        let namespace = match self.kind {
            RmFaultKind::EndpointUnavailable
            | RmFaultKind::ActionNotSupported
            | RmFaultKind::AddressingHeaderRequired => versions.addressing.namespace(),
            RmFaultKind::SequenceTerminated
            | RmFaultKind::UnknownSequence
            | RmFaultKind::InvalidAcknowledgement
            | RmFaultKind::MessageNumberRollover
            | RmFaultKind::LastMessageNumberExceeded
            | RmFaultKind::SequenceClosed
            | RmFaultKind::CreateSequenceRefused
            | RmFaultKind::ConnectionLimitReached
            | RmFaultKind::WsrmRequired => versions.reliable.namespace(),
        };
        // The one local name that addressing's versions do not share.
        let local = match (self.kind, versions.addressing) {
            (RmFaultKind::AddressingHeaderRequired, AddressingVersion::August2004) => {
                "MessageInformationHeaderRequired"
            }
            (kind, _) => kind.local(),
        };
        // Under SOAP 1.1 the header of its own tells the code, and the body only who is to blame.
        let told = versions.soap == SoapVersion::Soap12 || !self.kind.has_sequence();
        let busy = self.kind == RmFaultKind::ConnectionLimitReached;
        Fault {
            code: self.code,
            subcode: told.then_some(QName { namespace, local }),
            nested: busy.then_some(QName { namespace: NETRM, local: "ConnectionLimitReached" }),
            reason: match self.reason {
                FaultReason::Text(text) => Reason::plain(text),
                FaultReason::With(before, value, after) => Reason::with(before, value, after),
            },
            lang,
            action: self.action(versions),
            detail: &[],
            not_understood: None,
        }
    }

    /// The content of the body.
    pub(super) fn write(
        &self,
        w: &mut Writer<'_>,
        versions: Versions,
        language: &str,
        names: Names,
        acknowledgement: Option<Acknowledgement<'f>>,
        secret: bool,
    ) {
        let form = if secret { FaultForm::Encrypted } else { FaultForm::Clear(versions.addressing) };
        let detailed = match versions.soap {
            SoapVersion::Soap12 => self.detail(acknowledgement).map(|detail| Detailed(names, detail)),
            SoapVersion::Soap11 => None,
        };
        let detail = detailed.as_ref().map(|detailed| detailed as &dyn Content);
        write_fault_body_with(w, versions.soap, form, &self.soap(versions, language), detail);
    }
}
