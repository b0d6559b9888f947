//! Rules, sources and services that inhibitions and filters name and that are not there.
//!
//! Only names as they stand are looked up, and globs of them: what another pattern describes may come to be.

use std::collections::BTreeSet;

use crate::{
    catalog,
    document::{self, Code, File, Level, Problem, Problems, Span, Value, Walk, did_you_mean, walk::either},
    rule::{RuleSet, Words},
    source,
};

/// The findings of this file, and what each is about.
pub const CODES: &[(&str, &str)] = &[
    ("unknown-rule", "an inhibition or a filter that names a rule which is not loaded"),
    ("unknown-source", "an inhibition or a filter that names a source which is not configured"),
];

/// What there is to be named.
struct Known {
    rules: BTreeSet<String>,
    sources: BTreeSet<String>,
    services: BTreeSet<String>,
}

/// Warnings about names in `config` that nothing bears; of rules none if not all of them could be read.
pub fn look(rules: Option<&RuleSet>, sources: &[source::Settings], config: &File) -> Vec<Problem> {
    let Ok(tree) = document::parse(config) else { return Vec::new() };
    let problems = Problems::default();
    let root = Walk::new(config, &tree, &problems);
    let below = |key: &str| tree.get(key).map(|node| root.child(key, node));
    let known = Known {
        rules: rules.iter().flat_map(|rules| &rules.rules).map(|rule| rule.id.clone()).collect(),
        sources: below("sources").iter().flat_map(entries).flat_map(|(name, _)| called(name, sources)).collect(),
        services: catalog::services().into_iter().map(str::to_owned).collect(),
    };
    for inhibition in below("inhibitions").iter().flat_map(items) {
        for (name, matchers) in entries(&inhibition) {
            if ["when", "mutes"].contains(&name) {
                named(&matchers, &known);
            }
        }
    }
    for (_, topic) in below("topics").iter().flat_map(entries) {
        for subscription in items(&topic) {
            if let Some(node) = subscription.node.get("filter") {
                named(&subscription.child("filter", node), &known);
            }
        }
    }
    problems.into_vec()
}

/// One that reads several projects is a source for each; one that cannot be read yet has its own name.
fn called(name: &str, sources: &[source::Settings]) -> Vec<String> {
    let of = |source: &&source::Settings| source.name.split('/').next() == Some(name);
    let found: Vec<String> = sources.iter().filter(of).map(|source| source.name.clone()).collect();
    if found.is_empty() { vec![name.to_owned()] } else { found }
}

fn named(conditions: &Walk<'_>, known: &Known) {
    for (name, at) in entries(conditions) {
        match name {
            // Without one there is nothing to compare with, and another problem.
            "rule" if !known.rules.is_empty() => values(&at, "unknown-rule", "rule", &known.rules),
            "source" if !known.sources.is_empty() => values(&at, "unknown-source", "source", &known.sources),
            "service" | "service_type" => values(&at, "unknown-service", "service", &known.services),
            _ => {}
        }
    }
}

/// A word, a list of words, or either behind `not` or `not_in`.
fn values(walk: &Walk<'_>, code: &'static str, what: &str, known: &BTreeSet<String>) {
    match &walk.node.value {
        Value::Text(word) => value(walk, word, walk.node.span, code, what, known),
        Value::List(_) => items(walk).iter().for_each(|item| values(item, code, what, known)),
        Value::Map(_) => {
            for (name, at) in entries(walk) {
                if ["not", "not_in"].contains(&name) {
                    values(&at, code, what, known);
                }
            }
        }
        _ => {}
    }
}

fn value(walk: &Walk<'_>, word: &str, span: Span, code: &'static str, what: &str, known: &BTreeSet<String>) {
    // Names of rules and sources are compared as they are.
    let ignores_case = what == "service";
    let words = Words::new([word], ignores_case);
    if word.starts_with('$') || known.iter().any(|name| words.hold(name)) {
        return;
    }
    let text = match word.contains('*') {
        true => format!("no {what} is named as `{word}` says"),
        false => format!("there is no {what} `{word}`"),
    };
    let hint = match did_you_mean(word, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if what == "rule" => "name the `id` of a rule in the files below `rules`".to_owned(),
        None if what == "source" => {
            format!("there is {}", either(&known.iter().map(String::as_str).collect::<Vec<_>>()))
        }
        None => "if the cloud records it all the same, say so on this line: `# allow: unknown-service`".to_owned(),
    };
    walk.report_as(Code(code), Level::Warning, span, text, Some(hint));
}

fn entries<'a>(walk: &Walk<'a>) -> Vec<(&'a str, Walk<'a>)> {
    let Value::Map(_) = walk.node.value else { return Vec::new() };
    walk.entries().unwrap_or_default().into_iter().map(|(name, _, at)| (name, at)).collect()
}

fn items<'a>(walk: &Walk<'a>) -> Vec<Walk<'a>> {
    let Value::List(_) = walk.node.value else { return Vec::new() };
    walk.list().unwrap_or_default()
}
