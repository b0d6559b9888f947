//! Under which slot a trace is remembered. Looked up before memory is loaded, so it
//! depends on nothing but the rule and the trace.

use std::borrow::Cow;

use super::Slot;
use crate::{
    rule::{Part, Rule, When},
    trace::{Field, Trace},
};

/// The slot of the rule's `when`; `None` if it has none, or if the trace lacks a value
/// that it would be filed under: what is missing is never new and never the same.
pub fn of_when(rule: &Rule, part: Part, trace: &Trace) -> Option<Slot> {
    let key = match (rule.when.as_ref()?, part) {
        (_, Part::Then) => return None,
        (When::Count { by, .. } | When::Absent { by, .. }, _) => text(by, trace),
        (When::Distinct { of, by, .. }, _) => {
            word(of, trace)?;
            text(by, trace)
        }
        (When::FirstSeen { of, .. }, _) => word(of, trace)?,
        (When::Sequence { same, .. }, _) => whole(same, trace)?,
    };
    Some(Slot { rule: rule.id.clone(), key })
}

/// The values in one text. A missing one reads `null`: a group of its own.
fn text(fields: &[Field], trace: &Trace) -> String {
    join(&fields.iter().map(|field| trace.get(field)).collect::<Vec<_>>())
}

/// The values in one text, `None` if one is missing.
pub fn whole(fields: &[Field], trace: &Trace) -> Option<String> {
    let values: Option<Vec<Cow<'_, str>>> = fields.iter().map(|field| trace.get(field)).collect();
    values.map(|values| join(&values))
}

/// The values of `of` in one text, alike where conditions find them alike; `None` if one is missing.
pub fn word(of: &[Field], trace: &Trace) -> Option<String> {
    let value = |field: &Field| {
        let value = trace.get(field)?;
        Some(if field.ignores_case() { value.to_lowercase() } else { value.into_owned() })
    };
    let values: Option<Vec<String>> = of.iter().map(value).collect();
    values.map(|values| join(&values))
}

/// As JSON, in which values cannot run into each other.
pub fn join<T: serde::Serialize>(values: &[T]) -> String {
    serde_json::to_string(values).expect("a list of texts is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn values_do_not_run_into_each_other() {
        let trace = |name: &str, ip: Option<&str>| {
            let mut trace = Trace::blank("t", Timestamp::UNIX_EPOCH);
            trace.actor.name = Some(name.to_owned());
            trace.source_ip = ip.map(str::to_owned);
            trace
        };
        let by = [Field::ActorName, Field::SourceIp];
        let texts: Vec<String> = [
            trace("a\",\"b", Some("c")),
            trace("a", Some("b\",\"c")),
            trace("a", Some("null")),
            trace("a", None),
            trace("A", None),
        ]
        .iter()
        .map(|trace| text(&by, trace))
        .collect();
        for (at, one) in texts.iter().enumerate() {
            assert!(!texts[at + 1..].contains(one), "{one} twice");
        }
        assert_eq!(word(&by, &trace("Alice", Some("::A"))), word(&by, &trace("alice", Some("::A"))));
        assert_eq!(word(&by, &trace("a", None)), None);
        assert_eq!(whole(&[], &trace("a", None)).as_deref(), Some("[]"));
    }
}
