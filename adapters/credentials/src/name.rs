//! Distinguished names as text: what `X509IssuerName` carries.
//!
//! .NET writes `X500DistinguishedName.Name`: most specific part first, `", "` between parts, values with special
//! characters in double quotes, and its own short names (`S` for a state, `E` for mail). Others write RFC 2253 or 4514,
//! or the certificate's own order. All are read here, best effort: the comparison ignores ASCII case and repeated blanks
//! and allows either order. That is safe because a name only *chooses* among certificates we hold; it never proves
//! anything.

/// A distinguished name, reduced to what the comparison needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(Vec<Part>);

/// One relative distinguished name: its attributes, sorted, for their order means nothing.
type Part = Vec<(String, String)>;

/// Longest name read from a message, in bytes. Names in certificates rarely pass 200.
const MAX_TEXT: usize = 4096;

impl Name {
    /// Reads a name. `None` if it is no name: empty, too long, not UTF-8, or a part without `=`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let text = core::str::from_utf8(text).ok()?;
        let mut parts = Vec::new();
        let mut part: Part = Vec::new();
        let mut rest = text;
        loop {
            let (attribute, end, after) = split_attribute(rest)?;
            part.push(attribute);
            if end != Some('+') {
                part.sort();
                parts.push(core::mem::take(&mut part));
            }
            if end.is_none() {
                return Some(Self(parts));
            }
            rest = after;
        }
    }

    /// The common name, in lower case: the first where there are more.
    pub(crate) fn common_name(&self) -> Option<&str> {
        self.0.iter().flatten().find(|(kind, _)| kind == "CN").map(|(_, value)| value.as_str())
    }

    /// Same name, written in the same order or the other way round.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0 == other.0 || (self.0.len() == other.0.len() && self.0.iter().rev().eq(other.0.iter()))
    }
}

/// Reads `type=value` up to a separator. Returns the attribute, the separator (`None` at the end) and what follows it.
fn split_attribute(text: &str) -> Option<((String, String), Option<char>, &str)> {
    let (kind, value_text) = text.split_once('=')?;
    let mut value = String::new();
    let mut quoted = false;
    let mut characters = value_text.char_indices();
    let mut end = (None, "");
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                let (next_at, next) = characters.next()?;
                // `\2C`: a hexadecimal pair stands for one byte. Only ASCII pairs are read; others never match.
                let pair = value_text.get(next_at..next_at.saturating_add(2));
                match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(u8::is_ascii) {
                    Some(byte) if next.is_ascii_hexdigit() => {
                        characters.next();
                        value.push(char::from(byte));
                    }
                    _ => value.push(next),
                }
            }
            // Inside quotes a doubled quote stands for one.
            '"' if quoted && value_text.get(at.saturating_add(1)..).is_some_and(|after| after.starts_with('"')) => {
                characters.next();
                value.push('"');
            }
            '"' => quoted = !quoted,
            ',' | ';' | '+' if !quoted => {
                end = (Some(character), characters.as_str());
                break;
            }
            _ => value.push(character),
        }
    }
    if quoted || kind.trim().is_empty() {
        return None;
    }
    Some(((canonical_kind(kind), canonical_value(&value)), end.0, end.1))
}

/// One spelling for the attribute types that have several.
fn canonical_kind(kind: &str) -> String {
    let kind = kind.trim().to_ascii_uppercase();
    let kind = kind.strip_prefix("OID.").unwrap_or(&kind);
    match kind {
        "2.5.4.3" => "CN",
        "2.5.4.4" | "SURNAME" => "SN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" | "S" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" | "TITLE" => "T",
        "2.5.4.42" | "GN" | "GIVENNAME" => "G",
        "1.2.840.113549.1.9.1" | "EMAIL" | "EMAILADDRESS" => "E",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" | "USERID" => "UID",
        other => other,
    }
    .to_owned()
}

fn canonical_value(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

/// Bytes, most significant first and without leading zeros, of a number in decimal digits. `None` if it is none, or has
/// more than 64 digits (a serial number has at most 20 bytes, 49 digits).
pub(crate) fn decimal_to_bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let digits = digits.trim_ascii();
    if digits.is_empty() || digits.len() > 64 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut little_endian: Vec<u8> = Vec::new();
    for digit in digits {
        let mut carry = u16::from(digit - b'0');
        for byte in &mut little_endian {
            let sum = u16::from(*byte) * 10 + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        if carry > 0 {
            little_endian.push(carry.to_le_bytes()[0]);
        }
    }
    little_endian.reverse();
    Some(little_endian)
}

/// Decimal digits of a number of any length, its bytes the greatest first.
pub(crate) fn bytes_to_decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0u8];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) * 256;
            *digit = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Name, decimal_to_bytes};

    fn same(left: &str, right: &str) -> bool {
        let (left, right) = (Name::parse(left.as_bytes()).unwrap(), Name::parse(right.as_bytes()).unwrap());
        left.matches(&right)
    }

    #[test]
    fn names_match_across_notations() {
        for (left, right) in [
            ("CN=wcfservice", "cn=WcfService"),
            ("CN=a, O=b, C=US", "CN=a,O=b,C=US"),
            ("CN=a, O=b, C=US", "C=US,O=b,CN=a"),
            ("CN=a, S=Hesse", "CN=a,ST=Hesse"),
            ("CN=a, O=\"Foo, Inc.\"", "CN=a,O=Foo\\, Inc."),
            ("CN=a, O=\"say \"\"hi\"\"\"", "CN=a,O=say \\\"hi\\\""),
            ("CN=a\\2Cb", "CN=\"a,b\""),
            ("CN=a+OU=b, O=c", "OU=b+CN=a,O=c"),
            ("OID.2.5.4.3=a", "CN=a"),
            ("E=x@y.z", "1.2.840.113549.1.9.1=x@y.z"),
        ] {
            assert!(same(left, right), "{left} / {right}");
        }
    }

    #[test]
    fn different_names_differ() {
        for (left, right) in
            [("CN=a", "CN=b"), ("CN=a", "O=a"), ("CN=a, O=b", "CN=a"), ("CN=a+O=b", "CN=a,O=b"), ("CN=a", "CN=\"a,\"")]
        {
            assert!(!same(left, right), "{left} / {right}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [&b""[..], b"wcfservice", b"=x", b"CN=a,", b"CN=\"a", b"CN=a\\", b"CN=\xff"] {
            assert!(Name::parse(text).is_none(), "{text:?}");
        }
        assert!(Name::parse(&[b'a'; 5000]).is_none());
    }

    #[test]
    fn decimal_numbers() {
        assert_eq!(decimal_to_bytes(b"0"), Some(vec![]));
        assert_eq!(decimal_to_bytes(b"255"), Some(vec![0xff]));
        assert_eq!(decimal_to_bytes(b"256"), Some(vec![1, 0]));
        // 2^64
        assert_eq!(decimal_to_bytes(b"18446744073709551616"), Some(vec![1, 0, 0, 0, 0, 0, 0, 0, 0]));
        for text in [&b""[..], b"-1", b"0x10", b"1 2", &[b'9'; 65]] {
            assert_eq!(decimal_to_bytes(text), None);
        }
    }
}
