//! Which of our identifiers stands for which recorded one.

use std::collections::{BTreeMap, BTreeSet};

/// One of ours for one of theirs, from the first use on.
#[derive(Clone, Default, Debug)]
pub struct Names {
    theirs: BTreeMap<String, String>,
    ours: BTreeMap<String, String>,
    /// Said to the machine as they were recorded.
    said: BTreeSet<String>,
}

impl Names {
    /// What a recorded identifier is to our machine. One that it did not make is what it is.
    pub fn to_ours(&mut self, recorded: &str) -> String {
        if let Some(ours) = self.ours.get(recorded) {
            return ours.clone();
        }
        self.said.insert(recorded.to_owned());
        recorded.to_owned()
    }

    /// Is `ours` in the place of `recorded`? The first use of two makes them stand for each other.
    pub fn same(&mut self, ours: &str, recorded: &str) -> bool {
        if let Some(known) = self.theirs.get(ours) {
            return known == recorded;
        }
        if ours == recorded || self.said.contains(ours) || self.ours.contains_key(recorded) {
            return ours == recorded;
        }
        self.theirs.insert(ours.to_owned(), recorded.to_owned());
        self.ours.insert(recorded.to_owned(), ours.to_owned());
        true
    }
}
