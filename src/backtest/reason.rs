//! Why a rule is silent where its namesake of another rule set rings, in a few words.

use std::time::Duration;

use crate::{
    clock,
    rule::{Mode, Rule, When},
    trace::{Field, Trace},
};

/// Whose silence is told: the rules as they are now, or as they were before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Now,
    Before,
}

impl Side {
    fn is(self) -> &'static str {
        if self == Self::Now { "is now" } else { "was" }
    }
}

/// Why `silent` says nothing to a trace that made `ringing` ring.
pub fn silence(silent: Option<&Rule>, ringing: Option<&Rule>, trace: Option<&Trace>, side: Side) -> String {
    let Some(rule) = silent else {
        return if side == Side::Now { "the rule was removed" } else { "the rule is new" }.to_owned();
    };
    match rule.mode {
        Mode::Off => return format!("its mode {} `off`", side.is()),
        Mode::Shadow => return format!("its mode {} `shadow`", side.is()),
        Mode::Live => {}
    }
    if let Some(trace) = trace {
        if let Some(miss) = rule.condition.explain(trace) {
            let holds = if side == Side::Now { "no longer holds" } else { "did not hold before" };
            let found = miss.found.map_or("nothing".to_owned(), |found| format!("`{found}`"));
            return format!("`match.{}` {holds}: expected {}, found {found}", miss.what, miss.expected);
        }
        if let Some(exception) = rule.excepted(trace) {
            return match side {
                Side::Now => format!("excepted now: {}", exception.reason),
                Side::Before => format!("was excepted: {}", exception.reason),
            };
        }
    }
    let (before, now) = if side == Side::Now { (ringing, silent) } else { (silent, ringing) };
    let (before, now) = (before.and_then(|rule| rule.when.as_ref()), now.and_then(|rule| rule.when.as_ref()));
    when(before, now).unwrap_or_else(|| match side {
        Side::Now => "`match` holds, but what it needs besides does not come together any more".to_owned(),
        Side::Before => "`match` held, but what it needed besides did not come together".to_owned(),
    })
}

/// Why one alert counts what were two.
pub fn folding(before: Option<&Rule>, now: Option<&Rule>, side: Side) -> String {
    let (Some(before), Some(now)) = (before, now) else { return "folded otherwise".to_owned() };
    if before.dedup.by != now.dedup.by {
        return format!("`dedup.by` {} -> {}", names(&before.dedup.by), names(&now.dedup.by));
    }
    if before.dedup.window != now.dedup.window {
        let [was, is] = [before, now].map(|rule| clock::in_words(rule.dedup.window));
        return format!("`dedup.for` {was} -> {is}");
    }
    match side {
        Side::Now => "it falls into the window of another alert now".to_owned(),
        Side::Before => "it fell into the window of another alert".to_owned(),
    }
}

/// What changed in `when`.
fn when(before: Option<&When>, now: Option<&When>) -> Option<String> {
    let (before, now) = match (before, now) {
        (None, None) => return None,
        (None, Some(now)) => return Some(format!("each match rang, now `when.{}` has to hold", kind(now))),
        (Some(before), None) => return Some(format!("`when.{}` had to hold, now each match rings", kind(before))),
        (Some(before), Some(now)) => (before, now),
    };
    if kind(before) != kind(now) {
        return Some(format!("`when.{}` -> `when.{}`", kind(before), kind(now)));
    }
    let (was, is) = (facts(before), facts(now));
    if let (Some(was), Some(is)) = (was.threshold, is.threshold)
        && was != is
    {
        return Some(format!("threshold {} {was} -> {is}", if is > was { "raised" } else { "lowered" }));
    }
    if was.within != is.within {
        let longer = if is.within > was.within { "longer" } else { "shorter" };
        return Some(format!("window {longer}: {} -> {}", clock::in_words(was.within), clock::in_words(is.within)));
    }
    if was.by != is.by {
        return Some(format!("counted by {} -> {}", names(was.by), names(is.by)));
    }
    None
}

struct Facts<'a> {
    threshold: Option<u64>,
    within: Duration,
    by: &'a [Field],
}

fn facts(when: &When) -> Facts<'_> {
    let (threshold, within, by) = match when {
        When::Count { at_least, within, by } | When::Distinct { at_least, within, by, .. } => {
            (Some(*at_least), *within, by)
        }
        When::FirstSeen { of, remember, .. } => (None, *remember, of),
        When::Absent { quiet, by, arm_after } => (Some(*arm_after), *quiet, by),
        When::Sequence { steps, within, same } => (Some(steps.len() as u64), *within, same),
    };
    Facts { threshold, within, by }
}

pub fn kind(when: &When) -> &'static str {
    match when {
        When::Count { .. } => "count",
        When::Distinct { .. } => "distinct",
        When::FirstSeen { .. } => "first_seen",
        When::Absent { .. } => "absent",
        When::Sequence { .. } => "sequence",
    }
}

fn names(fields: &[Field]) -> String {
    let names: Vec<String> = fields.iter().map(Field::name).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
