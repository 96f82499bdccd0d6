//! The body of a request, from a file.

use crate::trouble::Trouble;
use bytes::Bytes;
use soap_session_core::soap::SoapVersion;
use soap_session_core::xml::{Limits, Reader, Token};
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

/// Reads and checks it: what is not well-formed would end a reliable session.
pub(super) fn read(file: &Path) -> Result<Bytes, Trouble> {
    let name = if file == Path::new("-") { "the standard input".to_owned() } else { file.display().to_string() };
    let octets = if file == Path::new("-") {
        let mut octets = Vec::new();
        io::stdin().read_to_end(&mut octets).map(|_| octets)
    } else {
        fs::read(file)
    };
    let octets = octets.map_err(|error| Trouble::usage(error).about(&name))?;
    content(&octets).map_err(|error| error.about(&name))
}

fn content(octets: &[u8]) -> Result<Bytes, Trouble> {
    let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets);
    let mut reader = Reader::document(octets, &Limits::MAX).map_err(wrong)?;
    let Some(start) = reader.next_element().map_err(wrong)? else {
        return Err(Trouble::usage("there is no element in it: give the content of the body"));
    };
    if SoapVersion::from_namespace(start.name.namespace).is_some() {
        return Err(Trouble::usage("give the content of the body alone, without its envelope"));
    }
    let first = start.span.start;
    let end = reader.skip().map_err(wrong)?.end;
    while !matches!(reader.next().map_err(wrong)?, Token::Eof) {}
    let content = octets.get(first as usize..end as usize).unwrap_or_default();
    Ok(Bytes::copy_from_slice(content))
}

fn wrong(error: soap_session_core::xml::Error) -> Trouble {
    Trouble::usage(format!("it is no XML element: {error}"))
}

#[cfg(test)]
mod tests {
    use super::content;

    #[test]
    fn the_element_alone_is_taken() {
        let told = |text: &str| content(text.as_bytes()).map_err(|error| error.to_string());
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- a --><a xmlns=\"urn:a\"><b/> </a>\n";
        assert_eq!(told(text).as_deref(), Ok(&b"<a xmlns=\"urn:a\"><b/> </a>"[..]));
        assert_eq!(told("<a/>").as_deref(), Ok(&b"<a/>"[..]));
        for (text, words) in [
            ("", "no root element"),
            ("<a>", "no XML element"),
            ("<a/><b/>", "no XML element"),
            ("<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\"/>", "without its envelope"),
        ] {
            let error = told(text).err().unwrap_or_default();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
