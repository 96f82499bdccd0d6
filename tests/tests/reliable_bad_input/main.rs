//! What a peer may write and what not: headers and bodies of WS-ReliableMessaging, each with what WCF does.
//!
//! Expected outcomes are those of WCF's reader. An outcome is either what was read, or the problem and WCF's answer.

mod bodies;
mod faults;
mod headers;

use soap_session_core::reliable::{Arrival, RmBody, RmReadError, RmVersion, Versions};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::xml::Limits;
use std::fmt::Write as _;

const FEB: Versions =
    Versions { soap: SoapVersion::Soap12, addressing: AddressingVersion::Wsa10, reliable: RmVersion::February2005 };
const V11: Versions = Versions { reliable: RmVersion::V11, ..FEB };
const BOTH: &[Versions] = &[FEB, V11];

/// A message with these header blocks and this body, in which every namespace of use is declared.
fn envelope(versions: Versions, headers: &str, body: &str) -> Vec<u8> {
    let (s, a, r) = (versions.soap.namespace(), versions.addressing.namespace(), versions.reliable.namespace());
    format!(
        "<s:Envelope xmlns:s='{s}' xmlns:a='{a}' xmlns:r='{r}' xmlns:n='http://schemas.microsoft.com/ws/2006/05/rm' \
         xmlns:o='http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd' xmlns:x='urn:x'>\
         <s:Header>{headers}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    .into_bytes()
}

fn outcome(result: &Result<(Arrival<'_>, bool), RmReadError>) -> String {
    match result {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let problem = format!("{:?}", error.problem);
            let problem = problem.split([' ', '{', '(']).next().unwrap_or_default();
            let answer = format!("{:?}", error.answer);
            format!("{problem} -> {}", answer.split('(').next().unwrap_or_default())
        }
        Ok((arrival, strange)) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let mut out = String::new();
            if let Some(s) = arrival.sequence {
                write!(out, "seq {} {}{} ", text(s.identifier), s.number, if s.last { " last" } else { "" }).unwrap();
            }
            if let Some(ack) = &arrival.acknowledgement {
                write!(out, "ack {} [", text(ack.identifier)).unwrap();
                for range in ack.ranges.as_slice() {
                    write!(out, "{}-{},", range.lower, range.upper).unwrap();
                }
                write!(out, "]{}", if ack.is_final { " final" } else { "" }).unwrap();
                if let Some(remaining) = ack.buffer_remaining {
                    write!(out, " buffer {remaining}").unwrap();
                }
                out.push(' ');
            }
            if let Some(wish) = arrival.ack_requested {
                write!(out, "wish {} ", text(wish)).unwrap();
            }
            for (there, name) in [(arrival.uses_sequence_str, "STR "), (arrival.uses_sequence_ssl, "SSL ")] {
                out.push_str(if there { name } else { "" });
            }
            if *strange {
                out.push_str("not understood ");
            }
            match arrival.body {
                RmBody::None => {}
                RmBody::CreateSequence { acks_to, expires, offer, token } => {
                    let offer = offer.map(|o| (text(o.identifier), o.endpoint.map(text), o.expires));
                    write!(out, "create {} {:?} {offer:?} {:?}", text(acks_to), expires.map(text), token.map(text))
                        .unwrap();
                }
                RmBody::CreateSequenceResponse { identifier, accept_acks_to } => {
                    write!(out, "created {} {:?}", text(identifier), accept_acks_to.map(text)).unwrap();
                }
                RmBody::CloseSequence { identifier, last } | RmBody::TerminateSequence { identifier, last } => {
                    write!(out, "end {} {last:?}", text(identifier)).unwrap();
                }
                RmBody::CloseSequenceResponse { identifier } | RmBody::TerminateSequenceResponse { identifier } => {
                    write!(out, "ended {}", text(identifier)).unwrap();
                }
                RmBody::Fault(fault) => {
                    write!(out, "{:?} {:?} {:?}", fault.code, fault.kind, fault.identifier.map(text)).unwrap();
                }
            }
            out.trim_end().to_owned()
        }
    }
}

fn read(versions: Versions, headers: &str, body: &str) -> String {
    let message = envelope(versions, headers, body);
    let mut scratch = [0; 256];
    let result = Arrival::read_envelope(&message, versions, &Limits::default(), &mut scratch);
    outcome(&result.map(|(arrival, parts)| (arrival, parts.must_understand.is_some())))
}

/// Rows of versions, header blocks and what comes of them in an application's message.
fn check_headers(rows: &[(&[Versions], &str, &str)]) {
    for (versions, headers, expected) in rows {
        for versions in *versions {
            let found = read(*versions, &format!("<a:Action>urn:x</a:Action>{headers}"), "<x:y/>");
            assert_eq!(&found, expected, "{:?} {headers}", versions.reliable);
        }
    }
}

/// What comes of a message without any sign of WS-ReliableMessaging.
const STRANGER: &str = "NotReliable -> ActionNotSupported";
const STRANGER_11: &str = "NotReliable -> WsrmRequired";

fn wish(identifier: &str) -> String {
    format!("<r:AckRequested><r:Identifier>{identifier}</r:Identifier></r:AckRequested>")
}
