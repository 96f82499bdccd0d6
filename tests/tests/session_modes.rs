//! What contracts ask of sessions and what bindings can give, row by row, and what the recorded hosts said to it.

use soap_session_core::service::ChannelKind::{Duplex, OneWay, RequestReply};
use soap_session_core::service::SessionMode::{Allowed, NotAllowed, Required};
use soap_session_core::service::{
    BindingShapes, ChannelKind, ChannelShape, ChosenChannel, Contract, ContractError, Operation, Requirement,
    SessionMode, Shapes,
};
use soap_session_tests::vectors_root;
use std::fs;

const ASK: Operation<'static> = Operation::new("Ask", "urn:t/Ask");
const TELL: Operation<'static> = Operation::new("Tell", "urn:t/Tell").one_way();

const TWO_WAY: &[Operation<'static>] = &[ASK];
const ONE_WAY: &[Operation<'static>] = &[TELL];
const MIXED: &[Operation<'static>] = &[ASK, TELL];

const fn contract(session_mode: SessionMode, operations: &'static [Operation<'static>]) -> Contract<'static> {
    Contract { name: "IThing", session_mode, callbacks: false, operations }
}

const fn with_callbacks(session_mode: SessionMode, operations: &'static [Operation<'static>]) -> Contract<'static> {
    Contract { callbacks: true, ..contract(session_mode, operations) }
}

fn datagram(kinds: &[ChannelKind]) -> Vec<ChannelShape> {
    kinds.iter().copied().map(ChannelShape::datagram).collect()
}

fn session(kinds: &[ChannelKind]) -> Vec<ChannelShape> {
    kinds.iter().copied().map(ChannelShape::session).collect()
}

/// Of each kind the one without a session first.
fn both(kinds: &[ChannelKind]) -> Vec<ChannelShape> {
    kinds.iter().flat_map(|kind| [ChannelShape::datagram(*kind), ChannelShape::session(*kind)]).collect()
}

fn shapes(contract: &Contract<'_>) -> Vec<ChannelShape> {
    contract.shapes().iter().collect()
}

/// A binding that builds one shape.
const fn builds(name: &'static str, shape: ChannelShape) -> BindingShapes<'static> {
    BindingShapes { name, shapes: Shapes::of(&[shape]) }
}

// The channels that a contract can use.

#[test]
fn with_callbacks_it_takes_a_duplex_channel_with_or_without_a_session() {
    for operations in [TWO_WAY, ONE_WAY, MIXED] {
        assert_eq!(shapes(&with_callbacks(Allowed, operations)), both(&[Duplex]));
    }
}

#[test]
fn with_callbacks_and_a_required_session_it_takes_a_duplex_session() {
    for operations in [TWO_WAY, ONE_WAY, MIXED] {
        assert_eq!(shapes(&with_callbacks(Required, operations)), session(&[Duplex]));
    }
}

#[test]
fn with_callbacks_and_no_session_it_takes_a_duplex_channel() {
    for operations in [TWO_WAY, ONE_WAY, MIXED] {
        assert_eq!(shapes(&with_callbacks(NotAllowed, operations)), datagram(&[Duplex]));
    }
}

#[test]
fn one_way_operations_take_any_channel() {
    assert_eq!(shapes(&contract(Allowed, ONE_WAY)), both(&[OneWay, RequestReply, Duplex]));
}

#[test]
fn one_way_operations_with_a_required_session_take_any_with_one() {
    assert_eq!(shapes(&contract(Required, ONE_WAY)), session(&[OneWay, RequestReply, Duplex]));
}

#[test]
fn one_way_operations_without_a_session_take_any_without() {
    assert_eq!(shapes(&contract(NotAllowed, ONE_WAY)), datagram(&[OneWay, RequestReply, Duplex]));
}

#[test]
fn two_way_and_mixed_operations_take_requests_or_duplex() {
    for operations in [TWO_WAY, MIXED] {
        assert_eq!(shapes(&contract(Allowed, operations)), both(&[RequestReply, Duplex]));
    }
}

#[test]
fn two_way_and_mixed_operations_with_a_required_session_take_those_with_one() {
    for operations in [TWO_WAY, MIXED] {
        assert_eq!(shapes(&contract(Required, operations)), session(&[RequestReply, Duplex]));
    }
}

#[test]
fn two_way_and_mixed_operations_without_a_session_take_those_without() {
    for operations in [TWO_WAY, MIXED] {
        assert_eq!(shapes(&contract(NotAllowed, operations)), datagram(&[RequestReply, Duplex]));
    }
}

// What bindings make of it.

/// The bindings that WCF has, and whether they are sessionful.
const BINDINGS: [(BindingShapes<'static>, bool); 10] = [
    (BindingShapes::duplex_session("NetTcpBinding"), true),
    (BindingShapes::duplex_session("NetNamedPipeBinding"), true),
    (BindingShapes::duplex_session("WSDualHttpBinding"), true),
    // With establishSecurityContext, or with reliableSession, or with neither.
    (BindingShapes::secure_session("WSHttpBinding"), true),
    (BindingShapes::reliable_session("WSHttpBinding"), true),
    (BindingShapes::datagram("WSHttpBinding"), false),
    (BindingShapes::secure_session("WSFederationHttpBinding"), true),
    (BindingShapes::reliable_session("WS2007HttpBinding"), true),
    (BindingShapes::datagram("WS2007HttpBinding"), false),
    (BindingShapes::datagram("BasicHttpBinding"), false),
];

#[test]
fn a_required_session_opens_on_the_sessionful_bindings_alone() {
    for (binding, sessionful) in BINDINGS {
        let chosen = contract(Required, TWO_WAY).over(&binding);
        let error = ContractError::Requires { requirement: Requirement::Session, binding: binding.name };
        match chosen {
            Ok(ChosenChannel { shape, datagram }) => assert!(sessionful && shape.session && !datagram, "{binding:?}"),
            Err(other) => assert_eq!((sessionful, other), (false, error)),
        }
    }
}

#[test]
fn an_allowed_session_opens_on_every_binding() {
    for (binding, sessionful) in BINDINGS {
        for operations in [TWO_WAY, ONE_WAY, MIXED] {
            let ChosenChannel { shape, datagram } = contract(Allowed, operations).over(&binding).expect("it opens");
            assert_eq!((shape.session, datagram), (sessionful, !sessionful), "{binding:?}");
        }
    }
}

#[test]
fn without_a_session_a_contract_sees_sessions_over_http_as_datagrams() {
    for operations in [TWO_WAY, ONE_WAY, MIXED] {
        for binding in
            [BindingShapes::secure_session("CustomBinding"), BindingShapes::reliable_session("CustomBinding")]
        {
            let chosen = contract(NotAllowed, operations).over(&binding).expect("WCF adapts it");
            assert!(chosen.shape.session && chosen.datagram, "{chosen:?}");
        }
        let plain = contract(NotAllowed, operations).over(&BindingShapes::datagram("BasicHttpBinding"));
        assert_eq!(plain, Ok(ChosenChannel { shape: ChannelShape::datagram(RequestReply), datagram: true }));
    }
}

#[test]
fn without_a_session_a_contract_does_not_open_on_duplex_sessions() {
    for name in ["NetTcpBinding", "NetNamedPipeBinding", "WSDualHttpBinding"] {
        for contract in
            [contract(NotAllowed, MIXED), contract(NotAllowed, ONE_WAY), with_callbacks(NotAllowed, TWO_WAY)]
        {
            let error = contract.over(&BindingShapes::duplex_session(name)).expect_err("a session is all it has");
            assert_eq!(error, ContractError::Requires { requirement: Requirement::Datagram, binding: name });
        }
    }
}

#[test]
fn queues_have_sessions_for_one_way_operations_only() {
    let queue = builds("NetMsmqBinding", ChannelShape::session(OneWay));
    for mode in [Allowed, Required] {
        let chosen = contract(mode, ONE_WAY).over(&queue).expect("that is what a queue can do");
        assert_eq!(chosen, ChosenChannel { shape: ChannelShape::session(OneWay), datagram: false });
        assert!(contract(mode, MIXED).over(&queue).is_err());
    }
}

#[test]
fn a_contract_gets_the_first_channel_that_suits_it() {
    let everything = BindingShapes { name: "CustomBinding", shapes: contract(Allowed, ONE_WAY).shapes() };
    let first = |contract: Contract<'static>| contract.over(&everything).expect("anything suits").shape;
    assert_eq!(first(contract(Allowed, ONE_WAY)), ChannelShape::datagram(OneWay));
    assert_eq!(first(contract(Required, ONE_WAY)), ChannelShape::session(OneWay));
    assert_eq!(first(contract(Required, MIXED)), ChannelShape::session(RequestReply));
    assert_eq!(first(contract(NotAllowed, MIXED)), ChannelShape::datagram(RequestReply));
    assert_eq!(first(with_callbacks(Required, MIXED)), ChannelShape::session(Duplex));
}

// What is wrong, in WCF's words.

#[track_caller]
fn refusal(contract: Contract<'static>, binding: BindingShapes<'static>) -> String {
    contract.over(&binding).expect_err("it does not open").to_string()
}

#[test]
fn a_duplex_contract_says_so() {
    assert_eq!(
        refusal(with_callbacks(Allowed, TWO_WAY), BindingShapes::datagram("BasicHttpBinding")),
        "Contract requires Duplex, but Binding 'BasicHttpBinding' doesn't support it or isn't configured properly to \
         support it."
    );
}

#[test]
fn of_several_reasons_the_session_is_told_first() {
    assert_eq!(
        refusal(with_callbacks(Required, TWO_WAY), BindingShapes::datagram("BasicHttpBinding")),
        "Contract requires Session, but Binding 'BasicHttpBinding' doesn't support it or isn't configured properly to \
         support it."
    );
}

#[test]
fn a_two_way_contract_says_so() {
    let input = builds("CustomBinding", ChannelShape::datagram(OneWay));
    for operations in [TWO_WAY, MIXED] {
        assert_eq!(
            refusal(contract(Allowed, operations), input),
            "Contract requires TwoWay (either request-reply or duplex), but Binding 'CustomBinding' doesn't support it or \
             isn't configured properly to support it."
        );
    }
}

#[test]
fn a_binding_without_channels_says_so() {
    let nothing = BindingShapes { name: "CustomBinding", shapes: Shapes::default() };
    assert_eq!(contract(Allowed, TWO_WAY).over(&nothing), Err(ContractError::NoChannels { binding: "CustomBinding" }));
}

#[test]
fn a_one_way_contract_opens_wherever_there_is_a_channel() {
    // So "Contract requires OneWay" is never said of a contract: each of the kinds suits it.
    for kind in [OneWay, RequestReply, Duplex] {
        assert!(contract(Allowed, ONE_WAY).over(&builds("CustomBinding", ChannelShape::datagram(kind))).is_ok());
        assert!(contract(Required, ONE_WAY).over(&builds("CustomBinding", ChannelShape::session(kind))).is_ok());
    }
}

const NOT_CONSISTENT: &str = "The contract 'IThing' is not self-consistent -- it has one or more IsTerminating or \
    non-IsInitiating operations, but it does not have the SessionMode property set to SessionMode.Required.";

#[test]
fn operations_that_start_or_end_sessions_need_a_required_session() {
    const NEXT: &[Operation<'static>] = &[ASK, TELL.not_initiating()];
    const LAST: &[Operation<'static>] = &[ASK, TELL.terminating()];
    for operations in [NEXT, LAST] {
        for mode in [Allowed, NotAllowed] {
            let error = contract(mode, operations).validate().expect_err("not without a required session");
            assert_eq!(error, ContractError::NotSelfConsistent { contract: "IThing" });
            assert!(error.to_string().starts_with(NOT_CONSISTENT), "{error}");
            // Whatever the binding.
            for (binding, _) in BINDINGS {
                assert_eq!(contract(mode, operations).over(&binding), Err(error));
            }
        }
        assert_eq!(contract(Required, operations).validate(), Ok(()));
    }
}

#[test]
fn some_operation_has_to_initiate() {
    const NEVER: &[Operation<'static>] = &[ASK.not_initiating(), TELL.not_initiating().terminating()];
    let error = contract(Required, NEVER).validate().expect_err("nothing can be called first");
    assert_eq!(error, ContractError::NothingInitiates { contract: "IThing" });
    assert!(error.to_string().contains("'IThing' has zero IsInitiating=true operations"), "{error}");
}

#[test]
fn one_address_is_not_for_sessions_and_datagrams_both() {
    let binding = BindingShapes::secure_session("WSHttpBinding");
    let named = |name, session_mode| Contract { name, ..contract(session_mode, TWO_WAY) };
    let (with, without, either) = (named("IWith", Required), named("IWithout", NotAllowed), named("IEither", Allowed));
    let error = ContractError::SessionAndDatagram { requires: "IWith", forbids: "IWithout", binding: "WSHttpBinding" };
    assert_eq!(with.beside(&without, &binding), Err(error));
    assert_eq!(without.beside(&with, &binding), Err(error));
    for (one, other) in [(with, with), (without, without), (either, with), (either, without), (with, either)] {
        assert_eq!(one.beside(&other, &binding), Ok(()));
    }
}

// What was recorded.

/// The contracts of the recorded services, as far as it matters here.
fn recorded_contract(story: &str) -> Contract<'static> {
    const CALC: &[Operation<'static>] = &[
        Operation::new("Start", "urn:cap/Calc/Start"),
        Operation::new("AddTo", "urn:cap/Calc/AddTo").not_initiating(),
        Operation::new("Finish", "urn:cap/Calc/Finish").not_initiating().terminating(),
    ];
    const NO_SESS: &[Operation<'static>] = &[Operation::new("Echo", "urn:cap/NoSess/Echo")];
    let config = fs::read_to_string(vectors_root().join(story).join("config.txt")).expect("a configuration");
    match config.lines().next() {
        Some("contract ICalc") => Contract { name: "ICalc", ..contract(Required, CALC) },
        Some("contract INoSess") => Contract { name: "INoSess", ..contract(NotAllowed, NO_SESS) },
        other => panic!("{other:?}"),
    }
}

/// The binding of both ends, in the words of a story's configuration.
fn recorded_binding(story: &str) -> BindingShapes<'static> {
    let config = fs::read_to_string(vectors_root().join(story).join("config.txt")).expect("a configuration");
    let of = |end: &str| config.lines().find_map(|line| line.strip_prefix(end));
    let (server, client) = (of("server spec "), of("client spec "));
    assert_eq!(server, client, "{story}");
    match server {
        Some("b=basic") => BindingShapes::datagram("BasicHttpBinding"),
        Some("b=ws") => BindingShapes::datagram("WSHttpBinding"),
        Some("b=nettcp") => BindingShapes::duplex_session("NetTcpBinding"),
        Some("sec=sc,cancel=0") => BindingShapes::datagram("CustomBinding"),
        Some("sec=sc") => BindingShapes::secure_session("CustomBinding"),
        Some("rm=10") => BindingShapes::reliable_session("CustomBinding"),
        other => panic!("{other:?}"),
    }
}

/// What the host threw when it was opened, and the client when it was made; `None` of whoever threw nothing.
fn recorded_refusals(story: &str) -> [Option<String>; 2] {
    let timeline = fs::read_to_string(vectors_root().join(story).join("timeline.txt")).expect("a timeline");
    let thrown = |by: &str| {
        let line = timeline.lines().find(|line| line.contains(by))?;
        let (_, text) = line.split_once("System.InvalidOperationException: \"")?;
        text.split_once('"').map(|(text, _)| text.to_owned())
    };
    [thrown("server: OPEN-FAILED"), thrown("client: A make")]
}

#[track_caller]
fn says_what_was_recorded(story: &str) -> ContractError<'static> {
    let error = recorded_contract(story).over(&recorded_binding(story)).expect_err("it does not open");
    assert_eq!(recorded_refusals(story), [Some(error.to_string()), Some(error.to_string())]);
    error
}

#[test]
fn a_required_session_is_refused_on_basic_http() {
    let error = says_what_was_recorded("wcf-stories/session-required-on-basic");
    assert_eq!(error, ContractError::Requires { requirement: Requirement::Session, binding: "BasicHttpBinding" });
}

#[test]
fn a_required_session_is_refused_on_ws_http_without_security() {
    let error = says_what_was_recorded("wcf-stories/session-required-on-ws-none");
    assert_eq!(error, ContractError::Requires { requirement: Requirement::Session, binding: "WSHttpBinding" });
}

#[test]
fn a_required_session_is_refused_on_a_secure_conversation_with_a_cookie() {
    let error = says_what_was_recorded("wcf-stories/session-required-on-cookie-sct");
    assert_eq!(error, ContractError::Requires { requirement: Requirement::Session, binding: "CustomBinding" });
}

#[test]
fn no_session_is_refused_on_net_tcp() {
    let error = says_what_was_recorded("wcf-stories/session-notallowed-on-nettcp");
    assert_eq!(error, ContractError::Requires { requirement: Requirement::Datagram, binding: "NetTcpBinding" });
}

/// The recorded host opened, and its application saw no session.
#[track_caller]
fn opens_without_a_session_as_recorded(story: &str) {
    assert_eq!(recorded_refusals(story), [None, None]);
    let timeline = fs::read_to_string(vectors_root().join(story).join("timeline.txt")).expect("a timeline");
    assert!(timeline.contains("server: channel 1 accepted sid=(null)"));
    let chosen = recorded_contract(story).over(&recorded_binding(story)).expect("it opens");
    assert!(chosen.shape.session && chosen.datagram, "{chosen:?}");
}

#[test]
fn no_session_is_taken_on_a_secure_conversation() {
    opens_without_a_session_as_recorded("wcf-stories/session-notallowed-on-sc");
}

#[test]
fn no_session_is_taken_on_a_reliable_session() {
    opens_without_a_session_as_recorded("wcf-stories/session-notallowed-on-rm");
}
