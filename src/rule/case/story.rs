//! Runs a story through everything that rings, and names the first difference.

use std::{sync::Arc, time::Duration};

use super::{Expected, Story, shortfall};
use crate::{
    clock::{self, Timestamp},
    ring::{Change, Rehearsal, Ring},
    rule::{Mode, Rule, RuleSet, When, sample},
};

/// Rules have watched for longer than any of them learns when a story begins.
const LEARNED: Duration = Duration::from_secs(400 * 86_400);

/// Something that rang, and when after the start of the story.
struct Rang {
    at: Duration,
    ring: Ring,
}

/// `None` if the alerts are as expected; else a sentence on the first that is not.
pub fn run(rule: &Rule, story: &Story) -> Option<String> {
    let mut rang = rehearse(rule, story);
    // Repeats are not told at once, so a case need not list them.
    if story.alerts.iter().all(|expected| expected.change != Change::Repeat) {
        rang.retain(|rang| rang.ring.change != Change::Repeat);
    }
    let several = story.alerts.len() > 1;
    let mut last: Option<&Rang> = None;
    for (index, expected) in story.alerts.iter().enumerate() {
        let Some(found) = rang.get(index) else {
            let when = expected.at.map_or_else(String::new, |at| format!(" {}", moment(at)));
            let why = shortfall::of(rule, story, expected.change);
            return Some(format!("expected {}{when}, none came: {why}", kind(expected.change)));
        };
        let which = if several { format!("alert {}: ", index + 1) } else { String::new() };
        if let Some(difference) = differs(expected, found, last) {
            return Some(format!("{which}{difference}"));
        }
        last = Some(found);
    }
    let extra = rang.get(story.alerts.len())?;
    let found = format!("{} came {}: `{}`", kind(extra.ring.change), moment(extra.at), extra.ring.alert.title);
    Some(match story.alerts.len() {
        0 => format!("expected no alert, {found}"),
        _ => format!("expected no further alert, {found}"),
    })
}

fn differs(expected: &Expected, found: &Rang, before: Option<&Rang>) -> Option<String> {
    let alert = &found.ring.alert;
    if expected.change != found.ring.change {
        let (expected, came) = (kind(expected.change), kind(found.ring.change));
        return Some(format!("expected {expected}, {came} came {}: `{}`", moment(found.at), alert.title));
    }
    if let Some(at) = expected.at.filter(|at| *at != found.at) {
        return Some(format!("expected {}, came {}", moment(at), moment(found.at)));
    }
    if let Some(before) =
        before.filter(|before| found.ring.change != Change::Opened && before.ring.alert.id != alert.id)
    {
        return Some(format!("expected an update of `{}`, found one of `{}`", before.ring.alert.title, alert.title));
    }
    if let Some(difference) = expected.told.differs(alert.severity, &alert.title, &alert.key) {
        return Some(difference);
    }
    let count = expected.count.filter(|count| *count != alert.count)?;
    Some(format!("expected a count of {count}, found {}", alert.count))
}

fn rehearse(rule: &Rule, story: &Story) -> Vec<Rang> {
    // Whether a rule is sent, recorded or off is not what a case asks.
    let rule = Rule { mode: Mode::Live, cases: Vec::new(), ..rule.clone() };
    let quiet = match &rule.when {
        Some(When::Absent { quiet, .. }) => Some(*quiet),
        _ => None,
    };
    let rules = RuleSet { rules: vec![rule], generation: String::new() };
    let mut rehearsal = Rehearsal::new(&rules, clock::minus(sample::START, LEARNED));
    let last = story.traces.last().map_or(sample::START, |trace| trace.time);
    let end = story.until.map_or(last, |until| clock::plus(sample::START, until));
    // A silence rings when it is over due, so the clock stops there, too.
    let mut moments: Vec<Timestamp> = story.traces.iter().map(|trace| trace.time).collect();
    moments.extend(
        quiet.into_iter().flat_map(|quiet| story.traces.iter().map(move |trace| clock::plus(trace.time, quiet))),
    );
    moments.push(end);
    moments.retain(|moment| *moment <= end || *moment <= last);
    moments.sort();
    moments.dedup();
    let mut rang = Vec::new();
    for moment in moments {
        let now: Vec<_> = story.traces.iter().filter(|trace| trace.time == moment).map(Arc::clone).collect();
        let mut rings = if now.is_empty() { Vec::new() } else { rehearsal.traces(&now) };
        rings.extend(rehearsal.finish(moment));
        rang.extend(rings.into_iter().map(|ring| Rang { at: clock::since(sample::START, moment), ring }));
    }
    rang
}

fn kind(change: Change) -> &'static str {
    match change {
        Change::Opened => "an alert",
        Change::Repeat => "a repeat",
        Change::Escalated => "an escalation",
        Change::Updated => "an update",
    }
}

fn moment(at: Duration) -> String {
    if at.is_zero() { "at the start".into() } else { format!("at {}", clock::in_words(at)) }
}
