//! From the YAML of a `match` to a [`Condition`], reporting everything wrong with it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;

use super::{
    Condition,
    check::{Bound, Check, Order, rank},
    pattern, template,
    words::{Words, fold_case},
};
use crate::{
    document::{Level, Span, Value, Walk, did_you_mean},
    trace::Field,
};

const OPERATORS: [&str; 15] = [
    "not", "not_in", "prefix", "suffix", "contains", "regex", "cidr", "not_cidr", "gt", "gte", "lt", "lte", "at_least",
    "exists", "same_as",
];

/// What other rule languages call the operators.
const ELSEWHERE: &[(&str, &str)] = &[
    ("startswith", "prefix"),
    ("starts_with", "prefix"),
    ("begins_with", "prefix"),
    ("endswith", "suffix"),
    ("ends_with", "suffix"),
    ("substring", "contains"),
    ("re", "regex"),
    ("match", "regex"),
    ("matches", "regex"),
    ("ne", "not"),
    ("neq", "not"),
    ("not_equals", "not"),
    ("ge", "gte"),
    ("le", "lte"),
    ("min", "gte"),
    ("max", "lte"),
    ("subnet", "cidr"),
    ("fieldref", "same_as"),
];

/// The named lists of all files, each read once however many rules name it.
#[derive(Debug, Default)]
pub struct Lists {
    pub lists: BTreeMap<String, Vec<String>>,
    read: RefCell<HashMap<(String, bool), Arc<Words>>>,
}

impl Lists {
    fn words(&self, name: &str, fold: bool) -> Option<Arc<Words>> {
        let list = self.lists.get(name)?;
        let mut read = self.read.borrow_mut();
        let words = read.entry((name.to_owned(), fold));
        Some(words.or_insert_with(|| Arc::new(Words::new(list.iter().map(String::as_str), fold))).clone())
    }
}

/// A map whose keys are all required. `None` after a report.
pub fn group(walk: &Walk<'_>, lists: &Lists) -> Option<Condition> {
    if let Value::List(_) = walk.node.value {
        walk.fail_hint("expected a map of conditions, found a list", "for alternatives write `any: [{...}, {...}]`");
        return None;
    }
    let entries = walk.entries()?;
    if entries.is_empty() {
        walk.fail_hint("a group without a condition", "to match every trace, write `rating: \"*\"`");
        return None;
    }
    let mut conditions = Vec::with_capacity(entries.len());
    let mut whole = true;
    for (name, key, at) in entries {
        let condition = match name {
            "any" => members(&at, lists).map(Condition::Any),
            "all" => members(&at, lists).map(Condition::All),
            "not" => group(&at, lists).map(|inner| Condition::Not(Box::new(inner))),
            _ => {
                match Field::parse(name) {
                    Some(field) => check(&at, &field, lists).map(|check| Condition::Field(field, check)),
                    None => {
                        let hint = match (name, template::nearest_field(name)) {
                        ("severity", _) => {
                            "severity is set by a rule; the cloud's own level is `rating`: normal, warning or incident".into()
                        }
                        (_, Some(near)) => format!("did you mean `{near}`?"),
                        _ if OPERATORS.contains(&name) => format!("an operator stands below a field: `operation: {{ {name}: ... }}`"),
                        _ => "fields are listed in docs/rules.md; bodies are reached by `request.*` and `response.*`".into(),
                    };
                        let text = format!("`{name}` is not a field of a trace");
                        walk.report(Level::Error, key.span, text, Some(hint));
                        None
                    }
                }
            }
        };
        match condition {
            Some(condition) => conditions.push(condition),
            None => whole = false,
        }
    }
    whole.then(|| if conditions.len() == 1 { conditions.remove(0) } else { Condition::All(conditions) })
}

/// What one field must be, for those who are no rules: no list has a name there.
pub fn read_check(walk: &Walk<'_>, field: &Field) -> Option<Check> {
    check(walk, field, &Lists::default())
}

fn members(walk: &Walk<'_>, lists: &Lists) -> Option<Vec<Condition>> {
    let members = walk.list()?;
    if members.is_empty() {
        walk.fail("an empty group");
        return None;
    }
    let read: Vec<Option<Condition>> = members.iter().map(|member| group(member, lists)).collect();
    read.into_iter().collect()
}

fn check(walk: &Walk<'_>, field: &Field, lists: &Lists) -> Option<Check> {
    if !matches!(walk.node.value, Value::Map(_)) {
        return words(walk, field, lists).map(Check::Is);
    }
    let entries = walk.entries()?;
    let [(name, key, value)] = entries.as_slice() else {
        let text = format!("expected one operator, found {}", entries.len());
        walk.fail_hint(text, "join several with `all: [{...}, {...}]`");
        return None;
    };
    operator(walk, name, key.span, value, field, lists)
}

fn operator(walk: &Walk<'_>, name: &str, key: Span, value: &Walk<'_>, field: &Field, lists: &Lists) -> Option<Check> {
    let not = |check| Check::Not(Box::new(check));
    let folded = |value: &Walk<'_>| {
        let texts = texts(value, lists)?;
        Some(
            texts
                .into_iter()
                .map(|text| if field.ignores_case() { fold_case(&text).into_owned() } else { text })
                .collect(),
        )
    };
    match name {
        "not" => check(value, field, lists).map(not),
        "not_in" => words(value, field, lists).map(|words| not(Check::Is(words))),
        "prefix" => folded(value).map(Check::Prefix),
        "suffix" => folded(value).map(Check::Suffix),
        "contains" => folded(value).map(Check::Contains),
        "regex" => each(value, |at| pattern::read(at, field.ignores_case())).map(Check::Regex),
        "cidr" => networks(value, lists).map(Check::Cidr),
        "not_cidr" => networks(value, lists).map(|networks| not(Check::Cidr(networks))),
        "gt" => bound(value, field).map(|bound| Check::Compare(Order::Gt, bound)),
        "gte" => bound(value, field).map(|bound| Check::Compare(Order::Gte, bound)),
        "lt" => bound(value, field).map(|bound| Check::Compare(Order::Lt, bound)),
        "lte" => bound(value, field).map(|bound| Check::Compare(Order::Lte, bound)),
        "at_least" => at_least(value, field),
        "exists" => value.bool().map(Check::Exists),
        "same_as" => {
            let name = value.words()?;
            let other = Field::parse(name);
            if other.is_none() {
                let hint = template::nearest_field(name).map(|near| format!("did you mean `{near}`?"));
                value.report(Level::Error, value.node.span, format!("`{name}` is not a field of a trace"), hint);
            }
            other.map(Check::SameAs)
        }
        _ => {
            let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name);
            let hint = match (elsewhere, did_you_mean(name, OPERATORS)) {
                (Some((_, own)), _) => format!("it is called `{own}` here"),
                _ if ["in", "eq", "equals", "any_of", "is"].contains(&name) => {
                    format!("a value or a list needs no operator: `{}: [a, b]`", field.name())
                }
                (None, Some(near)) => format!("did you mean `{near}`?"),
                _ => format!("operators: {}", OPERATORS.join(", ")),
            };
            walk.report(Level::Error, key, format!("unknown operator `{name}`"), Some(hint));
            None
        }
    }
}

/// A scalar or a list of scalars, each read by `read`.
fn each<'a, T>(walk: &Walk<'a>, mut read: impl FnMut(&Walk<'a>) -> Option<T>) -> Option<Vec<T>> {
    let Value::List(_) = walk.node.value else {
        return read(walk).map(|one| vec![one]);
    };
    let items = walk.list()?;
    if items.is_empty() {
        walk.fail("an empty list matches nothing");
        return None;
    }
    let read: Vec<Option<T>> = items.iter().map(&mut read).collect();
    read.into_iter().collect()
}

/// The text of a scalar as it stands in the file, so that `200`, `007` and `1e5` stay what they are.
pub fn scalar(walk: &Walk<'_>) -> Option<String> {
    match &walk.node.value {
        Value::Text(text) if text.is_empty() => {
            walk.fail_hint("an empty text matches nothing", "for a field that is missing write `{ exists: false }`");
            None
        }
        Value::Text(text) => Some(text.clone()),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => Some(walk.source().to_owned()),
        Value::Null => {
            walk.fail_hint("expected a value, found nothing", "for a field that is missing write `{ exists: false }`");
            None
        }
        other => {
            walk.fail(format!("expected a value, found {}", other.kind()));
            None
        }
    }
}

fn list<'l>(walk: &Walk<'_>, name: &str, lists: &'l Lists) -> Option<&'l Vec<String>> {
    let found = lists.lists.get(name);
    if found.is_none() {
        let near = did_you_mean(name, lists.lists.keys().map(String::as_str));
        let hint = near.map_or_else(|| "name it under `lists:`".into(), |near| format!("did you mean `${near}`?"));
        walk.fail_hint(format!("no list `{name}`"), hint);
    }
    found
}

/// Texts with named lists written out.
fn texts(walk: &Walk<'_>, lists: &Lists) -> Option<Vec<String>> {
    let read = each(walk, |at| {
        let text = scalar(at)?;
        match text.strip_prefix('$') {
            Some(name) => list(at, name, lists).cloned(),
            None => Some(vec![text]),
        }
    })?;
    Some(read.concat())
}

/// Words and named lists, the latter shared between rules.
fn words(walk: &Walk<'_>, field: &Field, lists: &Lists) -> Option<Vec<Arc<Words>>> {
    let fold = field.ignores_case();
    let mut shared = Vec::new();
    let own = each(walk, |at| {
        let text = scalar(at)?;
        if let Some(name) = text.strip_prefix('$') {
            list(at, name, lists)?;
            shared.extend(lists.words(name, fold));
            return Some(None);
        }
        expected_word(at, field, &text)?;
        Some(Some(text))
    })?;
    let own: Vec<String> = own.into_iter().flatten().collect();
    if !own.is_empty() {
        shared.insert(0, Arc::new(Words::new(own.iter().map(String::as_str), fold)));
    }
    Some(shared)
}

/// Fields with a closed set of words: another one would never match.
fn expected_word(walk: &Walk<'_>, field: &Field, word: &str) -> Option<()> {
    let known: &[&str] = match field {
        Field::Outcome => &["succeeded", "failed", "incident", "unknown"],
        Field::Origin => &["console", "api", "system", "other"],
        Field::ActorKind => &["account_owner", "user", "agency", "federated", "system"],
        _ => return Some(()),
    };
    let lower = fold_case(word);
    if word.contains('*') || known.contains(&lower.as_ref()) {
        return Some(());
    }
    let hint = match did_you_mean(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it is one of {}", known.join(", ")),
    };
    walk.fail_hint(format!("`{}` is never `{word}`", field.name()), hint);
    None
}

fn networks(walk: &Walk<'_>, lists: &Lists) -> Option<Vec<IpNet>> {
    let read = each(walk, |at| {
        let text = scalar(at)?;
        let texts = match text.strip_prefix('$') {
            Some(name) => list(at, name, lists)?.clone(),
            None => vec![text],
        };
        let networks: Vec<Option<IpNet>> = texts.iter().map(|text| network(at, text)).collect();
        networks.into_iter().collect::<Option<Vec<_>>>()
    })?;
    Some(read.concat())
}

/// A network, or an address as the network of one.
fn network(walk: &Walk<'_>, text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address).map(|network| network.trunc());
    if network.is_none() {
        let hint = "write `192.0.2.0/24`, `2001:db8::/32` or one address, without a zone";
        walk.fail_hint(format!("`{text}` is not a network"), hint);
    }
    network
}

fn bound(walk: &Walk<'_>, field: &Field) -> Option<Bound> {
    let text = scalar(walk)?;
    if matches!(field, Field::Time | Field::RecordTime) {
        return text.parse().ok().map(Bound::Time).or_else(|| {
            walk.fail_hint(format!("`{text}` is not a time"), "write it like `2026-01-31T08:00:00Z`");
            None
        });
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Some(Bound::Number(number)),
        _ => {
            walk.fail_hint(format!("`{text}` is not a number"), "`gt`, `gte`, `lt` and `lte` compare numbers");
            None
        }
    }
}

fn at_least(walk: &Walk<'_>, field: &Field) -> Option<Check> {
    if *field != Field::Rating {
        walk.fail_hint(format!("`at_least` compares ratings, not `{}`", field.name()), "for numbers write `gte`");
        return None;
    }
    let word = walk.words()?;
    let Some(least) = rank(word) else {
        let hint = did_you_mean(word, ["normal", "warning", "incident"]).map(|near| format!("did you mean `{near}`?"));
        let text = format!("expected `normal`, `warning` or `incident`, found `{word}`");
        walk.report(Level::Error, walk.node.span, text, hint);
        return None;
    };
    Some(Check::AtLeast(least, fold_case(word).into_owned()))
}
