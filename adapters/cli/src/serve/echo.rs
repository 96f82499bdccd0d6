//! An echo, by WCF's conventions.

use bytes::{BufMut as _, Bytes, BytesMut};
use soap_session_core::service::{CATCH_ALL, Contract, Operation, SessionMode};
use soap_session_core::xml::{Error, Limits, Reader, Span};
use soap_session_tokio::{Answer, Call, Service, SessionId};

const CONTRACT: Contract<'static> = Contract {
    name: "Echo",
    session_mode: SessionMode::Allowed,
    callbacks: false,
    operations: &[Operation::new("Echo", CATCH_ALL)],
};

/// `X` is answered by `XResponse`, in which `XResult` has the content of the first element in `X`.
pub(super) struct Echo;

impl Service for Echo {
    type Instance = ();

    fn contract(&self) -> &Contract<'_> {
        &CONTRACT
    }

    fn instance(&self, _: Option<&SessionId>) {}

    async fn call(&self, (): &(), call: Call) -> Answer {
        // What is no element is echoed as it is.
        let body = echoed(&call.body).ok().flatten().unwrap_or(call.body);
        Answer::reply(format!("{}Response", call.action), body)
    }
}

/// Namespaces that are declared on the elements around go along.
fn echoed(body: &[u8]) -> Result<Option<Bytes>, Error> {
    let mut reader = Reader::document(body, &Limits::MAX)?;
    let Some(outer) = reader.next_element()? else { return Ok(None) };
    let (name, outer_declared) = (name_of(outer.span.of(body)), declared(outer.span.of(body)));
    let mut inner_declared = Vec::new();
    let mut content = Span::default();
    if !outer.empty
        && let Some(inner) = reader.next_element()?
    {
        inner_declared = declared(inner.span.of(body));
        let whole = reader.skip()?;
        let end = whole.of(body).iter().rposition(|byte| *byte == b'<').filter(|_| !inner.empty);
        let end = end.and_then(|end| u32::try_from(end).ok()).map(|end| whole.start + end);
        content = end.map_or_else(Span::default, |end| Span::new(inner.span.end, end));
    }
    let mut out = BytesMut::new();
    for part in [b"<", name, b"Response", &outer_declared, b"><", name, b"Result", &inner_declared, b">"] {
        out.put(part);
    }
    for part in [content.of(body), b"</", name, b"Result></", name, b"Response>"] {
        out.put(part);
    }
    Ok(Some(out.freeze()))
}

/// The name of a start tag, prefix included.
fn name_of(tag: &[u8]) -> &[u8] {
    let name = tag.get(1..).unwrap_or_default();
    let end = name.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
    name.get(..end.unwrap_or(name.len())).unwrap_or_default()
}

/// The namespace declarations of a start tag, as they are written, with a space before each.
fn declared(tag: &[u8]) -> Vec<u8> {
    let mut declared = Vec::new();
    let mut rest = tag;
    while let Some(equals) = rest.iter().position(|byte| *byte == b'=') {
        let (name, value) = rest.split_at(equals);
        let name = name.trim_ascii_end();
        let start = name.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
        let name = name.get(start..).unwrap_or_default();
        let Some(open) = value.iter().position(|byte| matches!(byte, b'"' | b'\'')) else { break };
        let quote = value.get(open).copied().unwrap_or_default();
        let behind = value.get(open + 1..).unwrap_or_default();
        let Some(close) = behind.iter().position(|byte| *byte == quote) else { break };
        if name == b"xmlns" || name.starts_with(b"xmlns:") {
            declared.put(&b" "[..]);
            declared.put(name);
            declared.put(&b"="[..]);
            declared.put(value.get(open..open + close + 2).unwrap_or_default());
        }
        rest = behind.get(close + 1..).unwrap_or_default();
    }
    declared
}

#[cfg(test)]
mod tests {
    use super::echoed;

    #[test]
    fn by_wcf_s_conventions() {
        for (said, echo) in [
            (
                "<Echo xmlns=\"urn:e\"><text>a &amp; b</text></Echo>",
                "<EchoResponse xmlns=\"urn:e\"><EchoResult>a &amp; b</EchoResult></EchoResponse>",
            ),
            (
                "<e:Say xmlns:e='urn:\"e' b=\"1\"><e:t xmlns:x=\"urn:x\" c = 'xmlns=\"no\"'><x:y/></e:t><e:u/></e:Say>",
                "<e:SayResponse xmlns:e='urn:\"e'><e:SayResult xmlns:x=\"urn:x\"><x:y/></e:SayResult></e:SayResponse>",
            ),
            ("<E xmlns=\"urn:e\"/>", "<EResponse xmlns=\"urn:e\"><EResult></EResult></EResponse>"),
            ("<E xmlns=\"urn:e\"><a/></E>", "<EResponse xmlns=\"urn:e\"><EResult></EResult></EResponse>"),
            ("<E xmlns=\"urn:e\"></E>", "<EResponse xmlns=\"urn:e\"><EResult></EResult></EResponse>"),
        ] {
            let echoed = echoed(said.as_bytes()).ok().flatten().unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&echoed), echo);
        }
    }
}
