//! What users tell of services, and what was recorded of them at their limits.

use super::*;
use soap_session_core::service::{ConcurrencyMode, HostRefused, InstanceContextMode};

/// The limits of .NET 3.5: 16 calls, 10 sessions, 26 instances.
fn dotnet_3(settings: HostSettings) -> World {
    World::new(settings, [16, 10, 26])
}

#[test]
fn the_eleventh_client_waits_until_one_closes() {
    let mut world = dotnet_3(HostSettings::default());
    let clients: Vec<_> = (1..=10).map(|owner| world.session(owner)).collect();
    for (client, message) in clients.iter().zip(1..) {
        let call = world.run(*client, message, ANY);
        world.done(&call);
    }
    world.pass(5);
    let eleventh = world.accept(0, 11);
    let (actions, _) = world.drain();
    let Some(HostAction::Waits(who, pressure)) = actions.last() else { panic!("{actions:?}") };
    // Not a mystery: which limit, how many, who holds the oldest permit.
    assert_eq!(*who, eleventh);
    let text = pressure.to_string();
    assert!(text.starts_with("MaxConcurrentSessions is 10: 10 in use, 1 waiting"), "{text}");
    assert!(text.contains("for 5000 ms"), "{text}");
    assert_eq!(pressure.oldest.and_then(|oldest| ChannelId::of_holder(oldest.holder)), Some(clients[0]));
    // One closes.
    world.closed(clients[3]);
    assert!(world.host.is_open(eleventh));
    let _ = world.run(eleventh, 11, ANY);
}

#[test]
fn or_the_eleventh_client_is_told_at_once() {
    let mut world = dotnet_3(HostSettings { refuse_when_busy: true, ..HostSettings::default() });
    let clients: Vec<_> = (1..=10).map(|owner| world.session(owner)).collect();
    assert!(world.host.session_would_wait(world.now));
    let before = world.host.clone();
    let refused = world.host.accept(world.now, Listener(0), 11, true, true);
    let Err(HostRefused::Busy(pressure)) = refused else { panic!("{refused:?}") };
    assert_eq!((pressure.throttle, pressure.limit, pressure.used, pressure.waiting), (Throttle::Sessions, 10, 10, 0));
    assert_eq!(world.host, before);
    world.closed(clients[0]);
    let _ = world.session(11);
}

#[test]
fn one_proxy_for_each_thread_makes_one_session_each() {
    let mut world = dotnet_3(HostSettings::default());
    let calls: Vec<_> = (1..=10)
        .map(|owner| {
            let proxy = world.session(owner);
            world.run(proxy, 1, ANY)
        })
        .collect();
    // They run beside each other, each in an instance of its own.
    assert_eq!((world.used(), world.host.calls()), ([10, 10, 10], 10));
    assert!(calls.iter().all(|call| call.new_instance));
    assert!(calls.iter().all(|call| calls.iter().filter(|other| other.instance == call.instance).count() == 1));
}

#[test]
fn singletons_do_not_exhaust_instances() {
    let settings = HostSettings {
        instances: InstanceContextMode::Single,
        concurrency: ConcurrencyMode::Multiple,
        ..HostSettings::default()
    };
    let mut world = World::new(settings, [16, 10, 1]);
    for owner in 1..=10 {
        let client = world.session(owner);
        let call = world.run(client, 1, ANY);
        assert_eq!(call.new_instance, owner == 1);
    }
    assert_eq!((world.used(), world.waiting()), ([10, 10, 1], [0; 3]));
}

#[test]
fn per_call_frees_an_instance_with_each_call() {
    let settings = HostSettings { instances: InstanceContextMode::PerCall, ..HostSettings::default() };
    let mut world = World::new(settings, [16, 10, 2]);
    let clients: Vec<_> = (1..=10).map(|owner| world.session(owner)).collect();
    for client in clients.iter().cycle().take(100) {
        let call = world.run(*client, 1, ANY);
        assert_eq!(world.done(&call), Some(call.instance));
    }
    assert_eq!((world.used(), world.waiting()), ([0, 10, 0], [0; 3]));
    // Not so with the default: a session that says nothing keeps its instance.
    let mut world = World::new(HostSettings::default(), [16, 10, 2]);
    let clients: Vec<_> = (1..=3).map(|owner| world.session(owner)).collect();
    for client in &clients[..2] {
        let call = world.run(*client, 1, ANY);
        world.done(&call);
    }
    world.take(clients[2], 1, ANY);
    assert_eq!((world.messages(), world.waiting()), (vec![], [0, 0, 1]));
}

#[test]
fn five_calls_at_a_limit_of_two_run_two_by_two() {
    // As recorded in throttle-calls-2: five calls of two seconds, the last of which begins after four.
    let mut world = World::new(HostSettings::default(), [2, PLENTY, PLENTY]);
    let channel = world.datagrams();
    let mut begun = Vec::new();
    let mut running = Calls::new();
    let mut rest = 1..=5;
    let mut next = rest.next();
    for second in [0, 2, 4, 6] {
        for call in std::mem::take(&mut running) {
            world.done(&call);
        }
        // One pump: a message that waits stands before those behind it.
        loop {
            running.extend(world.calls());
            let Some(message) = next.filter(|_| world.host.may_take(channel)) else { break };
            world.take(channel, message, ANY);
            next = rest.next();
        }
        begun.extend(running.iter().map(|call| (call.message, second)));
        world.pass(2);
    }
    assert_eq!(begun, [(1, 0), (2, 0), (3, 2), (4, 2), (5, 4)]);
}

#[test]
fn the_third_session_waits_for_one_of_two_instances() {
    // As recorded in throttle-instances-2: C waits for A to close, and D behind it.
    let mut world = World::new(HostSettings::default(), [16, 100.min(PLENTY), 2]);
    let [a, b, c, d] = [1, 2, 3, 4].map(|owner| world.session(owner));
    for client in [a, b] {
        let call = world.run(client, 1, ANY);
        world.done(&call);
    }
    world.take(c, 3, ANY);
    world.take(d, 4, ANY);
    assert!(world.messages().is_empty());
    world.closed(a);
    let calls = world.calls();
    assert_eq!(calls.iter().map(|call| call.channel).collect::<Vec<_>>(), [c]);
    world.done(&calls[0]);
    world.closed(c);
    assert_eq!(world.messages(), [4]);
}

#[test]
fn a_session_left_open_for_an_hour_is_aborted_after_ten_minutes() {
    let mut world = dotnet_3(HostSettings::default());
    let client = world.session(1);
    let call = world.run(client, 1, ANY);
    world.done(&call);
    world.pass(3600);
    let (actions, _) = world.drain();
    assert!(matches!(&actions[..], [HostAction::Abort(who, _)] if *who == client), "{actions:?}");
    // Its permit and its instance are free again.
    world.closed(client);
    assert_eq!(world.used(), [0; 3]);
}
