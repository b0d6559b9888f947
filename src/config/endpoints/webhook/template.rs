//! `template`: a tree whose texts are templates.

use std::cell::Cell;

use serde_json::Number;

use crate::{
    document::{Level, Value, Walk, inside},
    render::template::{Leaf, MOST_LEAVES, Tree},
};

/// Longest template, as it stands in the file: it goes with every request.
const LONGEST: usize = 64 * 1024;

/// `{ text: "{{ title }}", fields: [ { name: who, value: "{{ actor.name }}" } ] }`
pub fn read(walk: &Walk<'_>) -> Option<Tree> {
    if !matches!(walk.node.value, Value::Map(_) | Value::List(_)) {
        walk.fail_hint("expected a map or a list", "write the JSON that the receiver wants, as YAML");
        return None;
    }
    let leaves = Cell::new(0);
    let tree = tree(walk, &leaves);
    if walk.source().len() > LONGEST || leaves.get() > MOST_LEAVES {
        walk.fail(format!("a template has at most {LONGEST} bytes and {MOST_LEAVES} values"));
        return None;
    }
    tree
}

/// Reads everything, so that all problems are told at once.
fn tree(walk: &Walk<'_>, leaves: &Cell<usize>) -> Option<Tree> {
    leaves.set(leaves.get() + 1);
    match &walk.node.value {
        Value::Null => {
            walk.fail_hint("expected a value, found nothing", "leave the key out, or write `\"\"`");
            None
        }
        Value::Bool(value) => Some(Tree::Bool(*value)),
        Value::Int(value) => Some(Tree::Number((*value).into())),
        Value::Float(value) => {
            let number = Number::from_f64(*value);
            if number.is_none() {
                walk.fail("JSON has no such number");
            }
            number.map(Tree::Number)
        }
        Value::Text(text) => match Leaf::parse(text) {
            Ok(leaf) => Some(Tree::Text(leaf)),
            Err(flaw) => {
                walk.report(Level::Error, inside(walk.file, walk.node, flaw.range), flaw.text, flaw.hint);
                None
            }
        },
        Value::List(_) => {
            let items: Vec<_> = walk.list()?.iter().map(|item| tree(item, leaves)).collect();
            items.into_iter().collect::<Option<_>>().map(Tree::List)
        }
        Value::Map(_) => {
            let entries: Vec<_> =
                walk.entries()?.into_iter().map(|(key, _, value)| entry(key, &value, leaves)).collect();
            entries.into_iter().collect::<Option<_>>().map(Tree::Map)
        }
    }
}

fn entry(key: &str, walk: &Walk<'_>, leaves: &Cell<usize>) -> Option<(String, Tree)> {
    if key.contains("{{") {
        walk.fail_hint(format!("the key `{key}` is not read as a template"), "only values are: keys stay as they are");
        return None;
    }
    Some((key.to_owned(), tree(walk, leaves)?))
}
