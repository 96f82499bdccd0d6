//! How a request is taken in: where it belongs, what it waits for, and how its exchange ends.

use super::drive::{Shared, lock};
use super::layer::{Heard, WINDOW};
use super::service::Service;
use super::shard::{Held, Shard};
use super::telemetry;
use crate::Runtime;
use crate::body::{marked_block, standalone};
use crate::http::{HttpRequest, HttpResponse};
use crate::observe::{Seen, Way};
use bytes::{Bytes, BytesMut};
use event_listener::EventListener;
use futures_channel::oneshot;
use futures_lite::future::or;
use soap_session_core::door::{Entry, Outcome, Route};
use soap_session_core::exchange::Exchange;
use soap_session_core::reliable::Place;
use soap_session_core::secure::Misuse;
use soap_session_core::session::{Delivered, LayerHeard, ServiceLayer};
use soap_session_core::throttle::Throttle;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most requests of a shard that wait for one that they have overtaken.
const MOST_EARLY: usize = 4 * WINDOW;

/// What became of a request at first.
enum TakenIn {
    /// Its answer will come, from this shard.
    Taken(u16, oneshot::Receiver<HttpResponse>),
    /// There is no room; nothing has changed. To be tried again then.
    Later(u16, EventListener),
    /// It seems to have overtaken another one; nothing has changed. To be tried again when that has been taken in, and soon anyway.
    Early(u16, Place),
    Refused(HttpResponse),
}

impl TakenIn {
    /// Where it is, or waits.
    const fn shard(&self) -> Option<u16> {
        match self {
            Self::Taken(shard, _) | Self::Later(shard, _) => Some(*shard),
            Self::Early(..) | Self::Refused(_) => None,
        }
    }
}

impl<R: Runtime, S: Service> Shared<R, S> {
    /// Answers a POST.
    pub(super) async fn exchange(self: Arc<Self>, request: HttpRequest) -> HttpResponse {
        let exchange = Exchange(self.next_exchange.fetch_add(1, Ordering::Relaxed));
        telemetry::request_received(exchange, &request);
        let mut seen = self.observer.passed(Way::Received, None, &request.body, exchange);
        let HttpRequest { action, body, .. } = request;
        // It is decrypted where it lies.
        let mut message = body.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
        let (mut waited_at, mut waits) = (None, !self.reorder_wait.is_zero());
        let response = loop {
            let taken = self.take_in(exchange, action.as_deref(), &mut message, &mut seen, waits);
            if let Some(room) = waited_at.take().filter(|waited_at| taken.shard() != Some(*waited_at)) {
                // The room that it was woken for is for the next.
                self.shards[usize::from(room)].state().room.notify_additional(1);
            }
            match taken {
                TakenIn::Taken(shard, answered) => {
                    let _gone = Gone { shared: &self, shard, exchange };
                    break answered.await.ok();
                }
                // As in the queue of a listener: its client waits.
                TakenIn::Later(shard, room) => {
                    room.await;
                    waited_at = Some(shard);
                }
                TakenIn::Early(shard, place) => {
                    waits = false;
                    self.turn_of(shard, &place).await;
                }
                TakenIn::Refused(response) => break Some(response),
            }
        };
        // The exchange is abandoned: HTTP has to say something, and knows no better word.
        let response = response.unwrap_or_else(|| said(500, "the service gave this exchange up"));
        telemetry::request_answered(exchange, &response);
        self.observer.passed(Way::Sent, Some(response.status), &response.body, exchange);
        response
    }

    fn take_in(
        self: &Arc<Self>,
        exchange: Exchange,
        action: Option<&str>,
        message: &mut BytesMut,
        seen: &mut Option<Seen>,
        waits: bool,
    ) -> TakenIn {
        let entry = self.entry(exchange, message);
        let number = entry.shard;
        let answered = {
            let shard = &self.shards[usize::from(number)];
            let mut state = shard.state();
            // Others go the way of WCF's.
            if waits
                && state.early < MOST_EARLY
                && entry.reservation.is_none()
                && let Some(place) = state.endpoint.layer().comes_early(message)
            {
                return TakenIn::Early(number, place);
            }
            let full = entry.full.or_else(|| self.stopping.load(Ordering::SeqCst).then_some(0));
            state.endpoint.layer_mut().set_full(full);
            if self.refuse_when_busy {
                // The door has judged, for all shards: the layer would count its own.
                state.endpoint.layer_mut().set_room(None);
            }
            let heard = state.endpoint.receive(self.now(), exchange, &*self.credentials, message);
            let census = state.endpoint.layer().census();
            // Those that wait will be answered, and make room.
            let later = matches!(&heard, Err(Misuse::TooManyCalls { .. })) && !state.waiting.is_empty();
            if !later {
                state.telemetry.heard(exchange, &heard, state.endpoint.layer(), [state.census, census]);
            }
            if let (Some(reservation), Some(door)) = (entry.reservation, self.door()) {
                let outcome = match &heard {
                    Ok(LayerHeard::Other(heard)) => heard.outcome(),
                    Ok(LayerHeard::Message(_)) | Err(_) => Outcome::Refused,
                };
                lock(door).settle(reservation, outcome, census);
                state.census = census;
            }
            if later {
                return TakenIn::Later(number, state.room.listen());
            }
            let message = std::mem::take(message).freeze();
            if let Some(seen) = seen.as_mut().filter(|_| opens(&heard)) {
                seen.opened(&message);
            }
            match heard {
                Ok(LayerHeard::Message(Delivered { kept, message: place, two_way })) => {
                    let told = String::from_utf8_lossy(place.action.of(&message)).into_owned();
                    let action = if told.is_empty() { action.unwrap_or_default().to_owned() } else { told };
                    let body = standalone(&message, place.body, &place.body_scope);
                    // Services see bodies, and understand no header.
                    let block = marked_block(&place, &message);
                    state.kept.insert(kept, Held { action, body, two_way, block });
                    state.taken.notify(usize::MAX);
                }
                Ok(LayerHeard::Other(_)) => {}
                Err(misuse) => return TakenIn::Refused(said(503, misuse.to_string())),
            }
            let (tell, answered) = oneshot::channel();
            state.waiting.insert(exchange, tell);
            answered
        };
        self.observer.opened(seen.take());
        self.run(number);
        TakenIn::Taken(number, answered)
    }

    /// Waits until those that a message has overtaken have been taken in, or that has taken too long.
    async fn turn_of(&self, shard: u16, place: &Place) {
        let Some(shard) = self.shards.get(usize::from(shard)) else { return };
        let late = self.runtime.now() + self.reorder_wait;
        let _early = Early::new(shard);
        while self.runtime.now() < late {
            let taken = {
                let state = shard.state();
                if !state.endpoint.layer().is_early(place) {
                    return;
                }
                state.taken.listen()
            };
            or(taken, self.runtime.sleep_until(late)).await;
        }
    }

    /// Where a message belongs.
    fn entry(&self, exchange: Exchange, message: &[u8]) -> Entry {
        let Some(gate) = &self.gate else {
            let shards = u32::try_from(self.shards.len()).unwrap_or(1);
            return Entry::at(u16::try_from(exchange.0 % shards).unwrap_or(0));
        };
        match (gate.router.route(message), &gate.door) {
            (Route::Shard { shard, opens: None }, _) => Entry::at(shard),
            (route, Some(door)) if self.refuse_when_busy => {
                // Both locks at once: what was accepted is no longer pending by then, and no permit is counted twice.
                let host = lock(&self.host);
                let pressure = host.host.pressure(Throttle::Sessions, self.now());
                lock(door).admit_within(route, None, pressure.limit.saturating_sub(pressure.used))
            }
            (route, Some(door)) => lock(door).admit(route, None),
            (Route::Shard { shard, .. }, None) => Entry::at(shard),
            (Route::New(opening), None) => Entry::at(opening.home()),
            (Route::Unknown(stranger), None) => Entry::at(stranger.home()),
        }
    }

    fn exchange_ended(self: &Arc<Self>, number: u16, exchange: Exchange) {
        let Some(shard) = self.shards.get(usize::from(number)) else { return };
        {
            let mut state = shard.state();
            if state.no_longer_waits(exchange).is_none() {
                return;
            }
            state.endpoint.exchange_failed(exchange);
        }
        telemetry::given_up(exchange);
        self.run(number);
    }
}

/// Was it opened whole?
const fn opens<E>(heard: &Result<LayerHeard<Heard>, E>) -> bool {
    match heard {
        Ok(LayerHeard::Message(_)) => true,
        Ok(LayerHeard::Other(heard)) => !heard.refused(),
        Err(_) => false,
    }
}

/// An answer that is no SOAP.
fn said(status: u16, text: impl Into<Bytes>) -> HttpResponse {
    HttpResponse { status, content_type: Some("text/plain; charset=utf-8".to_owned()), body: text.into() }
}

/// One of those that wait for a message that they have overtaken.
struct Early<'s>(&'s Shard);

impl<'s> Early<'s> {
    fn new(shard: &'s Shard) -> Self {
        shard.state().early += 1;
        Self(shard)
    }
}

impl Drop for Early<'_> {
    fn drop(&mut self) {
        self.0.state().early -= 1;
    }
}

/// Tells the endpoint when an exchange ends before its answer: its client went away.
struct Gone<'s, R: Runtime, S: Service> {
    shared: &'s Arc<Shared<R, S>>,
    shard: u16,
    exchange: Exchange,
}

impl<R: Runtime, S: Service> Drop for Gone<'_, R, S> {
    fn drop(&mut self) {
        self.shared.exchange_ended(self.shard, self.exchange);
    }
}
