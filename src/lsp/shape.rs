//! A walk through a JSON Schema along the path of a value: what may stand there, and what it means.

use std::collections::BTreeMap;

use serde_json::Value;

use super::outline::Step;

/// References and alternatives nest no deeper.
const DEPTH_LIMIT: usize = 16;

/// A schema whose parts can be asked for.
#[derive(Debug)]
pub struct Shape {
    root: Value,
}

/// A word that may stand at a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub meaning: String,
}

impl Shape {
    pub fn new(root: Value) -> Self {
        Self { root }
    }

    /// The schemas of a value, as written: not yet followed to where they refer.
    fn at(&self, path: &[Step]) -> Vec<&Value> {
        let mut schemas = vec![&self.root];
        for step in path {
            let mut next = Vec::new();
            for schema in schemas.iter().flat_map(|schema| self.flat(schema)) {
                match step {
                    Step::Item(_) => next.extend(schema.get("items")),
                    Step::Key(name) => next.extend(inside(schema, name)),
                }
            }
            schemas = next;
        }
        schemas
    }

    /// Every alternative, references followed.
    fn flat<'s>(&'s self, schema: &'s Value) -> Vec<&'s Value> {
        let mut found = Vec::new();
        self.flatten(schema, DEPTH_LIMIT, &mut found);
        found
    }

    fn flatten<'s>(&'s self, schema: &'s Value, depth: usize, found: &mut Vec<&'s Value>) {
        if depth == 0 {
            return;
        }
        found.push(schema);
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|name| self.root.pointer(&name[1..]));
        let alternatives = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|name| schema.get(name)?.as_array());
        for inner in target.into_iter().chain(alternatives.flatten()) {
            self.flatten(inner, depth - 1, found);
        }
    }

    /// Keys that the map at `path` may hold, with their meaning.
    pub fn keys(&self, path: &[Step]) -> Vec<Word> {
        let mut keys: BTreeMap<&str, String> = BTreeMap::new();
        let mut order = Vec::new();
        for schema in self.at(path).into_iter().flat_map(|schema| self.flat(schema)) {
            for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if !keys.contains_key(name.as_str()) {
                    order.push(name.as_str());
                    keys.insert(name, self.meaning_of(schema));
                }
            }
        }
        let word = |name: &str| Word { text: name.to_owned(), meaning: keys.get(name).cloned().unwrap_or_default() };
        order.into_iter().map(word).collect()
    }

    /// Words that the value at `path` may be, or one of its items.
    pub fn words(&self, path: &[Step]) -> Vec<Word> {
        let mut words: Vec<Word> = Vec::new();
        let here = self.at(path).into_iter().flat_map(|schema| self.flat(schema));
        for schema in here {
            let meaning = || schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
            let mut offer = |text: &Value, meaning: String| {
                let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
                if !words.iter().any(|word| word.text == text) {
                    words.push(Word { text, meaning });
                }
            };
            if let Some(word) = schema.get("const").filter(|word| !word.is_null()) {
                offer(word, meaning());
            }
            for name in ["enum", "examples"] {
                let list = schema.get(name).and_then(Value::as_array).into_iter().flatten();
                list.for_each(|word| offer(word, String::new()));
            }
            // A scalar that may also be true or false is seldom meant to be.
            if schema.get("type").is_some_and(|kind| kind == "boolean") && self.at(path).iter().any(|at| is_bool(at)) {
                offer(&Value::Bool(true), String::new());
                offer(&Value::Bool(false), String::new());
            }
        }
        words
    }

    /// What the value at `path` means, in Markdown; empty if nothing is known.
    pub fn meaning(&self, path: &[Step]) -> String {
        let mut meanings = self.at(path).into_iter().map(|schema| self.meaning_of(schema));
        meanings.find(|meaning| !meaning.is_empty()).unwrap_or_default()
    }

    /// The nearest description: what stands beside a reference says more than what it refers to.
    fn meaning_of(&self, schema: &Value) -> String {
        let said = |schema: &&Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
        self.flat(schema).iter().find_map(said).unwrap_or_default()
    }

    /// True if the value may be a list and nothing else than lists and maps can hold what is typed.
    pub fn is_list(&self, path: &[Step]) -> bool {
        let mut schemas = self.at(path).into_iter().flat_map(|schema| self.flat(schema));
        schemas.any(|schema| schema.get("type").is_some_and(|kind| kind == "array"))
    }

    /// True if the value may be a map with keys of ours.
    pub fn is_map(&self, path: &[Step]) -> bool {
        let mut schemas = self.at(path).into_iter().flat_map(|schema| self.flat(schema));
        schemas.any(|schema| schema.get("type").is_some_and(|kind| kind == "object"))
    }
}

fn is_bool(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "boolean")
}

/// The schema of one key of a map.
fn inside<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    if let Some(found) = schema.get("properties").and_then(|properties| properties.get(name)) {
        return Some(found);
    }
    let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    let matches = |pattern: &str| regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(name));
    if let Some((_, found)) = patterns.into_iter().find(|(pattern, _)| matches(pattern)) {
        return Some(found);
    }
    schema.get("additionalProperties").filter(|more| more.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lsp::outline::key, rule};

    #[test]
    fn the_schema_of_rules_answers_along_a_path() {
        let shape = Shape::new(rule::shape::schema());
        let rule = [key("rules"), Step::Item(3)];
        let names = |path: &[Step]| shape.keys(path).into_iter().map(|word| word.text).collect::<Vec<_>>();
        let words = |path: &[Step]| shape.words(path).into_iter().map(|word| word.text).collect::<Vec<_>>();
        let below = |steps: &[&str]| rule.iter().cloned().chain(steps.iter().map(|step| key(step))).collect::<Vec<_>>();
        assert!(names(&rule).iter().any(|name| name == "severity"));
        assert_eq!(words(&below(&["mode"])), ["live", "shadow", "off"]);
        assert!(names(&below(&["match"])).contains(&"source_ip".to_owned()));
        assert!(names(&below(&["match", "not", "operation"])).contains(&"prefix".to_owned()));
        assert!(words(&below(&["match", "service"])).contains(&"KMS".to_owned()));
        assert_eq!(words(&below(&["match", "request.x", "exists"])), ["true", "false"]);
        assert!(words(&below(&["dedup", "by"])).contains(&"actor.name".to_owned()));
        assert!(shape.meaning(&below(&["match", "outcome"])).contains("read from the rating"));
        assert!(shape.meaning(&below(&["nonsense", "below"])).is_empty());
        assert!(shape.is_list(&[key("rules")]) && !shape.is_list(&below(&["title"])));
    }
}
