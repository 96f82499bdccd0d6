//! Our acceptor in the place of the recorded service.

use super::report::Report;
use crate::rm_story::RmStory;

/// Plays the service of a story.
pub fn replay_service(_story: &RmStory) -> Report {
    Report::default()
}
