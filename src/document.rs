//! A YAML text as a tree whose every key and value knows its place, and the
//! problems found in it, drawn for people the way rustc draws them.
//!
//! Configuration and rules are both read through this, so that one walk can
//! report every problem at once with file, line and column.

pub mod draw;
pub mod parse;

pub use parse::parse;

/// A text with the name people know it by (a path, or `<embedded>/rules/iam.yaml`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub text: String,
}

/// Byte range in the text of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub span: Span,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In file order; duplicate keys were refused by the parser.
    Map(Vec<(Node, Node)>),
}

/// Something wrong at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub level: Level,
    pub file: String,
    pub span: Span,
    /// Dotted path of the value, for example `topics.security[1].endpoint`; empty for syntax.
    pub path: String,
    /// What was found and what was expected: lower case, no full stop, names in backticks.
    pub text: String,
    /// What to do, for example "did you mean `ops-slack`?".
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
}

/// The nearest of `known` to `word`, if near enough to be a slip of the pen.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(word.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
