//! The tokenizer and the canonical form over recorded messages. `tests/vectors/xml` is always read; the environment
//! variable `XML_RECORDINGS` may name a directory with more of them (searched for `*.xml` below it).

use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use soap_session_core::xml::{Error, ErrorKind, Exclusive, Limits, Reader, Sink, Span, Start, Token};

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

struct Octets(Vec<u8>);

impl Sink for Octets {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// What a `Reference` of a signature says.
#[derive(Debug, Default)]
struct Reference {
    id: String,
    inclusive: String,
    exclusive: bool,
    other_transform: bool,
    method: String,
    digest: String,
}

fn owned(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn attribute(reader: &Reader<'_>, local: &str) -> String {
    let mut room = [0; 4096];
    reader.attribute("", local).map(|value| owned(value.decode(&mut room).expect("room"))).unwrap_or_default()
}

fn references(document: &[u8]) -> Result<Vec<Reference>, Error> {
    let mut reader = Reader::document(document, &Limits::MAX)?;
    let mut found: Vec<Reference> = Vec::new();
    loop {
        match reader.next()? {
            Token::Eof => return Ok(found),
            Token::Start(start) if start.name.is(DSIG, "Reference") => {
                let id = attribute(&reader, "URI").trim_start_matches('#').to_owned();
                found.push(Reference { id, ..Reference::default() });
            }
            Token::Start(start) => {
                let Some(last) = found.last_mut() else { continue };
                if start.name.is(DSIG, "Transform") {
                    let algorithm = attribute(&reader, "Algorithm");
                    last.exclusive |= algorithm == EXC_C14N;
                    last.other_transform |= algorithm != EXC_C14N;
                } else if start.name.is(EXC_C14N, "InclusiveNamespaces") && last.digest.is_empty() {
                    last.inclusive = attribute(&reader, "PrefixList");
                } else if start.name.is(DSIG, "DigestMethod") {
                    last.method = attribute(&reader, "Algorithm");
                } else if start.name.is(DSIG, "DigestValue") {
                    last.digest = owned(reader.text()?.trim().raw());
                }
            }
            Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
        }
    }
}

fn canonical_of_id(document: &[u8], id: &str, form: Exclusive<'_>) -> Result<Option<Vec<u8>>, Error> {
    let mut reader = Reader::document(document, &Limits::MAX)?;
    loop {
        match reader.next()? {
            Token::Eof => return Ok(None),
            Token::Start(start) => {
                let has = [(UTILITY, "Id"), ("", "Id"), ("", "ID"), ("", "AssertionID")]
                    .iter()
                    .any(|(namespace, local)| reader.attribute(namespace, local).is_some_and(|value| value.eq(id)));
                if has {
                    let mut octets = Octets(Vec::new());
                    form.element(&mut reader, &start, &mut octets, &mut |_, _| Ok(()))?;
                    return Ok(Some(octets.0));
                }
            }
            Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
        }
    }
}

fn digest(method: &str, octets: &[u8]) -> String {
    let digest = match method {
        "http://www.w3.org/2000/09/xmldsig#sha1" => Sha1::digest(octets).to_vec(),
        "http://www.w3.org/2001/04/xmlenc#sha256" => Sha256::digest(octets).to_vec(),
        other => panic!("{other}"),
    };
    let mut room = [0; 44];
    let len = STANDARD.encode_slice(&digest, &mut room).expect("room");
    owned(&room[..len])
}

/// Compares every digest that can be compared; gives how many.
fn digests(path: &Path) -> usize {
    let document = fs::read(path).expect("a file");
    let name = path.display();
    let references = match references(&document) {
        Ok(references) => references,
        // Empty bodies and pages that no SOAP node wrote.
        Err(error) if error.kind == ErrorKind::NoRoot || !document.windows(8).any(|part| part == b"Envelope") => {
            println!("{name}: {error}");
            return 0;
        }
        Err(error) => panic!("{name}: {error}"),
    };
    let mut compared = 0;
    for reference in references {
        if !reference.exclusive || reference.other_transform {
            continue;
        }
        let form = Exclusive { comments: false, inclusive: reference.inclusive.as_bytes() };
        let Some(octets) = canonical_of_id(&document, &reference.id, form).expect("canonical form") else { continue };
        if path.to_string_lossy().ends_with(".plain.xml") {
            // Encrypted first, signed then: the digest is over the message as it was sent, beside this one.
            let sent = fs::read(path.with_extension("").with_extension("xml")).expect("the message as sent");
            let sent = canonical_of_id(&sent, &reference.id, form).expect("canonical form").unwrap_or_default();
            if digest(&reference.method, &sent) == reference.digest {
                compared += 1;
                continue;
            }
        } else if octets.windows(14).any(|part| part == b"EncryptedData ") {
            continue; // signed first, encrypted then: the digest is over what we cannot see
        }
        let ours = digest(&reference.method, &octets);
        assert_eq!(ours, reference.digest, "{name}: #{} is {}", reference.id, String::from_utf8_lossy(&octets));
        compared += 1;
    }
    compared
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            found.push(path);
        }
    }
}

fn committed() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/xml"), &mut found);
    assert!(found.len() >= 4);
    found
}

#[test]
fn digests_of_recorded_signatures() {
    let compared: usize = committed().iter().map(|path| digests(path)).sum();
    assert!(compared >= 10, "{compared}");
}

#[test]
fn digests_of_more_recordings() {
    let Some(directory) = env::var_os("XML_RECORDINGS") else { return };
    let mut found = Vec::new();
    files(Path::new(&directory), &mut found);
    // What is signed before it is encrypted has its digest over the plain text.
    found.retain(|path| {
        let name = path.to_string_lossy();
        name.ends_with(".plain.xml") || !path.with_extension("plain.xml").exists()
    });
    let compared: usize = found.iter().map(|path| digests(path)).sum();
    println!("{compared} digests in {} files", found.len());
    assert!(compared > 0);
}

/// A small deterministic generator (Marsaglia's xorshift).
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("small")
    }
}

fn survive(document: &[u8], limits: &Limits) {
    let Ok(mut reader) = Reader::document(document, limits) else { return };
    let (mut room, mut sum) = (vec![0; document.len()], 0_u32);
    let mut last_start: Option<Start<'_>> = None;
    loop {
        match reader.next() {
            Err(error) => {
                assert!(error.offset as usize <= document.len(), "{error}");
                assert!(matches!(reader.next(), Err(again) if again == error), "an error stays");
                break;
            }
            Ok(Token::Eof) => {
                assert_eq!(reader.depth(), 0);
                break;
            }
            Ok(Token::Start(start)) => {
                sum += start.span.len();
                for attribute in reader.attributes() {
                    let decoded = attribute.value.decode(&mut room).expect("no longer than it is written");
                    let text = owned(decoded);
                    assert!(attribute.value.eq(&text));
                }
                last_start = Some(start);
            }
            Ok(Token::Text(text)) => {
                sum += text.span().len();
                let text_again = owned(text.decode(&mut room).expect("no longer than it is written"));
                assert!(text.eq(&text_again));
            }
            Ok(Token::End(end)) => sum += end.span.len(),
            Ok(Token::Comment(span)) => sum += span.len(),
        }
    }
    assert!(sum as usize <= document.len());
    // The same bytes as content of an element that has no bindings.
    let whole = Span::new(0, u32::try_from(document.len()).expect("short"));
    if let (Some(start), Ok(mut inner)) = (last_start, Reader::resume(document, whole, reader.scope(), limits)) {
        let _ = inner.skip();
        while matches!(inner.next_element(), Ok(Some(_))) {}
        assert!(start.span.end as usize <= document.len());
    }
    let form = Exclusive { comments: true, inclusive: b"s u a #default" };
    let mut reader = Reader::document(document, limits).expect("as before");
    if let Ok(Token::Start(start)) = reader.next() {
        let mut octets = Octets(Vec::new());
        if form.element(&mut reader, &start, &mut octets, &mut |_, _| Ok(())).is_ok() {
            let mut again = Reader::document(&octets.0, &Limits::MAX).expect("canonical form is a document");
            let Ok(Token::Start(start)) = again.next() else { panic!("canonical form has a root") };
            let mut twice = Octets(Vec::new());
            form.element(&mut again, &start, &mut twice, &mut |_, _| Ok(())).expect("canonical form is XML");
            assert_eq!(octets.0, twice.0);
        }
    }
}

#[test]
fn any_bytes_are_survived() {
    const PIECES: [&[u8]; 22] = [
        b"<",
        b">",
        b"/>",
        b"</",
        b"&",
        b"&#x",
        b";",
        b"\"",
        b"'",
        b"=",
        b"xmlns",
        b":",
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"]]>",
        b"<?xml",
        b"\r\n",
        b"\xff",
        b"\xef\xbf\xbf",
        b" xmlns=''",
        b"<!DOCTYPE a>",
    ];
    let tight = Limits { depth: 6, attributes: 2, bytes_per_read: 200, string_content: 60, ..Limits::default() };
    let mut chance = Xorshift(0x9E37_79B9_7F4A_7C15);
    for path in committed() {
        let document = fs::read(path).expect("a file");
        survive(&document, &Limits::default());
        for _ in 0..1500 {
            let mut copy = document.clone();
            for _ in 0..=chance.below(3) {
                let at = chance.below(copy.len());
                let end = (at + chance.below(12)).min(copy.len());
                match chance.below(4) {
                    0 => copy.truncate(at.max(1)),
                    1 => drop(copy.drain(at..end)),
                    2 => drop(copy.splice(at..end, PIECES[chance.below(PIECES.len())].iter().copied())),
                    _ => copy[at] = u8::try_from(chance.below(256)).expect("a byte"),
                }
                if copy.is_empty() {
                    copy.push(b'<');
                }
            }
            survive(&copy, if chance.below(4) == 0 { &tight } else { &Limits::MAX });
        }
    }
}
