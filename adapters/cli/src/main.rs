//! `soap-session`: calls and serves secure, reliable sessions, stands between them and plain SOAP, and inspects recorded ones.

mod demo;

use clap::{Parser, Subcommand};
use demo::LossArgs;
use soap_session_cli::call::CallArgs;
use soap_session_cli::connect::ConnectArgs;
use soap_session_cli::inspect::InspectArgs;
use soap_session_cli::logging::LoggingArgs;
use soap_session_cli::ring::RingArgs;
use soap_session_cli::serve::ServeArgs;
use std::io::{self, Write as _};
use std::process::ExitCode;

const AFTER_HELP: &str = "\
`soap-session COMMAND --help` has the options of a command, examples, and exit codes.
`-h` instead of `--help` says it more briefly.";

/// Secure SOAP sessions as Microsoft's WCF speaks them
#[derive(Parser)]
#[command(name = "soap-session", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    job: Option<Job>,
    #[command(flatten)]
    logging: LoggingArgs,
}

#[derive(Subcommand)]
enum Job {
    /// Holds a secure conversation with a calculator service over loopback HTTP (the default)
    Demo(LossArgs),
    Call(Box<CallArgs>),
    Serve(Box<ServeArgs>),
    Connect(Box<ConnectArgs>),
    Inspect(InspectArgs),
    Ring(RingArgs),
}

fn main() -> ExitCode {
    let Cli { job, logging } = Cli::parse();
    let job = job.unwrap_or_else(|| Job::Demo(LossArgs::default()));
    if let Err(trouble) = logging.install(matches!(job, Job::Serve(_) | Job::Connect(_))) {
        let _ = writeln!(io::stderr(), "{trouble}");
        return trouble.exit.code().into();
    }
    match job {
        Job::Demo(args) => match demo::run(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "demo: {error}");
                ExitCode::FAILURE
            }
        },
        Job::Call(args) => args.run().code().into(),
        Job::Serve(args) => args.run().code().into(),
        Job::Connect(args) => args.run().code().into(),
        Job::Ring(args) => match args.run(&mut io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "ring: {error}");
                ExitCode::FAILURE
            }
        },
        Job::Inspect(args) => match args.run(&mut io::stdout().lock()) {
            Ok(summary) if summary.failed == 0 => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            // Whoever reads has seen enough.
            Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
                ExitCode::FAILURE
            }
            Err(error) => {
                // Where this fails too there is nobody left to tell.
                let _ = writeln!(io::stderr(), "inspect: {error}");
                ExitCode::from(2)
            }
        },
    }
}
