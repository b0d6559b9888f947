//! What the cloud's Simple Message Notification said to a source.

use crate::clock::Timestamp;

/// How a subscription to a topic stands, as far as its own messages tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It waits for somebody to confirm it.
    Invited,
    /// It was notified since.
    Confirmed,
    /// Somebody ended it.
    Left,
}

/// One message of SMN that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub topic_urn: String,
    pub standing: Standing,
    /// Where to confirm, or to subscribe again.
    pub subscribe_url: Option<String>,
    /// By which it was verified; `None` if the operator's own was.
    pub certificate: Option<SigningCertificate>,
}

/// A certificate of SMN that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningCertificate {
    pub url: String,
    pub pem: Vec<u8>,
    pub fetched_at: Timestamp,
}

/// The last of them, for one source and topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRow {
    pub source: String,
    pub topic_urn: String,
    pub standing: Standing,
    /// Since when it stands so.
    pub changed_at: Timestamp,
    pub subscribe_url: Option<String>,
    /// The last notification.
    pub heard_at: Option<Timestamp>,
}

const WORDS: [(Standing, &str); 3] =
    [(Standing::Invited, "invited"), (Standing::Confirmed, "confirmed"), (Standing::Left, "left")];

impl Standing {
    pub fn as_str(self) -> &'static str {
        WORDS.iter().find(|(one, _)| *one == self).map(|(_, word)| *word).expect("each has a word")
    }

    pub fn parse(text: &str) -> Option<Self> {
        WORDS.iter().find(|(_, word)| *word == text).map(|(one, _)| *one)
    }
}
