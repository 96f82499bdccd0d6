//! `server-verdicts.tsv`: what the recorded WCF server did with each client message of the stories.

use std::{fs, io};

use crate::recording::vectors_root;

/// What the recorded server did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// Security let it through. The answer may be an application's fault, which is then secured.
    Accepted,
    /// Answered by an unsecured fault.
    Refused,
    /// Answered by a secured `RenewNeeded`.
    RenewNeeded,
    /// Answered by a secured `ServerTooBusy`.
    TooBusy,
    /// The proxy never delivered it.
    Lost,
    /// Delivered, and not answered while the story was recorded.
    NoAnswer,
}

/// One row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerdictRow {
    /// The folder under `vectors/wcf-stories`.
    pub story: String,
    /// The file whose bytes the server received: `NN-c2s.xml`, or `NN-c2s.rewritten.xml`.
    pub request: String,
    /// The server's clock when it received them, in milliseconds since 1970-01-01 UTC.
    pub received_at_unix_ms: u64,
    /// What the server did.
    pub verdict: Verdict,
    /// The answer's file.
    pub reply: Option<String>,
    /// The answer's HTTP status; net.tcp has none.
    pub status: Option<u16>,
    /// The answer's action.
    pub reply_action: Option<String>,
    /// Whether the answer has a `Security` header; `None` if its body is empty.
    pub reply_secured: Option<bool>,
    /// Namespace of the innermost fault code.
    pub fault_namespace: Option<String>,
    /// Local name of the innermost fault code.
    pub fault_code: Option<String>,
}

/// Every row, story by story, in the order of the wire.
///
/// # Errors
/// The file cannot be read or holds a row of another shape.
pub fn verdicts() -> io::Result<Vec<VerdictRow>> {
    let text = fs::read_to_string(vectors_root().join("server-verdicts.tsv"))?;
    let bad = |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("server-verdicts.tsv: {line}"));
    text.lines().skip(1).map(|line| row(line).ok_or_else(|| bad(line))).collect()
}

fn row(line: &str) -> Option<VerdictRow> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [story, request, received_at, verdict, reply, status, action, secured, namespace, code] = cells.as_slice()
    else {
        return None;
    };
    let some = |cell: &str| (cell != "-").then(|| cell.to_owned());
    Some(VerdictRow {
        story: (*story).to_owned(),
        request: (*request).to_owned(),
        received_at_unix_ms: unix_ms(received_at)?,
        verdict: match *verdict {
            "accepted" => Verdict::Accepted,
            "refused" => Verdict::Refused,
            "renew-needed" => Verdict::RenewNeeded,
            "too-busy" => Verdict::TooBusy,
            "lost" => Verdict::Lost,
            "no-answer" => Verdict::NoAnswer,
            _ => return None,
        },
        reply: some(reply),
        status: some(status).map(|s| s.parse()).transpose().ok()?,
        reply_action: some(action),
        reply_secured: match *secured {
            "yes" => Some(true),
            "no" => Some(false),
            "-" => None,
            _ => return None,
        },
        fault_namespace: some(namespace),
        fault_code: some(code),
    })
}

/// `2026-11-21T03:23:50.123Z`; years from 1970 on.
fn unix_ms(text: &str) -> Option<u64> {
    let number = |range| text.get(range).and_then(|t: &str| t.parse::<u64>().ok());
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second, ms) = (number(11..13)?, number(14..16)?, number(17..19)?, number(20..23)?);
    // Days since 1970-01-01, counting years from March so that a leap day comes last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms)
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_wall_clock_times() {
        // Both from `date -u -d ... +%s%3N`.
        assert_eq!(super::unix_ms("2026-11-21T03:23:50.123Z"), Some(1_795_231_430_123));
        assert_eq!(super::unix_ms("2000-02-29T23:59:59.999Z"), Some(951_868_799_999));
    }
}
