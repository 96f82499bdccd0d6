//! A subscriber that keeps every word.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// One event, span or record: its level, its name or message, and every field.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: tracing::Level,
    pub(crate) text: String,
}

#[derive(Clone, Default)]
pub(crate) struct Capture {
    lines: Arc<Mutex<Vec<Line>>>,
    next: Arc<AtomicU64>,
}

impl Capture {
    /// From now on, for the whole process.
    pub(crate) fn install() -> Self {
        let capture = Self::default();
        tracing::subscriber::set_global_default(capture.clone()).unwrap();
        capture
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// Every event of this name.
    pub(crate) fn events(&self, name: &str) -> Vec<Line> {
        let begin = format!("{name} ");
        self.lines().into_iter().filter(|line| line.text.starts_with(&begin)).collect()
    }

    fn keep(&self, level: tracing::Level, name: &str, tell: impl FnOnce(&mut Words)) {
        let mut words = Words { message: String::new(), fields: String::new() };
        tell(&mut words);
        let text = format!("{}{name} {}", words.message, words.fields);
        self.lines.lock().unwrap().push(Line { level, text });
    }
}

struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            write!(self.fields, "{}={value:?} ", field.name()).unwrap();
        }
    }
}

impl Subscriber for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let name = format!("span {}", span.metadata().name());
        self.keep(*span.metadata().level(), &name, |words| span.record(words));
        Id::from_u64(self.next.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.keep(tracing::Level::INFO, "record", |words| values.record(words));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.keep(*event.metadata().level(), "", |words| event.record(words));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
