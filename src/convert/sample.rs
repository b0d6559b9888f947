//! A trace that a condition holds for, made up from the condition itself.
//!
//! It looks at what must hold, not at what must not; the case is run before it is written, so a trace
//! that runs into a `not` is found out there.

use super::term::{Check, Term};
use crate::trace::Field;

/// A trace in short: fields and their values.
type Sample = Vec<(String, String)>;

/// The fields of a trace that fires, and of one that does not because its operation is another.
pub fn samples(term: &Term) -> (Sample, Sample) {
    let mut fires = Vec::new();
    if !fill(term, &mut fires) {
        return (Vec::new(), Vec::new());
    }
    if fires.is_empty() {
        // Nothing must hold but what must not: any other operation will do.
        return (vec![("operation".into(), "somethingElse".into())], Vec::new());
    }
    // A trace without an actor is the platform's own.
    let system = fires.iter().any(|(field, value)| field == "origin" && value == "system");
    if !system && !fires.iter().any(|(field, _)| field == "actor.name") {
        fires.push(("actor.name".into(), "alice".into()));
    }
    let mut silent = fires.clone();
    match silent.iter_mut().find(|(field, _)| field == "operation") {
        Some((_, operation)) => *operation = "somethingElse".into(),
        None => silent.clear(),
    }
    (fires, silent)
}

/// False if no value is known that passes.
fn fill(term: &Term, trace: &mut Vec<(String, String)>) -> bool {
    match term {
        Term::All(parts) => parts.iter().all(|part| fill(part, trace)),
        Term::Any(parts) => parts.iter().any(|part| {
            let mut branch = trace.clone();
            let good = fill(part, &mut branch);
            if good {
                *trace = branch;
            }
            good
        }),
        Term::Not(_) => true,
        Term::Services(names) => names.first().is_some_and(|name| set(trace, "service", name)),
        Term::Operations(pairs) => pairs
            .first()
            .is_some_and(|(service, operation)| set(trace, "service", service) && set(trace, "operation", operation)),
        Term::Test(test) => match (&test.check, &test.example, &test.field) {
            (Check::Exists(false), ..) => true,
            (_, Some(kind), Field::ActorKind) => actor(kind, trace),
            (_, Some(value), field) => set(trace, &field.name(), value),
            (_, None, _) => false,
        },
    }
}

/// The kind of an actor is derived; these are the fields it is read from.
fn actor(kind: &str, trace: &mut Vec<(String, String)>) -> bool {
    match kind {
        "account_owner" => set(trace, "actor.name", "acme") && set(trace, "actor.domain", "acme"),
        "user" => set(trace, "actor.name", "alice") && set(trace, "actor.domain", "acme"),
        "system" => set(trace, "origin", "system"),
        _ => false,
    }
}

/// False if the field holds another value already.
fn set(trace: &mut Vec<(String, String)>, field: &str, value: &str) -> bool {
    match trace.iter().find(|(known, _)| known == field) {
        Some((_, held)) => held == value,
        None => {
            trace.push((field.to_owned(), value.to_owned()));
            true
        }
    }
}
