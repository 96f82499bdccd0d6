//! A server with a lock for each shard: what the module's example says, with threads.

use super::{Books, door, router};
use soap_session_core::chance::Chance;
use soap_session_core::door::{Census, DoorSettings, Entry, Opens, Outcome, Route, Router};
use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Binding, Exchange, Incoming, Initiator, InitiatorAction,
    InitiatorSettings, Received, Refusal,
};
use soap_session_core::soap::fault::KnownFault;
use soap_session_core::time::Instant;
use soap_session_tests::pair::{MIDNIGHT, Note, Paper};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

const SHARDS: u32 = 8;
const SEATS: usize = 8;

type Machine = Acceptor<Note, Chance, SEATS, 8, 64>;
type Client = Initiator<Note, Chance, 4, 64>;

struct Server {
    router: Router,
    door: Mutex<Books>,
    shards: Vec<Mutex<(Box<Machine>, Census)>>,
    exchanges: AtomicU32,
    most: AtomicU32,
}

impl Server {
    fn new(settings: DoorSettings) -> Self {
        let router = router(SHARDS);
        let shard = |shard: u16| {
            let chance = Chance::new(&[shard as u8; 32]);
            let mut machine = Box::new(Machine::new(Binding::default(), AcceptorSettings::default(), MIDNIGHT, chance));
            machine.set_shard(router.mark(shard).expect("a shard"));
            Mutex::new((machine, Census::default()))
        };
        let shards = (0..SHARDS as u16).map(shard).collect();
        let door = Mutex::new(door(SHARDS, settings));
        Self { door, shards, router, exchanges: AtomicU32::new(1), most: AtomicU32::new(0) }
    }

    /// Hears a request and answers it; echoes, and confirms cancellations.
    fn serves(&self, now: Instant, message: &mut [u8]) -> (u16, Incoming, Vec<u8>) {
        let entry = match self.router.route(message) {
            Route::Shard { shard, opens: None } => Entry::at(shard),
            route => {
                let mut door = self.door.lock().expect("nobody panics");
                let entry = door.admit(route, None);
                self.most.fetch_max(door.pending(Opens::Token), Ordering::Relaxed);
                entry
            }
        };
        let exchange = Exchange(self.exchanges.fetch_add(1, Ordering::Relaxed));
        let mut guard = self.shards[usize::from(entry.shard)].lock().expect("nobody panics");
        let (machine, told) = &mut *guard;
        machine.set_full(entry.full);
        let incoming = machine.receive(now, exchange, &Paper::default(), message).expect("room for an exchange");
        match &incoming {
            Incoming::Request { .. } => {
                machine.reply(exchange, Note::request("urn:r", "<r/>")).expect("the request waits");
            }
            Incoming::Cancelled(session) => machine.close(*session).expect("the session is there"),
            _ => {}
        }
        let mut out = vec![0; 32_768];
        let AcceptorAction::Answer { message, .. } = machine.poll(now, &mut out).expect("an answer") else {
            panic!("every exchange is answered")
        };
        let answer = message.to_vec();
        let census = Census::from(&**machine);
        if let Some(reservation) = entry.reservation {
            let opened = matches!(incoming, Incoming::Issued(_));
            let outcome = if opened { Outcome::Opened } else { Outcome::Refused };
            self.door.lock().expect("nobody panics").settle(reservation, outcome, census);
        } else if census != *told {
            self.door.lock().expect("nobody panics").tell(entry.shard, census);
        }
        *told = census;
        (entry.shard, incoming, answer)
    }

    fn sweep(&self, now: Instant) {
        for (shard, locked) in (0..).zip(&self.shards) {
            let mut guard = locked.lock().expect("nobody panics");
            let (machine, told) = &mut *guard;
            while let Ok(AcceptorAction::Swept(_)) = machine.poll(now, &mut []) {}
            *told = Census::from(&**machine);
            self.door.lock().expect("nobody panics").tell(shard, *told);
        }
    }
}

fn client(seed: u16) -> Client {
    let [a, b] = seed.to_be_bytes();
    let mut material = [b; 32];
    material[0] = a;
    let (binding, chance) = (Binding::default(), Chance::new(&material));
    Client::new(binding, InitiatorSettings::default(), "http://localhost/calc", None, MIDNIGHT, chance)
        .expect("a client")
}

fn turn(server: &Server, client: &mut Client, now: Instant) -> (u16, Incoming, Received) {
    let (paper, mut out) = (Paper::default(), vec![0; 32_768]);
    let Ok(InitiatorAction::Transmit { exchange, message, .. }) = client.poll(now, &paper, &mut out) else {
        panic!("a message")
    };
    let (shard, incoming, mut answer) = server.serves(now, &mut message.to_vec());
    let received = client.receive(now, exchange, &paper, &mut answer).expect("an answer in order");
    (shard, incoming, received)
}

#[test]
fn limits_hold_while_shards_verify_at_the_same_time() {
    let server = Server::new(DoorSettings {
        max_pending_sessions: 10,
        seats_per_shard: SEATS as u16,
        ..DoorSettings::default()
    });
    let now = Instant::from_millis(1000);
    let opened = Mutex::new(Vec::new());
    let work = |thread: u16| {
        for n in 0..20 {
            let mut client = client(thread * 100 + n);
            client.open().expect("not opened yet");
            let (shard, incoming, received) = turn(&server, &mut client, now);
            match incoming {
                Incoming::Issued(_) => {
                    assert_eq!(received, Received::Established);
                    opened.lock().expect("nobody panics").push((shard, client));
                }
                Incoming::Refused(refusal) => {
                    assert_eq!(refusal, Refusal::TooManySessions { limit: 10 });
                    let Received::Failed(soap_session_core::secure::Failure::Fault(fault)) = received else {
                        panic!("{received:?}")
                    };
                    assert_eq!((fault.known, fault.secured), (Some(KnownFault::ServerTooBusy), true));
                }
                other => panic!("{other:?}"),
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || work(thread));
        }
    });
    let mut opened = opened.into_inner().expect("nobody panics");
    assert_eq!(opened.len(), 10);
    assert_eq!(server.most.load(Ordering::Relaxed), 10, "never more, and no fewer");
    assert!(opened.iter().any(|(shard, _)| *shard != opened[0].0), "not all in one shard");
    // What is used is pending no more, wherever it is: ten more may come.
    for (shard, client) in &mut opened {
        client.call(Note::request("urn:calc/Add", "<n/>")).expect("an open session");
        let (came_to, incoming, received) = turn(&server, client, now);
        assert!(matches!(incoming, Incoming::Request { .. }) && matches!(received, Received::Reply(_)));
        assert_eq!(came_to, *shard);
    }
    let door = |read: fn(&Books) -> (u32, u64)| read(&server.door.lock().expect("nobody panics"));
    assert_eq!(door(|door| (door.pending(Opens::Token), door.taken())), (0, 10));
    for n in 0..10 {
        let mut client = client(1000 + n);
        client.open().expect("not opened yet");
        assert!(matches!(turn(&server, &mut client, now).1, Incoming::Issued(_)));
    }
    assert_eq!(door(|door| (door.pending(Opens::Token), door.taken())), (10, 20));
    // The unused ones are swept, the used ones cancelled: nothing is left.
    for minutes in [2, 4, 6] {
        server.sweep(now.after(std::time::Duration::from_secs(60 * minutes)));
    }
    assert_eq!(door(|door| (door.pending(Opens::Token), door.taken())), (0, 10));
    for (_, client) in &mut opened {
        client.close().expect("an open session");
        assert!(matches!(turn(&server, client, now).1, Incoming::Cancelled(_)));
    }
    assert_eq!(door(|door| (door.reserved(Opens::Token), door.taken())), (0, 0));
}

#[test]
fn a_replayed_request_comes_to_the_shard_that_remembers_it() {
    let server = Server::new(DoorSettings { seats_per_shard: SEATS as u16, ..DoorSettings::default() });
    let (now, paper, mut out) = (Instant::from_millis(1000), Paper::default(), vec![0; 32_768]);
    for seed in 0..30 {
        let mut client = client(seed);
        client.open().expect("not opened yet");
        let Ok(InitiatorAction::Transmit { message, .. }) = client.poll(now, &paper, &mut out) else {
            panic!("a message")
        };
        let (first, incoming, _) = server.serves(now, &mut message.to_vec());
        assert!(matches!(incoming, Incoming::Issued(_)));
        let (second, incoming, _) = server.serves(now, &mut message.to_vec());
        assert_eq!((second, incoming), (first, Incoming::Refused(Refusal::Replay)));
    }
}

#[test]
fn a_sequence_without_room_is_refused_on_the_wire() {
    use soap_session_core::reliable::{ReliableSettings, SessionPhase, Shape};
    use soap_session_tests::session_pair::SessionPair;
    for binding in [None, Some(Binding::default())] {
        let mut pair = SessionPair::new(Shape::RequestReply, &ReliableSettings::default(), binding.as_ref(), 1);
        if binding.is_some() {
            // The token is granted, the sequence is not: the flag is set between the two.
            let mut messages = 0;
            pair.fate = Box::new(move |client, _| {
                messages += usize::from(client);
                if client && messages == 2 {
                    soap_session_tests::session_pair::Fate::Late(100)
                } else {
                    soap_session_tests::session_pair::Fate::Arrives
                }
            });
            pair.open();
            assert_eq!(pair.service.conversations(), 1);
        } else {
            pair.service.set_full(Some(4));
            pair.open();
        }
        pair.service.set_full(Some(4));
        assert!(pair.run_until(10, |pair| pair.client.phase() == SessionPhase::Faulted), "{}", pair.story());
        let refused = format!("{:?}", pair.client.error());
        assert!(refused.contains("ConnectionLimitReached"), "{refused}");
        assert_eq!(pair.service.sessions(), 0);
    }
}
