//! What is said to WS-ReliableMessaging is heard: any frame that is written is read with the same facts, too little room
//! changes nothing, and any bytes are survived.

use proptest::prelude::*;
use soap_session_core::chance::Uuid;
use soap_session_core::reliable::{
    Acknowledgement, Arrival, Frame, FrameAction, FrameBody, HeaderOrder, Identifier, IncompleteSequenceBehavior,
    MAX_MESSAGE_NUMBER, Range, RmAction, RmBody, RmVersion, SequencePlace, Versions,
};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::xml::Limits;
use soap_session_tests::{Recording, directories};
use std::sync::LazyLock;

/// What a frame borrows.
#[derive(Clone, Debug)]
struct Words {
    action: String,
    ids: [Identifier; 3],
    addresses: [String; 2],
    ranges: Vec<Range>,
    number: u64,
    flags: [bool; 8],
    kind: u8,
    remaining: Option<u32>,
    message_id: [u8; 16],
}

fn uri() -> impl Strategy<Value = String> {
    "[a-z]{2,5}:[a-z0-9&<>\"'/?=%é€ ]{0,20}[a-z]"
}

fn identifier() -> impl Strategy<Value = Identifier> {
    uri().prop_map(|uri| Identifier::new(uri.as_bytes()).unwrap())
}

/// Ascending ranges that do not touch.
fn ranges() -> impl Strategy<Value = Vec<Range>> {
    prop::collection::vec((2..1000_u64, 0..1000_u64), 0..128).prop_map(|steps| {
        let mut at = 0;
        let step = |(gap, len): (u64, u64)| {
            let lower = at + gap - u64::from(at == 0);
            at = lower + len;
            Range { lower, upper: at }
        };
        steps.into_iter().map(step).collect()
    })
}

fn words() -> impl Strategy<Value = Words> {
    (
        uri(),
        [identifier(), identifier(), identifier()],
        [uri(), uri()],
        ranges(),
        prop_oneof![1..10_u64, 1..=MAX_MESSAGE_NUMBER, Just(MAX_MESSAGE_NUMBER)],
        any::<[bool; 8]>(),
        0..8_u8,
        prop::option::of(0..=4096_u32),
        any::<[u8; 16]>(),
    )
        .prop_map(|(action, ids, addresses, ranges, number, flags, kind, remaining, message_id)| Words {
            action,
            ids,
            addresses,
            ranges,
            number,
            flags,
            kind,
            remaining,
            message_id,
        })
}

fn versions() -> impl Strategy<Value = Versions> {
    any::<[bool; 3]>().prop_map(|[soap, addressing, reliable]| Versions {
        soap: if soap { SoapVersion::Soap11 } else { SoapVersion::Soap12 },
        addressing: if addressing { AddressingVersion::August2004 } else { AddressingVersion::Wsa10 },
        reliable: if reliable { RmVersion::V11 } else { RmVersion::February2005 },
    })
}

impl Words {
    /// A frame that some machine could want to send.
    fn frame(&self, versions: Versions) -> Frame<'_> {
        let v11 = versions.reliable == RmVersion::V11;
        let [id, other, offered] = &self.ids;
        let [here, there] = &self.addresses;
        let [sequenced, last, acked, is_final, wished, order, with_last, accepted] = self.flags;
        let behavior = IncompleteSequenceBehavior::NoDiscard;
        let number = with_last.then_some(self.number);
        let accept = accepted.then_some(here.as_bytes());
        let (action, body) = match self.kind {
            0 => (
                FrameAction::Rm(RmAction::CreateSequence),
                FrameBody::CreateSequence {
                    acks_to: here.as_bytes(),
                    offer: accepted.then_some((offered, behavior)),
                    token_reference: None,
                },
            ),
            1 => (
                FrameAction::Rm(RmAction::CreateSequenceResponse),
                FrameBody::CreateSequenceResponse {
                    identifier: id,
                    expires: with_last.then_some(b"PT1H"),
                    behavior,
                    accept_acks_to: accept,
                },
            ),
            2 if v11 => {
                (FrameAction::Rm(RmAction::CloseSequence), FrameBody::CloseSequence { identifier: id, last: number })
            }
            3 if v11 => (FrameAction::Rm(RmAction::CloseSequenceResponse), FrameBody::CloseSequenceResponse(id)),
            4 if v11 => {
                (FrameAction::Rm(RmAction::TerminateSequenceResponse), FrameBody::TerminateSequenceResponse(id))
            }
            5 => (
                FrameAction::Rm(RmAction::TerminateSequence),
                FrameBody::TerminateSequence { identifier: id, last: number.filter(|_| v11) },
            ),
            6 => (FrameAction::Rm(RmAction::AckRequested), FrameBody::Empty),
            _ => (FrameAction::Application(self.action.as_bytes()), FrameBody::Payload(b"<x xmlns=\"urn:x\">1</x>")),
        };
        let creating = matches!(action, FrameAction::Rm(RmAction::CreateSequence | RmAction::CreateSequenceResponse));
        let sequenced = !creating && (sequenced || matches!(action, FrameAction::Application(_)));
        Frame {
            action,
            message_id: Some(Uuid(self.message_id)),
            relates_to: Some(there.as_bytes()),
            reply_to: Some(here.as_bytes()),
            to: Some(there.as_bytes()),
            sequence: sequenced.then_some(SequencePlace { identifier: id, number: self.number, last: last && !v11 }),
            acknowledgement: (acked && !creating).then_some(Acknowledgement {
                identifier: other,
                ranges: &self.ranges,
                is_final: is_final && v11,
                buffer_remaining: self.remaining,
            }),
            ack_requested: (wished && !creating).then_some(id),
            not_understood: None,
            uses_sequence_str: v11 && with_last && action == FrameAction::Rm(RmAction::CreateSequence),
            order: if order { HeaderOrder::SequenceFirst } else { HeaderOrder::AcknowledgementFirst },
            body,
        }
    }
}

/// The same body?
fn said(frame: &FrameBody<'_>, heard: &RmBody<'_>, payload: &[u8], v11: bool) -> bool {
    match (*frame, *heard) {
        (FrameBody::Empty, RmBody::None) => payload.is_empty(),
        (FrameBody::Payload(sent), RmBody::None) => sent == payload,
        (FrameBody::CreateSequence { acks_to, offer, .. }, RmBody::CreateSequence { acks_to: to, offer: got, .. }) => {
            let endpoint = if v11 { Some(acks_to) } else { None };
            acks_to == to
                && offer.map(|(id, _)| (id.as_bytes(), endpoint)) == got.map(|got| (got.identifier, got.endpoint))
        }
        (
            FrameBody::CreateSequenceResponse { identifier, accept_acks_to, .. },
            RmBody::CreateSequenceResponse { identifier: id, accept_acks_to: to },
        ) => identifier.is(id) && accept_acks_to == to,
        (FrameBody::CloseSequence { identifier, last }, RmBody::CloseSequence { identifier: id, last: got })
        | (
            FrameBody::TerminateSequence { identifier, last },
            RmBody::TerminateSequence { identifier: id, last: got },
        ) => identifier.is(id) && last == got,
        (FrameBody::CloseSequenceResponse(sent), RmBody::CloseSequenceResponse { identifier })
        | (FrameBody::TerminateSequenceResponse(sent), RmBody::TerminateSequenceResponse { identifier }) => {
            sent.is(identifier)
        }
        _ => false,
    }
}

/// Plain text of conversations, to be damaged.
static RECORDED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    ["wcf", "wcf-stories", "gsoap"]
        .iter()
        .flat_map(|family| directories(family).unwrap())
        .filter(|name| {
            ["rm-custom", "dual-none", "soap11a", "pending-limit", "gsoap-rm"].iter().any(|n| name.contains(n))
        })
        .filter_map(|name| Recording::open(&name).ok())
        .flat_map(|recording| recording.messages.into_iter().map(|message| message.plain.unwrap_or(message.bytes)))
        .filter(|bytes| !bytes.is_empty())
        .collect()
});

/// The versions that a message was written in, as far as they can still be told.
fn versions_of(bytes: &[u8]) -> Versions {
    let text = String::from_utf8_lossy(bytes);
    let soap11 = text.contains(SoapVersion::Soap11.namespace());
    let august = text.contains(AddressingVersion::August2004.namespace());
    let v11 = text.contains(RmVersion::V11.namespace());
    Versions {
        soap: if soap11 { SoapVersion::Soap11 } else { SoapVersion::Soap12 },
        addressing: if august { AddressingVersion::August2004 } else { AddressingVersion::Wsa10 },
        reliable: if v11 { RmVersion::V11 } else { RmVersion::February2005 },
    }
}

/// One recorded message with bytes changed, cut out or doubled.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8, 0..80_usize);
    (any::<prop::sample::Index>(), prop::collection::vec(change, 0..4)).prop_map(|(which, changes)| {
        let mut bytes = which.get(&RECORDED).clone();
        for (at, byte, how, len) in changes {
            let at = at.index(bytes.len());
            let end = (at + len).min(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(end..end, copy);
                }
                _ => bytes.truncate(at),
            }
            if bytes.is_empty() {
                bytes.push(byte);
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_is_read(words in words(), versions in versions()) {
        let frame = words.frame(versions);
        let mut out = vec![0; 32 * 1024];
        let len = frame.write_envelope(versions, "", &mut out).unwrap();
        let message = &out[..len];
        let mut scratch = [0; 2048];
        let read = Arrival::read_envelope(message, versions, &Limits::default(), &mut scratch);
        let (arrival, parts) = read.map_err(|error| TestCaseError::fail(format!(
            "{error}\n{}", String::from_utf8_lossy(message))))?;
        let body = parts.body.of(message);
        let v11 = versions.reliable == RmVersion::V11;
        prop_assert!(said(&frame.body, &arrival.body, body, v11), "{:?}\n{:?}", frame.body, arrival.body);
        prop_assert_eq!(arrival.action_uri, frame.action_uri(versions));
        let id = frame.message_id.map(Identifier::of);
        prop_assert_eq!(arrival.message_id, id.as_ref().map(Identifier::as_bytes));
        prop_assert_eq!((arrival.relates_to, arrival.to), (frame.relates_to, frame.to));
        prop_assert_eq!(arrival.reply_to, frame.reply_to);
        let place = frame.sequence.map(|s| (s.identifier.as_bytes(), s.number, s.last));
        prop_assert_eq!(arrival.sequence.map(|s| (s.identifier, s.number, s.last)), place);
        let ack = frame.acknowledgement.map(|a| (a.identifier.as_bytes(), a.ranges, a.is_final, a.buffer_remaining));
        let heard = arrival.acknowledgement.as_ref();
        let heard = heard.map(|a| (a.identifier, a.ranges.as_slice(), a.is_final, a.buffer_remaining));
        prop_assert_eq!(heard, ack);
        prop_assert_eq!(arrival.ack_requested, frame.ack_requested.map(Identifier::as_bytes));
        prop_assert_eq!(arrival.uses_sequence_str, frame.uses_sequence_str);
        prop_assert_eq!(parts.must_understand, None);
    }

    #[test]
    fn too_little_room_says_how_much(words in words(), versions in versions(), have: prop::sample::Index) {
        let frame = words.frame(versions);
        let mut out = vec![0; 32 * 1024];
        let len = frame.write_envelope(versions, "", &mut out).unwrap();
        let have = have.index(len);
        let grow = frame.write_envelope(versions, "", &mut vec![0; have]).unwrap_err();
        prop_assert_eq!((grow.needed, grow.have), (len, have));
        let mut exact = vec![0; len];
        prop_assert_eq!(frame.write_envelope(versions, "", &mut exact), Ok(len));
        prop_assert_eq!(&exact, &out[..len]);
        // Rendered, the parts are those of the whole.
        let whole = String::from_utf8(exact).unwrap();
        let mut scratch = vec![0; 4096];
        let parts = frame.render(versions, "", &mut scratch, |rendered| {
            (rendered.body.to_vec(), rendered.headers.len(), rendered.encrypt_body)
        });
        let (body, headers, encrypted) = parts.unwrap();
        let inside = whole.split_once("<s:Body").unwrap().1.split_once('>').unwrap().1;
        prop_assert!(inside.starts_with(&String::from_utf8(body).unwrap()));
        prop_assert!(headers >= 4);
        prop_assert_eq!(encrypted, matches!(frame.action, FrameAction::Application(_)));
    }

    #[test]
    fn any_message_is_survived(bytes in damaged(), other in versions(), same in 0..8_u8, room in 0..200_usize) {
        prop_assert!(RECORDED.len() > 200, "the recordings are there");
        let versions = if same > 0 { versions_of(&bytes) } else { other };
        let mut scratch = vec![0; room];
        match Arrival::read_envelope(&bytes, versions, &Limits::default(), &mut scratch) {
            Ok((arrival, parts)) => {
                prop_assert!(parts.body.end as usize <= bytes.len());
                if let Some(sequence) = arrival.sequence {
                    prop_assert!((1..=MAX_MESSAGE_NUMBER).contains(&sequence.number));
                }
            }
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                let action = error.action.of(&bytes);
                if let Some(fault) = error.fault(versions, action) {
                    prop_assert!(!fault.action_uri(versions.addressing).is_empty());
                }
            }
        }
    }
}
