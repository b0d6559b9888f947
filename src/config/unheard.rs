//! Rules that nobody hears, and topics and subscriptions that have nothing to say.

use std::collections::BTreeMap;

use crate::{
    alert::Severity,
    document::{self, Code, File, Level, Node, Problem, Span, Value, walk::either},
    rule::{Mode, Rule, RuleSet},
    topic::{self, Subscription, Topics},
};

/// The findings of this file, and what each is about.
pub const CODES: &[(&str, &str)] = &[
    ("no-rule", "a configuration without a rule: nothing can ring"),
    ("unknown-topic", "a rule that publishes to a topic which is not configured"),
    ("unheard-rule", "a rule whose severity no subscription of its topics takes"),
    ("idle-topic", "a topic that no rule publishes to"),
    ("idle-subscription", "a subscription whose filter lets nothing of its topic through"),
];

/// Warnings about who hears what.
pub fn look(rules: &RuleSet, topics: &Topics, config: &File, files: &[File]) -> Vec<Problem> {
    let live: Vec<&Rule> = rules.rules.iter().filter(|rule| rule.mode == Mode::Live).collect();
    let mut problems = unheard(&live, topics, files);
    if !live.is_empty()
        && let Ok(tree) = document::parse(config)
    {
        problems.extend(idle(&live, topics, config, &tree));
    }
    problems
}

/// What a rule's alerts may be.
fn severities(rule: &Rule) -> Vec<Severity> {
    [rule.severity].into_iter().chain(rule.then.iter().map(|then| then.severity)).collect()
}

/// Rules that nobody would hear; one warning for all that share a topic which is not there.
fn unheard(rules: &[&Rule], topics: &Topics, files: &[File]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut homeless: BTreeMap<&[String], Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        let heard = |severity: &Severity| !topics.may_hear(&rule.topics, &rule.id, *severity).is_empty();
        if severities(rule).iter().any(heard) {
            continue;
        }
        if rule.topics.iter().all(|topic| !topics.topics.contains_key(topic)) {
            homeless.entry(&rule.topics).or_default().push(rule);
            continue;
        }
        let (severity, names) = (rule.severity, names(&rule.topics));
        let by_rule = rule.topics.iter().filter_map(|topic| topics.topics.get(topic)).flatten();
        let what = if by_rule.clone().any(|subscription| subscription.filter.rule.is_some()) {
            format!("rule `{}` at severity `{severity}`", rule.id)
        } else {
            format!("severity `{severity}`")
        };
        let text = format!("no subscription of {names} takes {what}, so this rule cannot ring");
        let hint = "add a subscription to the topic, or publish to another one";
        problems.extend(at_rule("unheard-rule", rule, "severity", text, hint.to_owned(), files));
    }
    for (missing, rules) in homeless {
        let who = match rules.len() {
            1 => "this rule".to_owned(),
            2 => "this rule and one more".to_owned(),
            many => format!("this rule and {} more", many - 1),
        };
        let text = format!("there is no topic {}, so {who} cannot ring", names(missing));
        let near =
            missing.first().and_then(|name| document::did_you_mean(name, topics.topics.keys().map(String::as_str)));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "add it below `topics`, or publish to another one".to_owned(),
        };
        problems.extend(at_rule("unknown-topic", rules[0], "topics", text, hint, files));
    }
    problems
}

/// Topics and subscriptions that get nothing but notices.
fn idle(rules: &[&Rule], topics: &Topics, config: &File, tree: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(Value::Map(entries)) = tree.get("topics").map(|node| &node.value) else { return problems };
    let warning = |code, span, path: String, text: String, hint: &str| Problem {
        level: Level::Warning,
        code: Code(code),
        file: config.name.clone(),
        span,
        path,
        text,
        hint: Some(hint.to_owned()),
        ..Problem::default()
    };
    for (key, node) in entries {
        let Value::Text(name) = &key.value else { continue };
        if topics.notices.as_ref() == Some(name) {
            continue;
        }
        let publishing: Vec<&&Rule> = rules.iter().filter(|rule| rule.topics.contains(name)).collect();
        if publishing.is_empty() {
            // It stands there for rules to come.
            if name != topic::DEFAULT {
                let text = format!("no rule publishes to `{name}`");
                let hint = format!("name it in a rule, `topics: [{name}]`, or remove it");
                problems.push(warning("idle-topic", key.span, format!("topics.{name}"), text, &hint));
            }
            continue;
        }
        let Value::List(items) = &node.value else { continue };
        let subscriptions = topics.topics.get(name).into_iter().flatten();
        let takes = |subscription: &Subscription| {
            let taken = |rule: &&&Rule| {
                severities(rule).iter().any(|severity| subscription.filter.may_accept(&rule.id, *severity))
            };
            publishing.iter().any(taken)
        };
        // If nobody takes anything, the rules say so.
        if !subscriptions.clone().any(takes) {
            continue;
        }
        for (index, (item, subscription)) in items.iter().zip(subscriptions).enumerate() {
            let Some(filter) = item.get("filter").filter(|_| !takes(subscription)) else { continue };
            let mut found: Vec<Severity> = publishing.iter().flat_map(|rule| severities(rule)).collect();
            found.sort();
            found.dedup();
            let words: Vec<&str> = found.iter().map(|severity| severity.as_str()).collect();
            let text = format!("this filter lets nothing through: rules publish {} to `{name}`", words.join(", "));
            let path = format!("topics.{name}[{index}].filter");
            problems.push(warning(
                "idle-subscription",
                filter.head(),
                path,
                text,
                "widen the filter, or remove the subscription",
            ));
        }
    }
    problems
}

fn names(topics: &[String]) -> String {
    either(&topics.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A warning at a key's value in a rule, or at its id.
fn at_rule(code: &'static str, rule: &Rule, key: &str, text: String, hint: String, files: &[File]) -> Option<Problem> {
    let name = rule.place.rsplit_once(':').map_or(rule.place.as_str(), |(name, _)| name);
    let file = files.iter().find(|file| file.name == name)?;
    Some(Problem {
        level: Level::Warning,
        code: Code(code),
        file: file.name.clone(),
        span: place(file, &rule.id, key).unwrap_or_default(),
        path: rule.id.clone(),
        text,
        hint: Some(hint),
        ..Problem::default()
    })
}

fn place(file: &File, id: &str, key: &str) -> Option<Span> {
    let tree = document::parse(file).ok()?;
    let Value::List(rules) = &tree.get("rules")?.value else { return None };
    let own = rules.iter().find(|rule| rule.get("id").is_some_and(|node| node.value == Value::Text(id.into())))?;
    Some(own.get(key).or_else(|| own.get("id"))?.head())
}
