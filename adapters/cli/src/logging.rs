//! What the program tells besides its plain words: events and spans, on the standard error.

use crate::trouble::Trouble;
use clap::{ArgAction, Args, ValueEnum};
use std::env::{self, VarError};
use std::io;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// What this program and its libraries tell under.
const TARGET: &str = "soap_session";
/// Where somebody says more exactly what is to be told.
const VARIABLE: &str = "RUST_LOG";

/// How an event is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum)]
pub enum LogFormat {
    /// A line for people
    Text,
    /// A JSON object, with the span around it
    Json,
}

/// Of all jobs.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Telling more")]
pub struct LoggingArgs {
    /// Tell more on the standard error: -v sessions, -vv calls and exchanges too, -vvv everything. Without it servers tell warnings.
    /// The environment variable RUST_LOG says it more exactly where -v is not given, such as soap_session=debug. Bodies, passwords
    /// and keys are never told
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// How that is written: a line, or a JSON object, for each event
    #[arg(long, value_enum, global = true, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

impl LoggingArgs {
    /// Tells from now on, the first time it is called in a process. `warns`: does the job tell warnings unasked? One that ends with
    /// words about what went wrong does not, for these would say the same.
    ///
    /// # Errors
    /// `RUST_LOG` cannot be understood.
    pub fn install(&self, warns: bool) -> Result<(), Trouble> {
        let filter = match env::var(VARIABLE) {
            Ok(text) if self.verbose == 0 && !text.trim().is_empty() => asked(&text)?,
            Err(VarError::NotUnicode(_)) if self.verbose == 0 => {
                return Err(Trouble::usage("it is no UTF-8").about(VARIABLE));
            }
            Ok(_) | Err(_) => {
                let (others, ours) = levels(self.verbose, warns);
                EnvFilter::new(format!("{others},{TARGET}={ours}"))
            }
        };
        // Where nobody reads the standard error, nobody is told, and nothing ends for it.
        let subscriber = fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
        // Whoever calls this as a library may have installed one already.
        let _ = match self.log_format {
            LogFormat::Text => subscriber.try_init(),
            LogFormat::Json => subscriber.json().flatten_event(true).with_span_list(false).try_init(),
        };
        Ok(())
    }
}

/// What others may tell, and what we do.
const fn levels(verbose: u8, warns: bool) -> (&'static str, &'static str) {
    match (verbose, warns) {
        (0, false) => ("error", "error"),
        (0, true) => ("warn", "warn"),
        (1, _) => ("warn", "info"),
        (2, _) => ("warn", "debug"),
        (3.., _) => ("info", "trace"),
    }
}

fn asked(text: &str) -> Result<EnvFilter, Trouble> {
    EnvFilter::builder().parse(text).map_err(|error| {
        Trouble::usage(format!("{error}; give levels such as debug, or soap_session=debug,warn")).about(VARIABLE)
    })
}

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn what_is_asked_for_is_understood_or_refused() {
        assert!(asked("soap_session=debug,warn").is_ok() && asked("trace").is_ok());
        let wrong = asked("soap_session=loud").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(wrong.starts_with("RUST_LOG: ") && wrong.contains("give levels such as debug"), "{wrong}");
    }
}
