//! The client's verdict table.

use soap_session_tests::rm_replay::Verdict;

pub(crate) const TABLE: [(&str, Verdict); 0] = [];
