//! `filter`: severities, and the condition language of rules for everything else.

use crate::{
    alert::Severity,
    document::{Level, Value, Walk, did_you_mean},
    rule::{Condition, check::Check, read_check},
    topic::filter::{Filter, WORD},
    trace::{Field, field::NAMES},
};

/// Words that filters know beside the fields of a trace.
const OWN: [&str; 5] = ["severity", "source", "rule", "actor", "project"];

pub fn read(walk: &Walk<'_>) -> Option<Filter> {
    let entries = walk.entries()?;
    if entries.is_empty() {
        walk.fail_hint("a filter without a condition", "leave the filter out to take everything");
        return None;
    }
    let (mut filter, mut conditions) = (Filter::default(), Vec::new());
    for (name, key, at) in entries {
        let on = |field: Field| Some(Condition::Field(field.clone(), read_check(&at, &field)?));
        match name {
            "severity" => filter.severities = severities(&at),
            "source" => filter.source = read_check(&at, &WORD),
            "rule" => filter.rule = read_check(&at, &WORD),
            "actor" => conditions.extend(on(Field::ActorName)),
            "project" => conditions.extend(project(&at)),
            _ => match Field::parse(name) {
                Some(field) => conditions.extend(on(field)),
                None => {
                    let known = OWN.into_iter().chain(NAMES.iter().map(|(name, _)| *name));
                    let hint = match did_you_mean(name, known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("a filter looks at {} and any field of a trace", OWN.join(", ")),
                    };
                    at.report(Level::Error, key.span, format!("`{name}` is nothing to filter by"), Some(hint));
                }
            },
        }
    }
    filter.trace = match conditions.len() {
        0 | 1 => conditions.pop(),
        _ => Some(Condition::All(conditions)),
    };
    Some(filter)
}

/// By its name or its id; `not` means neither.
fn project(walk: &Walk<'_>) -> Option<Condition> {
    let check = read_check(walk, &Field::ProjectName)?;
    let not = matches!(check, Check::Not(_));
    let both = vec![Condition::Field(Field::ProjectName, check.clone()), Condition::Field(Field::ProjectId, check)];
    Some(if not { Condition::All(both) } else { Condition::Any(both) })
}

/// `high`, `[info, low]`, `{ at_least: high }` or `{ not: [info] }`.
fn severities(walk: &Walk<'_>) -> Option<Vec<Severity>> {
    let Value::Map(_) = walk.node.value else { return listed(walk) };
    let mut fields = walk.fields()?;
    let (least, not) = (fields.optional("at_least"), fields.optional("not"));
    fields.finish();
    match (least, not) {
        (Some(least), None) => {
            let least = severity(&least)?;
            Some(Severity::ALL.into_iter().filter(|severity| *severity >= least).collect())
        }
        (None, Some(not)) => {
            let not = listed(&not)?;
            Some(Severity::ALL.into_iter().filter(|severity| !not.contains(severity)).collect())
        }
        _ => {
            walk.fail("expected exactly one of `at_least` and `not`");
            None
        }
    }
}

fn listed(walk: &Walk<'_>) -> Option<Vec<Severity>> {
    match &walk.node.value {
        Value::List(items) if items.is_empty() => {
            walk.fail_hint("an empty list takes nothing", "leave the filter out to take everything");
            None
        }
        Value::List(_) => walk.list()?.iter().map(severity).collect(),
        _ => severity(walk).map(|severity| vec![severity]),
    }
}

pub fn severity(walk: &Walk<'_>) -> Option<Severity> {
    walk.one_of(&Severity::ALL.map(|severity| (severity.as_str(), severity)))
}
