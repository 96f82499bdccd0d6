//! Who may log in.

use crate::trouble::Trouble;
use std::fs;
use std::path::Path;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// Longest name and longest password, in bytes: what a message may carry.
const NAME: usize = 128;
const PASSWORD: usize = 64;

/// Names and passwords.
pub struct Users {
    known: Vec<(String, Zeroizing<[u8; PASSWORD]>, usize)>,
}

impl Users {
    /// Reads a file of lines `name:password`. Empty lines, and lines that begin with `#`, are skipped.
    ///
    /// # Errors
    /// The file cannot be read, or a line is of another form; it is told by its number.
    pub fn read(file: &Path) -> Result<Self, Trouble> {
        let text = fs::read_to_string(file).map_err(|error| Trouble::usage(error).about(file.display()))?;
        Self::parse(&Zeroizing::new(text)).map_err(|error| error.about(file.display()))
    }

    fn parse(text: &str) -> Result<Self, Trouble> {
        let mut known = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| Trouble::usage(format!("line {number}: {what}"));
            let (name, password) =
                line.split_once(':').ok_or_else(|| wrong("give the name, a colon, and the password"))?;
            let padded = padded(password).ok_or_else(|| wrong("a password has at most 64 bytes"))?;
            if name.is_empty() || name.len() > NAME {
                return Err(wrong("a name has 1 to 128 bytes"));
            }
            known.push((name.to_owned(), padded, password.len()));
        }
        if known.is_empty() { Err(Trouble::usage("there is no user in it")) } else { Ok(Self { known }) }
    }

    /// Do they belong together? It takes the same time for every password, and for every name that is not known.
    pub fn check(&self, name: &str, password: &str) -> bool {
        let Some(given) = padded(password) else { return false };
        let known = self.known.iter().fold(Choice::from(0), |found, (known, secret, len)| {
            let same = Choice::from(u8::from(known == name));
            found | (same & secret[..].ct_eq(&given[..]) & (*len as u64).ct_eq(&(password.len() as u64)))
        });
        known.into()
    }
}

/// With zeros behind it. `None`: it is too long.
fn padded(password: &str) -> Option<Zeroizing<[u8; PASSWORD]>> {
    let mut padded = Zeroizing::new([0; PASSWORD]);
    padded.get_mut(..password.len())?.copy_from_slice(password.as_bytes());
    Some(padded)
}

#[cfg(test)]
mod tests {
    use super::Users;

    #[test]
    fn who_is_known_by_which_password() {
        let users =
            Users::parse("# who may\n\nada:secret\nbob:a:b\nada:other\n").unwrap_or(Users { known: Vec::new() });
        for (name, password, known) in [
            ("ada", "secret", true),
            ("ada", "other", true),
            ("bob", "a:b", true),
            ("ada", "secre", false),
            ("ada", "secret\0", false),
            ("Ada", "secret", false),
            ("bob", "secret", false),
            ("", "", false),
        ] {
            assert_eq!(users.check(name, password), known, "{name}:{password}");
        }
        assert!(!users.check("ada", &"s".repeat(65)));
        for (file, told) in [
            ("ada", "line 1: give the name"),
            ("#\n:x", "line 2: a name has"),
            ("", "there is no user"),
            (&format!("a:{}", "x".repeat(65)), "at most 64"),
        ] {
            let error = Users::parse(file).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(told), "{error}");
        }
    }
}
