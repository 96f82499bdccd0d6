//! Passwords, from files: a command line is seen by everybody on the machine.

use crate::trouble::Trouble;
use std::fs;
use std::path::Path;
use zeroize::Zeroizing;

/// The first line of a file.
pub(crate) fn password(file: &Path) -> Result<Zeroizing<String>, Trouble> {
    let text = fs::read_to_string(file).map_err(|error| Trouble::usage(error).about(file.display()))?;
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}
