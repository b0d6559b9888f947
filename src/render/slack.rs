//! Block Kit for a Slack incoming webhook.
//!
//! Text from traces stands in `rich_text` elements and `plain_text` only, where
//! Slack reads no markup, mention, emoji or link. The one field that Slack does
//! parse, the fallback `text`, is escaped.

use serde::Serialize;

use crate::{
    alert::Severity,
    notification::Notification,
    render::{
        Letter,
        facts::{self, Fact, Listing},
        inert::cut,
        link,
    },
};

// Slack takes 3000 characters per text and 50 blocks; there are at most nine here.
const BLOCK_TEXT: usize = 2_800;
const CONTEXT_TEXT: usize = 1_000;
const FALLBACK_TEXT: usize = 1_000;

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    let notification = letter.notification;
    let payload = Payload {
        text: escape(&cut(&facts::headline(notification), FALLBACK_TEXT)),
        blocks: blocks(letter),
        unfurl_links: false,
        unfurl_media: false,
        link_names: false,
    };
    serde_json::to_vec(&payload).expect("structs of texts always become JSON")
}

/// What an incoming webhook is posted.
#[derive(Serialize)]
struct Payload {
    /// Shown in lists and on lock screens, where blocks are not.
    text: String,
    blocks: Vec<Block>,
    unfurl_links: bool,
    unfurl_media: bool,
    link_names: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    RichText { elements: Vec<Rich> },
    Context { elements: Vec<Plain> },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Rich {
    RichTextSection { elements: Vec<Inline> },
    RichTextList { style: &'static str, elements: Vec<Rich> },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Inline {
    Emoji {
        name: &'static str,
    },
    Text {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        style: Option<Style>,
    },
    Link {
        url: String,
        text: String,
    },
}

#[derive(Serialize)]
struct Style {
    bold: bool,
}

#[derive(Serialize)]
struct Plain {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
    /// False, so that `:name:` in a trace stays text.
    emoji: bool,
}

fn blocks(letter: &Letter<'_>) -> Vec<Block> {
    let Letter { notification, id, .. } = *letter;
    let mut blocks = vec![sentence(notification)];
    let facts = facts::facts(notification);
    if !facts.is_empty() {
        blocks.push(paragraph(facts.iter().enumerate().flat_map(|(at, fact)| row(at, fact)).collect()));
    }
    blocks.extend(facts::listings(notification).iter().map(listing));
    if let Some(why) = facts::why(notification) {
        blocks.push(paragraph(vec![bold("Why it matters\n"), plain(why)]));
    }
    let links = links(letter);
    if !links.is_empty() {
        blocks.push(paragraph(links));
    }
    let references: Vec<_> =
        facts::references(notification, id).iter().map(|fact| format!("{} {}", fact.label, fact.value)).collect();
    let text = cut(&references.join("  ·  "), CONTEXT_TEXT);
    blocks.push(Block::Context { elements: vec![Plain { kind: "plain_text", text, emoji: false }] });
    blocks
}

fn sentence(notification: &Notification) -> Block {
    let title = facts::title(notification);
    let mut elements = vec![Inline::Emoji { name: cue(notification.severity) }];
    if let Some(worse) = facts::worse(notification) {
        elements.extend([plain(" ".to_owned()), bold(&worse), plain("\n".to_owned())]);
    }
    elements.extend([
        plain(format!(" {}  ", notification.severity)),
        bold(if title.trim().is_empty() { "(no title)" } else { &title }),
    ]);
    if let Some(line) = facts::total(notification).or_else(|| facts::repeats(notification)) {
        elements.push(plain(format!("\n{line}")));
    }
    paragraph(elements)
}

/// One colour per severity, readable at a glance in a list.
fn cue(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "red_circle",
        Severity::High => "large_orange_circle",
        Severity::Medium => "large_yellow_circle",
        Severity::Low => "large_blue_circle",
        Severity::Info => "white_circle",
    }
}

fn row(at: usize, fact: &Fact) -> [Inline; 2] {
    let start = if at == 0 { "" } else { "\n" };
    [bold(&format!("{start}{}", fact.label)), plain(format!("  {}", fact.value))]
}

fn listing(listing: &Listing) -> Block {
    let mut elements = Vec::new();
    if !listing.heading.is_empty() {
        elements.push(Rich::RichTextSection { elements: vec![bold(listing.heading)] });
    }
    let mut room = BLOCK_TEXT;
    let mut items = Vec::new();
    for line in &listing.lines {
        let length = line.chars().count();
        if length > room {
            items.push(item(format!("+{} more lines", listing.lines.len() - items.len())));
            break;
        }
        room -= length;
        items.push(item(if line.is_empty() { " ".to_owned() } else { line.clone() }));
    }
    elements.push(Rich::RichTextList { style: "bullet", elements: items });
    Block::RichText { elements }
}

fn item(text: String) -> Rich {
    Rich::RichTextSection { elements: vec![plain(text)] }
}

fn links(letter: &Letter<'_>) -> Vec<Inline> {
    let mut elements = Vec::new();
    for link in link::links(letter) {
        if !elements.is_empty() {
            elements.push(plain("   ".into()));
        }
        elements.push(Inline::Link { text: link.words(), url: link.url });
    }
    elements
}

fn paragraph(elements: Vec<Inline>) -> Block {
    Block::RichText { elements: vec![Rich::RichTextSection { elements }] }
}

fn plain(text: String) -> Inline {
    Inline::Text { text, style: None }
}

fn bold(text: &str) -> Inline {
    Inline::Text { text: text.to_owned(), style: Some(Style { bold: true }) }
}

/// Slack's three special characters, for fields that Slack parses.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
