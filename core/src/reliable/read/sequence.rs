//! A look at the `Sequence` header alone, before anything of a message is verified.

use super::header::{Kind, RmReader};
use super::value::Scratch;
use crate::reliable::arrival::SequenceHeader;
use crate::reliable::identifier::{Identifier, LONGEST_IDENTIFIER};
use crate::reliable::version::Versions;
use crate::xml::{Limits, Reader};

/// The place in a sequence that a message says it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The sequence.
    pub identifier: Identifier,
    /// The message's number.
    pub number: u64,
}

/// The place in a sequence that a message says it has. It is in clear even where messages are encrypted. Nothing of it is verified,
/// and the rest of the message may be anything.
pub fn peek_sequence(message: &[u8], versions: Versions, limits: &Limits) -> Option<Place> {
    let mut scratch = [0; LONGEST_IDENTIFIER];
    let mut reader = Reader::document(message, limits).ok()?;
    for local in ["Envelope", "Header"] {
        reader.next_element().ok()?.filter(|start| start.name.is(versions.soap.namespace(), local))?;
    }
    let mut headers = RmReader::new(versions);
    while let Some(block) = reader.next_element().ok()? {
        if Kind::of(versions, &block) == Some(Kind::Sequence) {
            headers.read(&mut reader, &block, &mut Scratch::new(&mut scratch)).ok()?;
            let SequenceHeader { identifier, number, .. } = headers.sequence?;
            return Some(Place { identifier: Identifier::new(identifier)?, number });
        }
        reader.skip().ok()?;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]

    extern crate std;

    use super::*;
    use crate::reliable::RmVersion;
    use crate::soap::{AddressingVersion, SoapVersion};
    use std::format;
    use std::string::String;

    const V: Versions =
        Versions { soap: SoapVersion::Soap12, addressing: AddressingVersion::Wsa10, reliable: RmVersion::V11 };

    fn place(message: &str) -> Option<(String, u64)> {
        let place = peek_sequence(message.as_bytes(), V, &Limits::default())?;
        Some((String::from_utf8(place.identifier.as_bytes().to_vec()).unwrap(), place.number))
    }

    fn message(header: &str) -> String {
        format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header>{header}</s:Header><s:Body/>"
        )
    }

    #[test]
    fn the_place_is_found_wherever_it_stands_and_whatever_follows() {
        let of = |ns: &str, number: &str| {
            format!(
                "<o:Other xmlns:o=\"urn:o\"><o:In/></o:Other><r:Sequence xmlns:r=\"{ns}\"><r:Identifier>urn:a&amp;b</r:Identifier>\
                 <r:MessageNumber>{number}</r:MessageNumber></r:Sequence><not closed"
            )
        };
        let ns = RmVersion::V11.namespace();
        assert_eq!(place(&message(&of(ns, "7"))), Some(("urn:a&b".into(), 7)));
        // Nothing that is no place is taken for one.
        for number in ["0", "-1", "x", "9223372036854775808"] {
            assert_eq!(place(&message(&of(ns, number))), None, "{number}");
        }
        assert_eq!(place(&message(&of(RmVersion::February2005.namespace(), "7"))), None);
        for strange in ["", "x", "<a/>", &message("<a/>"), &message("<a>")] {
            assert_eq!(place(strange), None, "{strange}");
        }
    }
}
