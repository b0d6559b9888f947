//! Bytes of a text and the positions of the protocol, which counts lines from 0 and UTF-16 units in a line.

use lsp_types::{Position, Range};

use crate::document::Span;

/// The position of a byte; one inside a character or past the end counts as the nearest before it.
pub fn of(text: &str, byte: usize) -> Position {
    let before = &text[..text.floor_char_boundary(byte)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count();
    let units = before[line_start..].encode_utf16().count();
    Position { line: u32::try_from(line).unwrap_or(u32::MAX), character: u32::try_from(units).unwrap_or(u32::MAX) }
}

/// The byte at a position; beyond the line's end counts as its end, beyond the text's as its end.
pub fn byte(text: &str, position: Position) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text[start..].find('\n') {
            Some(newline) => start += newline + 1,
            None => return text.len(),
        }
    }
    let line = text[start..].split(['\n', '\r']).next().unwrap_or_default();
    let mut units = 0;
    for (at, c) in line.char_indices() {
        if units >= position.character as usize {
            return start + at;
        }
        units += c.len_utf16();
    }
    start + line.len()
}

/// The range of a span; one without length covers the character after it, so that there is something to underline.
pub fn range(text: &str, span: Span) -> Range {
    let end = if span.end > span.start {
        span.end
    } else {
        let at = text.floor_char_boundary(span.start);
        text[at..].chars().next().filter(|c| *c != '\n').map_or(at, |c| at + c.len_utf8())
    };
    Range { start: of(text, span.start), end: of(text, end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_utf16_units() {
        let text = "a: ü\nb: \u{1f514} x\r\nc";
        for (found, line, character) in [("a", 0, 0), ("ü", 0, 3), ("b", 1, 0), (" x", 1, 5), ("c", 2, 0)] {
            let at = text.find(found).expect(found);
            let position = Position { line, character };
            assert_eq!(of(text, at), position, "{found}");
            assert_eq!(byte(text, position), at, "{found}");
        }
    }

    #[test]
    fn what_lies_outside_is_brought_inside() {
        let text = "ab\ncd";
        for (line, character, expected) in [(0, 9, 2), (1, 9, 5), (7, 0, 5), (u32::MAX, u32::MAX, 5)] {
            assert_eq!(byte(text, Position { line, character }), expected);
        }
        assert_eq!(of("ä", 1), Position { line: 0, character: 0 });
        assert_eq!(of(text, 99), Position { line: 1, character: 2 });
    }
}
