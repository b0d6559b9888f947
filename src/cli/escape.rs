//! Text of the cloud for terminals and programs: whoever shows it does not obey it.
//!
//! A name may hold what moves a cursor, clears a screen or turns text around, and what is written for a program
//! is looked at in a terminal sooner or later. People see such a character spelt out; JSON escapes it, so that
//! a program reads the same value as ever. Which characters these are is known to [`crate::render::inert`].

use crate::render::inert::deceives;

/// As a terminal may see it: what would be obeyed is spelt out.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_obeyed(char) { shown.extend(char.escape_default()) } else { shown.push(char) }
    }
    shown
}

/// JSON that says the same and holds nothing that would be obeyed. Outside of its strings only the ends of lines
/// are such characters, and inside none is one, so they stay.
pub fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_obeyed(char) && char != '\n' {
            shown.extend(char.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Controls (C0, DEL, C1), what reorders or hides text, and what ends a line for some and not for others.
pub fn is_obeyed(char: char) -> bool {
    char.is_control() || deceives(char) || matches!(char, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// One of each kind, as a name that somebody chose.
    fn nasty() -> String {
        let all = ['\u{1b}', '\u{7f}', '\u{9b}', '\u{85}', '\u{200e}', '\u{200f}', '\u{61c}', '\u{202a}', '\u{202e}'];
        all.iter()
            .chain(&['\u{2066}', '\u{2069}', '\u{2028}', '\u{feff}', '\u{e0041}', 'ü', '😀', '"', '\\', '\r'])
            .collect()
    }

    #[test]
    fn a_program_reads_the_same_value_and_a_terminal_nothing_to_obey() {
        let value = json!({ nasty(): [nasty(), 17, null], "plain": "x\ny" });
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let safe = json(&text);
            assert_eq!(serde_json::from_str::<Value>(&safe).unwrap(), value);
            assert!(!safe.chars().any(|char| is_obeyed(char) && char != '\n'), "{safe:?}");
            assert!(safe.contains("ü😀") && safe.contains("\\u202e") && safe.contains("\\u009b"), "{safe}");
            assert!(safe.contains("\\udb40\\udc41"), "{safe}");
        }
    }

    #[test]
    fn a_person_sees_what_is_there() {
        let shown = visible(&nasty());
        assert!(!shown.chars().any(is_obeyed) && shown.contains("\\u{202e}") && shown.contains("ü😀"), "{shown}");
    }
}
