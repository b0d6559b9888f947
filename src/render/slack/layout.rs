//! The order of a message and its limits: whatever does not fit is cut where a reader sees it.

use super::{
    block::{self, BLOCK_TEXT, Block, Inline, Rich, bold, length, paragraph, section, text},
    chart,
};
use crate::{
    alert::Severity,
    notification::Kind,
    render::{
        Letter,
        facts::{self, Fact, Listing},
        inert::{self, cut},
        link::{self, Link},
    },
};

// Together with the rest below the 12,000 or so that Slack takes in all blocks of a message.
const FACTS_TEXT: usize = 4_000;
const LISTINGS_TEXT: usize = 5_000;
// In characters, each of which Slack may count twice.
const WHY_TEXT: usize = 1_300;
const CONTEXT_TEXT: usize = 900;
const LINE: usize = 600;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Alone,
    /// The first message of a conversation, as it is after what the notification tells.
    Edited,
}

pub fn blocks(letter: &Letter<'_>, place: Place) -> Vec<Block> {
    let Letter { notification, id, thread, .. } = *letter;
    if matches!(notification.kind, Kind::Silenced | Kind::Lifted) {
        return word(letter);
    }
    let links = link::links(letter);
    let mut blocks = vec![sentence(letter, place)];
    blocks.extend(rows(&facts::facts(notification, &letter.address.zone), &links));
    if let Some(chart) = facts::chart::chart(notification, &letter.address.zone) {
        blocks.push(paragraph(vec![bold("Over time\n"), text(chart::line(&chart))]));
    }
    let mut room = LISTINGS_TEXT;
    blocks.extend(facts::listings(notification).iter().map(|told| listing(told, &mut room, &links)));
    if let Some(why) = facts::why(notification) {
        blocks.push(paragraph(vec![bold("Why it matters\n"), text(cut(&why, WHY_TEXT))]));
    }
    blocks.extend(linked(links));
    let id = if place == Place::Edited { thread } else { id };
    blocks.push(references(letter, id));
    blocks
}

fn references(letter: &Letter<'_>, id: &str) -> Block {
    let references = facts::references(letter.notification, id);
    let references: Vec<_> = references.iter().map(|fact| format!("{} {}", fact.label, fact.value)).collect();
    block::context(cut(&references.join("  ·  "), CONTEXT_TEXT))
}

/// What is no news of the alert: a line below it, of what it is and whom it concerns.
fn word(letter: &Letter<'_>) -> Vec<Block> {
    let notification = letter.notification;
    let sign = if notification.kind == Kind::Silenced { "no_bell" } else { "bell" };
    let mut elements = vec![Inline::Emoji { name: sign }, text("  "), bold(facts::title(notification))];
    elements.extend(notification.lines.iter().map(|line| text(format!("\n{}", inert::line(line, LINE)))));
    vec![paragraph(elements), references(letter, letter.id)]
}

fn sentence(letter: &Letter<'_>, place: Place) -> Block {
    let notification = letter.notification;
    let title = facts::title(notification);
    let mut elements = vec![Inline::Emoji { name: cue(notification.severity) }];
    if let Some(worse) = facts::worse(notification) {
        elements.extend([text(" "), bold(worse), text("\n")]);
    }
    let title = if title.trim().is_empty() { "(no title)".to_owned() } else { title };
    elements.extend([text(format!(" {}  ", notification.severity)), bold(title)]);
    let count = facts::total(notification).or_else(|| facts::repeats(notification));
    let state = match (place, notification.kind) {
        (Place::Edited, Kind::Summary) => Some("window closed"),
        (Place::Edited, _) => Some("still open"),
        (Place::Alone, _) => None,
    };
    let line: Vec<&str> = count.as_deref().into_iter().chain(state).collect();
    if !line.is_empty() {
        elements.push(text(format!("\n{}", line.join(", "))));
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

/// A label and its value in each line, in as many blocks as that takes.
fn rows(facts: &[Fact], links: &[Link]) -> Vec<Block> {
    let (mut blocks, mut elements, mut filled, mut room) = (Vec::new(), Vec::new(), 0, FACTS_TEXT);
    for (at, fact) in facts.iter().enumerate() {
        let long = length(fact.label) + length(&fact.value) + 3;
        if long > room {
            elements.extend(more(&format!("\n+{} more", facts.len() - at), links));
            break;
        }
        if filled + long > BLOCK_TEXT {
            blocks.push(paragraph(std::mem::take(&mut elements)));
            filled = 0;
        }
        let start = if elements.is_empty() { "" } else { "\n" };
        elements.extend([bold(format!("{start}{}", fact.label)), text(format!("  {}", fact.value))]);
        filled += long;
        room -= long;
    }
    if !elements.is_empty() {
        blocks.push(paragraph(elements));
    }
    blocks
}

fn listing(listing: &Listing, room: &mut usize, links: &[Link]) -> Block {
    let mut elements = Vec::new();
    if !listing.heading.is_empty() {
        elements.push(section(vec![bold(listing.heading)]));
    }
    let (mut items, mut filled) = (Vec::new(), 0);
    for line in &listing.lines {
        let long = length(line).max(1);
        if filled + long > BLOCK_TEXT || long > *room {
            items.push(section(more(&format!("+{} more lines", listing.lines.len() - items.len()), links)));
            break;
        }
        filled += long;
        *room -= long;
        items.push(section(vec![text(if line.is_empty() { " " } else { line })]));
    }
    elements.push(Rich::RichTextList { style: "bullet", elements: items });
    Block::RichText { elements }
}

/// How much was cut, and where to find it.
fn more(count: &str, links: &[Link]) -> Vec<Inline> {
    let page = links.iter().find(|link| link.label == link::BECAME);
    let page = page.map(|page| [text(": "), Inline::Link { url: page.url.clone(), text: "all of it".into() }]);
    std::iter::once(text(count)).chain(page.into_iter().flatten()).collect()
}

/// Links in one line; what a person does with the alert is a button.
fn linked(links: Vec<Link>) -> Vec<Block> {
    let (pressed, read): (Vec<Link>, Vec<Link>) = links.into_iter().partition(|link| link.label == link::SILENCE);
    let mut blocks = Vec::new();
    let mut elements = Vec::new();
    for link in read {
        if !elements.is_empty() {
            elements.push(text("   "));
        }
        elements.push(Inline::Link { text: link.words(), url: link.url });
    }
    if !elements.is_empty() {
        blocks.push(paragraph(elements));
    }
    if !pressed.is_empty() {
        let elements = pressed.into_iter().map(|link| block::button("silence", link.label, link.url)).collect();
        blocks.push(Block::Actions { elements });
    }
    blocks
}
