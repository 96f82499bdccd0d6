//! A way between a client and a service that loses requests and answers.

use super::action_of;
use soap_session_core::chance::{Chance, Entropy as _};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What has happened on the way so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Toll {
    pub(super) exchanges: u32,
    pub(super) requests_lost: u32,
    pub(super) answers_lost: u32,
}

struct Fate {
    chance: Chance,
    /// Of a hundred messages, so many are lost; none before the way gets bad.
    loss: u8,
    toll: Toll,
}

/// A way to a service. A message that is lost takes its connection with it, as a router does that reboots.
#[derive(Clone)]
pub(super) struct Way {
    fate: Arc<Mutex<Fate>>,
    note: Arc<dyn Fn(String) + Send + Sync>,
}

impl Way {
    /// A good way. Each loss will be told to `note`.
    pub(super) fn new(seed: u64, note: impl Fn(String) + Send + Sync + 'static) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let fate = Fate { chance: Chance::new(&bytes), loss: 0, toll: Toll::default() };
        Self { fate: Arc::new(Mutex::new(fate)), note: Arc::new(note) }
    }

    /// From now on so many of a hundred requests, and as many answers, are lost.
    pub(super) fn gets_bad(&self, loss: u8) {
        self.fate(|fate| fate.loss = loss);
    }

    pub(super) fn toll(&self) -> Toll {
        self.fate(|fate| fate.toll)
    }

    fn fate<T>(&self, look: impl FnOnce(&mut Fate) -> T) -> T {
        look(&mut self.fate.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn loses(&self) -> bool {
        self.fate(|fate| {
            let mut drawn = [0; 4];
            fate.chance.fill(&mut drawn);
            u32::from_le_bytes(drawn) % 100 < u32::from(fate.loss)
        })
    }

    /// Leads to `service` from the address that it returns.
    pub(super) async fn lead_to(&self, service: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let way = self.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let way = way.clone();
                tokio::spawn(async move { way.carry(client, service).await });
            }
        });
        Ok(address)
    }

    /// Carries the exchanges of one connection until one is lost, or a side has gone.
    async fn carry(&self, mut client: TcpStream, service: SocketAddr) -> Option<()> {
        client.set_nodelay(true).ok()?;
        let mut service = TcpStream::connect(service).await.ok()?;
        service.set_nodelay(true).ok()?;
        loop {
            let (request, body) = http_message(&mut client).await?;
            let action = action_of(request.get(body..)?).unwrap_or_default();
            let name = action.rsplit('/').next().unwrap_or_default().to_owned();
            // A cancellation is said once: nothing stands under the conversation that would say it again.
            let safe = action.ends_with("/RST/SCT/Cancel");
            let number = self.fate(|fate| {
                fate.toll.exchanges += 1;
                fate.toll.exchanges
            });
            if !safe && self.loses() {
                self.fate(|fate| fate.toll.requests_lost += 1);
                (self.note)(format!("exchange {number:>3}: the request is lost ({name})"));
                return None;
            }
            service.write_all(&request).await.ok()?;
            let (answer, _) = http_message(&mut service).await?;
            if !safe && self.loses() {
                self.fate(|fate| fate.toll.answers_lost += 1);
                (self.note)(format!("exchange {number:>3}: the answer is lost  ({name})"));
                return None;
            }
            client.write_all(&answer).await.ok()?;
        }
    }
}

/// Reads a head and as much body as it announces: the message, and where its body starts.
async fn http_message(stream: &mut TcpStream) -> Option<(Vec<u8>, usize)> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        if let Some((end, head)) = end.and_then(|end| Some((end, bytes.get(..end)?))) {
            let head = String::from_utf8_lossy(head).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= end + length.unwrap_or(0) {
                return Some((bytes, end));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
