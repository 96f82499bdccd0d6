//! Answers to requests that a client's certificate signed (WSS 1.0): token requests of a conversation that begins so.
//!
//! The service signs such an answer with its own certificate and encrypts it for the client's. Both are at hand when the
//! request is taken in, and not any more when [`poll`](Acceptor::poll) is asked; so the answer is sealed at once, and lies in a
//! small pool until it is sent.

use super::acceptor::{Acceptor, Incoming, Rejection};
use super::acceptor_poll::{LONGEST_TOKEN, Sealing};
use super::answer::{Answer, BootstrapKey, OpenExchange, PlainFault};
use super::bootstrap::{bootstrap_key, seal_certified_answer};
use super::exchange::{Exchange, Outgoing};
use super::one_shot_service::certificate;
use super::opened::Opened;
use super::protection::SealError;
use super::{Credentials, Refusal};
use crate::chance::Entropy;
use crate::crypto::Backend;
use crate::soap::RequestType;
use crate::time::Instant;
use crate::xml::Grow;
use heapless::Vec;

/// Most such answers on their way to their clients; while there are so many, a token request gets 503. A driver that asks what
/// to send whenever it has told something needs one.
const MAX_CERTIFIED: usize = 2;
/// Longest such answer, in bytes: usual ones have 7 KB, and 13 KB with a cookie, keys of 4096 bits and the longest names.
const LONGEST_ANSWER: usize = 16_384;

/// An answer until it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
struct CertifiedAnswer {
    exchange: Exchange,
    status: u16,
    octets: Vec<u8, LONGEST_ANSWER>,
}

/// The pool.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct CertifiedAnswers(Vec<CertifiedAnswer, MAX_CERTIFIED>);

impl CertifiedAnswers {
    pub(super) fn forget(&mut self, exchange: Exchange) {
        self.0.retain(|answer| answer.exchange != exchange);
    }

    /// Copies the answer of an exchange to `out`. Returns its length and its HTTP status.
    pub(super) fn copy(&self, exchange: Exchange, out: &mut [u8]) -> Result<(usize, u16), SealError> {
        let answer = self.0.iter().find(|answer| answer.exchange == exchange).ok_or(SealError::NotOwed)?;
        let (needed, have) = (answer.octets.len(), out.len());
        out.get_mut(..needed).ok_or(SealError::Grow(Grow { needed, have }))?.copy_from_slice(&answer.octets);
        Ok((needed, answer.status))
    }
}

impl<P: Outgoing, E: Entropy + Clone, const SESSIONS: usize, const EXCHANGES: usize, const REPLAY: usize, B: Backend>
    Acceptor<P, E, SESSIONS, EXCHANGES, REPLAY, B>
{
    /// The key of a token request, if there is room for an answer under it.
    pub(super) fn bootstrap_key(&self, message: &[u8], opened: &Opened) -> Result<BootstrapKey, Rejection<P>> {
        let key = bootstrap_key(message, opened, self.binding.bootstrap)?;
        if matches!(key, BootstrapKey::Certificate(_)) && self.certified.0.is_full() {
            let refusal = Refusal::TooManySessions { limit: MAX_CERTIFIED as u16 };
            return Err(Rejection { refusal, answer: Answer::NoRoom });
        }
        Ok(key)
    }

    /// Seals what `open` is owed for the certificate in `text` (base64). If that cannot be done there is no session.
    #[inline(never)]
    pub(super) fn certify<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        text: &[u8],
        incoming: Incoming,
        open: OpenExchange<P>,
    ) -> (Incoming, OpenExchange<P>) {
        let exchange = open.exchange;
        match self.sealed_for(now, credentials, text, &open) {
            Ok(()) => (incoming, OpenExchange { answer: Answer::Certified, ..open }),
            Err(refusal) => {
                if let Incoming::Issued(session) = incoming {
                    // In cookie mode there is none.
                    let _ = self.forget(session);
                }
                self.forget_answer(exchange);
                (
                    Incoming::Refused(refusal),
                    OpenExchange { answer: Answer::Fault(PlainFault::InvalidSecurity), ..open },
                )
            }
        }
    }

    fn sealed_for<C: Credentials + ?Sized>(
        &mut self,
        now: Instant,
        credentials: &C,
        text: &[u8],
        open: &OpenExchange<P>,
    ) -> Result<(), Refusal> {
        let recipient = certificate(text)?;
        let (mut ids, mut entropy) = (self.ids.clone(), self.entropy.clone());
        let mut kept = CertifiedAnswer { exchange: open.exchange, status: 500, octets: Vec::new() };
        // As long as its capacity: it fits.
        let _ = kept.octets.resize(LONGEST_ANSWER, 0);
        let mut sealing = Sealing { acceptor: &*self, wall: self.wall.at(now), ids: &mut ids, entropy: &mut entropy };
        let written = sealing.certified(credentials, &recipient, open, &mut kept.octets);
        let (len, status) = written.map_err(|error| match error {
            SealError::Credential(error) => Refusal::Credential(error),
            // Too long, for one: nobody has such names.
            SealError::Grow(_) | SealError::Xml(_) | SealError::TooMany | SealError::KeyLength | SealError::NotOwed => {
                Refusal::InvalidTrustRequest
            }
        })?;
        kept.octets.truncate(len);
        kept.status = status;
        (self.ids, self.entropy) = (ids, entropy);
        // Room was seen when its key was taken.
        self.certified.0.push(kept).map_err(|_| Refusal::TooManySessions { limit: MAX_CERTIFIED as u16 })
    }

    pub(super) fn token_action(&self, renewed: bool) -> &'static str {
        let request = if renewed { RequestType::Renew } else { RequestType::Issue };
        self.binding.version.trust().response_action(request)
    }
}

impl<P: Outgoing, E: Entropy + Clone, const S: usize, const X: usize, const R: usize, B: Backend>
    Sealing<'_, P, E, S, X, R, B>
{
    /// Returns the message's length and its HTTP status.
    fn certified<C: Credentials + ?Sized>(
        &mut self,
        credentials: &C,
        recipient: &[u8],
        open: &OpenExchange<P>,
        out: &mut [u8],
    ) -> Result<(usize, u16), SealError> {
        let mut token_body = [0u8; LONGEST_TOKEN];
        let fault_body;
        let (action, body, status) = match &open.answer {
            Answer::Token { renewed, token, .. } => {
                let len = self.token_body(token, open.exchange, &mut token_body)?;
                (self.acceptor.token_action(*renewed), token_body.get(..len).unwrap_or(&[]), 200)
            }
            Answer::BootstrapFault(_, kind) => {
                let (body, action) = self.bootstrap_fault(*kind)?;
                fault_body = body;
                (action, fault_body.as_slice(), 500)
            }
            Answer::Certified
            | Answer::Application(_)
            | Answer::Reply(..)
            | Answer::CancelHeld(_)
            | Answer::Cancelled(_)
            | Answer::RenewNeeded(_)
            | Answer::Fault(_)
            | Answer::NoRoom
            | Answer::Accepted
            | Answer::BadRequest
            | Answer::Abort => return Err(SealError::NotOwed),
        };
        let headers = self.headers(open, action.as_bytes());
        let answer = self.bootstrap_answer(&headers, body);
        let len = seal_certified_answer::<B, C>(&answer, credentials, recipient, self.ids, self.entropy, out)?;
        Ok((len, status))
    }
}
