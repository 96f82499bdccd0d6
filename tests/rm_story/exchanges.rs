//! Which answer of HTTP belongs to which request, and what its asker saw of it.

use super::wire::{Event, Proxy, Start};
use crate::Direction;

/// A request of HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// The request's number.
    pub request: u32,
    /// Who asked: the client, or the service that calls back.
    pub asker: Direction,
    /// The answer's number: the next message the other way on the same connection.
    pub answer: Option<u32>,
    /// When the request reached the other end; `None` if it never did.
    pub received: Option<u64>,
    /// How it ended for the asker.
    pub end: End,
}

/// How an exchange ended for who began it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum End {
    /// The answer came at this time.
    Answered(u64),
    /// The connection was closed at this time, without an answer.
    Closed(u64),
    /// The proxy answered at this time, with a status and an empty body.
    Refused(u64, u16),
    /// Nothing: the proxy swallowed the request or the answer and kept the connection open.
    Hung,
    /// Nothing: the other end had the request and had not answered it when the recording ended.
    Unanswered,
}

/// The exchanges of HTTP, in the order of their requests.
pub(super) fn pair(events: &[Event]) -> Vec<Exchange> {
    let requests = events.iter().enumerate().filter(|(_, event)| event.start == Start::Post);
    requests
        .map(|(at, request)| {
            let next = events[at + 1..].iter().find(|later| later.connection == request.connection);
            let answer = next.filter(|later| later.way != request.way && matches!(later.start, Start::Status(_)));
            Exchange {
                request: request.number,
                asker: request.way,
                answer: answer.map(|answer| answer.number),
                received: request.delivered,
                end: end(request, answer),
            }
        })
        .collect()
}

fn end(request: &Event, answer: Option<&Event>) -> End {
    let fate = |event: &Event| match event.proxy {
        Proxy::DropClose | Proxy::Refused | Proxy::HungUp => Some(End::Closed(event.ms)),
        Proxy::Status(status) => Some(End::Refused(event.ms, status)),
        Proxy::DropHang => Some(End::Hung),
        Proxy::Pass | Proxy::Delay | Proxy::Replace | Proxy::Duplicate | Proxy::CopyOf(_) | Proxy::AnswerToCopy(_) => {
            None
        }
    };
    let ended = fate(request).or_else(|| answer.and_then(fate));
    ended.unwrap_or_else(|| {
        answer.map_or(End::Unanswered, |answer| End::Answered(answer.delivered.unwrap_or(answer.ms)))
    })
}
