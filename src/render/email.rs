//! A whole mail: headers, plain text and HTML.
//!
//! Addresses come from configuration only, all else is one harmless line per
//! field. The same notification always becomes the same bytes.

use std::time::SystemTime;

use crate::{
    alert::Severity,
    clock::Timestamp,
    notification::Notification,
    render::{
        Letter, Letterhead,
        facts::{self, Listing},
        inert,
    },
};
use lettre::{
    Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

mod page;
mod text;

// With `Re: ` before it at most 200 characters.
const SUBJECT: usize = 196;

/// The frozen mail. Cannot fail: what lettre would refuse becomes a plain mail.
pub fn body(letterhead: &Letterhead, letter: &Letter<'_>) -> Vec<u8> {
    let Letter { notification, id, .. } = *letter;
    let text = text::text(letter);
    match build(letterhead, letter, &text) {
        Some(message) => message.formatted(),
        None => bare(letterhead, notification, id, &text),
    }
}

/// Addresses and display name of a mailbox, or what is wrong with it, in words.
pub fn mailbox(text: &str) -> Result<Mailbox, String> {
    if text.chars().any(char::is_control) {
        return Err("holds a line break or another control character".into());
    }
    text.trim().parse().map_err(|_| "is not a mail address such as `Tracebell <bell@example.org>`".into())
}

fn build(letterhead: &Letterhead, letter: &Letter<'_>, text: &str) -> Option<Message> {
    let Letter { notification, id, .. } = *letter;
    let from = mailbox(&letterhead.from).ok()?;
    let domain = from.email.domain().to_owned();
    let mut message = Message::builder().from(from);
    for to in &letterhead.to {
        message = message.to(mailbox(to).ok()?);
    }
    message = message
        .subject(subject(letter))
        .date(date(notification.created_at))
        .message_id(Some(message_id(id, &domain)))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        // Exchange answers those too, unless told not to.
        .raw_header(raw("X-Auto-Response-Suppress", "All"))
        .raw_header(raw("X-Tracebell-Delivery", &word(id)))
        .raw_header(raw("X-Tracebell-Kind", notification.kind.as_str()))
        .raw_header(raw("X-Tracebell-Severity", notification.severity.as_str()));
    if letter.thread != id {
        // What belongs together is shown as one conversation.
        let opened = message_id(letter.thread, &domain);
        message = message.in_reply_to(opened.clone()).references(opened);
    }
    let topic = word(letter.subscription.split('/').next().unwrap_or_default());
    if !topic.is_empty() {
        message = message.raw_header(raw("List-Id", &format!("Tracebell {topic} <{topic}.tracebell.{domain}>")));
    }
    if let Some(alert) = &notification.alert {
        message = message
            .raw_header(raw("X-Tracebell-Alert", &word(&alert.id)))
            .raw_header(raw("X-Tracebell-Rule", &word(&alert.rule)));
    }
    if notification.severity == Severity::Critical {
        message = message.raw_header(raw("Importance", "high"));
    }
    match page::html(letter) {
        // `=_` cannot occur in quoted-printable or base64. No chance, so that the bytes are the same each time.
        Some(html) => message.multipart(
            MultiPart::alternative()
                .boundary(format!("=_{}", word(id)))
                .singlepart(SinglePart::plain(text.to_owned()))
                .singlepart(SinglePart::html(html)),
        ),
        None => message.singlepart(SinglePart::plain(text.to_owned())),
    }
    .ok()
}

/// Clients that go by the subject show one conversation only if nothing but `Re:` is added.
fn subject(letter: &Letter<'_>) -> String {
    let notification = letter.notification;
    if letter.thread == letter.id {
        facts::headline(notification)
    } else {
        format!("Re: {}", inert::cut(&facts::headed(notification, ""), SUBJECT))
    }
}

fn message_id(delivery: &str, domain: &str) -> String {
    format!("<{}@{domain}>", word(delivery))
}

/// The last resort, made of bytes that need no library: refused addresses were
/// reported when the configuration was read, this keeps the text for a person.
fn bare(letterhead: &Letterhead, notification: &Notification, id: &str, text: &str) -> Vec<u8> {
    let ascii = |text: &str| inert::line(text, 900).replace(|c: char| !c.is_ascii(), "?");
    let head = format!(
        "From: {}\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{}@tracebell.invalid>\r\n\
         Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n",
        ascii(&letterhead.from),
        ascii(&letterhead.to.join(", ")),
        ascii(&facts::headline(notification)),
        notification.created_at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        word(id),
    );
    let lines = text.lines().map(|line| line.replace(|c: char| !c.is_ascii(), "?"));
    lines.fold(head, |mail, line| mail + &line + "\r\n").into_bytes()
}

/// The part of an id or a rule name that may stand in a header unquoted.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(100).collect()
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Mail dates reach from 1970 to 9999; the library panics outside.
fn date(time: Timestamp) -> SystemTime {
    let seconds = time.as_second().clamp(0, 250_000_000_000);
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds.unsigned_abs())
}

/// How often, or how many stand behind one message.
fn count(notification: &Notification) -> Option<String> {
    facts::total(notification).or_else(|| facts::repeats(notification))
}

/// What a mail has room for of all lists together, in characters.
const LISTINGS: usize = 8_000;

/// The lists, cut visibly so that no mail is larger than relays take.
fn listings(notification: &Notification) -> Vec<Listing> {
    let mut room = LISTINGS;
    let mut listings = facts::listings(notification);
    for Listing { lines, .. } in &mut listings {
        let total = lines.len();
        let fits = lines.iter().position(|line| {
            let left = room.checked_sub(line.chars().count());
            room = left.unwrap_or(0);
            left.is_none()
        });
        if let Some(fits) = fits {
            lines.truncate(fits);
            lines.push(format!("+{} more lines", total - fits));
        }
    }
    listings
}
