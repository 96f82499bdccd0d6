//! Faults as anyone may write them.

use super::super::{SoapError, SoapVersion};
use super::FaultCode;
use crate::xml::{Name, Reader, Scope, Span, Start, Text};

/// A fault that was received.
#[derive(Clone, Copy, Debug)]
pub struct FaultView<'a> {
    /// The version of the Fault element.
    pub version: SoapVersion,
    /// Who is to blame.
    pub code: FaultCode,
    /// What happened. Under SOAP 1.1, where `faultcode` is either this or the level, a code that is not SOAP's own.
    /// Under SOAP 1.2 also a `Code/Value` that is not SOAP's own, which WCF writes for an application's codes.
    pub subcode: Option<Name<'a>>,
    /// The subcode of the subcode.
    pub nested: Option<Name<'a>>,
    /// The first text for people.
    pub reason: Option<Text<'a>>,
    /// The whole `Detail` element.
    pub detail: Option<Span>,
}

/// Reads a fault, in either version and whatever the prefixes, behind its start tag, which is `start`.
///
/// # Errors
/// `start` is no Fault, a part that SOAP requires is missing or stands twice, a code's prefix is not declared, or the
/// XML is not well-formed.
pub fn read_fault<'a>(reader: &mut Reader<'a>, start: &Start<'a>) -> Result<FaultView<'a>, SoapError> {
    let wrong = SoapError::Unexpected { expected: "Fault", offset: start.span.start };
    if start.name.local != b"Fault" {
        return Err(wrong);
    }
    match SoapVersion::from_namespace(start.name.namespace).ok_or(wrong)? {
        SoapVersion::Soap12 => soap12(reader),
        SoapVersion::Soap11 => soap11(reader),
    }
}

fn soap12<'a>(reader: &mut Reader<'a>) -> Result<FaultView<'a>, SoapError> {
    let namespace = SoapVersion::Soap12.namespace();
    let mut view = FaultView {
        version: SoapVersion::Soap12,
        code: FaultCode::Other,
        subcode: None,
        nested: None,
        reason: None,
        detail: None,
    };
    expect(reader, "Code")?;
    expect(reader, "Value")?;
    let value = read_qname(reader, "Value")?;
    view.code = code(SoapVersion::Soap12, value);
    if view.code == FaultCode::Other {
        view.subcode = Some(value);
    }
    if let Some(child) = reader.next_element()? {
        check(&child, "Subcode")?;
        expect(reader, "Value")?;
        view.subcode = Some(read_qname(reader, "Value")?);
        if let Some(inner) = reader.next_element()? {
            check(&inner, "Subcode")?;
            expect(reader, "Value")?;
            view.nested = Some(read_qname(reader, "Value")?);
            close(reader)?;
            end(reader, "Subcode")?;
        }
        end(reader, "Code")?;
    }
    expect(reader, "Reason")?;
    while let Some(text) = reader.next_element()? {
        if text.name.is(namespace, "Text") && view.reason.is_none() {
            view.reason = Some(reader.text()?);
        } else {
            reader.skip()?;
        }
    }
    while let Some(child) = reader.next_element()? {
        let span = reader.skip()?;
        if child.name.is(namespace, "Detail") {
            if view.detail.is_some() {
                return Err(SoapError::Duplicate { element: "Detail", offset: child.span.start });
            }
            view.detail = Some(span);
        }
    }
    Ok(view)
}

fn soap11<'a>(reader: &mut Reader<'a>) -> Result<FaultView<'a>, SoapError> {
    let mut found = None;
    let (mut reason, mut detail) = (None, None);
    while let Some(child) = reader.next_element()? {
        let offset = child.span.start;
        if child.name.is("", "faultcode") {
            let name = read_qname(reader, "faultcode")?;
            if found.replace(name).is_some() {
                return Err(SoapError::Duplicate { element: "faultcode", offset });
            }
        } else if child.name.is("", "faultstring") {
            let text = reader.text()?;
            if reason.replace(text).is_some() {
                return Err(SoapError::Duplicate { element: "faultstring", offset });
            }
        } else {
            let span = reader.skip()?;
            if child.name.is("", "detail") && detail.replace(span).is_some() {
                return Err(SoapError::Duplicate { element: "detail", offset });
            }
        }
    }
    let name = found.ok_or(SoapError::Missing { element: "faultcode" })?;
    let code = code(SoapVersion::Soap11, name);
    let subcode = (code == FaultCode::Other).then_some(name);
    Ok(FaultView { version: SoapVersion::Soap11, code, subcode, nested: None, reason, detail })
}

/// SOAP's own codes. SOAP 1.1 lets a code be refined behind a dot.
fn code(version: SoapVersion, name: Name<'_>) -> FaultCode {
    if name.namespace != version.namespace().as_bytes() {
        return FaultCode::Other;
    }
    let local = match version {
        SoapVersion::Soap11 => name.local.split(|&byte| byte == b'.').next().unwrap_or(name.local),
        SoapVersion::Soap12 => name.local,
    };
    if local == version.sender_code().as_bytes() {
        FaultCode::Sender
    } else if local == version.receiver_code().as_bytes() {
        FaultCode::Receiver
    } else if local == b"MustUnderstand" {
        FaultCode::MustUnderstand
    } else if local == b"VersionMismatch" {
        FaultCode::VersionMismatch
    } else {
        FaultCode::Other
    }
}

/// The qualified name that is the text of the element whose start tag was just read. `element` names it in errors.
///
/// # Errors
/// Its prefix is not declared, it is written with references, or the XML is not well-formed.
pub fn read_qname<'a>(reader: &mut Reader<'a>, element: &'static str) -> Result<Name<'a>, SoapError> {
    // What the element itself declares is gone once its end tag is read.
    let scope: Scope = reader.scope().clone();
    let text = reader.text()?.trim();
    let unbound = SoapError::UnboundQName { element, offset: text.span().start };
    let bytes = text.plain().ok_or(unbound)?;
    let (prefix, local) = match bytes.iter().position(|&byte| byte == b':') {
        Some(colon) => bytes.split_at_checked(colon).unwrap_or((&[], bytes)),
        None => (&[][..], bytes),
    };
    let local = local.strip_prefix(b":").unwrap_or(local);
    let namespace = match scope.resolve(reader.buffer(), prefix) {
        Some(namespace) => namespace,
        None if prefix.is_empty() => &[],
        None => return Err(unbound),
    };
    Ok(Name { namespace, local })
}

fn check(start: &Start<'_>, expected: &'static str) -> Result<(), SoapError> {
    if start.name.is(SoapVersion::Soap12.namespace(), expected) {
        Ok(())
    } else {
        Err(SoapError::Unexpected { expected, offset: start.span.start })
    }
}

fn expect(reader: &mut Reader<'_>, element: &'static str) -> Result<(), SoapError> {
    match reader.next_element()? {
        Some(start) => check(&start, element),
        None => Err(SoapError::Missing { element }),
    }
}

/// Passes over what may still stand in the open element, and its end tag.
fn close(reader: &mut Reader<'_>) -> Result<(), SoapError> {
    while reader.next_element()?.is_some() {
        reader.skip()?;
    }
    Ok(())
}

/// The end of an element in which nothing more may stand; `element` names it.
fn end(reader: &mut Reader<'_>, element: &'static str) -> Result<(), SoapError> {
    match reader.next_element()? {
        Some(start) => Err(SoapError::Unexpected { expected: element, offset: start.span.start }),
        None => Ok(()),
    }
}
