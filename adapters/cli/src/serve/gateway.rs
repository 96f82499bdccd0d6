//! A gateway: what sessions say goes on as plain SOAP to an ordinary service, and its answers come back.

use super::ServeArgs;
use crate::options::version;
use crate::trouble::Trouble;
use soap_session_core::service::{CATCH_ALL, Contract, Operation, SessionMode};
use soap_session_core::soap::{AddressingVersion, SoapVersion};
use soap_session_core::xml::Limits;
use soap_session_tokio::http::{ContentHeaders, HttpClient, HttpError, HttpReply};
use soap_session_tokio::tls::{Authorities, ClientTls};
use soap_session_tokio::{Answer, Call, Fault, PlainEnvelope, Service, SessionId, Tokio};
use std::time::Duration;

/// The HTTP header that tells the service behind of the session.
const SESSION_HEADER: &str = "Soap-Session-Id";
/// Most characters of a session's id that go along.
const LONGEST_ID: usize = 256;
/// The action of a reply that says: the service behind took the message, and answered nothing. A `connect` on the other side
/// makes of it the 202 that it was.
pub(crate) const ACCEPTED: &str = "urn:soap-session:accepted";

const CONTRACT: Contract<'static> = Contract {
    name: "Gateway",
    session_mode: SessionMode::Allowed,
    callbacks: false,
    operations: &[Operation::new("Forward", CATCH_ALL)],
};

/// The service behind, as sessions see it.
pub(super) struct Gateway {
    upstream: HttpClient<Tokio>,
    soap: SoapVersion,
    /// Without it there is no action of a reply that could tell more than HTTP does.
    addressing: Option<AddressingVersion>,
    limits: Limits,
    timeout: Duration,
}

impl Gateway {
    pub(super) fn new(url: &str, args: &ServeArgs) -> Result<Self, Trouble> {
        let about = |error: &dyn std::fmt::Display| Trouble::usage(error).about("--upstream");
        let tls = match &args.upstream_ca {
            Some(file) => {
                let trusted = Authorities::from_files([file]).map_err(|error| about(&error))?;
                Some(ClientTls::new(&trusted, None).map_err(|error| about(&error))?)
            }
            None => None,
        };
        let upstream = HttpClient::new(Tokio, url, tls).map_err(|error| match error {
            HttpError::TlsNotConfigured => about(&"the address says https: name who is trusted with --upstream-ca"),
            other => about(&other),
        })?;
        let binding = args.binding.binding()?;
        Ok(Self {
            upstream,
            soap: binding.soap(),
            addressing: binding.addressing(),
            limits: Limits { message: args.binding.max_message, ..Limits::MAX },
            timeout: args.upstream_timeout,
        })
    }

    /// The service's answer, or why there is none.
    async fn forward(&self, call: &Call) -> Result<HttpReply, String> {
        let headers = ContentHeaders::without_addressing(self.soap, &call.action);
        let envelope = PlainEnvelope::write(self.soap, &call.body);
        let id = call.session.as_ref().map(sanitized).filter(|id| !id.is_empty());
        let more: Vec<(&str, &str)> = id.iter().map(|id| (SESSION_HEADER, id.as_str())).collect();
        let exchange = self.upstream.exchange_with(&headers, &more, envelope, self.limits.message as usize);
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(reply) => reply.map_err(|error| error.to_string()),
            Err(_) => Err(format!("there was no answer within {} ms", self.timeout.as_millis())),
        }
    }

    fn answer(&self, call: &Call, reply: &HttpReply) -> Result<Answer, String> {
        let Some(soap) = reply.soap().map_err(|error| error.to_string())? else {
            let said = call.two_way && self.addressing.is_some();
            return Ok(if said { Answer::reply(ACCEPTED, "") } else { Answer::Nothing });
        };
        if soap != self.soap {
            return Err(format!("the answer is SOAP {}, and SOAP {} was due", version(soap), version(self.soap)));
        }
        let envelope = PlainEnvelope::read(&reply.body, soap, &self.limits).map_err(|error| error.to_string())?;
        Ok(if envelope.is_fault {
            let action = self.addressing.unwrap_or_default().default_fault_action();
            Answer::RawFault { action: action.into(), body: envelope.body }
        } else {
            Answer::reply(format!("{}Response", call.action), envelope.body)
        })
    }
}

impl Service for Gateway {
    type Instance = ();

    fn contract(&self) -> &Contract<'_> {
        &CONTRACT
    }

    fn instance(&self, _: Option<&SessionId>) {}

    async fn call(&self, (): &(), call: Call) -> Answer {
        let answered = self.forward(&call).await.and_then(|reply| self.answer(&call, &reply));
        answered.unwrap_or_else(|why| {
            Fault::receiver(format!("The service behind the gateway did not answer: {why}.")).into()
        })
    }
}

/// An id that an HTTP header may carry: what a client may have chosen is not believed to be harmless.
fn sanitized(id: &SessionId) -> String {
    let harmless =
        |character: &char| character.is_ascii_alphanumeric() || matches!(character, ':' | '-' | '.' | '_' | '/' | '#');
    id.0.chars().filter(harmless).take(LONGEST_ID).collect()
}

#[cfg(test)]
mod tests {
    use super::{SessionId, sanitized};

    #[test]
    fn an_id_cannot_end_its_header() {
        let told = |id: &str| sanitized(&SessionId(id.into()));
        assert_eq!(told("urn:uuid:0123-ab"), "urn:uuid:0123-ab");
        assert_eq!(told("a\r\nX-Admin: 1\0\u{e9}"), "aX-Admin:1");
        assert_eq!(told(&"x".repeat(1000)).len(), 256);
    }
}
