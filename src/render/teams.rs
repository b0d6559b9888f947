//! An Adaptive Card for a Teams workflow.
//!
//! Text from traces stands in text runs only, which read no Markdown; text blocks and fact sets do.

use serde_json::{Value, json};

use crate::{
    alert::Severity,
    render::{
        Letter, facts,
        inert::cut,
        told::{self, Told},
    },
};

/// Teams takes 28 KB with what it adds.
const BYTES: usize = 26_000;
const FALLBACK: usize = 300;

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    told::fitting(letter, |told| message(letter, told), |body| body.len() <= BYTES)
}

fn message(letter: &Letter<'_>, told: &Told) -> Vec<u8> {
    let severity = letter.notification.severity;
    let mut body = vec![sentence(severity, told)];
    body.extend(told.facts.iter().map(|fact| text(vec![bold(fact.label), run(format!("  {}", fact.value))])));
    for listing in &told.listings {
        if !listing.heading.is_empty() {
            body.push(text(vec![bold(listing.heading)]));
        }
        body.extend(listing.lines.iter().map(|line| text(vec![run(format!("•  {line}"))])));
    }
    if let Some(why) = &told.why {
        body.push(text(vec![bold("Why it matters")]));
        body.push(text(vec![run(why.clone())]));
    }
    let references: Vec<_> = told.references.iter().map(|fact| format!("{} {}", fact.label, fact.value)).collect();
    let small = json!({ "type": "TextRun", "text": references.join("  ·  "), "size": "Small", "isSubtle": true });
    body.push(text(vec![small]));
    let actions: Vec<_> = told
        .links
        .iter()
        .map(|link| json!({ "type": "Action.OpenUrl", "title": link.words(), "url": link.url }))
        .collect();
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": cut(&inert(&facts::headline(letter.notification)), FALLBACK),
        "msteams": { "width": "Full" },
        "body": body,
        "actions": actions,
    });
    let message = json!({
        "type": "message",
        "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card }],
    });
    serde_json::to_vec(&message).expect("texts always become JSON")
}

/// The sentence first, in a frame whose colour says how bad it is.
fn sentence(severity: Severity, told: &Told) -> Value {
    let style = match severity {
        Severity::Critical | Severity::High => "attention",
        Severity::Medium => "warning",
        Severity::Low => "accent",
        Severity::Info => "emphasis",
    };
    let title = json!({ "type": "TextRun", "text": told.title, "weight": "Bolder", "size": "Medium" });
    let mut items = vec![text(vec![title]), text(vec![run(format!("Severity {severity}"))])];
    items.extend(told.lines.iter().map(|line| text(vec![run(line.clone())])));
    json!({ "type": "Container", "style": style, "bleed": true, "items": items })
}

fn text(runs: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "spacing": "Small", "inlines": runs })
}

fn run(text: String) -> Value {
    // A run without text is refused.
    json!({ "type": "TextRun", "text": if text.is_empty() { " ".to_owned() } else { text } })
}

fn bold(text: &str) -> Value {
    json!({ "type": "TextRun", "text": text, "weight": "Bolder" })
}

/// For the one text that old clients may read as Markdown.
fn inert(text: &str) -> String {
    text.chars().map(|c| if "*_`~[]()<>#|\\!".contains(c) { ' ' } else { c }).collect()
}
