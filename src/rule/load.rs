//! From rule files to a [`RuleSet`], or to every mistake in them.

use std::{collections::BTreeMap, rc::Rc};

use super::RuleSet;
use crate::{
    document::{self, File, Lines, Node, Problem, Problems, Span, Value, Walk},
    id,
};

mod basis;
mod dedup;
mod except;
mod lists;
mod names;
mod one;
mod overlay;
mod then;
mod when;

use overlay::Overlays;

pub use one::read_severity;

/// Compiles all rules of all files and reports every problem. The set is usable
/// only if no problem is an error.
pub fn load(files: &[File]) -> (RuleSet, Vec<Problem>) {
    read(files, true)
}

/// [`load`] with overlays checked but not in force: cases judge a rule as its author wrote it.
pub fn as_written(files: &[File]) -> (RuleSet, Vec<Problem>) {
    read(files, false)
}

fn read(files: &[File], in_force: bool) -> (RuleSet, Vec<Problem>) {
    let problems = Problems::default();
    let mut trees: Vec<(&File, Node)> = Vec::new();
    for file in files {
        match document::parse(file) {
            Ok(tree) => trees.push((file, tree)),
            Err(found) => problems.extend(found),
        }
    }
    // Lists first: a rule may name a list of any file. Then overlays, of lists at once.
    let mut lists = lists::Reading::default();
    let (mut rule_walks, mut overlay_walks) = (Vec::new(), Vec::new());
    for (file, tree) in &trees {
        let top = Walk::new(file, tree, &problems);
        if matches!(tree.value, Value::List(_)) {
            top.fail_hint("expected a map, found a list", "put the list below the key `rules:`");
            continue;
        }
        let Some(mut fields) = top.fields() else { continue };
        if let Some(walk) = fields.optional("lists") {
            lists.add(&walk);
        }
        let lines = Rc::new(Lines::of(file));
        rule_walks.extend(fields.list("rules").into_iter().map(|walk| (walk, lines.clone())));
        overlay_walks.extend(fields.list("overlays").into_iter().map(|walk| (walk, lines.clone())));
        fields.finish();
    }
    let mut overlays = Overlays::new();
    for (walk, lines) in &overlay_walks {
        overlay::read(walk, lines, &mut overlays, &mut lists, in_force);
    }
    let lists = lists.lists;
    let mut rules = Vec::with_capacity(rule_walks.len());
    let mut id_places: BTreeMap<&str, (&File, Span)> = BTreeMap::new();
    for (walk, lines) in &rule_walks {
        let id = one::id_of(walk);
        if let Some((id, span)) = id {
            if let Some((first, at)) = id_places.get(id) {
                let text = format!("the rule `{id}` stands already in {}", place(first, *at));
                let hint = "give one of the two another id; to change a packaged rule, write an overlay";
                let also = (first.name == walk.file.name).then(|| (*at, "the first one".to_owned()));
                let (file, path) = (walk.file.name.clone(), id.to_owned());
                problems.push(Problem { file, span, path, text, hint: Some(hint.into()), also, ..Problem::default() });
            } else {
                id_places.insert(id, (walk.file, span));
            }
        }
        let Some(rule) = one::read(walk, &lists, lines) else { continue };
        let Some(overlay) = id.and_then(|(id, _)| overlays.get(id)) else {
            rules.push(rule);
            continue;
        };
        let changed = overlay.apply(rule.clone(), walk, &lists);
        rules.extend(if in_force { changed } else { Some(rule) });
    }
    overlay::unknown(&overlays, id_places.keys().copied());
    (RuleSet::new(rules, generation(files)), problems.into_vec())
}

fn place(file: &File, span: Span) -> String {
    format!("{}:{}", file.name, file.position(span.start).0)
}

fn generation(files: &[File]) -> String {
    let parts: Vec<&str> = files.iter().flat_map(|file| [file.name.as_str(), file.text.as_str()]).collect();
    hex::encode(&id::hash(&parts)[..6])
}
