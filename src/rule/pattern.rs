//! Regular expressions: linear in the text, small in memory, wrong only at load.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast;

use crate::document::{Level, Walk, inside};

/// A larger pattern would take seconds on one long field: at this size the
/// worst found takes 55 ms on the part of a field that is looked at.
pub const SIZE_LIMIT: usize = 64 * 1024;
/// No pattern that fits the limit above is longer.
const TEXT_LIMIT: usize = 8 * 1024;

/// Reads the pattern at `walk`; `None` after a report that points into it.
pub fn read(walk: &Walk<'_>, ignores_case: bool) -> Option<Regex> {
    let pattern = walk.words()?;
    if pattern.len() > TEXT_LIMIT {
        let text = format!("a pattern of {} bytes, at most {TEXT_LIMIT} are read", pattern.len());
        walk.fail_hint(text, "for many words use a list");
        return None;
    }
    // The compiler's own error has no place in it; the parser's has.
    if let Err(error) = regex_syntax::ParserBuilder::new().case_insensitive(ignores_case).build().parse(pattern) {
        let (span, text, hint) = match &error {
            regex_syntax::Error::Parse(error) => {
                let hint = match error.kind() {
                    ast::ErrorKind::UnsupportedLookAround => {
                        Some("write a second condition: `not: { FIELD: { regex: ... } }`")
                    }
                    ast::ErrorKind::UnsupportedBackreference => Some("to compare two fields use `same_as`"),
                    ast::ErrorKind::GroupUnclosed => Some("close it with `)`, or write `\\(` for the character"),
                    ast::ErrorKind::ClassUnclosed => Some("close it with `]`, or write `\\[` for the character"),
                    _ => None,
                };
                (*error.span(), error.kind().to_string(), hint)
            }
            regex_syntax::Error::Translate(error) => (*error.span(), error.kind().to_string(), None),
            other => {
                walk.fail(format!("not a regular expression: {other}"));
                return None;
            }
        };
        let place = inside(walk.file, walk.node, span.start.offset..span.end.offset);
        let text = format!("not a regular expression: {text}");
        walk.report(Level::Error, place, text, hint.map(str::to_owned));
        return None;
    }
    match RegexBuilder::new(pattern).case_insensitive(ignores_case).size_limit(SIZE_LIMIT).build() {
        Ok(regex) => Some(regex),
        Err(_) => {
            let text = format!("the pattern needs more than {} KiB", SIZE_LIMIT / 1024);
            let hint = "use smaller repetitions, `[a-z0-9_]` for `\\w` and `[0-9]` for `\\d`";
            walk.fail_hint(text, hint);
            None
        }
    }
}
