//! A service driven by a loop of one's own: no runtime, no tasks, one thread, sockets of `std::net`. Copy it into a program that has
//! a loop already.
//!
//! It is WCF's `ICalculatorSession`, secure and reliable, with an instance for each session. `calculator_client` and
//! `event_loop_client` call it. The second argument, if there is one, is after how many sessions it ends:
//!
//! ```sh
//! cargo run -p soap-session-examples --example event_loop_service -- 127.0.0.1:8000
//! ```
//!
//! A turn of the loop: **accept** connections, **carry** each as far as it goes and tell the endpoint of every request, **ask** the
//! endpoint what to send and the host what to run until both say `Wait`, **sleep**. The endpoint knows messages and sessions, the
//! host knows whose turn it is; bodies are kept here, under the names that the endpoint gives them.
//!
//! HTTP is here in its plainest form: a connection for each exchange, `Connection: close`, lengths by `Content-Length`. There is no
//! TLS, no chunked body, no `100 Continue`, no limit to connections and their time. And `std` cannot wait for several sockets, so that the loop looks at them every
//! millisecond: put `poll(2)` there, or what wakes your loop.

use soap_session_core::chance::Chance;
use soap_session_core::exchange::{Exchange, Outgoing};
use soap_session_core::reliable::{ReliableSettings, RmVersion, Shape};
use soap_session_core::secure::{AcceptorSettings, Binding, Bootstrap};
use soap_session_core::service::{
    BindingShapes, Contract, HostSettings, HostTables, InstanceId, Listener, Operation, ServiceHost, SessionMode,
};
use soap_session_core::session::{
    CallAnswer, Disposed, FaultReply, Kept, LayerAction, LayerHeard, Message, Order, ReliableLayer, ServiceEndpoint,
    SessionService,
};
use soap_session_core::store::Fixed;
use soap_session_core::throttle::ThrottleSettings;
use soap_session_core::time::{Deadline, Instant, Wall};
use soap_session_core::xml::{Limits, Reader};
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey, random_seed};
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NAMESPACE: &str = "http://Microsoft.ServiceModel.Samples";
macro_rules! operation {
    ($name:literal) => {
        Operation::new($name, concat!("http://Microsoft.ServiceModel.Samples/ICalculatorSession/", $name))
    };
}
const OPERATIONS: [Operation<'static>; 6] = [
    operation!("Clear").one_way(),
    operation!("AddTo").one_way(),
    operation!("SubtractFrom").one_way(),
    operation!("MultiplyBy").one_way(),
    operation!("DivideBy").one_way(),
    operation!("Equals"),
];
const CONTRACT: Contract<'static> = Contract {
    name: "ICalculatorSession",
    session_mode: SessionMode::Required,
    callbacks: false,
    operations: &OPERATIONS,
};
/// The tests' certificate.
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../credentials/tests/keys");

/// 8 sessions, each with a window of 8 messages, and 1024 signatures against replays: the tables are in the machine.
type Layer = ReliableLayer<Reply, 8, 8, 9, 16, 16, 1024>;
/// Tables of channels, calls, instances and permits, 32 places each.
type Tables = Fixed<32>;

/// What is answered.
struct Reply {
    action: String,
    body: String,
    fault: bool,
}

impl Outgoing for Reply {
    fn action(&self) -> &[u8] {
        self.action.as_bytes()
    }
    fn body(&self) -> &[u8] {
        self.body.as_bytes()
    }
    fn is_fault(&self) -> bool {
        self.fault
    }
}

/// The dispatcher's own faults, as when there is no such operation.
impl FaultReply for Reply {
    fn fault(action: &str, body: &[u8], _: Kept) -> Self {
        Self { action: action.to_owned(), body: String::from_utf8_lossy(body).into_owned(), fault: true }
    }
}

/// A connection, and the exchange on it.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    told: bool,
    answer: Vec<u8>,
}

impl Connection {
    /// Goes as far as it can: a request that has come whole, or nothing if the answer is sent; `WouldBlock` if neither is so.
    fn step(&mut self) -> io::Result<Option<Vec<u8>>> {
        while !self.answer.is_empty() {
            let sent = self.stream.write(&self.answer)?;
            self.answer.drain(..sent);
            if self.answer.is_empty() {
                return Ok(None);
            }
        }
        let mut room = [0; 4096];
        loop {
            match self.stream.read(&mut room)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                // WCF's greatest message, and room for the head.
                _ if self.received.len() > 65_536 + 4096 => return Err(ErrorKind::InvalidData.into()),
                read => self.received.extend_from_slice(&room[..read]),
            }
            if let Some(message) = body_of(&self.received).filter(|_| !self.told) {
                self.told = true;
                return Ok(Some(message));
            }
        }
    }
}

/// The body of a request, once it is there.
fn body_of(request: &[u8]) -> Option<Vec<u8>> {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&request[..end]).ok()?, &request[end + 4..]);
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let length =
        fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).find_map(|(_, n)| n.trim().parse().ok());
    (head.starts_with("POST ") && Some(body.len()) == length).then(|| body.to_vec())
}

/// What is kept of a message until its turn.
#[derive(Default)]
struct Held {
    action: Vec<u8>,
    n: f64,
    /// There is no header block that must be understood and is not.
    understood: bool,
}

/// The service: the endpoint, the host that decides for it, and what this program keeps.
struct Service {
    endpoint: ServiceEndpoint<Reply, Layer, Tables>,
    host: ServiceHost<Kept, Tables>,
    /// Messages that wait for their turn.
    kept: HashMap<Kept, Held>,
    results: HashMap<InstanceId, f64>,
    /// Sessions that have come and gone.
    served: usize,
}

impl Service {
    fn new() -> Result<Self, Box<dyn Error>> {
        let seed = || random_seed().map(|seed| Chance::new(&seed));
        let unix = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let sessions = SessionService::secure(
            ReliableSettings { version: RmVersion::V11, ..ReliableSettings::default() },
            Shape::RequestReply,
            Binding::ws2007_http(Bootstrap::UserNameForCertificate),
            AcceptorSettings::default(),
            Wall { unix_ms_at_zero: i64::try_from(unix)? },
            seed()?,
            seed()?,
        );
        let chosen =
            CONTRACT.over(&BindingShapes::reliable_session("WS2007HttpBinding")).map_err(|why| why.to_string())?;
        let limits =
            ThrottleSettings { max_concurrent_calls: 8, max_concurrent_sessions: 8, ..ThrottleSettings::wcf3() };
        let tables = HostTables { channels: Fixed, calls: Fixed, instances: Fixed, permits: Fixed };
        Ok(Self {
            endpoint: ServiceEndpoint::new(Layer::new(sessions), 0, Listener(0), chosen, Fixed),
            host: ServiceHost::new(HostSettings::default(), limits, tables)?,
            kept: HashMap::new(),
            results: HashMap::new(),
            served: 0,
        })
    }

    /// Keeps a message until it is its turn. Its parts are places in the buffer that it came in.
    fn keep(&mut self, kept: Kept, place: &Message, bytes: &[u8]) {
        let n = Reader::resume(bytes, place.body, &place.body_scope, &Limits::default()).ok().and_then(|mut reader| {
            let _ = (reader.next_element().ok()??, reader.next_element().ok()??);
            std::str::from_utf8(reader.text().ok()?.raw()).ok()?.parse().ok()
        });
        let (action, understood) = (place.action.of(bytes).to_vec(), place.must_understand.is_none());
        self.kept.insert(kept, Held { action, n: n.unwrap_or_default(), understood });
    }

    fn carry_out(&mut self, now: Instant, order: Order) {
        match order {
            Order::Look(kept) => {
                let Some(held) = self.kept.get(&kept) else { return };
                let called = CONTRACT.called(&held.action);
                let looked = match held.understood {
                    true => self.endpoint.looked(now, &mut self.host, kept, called),
                    false => self.endpoint.not_understood(now, &mut self.host, kept, called),
                };
                if looked.is_err() {
                    self.kept.remove(&kept);
                }
            }
            Order::Run(run) => {
                let held = self.kept.remove(&run.message).unwrap_or_default();
                let result = self.results.entry(run.instance).or_default();
                let name = OPERATIONS.get(usize::from(run.called.operation)).map_or("", |operation| operation.name);
                let answer = calculate(result, name, held.n);
                let disposed = self.endpoint.answered(now, &mut self.host, run.call, run.message, answer);
                self.dispose(disposed.unwrap_or_default());
            }
            Order::Refused(kept, fault) => {
                let held = self.kept.remove(&kept).unwrap_or_default();
                self.endpoint.refuse(now, kept, &held.action, fault);
            }
            Order::Gone(owner, because, disposed) => {
                println!("session gone: {because:?}");
                self.kept.retain(|kept, _| kept.owner != owner);
                self.dispose(disposed);
                self.served += 1;
            }
            Order::Waits { pressure, .. } => println!("a session has to wait: {pressure}"),
            // A call that calls out would be resumed; the rest is told for the log.
            Order::Bound(..) | Order::Resume(_) | Order::Ending(..) | Order::Throttle(_) | Order::Wait(_) => {}
        }
    }

    fn dispose(&mut self, disposed: Disposed) {
        disposed.0.and_then(|instance| self.results.remove(&instance));
    }
}

/// One call. The result that it works on is its session's.
fn calculate(result: &mut f64, name: &str, n: f64) -> CallAnswer<Reply> {
    match name {
        "Clear" => *result = 0.0,
        "AddTo" => *result += n,
        "SubtractFrom" => *result -= n,
        "MultiplyBy" => *result *= n,
        "DivideBy" => *result /= n,
        _ => {
            let body =
                format!("<EqualsResponse xmlns=\"{NAMESPACE}\"><EqualsResult>{result}</EqualsResult></EqualsResponse>");
            let action = format!("{NAMESPACE}/ICalculatorSession/EqualsResponse");
            return CallAnswer::Reply(Reply { action, body, fault: false });
        }
    }
    CallAnswer::Nothing
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let enough = arguments.next().map_or(Ok(usize::MAX), |number| number.parse())?;
    let credentials = CredentialStore::new()
        .with_key(
            Certificate::from_file(format!("{KEYS}/service.cert.pem"))?,
            PrivateKey::from_file(format!("{KEYS}/service.key.pem"))?,
        )?
        .with_user_check(|name, password| name == "ada" && password == "secret");
    let mut service = Service::new()?;
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    println!("serving http://{}/calculator", listener.local_addr()?);
    let zero = std::time::Instant::now();
    let now = || Instant::from_millis(zero.elapsed().as_millis() as u64);
    let (mut connections, mut exchanges, mut out) =
        (HashMap::<Exchange, Connection>::new(), 0..u32::MAX, vec![0; 16 * 1024]);
    // The conversation below a session is cancelled after it.
    while service.served < enough || service.endpoint.layer().service().conversations() > 0 || !connections.is_empty() {
        // Accept.
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true)?;
            let connection = Connection { stream, received: Vec::new(), told: false, answer: Vec::new() };
            exchanges.next().and_then(|number| connections.insert(Exchange(number), connection));
        }
        // Carry.
        connections.retain(|exchange, connection| match connection.step() {
            Ok(Some(mut message)) => match service.endpoint.receive(now(), *exchange, &credentials, &mut message) {
                Ok(LayerHeard::Message(delivered)) => {
                    service.keep(delivered.kept, &delivered.message, &message);
                    true
                }
                // The protocol's own, or refused: either is answered below.
                Ok(LayerHeard::Other(_)) => true,
                // There is no room: hang up, and the client sends it again.
                Err(_) => false,
            },
            Ok(None) => false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(_) => {
                service.endpoint.exchange_failed(*exchange);
                false
            }
        });
        // Ask: the endpoint first, then the host; a call that runs gives the endpoint something to say.
        loop {
            match service.endpoint.poll(now(), &credentials, &mut out) {
                Ok(LayerAction::Answer { exchange, status, message }) => {
                    if let Some(connection) = connections.get_mut(&exchange) {
                        connection.answer = answer_of(status, message);
                    }
                    continue;
                }
                Ok(LayerAction::Drop(exchange)) => {
                    connections.remove(&exchange);
                    continue;
                }
                Ok(LayerAction::Grow(grow)) => {
                    out.resize(grow.needed, 0);
                    continue;
                }
                // A session that has ended is told by an order.
                Ok(_) | Err(_) => {}
            }
            match service.endpoint.order(now(), &mut service.host) {
                Order::Wait(until) if until > Deadline::At(now()) => break,
                order => service.carry_out(now(), order),
            }
        }
        // Sleep: not as long as the deadlines say, since connections may come.
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn answer_of(status: u16, message: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} \r\nContent-Type: application/soap+xml; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        message.len()
    );
    [head.as_bytes(), message].concat()
}
