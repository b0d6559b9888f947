//! That an endpoint's credentials were tried without sending.

use crate::clock::Timestamp;

/// When they were last tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub at: Timestamp,
    pub standing: Accepted,
    /// What was answered.
    pub reason: String,
    /// A hash of what was tried.
    pub credentials: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    Yes,
    No,
    /// No answer, or one that says nothing about them.
    Unknown,
}

const WORDS: [(Accepted, &str); 3] =
    [(Accepted::Yes, "accepted"), (Accepted::No, "refused"), (Accepted::Unknown, "unknown")];

impl Accepted {
    pub fn as_str(self) -> &'static str {
        WORDS.iter().find(|(one, _)| *one == self).map(|(_, word)| *word).expect("each has a word")
    }

    pub fn parse(text: &str) -> Option<Self> {
        WORDS.iter().find(|(_, word)| *word == text).map(|(one, _)| *one)
    }
}
