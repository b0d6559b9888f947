//! Makes text from traces harmless to read: control characters, bidi, length.
//!
//! What is left is one line that shows what it holds: nothing moves a cursor,
//! turns the reading direction or hides between letters. Escaping for a format
//! (HTML, Slack, headers) is that format's own business and comes after.

use std::fmt::Write;

/// `text` as one harmless line of at most `max` characters; an ellipsis shows a cut.
pub fn line(text: &str, max: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    // A text of megabytes is read only as far as it can be shown.
    for c in text.chars() {
        if length > max {
            break;
        }
        let before = line.len();
        push(&mut line, c);
        length += line[before..].chars().count();
    }
    cut(&line, max)
}

/// `text` as it is, cut to at most `max` characters; an ellipsis shows a cut.
/// Never cuts between a letter and the marks that belong to it.
pub fn cut(text: &str, max: usize) -> String {
    let Some((mut end, _)) = text.char_indices().nth(max) else { return text.to_owned() };
    if max == 0 {
        return String::new();
    }
    // The ellipsis takes one place; marks go with the letter they stood on.
    while let Some((start, dropped)) = text[..end].char_indices().next_back() {
        end = start;
        if !extends(dropped) {
            break;
        }
    }
    format!("{}…", &text[..end])
}

fn push(line: &mut String, c: char) {
    match c {
        '\n' | '\t' | '\u{2028}' | '\u{2029}' => line.push(' '),
        // C0 (NUL, ESC, CR, ...), DEL and C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {}
        c if deceives(c) => write!(line, "\\u{{{:x}}}", u32::from(c)).expect("writing to a string cannot fail"),
        c => line.push(c),
    }
}

/// Invisible characters that reorder, join or hide what a person reads.
pub fn deceives(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Marks that change the letter before them: accents, variation selectors, skin tones.
fn extends(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(line(text, 40), expected);
    }

    #[test]
    fn control_and_invisible_characters_do_nothing() {
        check("alice", "alice");
        check("a\r\nBcc: eve@example.org\0", "a Bcc: eve@example.org");
        check("a\tb", "a b");
        check("\u{1b}[2Jgone", "[2Jgone");
        check("\u{7f}\u{85}\u{9b}31m", "31m");
        check("exe.\u{202e}gpj", "exe.\\u{202e}gpj");
        check("ad\u{200b}min\u{feff}", "ad\\u{200b}min\\u{feff}");
        check("Grüße, 世界 🔔", "Grüße, 世界 🔔");
    }

    #[test]
    fn cuts_keep_letters_whole_and_show() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abe\u{301}\u{301}x", 4), "ab…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(cut("\u{301}\u{301}\u{301}", 1), "…");
        assert_eq!(line(&"👩\u{200d}🚀".repeat(10_000), 50).chars().count(), 50);
        assert_eq!(line(&"x".repeat(10_000_000), 7), "xxxxxx…");
    }
}
