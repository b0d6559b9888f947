//! Block Kit for Slack: what an incoming webhook is posted, and the parts of a bot's conversation.
//!
//! Text from traces stands in `rich_text` elements and `plain_text` only, where
//! Slack reads no markup, mention, emoji or link. The one field that Slack does
//! parse, the fallback `text`, is escaped.

use serde::Serialize;
use serde_json::{Value, json};

use crate::render::{Letter, facts, inert::cut};

mod block;
pub mod bot;
mod chart;
mod layout;

use block::Block;
use layout::Place;

const FALLBACK_TEXT: usize = 1_000;

/// For an incoming webhook, which posts and knows nothing of what it posted.
pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    serde_json::to_vec(&payload(letter, Place::Alone)).expect("structs of texts always become JSON")
}

/// One text: whatever Slack did not like about the blocks, this it takes.
pub fn reduced(letter: &Letter<'_>) -> Vec<u8> {
    serde_json::to_vec(&text_only(letter)).expect("texts always become JSON")
}

fn text_only(letter: &Letter<'_>) -> Value {
    let references: Vec<_> = facts::references(letter.notification, letter.id)
        .iter()
        .map(|fact| format!("{} {}", fact.label, fact.value))
        .collect();
    let text = format!("{}\n{}", facts::headline(letter.notification), cut(&references.join(" · "), FALLBACK_TEXT));
    // Without `mrkdwn` stars and colons stay what they are.
    json!({ "text": escape(&text), "mrkdwn": false, "unfurl_links": false, "unfurl_media": false, "link_names": false })
}

/// One message.
#[derive(Serialize)]
struct Payload {
    /// Shown in lists and on lock screens, where blocks are not.
    text: String,
    blocks: Vec<Block>,
    unfurl_links: bool,
    unfurl_media: bool,
    link_names: bool,
}

fn payload(letter: &Letter<'_>, place: Place) -> Payload {
    Payload {
        text: escape(&cut(&facts::headline(letter.notification), FALLBACK_TEXT)),
        blocks: layout::blocks(letter, place),
        unfurl_links: false,
        unfurl_media: false,
        link_names: false,
    }
}

/// Slack's three special characters, for fields that Slack parses.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
