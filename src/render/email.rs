//! A whole mail: headers, plain text and HTML.
//!
//! Addresses come from configuration only, all else is one harmless line per
//! field. The same notification always becomes the same bytes.

use std::time::SystemTime;

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use minijinja::{Environment, value::Serde};
use serde::Serialize;

use crate::{
    alert::Severity,
    clock::Timestamp,
    notification::Notification,
    render::{
        Letter, Letterhead,
        facts::{self, Fact, Listing},
        inert,
        link::{self, Link},
    },
};

/// The frozen mail. Cannot fail: what lettre would refuse becomes a plain mail.
pub fn body(letterhead: &Letterhead, letter: &Letter<'_>) -> Vec<u8> {
    let Letter { notification, id, .. } = *letter;
    let text = text(letter);
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
        .subject(facts::headline(notification))
        .date(date(notification.created_at))
        .message_id(Some(format!("<{}@{domain}>", word(id))))
        .raw_header(raw("Auto-Submitted", "auto-generated"))
        .raw_header(raw("X-Tracebell-Delivery", &word(id)))
        .raw_header(raw("X-Tracebell-Severity", notification.severity.as_str()));
    if let Some(alert) = &notification.alert {
        message = message
            .raw_header(raw("X-Tracebell-Alert", &word(&alert.id)))
            .raw_header(raw("X-Tracebell-Rule", &word(&alert.rule)))
            // What belongs to one alert is shown as one conversation.
            .references(format!("<{}@{domain}>", word(&alert.id)));
    }
    if notification.severity == Severity::Critical {
        message = message.raw_header(raw("Importance", "high"));
    }
    match html(letter) {
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

fn text(letter: &Letter<'_>) -> String {
    let Letter { notification, id, .. } = *letter;
    let mut text = facts::worse(notification).map(|worse| worse + "\n").unwrap_or_default();
    text += &format!("{}\n{}\n", notification.severity.as_str().to_uppercase(), facts::title(notification));
    if let Some(count) = count(notification) {
        text += &format!("{count}\n");
    }
    if let Some(why) = facts::why(notification) {
        text += &format!("\n{why}\n");
    }
    let facts = facts::facts(notification, &letter.address.zone);
    let width = facts.iter().map(|fact| fact.label.len()).max().unwrap_or(0);
    for (at, Fact { label, value }) in facts.iter().enumerate() {
        text += if at == 0 { "\n" } else { "" };
        text += &format!("{label:width$}  {value}\n");
    }
    for Listing { heading, lines } in facts::listings(notification) {
        text += &if heading.is_empty() { "\n".to_owned() } else { format!("\n{heading}\n") };
        for line in lines {
            text += &format!("  - {line}\n");
        }
    }
    for (at, link) in link::links(letter).iter().enumerate() {
        text += if at == 0 { "\n" } else { "" };
        text += &format!("{}  {}\n", link.label, link.url);
    }
    text += "\n----\n";
    for Fact { label, value } in facts::references(notification, id) {
        text += &format!("{label} {value}\n");
    }
    text
}

#[derive(Serialize)]
struct Page {
    headline: String,
    worse: Option<String>,
    title: String,
    severity: &'static str,
    colour: &'static str,
    ink: &'static str,
    count: Option<String>,
    why: Option<String>,
    facts: Vec<Fact>,
    listings: Vec<Listing>,
    links: Vec<PageLink>,
    references: Vec<Fact>,
}

#[derive(Serialize)]
struct PageLink {
    label: &'static str,
    url: String,
    /// Where it leads, if that must be seen.
    host: Option<String>,
}

fn html(letter: &Letter<'_>) -> Option<String> {
    let Letter { notification, id, .. } = *letter;
    let link = |link: Link| PageLink { label: link.label, url: link.url, host: link.foreign.then_some(link.host) };
    let (colour, ink) = colours(notification.severity);
    let page = Page {
        headline: facts::headline(notification),
        worse: facts::worse(notification),
        title: facts::title(notification),
        severity: notification.severity.as_str(),
        colour,
        ink,
        count: count(notification),
        why: facts::why(notification),
        facts: facts::facts(notification, &letter.address.zone),
        listings: facts::listings(notification),
        links: link::links(letter).into_iter().map(link).collect(),
        references: facts::references(notification, id),
    };
    // A name that ends in `.html` makes every value escaped for HTML.
    Environment::new().render_named_str("mail.html", include_str!("mail.html"), Serde(page)).ok()
}

fn count(notification: &Notification) -> Option<String> {
    facts::total(notification).or_else(|| facts::repeats(notification))
}

/// Of the badge and of the letters on it: legible on light and dark.
fn colours(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => ("#c62828", "#ffffff"),
        Severity::High => ("#d9590b", "#ffffff"),
        Severity::Medium => ("#f2b705", "#1b1f24"),
        Severity::Low => ("#1a73e8", "#ffffff"),
        Severity::Info => ("#5f6b7a", "#ffffff"),
    }
}
