//! Sets of channel shapes.

/// How messages travel in a channel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ChannelKind {
    /// One way: `IInputChannel`, `IOutputChannel`.
    OneWay,
    /// Requests and replies: `IRequestChannel`, `IReplyChannel`.
    RequestReply,
    /// Both ways: `IDuplexChannel`.
    Duplex,
}

/// A kind of channel, with a session or without.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelShape {
    /// How messages travel.
    pub kind: ChannelKind,
    /// Do they belong to a session?
    pub session: bool,
}

impl ChannelShape {
    /// Without a session.
    pub const fn datagram(kind: ChannelKind) -> Self {
        Self { kind, session: false }
    }

    /// With a session.
    pub const fn session(kind: ChannelKind) -> Self {
        Self { kind, session: true }
    }

    const fn bit(self) -> u8 {
        let bit = match self.kind {
            ChannelKind::OneWay => 1,
            ChannelKind::RequestReply => 4,
            ChannelKind::Duplex => 16,
        };
        if self.session { bit << 1 } else { bit }
    }
}

/// In WCF's order of preference.
const ALL: [ChannelShape; 6] = [
    ChannelShape::datagram(ChannelKind::OneWay),
    ChannelShape::session(ChannelKind::OneWay),
    ChannelShape::datagram(ChannelKind::RequestReply),
    ChannelShape::session(ChannelKind::RequestReply),
    ChannelShape::datagram(ChannelKind::Duplex),
    ChannelShape::session(ChannelKind::Duplex),
];

/// A set of channel shapes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Shapes(u8);

impl Shapes {
    /// The set of these.
    pub const fn of(shapes: &[ChannelShape]) -> Self {
        let mut set = 0;
        let mut rest = shapes;
        while let [shape, tail @ ..] = rest {
            set |= shape.bit();
            rest = tail;
        }
        Self(set)
    }

    /// Adds one.
    pub const fn insert(&mut self, shape: ChannelShape) {
        self.0 |= shape.bit();
    }

    /// Is it one of these?
    pub const fn contains(self, shape: ChannelShape) -> bool {
        self.0 & shape.bit() != 0
    }

    /// Is it none?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// They, in WCF's order of preference.
    pub fn iter(self) -> impl Iterator<Item = ChannelShape> {
        ALL.into_iter().filter(move |shape| self.contains(*shape))
    }
}
