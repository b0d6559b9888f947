//! Runs a story through everything that rings, and names the first difference.

use std::time::Duration;

use super::{Expected, Story, shortfall};
use crate::{
    clock::{self, Timestamp},
    ring::{Change, Rehearsal, Ring},
    rule::{Mode, Rule, RuleSet, When, sample},
};

/// A silence is over due once its end has passed.
const PASSED: Duration = Duration::from_micros(1);

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
    let rules = RuleSet::new(vec![rule], String::new());
    let mut rehearsal = Rehearsal::learnt(&rules, sample::START);
    let mut rang = Vec::new();
    let mut note = |rings: Vec<Ring>, moment: Timestamp| {
        let at = clock::since(sample::START, moment);
        let at = Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
        rang.extend(rings.into_iter().map(|ring| Rang { at, ring }));
    };
    // The clock stops wherever a silence may end, so that it rings there.
    let mut ends: Vec<Timestamp> = quiet
        .iter()
        .flat_map(|quiet| story.traces.iter().map(|trace| clock::plus(trace.time, *quiet + PASSED)))
        .collect();
    ends.sort();
    let mut ends = ends.into_iter().peekable();
    for trace in &story.traces {
        while let Some(end) = ends.next_if(|end| *end <= trace.time) {
            note(rehearsal.advance(end), end);
        }
        note(rehearsal.trace(trace), trace.time);
    }
    let until = clock::plus(story.end(), PASSED);
    for end in ends.take_while(|end| *end < until).chain([until]) {
        note(rehearsal.advance(end), end);
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
