//! From a text to a [`Node`] tree, or to the syntax problem in it.
//!
//! The parser underneath speaks in the words of the YAML grammar; here its
//! errors get the words of somebody who only wants their file to load.

use std::{collections::HashMap, fmt, thread};

use serde::{Deserialize, Deserializer, de};
use serde_yaml::{Error, Location, Options, Spanned, budget::BudgetBreach, options};

use super::{Code, File, Level, Node, Problem, Span, Value, walk::PROBLEM_LIMIT};

/// Largest file read. Real configurations are a hundredth of it.
pub const FILE_LIMIT: usize = 4 * 1024 * 1024;
/// Deepest nesting. Real rules stay under ten.
pub const DEPTH_LIMIT: usize = 64;
/// The parser recurses: the deepest legal file needs about 3 MB in a debug build,
/// which a caller on a worker thread does not have.
const STACK: usize = 16 * 1024 * 1024;
/// A node costs about 100 bytes, and aliases multiply nodes without enlarging
/// the file: together these hold a hostile file under 64 MB.
const NODE_LIMIT: usize = 400_000;
const ALIAS_LIMIT: usize = 1_000;
const REPLAY_LIMIT: usize = 20_000;

/// Reads one YAML document. Only text keys, each once; no merge keys; `on` and
/// `yes` are text. Aliases are followed, and their nodes stand where the anchor is.
pub fn parse(file: &File) -> Result<Node, Vec<Problem>> {
    if file.text.len() > FILE_LIMIT {
        let found = file.text.len() / (1024 * 1024);
        let text = format!("the file is too large: {found} MiB, at most {} MiB are read", FILE_LIMIT / (1024 * 1024));
        return Err(vec![problem(file, Span::default(), (text, Some("split it into several files".into())))]);
    }
    let reader = thread::Builder::new().stack_size(STACK);
    thread::scope(|scope| {
        let reading = reader.spawn_scoped(scope, || read(file));
        let text = "not enough memory to read the file".to_owned();
        reading
            .ok()
            .and_then(|reading| reading.join().ok())
            .unwrap_or_else(|| Err(vec![problem(file, Span::default(), (text, None))]))
    })
}

fn read(file: &File) -> Result<Node, Vec<Problem>> {
    let raw: Spanned<Raw> = match serde_yaml::from_str_with_options(&file.text, options()) {
        Ok(raw) => raw,
        Err(error) => {
            let at = error.location().map_or(Span::default(), |location| span(&file.text, &location));
            let words = in_our_words(&error, file, at);
            return Err(vec![problem(file, culprit(file, at, &words.0), words)]);
        }
    };
    let mut problems = Vec::new();
    let node = build(raw, file, &mut problems);
    if matches!(node.value, Value::Null) {
        problems.push(problem(file, Span::default(), ("the file is empty".into(), None)));
    }
    if problems.is_empty() { Ok(node) } else { Err(problems) }
}

fn problem(file: &File, span: Span, (text, hint): (String, Option<String>)) -> Problem {
    Problem {
        level: Level::Error,
        file: file.name.clone(),
        span,
        text,
        hint,
        code: Code("syntax"),
        ..Problem::default()
    }
}

fn options() -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: DEPTH_LIMIT,
            flow_nesting_limit: DEPTH_LIMIT,
            max_nodes: NODE_LIMIT,
            max_events: 3 * NODE_LIMIT,
            max_aliases: ALIAS_LIMIT,
            max_total_scalar_bytes: 2 * FILE_LIMIT,
            // The absolute limits above do this job without refusing an anchor used 200 times.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: REPLAY_LIMIT },
        // Duplicates are refused in `build`, which can name both places and find all of them.
        duplicate_keys: options::DuplicateKeyPolicy::LastWins,
        merge_keys: options::MergeKeyPolicy::Error,
        non_finite_float_policy: options::NonFiniteFloatPolicy::AsString,
        strict_booleans: true,
        with_snippet: false,
    }
}

/// What the deserializer sees, before keys are checked.
enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> de::Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Int(value))
    }

    // Ids that look like huge numbers stay what they are: text.
    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(i64::try_from(value).map_or_else(|_| Raw::Text(value.to_string()), Raw::Int))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(i64::try_from(value).map_or_else(|_| Raw::Text(value.to_string()), Raw::Int))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(i64::try_from(value).map_or_else(|_| Raw::Text(value.to_string()), Raw::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = access.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

fn build(raw: Spanned<Raw>, file: &File, problems: &mut Vec<Problem>) -> Node {
    let mut span = span(&file.text, &raw.defined);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Int(value) => Value::Int(value),
        Raw::Float(value) => Value::Float(value),
        Raw::Text(value) => Value::Text(value),
        Raw::List(list) => Value::List(list.into_iter().map(|item| build(item, file, problems)).collect()),
        Raw::Map(map) => {
            let mut entries: Vec<(Node, Node)> = Vec::with_capacity(map.len());
            let mut seen = HashMap::new();
            for (key, value) in map {
                let (key, value) = (build(key, file, problems), build(value, file, problems));
                let wrong = match &key.value {
                    _ if problems.len() >= PROBLEM_LIMIT => None,
                    Value::Text(name) => seen.insert(name.clone(), key.span).map(|first| {
                        let (line, _) = file.position(first.start);
                        let text = format!("the key `{name}` is given twice, first on line {line}");
                        let twice = problem(file, key.span, (text, Some("keep one of the two".to_owned())));
                        Problem { code: Code("duplicate-key"), also: Some((first, "first here".to_owned())), ..twice }
                    }),
                    _ => Some(problem(file, key.span, wrong_key(&key, &value, file))),
                };
                problems.extend(wrong);
                entries.push((key, value));
            }
            Value::Map(entries)
        }
    };
    // The parser gives a collection the place of its first character only.
    let last = match &value {
        Value::List(list) => list.last(),
        Value::Map(map) => map.last().map(|(_, value)| value),
        _ => None,
    };
    if let Some(last) = last {
        span.end = span.end.max(last.span.end);
    }
    Node { span, value }
}

fn wrong_key(key: &Node, value: &Node, file: &File) -> (String, Option<String>) {
    if matches!(key.value, Value::Map(_))
        && matches!(value.value, Value::Null)
        && file.text[key.span.start..].starts_with('{')
    {
        return template_without_quotes();
    }
    let text = match &key.value {
        Value::Map(_) | Value::List(_) => "a key must be text, found a map or a list".to_owned(),
        _ => format!("a key must be text, found {}", key.value.kind()),
    };
    (text, Some("put the key in quotes".into()))
}

fn template_without_quotes() -> (String, Option<String>) {
    (
        "`{{ ... }}` without quotes reads as a YAML map, not as text".into(),
        Some("put the whole value in double quotes: \"{{ actor.name }} ...\"".into()),
    )
}

/// The parser counts characters in some errors and bytes in others.
fn span(text: &str, location: &Location) -> Span {
    let span = location.span();
    let byte_at = |chars: usize| text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
    let (start, end) = match (span.byte_offset(), span.byte_len()) {
        (Some(offset), Some(length)) => (offset as usize, (offset + length) as usize),
        _ => (byte_at(span.offset() as usize), byte_at((span.offset() + span.len()) as usize)),
    };
    let end = end.min(text.len());
    Span { start: start.min(end), end }
}

fn in_our_words(error: &Error, file: &File, at: Span) -> (String, Option<String>) {
    let line_start = file.text[..at.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = file.text[line_start..].lines().next().unwrap_or_default();
    let (text, hint) = match error {
        Error::MultipleDocuments { .. } => {
            ("the file holds more than one YAML document".into(), Some("remove the line `---`, or make two files"))
        }
        Error::MergeKeyNotAllowed { .. } => (
            "merge keys (`<<`) are not read: what a map holds must be visible where it stands".into(),
            Some("write the keys out"),
        ),
        Error::UnknownAnchor { .. } => {
            ("no anchor of that name stands above".into(), Some("text that starts with `*` or `&` needs quotes"))
        }
        Error::Budget { breach, .. } => limit(breach),
        Error::RecursiveReferencesRequireWeakTypes { .. } => ("an alias stands inside its own anchor".into(), None),
        _ => {
            let message = error.without_snippet().to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            return syntax(message, line);
        }
    };
    (text, hint.map(str::to_owned))
}

/// The parser stops before or after the mistake; these are worth pointing at themselves.
fn culprit(file: &File, at: Span, text: &str) -> Span {
    let line_start = file.text[..at.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = file.text[line_start..].lines().next().unwrap_or_default();
    let (found, length) = if *text == template_without_quotes().0 {
        (line.find("{{"), 2)
    } else if text.starts_with("a tab") {
        // The parser may stop at the end of the line before.
        (file.text[line_start..].find('\t'), 1)
    } else if text.starts_with("an unknown escape") {
        (unknown_escape(line, at.start - line_start), 2)
    } else {
        (None, 0)
    };
    found.map_or(at, |found| Span { start: line_start + found, end: line_start + found + length })
}

fn limit(breach: &BudgetBreach) -> (String, Option<&'static str>) {
    match breach {
        BudgetBreach::Depth { .. } => {
            (format!("nested too deeply: at most {DEPTH_LIMIT} levels are read"), Some("close a bracket, or flatten"))
        }
        BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } => {
            (format!("too many aliases: at most {ALIAS_LIMIT} are followed"), None)
        }
        _ => ("the file holds too much".into(), Some("split it into several files; aliases count each time")),
    }
}

fn syntax(message: String, line: &str) -> (String, Option<String>) {
    let has = |part: &str| message.contains(part);
    let starts_value = |c: char| line.split_once(": ").is_some_and(|(_, value)| value.trim_start().starts_with(c));
    if line.contains(": {{") || line.trim_start().starts_with("- {{") {
        return template_without_quotes();
    }
    let ours = if has("alias replay") || has("budget breached") {
        ("aliases repeat too much: the file holds too much with them", "write the values out, or name them in `lists`")
    } else if has("tabs disallowed") || has("found a tab") || line.trim_start_matches(' ').starts_with('\t') {
        ("a tab in the indentation", "indent with spaces: YAML does not allow tabs")
    } else if has("multiline quoted scalar") {
        ("a quote that is not closed where its text ends", "close the quote in its own line")
    } else if has("nesting limit") || has("recursion limit") || has("too deep") {
        ("nested too deeply: at most 64 levels are read", "close a bracket, or flatten")
    } else if has("unknown escape") {
        ("an unknown escape in double quotes", "use single quotes for regular expressions and paths with `\\`")
    } else if has("mapping values are not allowed") {
        ("a second `: ` in one line", "put text that holds `: ` in quotes, or check the indentation")
    } else if let Some((open, close)) = mismatch(&message) {
        let right = if open == '[' { ']' } else { '}' };
        return (format!("`{open}` is closed by `{close}`"), Some(format!("close it with `{right}`")));
    } else if has("unexpected character") && ['@', '`', '%'].into_iter().any(starts_value) {
        ("text must not start with `@`, `%` or a backtick", "put it in quotes")
    } else {
        return (format!("not valid YAML: {message}"), None);
    };
    (ours.0.into(), Some(ours.1.into()))
}

/// The bracket that was opened and the one that closes it.
fn mismatch(message: &str) -> Option<(char, char)> {
    let quoted = |rest: &str| rest.strip_prefix('\'')?.chars().next();
    let (open, close) = message.split_once("mismatched bracket ")?.1.split_once(" closed by ")?;
    Some((quoted(open)?, quoted(close)?))
}

/// The first backslash after `from` that begins no escape of a double-quoted text.
fn unknown_escape(line: &str, from: usize) -> Option<usize> {
    let mut chars = line.char_indices().skip_while(|(at, _)| *at < from);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            let (_, escaped) = chars.next()?;
            if !"0abtnvfre \"/\\N_LPxuU\t".contains(escaped) {
                return Some(at);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{super::draw, *};

    fn file(text: &str) -> File {
        File { name: "a.yaml".into(), text: text.into() }
    }

    /// The tree, each scalar with the source text under its span.
    fn outline(text: &str) -> String {
        fn show(text: &str, node: &Node, out: &mut String) {
            let source = &text[node.span.start..node.span.end];
            match &node.value {
                Value::List(items) => {
                    *out += "[";
                    items.iter().for_each(|item| show(text, item, out));
                    *out += "]";
                }
                Value::Map(entries) => {
                    *out += "{";
                    for (key, value) in entries {
                        show(text, key, out);
                        *out += "=";
                        show(text, value, out);
                    }
                    *out += "}";
                }
                Value::Text(value) if value == source => *out += &format!("{value:?};"),
                other => *out += &format!("{other:?}<{source}>;"),
            }
        }
        let mut out = String::new();
        show(text, &parse(&file(text)).expect("valid"), &mut out);
        out
    }

    #[track_caller]
    fn refused(text: &str, place: &str, words: &str) {
        let problems = parse(&file(text)).expect_err("not valid");
        let drawn = draw::line(&problems[0], &[file(text)]);
        assert!(drawn.starts_with(&format!("a.yaml:{place}: ")) && drawn.contains(words), "{drawn}");
    }

    #[test]
    fn spans_cover_keys_and_scalars() {
        assert_eq!(outline("ключ: значение # c\nb: 'it''s'\n"), r#"{"ключ";="значение";"b";=Text("it's")<'it''s'>;}"#);
        assert_eq!(outline("f: [on, yes, ~, true]\n"), r#"{"f";=["on";"yes";Null<~>;Bool(true)<true>;]}"#);
        assert_eq!(outline("f: [014, 1_000, 0x1f]\n"), r#"{"f";=[Float(14.0)<014>;Int(1000)<1_000>;Int(31)<0x1f>;]}"#);
        assert_eq!(outline("f: [12:30, 2020-01-01]"), r#"{"f";=["12:30";"2020-01-01";]}"#);
        assert_eq!(outline("f: [.nan, 1e3]"), r#"{"f";=[".nan";Float(1000.0)<1e3>;]}"#);
        assert_eq!(outline("a: &x foo\nb: *x\n"), r#"{"a";="foo";"b";="foo";}"#);
        assert_eq!(outline("a: 99999999999999999999999"), r#"{"a";=Float(1e23)<99999999999999999999999>;}"#);
        assert_eq!(outline("\u{feff}a: b\r\nc: d\r\n".trim_start_matches('\u{feff}')), r#"{"a";="b";"c";="d";}"#);
    }

    #[test]
    fn mistakes_are_told_in_our_words() {
        refused("", "1:1", "the file is empty");
        refused("# nothing\n", "1:1", "the file is empty");
        refused("a: 1\n---\nb: 2\n", "3:1", "more than one YAML document");
        refused("a: 1\nb: 2\na: 3\n", "3:1", "the key `a` is given twice, first on line 1");
        refused("a:\n\t- b\n", "2:1", "a tab in the indentation");
        refused("a:\n  b: c\n\td: e\n", "3:1", "a tab in the indentation");
        refused("a:\n  b: \"c\n  d: e\n", "3:3", "close the quote");
        refused("x: &a {b: 1}\ny:\n  <<: *a\n", "3:3", "merge keys");
        refused("title: {{ actor.name }} did\n", "1:8", "without quotes");
        refused("title: {{ actor.name }}\n", "1:9", "without quotes");
        refused("größe: b: c\n", "1:9", "a second `: `");
        refused("a: *x\n", "1:4", "no anchor");
        refused("a: [1\nb: 2\n", "2:2", "not valid YAML");
        refused("a: \"\\q\"\n", "1:5", "use single quotes");
        refused("a: { b: \"x\\t\\\\y\\d\" }\n", "1:16", "use single quotes");
        refused("a: [1, {b: 2]\n", "1:8", "`{` is closed by `]`");
        refused("1: a\n", "1:1", "a key must be text");
        refused("a: &a [*a]\n", "1:8", "");
    }

    #[test]
    fn bombs_are_refused_quickly() {
        let exponential: String = (1..30).fold("a0: &a0 [x, x]\n".into(), |text, level| {
            format!("{text}a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1)
        });
        let quadratic = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a,".repeat(5_000));
        let nested = "[".repeat(100_000);
        let deep_block: String = (0..1_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
        let many_nodes = format!("a: [{}]", "1,".repeat(1_900_000));
        let large = "a".repeat(FILE_LIMIT + 1);
        for bomb in [exponential, quadratic, nested, deep_block, many_nodes, large] {
            let before = std::time::Instant::now();
            let problems = parse(&file(&bomb)).expect_err("a bomb");
            let text = &problems[0].text;
            assert!(
                ["too much", "too many", "too deeply", "too large"].iter().any(|word| text.contains(word)),
                "{text}"
            );
            // A debug build on a busy machine; what is not refused takes minutes.
            assert!(before.elapsed().as_secs() < 30, "{text}: {:?}", before.elapsed());
        }
        let list = format!("a: [{}]", "value,".repeat(100_000));
        assert!(parse(&file(&list)).is_ok());
    }
}
