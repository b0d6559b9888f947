//! What the demo puts on the terminal: each notification as its recipient sees it.

use std::{collections::BTreeMap, time::Duration};

use anstyle::{AnsiColor, Color, Style};
use mail_parser::MessageParser;
use serde_json::Value;

use crate::{clock, emulator::inbox::Received};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
/// Text is wrapped to this many columns, bar and margin not counted.
const WIDTH: usize = 84;
/// Lines shown of one mail; the rest is said to be there.
const MAIL_LINES: usize = 14;

pub fn introduction(url: &str, rules: usize, run_for: Option<Duration>) {
    let end =
        run_for.map_or("Ctrl-C ends it".to_owned(), |time| format!("ends by itself after {}", clock::in_words(time)));
    anstream::println!();
    anstream::println!("{BOLD}Tracebell demo{BOLD:#}  everything on this machine, nothing leaves it; {end}");
    anstream::println!();
    anstream::println!("  cloud      an emulated audit log at {url}, with a few incidents in it");
    anstream::println!("  rules      {rules} shipped detections");
    anstream::println!("  endpoints  Slack, mail and a signed webhook, all received by an inbox here");
    anstream::println!();
}

pub fn farewell(seen: &BTreeMap<&'static str, u64>, ran: Duration) {
    let told: Vec<String> = seen.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    anstream::println!();
    anstream::println!(
        "{BOLD}After {}{BOLD:#} the inbox holds {}. What became of every trace and every alert:",
        clock::in_words(ran),
        if told.is_empty() { "nothing".to_owned() } else { told.join(", ") },
    );
    anstream::println!();
}

/// Shows one thing that arrived; returns its kind for counting.
pub fn received(received: &Received, at: Duration) -> &'static str {
    let (kind, what, lines) = match received {
        Received::Http { path, body, .. } if path.starts_with("slack") => {
            ("Slack messages", "Slack message to #security".to_owned(), slack(body))
        }
        Received::Http { path, headers, body } => {
            ("webhook calls", format!("Webhook POST /{path}"), webhook(headers, body))
        }
        Received::Mail { to, message, .. } => ("mails", format!("Mail to {}", to.join(", ")), mail(message)),
    };
    let seconds = at.as_secs();
    anstream::println!("{DIM}{:02}:{:02}{DIM:#}  {what}", seconds / 60, seconds % 60);
    for (index, line) in lines.iter().enumerate() {
        let style = if index == 0 { BOLD.fg_color(line.color) } else { Style::new() };
        for part in wrap(&line.text) {
            anstream::println!("       {DIM}│{DIM:#} {style}{part}{style:#}");
        }
    }
    anstream::println!();
    kind
}

struct Line {
    text: String,
    color: Option<Color>,
}

fn plain(text: impl Into<String>) -> Line {
    Line { text: text.into(), color: None }
}

/// The blocks from top to bottom, as text.
fn slack(body: &[u8]) -> Vec<Line> {
    let Ok(payload) = serde_json::from_slice::<Value>(body) else { return vec![plain("(not JSON)")] };
    let mut lines = Vec::new();
    let nested = payload.pointer("/attachments/0/blocks");
    let blocks = [payload.get("blocks"), nested].into_iter().flatten().filter_map(Value::as_array).flatten();
    for block in blocks {
        for field in block["fields"].as_array().into_iter().flatten() {
            lines.push(plain(text_of(field).replace('\n', "  ")));
        }
        for part in [&block["text"], &block["elements"]] {
            let text = text_of(part);
            lines.extend(text.lines().filter(|line| !line.trim().is_empty()).map(plain));
        }
    }
    let color = payload["text"].as_str().map(severity_color);
    if let Some(first) = lines.first_mut() {
        first.color = color.flatten();
    }
    lines
}

/// All text in a block element, Slack's escapes undone.
fn text_of(value: &Value) -> String {
    match value {
        Value::Object(map) => match (map.get("text"), map.get("elements")) {
            (Some(Value::String(text)), _) => {
                let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
                text.replace('*', "")
            }
            (Some(inner), _) | (None, Some(inner)) => text_of(inner),
            (None, None) => String::new(),
        },
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(""),
        _ => String::new(),
    }
}

/// A program reads it; a person is shown what it is about.
fn webhook(headers: &[(String, String)], body: &[u8]) -> Vec<Line> {
    let header = |name: &str| headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let Ok(payload) = serde_json::from_slice::<Value>(body) else { return vec![plain("(not JSON)")] };
    let word = |path: &str| payload.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let signed = if header("webhook-signature").is_empty() { "not signed" } else { "signed" };
    vec![
        Line { text: word("/title"), color: severity_color(&word("/severity")) },
        plain(format!(
            "{} {}, rule {}, {} bytes of JSON",
            word("/severity"),
            word("/kind"),
            word("/alert/rule"),
            body.len()
        )),
        plain(format!("{signed}, webhook-id {}", header("webhook-id"))),
    ]
}

fn mail(message: &[u8]) -> Vec<Line> {
    let Some(mail) = MessageParser::default().parse(message) else { return vec![plain("(not a mail)")] };
    let subject = mail.subject().unwrap_or_default().to_owned();
    let mut lines = vec![Line { color: severity_color(&subject), text: subject }];
    let text = mail.body_text(0).unwrap_or_default().into_owned();
    let body: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines.extend(body.iter().take(MAIL_LINES).map(|line| plain(*line)));
    if body.len() > MAIL_LINES {
        lines.push(plain(format!("+{} more lines", body.len() - MAIL_LINES)));
    }
    lines
}

fn severity_color(text: &str) -> Option<Color> {
    let color = match text.to_ascii_lowercase() {
        text if text.contains("critical") => AnsiColor::BrightRed,
        text if text.contains("high") => AnsiColor::Red,
        text if text.contains("medium") => AnsiColor::Yellow,
        _ => return None,
    };
    Some(Color::Ansi(color))
}

/// Breaks a line at blanks; a longer word is left whole.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always a last line");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("  {word}"));
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}
