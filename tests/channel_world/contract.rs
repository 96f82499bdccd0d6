//! The contract of the recordings: its operations, its messages, and what the service does.

use soap_session_core::exchange::Outgoing;
use soap_session_core::session::OperationUse;

/// A message of the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sheet {
    /// Its action.
    pub action: String,
    /// Its body.
    pub body: String,
    /// Expects a reply?
    pub two_way: bool,
    /// Is it a fault?
    pub fault: bool,
}

impl Outgoing for Sheet {
    fn action(&self) -> &[u8] {
        self.action.as_bytes()
    }
    fn body(&self) -> &[u8] {
        self.body.as_bytes()
    }
    fn two_way(&self) -> bool {
        self.two_way
    }
    fn is_fault(&self) -> bool {
        self.fault
    }
}

/// The contract of the recordings: `Start` initiates, `Finish` terminates.
pub const START: OperationUse = OperationUse::new("Start");
/// Adds to what was started.
pub const ADD_TO: OperationUse = OperationUse::new("AddTo").not_initiating();
/// Ends the session.
pub const FINISH: OperationUse = OperationUse::new("Finish").not_initiating().terminating();
/// Takes as long as its body says, in milliseconds.
pub const SLOW: OperationUse = OperationUse::new("Slow").not_initiating();
/// Fails in a way that it does not declare.
pub const BOOM: OperationUse = OperationUse::new("Boom").not_initiating();
/// Fails in a way that it declares.
pub const DETAIL: OperationUse = OperationUse::new("Detail").not_initiating();
/// An operation that the service does not have.
pub const MISSING: OperationUse = OperationUse::new("NoSuchOperation");
/// Tells the service something.
pub const NOTIFY: OperationUse = OperationUse::one_way("Notify");

pub(super) const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const DISPATCHER: &str = "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher";
pub(super) const WSA: &str = "http://www.w3.org/2005/08/addressing";

/// A fault as WCF writes them.
pub fn fault(action: &str, code: &str, namespace: &str, subcode: &str) -> Sheet {
    let body = format!(
        "<s:Fault xmlns:s=\"{SOAP}\"><s:Code><s:Value>s:{code}</s:Value><s:Subcode><s:Value xmlns:a=\"{namespace}\">\
         a:{subcode}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang=\"\">why</s:Text></s:Reason></s:Fault>"
    );
    Sheet { action: action.into(), body, two_way: false, fault: true }
}

/// What the service does with a request.
pub(super) fn answer(action: &str, body: &str) -> (u64, Option<Sheet>) {
    let name = action.rsplit('/').next().unwrap_or_default();
    let dispatcher = format!("{DISPATCHER}/fault");
    match name {
        "Slow" => {
            let millis = body.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("milliseconds");
            (millis, Some(reply(action, body)))
        }
        "Boom" => (0, Some(fault(&dispatcher, "Receiver", DISPATCHER, "InternalServiceFault"))),
        "Detail" => (0, Some(fault("urn:cap/Calc/DetailCalcErrorFault", "Receiver", "urn:cap:codes", "CalcRefused"))),
        "NoSuchOperation" => (0, Some(fault(&format!("{WSA}/fault"), "Sender", WSA, "ActionNotSupported"))),
        "Terminated" => (0, Some(fault(&dispatcher, "Sender", DISPATCHER, "SessionTerminated"))),
        "Notify" => (0, None),
        _ => (0, Some(reply(action, body))),
    }
}

fn reply(action: &str, body: &str) -> Sheet {
    Sheet { action: format!("{action}Response"), body: body.into(), two_way: false, fault: false }
}
