//! The plain part: for clients without HTML, screen readers and `grep`.
//!
//! Only what is ours begins a line at its left edge; what a trace holds is indented when it goes on, so
//! that no name can pass for a line of the message.

use super::{count, listings};
use crate::render::{
    Letter,
    facts::{self, Fact, Listing, chart},
    link,
};

// Fits a terminal and the reading pane of old clients.
const WIDTH: usize = 76;

pub fn text(letter: &Letter<'_>) -> String {
    let Letter { address, notification, id, .. } = *letter;
    let mut text = String::new();
    if let Some(worse) = facts::worse(notification) {
        text += &wrapped("", &worse, 2);
    }
    text += &wrapped("", &facts::title(notification), 2);
    let severity = notification.severity.as_str().to_uppercase();
    text += &match count(notification) {
        Some(count) => format!("{severity}, {count}\n"),
        None => format!("{severity}\n"),
    };
    if let Some(why) = facts::why(notification) {
        text += &format!("\n{}", wrapped("Why it matters: ", &why, 2));
    }
    let facts = facts::facts(notification, &address.zone);
    let width = facts.iter().map(|fact| fact.label.len()).max().unwrap_or(0);
    for (at, Fact { label, value }) in facts.iter().enumerate() {
        text += if at == 0 { "\n" } else { "" };
        text += &wrapped(&format!("{label:width$}  "), value, width + 2);
    }
    if let Some(chart) = chart::chart(notification, &address.zone) {
        text += &format!("\n{} {} {}, at most {}\n", chart.from, chart.letters(), chart.to, chart.most);
    }
    for Listing { heading, lines } in listings(notification) {
        text += &if heading.is_empty() { "\n".to_owned() } else { format!("\n{heading}\n") };
        for line in lines {
            text += &wrapped("  - ", &line, 4);
        }
    }
    for (at, link) in link::links(letter).iter().enumerate() {
        text += if at == 0 { "\n" } else { "" };
        // An address stays in one piece.
        text += &format!("{}: {}\n", link.label, link.url);
    }
    // Mail's own sign for what is not part of what was said.
    text += "\n-- \n";
    for Fact { label, value } in facts::references(notification, id) {
        text += &wrapped("", &format!("{label} {value}"), 2);
    }
    text
}

/// `text` after `first`, broken between words; lines after the first are indented.
fn wrapped(first: &str, text: &str, indent: usize) -> String {
    let mut wrapped = first.to_owned();
    let mut column = first.chars().count();
    let mut begun = false;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if begun && column + 1 + length > WIDTH {
            wrapped += &format!("\n{}", " ".repeat(indent));
            column = indent;
        } else if begun {
            wrapped.push(' ');
            column += 1;
        }
        wrapped += word;
        column += length;
        begun = true;
    }
    format!("{}\n", wrapped.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_go_on_indented() {
        assert_eq!(wrapped("Who  ", "alice", 5), "Who  alice\n");
        let long = wrapped("Who  ", &"word ".repeat(40), 5);
        assert!(long.lines().all(|line| line.chars().count() <= WIDTH), "{long}");
        assert!(long.lines().skip(1).all(|line| line.starts_with("     word")), "{long}");
        let address = "x".repeat(200);
        assert_eq!(wrapped("  - ", &address, 4), format!("  - {address}\n"));
        assert_eq!(wrapped("", "", 2), "\n");
    }
}
