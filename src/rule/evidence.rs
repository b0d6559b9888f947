//! What made a condition hold, and everything that keeps it from holding.
//!
//! For people who ask why a rule fired or stayed silent; evaluation itself never comes here.

use std::collections::BTreeSet;

use super::{Condition, Miss};
use crate::trace::{Field, Trace};

/// One condition that holds, and the value that makes it hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Evidence {
    pub field: String,
    pub expected: String,
    /// What the trace holds, `None` if nothing: some conditions want just that.
    pub found: Option<String>,
}

impl Condition {
    /// Every condition that makes the whole hold, in file order. Of an `any` those
    /// alternatives that hold; of a `not` what it looked at. Empty if the whole does not hold.
    pub fn evidence(&self, trace: &Trace) -> Vec<Evidence> {
        if !self.holds(trace) {
            return Vec::new();
        }
        match self {
            Self::All(all) | Self::Any(all) => all.iter().flat_map(|part| part.evidence(trace)).collect(),
            Self::Not(inner) => {
                let mut fields = BTreeSet::new();
                inner.fields(&mut fields);
                let seen = |field: Field| Evidence {
                    field: field.name(),
                    expected: "unlike the `not` group".to_owned(),
                    found: trace.get(&field).map(|found| found.into_owned()),
                };
                fields.into_iter().map(seen).collect()
            }
            Self::Field(field, check) => vec![Evidence {
                field: field.name(),
                expected: check.to_string(),
                found: trace.get(field).map(|found| found.into_owned()),
            }],
        }
    }

    /// Every condition that has to change before the whole holds; the fewest, where an `any`
    /// leaves a choice. Empty if it holds.
    pub fn shortfall(&self, trace: &Trace) -> Vec<Miss> {
        match self {
            _ if self.holds(trace) => Vec::new(),
            Self::All(all) => all.iter().flat_map(|part| part.shortfall(trace)).collect(),
            Self::Any(any) if !any.is_empty() => {
                let ways = any.iter().map(|way| way.shortfall(trace));
                ways.min_by_key(Vec::len).unwrap_or_default()
            }
            _ => self.explain(trace).into_iter().collect(),
        }
    }

    fn fields(&self, into: &mut BTreeSet<Field>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.fields(into)),
            Self::Not(inner) => inner.fields(into),
            Self::Field(field, _) => {
                into.insert(field.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        document::{File, Level},
        rule,
    };

    /// One line for each piece of evidence, or for each miss.
    #[track_caller]
    fn check(conditions: &str, change: impl FnOnce(&mut Trace), expected: &[&str]) {
        let text = format!("rules: [ {{ id: one, title: One, severity: high, match: {conditions} }} ]\n");
        let (set, problems) = rule::load(&[File { name: "one.yaml".to_owned(), text }]);
        assert!(problems.iter().all(|found| found.level == Level::Warning), "{problems:?}");
        let mut trace = Trace::blank("t", Timestamp::UNIX_EPOCH);
        trace.service = "KMS".to_owned();
        trace.operation = "disableKey".to_owned();
        change(&mut trace);
        let condition = &set.rules[0].condition;
        let told: Vec<String> = match condition.holds(&trace) {
            true => condition
                .evidence(&trace)
                .into_iter()
                .map(|seen| format!("{} {} {}", seen.field, seen.expected, seen.found.unwrap_or("nothing".into())))
                .collect(),
            false => condition.shortfall(&trace).iter().map(ToString::to_string).collect(),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn what_holds_is_told_with_its_value() {
        check(
            "{ service: KMS, operation: [disableKey, scheduleKeyDeletion] }",
            |_| {},
            &["service `KMS` KMS", "operation `disableKey` or `scheduleKeyDeletion` disableKey"],
        );
        check(
            "{ any: [ { service: ECS }, { service: KMS } ], not: { actor.name: bot } }",
            |_| {},
            &["service `KMS` KMS", "actor.name unlike the `not` group nothing"],
        );
    }

    #[test]
    fn everything_that_fails_is_told_once() {
        check(
            "{ service: ECS, operation: disableKey, actor.name: bot }",
            |_| {},
            &["`service`: expected `ECS`, found `KMS`", "`actor.name`: expected `bot`, found nothing"],
        );
        check(
            "{ any: [ { service: ECS, actor.name: bot }, { service: OBS } ] }",
            |_| {},
            &["`service`: expected `OBS`, found `KMS`"],
        );
    }
}
