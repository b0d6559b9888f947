//! A notification as Simple Message Notification carries it: a subject in one line, and a text.
//!
//! For programs the text is Tracebell's own JSON: it holds no line break, so it cannot
//! pass for another line of what SMN signs. Signatures and addresses are the endpoint's.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id,
    render::{Letter, facts, inert, webhook},
};

/// Longest subject: one page of the documentation says characters, another bytes.
pub const SUBJECT: usize = 512;

/// What is frozen of a `Notification` that SMN would post to a subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// 32 hexadecimal digits.
    pub message_id: String,
    pub subject: String,
    pub message: String,
    /// `2026-01-15T08:30:00Z`
    pub timestamp: String,
}

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    let posting = Posting {
        message_id: message_id(letter.id),
        subject: subject(letter),
        message: String::from_utf8(webhook::body(letter)).expect("JSON is UTF-8"),
        timestamp: timestamp(letter.notification.created_at),
    };
    serde_json::to_vec(&posting).expect("texts always become JSON")
}

impl Posting {
    /// Reads [`body`]; what was frozen when the endpoint had another format is carried whole.
    pub fn read(body: &[u8], delivery: &str, now: Timestamp) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| Self {
            message_id: message_id(delivery),
            subject: String::new(),
            message: String::from_utf8_lossy(body).into_owned(),
            timestamp: timestamp(now),
        })
    }
}

/// The headline, in one line and at most [`SUBJECT`] bytes.
pub fn subject(letter: &Letter<'_>) -> String {
    let line = facts::headline(letter.notification);
    let mut chars = SUBJECT;
    loop {
        let subject = inert::line(&line, chars);
        if subject.len() <= SUBJECT {
            return subject;
        }
        chars = chars * 3 / 4;
    }
}

/// The same for every repeat of a delivery.
pub fn message_id(delivery: &str) -> String {
    hex::encode(&id::hash(&["smn", delivery])[..16])
}

pub fn timestamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
