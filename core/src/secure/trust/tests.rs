#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at a surprise")]

extern crate std;

use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;

use super::recorded::*;
use super::*;
use crate::soap::{RequestType, ScVersion, TrustVersion, names};
use crate::xml::{Limits, Start, Token};

fn written(write: impl Fn(&mut Writer<'_>)) -> String {
    let mut out = vec![0; 8192];
    let mut writer = Writer::new(&mut out);
    write(&mut writer);
    let len = writer.finish().unwrap();
    String::from_utf8(out[..len].to_vec()).unwrap()
}

fn root<'a>(xml: &'a str) -> (Reader<'a>, Start<'a>) {
    let mut reader = Reader::document(xml.as_bytes(), &Limits::default()).unwrap();
    let Token::Start(start) = reader.next().unwrap() else { panic!("no start tag") };
    (reader, start)
}

fn request(xml: &str) -> Result<RequestSecurityToken<'_>, TrustError> {
    let (mut reader, start) = root(xml);
    let request = read_request(&mut reader, &start)?;
    assert!(matches!(reader.next().unwrap(), Token::Eof));
    Ok(request)
}

fn response(xml: &str) -> Result<RequestSecurityTokenResponse<'_>, TrustError> {
    let (mut reader, start) = root(xml);
    let response = read_response(&mut reader, &start)?;
    assert!(matches!(reader.next().unwrap(), Token::Eof));
    Ok(response)
}

fn decoded(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = vec![0; text.as_ref().len()];
    let len = STANDARD.decode_slice(text, &mut out).unwrap();
    out.truncate(len);
    out
}

fn octets(secret: BinarySecret<'_>) -> Vec<u8> {
    decoded(secret.text.raw())
}

/// The wsu:Id of the BinarySecret, which readers have no use for.
fn secret_id(xml: &str) -> &str {
    xml.split_once("BinarySecret u:Id=\"").unwrap().1.split_once('"').unwrap().0
}

#[test]
fn recorded_requests_are_read_and_written_alike() {
    for (xml, version, kind) in [
        (ISSUE, TrustVersion::February2005, RequestType::Issue),
        (RENEW, TrustVersion::February2005, RequestType::Renew),
        (CANCEL, TrustVersion::February2005, RequestType::Cancel),
        (CANCEL_RENEWED, TrustVersion::February2005, RequestType::Cancel),
        (ISSUE_13, TrustVersion::V13, RequestType::Issue),
        (RENEW_13, TrustVersion::V13, RequestType::Renew),
        (CANCEL_13, TrustVersion::V13, RequestType::Cancel),
    ] {
        let read = request(xml).unwrap();
        assert_eq!((read.version, read.request_type), (version, Some(kind)));
        let again = if kind == RequestType::Cancel {
            let target = read.cancel_target.unwrap().context().unwrap();
            assert!(read.token_type.is_none() && read.entropy.is_none() && read.key_size.is_none());
            written(|writer| write_cancel(writer, version, target))
        } else {
            assert!(read.token_type.unwrap().eq(version.conversation().sct_token_type()));
            assert_eq!(read.entropy.unwrap().kind, SecretKind::Nonce);
            let entropy = octets(read.entropy.unwrap());
            assert_eq!(entropy.len(), 32);
            let id = secret_id(xml).as_bytes();
            let key = RequestedKey { entropy_id: id, entropy: Some(&entropy), bits: read.key_size.unwrap() };
            match read.renew_target {
                None => written(|writer| write_issue(writer, version, &key)),
                Some(target) => written(|writer| write_renew(writer, version, &key, target.context().unwrap())),
            }
        };
        assert_eq!(again, xml);
    }
}

#[test]
fn recorded_responses_are_read_and_written_alike() {
    for (xml, version, bsp) in [
        (ISSUED, TrustVersion::February2005, false),
        (ISSUED_COOKIE, TrustVersion::February2005, false),
        (RENEWED, TrustVersion::February2005, false),
        (ISSUED_13_BSP, TrustVersion::V13, true),
        (RENEWED_13, TrustVersion::V13, false),
    ] {
        let read = response(xml).unwrap();
        assert_eq!(read.version, version);
        assert!(!read.cancelled);
        let token = read.token.unwrap();
        assert_eq!(token.version, version.conversation());
        assert_eq!(read.unattached.unwrap().context().unwrap(), token.context);
        let TokenReference::Local { id, span, value_type } = read.attached.unwrap().to else { panic!("not local") };
        assert_eq!(Some(id), token.id);
        assert_eq!(span.of(xml.as_bytes()), id);
        assert_eq!(value_type.is_some(), bsp);
        assert!(matches!(read.proof, Some(ProofToken::ComputedPsha1)));
        let entropy = octets(read.entropy.unwrap());
        let lifetime = read.lifetime.unwrap();
        let element = token.span.of(xml.as_bytes());
        assert!(element.starts_with(b"<") && element.ends_with(b":SecurityContextToken>"));
        let issued = IssuedToken {
            token_id: id,
            context: token.context,
            cookie: token.cookie.map(|text| Base64::Text(text.raw())),
            key: ResponseKey::Combined(&entropy),
            secret_id: secret_id(xml).as_bytes(),
            created: lifetime.created.unwrap().raw(),
            expires: lifetime.expires.unwrap().raw(),
            bits: read.key_size.unwrap(),
            bsp,
        };
        assert_eq!(written(|writer| write_response(writer, version, &issued)), xml);
    }
    for (xml, version) in [(CANCELLED, TrustVersion::February2005), (CANCELLED_13, TrustVersion::V13)] {
        assert!(response(xml).unwrap().cancelled);
        assert_eq!(written(|writer| write_cancelled(writer, version)), xml);
    }
}

#[test]
fn renewal_keeps_the_context_and_names_the_key() {
    let token = response(RENEWED).unwrap().token.unwrap();
    assert_eq!(token.context.identifier, b"urn:uuid:87daea7d-8539-4473-99ba-f109216303ab");
    assert_eq!(token.context.instance.unwrap(), b"urn:uuid:d0eeb8be-e1be-41b5-9ecb-b7c36b49ee4f");
    assert_eq!(token.id.unwrap(), b"uuid-913e2e71-009f-4ea3-9120-bd989c488cbe-19");
    let target = request(RENEW).unwrap().renew_target.unwrap().context().unwrap();
    assert_eq!(target, ContextReference { identifier: token.context.identifier, instance: None });
}

// References recorded from WCF's Security headers. The prefix `o` is in scope there.
const THUMBPRINT: &str = r#"<o:SecurityTokenReference><o:KeyIdentifier ValueType="http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1">3iyifoBiEhbyG3+zITUZxLawudE=</o:KeyIdentifier></o:SecurityTokenReference>"#;
const WRAPPED: &str = r#"<o:SecurityTokenReference k:TokenType="http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey" xmlns:k="http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"><o:KeyIdentifier ValueType="http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKeySHA1">sJiPkhhTTdnE50hfih28v+ViIbI=</o:KeyIdentifier></o:SecurityTokenReference>"#;
const LOCAL: &str = r##"<o:SecurityTokenReference><o:Reference URI="#uuid-3f0ab3c5-a0ac-45e5-87e9-8afe06b273fb-7"/></o:SecurityTokenReference>"##;
const EXTERNAL: &str = r#"<o:SecurityTokenReference><o:Reference URI="urn:uuid:aa66382a-7e7d-495c-a597-aeeddde758c2" ValueType="http://schemas.xmlsoap.org/ws/2005/02/sc/sct"/></o:SecurityTokenReference>"#;

/// The same element with its prefix declared around it, and what it is read as.
fn reference_in_header<T>(xml: &str, look: impl Fn(SecurityTokenReference<'_>) -> T) -> Result<T, TrustError> {
    let outer = std::format!("<h xmlns:o=\"{}\" xmlns:c=\"{}\">{xml}</h>", names::WSSE, names::SC_FEB2005);
    let (mut reader, _) = root(&outer);
    let start = reader.next_element().unwrap().unwrap();
    let read = read_reference(&mut reader, &start)?;
    assert!(reader.next_element().unwrap().is_none());
    Ok(look(read))
}

#[test]
fn recorded_references_are_read_and_written_alike() {
    let style = ReferenceStyle::header(false);
    let thumbprint = decoded("3iyifoBiEhbyG3+zITUZxLawudE=");
    let hash = decoded("sJiPkhhTTdnE50hfih28v+ViIbI=");
    let id = b"uuid-3f0ab3c5-a0ac-45e5-87e9-8afe06b273fb-7";
    let context = ContextReference { identifier: b"urn:uuid:aa66382a-7e7d-495c-a597-aeeddde758c2", instance: None };
    let version = ScVersion::February2005;
    for (xml, to) in [
        (THUMBPRINT, ReferenceTo::KeyIdentifier { kind: KeyIdentifier::Thumbprint, octets: &thumbprint }),
        (WRAPPED, ReferenceTo::KeyIdentifier { kind: KeyIdentifier::EncryptedKeySha1, octets: &hash }),
        (LOCAL, ReferenceTo::Local { id, token: LocalToken::DerivedKey(version) }),
        (EXTERNAL, ReferenceTo::Sct { version, context }),
    ] {
        assert_eq!(written(|writer| write_reference(writer, style, &to)), xml);
        reference_in_header(xml, |read| match (read.to, to) {
            (TokenReference::KeyIdentifier { value_type, text }, ReferenceTo::KeyIdentifier { kind, octets }) => {
                assert!(value_type.eq(kind.value_type()));
                assert_eq!(decoded(text.raw()), octets);
                assert_eq!(read.token_type.is_some(), kind == KeyIdentifier::EncryptedKeySha1);
            }
            (TokenReference::Local { id: read, .. }, ReferenceTo::Local { id, .. }) => assert_eq!(read, id),
            (TokenReference::ExternalSct(read), ReferenceTo::Sct { context, .. }) => assert_eq!(read, context),
            (read, to) => panic!("{to:?} read as {read:?}"),
        })
        .unwrap();
    }
}

#[test]
fn issuer_and_serial_are_read_as_written() {
    let to = ReferenceTo::IssuerSerial { issuer: b"CN=A & B", serial: b"4711" };
    let xml = written(|writer| write_reference(writer, ReferenceStyle::header(true), &to));
    reference_in_header(&xml, |read| {
        let TokenReference::IssuerSerial { issuer, serial } = read.to else { panic!("{:?}", read.to) };
        assert!(issuer.eq("CN=A & B") && serial.eq("4711"));
    })
    .unwrap();
}

#[test]
fn the_profiles_attributes_come_first() {
    let style = ReferenceStyle { bsp: true, declare_wsse: true, ..ReferenceStyle::default() };
    let to = ReferenceTo::Local { id: b"_0", token: LocalToken::DerivedKey(ScVersion::V13) };
    assert_eq!(
        written(|writer| write_reference(writer, style, &to)),
        r##"<o:SecurityTokenReference xmlns:o="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"><o:Reference ValueType="http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512/dk" URI="#_0"/></o:SecurityTokenReference>"##
    );
    // Both recorded from wsHttpBinding.
    let to = ReferenceTo::Local { id: b"uuid-cb99a69f-da27-4890-861a-e008326abfa4-2", token: LocalToken::EncryptedKey };
    assert_eq!(
        written(|writer| write_reference(writer, ReferenceStyle::header(true), &to)),
        r##"<o:SecurityTokenReference k:TokenType="http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey" xmlns:k="http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"><o:Reference ValueType="http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey" URI="#uuid-cb99a69f-da27-4890-861a-e008326abfa4-2"/></o:SecurityTokenReference>"##
    );
    let octets = decoded("9o3fmvj0ilzJ5mP/Oa5iiN4DWgE=");
    let to = ReferenceTo::KeyIdentifier { kind: KeyIdentifier::EncryptedKeySha1, octets: &octets };
    assert_eq!(
        written(|writer| write_reference(writer, ReferenceStyle::header(true), &to)),
        r#"<o:SecurityTokenReference k:TokenType="http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey" xmlns:k="http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"><o:KeyIdentifier ValueType="http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKeySHA1" EncodingType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary">9o3fmvj0ilzJ5mP/Oa5iiN4DWgE=</o:KeyIdentifier></o:SecurityTokenReference>"#
    );
}

#[test]
fn references_that_name_nothing_are_refused() {
    for inside in [
        "",
        "<o:Reference/>",
        "<o:Reference URI=''/>",
        "<o:Reference URI='#'/>",
        "<o:Reference URI='urn:a&amp;b'/>",
        "<o:Reference URI='urn:a' ValueType='urn:other'/>",
        "<o:Reference URI='#a'/><o:Reference URI='#b'/>",
        "<o:KeyIdentifier>AA==</o:KeyIdentifier>",
        "<o:KeyIdentifier ValueType='urn:x'/>",
        "<o:KeyIdentifier ValueType='urn:x' EncodingType='urn:hex'>00</o:KeyIdentifier>",
        "<o:Embedded/>",
    ] {
        let xml = std::format!("<o:SecurityTokenReference>{inside}</o:SecurityTokenReference>");
        assert!(reference_in_header(&xml, |_| ()).is_err(), "{inside}");
    }
}

#[test]
fn a_token_keeps_to_its_order() {
    let token = |inside: &str| -> Result<(bool, bool), TrustError> {
        let xml = std::format!(
            "<c:SecurityContextToken xmlns:c='{}' xmlns:d='{}'>{inside}</c:SecurityContextToken>",
            names::SC_13,
            names::DNSE
        );
        let (mut reader, start) = root(&xml);
        let read = read_sct(&mut reader, &start)?;
        assert_eq!(read.span.of(xml.as_bytes()), xml.as_bytes());
        assert!(read.id.is_none());
        Ok((read.context.instance.is_some(), read.cookie.is_some()))
    };
    let (id, instance, cookie) =
        ("<c:Identifier>a</c:Identifier>", "<c:Instance>b</c:Instance>", "<d:Cookie>AA==</d:Cookie>");
    let join = |parts: &[&str]| parts.concat();
    assert_eq!(token(id), Ok((false, false)));
    assert_eq!(token(&join(&[id, instance])), Ok((true, false)));
    assert_eq!(token(&join(&[id, cookie])), Ok((false, true)));
    assert_eq!(token(&join(&[id, instance, cookie])), Ok((true, true)));
    for wrong in [
        "".to_string(),
        instance.to_string(),
        "<c:Identifier/>".to_string(),
        "<c:Identifier>a<!-- -->b</c:Identifier>".to_string(),
        join(&[id, id]),
        join(&[id, cookie, instance]),
        join(&[id, instance, instance]),
        join(&[id, cookie, cookie]),
        join(&[id, "<c:Other/>"]),
    ] {
        assert!(token(&wrong).is_err(), "{wrong}");
    }
}

fn rst(inside: &str) -> String {
    std::format!(
        "<t:RequestSecurityToken xmlns:t='{}' xmlns:w='{}'>{inside}</t:RequestSecurityToken>",
        names::TRUST_FEB2005,
        names::TRUST_13
    )
}

#[test]
fn requests_are_bounded_and_typed() {
    for (bits, good) in
        [(64, true), (256, true), (131_072, true), (56, false), (0, false), (131_080, false), (65, false)]
    {
        let xml = rst(&std::format!("<t:KeySize> {bits} </t:KeySize>"));
        match request(&xml) {
            Ok(read) => assert!(good && read.key_size == Some(bits)),
            Err(error) => {
                assert!(!good && matches!(error, TrustError::KeySize { .. }), "{error}");
                assert!(error.to_string().contains("64 to 131072 bits"));
            }
        }
    }
    for wrong in [
        "<t:KeySize>+64</t:KeySize>",
        "<t:KeySize>99999999999</t:KeySize>",
        "<t:KeySize/>",
        "<t:KeySize>64</t:KeySize><t:KeySize>64</t:KeySize>",
        "<t:RequestType>http://schemas.xmlsoap.org/ws/2005/02/trust/Validate</t:RequestType>",
        "<t:Entropy/>",
        "<t:Entropy><t:BinarySecret/></t:Entropy>",
        "<t:Entropy><t:BinarySecret Type='urn:other'>AA==</t:BinarySecret></t:Entropy>",
        "<t:Entropy><t:BinarySecret>AA==</t:BinarySecret><t:BinarySecret>AA==</t:BinarySecret></t:Entropy>",
        "<t:CancelTarget/>",
    ] {
        assert!(request(&rst(wrong)).is_err(), "{wrong}");
    }
    let other = rst("<x/><t:Claims><t:KeySize>1</t:KeySize></t:Claims><w:KeySize>1</w:KeySize>");
    let read = request(&other).unwrap();
    assert!(read.request_type.is_none() && read.key_size.is_none());
}

#[test]
fn the_other_versions_secret_is_taken() {
    let xml = rst(&std::format!(
        "<t:Entropy><w:BinarySecret Type='{}'>AAEC</w:BinarySecret></t:Entropy>",
        TrustVersion::V13.nonce()
    ));
    let secret = request(&xml).unwrap().entropy.unwrap();
    assert_eq!((secret.kind, octets(secret)), (SecretKind::Nonce, vec![0, 1, 2]));
    assert!(!std::format!("{secret:?}").contains("AAEC"));
    let untyped = rst("<t:Entropy><t:BinarySecret>AAEC</t:BinarySecret></t:Entropy>");
    assert_eq!(request(&untyped).unwrap().entropy.unwrap().kind, SecretKind::SymmetricKey);
}

#[test]
fn a_collection_holds_one() {
    let collection = |inside: &str| {
        let ns = names::TRUST_13;
        std::format!(
            "<t:RequestSecurityTokenResponseCollection xmlns:t='{ns}'>{inside}</t:RequestSecurityTokenResponseCollection>"
        )
    };
    let one = "<t:RequestSecurityTokenResponse><t:KeySize>128</t:KeySize></t:RequestSecurityTokenResponse>";
    assert_eq!(response(&collection(one)).unwrap().key_size, Some(128));
    assert!(response(&collection("")).is_err());
    assert!(response(&collection(&[one, one].concat())).is_err());
    assert!(response(&collection("<t:Other/>")).is_err());
}

#[test]
fn a_key_that_the_issuer_made_has_no_type() {
    let issued = IssuedToken {
        token_id: b"sct",
        context: ContextReference { identifier: b"urn:x", instance: None },
        cookie: Some(Base64::Octets(b"state")),
        key: ResponseKey::Issuer(&[7; 16]),
        secret_id: b"key",
        created: b"2026-11-21T02:40:12.375Z",
        expires: b"2026-11-21T17:40:12.375Z",
        bits: 128,
        bsp: false,
    };
    let xml = written(|writer| write_response(writer, TrustVersion::V13, &issued));
    let read = response(&xml).unwrap();
    let Some(ProofToken::Key(key)) = read.proof else { panic!("no key") };
    assert_eq!((key.kind, octets(key)), (SecretKind::SymmetricKey, vec![7; 16]));
    assert_eq!(decoded(read.token.unwrap().cookie.unwrap().raw()), b"state");
    assert!(!xml.contains(" Type="));
    assert!(read.entropy.is_none());

    let requestor = IssuedToken { key: ResponseKey::Requestor, ..issued };
    let xml = written(|writer| write_response(writer, TrustVersion::February2005, &requestor));
    let read = response(&xml).unwrap();
    assert!(read.proof.is_none() && read.entropy.is_none());
}

#[test]
fn any_bytes_are_survived() {
    // Deterministic: one byte of a recorded body replaced, or the body cut.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    for xml in [ISSUE, RENEW, CANCEL_RENEWED, ISSUED_COOKIE, RENEWED_13, CANCELLED_13] {
        for _ in 0..2000 {
            let mut bytes = xml.as_bytes().to_vec();
            let at = random(bytes.len());
            bytes[at] = b"<>/\"'=&# :;xt\0\xFF"[random(15)];
            if random(8) == 0 {
                bytes.truncate(random(bytes.len()));
            }
            let Ok(mut reader) = Reader::document(&bytes, &Limits::default()) else { continue };
            let Ok(Token::Start(start)) = reader.next() else { continue };
            let mut other = Reader::document(&bytes, &Limits::default()).unwrap();
            let _ = other.next();
            let (request, response) = (read_request(&mut reader, &start), read_response(&mut other, &start));
            assert!(request.is_err() || response.is_err());
        }
    }
}
