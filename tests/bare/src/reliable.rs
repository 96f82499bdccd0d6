//! A reliable session between two machines whose wire loses every other message, with no allocator to lean on.

use crate::Failure;
use soap_session_core::chance::Chance;
use soap_session_core::exchange::Outgoing;
use soap_session_core::reliable::{ClientAddresses, Heard, ReliableSettings, SessionPhase, Shape, Told};
use soap_session_core::secure::NoCredentials;
use soap_session_core::session::{
    ClientAction, ClientHeard, ServiceAction, ServiceHeard, SessionClient, SessionService,
};
use soap_session_core::soap::SoapVersion;
use soap_session_core::time::{Deadline, Instant};
use soap_session_core::xml::Limits;

const REQUESTS: u32 = 4;

/// A request, or the reply to it.
struct Echo {
    relates_to: [u8; 45],
}

impl Outgoing for Echo {
    fn action(&self) -> &[u8] {
        b"urn:probe/Echo"
    }
    fn body(&self) -> &[u8] {
        b"<Echo xmlns=\"urn:probe\"/>"
    }
    fn two_way(&self) -> bool {
        self.relates_to[0] == 0
    }
    fn relates_to(&self) -> Option<&[u8]> {
        (self.relates_to[0] != 0).then_some(&self.relates_to)
    }
}

/// What passes on the wire.
struct Wire {
    request: [u8; 4096],
    answer: [u8; 4096],
    sent: u32,
}

/// The two machines and what they have done.
struct World {
    client: SessionClient<Echo, Chance, 4, 5, 8>,
    service: SessionService<Echo, 1, 4, 5, 4, 8>,
    now: Instant,
    asked: u32,
    replies: u32,
    executed: u32,
    /// The MessageID of the request that the service keeps.
    kept: [u8; 45],
    opened: bool,
}

impl World {
    fn client_turn(&mut self, wire: &mut Wire) -> Result<Deadline, Failure> {
        loop {
            match self.client.poll(self.now, &NoCredentials, &mut wire.request) {
                ClientAction::Transmit { exchange: Some(exchange), message, .. } => {
                    let len = message.len();
                    wire.sent += 1;
                    let request = wire.request.get_mut(..len).ok_or(Failure::Session)?;
                    let heard = match wire.sent % 2 {
                        0 => None,
                        _ => self.service.receive(self.now, exchange, &NoCredentials, request).ok(),
                    };
                    let Some(heard) = heard else {
                        let _ = self.client.exchange_failed(self.now, exchange);
                        continue;
                    };
                    if let ServiceHeard::Session { heard: Heard::Message { .. }, message: Some(message), .. } = heard {
                        self.kept.copy_from_slice(message.message_id.of(request));
                    }
                    self.service_turn(wire)?;
                }
                ClientAction::Told(Told::Opened) => self.opened = true,
                ClientAction::Told(Told::Ended(_)) | ClientAction::Failed(_) => return Err(Failure::Session),
                ClientAction::Told(_) => {}
                ClientAction::Transmit { exchange: None, .. } | ClientAction::Grow(_) => return Err(Failure::Session),
                ClientAction::Wait(deadline) => return Ok(deadline),
            }
        }
    }

    fn service_turn(&mut self, wire: &mut Wire) -> Result<(), Failure> {
        loop {
            while self.service.accept().is_some() {}
            let id = soap_session_core::reliable::ReliableSessionId(1);
            while let Some(number) = self.service.take(self.now, id) {
                self.executed += 1;
                let reply = Echo { relates_to: self.kept };
                self.service.reply(id, number, reply).map_err(|_| Failure::Session)?;
            }
            match self.service.poll(self.now, &mut wire.answer) {
                Ok(ServiceAction::Answer { exchange, message, .. }) => {
                    let len = message.len();
                    let answer = wire.answer.get_mut(..len).ok_or(Failure::Session)?;
                    let heard = self.client.receive(self.now, Some(exchange), &NoCredentials, answer);
                    if let ClientHeard::Session(Heard::Reply { .. }, _) = heard {
                        self.replies += 1;
                    }
                }
                Ok(ServiceAction::Told(id, Told::EndOfMessages)) => {
                    self.service.close(self.now, id).map_err(|_| Failure::Session)?;
                }
                Ok(ServiceAction::Told(..)) => {}
                Ok(ServiceAction::Wait(_)) => return Ok(()),
                Ok(_) | Err(_) => return Err(Failure::Session),
            }
        }
    }
}

/// Opens, asks, closes: every request was executed once and has its reply.
pub(crate) fn session() -> Result<(), Failure> {
    let settings = ReliableSettings::default();
    let addresses = ClientAddresses::new("http://localhost/probe", None).ok_or(Failure::Session)?;
    let limits = Limits::default();
    let (shape, soap) = (Shape::RequestReply, SoapVersion::Soap12);
    let client = SessionClient::plain(settings.clone(), soap, shape, addresses, limits.clone(), Chance::new(&[1; 32]));
    let service = SessionService::plain(settings, soap, shape, limits, Chance::new(&[2; 32]));
    let mut wire = Wire { request: [0; 4096], answer: [0; 4096], sent: 0 };
    let mut world = World {
        client,
        service,
        now: Instant::from_millis(0),
        asked: 0,
        replies: 0,
        executed: 0,
        kept: [0; 45],
        opened: false,
    };
    world.client.open(world.now).map_err(|_| Failure::Session)?;
    for _ in 0..200 {
        let deadline = world.client_turn(&mut wire)?;
        if world.client.phase() == SessionPhase::Closed {
            break;
        }
        if world.opened && world.asked < REQUESTS {
            world.asked += 1;
            let request = Echo { relates_to: [0; 45] };
            world.client.send(world.now, request).map_err(|_| Failure::Session)?;
        } else if world.replies == REQUESTS && world.client.phase() == SessionPhase::Opened {
            world.client.close(world.now).map_err(|_| Failure::Session)?;
        } else if let Deadline::At(at) = deadline {
            world.now = at;
        }
    }
    let whole = world.client.phase() == SessionPhase::Closed && world.client.error().is_none();
    let once = world.executed == REQUESTS && world.replies == REQUESTS && world.client.retransmissions() > 0;
    if whole && once { Ok(()) } else { Err(Failure::Lost) }
}
