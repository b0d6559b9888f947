//! Keys and values of a YAML text with their places, read by indentation and brackets alone.
//!
//! The parser gives nothing for a text that is broken, and a text is broken wherever somebody types. This reader
//! never refuses: it may misread odd YAML, but what stands before and after the cursor keeps its place.

use crate::document::Span;

mod reader;
mod words;

/// One step from the top to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Item(usize),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The way to the map.
    pub path: Vec<Step>,
    pub name: String,
    pub span: Span,
}

/// Text that is a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The way to the value.
    pub path: Vec<Step>,
    /// Without its quotes.
    pub text: String,
    pub span: Span,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    pub keys: Vec<Key>,
    pub scalars: Vec<Scalar>,
}

/// What can stand where the cursor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A key of the map at the path.
    Key,
    /// The value at the path.
    Value,
    /// The value at the path: a word, or the first key of a map.
    Either,
}

/// Where the cursor stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub path: Vec<Step>,
    pub place: Place,
    /// What was typed of the word so far, and where it begins.
    pub word: String,
    pub start: usize,
    /// The open quote around the word.
    pub quote: Option<char>,
    /// True between brackets, where a line break means nothing.
    pub flow: bool,
}

impl Outline {
    pub fn of(text: &str) -> Self {
        reader::read(text).0
    }

    /// Names of the keys of the map at `path`.
    pub fn names(&self, path: &[Step]) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(move |key| key.path == path).map(|key| key.name.as_str())
    }

    /// Words below `path`: one, or the items of a list.
    pub fn words(&self, path: &[Step]) -> Vec<&str> {
        let at = |scalar: &&Scalar| match scalar.path.strip_prefix(path) {
            Some(rest) => matches!(rest, [] | [Step::Item(_)]),
            None => false,
        };
        self.scalars.iter().filter(at).map(|scalar| scalar.text.as_str()).collect()
    }
}

/// What can stand at a byte of the text; `None` in a comment or a text of several lines.
pub fn cursor(text: &str, byte: usize) -> Option<Cursor> {
    reader::read(&text[..text.floor_char_boundary(byte)]).1
}

/// A step by name.
pub fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rules[0].match` for people.
    fn shown(path: &[Step]) -> String {
        let step = |step: &Step| match step {
            Step::Key(name) => format!("/{name}"),
            Step::Item(index) => format!("[{index}]"),
        };
        path.iter().map(step).collect()
    }

    /// The text up to `|` is before the cursor.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let at = text.find('|').expect("a cursor");
        let found = match cursor(&text.replacen('|', "", 1), at) {
            Some(found) => format!("{} {:?} {}", shown(&found.path), found.place, found.word),
            None => "nothing".to_owned(),
        };
        assert_eq!(found.trim_end(), expected, "{text}");
    }

    #[test]
    fn the_cursor_knows_where_it_stands_in_blocks() {
        check("|", " Either");
        check("ru|", " Either ru");
        check("rules:\n  - |", "/rules[0] Either");
        check("rules:\n  - id: a\n    |", "/rules[0] Key");
        check("rules:\n  - id: a\n    sev|", "/rules[0] Key sev");
        check("rules:\n  - id: a\n    severity: |", "/rules[0]/severity Value");
        check("rules:\n  - id: a\n    severity: hi|", "/rules[0]/severity Value hi");
        check("rules:\n  - id: a\n    match:\n      |", "/rules[0]/match Either");
        check("rules:\n  - id: a\n    match:\n      service: KMS\n      op|\n    title: x", "/rules[0]/match Key op");
        check("rules:\n  - id: a\n    match:\n      service: KMS\n    |", "/rules[0] Key");
        check("rules:\n  - id: a\n  - id: b\n    topics:\n      - a\n      - b|", "/rules[1]/topics[1] Either b");
        check("rules:\n- id: a\n- id: b\n  ti|", "/rules[1] Key ti");
        check("rules:\n- id: a\nli|", " Key li");
        check("rules:\n  - match:\n      any:\n        - service: |", "/rules[0]/match/any[0]/service Value");
        check("a: 1\n# |", "nothing");
        check("a: >-\n  te|", "nothing");
    }

    #[test]
    fn the_cursor_knows_where_it_stands_in_brackets() {
        check("m: {|", "/m Key");
        check("m: { service: KMS, op|", "/m Key op");
        check("m: { service: KMS, operation: [a, sch|", "/m/operation[1] Either sch");
        check("m: { operation: { not: |", "/m/operation/not Value");
        check("m:\n  - { a: 1 }\n  - { fires: { service: KMS,\n     oper|", "/m[1]/fires Key oper");
        check("m: { service: \"KM|", "/m/service Value KM");
        check("m: { service: KM\nb: |", "/b Value");
        check("m: [a, b], c: |", "nothing");
        check("m: { a: 'it''s', b: |", "/m/b Value");
    }

    #[test]
    fn open_quotes_end_where_the_indentation_does() {
        check("r:\n  - title: \"{{ actor.n|\n    severity: high", "/r[0]/title Value {{ actor.n");
        check("r:\n  - title: \"{{ actor.n\n    severity: hi|", "/r[0]/severity Value hi");
        check("a: \"x\\\" y\" # c\nb: |", "/b Value");
    }

    #[test]
    fn keys_and_words_have_their_places() {
        let text =
            "lists:\n  admins: [alice, \"bob\"]\nrules:\n  - id: a  # first\n    match: { service: KMS }\n  - id: b\n";
        let outline = Outline::of(text);
        assert_eq!(outline.names(&[key("lists")]).collect::<Vec<_>>(), ["admins"]);
        assert_eq!(outline.words(&[key("lists"), key("admins")]), ["alice", "bob"]);
        assert_eq!(outline.words(&[key("rules"), Step::Item(0), key("match"), key("service")]), ["KMS"]);
        assert_eq!(outline.words(&[key("rules"), Step::Item(1), key("id")]), ["b"]);
        for scalar in &outline.scalars {
            assert_eq!(text[scalar.span.start..scalar.span.end].trim_matches('"'), scalar.text);
        }
        for key in &outline.keys {
            assert_eq!(text[key.span.start..key.span.end], key.name);
        }
    }

    #[test]
    fn any_text_is_read_at_any_place() {
        let mut random = fastrand::Rng::with_seed(5);
        let pieces =
            ["a", ": ", "- ", "\n", "  ", "{", "}", "[", "]", ",", "\"", "'", "|", "#", "ä", "\t", "{{ ", "\r\n", "~"];
        for _ in 0..2_000 {
            let text: String = (0..random.usize(0..40)).map(|_| pieces[random.usize(0..pieces.len())]).collect();
            let outline = Outline::of(&text);
            assert!(outline.keys.iter().all(|key| text.get(key.span.start..key.span.end).is_some()), "{text:?}");
            assert!(
                outline.scalars.iter().all(|scalar| text.get(scalar.span.start..scalar.span.end).is_some()),
                "{text:?}"
            );
            for byte in 0..=text.len() {
                if let Some(cursor) = cursor(&text, byte) {
                    assert!(cursor.start <= byte, "{text:?} {byte}");
                }
            }
        }
    }
}
