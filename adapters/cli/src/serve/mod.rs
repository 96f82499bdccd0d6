//! `soap-session serve`: a service of WCF's samples, an echo, or a gateway to an ordinary SOAP service.

mod args;
mod calculator;
mod echo;
mod gateway;
mod told;

pub use args::{ConcurrencyName, InstanceName, ServeArgs, ServiceName};

pub(crate) use args::address as listen_address;
pub(crate) use told::say;

use crate::metrics::Metrics;
use crate::options::version;
use crate::signals::Signals;
use crate::trouble::{Exit, Trouble, run};
use calculator::Calculator;
use echo::Echo;
use gateway::Gateway;
use soap_session_core::throttle::Throttle;
use soap_session_tokio::{Server, ServerOptions, Service, Watch};
use std::sync::Arc;
use std::time::Duration;
use told::{Faults, Told};

/// How often it is looked whether somebody waits for a permit.
const LOOK: Duration = Duration::from_millis(500);

impl ServeArgs {
    /// Serves until it is interrupted. What went wrong is told on the standard error.
    pub fn run(&self) -> Exit {
        run("serve", self.serve())
    }

    async fn serve(&self) -> Result<Exit, Trouble> {
        let mut signals = Signals::listen()?;
        let log = crate::options::log(self.log.as_deref())?;
        let faults = Faults { soap: self.binding.binding()?.soap(), log: log.clone() };
        let options = self.options()?.with_observer(Arc::new(faults));
        let exit = match (&self.upstream, self.service) {
            (Some(upstream), _) => self.host(&mut signals, options, Gateway::new(upstream, self)?).await?,
            (None, Some(ServiceName::Echo)) => self.host(&mut signals, options, Echo).await?,
            (None, Some(ServiceName::Calculator)) => {
                self.host(&mut signals, options, Calculator { sessions: self.has_sessions() }).await?
            }
            (None, None) => {
                return Err(Trouble::usage(
                    "say what to serve: --service calculator, --service echo, or --upstream URL",
                ));
            }
        };
        if let Some(log) = &log {
            say(format_args!("Log: {}.", log.finish()));
        }
        Ok(exit)
    }

    async fn host<S: Service>(
        &self,
        signals: &mut Signals,
        options: ServerOptions,
        service: S,
    ) -> Result<Exit, Trouble> {
        let metrics = Metrics::start(self.metrics).await?;
        let (close, binding) = (options.close, self.binding.binding()?);
        let told = Told::new(service, self.instance_mode == InstanceName::PerSession, self.protects());
        let server =
            Server::bind(self.listen, options, told).await.map_err(|error| Trouble::from(error).about(self.listen))?;
        let address = server.local_addr().map_err(Trouble::other)?;
        let scheme = if self.tls { "https" } else { "http" };
        say(format_args!(
            "Listening on {scheme}://{address}/ ({}, SOAP {}); interrupt to stop.",
            binding.name(),
            version(binding.soap())
        ));
        if let Some(metrics) = &metrics {
            metrics.told();
        }
        let watch = server.watch();
        let looking = tokio::spawn(look(watch.clone()));
        let stopping = || {
            let sessions = watch.sessions();
            say(format_args!(
                "Stopping: {sessions} sessions are open, and get {} s to be closed.",
                close.as_secs_f32()
            ));
        };
        let serve = |stopped| {
            server.serve(async {
                let _ = stopped.await;
            })
        };
        let exit = signals.serve(serve, stopping).await;
        looking.abort();
        if let Some(metrics) = metrics {
            metrics.stop().await;
        }
        say(format_args!("{}", if exit == Exit::Done { "Stopped." } else { "Stopped at once." }));
        Ok(exit)
    }
}

/// The action of a reply that stands for HTTP's 202: see [`Gateway`].
pub(crate) const fn accepted_action() -> &'static str {
    gateway::ACCEPTED
}

/// Tells of throttles that let somebody wait, and when nobody waits any more.
async fn look<S: Service>(watch: Watch<S>) {
    let mut waited = [false; 3];
    loop {
        tokio::time::sleep(LOOK).await;
        for (waited, throttle) in waited.iter_mut().zip([Throttle::Calls, Throttle::Sessions, Throttle::Instances]) {
            let pressure = watch.pressure(throttle);
            if pressure.waiting > 0 && !*waited {
                say(format_args!("Throttle: {pressure}."));
            } else if pressure.waiting == 0 && *waited {
                say(format_args!("Throttle: nobody waits for {throttle} any more."));
            }
            *waited = pressure.waiting > 0;
        }
    }
}
