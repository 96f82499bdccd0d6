//! What users of WCF tell of sessions and throttles, lived through by our two sides.

use soap_session_tests::host_replay::{Narrative, Scene};

const SECURE: &str = "sec=sc";
const RELIABLE: &str = "rm=10";

/// `clients` sessions, each opened by a first call, a millisecond after the other.
fn first_calls(clients: std::ops::RangeInclusive<u32>) -> Vec<(u64, String)> {
    clients
        .flat_map(|number| {
            let at = u64::from(number) * 20;
            [(at, format!("S{number} make")), (at, format!("S{number} Start 1"))]
        })
        .collect()
}

fn play(server: &str, client: &str, deeds: &[(u64, String)], until: u64, refusing: bool) -> Narrative {
    let deeds: Vec<(u64, &str)> = deeds.iter().map(|(at, text)| (*at, text.as_str())).collect();
    let scene = Scene::new(server, client, "ICalc", &deeds, until);
    if refusing { scene.refusing().play() } else { scene.play() }
}

fn eleven(binding: &str, then: &[(u64, &str)], until: u64, refusing: bool) -> Narrative {
    let mut deeds = first_calls(1..=11);
    deeds.extend(then.iter().map(|(at, text)| (*at, (*text).to_owned())));
    play(&format!("{binding},sessions=10"), binding, &deeds, until, refusing)
}

/// "My service hangs with the eleventh client": MaxConcurrentSessions was 10 in .NET 3.
#[test]
fn the_eleventh_client_waits_until_one_closes() {
    for binding in [SECURE, RELIABLE, "rm=11", "rm=10,sec=sc"] {
        let told = eleven(binding, &[(5_000, "S4 close")], 20_000, false);
        assert_eq!(told.clients["S11"], ["Start 1 -> ok"], "{binding}");
        let order = |line: &str| told.service.iter().position(|other| other == line).unwrap();
        assert_eq!(order("accepted 11") + 1, order("[11] Start(1)"), "{binding}");
        assert_eq!(told.channels[&4].last().unwrap(), "Closed", "{binding}");
    }
}

/// ... and the service says who it waits for.
#[test]
fn it_is_told_which_limit_who_waits_and_who_holds_the_oldest_permit() {
    let told = eleven(SECURE, &[(5_000, "S4 close")], 20_000, false);
    let [reached, waits] = &told.throttles[..] else { panic!("{:?}", told.throttles) };
    assert!(reached.starts_with("a limit is reached: MaxConcurrentSessions is 10: 10 in use, 1 waiting"), "{reached}");
    // The first session has held its permit the longest.
    assert!(waits.contains(" waits for channel 1 first: MaxConcurrentSessions is 10: 10 in use, 1 waiting"), "{waits}");
    for told in [reached, waits] {
        assert!(told.contains("has held its permit for") && told.contains("the longest of all"), "{told}");
        assert!(told.contains("have clients close the sessions that they no longer use"), "{told}");
    }
}

/// ... or until its own timeout; the session that nobody waits for any more then takes the place of the next.
#[test]
fn the_eleventh_client_waits_until_its_timeout() {
    let secure = eleven("sec=sc,send=4", &[(10_000, "S11 state")], 20_000, false);
    let [timed_out, state] = &secure.clients["S11"][..] else { panic!("{:?}", secure.clients["S11"]) };
    assert!(
        timed_out.starts_with("Start 1 -> THREW System.TimeoutException: The request channel timed out"),
        "{timed_out}"
    );
    assert_eq!(state, "state -> Opened");
    // Reliable messaging ends the session with it.
    let reliable = eleven("rm=10,send=4", &[(10_000, "S11 state")], 20_000, false);
    let [faulted, timed_out, state] = &reliable.clients["S11"][..] else { panic!("{:?}", reliable.clients["S11"]) };
    assert_eq!((faulted.as_str(), state.as_str()), ("channel Faulted", "state -> Faulted"));
    assert!(timed_out.starts_with("Start 1 -> THREW System.TimeoutException"), "{timed_out}");
}

/// ... or it is told at once, where the service is set so.
#[test]
fn the_eleventh_client_is_told_at_once() {
    for binding in [SECURE, "sec=sc,ver=13", RELIABLE, "rm=11", "rm=10,sec=sc"] {
        let told = eleven(binding, &[], 5_000, true);
        let [faulted, busy] = &told.clients["S11"][..] else { panic!("{binding}: {:?}", told.clients["S11"]) };
        assert_eq!(faulted, "channel Faulted", "{binding}");
        assert!(busy.starts_with("Start 1 -> THREW System.ServiceModel.ServerTooBusyException: "), "{binding}: {busy}");
        for number in 1..=10 {
            assert_eq!(told.clients[&format!("S{number}")], ["Start 1 -> ok"], "{binding}");
        }
        // Where one has closed there is room again.
        let told = eleven(binding, &[(1_000, "S4 close"), (2_000, "S12 make"), (2_000, "S12 Start 7")], 9_000, true);
        assert_eq!(told.clients["S12"], ["Start 7 -> ok"], "{binding}");
    }
}

/// "Why has my service so many sessions?" Each proxy opens one of its own.
#[test]
fn one_proxy_for_each_thread_makes_one_session_each() {
    for binding in [SECURE, RELIABLE] {
        let mut deeds = first_calls(1..=4);
        deeds.extend((1..=4).map(|number| (1_000 + number, format!("S{number} AddTo {number}"))));
        let told = play(binding, binding, &deeds, 5_000, false);
        assert_eq!(told.channels.len(), 4, "{binding}");
        assert_eq!(told.instances.len(), 4, "{binding}");
        for number in 1..=4 {
            assert_eq!(
                told.clients[&format!("S{number}")][1],
                format!("AddTo {number} -> {}", number + 1),
                "{binding}"
            );
        }
    }
}

const FAULTED: &str = "System.ServiceModel.CommunicationObjectFaultedException: The communication object, \
                       System.ServiceModel.Channels.ServiceChannel, cannot be used for communication because it is in the \
                       Faulted state.";

/// "It worked in the morning." The service gave the session up after ten minutes of silence (ReceiveTimeout).
#[test]
fn a_session_that_was_left_open_for_an_hour_is_gone_after_ten_minutes() {
    const HOUR: u64 = 3_600_000;
    let script = [(0, "A make"), (0, "A Start 1"), (HOUR, "A AddTo 1"), (HOUR + 1_000, "A close")];
    let deeds: Vec<(u64, String)> = script.iter().map(|(at, text)| (*at, (*text).to_owned())).collect();
    let secure = play(SECURE, SECURE, &deeds, 2 * HOUR, false);
    assert_eq!(secure.channels[&1], ["accepted with a session", "Closing", "Closed"]);
    let [ok, faulted, threw, closed, close] = &secure.clients["A"][..] else { panic!("{:?}", secure.clients["A"]) };
    assert_eq!(
        (ok.as_str(), faulted.as_str(), closed.as_str()),
        ("Start 1 -> ok", "channel Faulted", "channel Closed")
    );
    assert!(threw.starts_with("AddTo 1 -> THREW System.ServiceModel.Security.MessageSecurityException: "), "{threw}");
    assert_eq!(*close, format!("close -> THREW {FAULTED} state Closed"));
    // A reliable session asks in between, and knows before it is used.
    let reliable = play(RELIABLE, RELIABLE, &deeds, 2 * HOUR, false);
    let [ok, faulted, threw, closed, close] = &reliable.clients["A"][..] else { panic!("{:?}", reliable.clients["A"]) };
    assert_eq!(
        (ok.as_str(), faulted.as_str(), closed.as_str()),
        ("Start 1 -> ok", "channel Faulted", "channel Closed")
    );
    assert_eq!(*threw, format!("AddTo 1 -> THREW {FAULTED} state Faulted"));
    assert_eq!(*close, format!("close -> THREW {FAULTED} state Closed"));
}

/// "MaxConcurrentInstances is 2, and my singleton serves everybody": one instance has one permit.
#[test]
fn singletons_do_not_exhaust_instances() {
    let mut deeds = first_calls(1..=6);
    deeds.push((1_000, "S6 AddTo 5".to_owned()));
    let told = play("sec=sc,instances=1,inst=Single", SECURE, &deeds, 5_000, false);
    assert_eq!(told.instances.len(), 1);
    assert_eq!(told.clients["S6"], ["Start 1 -> ok", "AddTo 5 -> 6"]);
    // An instance for each session would.
    let told = play("sec=sc,instances=1,inst=PerSession", SECURE, &deeds, 5_000, false);
    assert_eq!(told.instances.len(), 1);
    assert!(!told.clients.contains_key("S2"), "{:?}", told.clients);
}

/// "After the application pool was recycled every call fails once."
#[test]
fn a_recycled_server_answers_bad_context_token() {
    let script = [
        (0, "A make"),
        (0, "A Start 1"),
        (1_000, "host recycle"),
        (2_000, "A AddTo 1"),
        (3_000, "A close"),
        (4_000, "B make"),
        (4_000, "B Start 1"),
    ];
    let deeds: Vec<(u64, String)> = script.iter().map(|(at, text)| (*at, (*text).to_owned())).collect();
    for binding in [SECURE, "rm=10,sec=sc"] {
        let told = play(binding, binding, &deeds, 10_000, false);
        let fault = told.wire.iter().find(|line| line.contains("BadContextToken")).expect("the fault");
        assert!(fault.starts_with("<- 500 fault BadContextToken: The message could not be processed."), "{fault}");
        assert!(told.clients["A"].contains(&"channel Faulted".to_owned()), "{binding}: {:?}", told.clients["A"]);
        assert_eq!(told.clients["B"], ["Start 1 -> ok"], "{binding}");
    }
    // Without security it is the sequence that is not known.
    let told = play(RELIABLE, RELIABLE, &deeds, 10_000, false);
    assert!(told.wire.iter().any(|line| line.contains("UnknownSequence")), "{:?}", told.wire);
    assert_eq!(told.clients["B"], ["Start 1 -> ok"]);
}

/// "What is it waiting for?" Each timer of a session has a name, a time, and says what it will do.
#[test]
fn every_timer_of_a_session_can_be_read() {
    // Each message is a millisecond under way, and a call's answer has none to wait for.
    let timers = |binding: &str, does: &str| {
        let script = [
            (0, "A make"),
            (0, "A Start 1"),
            (5_000, does),
            (9_000, "host timers"),
            (9_000, "B make"),
            (9_000, "B open"),
        ];
        let deeds: Vec<(u64, String)> = script.iter().map(|(at, text)| (*at, (*text).to_owned())).collect();
        let told = play(binding, binding, &deeds, 10_000, false);
        told.service.iter().filter(|line| line.starts_with("1: ")).cloned().collect::<Vec<_>>()
    };
    // RST and its answer, then the first message, which is taken when it arrives.
    // The sweep is for the tokens of others: it was set when this session's was issued.
    let sweep = "1: sweep of pending tokens: forgets tokens that were never used at 120001 ms";
    assert_eq!(timers(SECURE, "A AddTo 1"), ["1: ReceiveTimeout: aborts the session at 605001 ms", sweep]);
    assert_eq!(
        timers(RELIABLE, "A AddTo 1"),
        ["1: ReceiveTimeout: aborts the session at 605001 ms", "1: InactivityTimeout: faults the session at 605001 ms",]
    );
    // A client that does not close after a terminating operation: its contract does not say so.
    let script = [(0, "A make"), (0, "A Start 1"), (5_000, "A Finish 0"), (9_000, "host timers")];
    let told = Scene::new(SECURE, SECURE, "ICalc", &script, 100_000).unknowing().play();
    let timers: Vec<&String> = told.service.iter().filter(|line| line.starts_with("1: ")).collect();
    assert_eq!(
        timers,
        [
            "1: ReceiveTimeout: aborts the session at 605001 ms",
            "1: CloseTimeout after a terminating operation: aborts the session at 65001 ms",
            sweep,
        ]
    );
    assert_eq!(told.channels[&1].last().map(String::as_str), Some("Closed"), "{:?}", told.channels);
}

/// Which timeout ends a reliable session that nobody uses: the receive timeout counts the application's messages, whatever reliable
/// messaging says in between; the inactivity timeout counts everything that is heard. The smaller of the two governs.
#[test]
fn the_smaller_of_receive_timeout_and_inactivity_timeout_governs() {
    let ended = |server: &str, client: &str, until: u64| {
        let deeds = [(0, "A make".to_owned()), (0, "A Start 1".to_owned())];
        let told = play(server, client, &deeds, until, false);
        let asked = told.wire.iter().filter(|line| line.contains("AckRequested")).count();
        (told.channels[&1].clone(), asked)
    };
    // The client asks every three seconds; that does not count as use.
    let (server, client) = ("rm=10,recv=5,inact=6", "rm=10,inact=6");
    assert_eq!(ended(server, client, 4_900), (vec!["accepted with a session".to_owned()], 1));
    assert_eq!(ended(server, client, 5_100).0, ["accepted with a session", "Closing", "Closed"]);
    // A client that is silent for longer than the service's inactivity timeout.
    let (server, client) = ("rm=10,inact=5", "rm=10,inact=600");
    assert_eq!(ended(server, client, 4_900), (vec!["accepted with a session".to_owned()], 0));
    assert_eq!(ended(server, client, 5_100).0, ["accepted with a session", "Faulted", "Closing", "Closed"]);
}
