//! What the demo puts on the terminal: each notification as its recipient sees it.

use std::{collections::BTreeMap, time::Duration};

use anstyle::{AnsiColor, Style};
use mail_parser::MessageParser;
use serde_json::Value;

use crate::{
    alert::Severity,
    cli::terminal::{columns, wrap},
    clock,
    emulator::{inbox::Received, slack::Turn},
};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const PLAIN: Style = Style::new();
/// Columns left of a notification's text: the time and the bar.
const MARGIN: usize = 9;
/// Longer lines are hard to read, however wide the terminal is.
const WIDEST: usize = 88;
/// Below this the terminal may wrap as it likes.
const NARROWEST: usize = 30;
/// Labels of a notification's table, which stand in one column.
const LABELS: [&str; 11] =
    ["Who", "What", "Resource", "From", "Project", "When", "First", "Newest", "Grouped by", "Runbook", "Console"];
/// Lines shown of one mail; the rest is said to be there.
const MAIL_LINES: usize = 30;

pub fn introduction(url: &str, inbox: &str, rules: usize, run_for: Option<Duration>) {
    let end = run_for
        .map_or("Ctrl-C ends it".to_owned(), |time| format!("it ends by itself after {}", clock::in_words(time)));
    say!("\n{BOLD}Tracebell demo{BOLD:#}\n");
    paragraph(&format!("Everything runs on this machine and nothing leaves it; {end}."));
    say!();
    for (label, text) in [
        ("cloud", format!("an emulated audit log with a few incidents in it, {url}")),
        ("rules", format!("the {rules} shipped detections")),
        ("endpoints", "a Slack channel, a mailbox and a program that takes signed webhooks".to_owned()),
        ("inbox", format!("{inbox} shows in a browser what each of them got")),
    ] {
        labelled(label, &text);
    }
    say!();
    paragraph("Each notification is shown as its recipient gets it, with minutes and seconds since the start:");
    say!();
}

pub fn farewell(seen: &BTreeMap<&'static str, u64>, ran: Duration) {
    let told: Vec<String> = seen.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let told = if told.is_empty() { "nothing".to_owned() } else { told.join(", ") };
    say!("{BOLD}After {}{BOLD:#}\n", clock::in_words(ran));
    paragraph(&format!("Recipients got {told}. What became of every trace and of every alert:"));
    say!();
}

/// The words of the accounting that a newcomer would stumble over, and where to go from here.
pub fn legend(pending: u64) {
    say!();
    labelled("duplicate", "read again on purpose, as the cloud records some late; never told twice");
    labelled("owed", "what a subscription is to hear of: alerts and their repeats");
    if pending > 0 {
        labelled("pending", "mostly repeats: an alert rings once, one summary tells the rest later");
    }
    say!();
    paragraph("Your own account: `tracebell init` writes a configuration, `tracebell check` tries it.");
}

fn paragraph(text: &str) {
    for line in wrap(text, width() + MARGIN - 2) {
        say!("  {line}");
    }
}

fn labelled(label: &str, text: &str) {
    let room = (width() + MARGIN).saturating_sub(14).max(NARROWEST);
    for (index, line) in wrap(text, room).iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        say!("  {DIM}{label:<10}{DIM:#}  {line}");
    }
}

/// Shows one thing that arrived; returns its kind for counting.
pub fn received(received: &Received, at: Duration) -> Option<&'static str> {
    let (kind, what, lines) = match received {
        // The message shows it; here it would stand alone.
        Received::Slack(Turn::Reacted, _) => return None,
        Received::Slack(turn, message) => {
            let lines = slack(&message.text, &message.blocks);
            match (turn, &message.thread) {
                (Turn::Edited, _) => ("Slack edits", ("Slack", "edited its first message".to_owned()), edited(lines)),
                (_, Some(_)) => ("Slack replies", ("Slack", "reply in the thread".to_owned()), lines),
                (_, None) => ("Slack messages", ("Slack", "message to #security".to_owned()), lines),
            }
        }
        Received::Http { path, headers, body } => {
            ("webhook calls", ("Webhook", format!("POST /{path}")), webhook(headers, body))
        }
        Received::Mail { to, message, .. } => ("mails", ("Mail", format!("to {}", to.join(", "))), mail(message)),
    };
    let seconds = at.as_secs();
    let (channel, rest) = what;
    say!("{DIM}{:02}:{:02}{DIM:#}  {BOLD}{channel}{BOLD:#} {rest}", seconds / 60, seconds % 60);
    let bar = color(lines.iter().find_map(|line| match line {
        Line::Title { severity, .. } => *severity,
        _ => None,
    }));
    for line in &lines {
        for drawn in draw(line, width()) {
            say!("       {bar}│{bar:#} {drawn}");
        }
    }
    say!();
    Some(kind)
}

enum Line {
    /// The sentence, after the severity as this channel writes it.
    Title {
        severity: Option<Severity>,
        word: String,
        text: String,
    },
    Fact {
        label: String,
        value: String,
    },
    Text(String),
    /// Ids and other things to look up, apart from each other.
    Small(Vec<String>),
}

fn text(text: impl Into<String>) -> Line {
    Line::Text(text.into())
}

fn sentence(severity: Option<Severity>, text: String) -> Line {
    Line::Title { severity, word: severity.map_or(String::new(), |severity| severity.to_string()), text }
}

/// The table's rows are found by their labels; anything else is text.
fn fact_or_text(line: &str) -> Line {
    match line.split_once("  ") {
        Some((label, value)) if LABELS.contains(&label.trim()) => {
            Line::Fact { label: label.trim().to_owned(), value: value.trim().to_owned() }
        }
        _ => text(line),
    }
}

/// `[critical] alice ...`, `[critical, was medium] alice ...`: the severity, the words in brackets and the rest.
fn headline(text: &str) -> (Option<Severity>, &str, &str) {
    let found = text.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    let parts = found.and_then(|(words, rest)| Some((severity(words.split(',').next()?)?, words, rest.trim_start())));
    parts.map_or((None, "", text), |(severity, words, rest)| (Some(severity), words, rest))
}

fn severity(word: &str) -> Option<Severity> {
    Severity::ALL.into_iter().find(|severity| severity.as_str() == word)
}

fn color(severity: Option<Severity>) -> Style {
    match severity {
        Some(Severity::Critical) => AnsiColor::BrightRed.on_default(),
        Some(Severity::High) => AnsiColor::Red.on_default(),
        Some(Severity::Medium) => AnsiColor::Yellow.on_default(),
        Some(Severity::Low) => AnsiColor::Blue.on_default(),
        Some(Severity::Info) | None => DIM,
    }
}

/// The blocks from top to bottom, as text.
fn slack(fallback: &str, blocks: &Value) -> Vec<Line> {
    let (severity, words, title) = headline(fallback);
    let mut lines = vec![Line::Title { severity, word: words.to_owned(), text: unescaped(title) }];
    let mut labels = Vec::new();
    for (index, block) in blocks.as_array().into_iter().flatten().enumerate() {
        let pressed = links_of(&block["elements"]);
        if !pressed.is_empty() {
            labels.extend(pressed);
            continue;
        }
        let told = text_of(&block["elements"]);
        if block["type"] == "context" {
            lines.extend(buttons(std::mem::take(&mut labels)));
            lines.push(Line::Small(told.split("  ·  ").map(str::to_owned).collect()));
            continue;
        }
        // The first block holds the sentence, which is shown already.
        let told = told.lines().map(str::trim_end).filter(|line| index > 0 && !line.is_empty());
        lines.extend(told.map(fact_or_text));
    }
    lines
}

/// What is new in it is told below it too: its sentence is enough.
fn edited(lines: Vec<Line>) -> Vec<Line> {
    lines.into_iter().take(1).collect()
}

/// What of a block of links and buttons can be pressed.
fn links_of(elements: &Value) -> Vec<String> {
    let all: Vec<&Value> = elements.as_array().into_iter().flatten().flat_map(nested).collect();
    let is_link = |element: &&Value| element["url"].is_string();
    let blank = |element: &Value| text_of(element).trim().is_empty();
    match all.iter().all(|element| is_link(element) || blank(element)) {
        true => all.into_iter().filter(is_link).map(text_of).collect(),
        false => Vec::new(),
    }
}

/// The elements of a section, or the element itself.
fn nested(element: &Value) -> Vec<&Value> {
    element["elements"].as_array().map_or_else(|| vec![element], |inner| inner.iter().collect())
}

/// All text in a block element.
fn text_of(value: &Value) -> String {
    if value["type"] == "rich_text_list" {
        let lines = value["elements"].as_array().into_iter().flatten();
        return lines.map(|line| format!("\n- {}", text_of(line))).collect();
    }
    match value {
        Value::Object(map) => match (map.get("text"), map.get("elements")) {
            (Some(Value::String(text)), _) => text.clone(),
            (Some(inner), _) | (None, Some(inner)) => text_of(inner),
            (None, None) => String::new(),
        },
        Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(""),
        _ => String::new(),
    }
}

/// The one field that Slack parses is escaped.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// A program reads it; a person is shown what it is about.
fn webhook(headers: &[(String, String)], body: &[u8]) -> Vec<Line> {
    let header = |name: &str| headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let Ok(payload) = serde_json::from_slice::<Value>(body) else { return vec![text("(not JSON)")] };
    let word = |path: &str| payload.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let signed = if header("webhook-signature").is_empty() { "not signed" } else { "signed" };
    let about =
        [("kind", "/kind"), ("rule", "/alert/rule"), ("service", "/trace/service"), ("by", "/trace/actor/name")];
    let about = about.map(|(name, path)| (name, word(path)));
    let about = about.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name} {value}"));
    vec![
        sentence(severity(&word("/severity")), word("/title")),
        text(format!("{} bytes of JSON, {signed}: {}", body.len(), about.collect::<Vec<_>>().join(", "))),
        Line::Small(vec![format!("webhook-id {}", header("webhook-id"))]),
    ]
}

fn mail(message: &[u8]) -> Vec<Line> {
    let Some(mail) = MessageParser::default().parse(message) else { return vec![text("(not a mail)")] };
    let (severity, words, title) = headline(mail.subject().unwrap_or_default());
    let word = if words.is_empty() { String::new() } else { format!("[{words}]") };
    let mut lines = vec![Line::Title { severity, word, text: title.to_owned() }];
    let body = mail.body_text(0).unwrap_or_default().replace("\r\n", "\n");
    let (letter, references) = body.split_once("\n-- \n").unwrap_or((&body, ""));
    let letter = unwrapped(letter);
    // Title and severity open the text; the subject has shown them.
    let opening = letter.iter().position(|line| severity.is_some_and(|is| starts_with_word(line, is)));
    let letter = &letter[opening.map_or(0, |at| at + 1)..];
    let (links, told): (Vec<&String>, Vec<&String>) = letter.iter().partition(|line| line.contains(": http"));
    lines.extend(told.iter().take(MAIL_LINES).map(|line| fact_or_text(line)));
    if told.len() > MAIL_LINES {
        lines.push(text(format!("+{} more lines", told.len() - MAIL_LINES)));
    }
    let labels = links.iter().filter_map(|line| line.split_once(": http")).map(|(label, _)| label.to_owned());
    lines.extend(buttons(labels.collect()));
    lines.push(Line::Small(references.lines().map(str::trim).map(str::to_owned).collect()));
    lines
}

/// The lines as they were before they were broken for mail; what goes on is indented.
fn unwrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match lines.last_mut() {
            Some(last) if line.starts_with("  ") && !line.starts_with("  - ") => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => lines.push(line.trim_end().to_owned()),
        }
    }
    lines
}

/// `CRITICAL`, `CRITICAL, 9 times within a second`
fn starts_with_word(line: &str, severity: Severity) -> bool {
    line.strip_prefix(&severity.as_str().to_uppercase()).is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
}

/// What a reader can press; its address is long and in the inbox.
fn buttons(labels: Vec<String>) -> Option<Line> {
    let drawn: Vec<String> = labels.iter().map(|label| format!("[{}]", label.replace(' ', "\u{a0}"))).collect();
    (!drawn.is_empty()).then(|| Line::Text(drawn.join(" ")))
}

/// Columns for a notification's text; a pipe gets the widest.
fn width() -> usize {
    columns().map_or(WIDEST, |columns| columns.saturating_sub(MARGIN + 1).clamp(NARROWEST, WIDEST))
}

fn draw(line: &Line, width: usize) -> Vec<String> {
    match line {
        Line::Title { severity, word, text } => {
            let tint = color(*severity).bold();
            let whole = if word.is_empty() { text.clone() } else { format!("{word}  {text}") };
            let parts = wrap(&whole, width);
            let styled = |(index, part): (usize, &String)| match part.strip_prefix(word.as_str()) {
                Some(rest) if index == 0 => format!("{tint}{word}{tint:#}{BOLD}{rest}{BOLD:#}"),
                _ => format!("{BOLD}{part}{BOLD:#}"),
            };
            parts.iter().enumerate().map(styled).collect()
        }
        Line::Fact { label, value } => {
            let column = LABELS.iter().map(|label| label.len()).max().unwrap_or(0) + 1;
            let parts = wrap(value, width.saturating_sub(column));
            let labels = std::iter::once(label.as_str()).chain(std::iter::repeat(""));
            parts.iter().zip(labels).map(|(part, label)| format!("{DIM}{label:column$}{DIM:#}{part}")).collect()
        }
        Line::Text(text) => {
            let lines = wrap(text, width);
            styled(&lines.iter().map(|line| line.replace('\u{a0}', " ")).collect::<Vec<_>>(), PLAIN)
        }
        Line::Small(items) => {
            // A blank that does not break keeps each name with its id.
            let whole: Vec<String> = items.iter().map(|item| item.replace(' ', "\u{a0}")).collect();
            let parts: Vec<String> = wrap(&whole.join("\u{a0}· "), width)
                .iter()
                .map(|line| line.trim_end_matches("\u{a0}·").replace('\u{a0}', " "))
                .collect();
            styled(&parts, DIM)
        }
    }
}

fn styled(parts: &[String], style: Style) -> Vec<String> {
    parts.iter().map(|part| format!("{style}{part}{style:#}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &Line, width: usize, expected: &[&str]) {
        let plain: Vec<String> =
            draw(line, width).iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert_eq!(plain, expected);
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let title = sentence(Some(Severity::High), "alice deleted the network".into());
        check(&title, 40, &["high  alice deleted the network"]);
        check(&title, 20, &["high  alice deleted", "the network"]);
        let fact = fact_or_text("Resource  key (cmk, id c337f9a3-b916-11f0)");
        check(&fact, 31, &["Resource   key (cmk, id", "           c337f9a3-b916-11f0)"]);
        check(&text("abcdefghij kl"), 4, &["abcd", "efgh", "ij", "kl"]);
        let small = Line::Small(vec!["Rule login-failed".into(), "Severity low".into(), "Source demo".into()]);
        check(&small, 35, &["Rule login-failed · Severity low", "Source demo"]);
    }

    #[test]
    fn only_labels_make_a_table() {
        assert!(matches!(fact_or_text("Who  alice"), Line::Fact { .. }));
        assert!(matches!(fact_or_text("Grouped by  actor.name alice"), Line::Fact { .. }));
        assert!(matches!(fact_or_text("One failed login.  Or two"), Line::Text(_)));
    }

    #[test]
    fn a_headline_is_taken_apart() {
        assert_eq!(headline("[critical] a [b] c"), (Some(Severity::Critical), "critical", "a [b] c"));
        assert_eq!(headline("[high, was low]  a"), (Some(Severity::High), "high, was low", "a"));
        assert_eq!(headline("[urgent] a"), (None, "", "[urgent] a"));
        assert_eq!(headline("a"), (None, "", "a"));
    }
}
