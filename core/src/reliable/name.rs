//! Identifiers as a session keeps them while it is idle: most are `urn:uuid:` and a GUID, sixteen bytes.

use super::identifier::Identifier;
use crate::chance::Uuid;
use heapless::Vec;

/// The longest URI that is kept besides `urn:uuid:` and a GUID, in bytes: a GUID in capitals, or with another prefix, fits.
const LONGEST: usize = 46;
const PREFIX: &[u8] = b"urn:uuid:";

/// A URI, compared byte for byte. What another side wrote comes back as it wrote it, capitals included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Name {
    /// `urn:uuid:` and the GUID in lower case, as [`Identifier::of`] writes it, and in no other way.
    Uuid(Uuid),
    /// Anything else that is short.
    Text(Vec<u8, LONGEST, u8>),
}

impl Name {
    /// `None`: it is too long to be kept so.
    pub(super) fn of(identifier: &Identifier) -> Option<Self> {
        match uuid_of(identifier) {
            Some(uuid) => Some(Self::Uuid(uuid)),
            None => Vec::from_slice(identifier.as_bytes()).ok().map(Self::Text),
        }
    }

    /// As it was.
    pub(super) fn identifier(&self) -> Identifier {
        match self {
            Self::Uuid(uuid) => Identifier::of(*uuid),
            Self::Text(uri) => Identifier::new(uri).unwrap_or_default(),
        }
    }

    /// Is this the URI?
    pub(super) fn is(&self, uri: &[u8]) -> bool {
        match self {
            Self::Uuid(uuid) => is_uuid(*uuid, uri),
            Self::Text(text) => text == uri,
        }
    }
}

/// `urn:uuid:` and a GUID, as text: of the sequence that is received, so that it can be lent.
pub(super) type UuidText = [u8; 45];

/// The identifier, if it has the length of those that [`Identifier::of`] makes.
pub(super) fn text_of(identifier: &Identifier) -> Option<UuidText> {
    UuidText::try_from(identifier.as_bytes()).ok()
}

/// The GUID, if the identifier is just what [`Identifier::of`] makes of it.
fn uuid_of(identifier: &Identifier) -> Option<Uuid> {
    let uuid = identifier.as_bytes().strip_prefix(PREFIX).and_then(Uuid::parse)?;
    is_uuid(uuid, identifier.as_bytes()).then_some(uuid)
}

/// Is this `urn:uuid:` and the GUID in lower case? Different ones mostly differ in the first digit, so that a long table is
/// looked through without writing a text for each of its rows.
fn is_uuid(uuid: Uuid, uri: &[u8]) -> bool {
    let Some(text) = uri.strip_prefix(PREFIX).filter(|text| text.len() == Uuid::TEXT_LEN) else { return false };
    let first = uuid.0.first().map_or(0, |octet| octet.wrapping_shr(4));
    if text.first().and_then(|digit| char::from(*digit).to_digit(16)) != Some(u32::from(first)) {
        return false;
    }
    let mut own = [0; Uuid::TEXT_LEN];
    uuid.write(&mut own);
    text == own
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn every_text_comes_back_as_it_was() {
        let same = [
            "urn:uuid:00112233-4455-6677-8899-aabbccddeeff",
            "urn:uuid:00112233-4455-6677-8899-AABBCCDDEEFF",
            "urn:uuid:00112233-4455-6677-8899-aabbccddeefF",
            "URN:uuid:00112233-4455-6677-8899-aabbccddeeff",
            "uuid:00112233-4455-6677-8899-aabbccddeeff",
            "urn:uuid:urn:uuid:00112233-4455-6677-8899-aabb",
            "00112233-4455-6677-8899-aabbccddeeff",
            "http://a/1",
        ];
        for text in same {
            let name = Name::of(&Identifier::new(text.as_bytes()).unwrap()).unwrap();
            assert_eq!(name.identifier().as_bytes(), text.as_bytes());
            for other in same {
                assert_eq!(name.is(other.as_bytes()), text == other, "{text} {other}");
            }
            let compact = matches!(name, Name::Uuid(_));
            assert_eq!(compact, text.starts_with("urn:uuid:0") && !text.contains(char::is_uppercase), "{text}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_cut() {
        assert_eq!(
            Name::of(&Identifier::new(&[b'a'; LONGEST]).unwrap()).unwrap().identifier().as_bytes(),
            [b'a'; LONGEST]
        );
        assert_eq!(Name::of(&Identifier::new(&[b'a'; LONGEST + 1]).unwrap()), None);
    }
}
