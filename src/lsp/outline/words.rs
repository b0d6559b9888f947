//! Where words begin and end.

/// The key at the start of a line and the place of its colon, if a blank follows that.
pub fn block_key(rest: &str) -> Option<(&str, usize)> {
    let first = rest.chars().next()?;
    if matches!(first, '"' | '\'') {
        let length = quoted(rest, first)?;
        return rest[length..].starts_with(':').then(|| (&rest[1..length - 1], length));
    }
    if matches!(first, '{' | '[' | '#' | '|' | '>') {
        return None;
    }
    let mut colons = rest.match_indices(':').map(|(at, _)| at);
    let colon = colons.find(|at| matches!(rest[at + 1..].chars().next(), None | Some(' ' | '\t')))?;
    (!rest[..colon].contains(" #")).then(|| (rest[..colon].trim_end(), colon))
}

/// Length of a quoted text with its quotes; `None` if it is not closed here.
pub fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut at = 1;
    while let Some(c) = text[at..].chars().next() {
        let next = &text[at + c.len_utf8()..];
        if c == '\\' && quote == '"' {
            at += 1 + next.chars().next().map_or(0, char::len_utf8);
        } else if c == quote && quote == '\'' && next.starts_with('\'') {
            at += 2;
        } else if c == quote {
            return Some(at + 1);
        } else {
            at += c.len_utf8();
        }
    }
    None
}

/// Length of a plain word between brackets; never zero.
pub fn plain(text: &str) -> usize {
    let ends = |(at, c): &(usize, char)| match c {
        ',' | '}' | ']' | '{' | '[' => true,
        ':' => matches!(text[at + 1..].chars().next(), None | Some(' ' | ',' | '}' | ']')),
        '#' => text[..*at].ends_with(' '),
        _ => false,
    };
    text.char_indices().skip(1).find(ends).map_or(text.len(), |(at, _)| at)
}

/// The text before a comment.
pub fn uncommented(text: &str) -> &str {
    if text.starts_with('#') {
        return "";
    }
    text.find(" #").map_or(text, |at| &text[..at])
}
