//! A Telegram message: text, and where in it something is bold, code or a link.
//!
//! No parse mode, so nothing in a text is markup. Telegram still makes links, mentions and commands
//! of what looks like one, except in code: text that holds such a sign is shown as code.

use serde::Serialize;
use serde_json::json;

use crate::{
    alert::Severity,
    render::{
        Letter,
        told::{self, Told},
    },
};

/// What a message holds, in UTF-16 units.
const UNITS: usize = 4096;

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    let text = told::fitting(letter, |told| text(letter.notification.severity, told), |text| text.units <= UNITS);
    let message = json!({
        "text": text.text,
        "entities": text.entities,
        "link_preview_options": { "is_disabled": true },
    });
    serde_json::to_vec(&message).expect("texts always become JSON")
}

#[derive(Default)]
struct Text {
    text: String,
    units: usize,
    entities: Vec<Entity>,
}

#[derive(Serialize)]
struct Entity {
    #[serde(rename = "type")]
    kind: &'static str,
    offset: usize,
    length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

fn text(severity: Severity, told: &Told) -> Text {
    let mut text = Text::default();
    text.plain(&format!("{} {severity}  ", cue(severity)));
    text.strange(&told.title, Some("bold"));
    for line in &told.lines {
        text.plain("\n");
        text.strange(line, None);
    }
    text.plain("\n");
    for fact in &told.facts {
        text.plain("\n");
        text.marked(fact.label, "bold", None);
        text.plain("  ");
        text.strange(&fact.value, None);
    }
    for listing in &told.listings {
        text.plain("\n\n");
        if !listing.heading.is_empty() {
            text.marked(listing.heading, "bold", None);
            text.plain("\n");
        }
        // One mark for all lines: a message takes a hundred.
        text.marked(&listing.lines.join("\n"), "pre", None);
    }
    if let Some(why) = &told.why {
        text.plain("\n\n");
        text.marked("Why it matters", "bold", None);
        text.plain("\n");
        text.strange(why, None);
    }
    text.plain("\n\n");
    for link in &told.links {
        text.marked(&link.words(), "text_link", Some(link.url.clone()));
        text.plain("\n");
    }
    let references: Vec<_> = told.references.iter().map(|fact| format!("{} {}", fact.label, fact.value)).collect();
    text.marked(&references.join(" · "), "code", None);
    text
}

fn cue(severity: Severity) -> char {
    match severity {
        Severity::Critical => '🔴',
        Severity::High => '🟠',
        Severity::Medium => '🟡',
        Severity::Low => '🔵',
        Severity::Info => '⚪',
    }
}

impl Text {
    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
        self.units += text.encode_utf16().count();
    }

    fn marked(&mut self, text: &str, kind: &'static str, url: Option<String>) {
        // Telegram refuses marks that begin or end with space.
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let offset = self.units;
        self.plain(text);
        self.entities.push(Entity { kind, offset, length: self.units - offset, url });
    }

    /// Text that a stranger may have written.
    fn strange(&mut self, text: &str, mark: Option<&'static str>) {
        let plain = text.chars().all(|c| !c.is_ascii_punctuation() || ",;-'\"()".contains(c));
        match mark {
            Some(mark) if plain => self.marked(text, mark, None),
            None if plain => self.plain(text.trim()),
            _ => self.marked(text, "code", None),
        }
    }
}
