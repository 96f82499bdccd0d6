//! The header in which SOAP 1.2 names a block that had to be understood (part 1, 5.4.8), octet for octet as WCF writes it.
//!
//! No recording has one. What is expected is what WCF's published source does: `MustUnderstandSoapException.ProvideFault` puts
//! the header behind `Action` and before `RelatesTo`, and its writer makes up the prefix and sets declarations last.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use soap_session_core::soap::SoapVersion;
use soap_session_driver::http::{ContentHeaders, HttpClient};
use soap_session_driver::{Answer, Binding, Server, ServerOptions, service_fn};
use soap_session_tokio::Tokio;

const NAMED: &str = "<s:NotUnderstood qname=\"d3p1:Strange\" xmlns:d3p1=\"urn:strange\"/>";
const ACTION: &str = "<a:Action s:mustUnderstand=\"1\">http://www.w3.org/2005/08/addressing/soap/fault</a:Action>";
const RELIABLE: &str = "http://schemas.xmlsoap.org/ws/2005/02/rm";

fn envelope(soap: SoapVersion, header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{}\" xmlns:a=\"http://www.w3.org/2005/08/addressing\" xmlns:r=\"{RELIABLE}\"><s:Header>{header}\
         <a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo></s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>",
        soap.namespace()
    )
}

/// The answers to these messages, one after the other. Each is made of the answer before.
async fn answers(binding: Binding, messages: &[&(dyn Fn(&str) -> String + Sync)]) -> Vec<(u16, String)> {
    let soap = binding.soap();
    let echo = service_fn(|call| async move { Answer::reply("urn:echoed", call.body) });
    let server =
        Server::<Tokio, _>::bind("127.0.0.1:0".parse().unwrap(), ServerOptions::new(binding), echo).await.unwrap();
    let client = HttpClient::new(Tokio, &format!("http://{}/", server.local_addr().unwrap()), None).unwrap();
    let serving = tokio::spawn(server.serve(std::future::pending()));
    let mut answers: Vec<(u16, String)> = Vec::new();
    for message in messages {
        let before = answers.last().map_or("", |(_, answer)| answer);
        let headers = ContentHeaders::without_addressing(soap, "urn:echo");
        let reply = client.exchange(&headers, message(before), 65_536).await.unwrap();
        answers.push((reply.status, String::from_utf8(reply.body.to_vec()).unwrap()));
    }
    serving.abort();
    answers
}

/// A block that nobody understands.
const STRANGE: &str = "<x:Strange s:mustUnderstand=\"1\" xmlns:x=\"urn:strange\"/>";

#[tokio::test]
async fn between_action_and_relates_to() {
    let ask = |_: &str| {
        let ids = "<a:Action>urn:echo</a:Action><a:MessageID>urn:uuid:1</a:MessageID>";
        envelope(SoapVersion::Soap12, &format!("{STRANGE}{ids}"), "<e xmlns=\"urn:e\"/>")
    };
    let answers = answers(Binding::ws_http(), &[&ask]).await;
    let (status, answer) = &answers[0];
    let header = format!("<s:Header>{ACTION}{NAMED}<a:RelatesTo>urn:uuid:1</a:RelatesTo></s:Header>");
    assert!(*status == 500 && answer.contains(&header), "{answer}");
    assert!(answer.contains("<s:Value>s:MustUnderstand</s:Value>"), "{answer}");
}

#[tokio::test]
async fn alone_where_there_is_no_addressing_and_nowhere_in_soap_1_1() {
    for soap in [SoapVersion::Soap12, SoapVersion::Soap11] {
        let ask = |_: &str| envelope(soap, STRANGE, "<e xmlns=\"urn:e\"/>");
        let answers = answers(Binding::basic_http().with_soap(soap), &[&ask]).await;
        let (status, answer) = &answers[0];
        let header = format!("><s:Header>{NAMED}</s:Header><s:Body>");
        assert_eq!((*status, answer.contains(&header)), (500, soap == SoapVersion::Soap12), "{answer}");
        assert!(
            answer.contains("MustUnderstand") && answer.contains("<s:Header>") == (soap == SoapVersion::Soap12),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn behind_the_blocks_of_a_reliable_session() {
    let create = |_: &str| {
        let action = format!("<a:Action>{RELIABLE}/CreateSequence</a:Action><a:MessageID>urn:uuid:1</a:MessageID>");
        let anonymous = "<a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address>";
        let offer = "<r:Offer><r:Identifier>urn:uuid:0a0a0a0a-0a0a-4a0a-8a0a-0a0a0a0a0a0a</r:Identifier></r:Offer>";
        let body = format!("<r:CreateSequence><r:AcksTo>{anonymous}</r:AcksTo>{offer}</r:CreateSequence>");
        envelope(SoapVersion::Soap12, &action, &body)
    };
    let ask = |created: &str| {
        let (_, rest) = created.split_once("Identifier>").unwrap();
        let (identifier, _) = rest.split_once("</").unwrap();
        let place = format!("<r:Identifier>{identifier}</r:Identifier><r:MessageNumber>1</r:MessageNumber>");
        let ids = "<a:Action>urn:echo</a:Action><a:MessageID>urn:uuid:2</a:MessageID>";
        let header = format!("{STRANGE}<r:Sequence s:mustUnderstand=\"1\">{place}</r:Sequence>{ids}");
        envelope(SoapVersion::Soap12, &header, "<e xmlns=\"urn:e\"/>")
    };
    let answers = answers(Binding::ws_http().with_reliable_session(true).unwrap(), &[&create, &ask]).await;
    assert_eq!(answers[0].0, 200, "{}", answers[0].1);
    let (status, answer) = &answers[1];
    let header = format!("</r:SequenceAcknowledgement>{ACTION}{NAMED}<a:RelatesTo>urn:uuid:2</a:RelatesTo>");
    assert!(*status == 500 && answer.contains(&header), "{answer}");
}
