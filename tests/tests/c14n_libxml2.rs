//! Exclusive canonical form against libxml2: the committed corpus, and any other made by `interop/c14n_corpus.py` that
//! the environment variable `C14N_CORPUS` names.

use std::path::Path;
use std::{env, fs};

use soap_session_core::xml::{Exclusive, Limits, Reader, Sink, Token};

struct Octets(Vec<u8>);

impl Sink for Octets {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// The canonical form of the element that comes as number `apex` in document order.
fn canonical(document: &[u8], apex: usize, form: Exclusive<'_>) -> Vec<u8> {
    let mut reader = Reader::document(document, &Limits::MAX).expect("a document");
    let mut seen = 0;
    loop {
        match reader.next().expect("a token") {
            Token::Start(start) if seen == apex => {
                let mut octets = Octets(Vec::new());
                let span = form.element(&mut reader, &start, &mut octets, &mut |_, _| Ok(())).expect("canonical form");
                assert_eq!(span.start, start.span.start);
                assert_eq!(span.end, reader.position());
                // The rest of the document is read to its end all the same.
                while !matches!(reader.next().expect("a token"), Token::Eof) {}
                return octets.0;
            }
            Token::Start(_) => seen += 1,
            Token::Eof => panic!("there is no element {apex}"),
            Token::End(_) | Token::Text(_) | Token::Comment(_) => {}
        }
    }
}

/// Whether the document is refused somewhere on the way to its end.
fn refuses(document: &[u8]) -> bool {
    let Ok(mut reader) = Reader::document(document, &Limits::MAX) else { return true };
    loop {
        match reader.next() {
            Err(_) => return true,
            Ok(Token::Eof) => return false,
            Ok(_) => {}
        }
    }
}

fn compare(directory: &Path) -> usize {
    let manifest = fs::read_to_string(directory.join("manifest.tsv")).expect("manifest.tsv");
    for line in manifest.lines() {
        // Shown only when something fails.
        println!("{line}");
        let fields: Vec<&str> = line.split('\t').collect();
        let [number, apex, comments, prefixes] = fields[..] else { panic!("four fields: {line}") };
        let document = fs::read(directory.join(format!("{number}.xml"))).expect("a document");
        if apex == "!" {
            assert!(refuses(&document), "libxml2 refuses {line} in {}", directory.display());
            continue;
        }
        let expected = fs::read(directory.join(format!("{number}.c14n"))).expect("its canonical form");
        let inclusive = if prefixes == "-" { "" } else { prefixes };
        let form = Exclusive { comments: comments == "1", inclusive: inclusive.as_bytes() };
        let ours = canonical(&document, apex.parse().expect("a number"), form);
        let (ours, expected) = (String::from_utf8_lossy(&ours), String::from_utf8_lossy(&expected));
        assert_eq!(ours, expected, "{line} in {}", directory.display());
        // What is canonical has itself as canonical form, if no ancestor had to lend it a declaration.
        let again = Exclusive { comments: true, ..form };
        assert_eq!(String::from_utf8_lossy(&canonical(ours.as_bytes(), 0, again)), expected, "twice: {line}");
    }
    manifest.lines().count()
}

#[test]
fn committed_corpus() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/c14n");
    assert!(compare(&directory) >= 24);
}

#[test]
fn corpus_of_the_environment() {
    if let Some(directory) = env::var_os("C14N_CORPUS") {
        assert!(compare(Path::new(&directory)) > 0);
    }
}
