//! From a neutral notification to the bytes an endpoint sends.
//!
//! All text from traces is inert in every output: it is escaped for the format
//! and never read as markup, header, mention or link.

use crate::notification::Notification;

pub mod email;
pub mod facts;
pub mod inert;
pub mod link;
pub mod slack;
pub mod webhook;

/// What an endpoint wants to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Slack Block Kit JSON for an incoming webhook.
    Slack,
    /// A whole RFC 5322 message, headers included.
    Email(Letterhead),
    /// Tracebell's own versioned JSON.
    Webhook,
}

/// The fixed parts of a mail, from configuration only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letterhead {
    /// `Tracebell <bell@example.org>`
    pub from: String,
    pub to: Vec<String>,
}

/// The frozen body of delivery `id`.
pub fn body(format: &Format, notification: &Notification, id: &str) -> Vec<u8> {
    match format {
        Format::Slack => slack::body(notification, id),
        Format::Email(letterhead) => email::body(letterhead, notification, id),
        Format::Webhook => webhook::body(notification, id),
    }
}
