//! The recorded test service, played: its contracts, and what its operations do.

use crate::actors::Said;
use soap_session_core::service::{Contract, Operation, SessionMode};
use soap_session_core::session::{FaultReply, Kept, OperationUse};

const CALC: &[Operation<'static>] = &[
    Operation::new("Start", "urn:cap/Calc/Start"),
    Operation::new("AddTo", "urn:cap/Calc/AddTo").not_initiating(),
    Operation::new("Slow", "urn:cap/Calc/Slow").not_initiating(),
    Operation::new("Boom", "urn:cap/Calc/Boom").not_initiating(),
    Operation::new("Detail", "urn:cap/Calc/Detail").not_initiating(),
    Operation::new("Notify", "urn:cap/Calc/Notify").not_initiating().one_way(),
    Operation::new("Finish", "urn:cap/Calc/Finish").not_initiating().terminating(),
];

const ECHO: &[Operation<'static>] = &[
    Operation::new("Echo", "urn:cap/Echo/Echo"),
    Operation::new("Slow", "urn:cap/Echo/Slow"),
    Operation::new("Boom", "urn:cap/Echo/Boom"),
    Operation::new("Detail", "urn:cap/Echo/Detail"),
];

const NO_SESSION: &[Operation<'static>] = &[Operation::new("Echo", "urn:cap/NoSess/Echo")];

/// The contract of a story.
///
/// # Panics
/// On a name that none of these stories uses.
pub fn contract(name: &str) -> Contract<'static> {
    let (name, session_mode, operations) = match name {
        "ICalc" => ("ICalc", SessionMode::Required, CALC),
        "IEcho" => ("IEcho", SessionMode::Allowed, ECHO),
        "INoSess" => ("INoSess", SessionMode::NotAllowed, NO_SESSION),
        other => panic!("contract {other}"),
    };
    Contract { name, session_mode, callbacks: false, operations }
}

/// What the client's side of a contract says of an operation. `knows`: that it may not be the first, or is the last.
pub fn operation_use(operation: &Operation<'static>, knows: bool) -> OperationUse {
    let mut used =
        if operation.two_way { OperationUse::new(operation.name) } else { OperationUse::one_way(operation.name) };
    if knows {
        (used.is_initiating, used.is_terminating) = (operation.is_initiating, operation.is_terminating);
    }
    used
}

impl FaultReply for Said {
    fn fault(action: &str, body: &[u8], _: Kept) -> Self {
        Self { action: action.to_owned(), body: body.to_vec(), two_way: false, fault: true }
    }
}

/// A request of an operation with one argument.
pub(super) fn request(action: &str, argument: &str) -> Said {
    let name = action.rsplit('/').next().unwrap_or_default();
    let body = format!("<{name} xmlns=\"urn:cap\"><n>{argument}</n></{name}>").into_bytes();
    Said { action: action.to_owned(), body, two_way: true, fault: false }
}

/// What an operation returns; nothing is void.
pub(super) fn reply(action: &str, result: &str) -> Said {
    let name = action.rsplit('/').next().unwrap_or_default();
    let body = format!("<{name}Response xmlns=\"urn:cap\"><{name}Result>{result}</{name}Result></{name}Response>");
    Said { action: format!("{action}Response"), body: body.into_bytes(), two_way: false, fault: false }
}

/// The fault that `Detail` declares. `soap11`: in which version; `clear`: with the envelope's prefix.
pub(super) fn declared(action: &str, soap11: bool, clear: bool) -> Said {
    let action = format!("{action}CalcErrorFault");
    let body = if soap11 {
        "<s:Fault><faultcode xmlns:a=\"urn:cap:codes\">a:CalcRefused</faultcode><faultstring>calc refused</faultstring>\
         </s:Fault>"
            .to_owned()
    } else {
        let text = "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:a=\"urn:cap:codes\">a:CalcRefused\
                    </s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang=\"en-US\">calc refused</s:Text></s:Reason>\
                    </s:Fault>";
        let scope = "xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"";
        if clear { text.to_owned() } else { text.replacen("<s:Fault>", &format!("<s:Fault {scope}>"), 1) }
    };
    Said { action, body: body.into_bytes(), two_way: false, fault: true }
}

/// The text of the first element named `local` (or that ends so) in a body.
pub(super) fn text_of(body: &str, ending: &str) -> Option<String> {
    let start = body.find(&format!("{ending}>"))? + ending.len() + 1;
    let rest = &body[start..];
    Some(rest[..rest.find('<')?].to_owned())
}

/// One instance of the service: its number, and its value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calculator {
    /// The number, in order of being made.
    pub(super) number: Option<u32>,
    /// The value.
    pub(super) value: i64,
}

/// What running an operation comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Ran {
    /// It returned this, after so many milliseconds.
    Returned(String, u64),
    /// It failed as it declares.
    Declared,
    /// It failed.
    Failed,
}

impl Calculator {
    /// Runs an operation. Returns what it came to, and how the timeline tells that it ran.
    ///
    /// # Panics
    /// On an operation that the service has not.
    pub(super) fn run(&mut self, operation: &str, argument: &str) -> (Ran, Option<String>) {
        let number = argument.parse::<i64>().unwrap_or_default();
        let returned = |text: String| Ran::Returned(text, 0);
        match operation {
            "Start" => {
                self.value = number;
                (returned(String::new()), Some(format!("Start({argument})")))
            }
            "AddTo" => {
                self.value += number;
                let text = self.value.to_string();
                (returned(text.clone()), Some(format!("AddTo({argument}) = {text}")))
            }
            "Finish" => (returned(self.value.to_string()), Some("Finish()".to_owned())),
            "Echo" => (returned(argument.to_owned()), Some(format!("Echo({argument})"))),
            "Slow" => {
                let time = u64::try_from(number).expect("a time");
                (Ran::Returned(argument.to_owned(), time), Some(format!("Slow({argument}) begins")))
            }
            // The recorded one tells that it ran only where it has instances to tell of.
            "Boom" => (Ran::Failed, self.number.map(|_| "Boom()".to_owned())),
            "Detail" => (Ran::Declared, None),
            other => panic!("operation {other}"),
        }
    }
}
