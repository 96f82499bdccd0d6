//! Whose message it is.

use super::Opens;
use super::survey::{Found, survey};
use crate::chance::{Hashed, ShardKey, ShardMark, Uuid};
use crate::reliable::{LONGEST_IDENTIFIER, RmAction, RmVersion};
use crate::soap::{RequestType, TrustVersion};
use crate::xml::{Error, Limits, Text};
use core::fmt;

/// Most shards of one service: what an identifier has room to tell.
pub const MAX_SHARDS: u32 = 65_536;

/// Says whose a message is, by its head alone. It keeps nothing from one message to the next.
///
/// Nothing that it reads is believed: the shard verifies the message, and refuses one that was brought to the wrong door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Router {
    key: ShardKey,
    shards: u32,
    limits: Limits,
}

/// Where a message belongs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// To this shard: it made the identifier that the message names.
    Shard {
        /// The shard.
        shard: u16,
        /// What the message opens there: a sequence under a token. Room for it has to be reserved first.
        opens: Option<Opens>,
    },
    /// It opens something, and names nothing that was made here: to the shard where there is room.
    New(Opening),
    /// It is for nobody that can be told by the message.
    Unknown(Stranger),
}

/// A message that opens something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// What.
    pub opens: Opens,
    pub(super) name: Name,
}

/// A message that names nothing that was made here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stranger {
    /// Why it is one.
    pub why: Why,
    pub(super) name: Name,
}

/// What the client calls it, as a number that nobody can foresee.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Name {
    pub(super) hash: u64,
    /// The shard that it belongs to where nothing else decides. Always the same for a name.
    pub(super) home: u16,
}

impl Opening {
    /// The shard that it goes to if there is room, always the same for what the client calls it: a CreateSequence or a RST
    /// that comes again, or is replayed, finds the shard that knows it.
    pub const fn home(&self) -> u16 {
        self.name.home
    }
}

impl Stranger {
    /// The shard that should answer where the [door](super::Door::recall) knows no better: always the same for the same name.
    pub const fn home(&self) -> u16 {
        self.name.home
    }
}

/// Why a message is nobody's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Why {
    /// Its head is not XML that can be read.
    NotXml(Error),
    /// It is no envelope of SOAP 1.1 or 1.2.
    NotSoap,
    /// It names no conversation and no sequence, and opens none.
    NamesNothing,
    /// Its token was not made here: by an earlier process, by another host, or by nobody.
    ForeignToken,
    /// Its sequence was not made here.
    ForeignSequence,
    /// It names only what the client made: it acknowledges, or answers for, the sequence that the client offered.
    NamedByClient,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotXml(error) => write!(f, "the head of the message cannot be read: {error}"),
            Self::NotSoap => f.write_str("not a SOAP envelope"),
            Self::NamesNothing => f.write_str("the message names no conversation and no sequence, and opens none"),
            Self::ForeignToken => f.write_str("the message names a token that no shard of this process has made"),
            Self::ForeignSequence => f.write_str("the message names a sequence that no shard of this process has made"),
            Self::NamedByClient => f.write_str("the message names only a sequence that its client has made"),
        }
    }
}

impl core::error::Error for Why {}

impl From<Error> for Why {
    fn from(error: Error) -> Self {
        Self::NotXml(error)
    }
}

impl Router {
    /// For so many shards, 1 to [`MAX_SHARDS`]; other numbers are held to that. `key` must be the same in all copies, and
    /// new in every process: who keeps it across a restart sends the messages of lost sessions to shards that do not know
    /// them, which does no harm. Of `limits`, depth and lengths of tags bound the look at a message's head.
    pub fn new(key: ShardKey, shards: u32, limits: Limits) -> Self {
        Self { key, shards: shards.clamp(1, MAX_SHARDS), limits }
    }

    /// How many shards there are.
    pub const fn shards(&self) -> u32 {
        self.shards
    }

    /// What the machine of a shard puts into its identifiers; `None` if there is no such shard.
    pub fn mark(&self, shard: u16) -> Option<ShardMark> {
        (u32::from(shard) < self.shards).then(|| ShardMark::new(shard, self.key.clone()))
    }

    /// The shard that made an identifier (`urn:uuid:...`); `None` if none did.
    pub fn shard_of(&self, identifier: &[u8]) -> Option<u16> {
        let shard = self.key.shard_of(&Uuid::parse(identifier)?)?;
        (u32::from(shard) < self.shards).then_some(shard)
    }

    /// Says whose `message` is, by one look at its first 65 536 bytes at most. It takes as long as the message's head is
    /// long, however many sessions and shards there are.
    ///
    /// The token decides where there is one; else the sequence that the message belongs to, ends, or is a fault about.
    pub fn route(&self, message: &[u8]) -> Route {
        let mut found = Found::default();
        let read = survey(message, &self.limits, &mut found);
        let opens = found.action.as_ref().and_then(opens);
        let mut room = [0; LONGEST_IDENTIFIER];
        if let Some(token) = found.token {
            return match self.shard_of(token) {
                Some(shard) => Route::Shard { shard, opens },
                None => self.lost(opens, Why::ForeignToken, Hashed::Identifier, token),
            };
        }
        if let Some(identifier) = found.received.or(found.either).as_ref() {
            let identifier = meant(identifier, &mut room);
            if let Some(shard) = self.shard_of(identifier) {
                return Route::Shard { shard, opens };
            }
            // Of what either side may have made, the client's is looked up by the same name as all that it made.
            let why = if found.received.is_some() { Why::ForeignSequence } else { Why::NamedByClient };
            return self.lost(opens, why, Hashed::Identifier, identifier);
        }
        if let Some(identifier) = found.sent.as_ref() {
            return self.lost(opens, Why::NamedByClient, Hashed::Identifier, meant(identifier, &mut room));
        }
        let why = read.err().unwrap_or(Why::NamesNothing);
        let message_id = found.message_id.as_ref().map_or(&[][..], |text| meant(text, &mut room));
        self.lost(opens, why, Hashed::MessageId, message_id)
    }

    /// What nobody here made: new, or strange.
    fn lost(&self, opens: Option<Opens>, why: Why, what: Hashed, name: &[u8]) -> Route {
        let name = self.name(what, name);
        match opens {
            Some(opens) => Route::New(Opening { opens, name }),
            None => Route::Unknown(Stranger { why, name }),
        }
    }

    pub(super) fn name(&self, what: Hashed, octets: &[u8]) -> Name {
        let hash = self.key.hash(what, octets);
        // The upper half, scaled: the names' table uses the lower one.
        let upper = hash.wrapping_shr(32);
        let home = upper.saturating_mul(u64::from(self.shards)).wrapping_shr(32);
        Name { hash, home: u16::try_from(home).unwrap_or(0) }
    }
}

/// The characters as they are meant; as they are written, if they are too many: no name is so long.
fn meant<'t>(text: &Text<'t>, room: &'t mut [u8; LONGEST_IDENTIFIER]) -> &'t [u8] {
    match text.plain() {
        Some(plain) => plain,
        None => text.decode(room).unwrap_or_else(|_| text.raw()),
    }
}

/// What a message with this action opens.
fn opens(action: &Text<'_>) -> Option<Opens> {
    const NEGOTIATE: [&str; 2] = [
        "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue",
        "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue",
    ];
    let tokens = TrustVersion::ALL.map(|version| version.request_action(RequestType::Issue));
    let sequences = RmVersion::ALL.map(|version| version.action(RmAction::CreateSequence));
    [(Opens::Token, tokens), (Opens::Sequence, sequences), (Opens::Negotiation, NEGOTIATE)]
        .into_iter()
        .find(|(_, uris)| uris.iter().any(|uri| action.eq(uri)))
        .map(|(opens, _)| opens)
}
