//! What clients' applications do, in the words of the recordings.

use soap_session_core::lifetime::CommunicationState;
use soap_session_core::session::OperationUse;
use soap_session_driver::{CallError, Client, CloseError, Failed, Reply, Runtime};

/// How a call ended: what it returned or the exception's type, the channel's state then, and its session's name.
pub(crate) type Ended = (Result<String, String>, CommunicationState, Option<String>);

/// An exception of this type.
pub(crate) fn threw(kind: &str) -> Result<String, String> {
    Err(kind.to_owned())
}

fn failed(failed: &Failed) -> Result<String, String> {
    threw(failed.error.wcf_exception())
}

fn result(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body);
    let value =
        body.split_once("Result>").and_then(|(_, rest)| rest.split_once('<')).map(|(value, _)| value.to_owned());
    value.filter(|value| !value.is_empty()).unwrap_or_else(|| "ok".to_owned())
}

/// What a client's application did, by its recorded name.
pub(crate) async fn does<R: Runtime>(
    client: Client<R>,
    operation: String,
    used: OperationUse,
    action: String,
    body: String,
) -> Ended {
    let ended = match operation.as_str() {
        "open" => client.open().await.map_or_else(|error| failed(&error), |()| Ok("ok".to_owned())),
        "close" => match client.close().await {
            Ok(()) => Ok("ok".to_owned()),
            Err(CloseError::Failed(error)) => failed(&error),
            Err(CloseError::Refused(refused)) => threw(refused.refusal.wcf_exception()),
            Err(other) => threw(&other.to_string()),
        },
        "abort" => {
            client.abort();
            Ok("ok".to_owned())
        }
        _ => match client.invoke(used, &action, body).await {
            Ok(reply) => Ok(reply.as_ref().map_or_else(|| "ok".to_owned(), result)),
            // The recorded contract declares one fault.
            Err(CallError::Fault(fault)) if fault.known.is_none() => threw("FaultException<CalcError>"),
            Err(error) => threw(error.wcf_exception()),
        },
    };
    (ended, client.state(), client.session_id())
}
