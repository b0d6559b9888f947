//! A YAML text as a tree whose every key and value knows its place, and the
//! problems found in it, drawn for people the way rustc draws them.
//!
//! Configuration and rules are both read through this, so that one walk can
//! report every problem at once with file, line and column:
//!
//! ```
//! use tracebell::document::{self, File, Problems, Walk};
//!
//! let file = File { name: "a.yaml".into(), text: "name: x\npoll_every: 5 mins\nlabls: []\n".into() };
//! let tree = document::parse(&file).expect("valid YAML");
//! let problems = Problems::default();
//! if let Some(mut fields) = Walk::new(&file, &tree, &problems).fields() {
//!     let _name = fields.required_text("name");               // Some("x")
//!     let _poll = fields.optional_duration("poll_every");     // None, and a problem
//!     let _labels = fields.list("labels");                    // empty, no problem
//!     fields.finish();                                        // `labls`: did you mean `labels`?
//! }
//! let problems = problems.into_vec();
//! assert_eq!(problems.len(), 2);
//! println!("{}", document::draw::draw(&problems, &[file], false));
//! ```
//!
//! A reading function yields `None` after it reported what is wrong, so a
//! caller reads everything first and gives up at the end.

pub mod decode;
pub mod draw;
pub mod inside;
pub mod parse;
pub mod walk;

pub use decode::decode_bytes;
pub use inside::inside;
pub use parse::{FILE_LIMIT, parse};
pub use walk::{Fields, Problems, Walk};

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

/// Something wrong at a place. Build it with `..Problem::default()`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    pub level: Level,
    /// What kind of mistake it is, in a few words that never change: `unknown-operation`.
    pub code: Code,
    pub file: String,
    pub span: Span,
    /// Dotted path of the value, for example `topics.security[1].endpoint`; empty for syntax.
    pub path: String,
    /// What was found and what was expected: lower case, no full stop, names in backticks.
    pub text: String,
    /// What to do, for example "did you mean `ops-slack`?".
    pub hint: Option<String>,
    /// A second place of the same file, and what it has to do with the first.
    pub also: Option<(Span, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    #[default]
    Error,
    Warning,
}

/// A kind of mistake: for SARIF, for the documents, and for `# allow: CODE` in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

/// The kinds that reading a file finds, and what each is about.
pub const CODES: &[(&str, &str)] = &[
    ("unreadable-file", "a file that is missing, too large, or not UTF-8"),
    ("syntax", "a text that is no YAML, or YAML that is not read here"),
    ("duplicate-key", "a key that a map holds twice"),
    ("unknown-key", "a key that means nothing at its place"),
    ("missing-key", "a key that must be there"),
    ("invalid-value", "a value that its key does not take"),
    ("more", "more problems than are shown at once"),
];

impl Default for Code {
    /// A value that its key does not take: most errors.
    fn default() -> Self {
        Self("invalid-value")
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// Where the lines of a file begin, for those who ask often.
#[derive(Debug, Clone)]
pub struct Lines(Vec<usize>);

impl Lines {
    pub fn of(file: &File) -> Self {
        Self(file.text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of a byte, from 1.
    pub fn line(&self, byte: usize) -> usize {
        self.0.partition_point(|newline| *newline < byte) + 1
    }
}

impl File {
    /// Line and column of a byte, both from 1, columns in characters.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(byte)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

impl Span {
    /// A place without length.
    pub fn at(byte: usize) -> Self {
        Self { start: byte, end: byte }
    }
}

impl Value {
    /// What it is, for people: `a number`, `a list`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Node {
    /// The value of `key`, if this is a map that holds it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(name, _)| name.value == Value::Text(key.to_owned())).map(|(_, value)| value)
    }

    /// The part worth underlining: a scalar whole, of a map its first key, of a list its start.
    pub fn head(&self) -> Span {
        match &self.value {
            Value::Map(entries) => entries.first().map_or(self.span, |(key, _)| key.head()),
            Value::List(items) => items.first().map_or(self.span, Node::head),
            _ => self.span,
        }
    }
}

impl Problem {
    /// Line and column, both from 1, columns in characters. `file` is the one it names.
    pub fn place(&self, file: &File) -> (usize, usize) {
        file.position(self.span.start)
    }
}

/// The nearest of `known` to `word`, if near enough to be a slip of the pen.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let (length, letters) = (word.chars().count(), letters(&lower));
    let mut nearest: Option<(usize, &str)> = None;
    for candidate in known {
        let slips = (candidate.chars().count().max(length) / 3).max(1);
        let limit = nearest.map_or(Some(slips), |(distance, _)| Some(slips.min(distance.checked_sub(1)?)));
        let Some(limit) = limit else { break };
        // Most candidates are far off, and measuring how far takes a thousand times as long.
        if candidate.is_ascii() && other_letters(&letters, &self::letters(candidate)) > limit {
            continue;
        }
        let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
        if distance <= limit {
            nearest = Some((distance, candidate));
        }
    }
    nearest.map(|(_, candidate)| candidate)
}

/// How often each letter stands in a text, whatever its case; letters beyond ASCII are not counted.
fn letters(text: &str) -> [u8; 128] {
    let mut letters = [0_u8; 128];
    for letter in text.bytes().filter(u8::is_ascii) {
        let count = &mut letters[usize::from(letter.to_ascii_lowercase())];
        *count = count.saturating_add(1);
    }
    letters
}

/// A slip adds, drops or changes one letter, or swaps two: there are at least so many between two texts.
fn other_letters(one: &[u8; 128], other: &[u8; 128]) -> usize {
    let missing = |a: &[u8; 128], b: &[u8; 128]| a.iter().zip(b).map(|(a, b)| usize::from(a.saturating_sub(*b))).sum();
    let (more, less): (usize, usize) = (missing(one, other), missing(other, one));
    more.max(less)
}
