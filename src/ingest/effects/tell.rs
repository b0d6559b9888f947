//! What is told of a hit that rings: what changed, what made the rule match, what the past says.
//!
//! To whom is another question: see `owe`.

use std::time::Duration;

use super::{mute, owe::Standing, past::Past};
use crate::{
    alert::{Alert, Severity},
    clock::{self, Timestamp, in_words},
    generation::Generation,
    notification::{Evidence, Kind, Notification, Worse},
    render::{facts::when, inert},
    ring::{Change, Ring},
    rule::{self, Part, Rule, When},
    trace::{Field, Trace},
};

/// What an alert tells longer after it happened is told as late.
const LATE: Duration = Duration::from_secs(3600);
/// Of a value that made a rule match, and all that is told of a body.
const VALUE: usize = 200;

/// What is told of the hit on an alert that stood `before`, if it rings.
pub fn notification(
    generation: &Generation,
    ring: &Ring,
    before: Option<&Standing>,
    past: &Past,
    now: Timestamp,
) -> Option<Notification> {
    let rule = generation.rules.rules.iter().find(|rule| rule.id == ring.alert.rule);
    let kept_back = before.and_then(mute::afterwards);
    if ring.change == Change::Repeat && kept_back.is_none() {
        return None;
    }
    let was = before.and_then(|before| before.severity).unwrap_or(ring.alert.severity);
    let mut notification = by_itself(rule, ring, was, now);
    if ring.change != Change::Opened {
        notification.lines.extend(kept_back);
    }
    if matches!(ring.change, Change::Opened | Change::Escalated) {
        notification.context = past.says(&ring.lead);
    }
    Some(notification)
}

/// What is told of a hit on an alert that `was` so severe, of which nothing was kept back and nothing else is
/// known: what the past says is left out.
pub fn by_itself(rule: Option<&Rule>, ring: &Ring, was: Severity, now: Timestamp) -> Notification {
    let worse = |kind: Kind| {
        let worse = Worse { was, trace: (*ring.lead).clone() };
        Notification::worse(kind, &ring.alert, worse, ring.alert.told, now)
    };
    let (notification, lines) = match ring.change {
        Change::Repeat => (Notification::opened(&ring.alert, now), None),
        Change::Opened => (opened(rule, &ring.alert, now), silence(rule, &ring.alert)),
        Change::Escalated => (worse(Kind::Escalated), None),
        Change::Updated => (worse(Kind::Updated), None),
    };
    let evidence = rule.map(|rule| evidence(rule, ring)).unwrap_or_default();
    Notification { lines: lines.into_iter().collect(), evidence, ..notification }
}

fn opened(rule: Option<&Rule>, alert: &Alert, now: Timestamp) -> Notification {
    let opened = Notification::opened(alert, now);
    // What is missing was not late: it is told when it is over due.
    let late = clock::since(alert.last_time, now) > LATE && !rule.is_some_and(waits_for_silence);
    Notification { kind: if late { Kind::Late } else { Kind::Opened }, ..opened }
}

/// The fields that made the rule match, of the trace that is told of; of a rule that waits, also what for.
fn evidence(rule: &Rule, ring: &Ring) -> Vec<Evidence> {
    let (part, trace): (Part, &Trace) = match ring.change {
        Change::Escalated => (Part::Then, &ring.lead),
        Change::Updated => (Part::Match, &ring.lead),
        Change::Opened | Change::Repeat => (Part::Match, &ring.alert.first),
    };
    let shown = rule.shown(part, trace).into_iter();
    let mut evidence: Vec<Evidence> =
        shown.map(|(field, value)| Evidence { field: field.name(), value: inert::cut(&value, VALUE) }).collect();
    if ring.change == Change::Opened {
        evidence.extend(came_together(rule, &ring.alert));
    }
    evidence
}

/// What the rule waited for, in the word of its `when`.
fn came_together(rule: &Rule, alert: &Alert) -> Option<Evidence> {
    let by = |fields: &[Field]| match valued(fields, &alert.first) {
        by if by.is_empty() => by,
        by => format!(" by {by}"),
    };
    let (field, value) = match rule.when.as_ref()? {
        When::Count { within, by: fields, .. } => {
            let matches = if alert.count == 1 { "match" } else { "matches" };
            ("count", format!("{} {matches} in {}{}", alert.count, in_words(*within), by(fields)))
        }
        When::Distinct { of, at_least, within, by: fields } => {
            let of: Vec<String> = of.iter().map(Field::name).collect();
            let words = format!("at least {at_least} values of {} in {}", of.join(" and "), in_words(*within));
            ("distinct", words + &by(fields))
        }
        When::FirstSeen { of, remember, .. } => {
            ("first_seen", format!("{} not seen for {}", valued(of, &alert.first), in_words(*remember)))
        }
        When::Sequence { steps, within, same } => {
            ("sequence", format!("{} steps in {}{}", steps.len(), in_words(*within), by(same)))
        }
        When::Absent { .. } => return None,
    };
    Some(Evidence { field: field.to_owned(), value: inert::cut(&value, VALUE) })
}

/// `source_ip 198.51.100.7, actor.name alice`
fn valued(fields: &[Field], trace: &Trace) -> String {
    let values = rule::key(fields, trace);
    values.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

/// Of an alert that tells of nothing: since when.
fn silence(rule: Option<&Rule>, alert: &Alert) -> Option<String> {
    let Some(When::Absent { quiet, .. }) = &rule?.when else { return None };
    Some(format!(
        "Nothing was seen since {}, for more than {}. What is shown here is the last that was seen.",
        when(alert.last_time),
        in_words(*quiet)
    ))
}

fn waits_for_silence(rule: &Rule) -> bool {
    matches!(rule.when, Some(When::Absent { .. }))
}
