//! The door: whose a message is, who may open, and that limits hold while shards work at the same time.

mod books;
mod routing;
mod threads;

use soap_session_core::chance::ShardKey;
use soap_session_core::door::{Door, DoorSettings, NameSlot, Opening, Route, Router, ShardBooks};
use soap_session_core::xml::Limits;

type Books = Door<Vec<ShardBooks>, Vec<NameSlot>>;

fn router(shards: u32) -> Router {
    Router::new(ShardKey::new([0x2B; 32]), shards, Limits::default())
}

fn door(shards: u32, settings: DoorSettings) -> Books {
    let names = vec![NameSlot::default(); 64];
    Door::new(router(shards), settings, vec![ShardBooks::default(); shards as usize], names).expect("a book a shard")
}

const RST: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/SCT";
const CREATE: &str = "http://schemas.xmlsoap.org/ws/2005/02/rm/CreateSequence";
const RM: &str = "http://schemas.xmlsoap.org/ws/2005/02/rm";

fn envelope(headers: &str, body: &str) -> Vec<u8> {
    format!(
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:a='http://www.w3.org/2005/08/addressing' \
         xmlns:r='{RM}'><s:Header>{headers}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    .into_bytes()
}

fn opening(action: &str, message_id: &str, body: &str) -> Opening {
    let headers = format!("<a:Action>{action}</a:Action><a:MessageID>{message_id}</a:MessageID>");
    match router(4).route(&envelope(&headers, body)) {
        Route::New(opening) => opening,
        other => panic!("it opens: {other:?}"),
    }
}
