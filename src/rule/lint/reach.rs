//! Conditions that can never hold, and conditions that always do.

use super::{
    Finding,
    demand::Demand,
    group::{Group, Part},
};
use crate::trace::Field;

/// Looks through a group. `so` says what follows if it can never hold.
pub fn look(group: &Group<'_>, so: &str) {
    inside(group, &[], so);
}

/// True if it was reported that the group can never hold beside `outer`.
fn inside(group: &Group<'_>, outer: &[Demand<'_>], so: &str) -> bool {
    let mut scope = outer.to_vec();
    let mut dead = false;
    for part in &group.parts {
        let demand = match part {
            Part::Field(demand) => demand.clone(),
            // An exclusion of one condition is a condition.
            Part::Not { inner, .. } => match inner.parts.as_slice() {
                [Part::Field(demand)] if inner.whole => demand.negated(),
                _ => continue,
            },
            _ => continue,
        };
        if let Some(other) = scope.iter().find(|other| other.contradicts(&demand)) {
            report(&demand, other, so);
            dead = true;
        }
        scope.push(demand);
    }
    if dead {
        return true;
    }
    for part in &group.parts {
        match part {
            Part::Field(_) => {}
            Part::Any(members) => {
                let so = "so this alternative can never hold";
                for member in members {
                    inside(member, &scope, so);
                }
            }
            Part::All(members) => {
                for member in members {
                    if inside(member, &scope, so) {
                        return true;
                    }
                    scope.extend(member.demands().into_iter().cloned());
                }
            }
            Part::Not { key, inner } => {
                let several = inner.demands().len() > 1;
                let around: Vec<&Demand<'_>> = scope.iter().collect();
                if several && inner.is_implied_by(&around) {
                    let text = format!("`not` excludes everything that the conditions around it take, {so}");
                    Finding::new("never-holds", text).at(&inner.at, *key).hint("leave out `not`, or narrow it").warn();
                } else if several {
                    inside(inner, &scope, "so this `not` excludes nothing");
                } else {
                    idle(inner, *key, outer, &group.demands());
                }
            }
        }
    }
    always(group);
    false
}

/// An exclusion of something that the conditions around it do not take anyway.
fn idle(inner: &Group<'_>, key: crate::document::Span, outer: &[Demand<'_>], beside: &[&Demand<'_>]) {
    let [Part::Field(demand)] = inner.parts.as_slice() else { return };
    if let Some(other) = beside.iter().copied().chain(outer).find(|other| other.contradicts(demand)) {
        Finding::new("always-holds", format!("this `not` excludes nothing: `{}` takes no such trace", other.shown()))
            .at(&inner.at, key)
            .also(&other.at, "said here")
            .hint("leave it out")
            .warn();
    }
}

fn report(demand: &Demand<'_>, other: &Demand<'_>, so: &str) {
    let (a, b) = (other.shown(), demand.shown());
    let hint = match (&demand.field, &other.field) {
        (Field::Rating | Field::Outcome, Field::Rating | Field::Outcome) => {
            "the outcome is read from the rating: `normal` is `succeeded`, `warning` is `failed`, `incident` is `incident`"
        }
        (Field::Action | Field::Operation, Field::Action | Field::Operation) if demand.field != other.field => {
            "the action is read from the operation's name; one of the two is enough"
        }
        _ => "conditions of one group are joined by *and*; for alternatives write a list, or `any: [{...}, {...}]`",
    };
    let text = if a == b {
        format!("`{b}` is asked for and excluded, {so}")
    } else {
        format!("`{b}` never holds together with `{a}`, {so}")
    };
    Finding::new("never-holds", text)
        .at(&demand.at, demand.at.node.head())
        .also(&other.at, "the other half")
        .hint(hint)
        .warn();
}

/// A condition that no trace fails, beside others that do the work.
fn always(group: &Group<'_>) {
    for part in &group.parts {
        let Part::Field(demand) = part else { continue };
        let always_there = matches!(
            demand.field,
            Field::Rating
                | Field::Service
                | Field::Operation
                | Field::Action
                | Field::Outcome
                | Field::Origin
                | Field::Time
                | Field::TimeHour
                | Field::TimeWeekday
                | Field::RecordTime
                | Field::TraceId
        );
        if always_there && demand.takes_everything() && group.parts.len() > 1 {
            Finding::new("always-holds", format!("`{}` holds for every trace", demand.shown()))
                .at(&demand.at, demand.at.node.head())
                .hint("leave it out: the other conditions decide")
                .warn();
        }
    }
}
