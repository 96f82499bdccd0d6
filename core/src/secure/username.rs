//! Reading a `UsernameToken` and asking whether its user is who they say they are.

use super::opened::User;
use super::{Credentials, Element, Refusal};
use crate::soap::names;
use crate::xml::{Limits, Reader, Scope, Span};
use zeroize::Zeroizing;

/// Longest user name and longest password, in bytes of UTF-8. Our own cap: WCF bounds them by the message only.
const LONGEST: usize = 256;

/// Reads the token at `span` and checks its password.
///
/// Only `PasswordText` is read: WCF neither sends nor accepts digests, nonces or creation times here.
pub(super) fn check<C: Credentials + ?Sized>(
    buf: &[u8],
    span: Span,
    scope: &Scope,
    limits: &Limits,
    credentials: &C,
) -> Result<User, Refusal> {
    let malformed = Refusal::Malformed { element: Element::UsernameToken, offset: span.start };
    let mut reader = Reader::resume(buf, span, scope, limits)?;
    reader.next_element()?.ok_or(malformed)?;
    reader.next_element()?.filter(|s| s.name.is(names::WSSE, "Username")).ok_or(malformed)?;
    let name = reader.text()?;
    reader.next_element()?.filter(|s| s.name.is(names::WSSE, "Password")).ok_or(malformed)?;
    if reader.attribute("", "Type").is_some_and(|kind| !kind.eq(names::PASSWORD_TEXT)) {
        return Err(malformed);
    }
    let password = reader.text()?;
    if reader.next_element()?.is_some() {
        return Err(malformed);
    }
    let mut name_text = [0u8; LONGEST];
    let mut password_text = Zeroizing::new([0u8; LONGEST]);
    let decoded_name = name.decode(&mut name_text).map_err(|_| malformed)?;
    let decoded_password = password.decode(password_text.as_mut_slice()).map_err(|_| malformed)?;
    let (Ok(user), Ok(secret)) = (core::str::from_utf8(decoded_name), core::str::from_utf8(decoded_password)) else {
        return Err(malformed);
    };
    credentials.check_user(user, secret).map_err(Refusal::Credential)?;
    Ok(User { name: name.span() })
}
