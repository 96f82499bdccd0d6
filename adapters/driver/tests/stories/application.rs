//! The recorded service's application.

use crate::clock::{Played, Time};
use crate::peer::field;
use crate::setting::Home;
use crate::tale::Tale;
use soap_session_core::service::Contract;
use soap_session_driver::{Answer, Call, Runtime, Service, SessionId};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a request, by its action and the content of its body, was recorded to be answered, and when.
pub(crate) type Replies = Arc<Mutex<Vec<(String, String, u64, Answer)>>>;

/// The recorded application: what it was asked it answers as it did then.
pub(crate) struct Application<B> {
    pub(crate) runtime: Played<B>,
    pub(crate) time: Arc<Time>,
    pub(crate) contract: Contract<'static>,
    pub(crate) replies: Replies,
    pub(crate) ran: Ran,
}

/// What began to run, in order, and in which session.
pub(crate) type Ran = Arc<Mutex<Vec<(String, Option<SessionId>)>>>;

fn argument(body: &str) -> String {
    let text = body.split_once("><").and_then(|(_, rest)| rest.split_once('>'));
    text.and_then(|(_, rest)| rest.split_once('<')).map(|(text, _)| text.to_owned()).unwrap_or_default()
}

impl<B: Home> Service for Application<B> {
    type Instance = ();

    fn contract(&self) -> &Contract<'_> {
        &self.contract
    }

    fn instance(&self, _: Option<&SessionId>) {}

    async fn call(&self, (): &(), call: Call) -> Answer {
        let body = String::from_utf8_lossy(&call.body).into_owned();
        let name = self.contract.operations[usize::from(call.operation)].name;
        let argument = argument(&body);
        let told = if matches!(name, "Boom" | "Finish") { "" } else { &argument };
        self.ran.lock().unwrap().push((format!("{name}({told})"), call.session.clone()));
        let answer = {
            let mut replies = self.replies.lock().unwrap();
            let at = replies.iter().position(|(action, of, ..)| *action == call.action && *of == body);
            at.map(|at| replies.remove(at))
        };
        let takes = match &answer {
            Some((.., at, _)) => at.saturating_sub(self.time.now()),
            None if name == "Slow" => argument.parse().unwrap(),
            None => 0,
        };
        self.runtime.sleep_until(self.runtime.now() + Duration::from_millis(takes)).await;
        match name {
            "Boom" => Answer::Unhandled,
            "Notify" => Answer::Nothing,
            // It was never answered: what it says nobody hears.
            _ => answer.map_or_else(
                || Answer::reply(format!("{}Response", call.action), format!("<{name}Response xmlns=\"urn:cap\"/>")),
                |(.., answer)| answer,
            ),
        }
    }
}

/// What stands between the tags of the body.
fn content(text: &str) -> Option<&str> {
    Some(text.split_once("<s:Body>")?.1.split_once("</s:Body>")?.0)
}

/// What the application answered, from the recorded messages.
pub(crate) fn replies(tale: &Tale) -> Replies {
    let mut replies = Vec::new();
    let mut seen = Vec::new();
    for exchange in &tale.exchanges {
        let request = tale.event(exchange.request);
        let Some(envelope) = request.envelope() else { continue };
        if !seen.contains(&envelope.message_id) || envelope.message_id.is_none() {
            seen.push(envelope.message_id.clone());
        } else {
            continue;
        }
        let head = tale.head(request);
        let soap_action = field(&head, "soapaction").unwrap_or_default().trim_matches('"').to_owned();
        let action = if envelope.action.is_empty() { soap_action } else { envelope.action.clone() };
        let answers = tale.events.iter().filter(|event| match &envelope.message_id {
            Some(id) => event.envelope().is_some_and(|answer| answer.relates_to.as_ref() == Some(id)),
            None => exchange.answer == Some(event.number),
        });
        let (text, answers) = (tale.text(request), answers.collect::<Vec<_>>());
        let Some(body) = content(&text) else { continue };
        let answer = answers.iter().find_map(|answer| {
            let told = answer.envelope()?;
            let (text, action) = (tale.text(answer), told.action.clone());
            let body = content(&text)?.to_owned();
            let said = if told.fault().is_some() {
                Answer::RawFault { action: action.into(), body: body.into() }
            } else {
                Answer::reply(action, body)
            };
            Some((answer.ms, said))
        });
        replies.extend(answer.map(|(at, answer)| (action, body.to_owned(), at, answer)));
    }
    Arc::new(Mutex::new(replies))
}
