//! The blocks that are used of Slack's Block Kit, in its own shapes.

use serde::Serialize;

/// Slack takes 3000 characters in one text. It does not say of which kind, so the larger count is held to it.
pub const BLOCK_TEXT: usize = 2_800;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    RichText { elements: Vec<Rich> },
    Actions { elements: Vec<Button> },
    Context { elements: Vec<Plain> },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Rich {
    RichTextSection { elements: Vec<Inline> },
    RichTextList { style: &'static str, elements: Vec<Rich> },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Inline {
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
pub struct Style {
    bold: bool,
}

#[derive(Serialize)]
pub struct Plain {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
    /// False, so that `:name:` in a trace stays text.
    emoji: bool,
}

/// A link that looks like a button; nothing listens to its being pressed.
#[derive(Serialize)]
pub struct Button {
    #[serde(rename = "type")]
    kind: &'static str,
    action_id: &'static str,
    text: Plain,
    url: String,
}

pub fn paragraph(elements: Vec<Inline>) -> Block {
    Block::RichText { elements: vec![section(elements)] }
}

pub fn section(elements: Vec<Inline>) -> Rich {
    Rich::RichTextSection { elements }
}

pub fn text(text: impl Into<String>) -> Inline {
    Inline::Text { text: text.into(), style: None }
}

pub fn bold(text: impl Into<String>) -> Inline {
    Inline::Text { text: text.into(), style: Some(Style { bold: true }) }
}

pub fn context(text: String) -> Block {
    Block::Context { elements: vec![plain(text)] }
}

pub fn button(action_id: &'static str, label: &str, url: String) -> Button {
    Button { kind: "button", action_id, text: plain(label.to_owned()), url }
}

fn plain(text: String) -> Plain {
    Plain { kind: "plain_text", text, emoji: false }
}

/// How long Slack may think a text is: in UTF-16, where an emoji counts twice.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}
