//! A message is brought to its shard, and one that opens something gets its place: in tables that this program lends.

use crate::Failure;
use soap_session_core::chance::{Chance, ShardKey, Uuid};
use soap_session_core::door::{Census, Door, DoorSettings, Entry, NameSlot, Opens, Outcome, Route, Router, ShardBooks};
use soap_session_core::xml::Limits;

const HEAD: &[u8] = b"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' \
    xmlns:a='http://www.w3.org/2005/08/addressing'><s:Header>\
    <a:Action>http://schemas.xmlsoap.org/ws/2005/02/trust/RST/SCT</a:Action>\
    <a:MessageID>urn:bare</a:MessageID></s:Header><s:Body/></s:Envelope>";

pub fn admission() -> Result<(), Failure> {
    let (mut books, mut names) = ([ShardBooks::default(); 4], [NameSlot::default(); 16]);
    let router = Router::new(ShardKey::new([42; 32]), 4, Limits::default());
    let settings = DoorSettings { max_pending_sessions: 1, ..DoorSettings::default() };
    let mut door = Door::new(router.clone(), settings, &mut books[..], &mut names[..]).or(Err(Failure::Door))?;
    let mark = router.mark(3).ok_or(Failure::Door)?;
    let identifier = Uuid::marked(&mut Chance::new(&[42; 32]), Some(&mark));
    let mut text = [0; Uuid::TEXT_LEN];
    identifier.write(&mut text);
    if router.shard_of(&text) != Some(3) {
        return Err(Failure::Door);
    }
    let route = router.route(HEAD);
    let Entry { reservation: Some(reservation), full: None, .. } = door.admit(route.clone(), None) else {
        return Err(Failure::Door);
    };
    let refused = door.admit(route.clone(), None);
    let census = Census { tokens: 1, pending_tokens: 1, ..Census::default() };
    door.settle(reservation, Outcome::Opened, census);
    if refused.full != Some(1) || door.pending(Opens::Token) != 1 || !matches!(route, Route::New(_)) {
        return Err(Failure::Door);
    }
    Ok(())
}
