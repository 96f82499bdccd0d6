//! HTTP as the recorded peers spoke it, over blocking sockets: octets in, octets out, and no library between.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// A message of HTTP: its head and its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Request or status line and fields.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Said {
    /// The first field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> Option<u16> {
        self.head.split_whitespace().nth(1)?.parse().ok()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The first field of this name in a head.
pub(crate) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .map(|(key, value)| (key, value.trim()))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Said>> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let length = field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(Said { head, body }))
}

/// How the peer reacts to a request. It does nothing as long as nobody says so, and closes when nobody can say so any more.
#[derive(Debug)]
pub(crate) enum Reaction {
    /// With an answer, as it goes over the wire.
    Answer(Vec<u8>),
    /// By closing the connection.
    Close,
}

/// A request that came.
#[derive(Debug)]
pub(crate) struct Request {
    /// What it says.
    pub(crate) said: Said,
    /// By whom it is answered.
    pub(crate) react: Sender<Reaction>,
    connection: TcpStream,
}

impl Request {
    /// Has its client closed the connection?
    pub(crate) fn is_given_up(&self) -> bool {
        let peeked = self.connection.set_nonblocking(true).and_then(|()| self.connection.peek(&mut [0]));
        let _ = self.connection.set_nonblocking(false);
        match peeked {
            Ok(octets) => octets == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

/// A service's side.
pub(crate) struct Inbox {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    count: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Inbox {
    /// Begins to listen.
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, count, over): (Arc<Mutex<Vec<Request>>>, Arc<AtomicUsize>, Arc<AtomicBool>) = Default::default();
        let inbox =
            Self { address, requests: Arc::clone(&requests), count: Arc::clone(&count), over: Arc::clone(&over) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (requests, count) = (Arc::clone(&requests), Arc::clone(&count));
                if let Ok(stream) = stream {
                    thread::spawn(move || drop(connection(stream, &requests, &count)));
                }
            }
        });
        inbox
    }

    /// Requests that came since this was asked last.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    /// How many requests came.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

fn connection(stream: TcpStream, requests: &Mutex<Vec<Request>>, count: &AtomicUsize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(said) = read(&mut reader)? {
        let (react, reaction) = channel();
        requests.lock().unwrap().push(Request { said, react, connection: writer.try_clone()? });
        count.fetch_add(1, Ordering::SeqCst);
        match reaction.recv() {
            Ok(Reaction::Answer(answer)) => {
                writer.write_all(&answer)?;
                if String::from_utf8_lossy(&answer).contains("\r\nConnection: close\r\n") {
                    break;
                }
            }
            Ok(Reaction::Close) | Err(_) => break,
        }
    }
    writer.shutdown(Shutdown::Both)
}

/// Posts a message, whose head and body are as given. The answer comes later; none, if the connection ends without.
/// `answered` counts the answers.
pub(crate) fn post(
    address: SocketAddr,
    head: String,
    body: Vec<u8>,
    answered: Arc<AtomicUsize>,
) -> Receiver<Option<Said>> {
    let (tell, answer) = channel();
    thread::spawn(move || {
        let asked = || -> io::Result<Option<Said>> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.write_all(&[head.into_bytes(), body].concat())?;
            read(&mut BufReader::new(stream))
        };
        let said = asked().unwrap_or(None);
        let count = usize::from(said.is_some());
        // Whoever asked may have gone.
        let _ = tell.send(said);
        answered.fetch_add(count, Ordering::SeqCst);
    });
    answer
}
