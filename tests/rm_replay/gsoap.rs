//! Our machines against the recorded other half of gSOAP's conversations. These have no times, and gSOAP sends again when its
//! test told it to: what is compared is which messages there are, in which order, and how the session ends.

use super::arrival::arrival;
use super::facts::Facts;
use super::names::Names;
use super::plan::key;
use super::report::{Message, Report};
use crate::recording::Recording;
use crate::rm_story::{Body, Envelope};
use crate::{Direction, directories};
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::{
    AcceptorWant, Client, ClientAddresses, Heard, ReliableAcceptor, ReliableSettings, RmVersion, ServiceWant,
    SessionPhase, Shape, Told,
};
use soap_session_core::soap::AddressingVersion;
use soap_session_core::time::{Deadline, Instant};
use std::collections::BTreeMap;

/// The recordings of gSOAP that hold reliable sessions.
///
/// # Panics
/// If the folder cannot be read.
pub fn gsoap_stories() -> Vec<String> {
    let names = directories("gsoap").expect("a folder");
    names.into_iter().filter(|name| name.contains("/gsoap-rm")).collect()
}

/// A request, and its answer: `None` if it was lost, an empty one if it was HTTP's 202.
struct Turn {
    request: Envelope,
    answer: Option<Option<Envelope>>,
}

struct Talk {
    name: String,
    version: RmVersion,
    turns: Vec<Turn>,
}

impl Talk {
    fn open(name: &str, serves: bool) -> Self {
        let recording = Recording::open(name).expect("a recording");
        let mut turns: BTreeMap<u32, Turn> = BTreeMap::new();
        for message in &recording.messages {
            let envelope = (!message.bytes.is_empty()).then(|| Envelope::read(&message.bytes));
            if message.direction == Direction::ClientToServer {
                let request = envelope.expect("a request");
                turns.insert(message.number, Turn { request, answer: None });
            } else if let Some(turn) = turns.get_mut(&message.number) {
                turn.answer = Some(envelope);
            }
        }
        // The third answer was written and did not arrive.
        if name.contains("dropresp3") && !serves {
            turns.entry(3).and_modify(|turn| turn.answer = None);
        }
        let version = if name.contains("rm11") { RmVersion::V11 } else { RmVersion::February2005 };
        Self { name: name.to_owned(), version, turns: turns.into_values().collect() }
    }

    fn settings(&self) -> ReliableSettings {
        // gSOAP keeps order only where it does not discard, and only in its test that sends again at the end.
        let ordered = self.name.ends_with("NoDiscard-dropreq3-resend-end");
        ReliableSettings { version: self.version, ordered, ..ReliableSettings::default() }
    }

    fn offers(&self) -> bool {
        matches!(&self.turns[0].request.body, Body::CreateSequence { offer: Some(_), .. })
    }
}

fn kind(envelope: &Envelope) -> String {
    match &envelope.sequence {
        Some(sequence) => format!("message {}", sequence.number),
        None => envelope.action.clone(),
    }
}

/// Our client against gSOAP's recorded service: the n-th transmission of a message gets the n-th recorded answer to it.
pub fn gsoap_client(name: &str) -> Report {
    let talk = Talk::open(name, false);
    let mut report = Report::default();
    let to = talk.turns[0].request.to.clone().expect("To");
    let addresses = ClientAddresses::new(&to, None).expect("a short address");
    let shape = if talk.offers() { Shape::RequestReply } else { Shape::OneWay };
    let mut client =
        Client::<Message, Chance, 64, 128, 64>::new(talk.settings(), shape, addresses, Chance::new(&[7; 32]));
    let mut names = Names::default();
    let mut wanted: Vec<String> = Vec::new();
    for turn in &talk.turns {
        if !wanted.contains(&kind(&turn.request)) {
            wanted.push(kind(&turn.request));
        }
    }
    let application = |turn: &&Turn| turn.request.sequence.is_some() && turn.request.verb() != "LastMessage";
    let actions: BTreeMap<u64, &str> = talk
        .turns
        .iter()
        .filter(application)
        .filter_map(|turn| Some((turn.request.sequence.as_ref()?.number, turn.request.action.as_str())))
        .collect();
    let mut to_send: Vec<Message> = actions
        .values()
        .map(|action| Message { action: (*action).to_owned(), two_way: true, relates_to: None, fault: false })
        .collect();
    to_send.reverse();
    let (mut sent, mut order): (BTreeMap<String, usize>, Vec<String>) = (BTreeMap::new(), Vec::new());
    let mut answers: BTreeMap<(u64, u32), Option<&Option<Envelope>>> = BTreeMap::new();
    let mut replies = 0;
    let mut now = 0;
    client.open(Instant::from_millis(now)).expect("a new client");
    while now < 600_000 && !client.phase().is_over() {
        let at = Instant::from_millis(now);
        while client.told(at).is_some() {}
        // One request after the other, as gSOAP's test does; none waits for one that is lost.
        if client.phase() == SessionPhase::Opened && client.window() > 0 {
            match to_send.pop() {
                Some(message) => drop(client.send(at, message)),
                None if client.is_drained() => drop(client.close(at)),
                None => {}
            }
        }
        while let Some(want) = client.next(at) {
            let Some(frame) = client.frame(want) else { break };
            let name = key(&frame, talk.version);
            // Identifiers of ours stand for the recorded ones; the rest of the headers is gSOAP's style.
            if let Some(theirs) = talk.turns.iter().find(|turn| kind(&turn.request) == name) {
                let ours = Facts::ours(&frame, talk.version, AddressingVersion::Wsa10);
                drop(ours.differences(&Facts::recorded(&theirs.request), &mut names));
            }
            let exchange = client.sent(at, want).expect("an exchange");
            let count = sent.entry(name.clone()).or_default();
            let recorded = talk.turns.iter().filter(|turn| kind(&turn.request) == name);
            // Whoever asks more often than the recorded client gets the last answer again.
            let answer = recorded.take(*count + 1).last().map(|turn| turn.answer.as_ref());
            *count += 1;
            report.compared += 1;
            if *count == 1 {
                order.push(name.clone());
            }
            match answer {
                Some(answer) => drop(answers.insert((now + 5, exchange.0), answer)),
                None => report.wrong.push(format!("{name} was not recorded")),
            }
        }
        let due = match client.deadline() {
            Deadline::At(at) => at.as_millis().max(now + 1),
            Deadline::Never => u64::MAX,
        };
        now = answers.keys().next().map_or(u64::MAX, |(at, _)| *at).min(due).min(now + 1000);
        while let Some(((at, exchange), answer)) = answers.pop_first() {
            if at > now {
                answers.insert((at, exchange), answer);
                break;
            }
            let (at, exchange) = (Instant::from_millis(now), Exchange(exchange));
            let Some(answer) = answer else {
                client.exchange_failed(at, exchange);
                continue;
            };
            let arrival = answer.as_ref().map(|envelope| arrival(envelope, talk.version, &mut names));
            if let Heard::Reply { .. } = client.hear(at, Some(exchange), arrival.as_ref()) {
                replies += 1;
            }
        }
    }
    report.retransmissions = client.retransmissions();
    if order != wanted {
        report.wrong.push(format!("it sends {order:?} instead of {wanted:?}"));
    }
    if client.phase() != SessionPhase::Closed || client.error().is_some() {
        report.wrong.push(format!("it ends {:?} {:?}", client.phase(), client.error()));
    }
    if shape == Shape::RequestReply && replies != actions.len() {
        report.wrong.push(format!("{replies} of {} requests have their reply", actions.len()));
    }
    report.wrong = report.wrong.into_iter().map(|line| format!("{}: {line}", talk.name)).collect();
    report
}

/// Our service, fed what gSOAP's recorded client sent: each answer is of the same kind, or better.
pub fn gsoap_service(name: &str) -> Report {
    let talk = Talk::open(name, true);
    let mut report = Report::default();
    let mut service = ReliableAcceptor::<Message, 4, 64, 128, 64, 64>::new(
        talk.settings(),
        Shape::RequestReply,
        Chance::new(&[9; 32]),
    );
    let mut names = Names::default();
    let mut answers: BTreeMap<u32, Option<String>> = BTreeMap::new();
    let mut requests: BTreeMap<u64, String> = BTreeMap::new();
    let mut end = None;
    for (number, turn) in (0_u32..).zip(&talk.turns) {
        // What was lost did not arrive.
        if turn.answer.is_none() {
            continue;
        }
        let now = Instant::from_millis(u64::from(number) * 20);
        let arrival = arrival(&turn.request, talk.version, &mut names);
        let admission = service.hear(now, Exchange(number), None, &arrival);
        if let Heard::Message { number } = admission.heard {
            requests.insert(number, turn.request.message_id.clone().expect("a MessageID"));
        }
        for round in 0..3 {
            service.accept();
            if let Some(id) = admission.session.filter(|id| service.session(*id).is_some()) {
                while let Some(taken) = service.take(now, id) {
                    let action = format!("{}Response", turn.request.action);
                    let relates_to = requests.get(&taken).cloned();
                    let reply = Message { action, two_way: false, relates_to, fault: false };
                    service.reply(id, taken, reply).expect("a request");
                }
                while let Some(told) = service.told_of(now, id) {
                    if let (Told::EndOfMessages, 0..3) = (told, round) {
                        service.close(now, id).expect("it can be closed");
                    }
                }
                end = service.session(id).map(|session| (session.phase(), session.error()));
            }
            while let Some(want) = service.next(now) {
                let name = service.frame(want).map(|frame| key(&frame, talk.version));
                // Identifiers of ours stand for the recorded ones.
                if let (Some(frame), Some(Some(theirs))) = (service.frame(want), &turn.answer) {
                    let ours = Facts::ours(&frame, talk.version, AddressingVersion::Wsa10);
                    drop(ours.differences(&Facts::recorded(theirs), &mut names));
                }
                if let AcceptorWant::Session(
                    _,
                    ServiceWant::Answer(exchange) | ServiceWant::Empty(exchange) | ServiceWant::Drop(exchange),
                )
                | AcceptorWant::Refusal(exchange) = want
                {
                    answers.insert(exchange.0, name);
                }
                service.sent(now, want);
            }
        }
    }
    for (number, turn) in (0_u32..).zip(&talk.turns) {
        let Some(theirs) = &turn.answer else { continue };
        report.compared += 1;
        let theirs = theirs.as_ref().map(kind);
        match answers.get(&number) {
            Some(ours) if *ours == theirs => {}
            Some(ours) => report.wrong.push(format!("turn {}: {ours:?} instead of {theirs:?}", number + 1)),
            None => report.wrong.push(format!("turn {}: no answer instead of {theirs:?}", number + 1)),
        }
    }
    if !matches!(end, Some((SessionPhase::Closed, None))) {
        report.wrong.push(format!("it ends {end:?}"));
    }
    report.wrong = report.wrong.into_iter().map(|line| format!("{}: {line}", talk.name)).collect();
    report
}
