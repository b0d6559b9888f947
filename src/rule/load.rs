//! From rule files to a [`RuleSet`], or to every mistake in them.

use std::{collections::HashMap, rc::Rc};

use super::{RuleSet, compile};
use crate::{
    document::{self, File, Level, Lines, Node, Problems, Span, Value, Walk},
    id,
};
use compile::Lists;

mod dedup;
mod except;
mod names;
mod one;
mod then;
mod when;

pub use one::read_severity;

/// Compiles all rules of all files and reports every problem. The set is usable
/// only if no problem is an error.
pub fn load(files: &[File]) -> (RuleSet, Vec<document::Problem>) {
    let problems = Problems::default();
    let mut trees: Vec<(&File, Node)> = Vec::new();
    for file in files {
        match document::parse(file) {
            Ok(tree) => trees.push((file, tree)),
            Err(found) => problems.extend(found),
        }
    }
    // Lists first: a rule may name a list of any file.
    let mut lists = Lists::default();
    let mut list_places: HashMap<&str, (&File, Span)> = HashMap::new();
    let mut rule_walks = Vec::new();
    for (file, tree) in &trees {
        let top = Walk::new(file, tree, &problems);
        if matches!(tree.value, Value::List(_)) {
            top.fail_hint("expected a map, found a list", "put the list below the key `rules:`");
            continue;
        }
        let Some(mut fields) = top.fields() else { continue };
        if let Some(walk) = fields.optional("lists") {
            for (name, key, at) in walk.entries().unwrap_or_default() {
                let items = at.list().unwrap_or_default();
                let values = items.iter().filter_map(compile::scalar).collect();
                if let Some((first, span)) = list_places.insert(name, (file, key.span)) {
                    let text = format!("the list `{name}` stands already in {}", place(first, span));
                    walk.report(Level::Error, key.span, text, Some("give one of the two another name".into()));
                }
                lists.lists.insert(name.to_owned(), values);
            }
        }
        let lines = Rc::new(Lines::of(file));
        rule_walks.extend(fields.list("rules").into_iter().map(|walk| (walk, lines.clone())));
        fields.later("overlays", "change the rule itself");
        fields.finish();
    }
    let mut set = RuleSet { rules: Vec::with_capacity(rule_walks.len()), generation: generation(files) };
    let mut id_places: HashMap<&str, (&File, Span)> = HashMap::new();
    for (walk, lines) in &rule_walks {
        if let Some((id, span)) = one::id_of(walk) {
            if let Some((first, at)) = id_places.get(id) {
                let text = format!("the rule `{id}` stands already in {}", place(first, *at));
                walk.report(Level::Error, span, text, Some("give one of the two another id".into()));
            } else {
                id_places.insert(id, (walk.file, span));
            }
        }
        set.rules.extend(one::read(walk, &lists, lines));
    }
    (set, problems.into_vec())
}

fn place(file: &File, span: Span) -> String {
    format!("{}:{}", file.name, file.position(span.start).0)
}

fn generation(files: &[File]) -> String {
    let parts: Vec<&str> = files.iter().flat_map(|file| [file.name.as_str(), file.text.as_str()]).collect();
    hex::encode(&id::hash(&parts)[..6])
}
