//! What `call`, `serve` and `connect` have in common: how messages are spoken and protected, and by whose keys.

mod binding;
mod client;
mod identity;
mod secrets;
mod users;

use crate::trouble::Trouble;
use soap_session_tokio::{LogLimits, MessageLog};
use std::path::Path;
use std::sync::Arc;

/// The log that was asked for.
pub(crate) fn log(folder: Option<&Path>) -> Result<Option<Arc<MessageLog>>, Trouble> {
    let Some(folder) = folder else { return Ok(None) };
    let log = MessageLog::new(folder, LogLimits::default());
    log.map(|log| Some(Arc::new(log))).map_err(|error| Trouble::usage(error).about(folder.display()))
}

pub use binding::{BindingArgs, BindingName, CredentialName, SecurityName, SoapName};
pub use client::ClientArgs;
pub use users::Users;

pub(crate) use binding::{duration, version};
pub(crate) use identity::IdentityFiles;
pub(crate) use secrets::password;
