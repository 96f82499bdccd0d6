//! The command line of `soap-session ring`.

use clap::Args;
use soap_session_core::time::UnixMillis;
use soap_session_credentials::{KeyFacts, KeyRing, Rotation};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const AFTER_HELP: &str = "\
Examples:
  soap-session ring cookies.ring --create
  soap-session ring cookies.ring --rotate --keep 11h

Exit codes:
  0  done
  1  the ring cannot be read or changed
  2  the options are wrong";

/// Shows the ring of keys that seals the cookies of stateful tokens, and rotates it.
///
/// Services that share the file take a change up within a second, without being told. Rotate once a week, and when somebody
/// may have seen the file: then remove the keys before, too.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct RingArgs {
    /// File of the ring
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Make the file, with one key, if there is none
    #[arg(long)]
    pub create: bool,
    /// Add a key, which seals from now on, or after --lead; the ones before open cookies until --keep is over
    #[arg(long)]
    pub rotate: bool,
    /// With --rotate: for how long the keys before still open cookies, such as 90s, 30m, 11h or 7d. At least as long as
    /// tokens live: 10 hours, unless the service says otherwise
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "610m", requires = "rotate")]
    pub keep: Duration,
    /// With --rotate: for how long the new key only opens, such as 30m, where the file has to be copied to other machines
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0s", requires = "rotate")]
    pub lead: Duration,
    /// Remove a key at once: cookies under it are refused from now on, and their clients get new tokens
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    pub remove: Vec<u64>,
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "give a number and s, m, h or d, such as 90s or 11h".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u32 = text.strip_suffix(unit).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    Ok(Duration::from_secs(u64::from(count) * seconds))
}

fn number(text: &str) -> Result<u64, String> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    number.ok_or_else(|| "give the 16 hexadecimal digits of a key's number".to_owned())
}

impl RingArgs {
    /// Does what is asked for, and writes what the ring is like then to `out`.
    ///
    /// # Errors
    /// The ring cannot be read or changed, with what to do about it; or `out` fails.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
        // No cookie is sealed or opened here: the service's name does not matter.
        let open = if self.create { KeyRing::open_or_create } else { KeyRing::open };
        let ring = open(self.file, "ring")?;
        if self.rotate {
            ring.rotate(Rotation { keep: self.keep, lead: self.lead })?;
        }
        for number in self.remove {
            ring.remove(number)?;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let now = UnixMillis(i64::try_from(since.as_millis())?);
        let keys = ring.keys();
        let current = keys.iter().filter(|key| key.seals_from <= now).max_by_key(|key| key.seals_from);
        let current = current.map(|key| key.number);
        writeln!(out, "{:16} {:24} {:24} does", "number", "seals from", "opens until")?;
        for key in &keys {
            writeln!(out, "{}", line(key, now, current))?;
        }
        out.flush()?;
        Ok(())
    }
}

fn line(key: &KeyFacts, now: UnixMillis, current: Option<u64>) -> String {
    let text = |moment: UnixMillis| String::from_utf8_lossy(&moment.text()).into_owned();
    let until = key.opens_until.map_or_else(|| "-".to_owned(), text);
    let does = if current == Some(key.number) {
        "seals and opens"
    } else if key.seals_from > now {
        "opens, and waits to seal"
    } else if key.opens_until.is_some_and(|end| now > end) {
        "nothing any more"
    } else {
        "opens"
    };
    format!("{:016x} {} {until:24} {does}", key.number, text(key.seals_from))
}
