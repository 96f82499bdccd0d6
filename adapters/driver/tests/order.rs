//! The order of an ordered reliable session's messages, each of which goes over a connection of its own.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod common;

use common::Running;
use futures_lite::future::zip;
use soap_session_credentials::{Certificate, CredentialStore, PrivateKey};
use soap_session_driver::http::{ContentHeaders, HttpClient, HttpReply};
use soap_session_driver::{
    Answer, Binding, Client, ClientCredentialType, ClientOptions, Runtime, SecurityMode, ServerOptions, Service,
    service_fn,
};
use soap_session_smol::Smol;
use soap_session_tokio::Tokio;
use std::time::{Duration, Instant};

const AT_ONCE: usize = 16;

fn key_file(name: &str) -> String {
    format!("{}/../credentials/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn certificate() -> Certificate {
    Certificate::from_file(key_file("service.cert.pem")).unwrap()
}

fn binding() -> Binding {
    Binding::ws_http().with_reliable_session(true).unwrap()
}

/// A service that says what it hears.
async fn start<R: Runtime + Default>(binding: Binding, reorder_wait: Duration) -> Running<R, impl Service> {
    let echo = service_fn(|call| async move { Answer::reply(format!("{}Response", call.action), call.body) });
    let store =
        CredentialStore::new().with_key(certificate(), PrivateKey::from_file(key_file("service.key.pem")).unwrap());
    let mut options = ServerOptions::new(binding).with_credentials(store.unwrap());
    options.reorder_wait = reorder_wait;
    // Bare clients do not close.
    options.close = Duration::from_millis(100);
    Running::start(options, echo).await
}

/// Nothing is lost here: what is sent again came too early, and was not taken for that.
async fn many_calls_at_once_hardly_overtake_each_other<R: Runtime + Default>() {
    many_calls::<R>(binding(), 500).await;
}

/// Their numbers are in clear.
async fn nor_do_those_that_are_encrypted<R: Runtime + Default>() {
    many_calls::<R>(binding().with_security(SecurityMode::Message, ClientCredentialType::None).unwrap(), 100).await;
}

async fn many_calls<R: Runtime + Default>(binding: Binding, calls: usize) {
    // On a machine that has a lot else to do a task may rest longer than messages wait for each other by default.
    let server = start::<R>(binding.clone(), Duration::from_secs(5)).await;
    let options = ClientOptions::new(binding);
    let options = options.with_credentials(CredentialStore::new().with_service(certificate()).unwrap());
    let client = Client::<R>::connect(&server.url(), options).await.unwrap();
    let (done, all) = async_channel::bounded::<()>(AT_ONCE);
    let began = Instant::now();
    for caller in 0..AT_ONCE {
        let (client, done) = (client.clone(), done.clone());
        R::default().spawn(async move {
            for number in (caller..calls).step_by(AT_ONCE) {
                let body = format!("<Echo xmlns=\"urn:echo\">{number}</Echo>");
                let reply = client.call("urn:echo", body.clone()).await.unwrap();
                assert_eq!(*reply.body, *body.as_bytes());
            }
            done.try_send(()).unwrap();
        });
    }
    for _ in 0..AT_ONCE {
        all.recv().await.unwrap();
    }
    let again = client.retransmissions();
    println!("{calls} calls, {AT_ONCE} at once, took {:?}: {again} messages were sent again", began.elapsed());
    // Without waiting for each other it was 465 of 500 on one runtime, and without the client's order 10 on the other.
    assert!(again <= calls as u64 / 20, "{again} of {calls}");
    client.close().await.unwrap();
    client.finished().await;
    server.stop().await;
}

const RM: &str = "http://schemas.xmlsoap.org/ws/2005/02/rm";

/// A client that posts what it wants, when it wants.
struct Bare<R> {
    http: HttpClient<R>,
    url: String,
    sequence: String,
}

impl<R: Runtime + Default> Bare<R> {
    async fn open(url: &str) -> Self {
        let http = HttpClient::new(R::default(), url, None).unwrap();
        let mut bare = Self { http, url: url.to_owned(), sequence: String::new() };
        let anonymous = "http://www.w3.org/2005/08/addressing/anonymous";
        let body = format!(
            "<CreateSequence xmlns=\"{RM}\"><AcksTo><Address xmlns=\"http://www.w3.org/2005/08/addressing\">{anonymous}</Address></AcksTo>\
             <Offer><Identifier>urn:uuid:0c9a7a4e-9d0e-4c59-8a35-4a3f3d7d1f10</Identifier></Offer></CreateSequence>"
        );
        let reply = bare.post(&format!("{RM}/CreateSequence"), "", &body).await;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let (_, rest) = text.split_once("Identifier>").unwrap();
        bare.sequence = rest.split_once('<').unwrap().0.to_owned();
        bare
    }

    async fn post(&self, action: &str, header: &str, body: &str) -> HttpReply {
        let id = format!("urn:uuid:{:08x}-9d0e-4c59-8a35-4a3f3d7d1f10", header.len() * 1000 + body.len());
        let message = format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://www.w3.org/2005/08/addressing\" \
             xmlns:r=\"{RM}\"><s:Header>{header}<a:Action s:mustUnderstand=\"1\">{action}</a:Action><a:MessageID>{id}</a:MessageID>\
             <a:To s:mustUnderstand=\"1\">{}</a:To></s:Header><s:Body>{body}</s:Body></s:Envelope>",
            self.url
        );
        let headers = ContentHeaders::of(soap_session_core::soap::SoapVersion::Soap12, action);
        self.http.exchange(&headers, message, 1 << 20).await.unwrap()
    }

    /// Calls by the message of this number.
    async fn call(&self, number: u32) -> u16 {
        let header = format!(
            "<r:Sequence s:mustUnderstand=\"1\"><r:Identifier>{}</r:Identifier><r:MessageNumber>{number}</r:MessageNumber></r:Sequence>",
            self.sequence
        );
        self.post("urn:echo", &header, &format!("<Echo xmlns=\"urn:echo\">{}</Echo>", "x".repeat(number as usize)))
            .await
            .status
    }
}

/// The third and the second message come before the first.
async fn who_comes_early_waits_for_who_was_overtaken<R: Runtime + Default>() {
    let server = start::<R>(binding(), Duration::from_secs(20)).await;
    let bare = Bare::<R>::open(&server.url()).await;
    let first = async {
        R::default().sleep_until(R::default().now() + Duration::from_millis(100)).await;
        bare.call(1).await
    };
    let (third, (second, first)) = zip(bare.call(3), zip(bare.call(2), first)).await;
    assert_eq!([first, second, third], [200; 3]);
    server.stop().await;
}

/// WCF drops it at once, as recorded in `rm10-gap-ordered`. It waits no longer than it may, and not for what can never be taken.
async fn who_comes_too_early_is_not_taken<R: Runtime + Default>() {
    for (wait, number) in [(Duration::ZERO, 2), (Duration::from_millis(50), 2), (Duration::from_secs(3600), 100)] {
        let server = start::<R>(binding(), wait).await;
        let bare = Bare::<R>::open(&server.url()).await;
        assert_eq!(bare.call(number).await, 202, "{wait:?}");
        // Nothing of it is left behind.
        assert_eq!([bare.call(1).await, bare.call(2).await], [200; 2]);
        server.stop().await;
    }
}

macro_rules! on_both {
    ($($name:ident)*) => {
        mod tokio_runtime {
            $(#[test] fn $name() {
                let engine = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                engine.block_on(super::$name::<super::Tokio>());
            })*
        }
        mod smol_runtime {
            $(#[test] fn $name() { smol::block_on(super::$name::<super::Smol>()); })*
        }
    };
}

on_both! {
    many_calls_at_once_hardly_overtake_each_other
    nor_do_those_that_are_encrypted
    who_comes_early_waits_for_who_was_overtaken
    who_comes_too_early_is_not_taken
}
