//! Sigma's detection selections: maps are joined with and, lists with or, `field|modifier: values`.

use super::values::Pattern;
use crate::document::{Lines, Node, Value as Yaml};

#[derive(Debug, Clone)]
pub enum Selection {
    All(Vec<Selection>),
    Any(Vec<Selection>),
    Item(Item),
    /// Values without a field, of which one stands anywhere.
    Keywords(Vec<Pattern>, usize),
}

/// One `field|modifiers: values`.
#[derive(Debug, Clone)]
pub struct Item {
    pub field: String,
    pub values: Vec<Value>,
    /// `|all`: every value, not one of them.
    pub all: bool,
    pub line: usize,
}

#[derive(Debug, Clone)]
pub enum Value {
    Pattern(Pattern),
    /// `null`: the field is missing.
    Null,
    Exists(bool),
    Regex(String),
    Cidr(String),
    /// `gt`, `gte`, `lt`, `lte`
    Compare(&'static str, String),
}

/// Reads one selection; the error is the reason it is not carried over.
pub fn read(node: &Node, lines: &Lines) -> Result<Selection, String> {
    let line = lines.line(node.head().start);
    match &node.value {
        Yaml::Map(entries) => {
            let items: Result<Vec<_>, _> = entries.iter().map(|(key, value)| item(key, value, lines)).collect();
            Ok(Selection::All(items?))
        }
        Yaml::List(items) if items.iter().any(|item| !matches!(item.value, Yaml::Map(_))) => {
            let text = |item: &Node| if let Yaml::Text(text) = &item.value { Some(Pattern::parse(text)) } else { None };
            let patterns: Option<Vec<Pattern>> = items.iter().map(text).collect();
            patterns.map(|patterns| Selection::Keywords(patterns, line)).ok_or_else(|| keywords(line))
        }
        Yaml::List(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| read(item, lines)).collect();
            Ok(Selection::Any(items?))
        }
        Yaml::Text(text) => Ok(Selection::Keywords(vec![Pattern::parse(text)], line)),
        other => Err(format!("line {line}: expected a selection, found {}", other.kind())),
    }
}

/// Why a search through everything is not carried over.
pub fn keywords(line: usize) -> String {
    format!("line {line}: keywords without a field: a trace is not searched as a whole")
}

fn item(key: &Node, value: &Node, lines: &Lines) -> Result<Selection, String> {
    let line = lines.line(key.span.start);
    let Yaml::Text(name) = &key.value else {
        return Err(format!("line {line}: expected a field, found {}", key.value.kind()));
    };
    let mut words = name.split('|');
    let field = words.next().unwrap_or_default().to_owned();
    if field.is_empty() {
        return Err(keywords(line));
    }
    let modifiers: Vec<&str> = words.collect();
    let nodes = match &value.value {
        Yaml::List(items) => items.iter().collect(),
        _ => vec![value],
    };
    let values: Result<Vec<_>, _> = nodes.iter().map(|node| read_value(node, &modifiers, line)).collect();
    Ok(Selection::Item(Item { field, values: values?, all: modifiers.contains(&"all"), line }))
}

fn read_value(node: &Node, modifiers: &[&str], line: usize) -> Result<Value, String> {
    let has = |name: &str| modifiers.contains(&name);
    if let Some(unknown) = modifiers.iter().find(|name| !MODIFIERS.contains(name)) {
        return Err(format!("line {line}: the modifier `|{unknown}` is not carried over"));
    }
    let text = match &node.value {
        Yaml::Text(text) => text.clone(),
        Yaml::Int(number) => number.to_string(),
        Yaml::Float(number) => number.to_string(),
        Yaml::Bool(value) if has("exists") => return Ok(Value::Exists(*value)),
        Yaml::Bool(value) => value.to_string(),
        Yaml::Null => return Ok(Value::Null),
        other => return Err(format!("line {line}: expected a value, found {}", other.kind())),
    };
    if has("exists") {
        return Err(format!("line {line}: expected `true` or `false` for `|exists`, found `{text}`"));
    }
    if has("re") {
        let flags: String = ["i", "m", "s"].into_iter().filter(|flag| has(flag)).collect();
        return Ok(Value::Regex(if flags.is_empty() { text } else { format!("(?{flags}){text}") }));
    }
    if has("cidr") {
        return Ok(Value::Cidr(text));
    }
    if let Some(order) = ["gt", "gte", "lt", "lte"].into_iter().find(|order| has(order)) {
        return Ok(Value::Compare(order, text));
    }
    let before = has("contains") || has("endswith");
    let behind = has("contains") || has("startswith");
    Ok(Value::Pattern(Pattern::parse(&text).open(before, behind)))
}

/// Those that are carried over. Encodings, placeholders and dashes of Windows are not.
const MODIFIERS: [&str; 14] =
    ["contains", "startswith", "endswith", "all", "re", "i", "m", "s", "cidr", "exists", "gt", "gte", "lt", "lte"];
