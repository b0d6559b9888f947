//! Rules that ring for the same traces, as loudly, in the same place.

use std::collections::HashMap;

use super::{Finding, demand::Demand, group::Group};
use crate::{
    document::{Node, Value, Walk},
    topic,
    trace::Field,
};

/// Comparisons beyond this many are not worth a wait: about ten thousand rules of one service.
const COMPARISON_LIMIT: usize = 2_000_000;

struct Seen<'a> {
    at: &'a Walk<'a>,
    id: &'a str,
    severity: &'a str,
    topics: Vec<&'a str>,
    group: Group<'a>,
    /// Rings for each match, with no window and no exception.
    simple: bool,
}

/// `overlays` say of some rules how loudly and where they ring.
pub fn look(rules: &[Walk<'_>], overlays: &[Walk<'_>]) {
    let seen: Vec<Seen<'_>> = rules.iter().filter_map(|rule| Seen::of(rule, overlays)).collect();
    let mut first: HashMap<String, &Seen<'_>> = HashMap::new();
    let mut twins: Vec<&str> = Vec::new();
    for rule in &seen {
        let text = format!("{}|{}", said(rule.at.node.get("match")), said(rule.at.node.get("when")));
        if let Some(other) = first.get(&text).filter(|other| other.shares_a_topic(rule)) {
            duplicate(rule, other);
            twins.push(rule.id);
        } else {
            first.entry(text).or_insert(rule);
        }
    }
    let rest: Vec<&Seen<'_>> = seen.iter().filter(|rule| rule.simple && !twins.contains(&rule.id)).collect();
    shadowed(&rest);
}

impl<'a> Seen<'a> {
    /// `None` if it does not ring.
    fn of(at: &'a Walk<'a>, overlays: &'a [Walk<'a>]) -> Option<Self> {
        let id = at.node.get("id")?;
        let is_own = |node: &&Node| node.get("id").is_some_and(|other| other.value == id.value);
        let own: Vec<&Node> = overlays.iter().map(|overlay| overlay.node).filter(is_own).collect();
        let node = |key: &str| own.iter().find_map(|overlay| overlay.get(key)).or_else(|| at.node.get(key));
        let text = |key: &str| node(key).and_then(word);
        if !matches!(text("mode"), None | Some("live")) {
            return None;
        }
        let topics = match node("topics").map(|node| &node.value) {
            Some(Value::List(items)) => items.iter().filter_map(word).collect(),
            Some(Value::Text(topic)) => vec![topic.as_str()],
            _ => vec![topic::DEFAULT],
        };
        let group = Group::read(&at.child("match", at.node.get("match")?));
        let simple = ["when", "then", "except"].iter().all(|key| node(key).is_none()) && group.is_plain();
        Some(Self { at, id: text("id")?, severity: text("severity")?, topics, group, simple })
    }

    fn shares_a_topic(&self, other: &Self) -> bool {
        self.topics.iter().any(|topic| other.topics.contains(topic))
    }

    fn place(&self) -> String {
        format!("{}:{}", self.at.file.name, self.at.file.position(self.at.node.head().start).0)
    }
}

fn duplicate(rule: &Seen<'_>, other: &Seen<'_>) {
    let Some(id) = rule.at.node.get("id") else { return };
    let severity = if rule.severity == other.severity { "" } else { ", with another severity" };
    let text = format!(
        "this rule takes the same traces as `{}` ({}){severity}: recipients get two alerts",
        other.id,
        other.place()
    );
    Finding::new("duplicate-rule", text)
        .at(rule.at, id.span)
        .hint("remove one of the two, or give it another topic")
        .warn();
}

/// Rules whose conditions say all that another one says, and more.
fn shadowed(rules: &[&Seen<'_>]) {
    // Who could be the wider one: filed under an operation or service it asks for, or under nothing.
    let mut wider: HashMap<Option<String>, Vec<&Seen<'_>>> = HashMap::new();
    for rule in rules {
        for name in pivots(&rule.group) {
            wider.entry(name).or_default().push(rule);
        }
    }
    let mut left = COMPARISON_LIMIT;
    for rule in rules {
        let demands = rule.group.demands();
        let mut names: Vec<Option<String>> = vec![None];
        names.extend(
            [Field::Operation, Field::Service].iter().filter_map(|field| first_word(&demands, field)).map(Some),
        );
        let candidates = names.iter().filter_map(|name| wider.get(name)).flatten();
        for other in candidates {
            left = left.saturating_sub(1);
            if left == 0 {
                return;
            }
            let same = other.id == rule.id || other.severity != rule.severity || !other.shares_a_topic(rule);
            if same
                || !other.group.is_implied_by(&demands)
                || rule.group.is_implied_by(&other.group.demands()) && rule.id < other.id
            {
                continue;
            }
            let Some(id) = rule.at.node.get("id") else { continue };
            let text = format!(
                "whatever rings this rule rings `{}` ({}) too, with the same severity in the same topic",
                other.id,
                other.place()
            );
            let hint = format!(
                "give this rule a higher severity, take its traces out of `{}` with `except`, or remove it",
                other.id
            );
            Finding::new("shadowed-rule", text).at(rule.at, id.span).hint(hint).warn();
            break;
        }
    }
}

/// Where a rule is looked for by narrower ones: every narrower rule asks for one of its words.
fn pivots(group: &Group<'_>) -> Vec<Option<String>> {
    let demands = group.demands();
    for field in [Field::Operation, Field::Service] {
        let exact = |demand: &&&Demand<'_>| demand.field == field && exact(demand);
        if let Some(demand) = demands.iter().find(exact) {
            return demand.words.iter().map(|word| Some(word.to_lowercase())).collect();
        }
    }
    vec![None]
}

fn first_word(demands: &[&Demand<'_>], field: &Field) -> Option<String> {
    let demand = demands.iter().find(|demand| demand.field == *field && exact(demand))?;
    demand.words.first().map(|word| word.to_lowercase())
}

fn exact(demand: &Demand<'_>) -> bool {
    !demand.words.is_empty() && !demand.words.iter().any(|word| word.contains('*'))
}

fn word(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// A value in one text that does not depend on the order of its keys.
fn said(node: Option<&Node>) -> String {
    match node.map(|node| &node.value) {
        Some(Value::Map(entries)) => {
            let mut parts: Vec<String> =
                entries.iter().map(|(key, value)| format!("{}={}", said(Some(key)), said(Some(value)))).collect();
            parts.sort();
            format!("{{{}}}", parts.join(","))
        }
        Some(Value::List(items)) => {
            format!("[{}]", items.iter().map(|item| said(Some(item))).collect::<Vec<_>>().join(","))
        }
        value => format!("{value:?}"),
    }
}
