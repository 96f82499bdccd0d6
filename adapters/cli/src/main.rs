//! `soap-session`: calls and serves secure, reliable sessions, stands between them and plain SOAP, and inspects recorded ones.

mod demo;

use clap::{Parser, Subcommand};
use demo::LossArgs;
use soap_session_cli::call::CallArgs;
use soap_session_cli::connect::ConnectArgs;
use soap_session_cli::inspect::InspectArgs;
use soap_session_cli::ring::RingArgs;
use soap_session_cli::serve::ServeArgs;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Secure SOAP sessions as Microsoft's WCF speaks them
#[derive(Parser)]
#[command(name = "soap-session", version)]
struct Cli {
    #[command(subcommand)]
    job: Option<Job>,
}

#[derive(Subcommand)]
enum Job {
    /// Hold a secure conversation with a calculator service over loopback HTTP (the default)
    Demo(LossArgs),
    Call(Box<CallArgs>),
    Serve(Box<ServeArgs>),
    Connect(Box<ConnectArgs>),
    Inspect(InspectArgs),
    Ring(RingArgs),
}

fn main() -> ExitCode {
    match Cli::parse().job.unwrap_or(Job::Demo(LossArgs::default())) {
        Job::Demo(args) => match demo::run(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
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
