//! A million opens: the door's memory is what it was before the first one. Every allocation of the thread is counted.

use allocation_counter::{AllocationInfo, measure, opt_out};
use soap_session_core::chance::{Chance, ShardKey};
use soap_session_core::door::{Census, Door, DoorSettings, Entry, NameSlot, Opens, Outcome, Route, Router, ShardBooks};
use soap_session_core::secure::{
    Acceptor, AcceptorAction, AcceptorSettings, Binding, Exchange, Incoming, Initiator, InitiatorAction,
    InitiatorSettings,
};
use soap_session_core::time::Instant;
use soap_session_core::xml::Limits;
use soap_session_tests::pair::{MIDNIGHT, Note, Paper};
use std::time::Duration;

const SHARDS: u16 = 16;

fn router() -> Router {
    Router::new(ShardKey::new([0x2B; 32]), u32::from(SHARDS), Limits::default())
}

/// Digits of `number` over the end of `text`.
fn write_number(text: &mut [u8], mut number: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[test]
fn books_and_names_have_their_size_and_no_other() {
    assert_eq!((size_of::<ShardBooks>(), size_of::<NameSlot>()), (22, 16));
    type Lent<'l> = Door<&'l mut [ShardBooks], &'l mut [NameSlot]>;
    // On a machine of 64 bits; the key, the settings, the sums, and where the lent tables are.
    assert!(size_of::<Lent<'static>>() <= 152);
    // With everything inside, it is that and the tables: nothing points anywhere else.
    type Whole = Door<[ShardBooks; 16], [NameSlot; 64]>;
    assert!(
        size_of::<Whole>() <= size_of::<Lent<'static>>() + size_of::<[ShardBooks; 16]>() + size_of::<[NameSlot; 64]>()
    );
}

#[test]
fn a_million_opens_cost_no_byte() {
    let router = router();
    let books = [ShardBooks::default(); SHARDS as usize];
    let mut door = Door::new(router.clone(), DoorSettings::default(), books, [NameSlot::default(); 64]).expect("fits");
    let mut message = b"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' \
        xmlns:a='http://www.w3.org/2005/08/addressing'><s:Header>\
        <a:Action>http://schemas.xmlsoap.org/ws/2005/02/trust/RST/SCT</a:Action>\
        <a:MessageID>urn:flood:0000000</a:MessageID></s:Header><s:Body/></s:Envelope>"
        .to_vec();
    let number = message.windows(7).position(|seven| seven == b"0000000").expect("a number");
    let [mut placed, mut refused, mut opened] = [0; 3];
    let size = size_of_val(&door);
    let info = measure(|| {
        for n in 0..1_000_000 {
            write_number(&mut message[number..number + 7], n);
            let Route::New(opening) = router.route(&message) else { panic!("it opens") };
            match door.place(&opening) {
                Ok(reservation) => {
                    placed += 1;
                    let shard = reservation.shard();
                    let mut census = door.shard(shard).expect("a shard").census();
                    // Every other one does not verify.
                    if n % 2 == 0 {
                        census.tokens += 1;
                        census.pending_tokens += 1;
                        opened += 1;
                        door.settle(reservation, Outcome::Opened, census);
                    } else {
                        door.settle(reservation, Outcome::Refused, census);
                    }
                }
                Err(_) => refused += 1,
            }
            assert!(door.pending(Opens::Token) <= 128);
            if n % 10_000 == 9999 {
                (0..SHARDS).for_each(|shard| door.tell(shard, Census::default()));
            }
        }
    });
    assert_eq!(info, AllocationInfo::default(), "not one allocation");
    assert_eq!(size_of_val(&door), size);
    assert_eq!(placed + refused, 1_000_000);
    assert_eq!(opened, 100 * 128, "as many as may be pending, after every sweep");
    assert_eq!((door.pending(Opens::Token), door.taken(), door.names()), (0, 0, 64));
}

type Machine = Acceptor<Note, Chance, 16, 4, 1024>;

#[test]
fn thousands_of_real_requests_through_real_shards_cost_no_byte() {
    let router = router();
    let books = [ShardBooks::default(); SHARDS as usize];
    let mut door = Door::new(router.clone(), DoorSettings::default(), books, [NameSlot::default(); 64]).expect("fits");
    let mut shards: Vec<Box<Machine>> = Vec::new();
    for shard in 0..SHARDS {
        let chance = Chance::new(&[shard as u8; 32]);
        let mut machine = Box::new(Machine::new(Binding::default(), AcceptorSettings::default(), MIDNIGHT, chance));
        machine.set_shard(router.mark(shard).expect("a shard"));
        shards.push(machine);
    }
    let (paper, mut out, mut now) = (Paper::default(), vec![0; 32_768], Instant::from_millis(0));
    let [mut opened, mut refused, mut swept] = [0; 3];
    let info = measure(|| {
        for n in 0..3000_u32 {
            // The client and its request are somebody else's memory.
            let mut message = opt_out_with(|| request(now, n));
            let Entry { shard, full, reservation, .. } = door.admit(router.route(&message), None);
            let machine = &mut shards[usize::from(shard)];
            machine.set_full(full);
            let incoming = machine.receive(now, Exchange(n), &paper, &mut message).expect("room for an exchange");
            let issued = matches!(incoming, Incoming::Issued(_));
            assert!(
                issued == reservation.is_some(),
                "room was kept for what opens, and for nothing else: {incoming:?}"
            );
            while let AcceptorAction::Answer { status, .. } = machine.poll(now, &mut out).expect("an answer") {
                assert_eq!(status, if issued { 200 } else { 500 });
            }
            match reservation {
                Some(reservation) => {
                    door.settle(reservation, Outcome::Opened, Census::from(&**machine));
                    opened += 1;
                }
                None => refused += 1,
            }
            assert!(door.pending(Opens::Token) <= 128);
            now = now.after(Duration::from_millis(200));
            for (shard, machine) in (0..SHARDS).zip(&mut shards) {
                while let Ok(AcceptorAction::Swept(_)) = machine.poll(now, &mut out) {
                    swept += 1;
                }
                door.tell(shard, Census::from(&**machine));
            }
            opt_out(move || drop(message));
        }
    });
    println!("{opened} opened, {refused} refused, {swept} swept; {info:?}");
    assert_eq!(info, AllocationInfo::default(), "not one allocation");
    assert!(opened > 256 && refused > 1000 && swept > 128);
    let pending: usize = shards.iter().map(|machine| machine.pending_sessions()).sum();
    assert_eq!((door.pending(Opens::Token), door.taken()), (pending as u32, pending as u64));
}

fn opt_out_with<T>(work: impl FnOnce() -> T) -> T {
    let mut made = None;
    opt_out(|| made = Some(work()));
    made.expect("it ran")
}

fn request(now: Instant, seed: u32) -> Vec<u8> {
    type Client = Initiator<Note, Chance, 4, 64>;
    let mut material = [0; 32];
    material[..4].copy_from_slice(&seed.to_be_bytes());
    let (binding, settings, chance) = (Binding::default(), InitiatorSettings::default(), Chance::new(&material));
    let mut client = Client::new(binding, settings, "http://localhost/calc", None, MIDNIGHT, chance).expect("a client");
    client.open().expect("not opened yet");
    let mut out = vec![0; 32_768];
    let Ok(InitiatorAction::Transmit { message, .. }) = client.poll(now, &Paper::default(), &mut out) else {
        panic!("a request")
    };
    message.to_vec()
}
