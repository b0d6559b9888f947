//! What made a condition hold, and everything that keeps it from holding.
//!
//! For people who ask why a rule fired or stayed silent; evaluation itself never comes here.

use std::collections::BTreeSet;

use super::{Condition, Miss, Part, Rule, When, check::Check};
use crate::trace::{Field, Trace};

/// One condition that holds, and the value that makes it hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Evidence {
    pub field: String,
    pub expected: String,
    /// What the trace holds, `None` if nothing: some conditions want just that.
    pub found: Option<String>,
}

impl Rule {
    /// The fields that made this part of the rule match, each once, in the rule's order, with what the trace
    /// holds. What a condition only rules out tells nothing and is left out. Of a sequence the last step that
    /// the trace satisfies is shown. Empty if the part does not hold, as after a change of the rule.
    pub fn shown(&self, part: Part, trace: &Trace) -> Vec<(Field, String)> {
        let mut shown = Vec::new();
        match (part, &self.then) {
            (Part::Then, Some(then)) => then.condition.shown(trace, &mut shown),
            _ => self.condition.shown(trace, &mut shown),
        }
        if let (Part::Match | Part::Step(_), Some(When::Sequence { steps, .. })) = (part, &self.when)
            && let Some(step) = steps.iter().rev().find(|step| step.holds(trace))
        {
            step.shown(trace, &mut shown);
        }
        shown
    }
}

impl Condition {
    fn shown(&self, trace: &Trace, into: &mut Vec<(Field, String)>) {
        match self {
            _ if !self.holds(trace) => {}
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.shown(trace, into)),
            Self::Not(_) | Self::Field(_, Check::Not(_) | Check::Exists(false)) => {}
            Self::Field(field, _) => {
                if let Some(found) = trace.get(field)
                    && !into.iter().any(|(known, _)| known == field)
                {
                    into.push((field.clone(), found.into_owned()));
                }
            }
        }
    }

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

    /// A rule's `match` and whatever else it says; the fields it shows.
    #[track_caller]
    fn check_shown(rest: &str, part: Part, expected: &[&str]) {
        let text = format!(
            "lists: {{ keepers: [alice, bob] }}\nrules: [ {{ id: one, title: One, severity: high, {rest} }} ]\n"
        );
        let (set, problems) = rule::load(&[File { name: "one.yaml".to_owned(), text }]);
        assert!(problems.iter().all(|found| found.level == Level::Warning), "{problems:?}");
        let mut trace = Trace::blank("t", Timestamp::UNIX_EPOCH);
        (trace.service, trace.operation) = ("KMS".to_owned(), "disableKey".to_owned());
        trace.actor.name = Some("alice".to_owned());
        trace.source_ip = Some("198.51.100.7".to_owned());
        trace.request = Some(r#"{"key": {"id": "k1"}}"#.to_owned());
        let shown = set.rules[0].shown(part, &trace);
        let told: Vec<String> = shown.iter().map(|(field, value)| format!("{} {value}", field.name())).collect();
        assert_eq!(told, expected, "{rest}");
    }

    #[test]
    fn fields_that_made_it_match_are_shown_once_in_the_rules_order() {
        check_shown(
            "match: { operation: disable*, service: KMS, all: [ { source_ip: { cidr: 198.51.100.0/24 } }, { service: { prefix: K } } ] }",
            Part::Match,
            &["operation disableKey", "service KMS", "source_ip 198.51.100.7"],
        );
        check_shown(
            "match: { any: [ { service: ECS }, { request.key.id: k1 }, { service: KMS, code: '500' } ] }",
            Part::Match,
            &["request.key.id k1"],
        );
        check_shown("match: { actor.name: $keepers }", Part::Match, &["actor.name alice"]);
        check_shown("match: { service: ECS, operation: disableKey }", Part::Match, &[]);
    }

    #[test]
    fn what_is_only_ruled_out_is_not_shown() {
        check_shown(
            "match: { service: KMS, actor.name: { not: root }, source_ip: { not_cidr: 10.0.0.0/8 }, code: { exists: false }, \
             not: { operation: createKey } }",
            Part::Match,
            &["service KMS"],
        );
        check_shown(
            "match: { service: KMS, source_ip: { exists: true } }, except: [ { reason: rotation, match: { actor.name: bot } } ]",
            Part::Match,
            &["service KMS", "source_ip 198.51.100.7"],
        );
    }

    #[test]
    fn of_a_rule_in_parts_the_part_that_fired_is_shown() {
        let then =
            "match: { service: KMS }, then: { match: { operation: disableKey }, within: 1h, severity: critical }";
        check_shown(then, Part::Match, &["service KMS"]);
        check_shown(then, Part::Then, &["operation disableKey"]);
        check_shown(
            "when: { sequence: { steps: [ { service: IAM }, { operation: disableKey } ], within: 1h, same: [actor.name] } }",
            Part::Match,
            &["operation disableKey"],
        );
    }
}
