//! `soap-session connect`: plain SOAP comes in, and goes on in a secure, reliable session.

use crate::metrics::Metrics;
use crate::options::{BindingArgs, ClientArgs, IdentityFiles, duration, version};
use crate::serve::{accepted_action, listen_address, say};
use crate::signals::Signals;
use crate::trouble::{Exit, LAST_WORDS, Trouble, give_up, run};
use clap::Args;
use soap_session_core::lifetime::CommunicationState;
use soap_session_core::session::ChannelError;
use soap_session_core::soap::{FaultCode, SoapVersion};
use soap_session_tokio::http::{HttpRequest, HttpResponse, HttpServer, Limits};
use soap_session_tokio::tls::{ClientCertificates, ServerTls};
use soap_session_tokio::{CallError, Client, ClientOptions, Failed, Fault, Observer, PlainEnvelope, Tokio};
use std::collections::{HashMap, HashSet};
use std::mem;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// The namespace of faults of this program's own.
const FAULTS: &str = "urn:soap-session:faults";

const AFTER_HELP: &str = "\
Times are seconds, or numbers with ms, s, m or h behind them, such as 500ms, 90 or 10m.

On Ctrl-C or SIGTERM nothing more is taken, calls under way get 10 s, and then sessions are closed,
for which --close-timeout is the limit. Told a second time, it ends at once.

Examples:
  soap-session connect --listen 127.0.0.1:8001 --to http://server:8000/ --reliable
  soap-session connect --listen 127.0.0.1:8001 --to http://server:8000/ \\
    --security message --service-cert server.pem \\
    --credential username --username ada --password-file pass --metrics 127.0.0.1:9101
  soap-session connect --listen 0.0.0.0:8443 --tls-cert host.pem --tls-key host.key.pem \\
    --to http://server:8000/ --reliable

Exit codes:
    0  stopped when it was told to
    2  the options are wrong, or do not go together; nothing was served
    6  anything else, such as an address that is in use
  130  told twice to stop, by Ctrl-C at last: sessions were not waited for
  143  the same by SIGTERM
That the service cannot be reached is told to whoever calls, by a fault, and ends nothing here.";

/// Takes plain SOAP, and passes it on in a secure, reliable session, until it is interrupted: the other side of `serve --upstream`.
///
/// Replies, faults and one-way calls come back as the service says them. A call that was lost is answered with a fault, and never sent
/// twice; the next one opens a new session. Headers of plain messages are left out; one that must be understood is refused.
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ConnectArgs {
    /// Address to listen on for plain SOAP, such as 127.0.0.1:8001; port 0 lets the system choose. There is no login here, and no
    /// HTTPS without --tls-cert or --tls-pkcs12: let it be a loopback address
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    pub listen: SocketAddr,
    /// Speak HTTPS here, with this certificate; those of its issuers may follow it
    #[arg(long, value_name = "PEM", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, unencrypted
    #[arg(long, value_name = "PEM", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Speak HTTPS here, with the certificate and key of one file, PKCS#12 (.pfx, .p12)
    #[arg(long, value_name = "FILE", requires = "tls_pkcs12_password_file", conflicts_with = "tls_cert")]
    pub tls_pkcs12: Option<PathBuf>,
    /// File whose first line is the password of that file
    #[arg(long, value_name = "FILE", requires = "tls_pkcs12")]
    pub tls_pkcs12_password_file: Option<PathBuf>,
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
    /// Write every message of the session as it was sent and received to this folder, for `inspect`: the newest
    /// 10 000, in 256 MiB at most
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// Serve the numbers that Prometheus reads at http://ADDRESS/metrics; port 0 lets the system choose. The page is not protected
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    pub metrics: Option<SocketAddr>,
    /// How long sessions get to be closed when this is stopped
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub close_timeout: Duration,
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
        run("connect", self.serve())
    }

    async fn serve(&self) -> Result<Exit, Trouble> {
        let mut signals = Signals::listen()?;
        let metrics = Metrics::start(self.metrics).await?;
        let (binding, mut options) = self.client.options(&self.to, &self.binding)?;
        let log = crate::options::log(self.log.as_deref())?;
        if let Some(log) = &log {
            options = options.with_observer(Arc::clone(log) as Arc<dyn Observer>);
        }
        // Told now, not at the first call.
        drop(Client::new(&self.to, options.clone())?);
        let limits =
            Limits { body: self.binding.max_message as usize, expected: Some(binding.soap()), ..Limits::default() };
        let tls = self.tls()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = HttpServer::bind(Tokio, self.listen, limits, tls).await;
        let server = server.map_err(|error| Trouble::other(error).about(self.listen))?;
        let address = server.local_addr().map_err(Trouble::other)?;
        say(format_args!(
            "Listening on {scheme}://{address}/ for plain SOAP {}; it goes on to {} ({}); interrupt to stop.",
            version(binding.soap()),
            self.to,
            binding.name()
        ));
        if let Some(metrics) = &metrics {
            metrics.told();
        }
        let connector = Arc::new(Connector {
            to: self.to.clone(),
            options,
            soap: binding.soap(),
            addressed: binding.addressing().is_some(),
            limits: binding.limits,
            per_connection: self.session_per_connection,
            one_way: self.one_way.iter().cloned().collect(),
            sessions: Mutex::default(),
            closing: Mutex::default(),
        });
        let tidying = tokio::spawn(Arc::clone(&connector).tidy(self.session_idle, self.client.timeout));
        let (answering, closing) = (Arc::clone(&connector), Arc::clone(&connector));
        let serve = |stopped| async {
            let answer = move |request| {
                let connector = Arc::clone(&answering);
                async move { connector.answer(request).await }
            };
            let stopped = async {
                let _ = stopped.await;
            };
            server.serve(answer, stopped).await;
            closing.close(self.close_timeout, |_| true);
            // Those that were being closed before have no more time than these; and each has a moment to be aborted.
            let _ = tokio::time::timeout(self.close_timeout.saturating_add(LAST_WORDS * 2), closing.closed()).await;
        };
        let exit = signals.serve(serve, || say(format_args!("Stopping: sessions are closed."))).await;
        tidying.abort();
        if let Some(metrics) = metrics {
            metrics.stop().await;
        }
        if let Some(log) = &log {
            say(format_args!("Log: {}.", log.finish()));
        }
        say(format_args!("{}", if exit == Exit::Done { "Stopped." } else { "Stopped at once." }));
        Ok(exit)
    }

    /// What protects the plain side, if anything does.
    fn tls(&self) -> Result<Option<ServerTls>, Trouble> {
        let files = IdentityFiles {
            certificate: ("--tls-cert", self.tls_cert.as_deref()),
            key: ("--tls-key", self.tls_key.as_deref()),
            pkcs12: ("--tls-pkcs12", self.tls_pkcs12.as_deref()),
            password: self.tls_pkcs12_password_file.as_deref(),
        };
        let Some(identity) = files.load()? else { return Ok(None) };
        let tls = ServerTls::new(&identity, &ClientCertificates::NotAsked);
        tls.map(Some).map_err(|error| Trouble::usage(error).about("HTTPS"))
    }
}

/// A session, or the place for one.
struct Seat {
    client: tokio::sync::Mutex<Option<Client>>,
    used: Mutex<Instant>,
}

impl Seat {
    async fn close(self: Arc<Self>, patience: Duration) {
        let Some(client) = self.client.lock().await.take() else { return };
        let id = client.session_id().unwrap_or_default();
        let closing = async {
            match client.close().await {
                Ok(()) => say(format_args!("Session {id} is closed.")),
                Err(error) => say(format_args!("Session {id} was not closed: {error}.")),
            }
            client.finished().await;
        };
        if tokio::time::timeout(patience, closing).await.is_err() {
            give_up(&client).await;
            say(format_args!("Session {id} was not closed in {} s.", patience.as_secs_f32()));
        }
    }
}

struct Connector {
    to: String,
    options: ClientOptions,
    soap: SoapVersion,
    /// Does WS-Addressing say whether a reply is due?
    addressed: bool,
    limits: soap_session_core::xml::Limits,
    per_connection: bool,
    one_way: HashSet<String>,
    /// By connection; all the same where there is one for all.
    sessions: Mutex<HashMap<u64, Arc<Seat>>>,
    /// Those that have left the table, and are being closed.
    closing: Mutex<Vec<JoinHandle<()>>>,
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
                // HTTP's 202: who is called without WS-Addressing has no other way to say that it is one-way. With it, a reply was lost.
                Err(CallError::Failed(Failed { error: ChannelError::EmptyAnswer, .. })) if !self.addressed => Ok(None),
                Err(CallError::Fault(fault)) => Err(fault),
                Err(CallError::Refused(_)) if !last && client.state() != CommunicationState::Opened => continue,
                Err(error) => {
                    say(format_args!("A call of {action} was lost: {error}."));
                    let trouble = Trouble::from(error);
                    Err(Fault::receiver(format!("The call was lost between here and the service: {}.", trouble.fact())))
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
                Err(Fault::receiver(format!("There is no session with the service: {}.", trouble.fact())))
            }
        }
    }

    /// Closes sessions whose connections are gone or silent.
    async fn tidy(self: Arc<Self>, idle: Duration, patience: Duration) {
        if !self.per_connection {
            return;
        }
        loop {
            tokio::time::sleep((idle / 4).min(Duration::from_secs(5))).await;
            self.close(patience, |used| used.elapsed() > idle);
        }
    }

    /// Begins to close sessions that nobody uses. Those that are not closed in time are aborted.
    fn close(&self, patience: Duration, which: impl Fn(Instant) -> bool) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits for the end finds a session here or there.
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        closing.retain(|closing| !closing.is_finished());
        sessions.retain(|_, seat| {
            // Whoever calls now holds it.
            let idle = Arc::strong_count(seat) == 1 && which(*seat.used.lock().unwrap_or_else(PoisonError::into_inner));
            if idle {
                closing.push(tokio::spawn(Arc::clone(seat).close(patience)));
            }
            !idle
        });
    }

    /// Waits for sessions that are being closed.
    async fn closed(&self) {
        let closing = mem::take(&mut *self.closing.lock().unwrap_or_else(PoisonError::into_inner));
        for closing in closing {
            let _ = closing.await;
        }
    }
}
