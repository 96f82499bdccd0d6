//! The sessions of one endpoint: every one has a place, and those that are busy have room besides.
//!
//! A session is busy from when it is told or hears something that has to be answered, until nothing is under way any more. It is
//! kept as [`Idle`] otherwise. What a session is does not depend on how it is kept: whoever goes through a refusal finds it
//! as it was.

use super::common::{Shape, Told};
use super::idle::{Address, Idle};
use super::service::{ReliableSessionId, Service, ServiceWant};
use super::settings::ReliableSettings;
use super::view::{Seen, SessionView};
use crate::exchange::{Exchange, Outgoing};
use crate::time::Instant;
use core::mem;
use heapless::Vec;

/// Most different addresses of its own under which an endpoint's idle sessions were opened: one for each name of the host, and
/// each path. A session under one more counts as busy until it is over.
const ADDRESSES: usize = 8;

/// Where a session is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place<P> {
    Idle(Idle<P>),
    /// In this room.
    Busy(ReliableSessionId, usize),
}

impl<P> Place<P> {
    const fn id(&self) -> ReliableSessionId {
        match self {
            Self::Idle(Idle { id, .. }) | Self::Busy(id, _) => *id,
        }
    }
}

/// The sessions, oldest first. `SESSIONS` of them, of which `BUSY` are busy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Table<
    P,
    const SESSIONS: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const REQUESTS: usize,
    const EXCHANGES: usize,
    const BUSY: usize,
> {
    shape: Shape,
    pub(super) settings: ReliableSettings,
    places: Vec<Place<P>, SESSIONS>,
    /// The last one is taken.
    rooms: Vec<Option<Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>>, BUSY>,
    addresses: Vec<Address, ADDRESSES>,
}

impl<
    P: Outgoing,
    const SESSIONS: usize,
    const WINDOW: usize,
    const RANGES: usize,
    const REQUESTS: usize,
    const EXCHANGES: usize,
    const BUSY: usize,
> Table<P, SESSIONS, WINDOW, RANGES, REQUESTS, EXCHANGES, BUSY>
{
    pub(super) const fn new(settings: ReliableSettings, shape: Shape) -> Self {
        Self { shape, settings, places: Vec::new(), rooms: Vec::new(), addresses: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.is_full()
    }

    /// How many are busy.
    pub(super) fn busy(&self) -> usize {
        self.rooms.iter().flatten().count()
    }

    pub(super) fn has_room(&self) -> bool {
        self.busy() < BUSY
    }

    fn seen<'s>(&'s self, place: &'s Place<P>) -> Option<SessionView<'s, P, WINDOW, RANGES, REQUESTS, EXCHANGES>> {
        Some(SessionView(match place {
            Place::Idle(idle) => Seen::Idle(idle),
            Place::Busy(_, room) => Seen::Busy(self.rooms.get(*room)?.as_ref()?),
        }))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = SessionView<'_, P, WINDOW, RANGES, REQUESTS, EXCHANGES>> {
        self.places.iter().filter_map(|place| self.seen(place))
    }

    pub(super) fn at(&self, id: ReliableSessionId) -> Option<usize> {
        self.places.iter().position(|place| place.id() == id)
    }

    pub(super) fn get(&self, index: usize) -> Option<SessionView<'_, P, WINDOW, RANGES, REQUESTS, EXCHANGES>> {
        self.seen(self.places.get(index)?)
    }

    /// A session that is busy.
    pub(super) fn working(&self, id: ReliableSessionId) -> Option<&Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>> {
        match self.places.get(self.at(id)?)? {
            Place::Busy(_, room) => self.rooms.get(*room)?.as_ref(),
            Place::Idle(_) => None,
        }
    }

    /// A session that is idle.
    pub(super) fn idle(&mut self, index: usize) -> Option<&mut Idle<P>> {
        match self.places.get_mut(index)? {
            Place::Idle(idle) => Some(idle),
            Place::Busy(..) => None,
        }
    }

    /// A session that is busy.
    fn busy_at(&mut self, index: usize) -> Option<&mut Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>> {
        match self.places.get(index)? {
            Place::Busy(_, room) => self.rooms.get_mut(*room)?.as_mut(),
            Place::Idle(_) => None,
        }
    }

    /// The first room that is free.
    fn room(&mut self) -> Option<usize> {
        let free = self.rooms.iter().position(Option::is_none);
        if free.is_none() {
            self.rooms.push(None).ok()?;
        }
        free.or_else(|| self.rooms.len().checked_sub(1))
    }

    /// A session, to be told something or to hear it; [`settle`](Self::settle) it then. `None`, and nothing changed, if it is
    /// idle and there is no room for one more that is busy.
    pub(super) fn wake(&mut self, index: usize) -> Option<&mut Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>> {
        if let Place::Idle(Idle { id, .. }) = self.places.get(index)? {
            let id = *id;
            let room = self.room()?;
            let idle = mem::replace(self.places.get_mut(index)?, Place::Busy(id, room));
            if let Place::Idle(idle) = idle {
                *self.rooms.get_mut(room)? = Some(idle.wake(self.shape, &self.settings, &self.addresses));
            }
        }
        self.busy_at(index)
    }

    /// Gives a session's room back if it is idle now.
    pub(super) fn settle(&mut self, index: usize) {
        let Some(Place::Busy(_, room)) = self.places.get(index) else { return };
        let room = *room;
        let Some(session) = self.rooms.get_mut(room).and_then(Option::as_mut) else { return };
        let (addresses, places) = (&mut self.addresses, &self.places);
        let Some(idle) = Idle::of(session, |address| find_address(addresses, places, address)) else { return };
        if let Some(place) = self.places.get_mut(index) {
            *place = Place::Idle(idle);
        }
        self.leave(room);
    }

    fn leave(&mut self, room: usize) {
        if let Some(room) = self.rooms.get_mut(room) {
            *room = None;
        }
        while self.rooms.last().is_some_and(Option::is_none) {
            self.rooms.truncate(self.rooms.len().saturating_sub(1));
        }
    }

    /// Room was seen: [`is_full`](Self::is_full), [`has_room`](Self::has_room).
    pub(super) fn push(&mut self, session: Service<P, WINDOW, RANGES, REQUESTS, EXCHANGES>) {
        let id = session.id();
        let Some(room) = self.room() else { return };
        if self.places.push(Place::Busy(id, room)).is_ok()
            && let Some(place) = self.rooms.get_mut(room)
        {
            *place = Some(session);
        }
    }

    pub(super) fn remove(&mut self, index: usize) {
        if index < self.places.len()
            && let Place::Busy(_, room) = self.places.remove(index)
        {
            self.leave(room);
        }
    }

    pub(super) fn exchange_failed(&mut self, exchange: Exchange) {
        for index in 0..self.places.len() {
            if let Some(session) = self.busy_at(index) {
                session.exchange_failed(exchange);
                self.settle(index);
            }
        }
    }

    /// What the application should know of a session.
    pub(super) fn told_at(&mut self, now: Instant, index: usize) -> Option<Told<P>> {
        match self.places.get_mut(index)? {
            Place::Idle(idle) => idle.told(now, &self.settings),
            Place::Busy(_, room) => {
                let told = self.rooms.get_mut(*room)?.as_mut()?.told(now);
                self.settle(index);
                told
            }
        }
    }

    /// What an application should know, of which session.
    pub(super) fn told(&mut self, now: Instant) -> Option<(ReliableSessionId, Told<P>)> {
        (0..self.places.len()).find_map(|index| {
            let id = self.places.get(index)?.id();
            self.told_at(now, index).map(|told| (id, told))
        })
    }

    /// What is to be sent now, if anything.
    pub(super) fn next(&mut self, now: Instant) -> Option<(ReliableSessionId, ServiceWant)> {
        for index in 0..self.places.len() {
            if let Place::Idle(idle) = self.places.get_mut(index)? {
                idle.tick(now, &self.settings);
                if !idle.wants_room() || self.wake(index).is_none() {
                    continue;
                }
            }
            let session = self.busy_at(index)?;
            let id = session.id();
            if let Some(want) = session.next(now) {
                return Some((id, want));
            }
        }
        None
    }
}

/// Where this address stands. One that no idle session has any more gives its place to a new one.
fn find_address<P>(addresses: &mut Vec<Address, ADDRESSES>, places: &[Place<P>], address: &[u8]) -> Option<u8> {
    let found = addresses.iter().position(|known| known == address);
    let index = match found {
        Some(index) => index,
        None => {
            let address = Address::from_slice(address).ok()?;
            match addresses.push(address) {
                Ok(()) => addresses.len().checked_sub(1)?,
                Err(address) => {
                    let used = |index: usize| {
                        places
                            .iter()
                            .any(|place| matches!(place, Place::Idle(idle) if usize::from(idle.address) == index))
                    };
                    let free = (0..ADDRESSES).find(|index| !used(*index))?;
                    *addresses.get_mut(free)? = address;
                    free
                }
            }
        }
    };
    u8::try_from(index).ok()
}
