//! The command line of `soap-session inspect`.

use super::{Evidence, Inspector, Summary, messages};
use clap::Args;
use soap_session_core::crypto::SecretKey;
use soap_session_core::time::UnixMillis;
use soap_session_credentials::{Certificate, PrivateKey};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  soap-session inspect --key service.key.pem messages
  soap-session inspect --key service.key.pem --bodies --json messages | jq .

Exit codes:
  0  nothing failed
  1  a message failed, or nobody read on
  2  the options are wrong, or nothing could be inspected";

/// Tells, message by message, what protects a recorded conversation and whether it holds.
///
/// DIR holds one message a file: NN-c2s.xml (towards the service) and NN-s2c.xml, in the order of the wire. Where there
/// are none, every *.xml is read, by name. NN-c2s.rewritten.xml, if there is one, is read instead of its original: it is
/// what the receiver got. An empty file stands for an HTTP 202.
///
/// A message whose body nobody signed, with a timestamp and whoever endorses that, is told as `transport`: what is signed
/// holds, and the rest only TLS can have protected.
///
/// Keys are followed from message to message: with the service's private key (--key) the token requests open, and from
/// them and their answers come the keys of the session.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct InspectArgs {
    /// Folder of recorded messages
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Private key that clients wrapped keys for, RSA of 2048 to 4096 bits, unencrypted (repeat for several). It needs
    /// no certificate: each key is tried, whatever the message names
    #[arg(long = "key", value_name = "FILE.pem")]
    pub keys: Vec<PathBuf>,
    /// Key of a SecurityContextToken whose issue is not recorded, up to 64 bytes (repeat for several: each is tried, and
    /// the next one for data that is encrypted without naming a key, as gSOAP does)
    #[arg(long = "secret", value_name = "HEX", value_parser = secret)]
    pub secrets: Vec<SecretKey>,
    /// A user who may log in (repeat for several); others on this machine can see it. Without it every password is accepted: an inspector does not judge
    /// users
    #[arg(long = "user", value_name = "NAME:PASSWORD", value_parser = user)]
    pub users: Vec<(String, String)>,
    /// Client certificate that is trusted (repeat for several). Without it any certificate is accepted, but its
    /// signature must verify. Validity periods are not judged
    #[arg(long = "trust", value_name = "CERT.pem")]
    pub trusted: Vec<PathBuf>,
    /// Judge the messages' age by this clock, such as 2026-11-21T03:23:50Z. Without it by each message's own Created
    #[arg(long, value_name = "RFC3339", value_parser = moment)]
    pub now: Option<UnixMillis>,
    /// One JSON object a line, the summary last. "suite" lists every algorithm suite that fits what the message shows
    #[arg(long)]
    pub json: bool,
    /// Print each opened body after its line
    #[arg(long)]
    pub bodies: bool,
}

fn secret(text: &str) -> Result<SecretKey, String> {
    let wrong = || format!("give 1 to {} bytes as pairs of hexadecimal digits", SecretKey::MAX);
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut key = SecretKey::zeroed(text.len() / 2).filter(|key| !key.is_empty()).ok_or_else(wrong)?;
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    for (octet, [high, low]) in key.as_mut_bytes().iter_mut().zip(pairs) {
        *octet = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or_else(wrong)?;
    }
    if rest.is_empty() { Ok(key) } else { Err(wrong()) }
}

fn user(text: &str) -> Result<(String, String), String> {
    let (name, password) = text.split_once(':').ok_or("give the name, a colon, and the password")?;
    Ok((name.to_owned(), password.to_owned()))
}

fn moment(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::parse(text.as_bytes())
        .ok_or_else(|| "give a moment in UTC, such as 2026-11-21T03:23:50Z or 2026-11-21T03:23:50.123Z".to_owned())
}

impl InspectArgs {
    /// Inspects the folder and writes what is found to `out`.
    ///
    /// # Errors
    /// Nothing can be inspected, with what to do about it; or `out` fails.
    pub fn run(self, out: &mut dyn Write) -> Result<Summary, Box<dyn Error>> {
        let files = messages(&self.folder)?;
        let evidence = Evidence {
            keys: self.keys.iter().map(PrivateKey::from_file).collect::<Result<_, _>>()?,
            secrets: self.secrets,
            users: self.users,
            trusted: self.trusted.iter().map(Certificate::from_file).collect::<Result<_, _>>()?,
        };
        let mut inspector = Inspector::new(evidence, self.now)?;
        let mut summary = Summary::default();
        for file in &files {
            let report = inspector.inspect(file).map_err(|error| format!("{}: {error}", file.path.display()))?;
            summary.count(&report);
            if self.json {
                writeln!(out, "{}", report.json(self.bodies))?;
            } else {
                report.write_text(out, self.bodies)?;
            }
        }
        if self.json {
            writeln!(out, "{}", summary.json())?;
        } else {
            writeln!(out, "{}", summary.text())?;
        }
        out.flush()?;
        Ok(summary)
    }
}
