//! The table of WCF's throttles, row by row, and what the recorded services did at their limits.
//!
//! When a room above asks for a permit, and gives it back, is not decided here: the tests play that room.

use soap_session_core::store::Fixed;
use soap_session_core::throttle::{
    Asked, FlowThrottle, MAX_STATEFUL_NEGOTIATIONS, NO_LIMIT, PermitKey, Released, ServiceThrottle, Throttle,
    ThrottleError, ThrottleEvent, ThrottleSettings,
};
use soap_session_core::time::Instant;
use soap_session_tests::heap_store::Heap;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A throttle with room for 20 more than its limit.
fn flow(throttle: Throttle, limit: u32) -> FlowThrottle<Heap> {
    FlowThrottle::new(throttle, limit, Heap(limit as usize + 20)).expect("the limit can be set")
}

fn limits(settings: &ThrottleSettings) -> [u32; 3] {
    settings.validate().expect("the limits can be set");
    Throttle::ALL.map(|throttle| settings.limit(throttle))
}

/// `holder` asks, and gets a permit at once.
#[track_caller]
fn granted(throttle: &mut FlowThrottle<Heap>, now: u64, holder: u64) -> PermitKey {
    match throttle.ask(at(now), holder) {
        Asked::Granted(key) => key,
        other => panic!("{holder}: {other:?}"),
    }
}

/// `holder` asks, and has to wait.
#[track_caller]
fn waits(throttle: &mut FlowThrottle<Heap>, now: u64, holder: u64) -> PermitKey {
    match throttle.ask(at(now), holder) {
        Asked::Waits { key, .. } => key,
        other => panic!("{holder}: {other:?}"),
    }
}

/// A permit is given back; to whom it goes.
fn next(throttle: &mut FlowThrottle<Heap>, now: u64, key: PermitKey) -> Option<u64> {
    throttle.release(at(now), key).granted().map(|granted| granted.holder)
}

// The limits.

#[test]
fn dotnet_3_allows_16_calls_10_sessions_and_26_instances() {
    assert_eq!(limits(&ThrottleSettings::wcf3()), [16, 10, 26]);
}

#[test]
fn dotnet_4_allows_16_calls_100_sessions_and_116_instances_a_processor() {
    assert_eq!(limits(&ThrottleSettings::wcf4(1)), [16, 100, 116]);
    assert_eq!(limits(&ThrottleSettings::wcf4(8)), [128, 800, 928]);
    assert_eq!(limits(&ThrottleSettings::wcf4(0)), [16, 100, 116]);
    assert_eq!(limits(&ThrottleSettings::wcf4(u32::MAX)), [NO_LIMIT; 3]);
}

#[test]
fn without_the_behavior_instances_have_no_limit() {
    assert_eq!(limits(&ThrottleSettings::wcf4_without_behavior(4)), [64, 400, 2_147_483_647]);
}

#[test]
fn instances_that_are_not_set_are_calls_and_sessions_together() {
    let mut settings = ThrottleSettings { max_concurrent_sessions: 500, ..ThrottleSettings::wcf4(2) };
    assert_eq!(limits(&settings), [32, 500, 532]);
    settings.max_concurrent_instances = Some(7);
    assert_eq!(limits(&settings), [32, 500, 7]);
    let most = ThrottleSettings {
        max_concurrent_calls: NO_LIMIT,
        max_concurrent_sessions: NO_LIMIT,
        max_concurrent_instances: None,
    };
    assert_eq!(limits(&most), [NO_LIMIT; 3]);
}

#[test]
fn the_endpoint_that_issues_tokens_allows_128() {
    assert_eq!(limits(&ThrottleSettings::negotiation(MAX_STATEFUL_NEGOTIATIONS)), [128, 128, NO_LIMIT]);
}

#[test]
fn a_limit_is_at_least_one() {
    let none = ThrottleSettings { max_concurrent_sessions: 0, ..ThrottleSettings::wcf3() };
    let error = none.validate().expect_err("0 is no limit");
    assert_eq!(error, ThrottleError::NotPositive { throttle: Throttle::Sessions });
    assert_eq!(
        error.to_string(),
        "MaxConcurrentSessions: Throttle limit must be greater than zero. To disable, set to Int32.MaxValue."
    );
    for throttle in Throttle::ALL {
        assert_eq!(FlowThrottle::new(throttle, 0, Heap(9)), Err(ThrottleError::NotPositive { throttle }));
        assert!(FlowThrottle::new(throttle, 1, Heap(1)).is_ok());
        let limit = NO_LIMIT + 1;
        assert_eq!(FlowThrottle::new(throttle, limit, Heap(9)), Err(ThrottleError::TooLarge { throttle, limit }));
    }
}

#[test]
fn a_limit_that_its_table_cannot_hold_is_refused() {
    let error = ServiceThrottle::new(&ThrottleSettings::wcf3(), |_| Fixed::<20>).expect_err("26 instances");
    assert_eq!(error, ThrottleError::Capacity { throttle: Throttle::Instances, limit: 26, capacity: 20 });
    assert!(ServiceThrottle::new(&ThrottleSettings::wcf3(), |_| Fixed::<26>).is_ok());
    // Without a limit, the table is the limit.
    let mut endless = FlowThrottle::new(Throttle::Instances, NO_LIMIT, Heap(2)).expect("any table will do");
    let _ = (granted(&mut endless, 0, 1), granted(&mut endless, 0, 2));
    let Asked::Full(pressure) = endless.ask(at(5), 3) else { panic!("there is no room") };
    assert!(pressure.to_string().ends_with("longest of all. Make the table of permits larger"), "{pressure}");
}

// How a throttle works.

#[test]
fn first_come_first_served() {
    let mut calls = flow(Throttle::Calls, 2);
    let (one, two) = (granted(&mut calls, 0, 1), granted(&mut calls, 0, 2));
    for holder in 3..=6 {
        let _ = waits(&mut calls, 0, holder);
    }
    let mut served = Vec::new();
    let mut back = vec![two, one];
    while let Some(key) = back.pop() {
        if let Released::Handed(granted) = calls.release(at(1), key) {
            served.push(granted.holder);
            back.insert(0, granted.key);
        }
    }
    assert_eq!(served, [3, 4, 5, 6]);
}

#[test]
fn a_permit_is_handed_on_and_never_free_in_between() {
    let mut calls = flow(Throttle::Calls, 1);
    let first = granted(&mut calls, 0, 1);
    let second = waits(&mut calls, 10, 2);
    assert_eq!(next(&mut calls, 20, first), Some(2));
    assert_eq!(calls.pressure(at(20)).used, 1);
    // Who comes now does not pass by, and how long it is held counts from now.
    let _ = waits(&mut calls, 25, 3);
    assert_eq!(calls.state(second).map(|state| (state.held, state.since)), Some((true, at(20))));
    let oldest = calls.pressure(at(25)).oldest.expect("one is held");
    assert_eq!((oldest.holder, oldest.held.as_millis()), (2, 5));
}

#[test]
fn a_permit_is_given_back_once() {
    let mut calls = flow(Throttle::Calls, 1);
    let first = granted(&mut calls, 0, 1);
    let second = waits(&mut calls, 0, 2);
    // Nobody releases what it does not hold yet.
    assert_eq!(calls.release(at(1), second), Released::Unknown);
    assert_eq!(next(&mut calls, 1, first), Some(2));
    let before = calls.clone();
    assert_eq!(calls.release(at(2), first), Released::Unknown);
    assert_eq!(calls.withdraw(at(2), first), Released::Unknown);
    assert_eq!(calls, before);
    assert_eq!(calls.pressure(at(2)).used, 1);
}

#[test]
fn the_limit_is_told_at_the_first_that_queues_and_again_after_seventy_percent() {
    let mut sessions = flow(Throttle::Sessions, 10);
    let mut held: Vec<_> = (1..=10).map(|holder| granted(&mut sessions, 0, holder)).collect();
    let told = |asked: Asked| asked.events().map(|event| matches!(event, ThrottleEvent::LimitReached(_))).collect();
    let first: Vec<bool> = told(sessions.ask(at(1), 11));
    let second: Vec<bool> = told(sessions.ask(at(1), 12));
    assert_eq!((first, second), (vec![true, false], vec![false]));

    // Two turns are handed on, then three are freed: seven in use is not below 70 %.
    for holder in [11, 12] {
        let granted = sessions.release(at(2), held.remove(0)).granted().expect("one waits");
        assert_eq!(granted.holder, holder);
        held.push(granted.key);
    }
    for _ in 0..3 {
        assert_eq!(sessions.release(at(3), held.remove(0)).event(), None);
    }
    // The limit is reached once more, without having been below: nothing is told but that one waits.
    held.extend((13..=15).map(|holder| granted(&mut sessions, 4, holder)));
    let Asked::Waits { key, limit_reached: false, .. } = sessions.ask(at(4), 16) else { panic!("told again") };
    assert_eq!(sessions.withdraw(at(4), key), Released::Left);
    for _ in 0..3 {
        assert_eq!(sessions.release(at(5), held.remove(0)).event(), None);
    }
    let Some(ThrottleEvent::AtSeventyPercent(pressure)) = sessions.release(at(6), held.remove(0)).event() else {
        panic!("six of ten")
    };
    assert_eq!((pressure.used, pressure.waiting), (6, 0));
    assert_eq!(sessions.release(at(6), held.remove(0)).event(), None);
    // From here it is told again.
    held.extend((17..=21).map(|holder| granted(&mut sessions, 7, holder)));
    assert!(matches!(sessions.ask(at(7), 22), Asked::Waits { limit_reached: true, .. }));
}

#[test]
fn seventy_percent_are_rounded_as_wcf_rounds() {
    // Math.Floor(0.7 * limit) in doubles, by another program; but 1 for a limit of 1.
    let table =
        [(1, 1), (2, 1), (3, 2), (7, 4), (10, 7), (16, 11), (26, 18), (90, 62), (100, 70), (116, 81), (170, 118)];
    for (limit, mark) in table {
        let mut throttle = flow(Throttle::Instances, limit);
        let held: Vec<_> = (0..limit).map(|holder| granted(&mut throttle, 0, holder.into())).collect();
        let key = waits(&mut throttle, 0, 0);
        let _ = throttle.withdraw(at(0), key);
        let told = held.into_iter().find_map(|key| throttle.release(at(0), key).event());
        assert_eq!(told.map(|event| event.pressure().used + 1), Some(mark), "{limit}");
    }
}

#[test]
fn whoever_waits_or_is_refused_is_told_why() {
    let mut sessions = FlowThrottle::new(Throttle::Sessions, 2, Heap(3)).expect("it fits");
    let _ = (granted(&mut sessions, 1000, 41), granted(&mut sessions, 2000, 42));
    let events: Vec<_> = sessions.ask(at(61_000), 43).events().map(|event| event.to_string()).collect();
    let how = "MaxConcurrentSessions is 2: 2 in use, 1 waiting, room for 0 more; number 41 has held its permit for 60000 \
               ms, the longest of all. Raise MaxConcurrentSessions, or have clients close the sessions that they no longer \
               use";
    assert_eq!(events, [format!("a limit is reached: {how}"), format!("one more waits: {how}")]);
    let before = sessions.clone();
    let events: Vec<_> = sessions.ask(at(61_000), 44).events().map(|event| event.to_string()).collect();
    assert_eq!(events, [format!("one was refused: {how}")]);
    assert_eq!(sessions, before);
}

#[test]
fn a_table_as_large_as_the_limit_refuses_at_once() {
    let mut sessions = FlowThrottle::new(Throttle::Sessions, 1, Fixed::<1>).expect("it fits");
    assert!(matches!(sessions.ask(at(0), 1), Asked::Granted(_)));
    assert!(matches!(sessions.ask(at(0), 2), Asked::Full(_)));
}

#[test]
fn who_waits_does_not_time_out_here() {
    let mut calls = flow(Throttle::Calls, 1);
    let first = granted(&mut calls, 0, 1);
    let _ = waits(&mut calls, 0, 2);
    assert_eq!(next(&mut calls, 30 * 86_400_000, first), Some(2));
}

// What is taken, and what is given back.

#[test]
fn a_sessions_first_message_holds_one_of_each() {
    let settings =
        ThrottleSettings { max_concurrent_calls: 1, max_concurrent_sessions: 1, max_concurrent_instances: Some(1) };
    let mut service = ServiceThrottle::new(&settings, |_| Heap(4)).expect("it fits");
    let order = [Throttle::Sessions, Throttle::Calls, Throttle::Instances];
    let held = order.map(|throttle| service.ask(at(0), throttle, 1).key().expect("it is free"));
    for (throttle, key) in order.into_iter().zip(held) {
        assert_eq!(key.throttle(), throttle);
        assert!(matches!(service.ask(at(0), throttle, 2), Asked::Waits { .. }), "{throttle}");
    }
    // The operation returns: the call goes on to the next, session and instance stay.
    let [session, call, instance] = held;
    assert_eq!(service.release(at(1), call).granted().map(|granted| granted.holder), Some(2));
    assert_eq!(service.state(call), None);
    for key in [session, instance] {
        assert_eq!(service.state(key).map(|state| (state.holder, state.held)), Some((1, true)));
        let pressure = service.pressure(at(1), key.throttle());
        assert_eq!((pressure.used, pressure.waiting), (1, 1));
    }
    // The session is closed, and its instance with it.
    for key in [session, instance] {
        assert_eq!(service.withdraw(at(2), key).granted().map(|granted| granted.holder), Some(2));
    }
}

#[test]
fn a_throttle_does_not_know_the_permits_of_another() {
    let (mut calls, mut sessions) = (flow(Throttle::Calls, 1), flow(Throttle::Sessions, 1));
    let (call, session) = (granted(&mut calls, 0, 1), granted(&mut sessions, 0, 1));
    assert_eq!(calls.release(at(0), session), Released::Unknown);
    assert_eq!(calls.withdraw(at(0), session), Released::Unknown);
    assert_eq!((calls.state(session), calls.state(call).is_some()), (None, true));
}

// What the recorded services did.

/// `throttle-calls-2`: five calls of two seconds come at once, and two may run.
#[test]
fn five_calls_of_two_seconds_run_two_and_two_and_one() {
    let mut calls = flow(Throttle::Calls, 2);
    let mut running: Vec<(u64, u64, PermitKey)> = Vec::new();
    let mut keys = Vec::new();
    for call in 1..=5 {
        let asked = calls.ask(at(0), call);
        let key = asked.key().expect("there is room");
        keys.push(key);
        if let Asked::Granted(key) = asked {
            running.push((2000, call, key));
        }
    }
    let mut begun = vec![(0, 1), (0, 2)];
    while !running.is_empty() {
        let (end, _, key) = running.remove(0);
        if let Released::Handed(granted) = calls.release(at(end), key) {
            begun.push((end, granted.holder));
            running.push((end + 2000, granted.holder, granted.key));
        }
    }
    assert_eq!(begun, [(0, 1), (0, 2), (2000, 3), (2000, 4), (4000, 5)]);
    assert_eq!(calls.pressure(at(6000)).used, 0);
}

/// `throttle-sessions-10-sc`: the eleventh gives up, which nobody tells the service. It has its turn all the same, and the
/// twelfth goes on waiting.
#[test]
fn a_client_that_gave_up_unheard_still_has_its_turn() {
    let mut sessions = flow(Throttle::Sessions, 10);
    let held: Vec<_> = (1..=10).map(|holder| granted(&mut sessions, 0, holder)).collect();
    let _ = waits(&mut sessions, 6752, 11);
    let twelfth = waits(&mut sessions, 11_938, 12);
    assert_eq!(next(&mut sessions, 14_112, held[0]), Some(11));
    assert_eq!(sessions.state(twelfth).map(|state| state.held), Some(false));
}

/// `throttle-sessions-10-rm10`: the eleventh gives up and says so, with SequenceTerminated. The twelfth has the turn.
#[test]
fn a_client_that_gave_up_aloud_leaves_its_turn_to_the_next() {
    let mut sessions = flow(Throttle::Sessions, 10);
    let held: Vec<_> = (1..=10).map(|holder| granted(&mut sessions, 0, holder)).collect();
    let eleventh = waits(&mut sessions, 4361, 11);
    assert_eq!(sessions.withdraw(at(8584), eleventh), Released::Left);
    let _ = waits(&mut sessions, 9583, 12);
    assert_eq!(next(&mut sessions, 11_621, held[0]), Some(12));
    assert_eq!(sessions.pressure(at(11_621)).waiting, 0);
}

/// `throttle-instances-2-rm10`: two instances, one a session; the third session's first call waits until one is released.
#[test]
fn the_third_instance_waits_until_one_is_released() {
    let mut instances = flow(Throttle::Instances, 2);
    let (first, _) = (granted(&mut instances, 0, 1), granted(&mut instances, 0, 2));
    let third = waits(&mut instances, 0, 3);
    assert_eq!(next(&mut instances, 4000, first), Some(3));
    assert_eq!(instances.state(third).map(|state| state.held), Some(true));
}
