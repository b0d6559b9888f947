//! Regular expressions: linear in the text, small in memory, wrong only at load.
//!
//! A pattern is checked when it is loaded and compiled when it is first asked: with
//! many rules most never are, because the index knows texts that they cannot match.

use std::{fmt, sync::OnceLock};

use regex::{Regex, RegexBuilder};
use regex_syntax::{
    ast,
    hir::{Class, Hir, HirKind},
};

use crate::document::{Level, Walk, inside};

/// A larger pattern would take seconds on one long field: at this size the
/// worst found takes 55 ms on the part of a field that is looked at.
pub const SIZE_LIMIT: usize = 64 * 1024;
/// No pattern that fits the limit above is longer.
const TEXT_LIMIT: usize = 8 * 1024;
/// A pattern surely fits if it has at most so many parts: no part takes more than 256 bytes.
const SURE_PARTS: usize = SIZE_LIMIT / 256;
/// For the states that one pattern meets while it looks at texts; forgotten when it is full.
const CACHE_LIMIT: usize = 256 * 1024;

/// A regular expression that is known to compile.
#[derive(Debug)]
pub struct Pattern {
    text: Box<str>,
    ignores_case: bool,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    pub fn is_match(&self, text: &str) -> bool {
        let compile = || build(&self.text, self.ignores_case).expect("checked when it was loaded");
        self.compiled.get_or_init(compile).is_match(text)
    }

    /// What the pattern is made of.
    pub fn parts(&self) -> Option<Hir> {
        parser(self.ignores_case).parse(&self.text).ok()
    }
}

impl Clone for Pattern {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), ignores_case: self.ignores_case, compiled: OnceLock::new() }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads the pattern at `walk`; `None` after a report that points into it.
pub fn read(walk: &Walk<'_>, ignores_case: bool) -> Option<Pattern> {
    let pattern = walk.words()?;
    if pattern.len() > TEXT_LIMIT {
        let text = format!("a pattern of {} bytes, at most {TEXT_LIMIT} are read", pattern.len());
        walk.fail_hint(text, "for many words use a list");
        return None;
    }
    // The compiler's own error has no place in it; the parser's has.
    let parsed = parser(ignores_case).parse(pattern);
    if let Err(error) = &parsed {
        let (span, text, hint) = match error {
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
    let fits = parsed.is_ok_and(|hir| size(&hir) <= SURE_PARTS);
    if !fits && build(pattern, ignores_case).is_err() {
        let text = format!("the pattern needs more than {} KiB", SIZE_LIMIT / 1024);
        let hint = "use smaller repetitions, `[a-z0-9_]` for `\\w` and `[0-9]` for `\\d`";
        walk.fail_hint(text, hint);
        return None;
    }
    Some(Pattern { text: pattern.into(), ignores_case, compiled: OnceLock::new() })
}

fn parser(ignores_case: bool) -> regex_syntax::Parser {
    regex_syntax::ParserBuilder::new().case_insensitive(ignores_case).build()
}

fn build(pattern: &str, ignores_case: bool) -> Result<Regex, regex::Error> {
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(ignores_case).size_limit(SIZE_LIMIT).dfa_size_limit(CACHE_LIMIT).build()
}

/// An upper bound of the parts that the pattern compiles to: a byte, a range of bytes or a choice each.
fn size(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        // A range of characters beyond ASCII becomes up to ten sequences of up to four ranges of bytes.
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().map(|r| if r.end().is_ascii() { 2 } else { 40 }).sum()
        }
        HirKind::Class(Class::Bytes(class)) => 2 * class.ranges().len(),
        HirKind::Capture(capture) => size(&capture.sub).saturating_add(2),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1) as usize;
            size(&repetition.sub).saturating_add(1).saturating_mul(times)
        }
        HirKind::Concat(parts) => parts.iter().map(size).fold(0, usize::saturating_add),
        HirKind::Alternation(parts) => parts.iter().map(size).fold(parts.len(), usize::saturating_add),
    }
}
