//! Faults as WCF writes them.

use super::super::{AddressingVersion, Content, HeaderBlock, SoapVersion, names};
use super::{Fault, FaultCode, QName};
use crate::xml::Writer;

/// Which of WCF's two spellings a fault body has. They mean the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultForm {
    /// In the clear: the envelope's prefix `s`, and `a` for subcodes in the namespace of the envelope's addressing
    /// headers, which is in scope as `a`.
    Clear(AddressingVersion),
    /// In the clear, in an envelope without addressing headers: as above, and no `a` is in scope.
    Bare,
    /// To be encrypted: WCF writes the body's content by itself then, with SOAP as its default namespace.
    Encrypted,
}

/// A text as .NET's DataContractSerializer writes it: what is in the detail of a fault that WCF makes with a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SerializedString<'a>(pub &'a [u8]);

impl Content for SerializedString<'_> {
    fn write(&self, w: &mut Writer<'_>) {
        put(w, &["<string xmlns=\"", names::SERIALIZATION, "\">"]);
        w.text(self.0);
        w.put_str("</string>");
    }
}

/// Writes `Fault`, the whole content of a `Body`.
pub fn write_fault_body(writer: &mut Writer<'_>, version: SoapVersion, form: FaultForm, fault: &Fault<'_>) {
    let detail: Option<&dyn Content> = if fault.detail.is_empty() { None } else { Some(&fault.detail) };
    write_fault_body_with(writer, version, form, fault, detail);
}

/// As [`write_fault_body`], with this content of `Detail` and not the fault's.
pub fn write_fault_body_with(
    writer: &mut Writer<'_>,
    version: SoapVersion,
    form: FaultForm,
    fault: &Fault<'_>,
    detail: Option<&dyn Content>,
) {
    let prefix = match form {
        FaultForm::Clear(_) | FaultForm::Bare => "s:",
        FaultForm::Encrypted => "",
    };
    put(writer, &["<", prefix, "Fault"]);
    if form == FaultForm::Encrypted {
        put(writer, &[" xmlns=\"", version.namespace(), "\""]);
    }
    writer.put_str(">");
    match version {
        SoapVersion::Soap12 => soap12(writer, prefix, form, fault, detail),
        SoapVersion::Soap11 => soap11(writer, form, fault, detail),
    }
    put(writer, &["</", prefix, "Fault>"]);
}

/// Writes a whole unsecured answer that holds `fault`: addressing headers `Action`, `RelatesTo`, and `To` where
/// 2004/08 wants it. `relates_to` is the request's MessageID, unescaped. `addressing`: `None` writes no header at all.
pub fn write_fault_envelope(
    writer: &mut Writer<'_>,
    soap: SoapVersion,
    addressing: impl Into<Option<AddressingVersion>>,
    relates_to: Option<&[u8]>,
    fault: &Fault<'_>,
) {
    let Some(addressing) = addressing.into() else {
        put(writer, &["<s:Envelope xmlns:s=\"", soap.namespace(), "\"><s:Body>"]);
        write_fault_body(writer, soap, FaultForm::Bare, fault);
        writer.put_str("</s:Body></s:Envelope>");
        return;
    };
    put(
        writer,
        &["<s:Envelope xmlns:s=\"", soap.namespace(), "\" xmlns:a=\"", addressing.namespace(), "\"><s:Header>"],
    );
    put(writer, &["<a:Action s:mustUnderstand=\"1\">", fault.action_uri(addressing), "</a:Action>"]);
    if let (Some(header), SoapVersion::Soap12) = (fault.not_understood, soap) {
        HeaderBlock::NotUnderstood(header).write(writer, None);
    }
    if let Some(id) = relates_to {
        writer.put_str("<a:RelatesTo>");
        writer.text(id);
        writer.put_str("</a:RelatesTo>");
    }
    if addressing == AddressingVersion::August2004 {
        // This version's To is not optional.
        put(writer, &["<a:To s:mustUnderstand=\"1\">", addressing.anonymous(), "</a:To>"]);
    }
    writer.put_str("</s:Header><s:Body>");
    write_fault_body(writer, soap, FaultForm::Clear(addressing), fault);
    writer.put_str("</s:Body></s:Envelope>");
}

fn soap12(writer: &mut Writer<'_>, prefix: &str, form: FaultForm, fault: &Fault<'_>, detail: Option<&dyn Content>) {
    let code = code(SoapVersion::Soap12, fault.code);
    put(writer, &["<", prefix, "Code><", prefix, "Value>", prefix, code, "</", prefix, "Value>"]);
    if let Some(subcode) = fault.subcode {
        put(writer, &["<", prefix, "Subcode>"]);
        qname(writer, &[prefix, "Value"], "", form, &subcode);
        if let Some(nested) = fault.nested {
            put(writer, &["<", prefix, "Subcode>"]);
            qname(writer, &[prefix, "Value"], "", form, &nested);
            put(writer, &["</", prefix, "Subcode>"]);
        }
        put(writer, &["</", prefix, "Subcode>"]);
    }
    put(writer, &["</", prefix, "Code><", prefix, "Reason><", prefix, "Text xml:lang=\""]);
    writer.attribute_value(fault.lang.as_bytes());
    writer.put_str("\">");
    reason(writer, fault);
    put(writer, &["</", prefix, "Text></", prefix, "Reason>"]);
    if let Some(detail) = detail {
        put(writer, &["<", prefix, "Detail>"]);
        detail.write(writer);
        put(writer, &["</", prefix, "Detail>"]);
    }
}

fn soap11(writer: &mut Writer<'_>, form: FaultForm, fault: &Fault<'_>, detail: Option<&dyn Content>) {
    // The children of a SOAP 1.1 Fault are in no namespace (SOAP 1.1, section 4.4).
    let undeclare = match form {
        FaultForm::Clear(_) | FaultForm::Bare => "",
        FaultForm::Encrypted => " xmlns=\"\"",
    };
    match (fault.subcode, form) {
        (Some(subcode), _) => qname(writer, &["faultcode"], undeclare, form, &subcode),
        (None, FaultForm::Clear(_) | FaultForm::Bare) => {
            put(writer, &["<faultcode>s:", code(SoapVersion::Soap11, fault.code), "</faultcode>"]);
        }
        (None, FaultForm::Encrypted) => {
            let local = code(SoapVersion::Soap11, fault.code);
            let name = QName { namespace: SoapVersion::Soap11.namespace(), local };
            qname(writer, &["faultcode"], undeclare, form, &name);
        }
    }
    put(writer, &["<faultstring", undeclare]);
    if !fault.lang.is_empty() {
        writer.put_str(" xml:lang=\"");
        writer.attribute_value(fault.lang.as_bytes());
        writer.put_str("\"");
    }
    writer.put_str(">");
    reason(writer, fault);
    writer.put_str("</faultstring>");
    if let Some(detail) = detail {
        put(writer, &["<detail", undeclare, ">"]);
        detail.write(writer);
        writer.put_str("</detail>");
    }
}

/// An element whose text is a qualified name, whose prefix it declares itself unless it is in scope.
fn qname(writer: &mut Writer<'_>, element: &[&str], attributes: &str, form: FaultForm, name: &QName<'_>) {
    writer.put_str("<");
    put(writer, element);
    writer.put_str(attributes);
    let in_scope = match form {
        FaultForm::Clear(addressing) => addressing.namespace() == name.namespace,
        FaultForm::Bare | FaultForm::Encrypted => false,
    };
    if !in_scope {
        writer.put_str(" xmlns:a=\"");
        writer.attribute_value(name.namespace.as_bytes());
        writer.put_str("\"");
    }
    put(writer, &[">a:", name.local, "</"]);
    put(writer, element);
    writer.put_str(">");
}

fn reason(writer: &mut Writer<'_>, fault: &Fault<'_>) {
    writer.text(fault.reason.before.as_bytes());
    writer.text(fault.reason.value);
    if let Some((between, value)) = fault.reason.second {
        writer.text(between.as_bytes());
        writer.text(value);
    }
    writer.text(fault.reason.after.as_bytes());
}

const fn code(version: SoapVersion, code: FaultCode) -> &'static str {
    match code {
        FaultCode::Sender => version.sender_code(),
        FaultCode::Receiver | FaultCode::Other => version.receiver_code(),
        FaultCode::MustUnderstand => "MustUnderstand",
        FaultCode::VersionMismatch => "VersionMismatch",
    }
}

fn put(writer: &mut Writer<'_>, parts: &[&str]) {
    for part in parts {
        writer.put_str(part);
    }
}
