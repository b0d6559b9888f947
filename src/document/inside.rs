//! From a place inside a text value to its place in the file, so that a caret
//! can stand under the wrong character of a pattern or a title.

use std::ops::Range;

use super::{File, Node, Span, Value};

/// The place of bytes `range` of a text node's value. The whole node if its
/// text is written over several lines or is not text.
pub fn inside(file: &File, node: &Node, range: Range<usize>) -> Span {
    place(file, node, range).unwrap_or(node.span)
}

fn place(file: &File, node: &Node, range: Range<usize>) -> Option<Span> {
    let Value::Text(value) = &node.value else { return None };
    let source = file.text.get(node.span.start..node.span.end)?;
    if source.contains('\n') {
        return None;
    }
    let offsets = match source.chars().next()? {
        quote @ ('"' | '\'') => offsets(source, quote),
        _ if source == value => (0..=source.len()).collect(),
        _ => return None,
    };
    // One offset for each byte of the value and one for its end, or the two do not correspond.
    if offsets.len() != value.len() + 1 {
        return None;
    }
    let at = |byte: usize| offsets.get(byte.min(value.len())).map(|offset| node.span.start + offset);
    Some(Span { start: at(range.start)?, end: at(range.end)? })
}

/// For each byte of the decoded text, where it stands in the quoted source.
fn offsets(source: &str, quote: char) -> Vec<usize> {
    let mut offsets = Vec::with_capacity(source.len());
    let mut at = 1;
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let (taken, given) = match c {
            '\'' if quote == '\'' && rest.starts_with("''") => (2, 1),
            _ if c == quote => break,
            '\\' if quote == '"' => escape(rest),
            _ => (c.len_utf8(), c.len_utf8()),
        };
        offsets.extend((0..given).map(|byte| if taken == given { at + byte } else { at }));
        at += taken;
        if at > source.len() || !source.is_char_boundary(at) {
            return Vec::new();
        }
    }
    offsets.push(at);
    offsets
}

/// Bytes an escape takes in the source and gives in the text.
fn escape(rest: &str) -> (usize, usize) {
    let hex = |digits: usize| {
        let code = rest.get(2..2 + digits).and_then(|code| u32::from_str_radix(code, 16).ok());
        (2 + digits, code.and_then(char::from_u32).map_or(1, char::len_utf8))
    };
    match rest.as_bytes().get(1) {
        Some(b'x') => hex(2),
        Some(b'u') => hex(4),
        Some(b'U') => hex(8),
        Some(b'N' | b'_') => (2, 2),
        Some(b'L' | b'P') => (2, 3),
        _ => (2, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse;

    #[test]
    fn places_inside_quotes_are_exact() {
        for (text, wanted, expected) in [
            ("a: plain [x\n", "[", "["),
            ("a: 'it''s [x'\n", "[", "["),
            ("a: \"tab\\t, ä \\u00e4 [x\"\n", "[", "["),
            ("a: \"ä\\\\d[\"\n", "\\d", "\\\\d"),
            ("a: \"x\"\n", "x", "x"),
        ] {
            let file = File { name: "a".into(), text: text.into() };
            let tree = parse(&file).expect("valid");
            let node = tree.get("a").expect("a");
            let Value::Text(value) = &node.value else { panic!("text") };
            let start = value.find(wanted).expect("in the value");
            let span = inside(&file, node, start..start + wanted.len());
            assert_eq!(&file.text[span.start..span.end], expected, "{text}");
        }
        let file = File { name: "a".into(), text: "a: |\n  x [\n".into() };
        let tree = parse(&file).expect("valid");
        let node = tree.get("a").expect("a");
        assert_eq!(inside(&file, node, 2..3), node.span);
    }
}
