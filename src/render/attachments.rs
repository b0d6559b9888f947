//! For chats that take Slack's older way to write a message: Mattermost and Rocket.Chat.
//!
//! Neither draws Block Kit. Both draw a text and attachments below it, with a colour, fields and lines.

use serde::Serialize;

use super::markdown::{code, link as linked, prose};
use crate::{
    alert::Severity,
    render::{
        Letter,
        facts::{self, Listing},
        inert::cut,
        link,
    },
};

/// What differs between the two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Style {
    /// Posts elsewhere than the webhook was made for, if its server allows that.
    pub channel: Option<String>,
    /// The name it posts under.
    pub username: Option<String>,
}

/// Mattermost takes 16,383 characters in a post. What stands around the texts needs some of them.
pub const MATTERMOST: usize = 12_000;
/// Rocket.Chat takes 5,000 unless its administrator says otherwise.
pub const ROCKETCHAT: usize = 4_500;

// Of one field: few words, since a reader wants the first ones.
const FIELD: usize = 400;
const WHY: usize = 600;
const NAME: usize = 900;

#[derive(Serialize)]
struct Payload<'a> {
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}

#[derive(Serialize)]
struct Attachment {
    /// Where attachments are not drawn.
    fallback: String,
    color: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    title: &'static str,
    value: String,
    short: bool,
}

/// How much may still be written.
struct Room(usize);

impl Room {
    fn takes(&mut self, text: &str) -> bool {
        let length = text.chars().count() + 1;
        let fits = length <= self.0;
        if fits {
            self.0 -= length;
        }
        fits
    }
}

pub fn body(letter: &Letter<'_>, style: &Style, most: usize) -> Vec<u8> {
    let mut room = Room(most);
    let text = sentence(letter);
    room.takes(&text);
    let last = footer(letter);
    room.takes(&last);
    let mut attachments = vec![about(letter, &mut room)];
    attachments.extend(facts::listings(letter.notification).iter().map(|told| listing(letter, told, &mut room)));
    attachments.push(lines(letter, last));
    attachments.retain(|one| !one.text.is_empty() || !one.fields.is_empty());
    let (channel, username) = (style.channel.as_deref(), style.username.as_deref());
    serde_json::to_vec(&Payload { text, attachments, channel, username }).expect("structs of texts always become JSON")
}

/// One text, without attachments.
pub fn reduced(letter: &Letter<'_>, style: &Style) -> Vec<u8> {
    let (channel, username) = (style.channel.as_deref(), style.username.as_deref());
    let text = format!("{}\n{}", sentence(letter), footer(letter));
    serde_json::to_vec(&Payload { text, attachments: Vec::new(), channel, username })
        .expect("structs of texts always become JSON")
}

fn sentence(letter: &Letter<'_>) -> String {
    let notification = letter.notification;
    let (cue, _) = colour(notification.severity);
    let worse = facts::worse(notification).map(|worse| format!("{}\n", prose(&worse))).unwrap_or_default();
    let title = facts::title(notification);
    let title = if title.trim().is_empty() { "(no title)".to_owned() } else { title };
    let count = facts::total(notification).or_else(|| facts::repeats(notification));
    let count = count.map(|count| format!("\n{}", prose(&count))).unwrap_or_default();
    format!("{cue} {worse}**{}**  {}{count}", notification.severity, prose(title.trim()))
}

/// Why it matters and the facts, as far as they fit.
fn about(letter: &Letter<'_>, room: &mut Room) -> Attachment {
    let notification = letter.notification;
    let why = facts::why(notification).map(|why| format!("Why it matters: {}", prose(&cut(&why, WHY))));
    let why = why.filter(|why| room.takes(why)).unwrap_or_default();
    let facts = facts::facts(notification, &letter.address.zone);
    let mut fields = Vec::new();
    for fact in &facts {
        let value = code(&cut(&fact.value, FIELD));
        if !room.takes(&value) || !room.takes(fact.label) {
            let value = format!("+{} more{}", facts.len() - fields.len(), page(letter));
            fields.push(Field { title: "Not shown", value, short: true });
            break;
        }
        fields.push(Field { title: fact.label, short: value.chars().count() < 40, value });
    }
    Attachment { fields, ..lines(letter, why) }
}

fn listing(letter: &Letter<'_>, listing: &Listing, room: &mut Room) -> Attachment {
    let mut text = if listing.heading.is_empty() { String::new() } else { format!("**{}**", listing.heading) };
    for (at, line) in listing.lines.iter().enumerate() {
        let line = format!("\n• {}", prose(line));
        if !room.takes(&line) {
            text.push_str(&format!("\n• +{} more lines{}", listing.lines.len() - at, page(letter)));
            break;
        }
        text.push_str(&line);
    }
    lines(letter, text.trim_start().to_owned())
}

/// Links, and names by which to find the alert again.
fn footer(letter: &Letter<'_>) -> String {
    let links: Vec<String> = link::links(letter).iter().map(|link| linked(&link.words(), &link.url)).collect();
    let references = facts::references(letter.notification, letter.id);
    let names: Vec<String> = references.iter().map(|fact| format!("{} {}", fact.label, fact.value)).collect();
    let names = prose(&cut(&names.join("  ·  "), NAME));
    if links.is_empty() { names } else { format!("{}\n{names}", links.join(" · ")) }
}

/// Where all of it is, if there is a page.
fn page(letter: &Letter<'_>) -> String {
    let links = link::links(letter);
    let page = links.iter().find(|link| link.label == link::BECAME);
    page.map(|page| format!(": {}", linked("all of it", &page.url))).unwrap_or_default()
}

fn lines(letter: &Letter<'_>, text: String) -> Attachment {
    let fallback = prose(&facts::headline(letter.notification));
    Attachment { fallback, color: colour(letter.notification.severity).1, text, fields: Vec::new() }
}

fn colour(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => ("🔴", "#d92d20"),
        Severity::High => ("🟠", "#e8711a"),
        Severity::Medium => ("🟡", "#e3b505"),
        Severity::Low => ("🔵", "#2e7de1"),
        Severity::Info => ("⚪", "#9aa0a6"),
    }
}
