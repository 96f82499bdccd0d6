//! `soap-session connect`: plain SOAP comes in, and goes on in a secure, reliable session.

use crate::options::{BindingArgs, ClientArgs, duration, version};
use crate::serve::{accepted_action, interrupted, listen_address, say};
use crate::trouble::{EXIT_CODES, Exit, Trouble, run};
use clap::Args;
use soap_session_core::lifetime::CommunicationState;
use soap_session_core::session::ChannelError;
use soap_session_core::soap::{FaultCode, SoapVersion};
use soap_session_tokio::http::{HttpRequest, HttpResponse, HttpServer, Limits};
use soap_session_tokio::{CallError, Client, ClientOptions, Failed, Fault, Observer, PlainEnvelope, Tokio};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The namespace of faults of this program's own.
const FAULTS: &str = "urn:soap-session:faults";

/// Takes plain SOAP, and passes it on in a secure, reliable session, until it is interrupted: the other side of `serve --upstream`.
///
/// Replies, faults and one-way calls come back as the service says them. A call that was lost is answered with a fault, and never sent
/// twice; the next one opens a new session. Headers of plain messages are left out; one that must be understood is refused.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct ConnectArgs {
    /// Address to listen on for plain SOAP, such as 127.0.0.1:8001; port 0 lets the system choose. There is neither HTTPS nor a login
    /// here: let it be a loopback address
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    pub listen: SocketAddr,
    /// Address of the service, http or https
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// A session for each connection, instead of one for all
    #[arg(long)]
    pub session_per_connection: bool,
    /// With --session-per-connection: close a session that was not used for so long
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub session_idle: Duration,
    /// This action is a one-way operation (repeat for several). Behind `serve --upstream` it need not be said
    #[arg(long = "one-way", value_name = "ACTION")]
    pub one_way: Vec<String>,
    /// Write every message of the session as it was sent and received to this folder, for `inspect`
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// How messages are spoken and protected
    #[command(flatten)]
    pub binding: BindingArgs,
    /// Who calls
    #[command(flatten)]
    pub client: ClientArgs,
}

impl ConnectArgs {
    /// Serves until it is interrupted. What went wrong is told on the standard error.
    pub fn run(&self) -> Exit {
        run("connect", async { self.serve().await.map(|()| Exit::Done) })
    }

    async fn serve(&self) -> Result<(), Trouble> {
        let (binding, mut options) = self.client.options(&self.to, &self.binding)?;
        let log = crate::options::log(self.log.as_deref())?;
        if let Some(log) = &log {
            options = options.with_observer(Arc::clone(log) as Arc<dyn Observer>);
        }
        // Told now, not at the first call.
        drop(Client::new(&self.to, options.clone())?);
        let limits =
            Limits { body: self.binding.max_message as usize, expected: Some(binding.soap()), ..Limits::default() };
        let server = HttpServer::bind(Tokio, self.listen, limits, None).await;
        let server = server.map_err(|error| Trouble::other(error).about(self.listen))?;
        let address = server.local_addr().map_err(Trouble::other)?;
        say(format_args!(
            "Listening on http://{address}/ for plain SOAP {}; it goes on to {} ({}); interrupt to stop.",
            version(binding.soap()),
            self.to,
            binding.name()
        ));
        let connector = Arc::new(Connector {
            to: self.to.clone(),
            options,
            soap: binding.soap(),
            limits: binding.limits,
            per_connection: self.session_per_connection,
            one_way: self.one_way.iter().cloned().collect(),
            sessions: Mutex::default(),
        });
        let tidying = tokio::spawn(Arc::clone(&connector).tidy(self.session_idle));
        let answering = Arc::clone(&connector);
        server
            .serve(
                move |request| {
                    let connector = Arc::clone(&answering);
                    async move { connector.answer(request).await }
                },
                interrupted(),
            )
            .await;
        tidying.abort();
        say(format_args!("Stopping: sessions are closed."));
        connector.close(|_| true).await;
        if let Some(log) = &log {
            say(format_args!("Log: {}.", log.finish()));
        }
        say(format_args!("Stopped."));
        Ok(())
    }
}

/// A session, or the place for one.
struct Seat {
    client: tokio::sync::Mutex<Option<Client>>,
    used: Mutex<Instant>,
}

struct Connector {
    to: String,
    options: ClientOptions,
    soap: SoapVersion,
    limits: soap_session_core::xml::Limits,
    per_connection: bool,
    one_way: HashSet<String>,
    /// By connection; all the same where there is one for all.
    sessions: Mutex<HashMap<u64, Arc<Seat>>>,
}

impl Connector {
    async fn answer(&self, request: HttpRequest) -> HttpResponse {
        let HttpRequest { connection, action, body, .. } = request;
        match self.call(connection, action.unwrap_or_default(), &body).await {
            Ok(Some(body)) => HttpResponse::reply(self.soap.content_type(), PlainEnvelope::write(self.soap, &body)),
            Ok(None) => HttpResponse::accepted(),
            Err(fault) => HttpResponse::fault(self.soap.content_type(), PlainEnvelope::write_fault(self.soap, &fault)),
        }
    }

    /// The body of the reply; none if there is nothing to say.
    async fn call(
        &self,
        connection: u64,
        action: String,
        message: &bytes::Bytes,
    ) -> Result<Option<bytes::Bytes>, Fault> {
        let envelope = PlainEnvelope::read(message, self.soap, &self.limits)
            .map_err(|error| Fault::sender(FAULTS, "Unreadable", format!("The message cannot be read: {error}.")))?;
        if let Some((namespace, name)) = envelope.must_understand {
            let reason = format!("The header '{name}' of the namespace '{namespace}' is not understood here.");
            return Err(Fault { code: FaultCode::MustUnderstand, subcode: None, ..Fault::receiver(reason) });
        }
        if action.is_empty() {
            let reason =
                "The message has no action: say it by SOAPAction, or by the action parameter of the content type.";
            return Err(Fault::sender(FAULTS, "NoAction", reason));
        }
        let seat = self.seat(if self.per_connection { connection } else { 0 });
        let one_way = self.one_way.contains(&action);
        let mut body = Some(envelope.body);
        // Twice only if nothing was sent the first time.
        for last in [false, true] {
            let client = self.client(&seat).await?;
            let sent = if last { body.take() } else { body.clone() }.unwrap_or_default();
            let called = if one_way {
                client.notify(&action, sent).await.map(|()| None)
            } else {
                client.call(&action, sent).await.map(Some)
            };
            *seat.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            return match called {
                Ok(Some(reply)) if reply.action == accepted_action() && reply.body.is_empty() => Ok(None),
                Ok(reply) => Ok(reply.map(|reply| reply.body)),
                // HTTP's 202: who is called without WS-Addressing has no other way to say that it is one-way.
                Err(CallError::Failed(Failed { error: ChannelError::EmptyAnswer, .. })) => Ok(None),
                Err(CallError::Fault(fault)) => Err(fault),
                Err(CallError::Refused(_)) if !last && client.state() != CommunicationState::Opened => continue,
                Err(error) => {
                    say(format_args!("A call of {action} was lost: {error}."));
                    Err(Fault::receiver(format!("The call was lost between here and the service: {error}.")))
                }
            };
        }
        Err(Fault::receiver("The session ended."))
    }

    fn seat(&self, key: u64) -> Arc<Seat> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = sessions.entry(key).or_insert_with(|| {
            Arc::new(Seat { client: tokio::sync::Mutex::default(), used: Mutex::new(Instant::now()) })
        });
        Arc::clone(seat)
    }

    /// The session of this seat, opened now if it is not open. Others wait meanwhile.
    async fn client(&self, seat: &Seat) -> Result<Client, Fault> {
        let mut client = seat.client.lock().await;
        if let Some(client) = client.as_ref().filter(|client| client.state() == CommunicationState::Opened) {
            return Ok(client.clone());
        }
        *client = None;
        match Client::connect(&self.to, self.options.clone()).await {
            Ok(opened) => {
                if let Some(id) = opened.session_id() {
                    say(format_args!("Session {id} is open."));
                }
                *client = Some(opened.clone());
                Ok(opened)
            }
            Err(error) => {
                let trouble = Trouble::from(error);
                say(format_args!("No session: {trouble}"));
                Err(Fault::receiver(format!("There is no session with the service: {trouble}")))
            }
        }
    }

    /// Closes sessions whose connections are gone or silent.
    async fn tidy(self: Arc<Self>, idle: Duration) {
        if !self.per_connection {
            return;
        }
        loop {
            tokio::time::sleep((idle / 4).min(Duration::from_secs(5))).await;
            self.close(|used| used.elapsed() > idle).await;
        }
    }

    async fn close(&self, which: impl Fn(Instant) -> bool) {
        let mut closed = Vec::new();
        {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.retain(|_, seat| {
                // Whoever calls now holds it.
                let idle =
                    Arc::strong_count(seat) == 1 && which(*seat.used.lock().unwrap_or_else(PoisonError::into_inner));
                if idle {
                    closed.push(Arc::clone(seat));
                }
                !idle
            });
        }
        let closing = closed.into_iter().map(|seat| {
            tokio::spawn(async move {
                if let Some(client) = seat.client.lock().await.take() {
                    let id = client.session_id();
                    match client.close().await {
                        Ok(()) => say(format_args!("Session {} is closed.", id.unwrap_or_default())),
                        Err(error) => say(format_args!("Session {} was not closed: {error}.", id.unwrap_or_default())),
                    }
                    client.finished().await;
                }
            })
        });
        for closing in closing.collect::<Vec<_>>() {
            let _ = closing.await;
        }
    }
}
