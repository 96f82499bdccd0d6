//! `ReferenceList`: the only data that is decrypted.

use super::{Element, Refusal};
use crate::soap::names;
use crate::xml::{Reader, Span};
use heapless::Vec;

/// The Ids that reference lists name: the only data that is decrypted.
#[derive(Default)]
pub(super) struct Listed(Vec<(Span, u32), 16>);

impl Listed {
    /// Reads the children of a `ReferenceList` whose start tag was just read; `at` is where the list stands.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, at: u32) -> Result<(), Refusal> {
        let malformed = Refusal::Malformed { element: Element::ReferenceList, offset: at };
        while let Some(item) = reader.next_element()? {
            if !item.name.is(names::XENC, "DataReference") {
                return Err(malformed);
            }
            let uri = reader.attribute("", "URI").ok_or(malformed)?;
            let span = uri.span();
            if uri.plain().is_none_or(|raw| raw.first() != Some(&b'#')) {
                return Err(malformed);
            }
            let id = Span::new(span.start.saturating_add(1), span.end);
            self.0.push((id, at)).map_err(|_| Refusal::TooMany { element: Element::ReferenceList, limit: 16 })?;
            reader.skip()?;
        }
        Ok(())
    }

    /// Where the list stands that names this Id.
    pub(super) fn position_of(&self, buf: &[u8], id: Span) -> Option<u32> {
        if id.is_empty() {
            return None;
        }
        self.0.iter().find(|(listed, _)| listed.of(buf) == id.of(buf)).map(|(_, at)| *at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first listed Id that `known` does not have.
    pub(super) fn dangling(&self, known: impl Fn(Span) -> bool) -> Option<u32> {
        self.0.iter().find(|(id, _)| !known(*id)).map(|(id, _)| id.start)
    }
}
