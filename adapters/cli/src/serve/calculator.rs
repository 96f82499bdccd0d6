//! The calculator of WCF's samples: `ICalculator`, and the sessionful `ICalculatorSession`.

use soap_session_core::service::{Contract, Operation, SessionMode};
use soap_session_core::xml::{Limits, Reader};
use soap_session_tokio::{Answer, Call, Fault, Service, SessionId};
use std::sync::{Mutex, PoisonError};

const NAMESPACE: &str = "http://Microsoft.ServiceModel.Samples";
/// WCF's, of faults of its dispatcher.
const DISPATCHER: &str = "http://schemas.microsoft.com/net/2005/12/windowscommunicationfoundation/dispatcher";

macro_rules! operation {
    ($contract:literal, $name:literal) => {
        Operation::new($name, concat!("http://Microsoft.ServiceModel.Samples/", $contract, "/", $name))
    };
}

const OPERATIONS: [Operation<'static>; 11] = [
    operation!("ICalculator", "Add"),
    operation!("ICalculator", "Subtract"),
    operation!("ICalculator", "Multiply"),
    operation!("ICalculator", "Divide"),
    operation!("ICalculatorSession", "Clear").one_way(),
    operation!("ICalculatorSession", "AddTo").one_way(),
    operation!("ICalculatorSession", "SubtractFrom").one_way(),
    operation!("ICalculatorSession", "MultiplyBy").one_way(),
    operation!("ICalculatorSession", "DivideBy").one_way(),
    // The sample of sessions asks for the result by this name, others by the one behind it.
    operation!("ICalculatorSession", "Result"),
    operation!("ICalculatorSession", "Equals"),
];

/// Without sessions there is no `ICalculatorSession`, which requires one.
const BOTH: Contract<'static> = Contract {
    name: "ICalculatorSession",
    session_mode: SessionMode::Required,
    callbacks: false,
    operations: &OPERATIONS,
};
const STATELESS: Contract<'static> = Contract {
    name: "ICalculator",
    session_mode: SessionMode::Allowed,
    callbacks: false,
    operations: OPERATIONS.split_at(4).0,
};

/// The sample.
pub(super) struct Calculator {
    pub(super) sessions: bool,
}

impl Service for Calculator {
    /// The running result.
    type Instance = Mutex<f64>;

    fn contract(&self) -> &Contract<'_> {
        if self.sessions { &BOTH } else { &STATELESS }
    }

    fn instance(&self, _: Option<&SessionId>) -> Mutex<f64> {
        Mutex::new(0.0)
    }

    async fn call(&self, result: &Mutex<f64>, call: Call) -> Answer {
        let name = OPERATIONS.get(usize::from(call.operation)).map_or("", |operation| operation.name);
        let numbers = if name == "Clear" || !call.two_way { ["n", ""] } else { ["n1", "n2"] };
        let (a, b) = match numbers_in(&call.body, numbers) {
            Ok([a, b]) => (a, b),
            Err(number) => {
                let reason = format!("The parameter {number} of the operation '{name}' is no number.");
                return Fault::sender(DISPATCHER, "DeserializationFailed", reason).into();
            }
        };
        let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match name {
            "Add" => a + b,
            "Subtract" => a - b,
            "Multiply" => a * b,
            "Divide" => a / b,
            "Result" | "Equals" => *result,
            _ => {
                *result = match name {
                    "AddTo" => *result + a,
                    "SubtractFrom" => *result - a,
                    "MultiplyBy" => *result * a,
                    "DivideBy" => *result / a,
                    // Clear.
                    _ => 0.0,
                };
                return Answer::Nothing;
            }
        };
        let answer = text(answer);
        let body =
            format!("<{name}Response xmlns=\"{NAMESPACE}\"><{name}Result>{answer}</{name}Result></{name}Response>");
        Answer::reply(format!("{}Response", call.action), body)
    }
}

/// A number as XML Schema writes it.
fn text(number: f64) -> String {
    if number.is_infinite() { if number > 0.0 { "INF" } else { "-INF" }.to_owned() } else { number.to_string() }
}

fn number(text: &str) -> Option<f64> {
    match text.trim() {
        "INF" => Some(f64::INFINITY),
        "-INF" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        // Rust reads words that XML Schema does not know.
        text if text.bytes().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) => None,
        text => text.parse().ok(),
    }
}

/// The parameters of these names. One that is missing is 0, as WCF reads a missing value.
///
/// # Errors
/// The name of one that is no number.
fn numbers_in<'n>(body: &[u8], names: [&'n str; 2]) -> Result<[f64; 2], &'n str> {
    let mut numbers = [0.0; 2];
    let Ok(mut reader) = Reader::document(body, &Limits::MAX) else { return Ok(numbers) };
    let Ok(Some(_)) = reader.next_element() else { return Ok(numbers) };
    while let Ok(Some(start)) = reader.next_element() {
        let found = numbers.iter_mut().zip(names).find(|(_, name)| start.name.is(NAMESPACE, name));
        match found {
            Some((place, name)) => {
                let text = reader.text().ok().and_then(|text| text.plain().map(<[u8]>::to_vec));
                let text = text.and_then(|text| String::from_utf8(text).ok());
                *place = text.and_then(|text| number(&text)).ok_or(name)?;
            }
            None => drop(reader.skip()),
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::{number, numbers_in, text};

    #[test]
    fn numbers_are_read_and_written_as_xml_schema_does() {
        assert_eq!([1e-3, -2.5, 42.0].map(text), ["0.001", "-2.5", "42"]);
        assert_eq!([f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(text), ["INF", "-INF", "NaN"]);
        assert_eq!(["1E3", " 2.5\n", "INF"].map(number), [Some(1000.0), Some(2.5), Some(f64::INFINITY)]);
        assert_eq!(["inf", "infinity", "nan", "", "0x1"].map(number), [None; 5]);
    }

    #[test]
    fn parameters_by_their_names() {
        let add = |inside: &str| {
            let body = format!("<Add xmlns=\"http://Microsoft.ServiceModel.Samples\">{inside}</Add>");
            numbers_in(body.as_bytes(), ["n1", "n2"])
        };
        assert_eq!(add("<n1>1</n1><n2>2</n2>"), Ok([1.0, 2.0]));
        assert_eq!(add("<x><n1>7</n1></x><n2>2</n2>"), Ok([0.0, 2.0]));
        assert_eq!(add("<n1>one</n1>"), Err("n1"));
        assert_eq!(add("<n1>1</n1><n2/>"), Err("n2"));
    }
}
