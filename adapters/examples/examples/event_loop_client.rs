//! A client driven by a loop of one's own: no runtime, no tasks, one thread, sockets of `std::net`. Copy it into a program that has
//! a loop already.
//!
//! It calls what `calculator_server` and `event_loop_service` serve (WCF's `ICalculatorSession`, secure and reliable):
//!
//! ```sh
//! cargo run -p soap-session-examples --example event_loop_client -- http://127.0.0.1:8000/calculator
//! ```
//!
//! A turn of the loop: **ask** the channel what to do until it says `Wait`, **tell** it what the application wants next, **carry** each
//! exchange as far as it goes and tell the channel what came of it, **sleep**. Who has told it something asks again first. Messages are posted in exchanges of their own, several
//! at a time: one that is sent again must not wait for the first to fail.
//!
//! HTTP is here in its plainest form: a connection for each exchange, `Connection: close`, lengths by `Content-Length`. There is no
//! TLS, no chunked body, no proxy, and connecting blocks. And `std` cannot wait for several sockets, so that the loop looks at them every millisecond while
//! exchanges are open: put `poll(2)` there, or what wakes your loop.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::{Exchange, Outgoing};
use soap_session_core::lifetime::{CommunicationState, Timeouts};
use soap_session_core::reliable::{ClientAddresses, ReliableSettings, RmVersion, Shape};
use soap_session_core::secure::{Binding, Bootstrap, InitiatorSettings, UserCredential};
use soap_session_core::session::{
    ChannelAction, ChannelEvent, ChannelHeard, ClientChannel, OperationUse, SessionClient,
};
use soap_session_core::time::{Deadline, Duration, Instant, Wall};
use soap_session_core::xml::{Limits, Reader};
use soap_session_credentials::{Certificate, CredentialStore, random_seed};
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

const NAMESPACE: &str = "http://Microsoft.ServiceModel.Samples";
/// The tests' certificate of the service.
const SERVICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../credentials/tests/keys/service.cert.pem");
/// What the application wants. Only the last has a reply.
const SCRIPT: [(&str, &str); 5] =
    [("AddTo", "100"), ("SubtractFrom", "50"), ("MultiplyBy", "17"), ("DivideBy", "10"), ("Equals", "")];

/// 4 calls under way, 256 signatures against replays, a window of 8 messages, 16 exchanges: the tables are in the machine.
type Channel = ClientChannel<Request, Chance, 4, 256, 8, 9, 16>;

/// A message of the application. The channel borrows its parts whenever it writes it, the second time included.
struct Request {
    action: String,
    body: String,
    two_way: bool,
}

impl Outgoing for Request {
    fn action(&self) -> &[u8] {
        self.action.as_bytes()
    }
    fn body(&self) -> &[u8] {
        self.body.as_bytes()
    }
    fn two_way(&self) -> bool {
        self.two_way
    }
}

/// An exchange that is open.
struct Flight {
    exchange: Exchange,
    until: Deadline,
    stream: TcpStream,
    unsent: Vec<u8>,
    answer: Vec<u8>,
}

impl Flight {
    fn begin(authority: &str, path: &str, exchange: Exchange, until: Deadline, message: &[u8]) -> io::Result<Self> {
        let head = format!(
            "POST /{path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/soap+xml; charset=utf-8\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            message.len()
        );
        let stream = TcpStream::connect(authority)?;
        stream.set_nonblocking(true)?;
        let unsent = [head.as_bytes(), message].concat();
        Ok(Self { exchange, until, stream, unsent, answer: Vec::new() })
    }

    /// Goes as far as it can: `WouldBlock` if that is not to the end.
    fn step(&mut self, now: Instant) -> io::Result<Vec<u8>> {
        if self.until.due(now) {
            return Err(ErrorKind::TimedOut.into());
        }
        while !self.unsent.is_empty() {
            let sent = self.stream.write(&self.unsent)?;
            self.unsent.drain(..sent);
        }
        let mut room = [0; 4096];
        loop {
            match self.stream.read(&mut room)? {
                0 => return body_of(&self.answer).ok_or_else(|| ErrorKind::InvalidData.into()),
                // WCF's greatest message, and room for the head.
                _ if self.answer.len() > 65_536 + 4096 => return Err(ErrorKind::InvalidData.into()),
                read => self.answer.extend_from_slice(&room[..read]),
            }
        }
    }
}

/// The body of an answer: empty with 202; a fault comes with 500. `None`: it was cut short, or is not for us.
fn body_of(answer: &[u8]) -> Option<Vec<u8>> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let length = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let length =
        length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).find_map(|(_, n)| n.trim().parse().ok());
    let status = head.split(' ').nth(1)?;
    (matches!(status, "200" | "202" | "500") && body.len() == length.unwrap_or(0)).then(|| body.to_vec())
}

/// The channel, just made: WS2007HttpBinding with a user and a reliable session.
fn channel(url: &str) -> Result<Channel, Box<dyn Error>> {
    let seed = || random_seed().map(|seed| Chance::new(&seed));
    let unix = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let session = SessionClient::secure(
        ReliableSettings { version: RmVersion::V11, ..ReliableSettings::default() },
        Shape::RequestReply,
        ClientAddresses::new(url, None).ok_or("the address is too long")?,
        Binding::ws2007_http(Bootstrap::UserNameForCertificate),
        InitiatorSettings::default(),
        UserCredential::new("ada", "secret"),
        Wall { unix_ms_at_zero: i64::try_from(unix)? },
        seed()?,
        seed()?,
    )?;
    Ok(Channel::over_reliable(session, Timeouts::default()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8000/calculator".to_owned());
    let (authority, path) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("http://host:port/path")?;
    let credentials = CredentialStore::new().with_service(Certificate::from_file(SERVICE)?)?;
    let zero = std::time::Instant::now();
    let now = || Instant::from_millis(zero.elapsed().as_millis() as u64);
    let mut channel = channel(&url)?;
    let (mut script, mut flights, mut out) = (SCRIPT.iter(), Vec::<Flight>::new(), vec![0; 16 * 1024]);
    loop {
        // Ask.
        let deadline = loop {
            match channel.poll(now(), &credentials, &mut out) {
                ChannelAction::Transmit { exchange: Some(exchange), message, .. } => {
                    let until = Deadline::within(now(), Timeouts::default().send);
                    match Flight::begin(authority, path, exchange, until, message) {
                        Ok(flight) => flights.push(flight),
                        Err(_) => channel.exchange_failed(now(), exchange),
                    }
                }
                // Only duplex sessions have messages without an exchange.
                ChannelAction::Transmit { exchange: None, .. } => {}
                ChannelAction::Event(ChannelEvent::Faulted(error) | ChannelEvent::CallDone(_, Err(error))) => {
                    return Err(error.into());
                }
                ChannelAction::Event(ChannelEvent::CloseDone(closed)) => closed?,
                ChannelAction::Event(_) => {}
                ChannelAction::Grow(grow) => out.resize(grow.needed, 0),
                ChannelAction::Wait(deadline) => break deadline,
            }
        };
        if channel.state() == CommunicationState::Closed && flights.is_empty() {
            println!("closed");
            return Ok(());
        }
        // Tell: one call after the other, then the end. The first call opens the session.
        if channel.calls() == 0 && matches!(channel.state(), CommunicationState::Created | CommunicationState::Opened) {
            match script.next() {
                Some((name, n)) => {
                    let two_way = n.is_empty();
                    let body = match two_way {
                        true => format!("<{name} xmlns=\"{NAMESPACE}\"/>"),
                        false => format!("<{name} xmlns=\"{NAMESPACE}\"><n>{n}</n></{name}>"),
                    };
                    let action = format!("{NAMESPACE}/ICalculatorSession/{name}");
                    let operation = if two_way { OperationUse::new(name) } else { OperationUse::one_way(name) };
                    channel.call(now(), operation, Request { action, body, two_way }).map_err(|(_, why)| why)?;
                }
                None => drop(channel.close(now())?),
            }
            continue;
        }
        // Carry.
        let open = flights.len();
        flights.retain_mut(|flight| match flight.step(now()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(_) => {
                // Lost: the machine knows what to send again, and when.
                channel.exchange_failed(now(), flight.exchange);
                false
            }
            Ok(mut message) => {
                // It is decrypted where it lies, and what is told are places in it.
                match channel.receive(now(), Some(flight.exchange), &credentials, &mut message) {
                    ChannelHeard::Reply { message: place, .. } => {
                        let result = Reader::resume(&message, place.body, &place.body_scope, &Limits::default());
                        let result = result.ok().and_then(|mut reader| {
                            let _ = (reader.next_element().ok()??, reader.next_element().ok()??);
                            Some(String::from_utf8_lossy(reader.text().ok()?.raw()).into_owned())
                        });
                        println!("(0 + 100 - 50) * 17 / 10 = {}", result.unwrap_or_default());
                    }
                    ChannelHeard::Fault { fault, .. } => {
                        println!("{}", String::from_utf8_lossy(fault.reason.of(&message)))
                    }
                    ChannelHeard::Failed { error, .. } => println!("{error}"),
                    ChannelHeard::Held { .. } | ChannelHeard::Protocol => {}
                }
                false
            }
        });
        // Sleep, unless the channel was told something: then it has to be asked first.
        if flights.len() < open {
            continue;
        }
        let left = deadline.remaining(now()).unwrap_or(Duration::from_secs(60));
        std::thread::sleep(if flights.is_empty() { left } else { left.min(Duration::from_millis(1)) });
    }
}
