//! Why an alert that a story expects did not come: how near it got.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{Story, nearest};
use crate::{
    alert::Key,
    clock::{self, Timestamp},
    ring::Change,
    rule::{Condition, Part, Rule, When, key, sample},
    trace::{Field, Trace},
};

/// Matches of a story, by the key they are counted under.
type Matches<'a> = BTreeMap<Key, Vec<&'a Trace>>;

/// A clause on how near it got.
pub fn of(rule: &Rule, story: &Story, change: Change) -> String {
    if change == Change::Escalated {
        return escalation(rule, story);
    }
    let left = story.traces.iter().find_map(|trace| rule.excepted(trace));
    let holds = |trace: &&Arc<Trace>| {
        rule.parts(trace).iter().any(|part| *part != Part::Then) && rule.excepted(trace).is_none()
    };
    let matched: Vec<&Trace> = story.traces.iter().filter(holds).map(Arc::as_ref).collect();
    if let (true, Some(exception)) = (matched.is_empty(), left) {
        return format!("its traces are excepted in {}: {}", exception.place, exception.reason);
    }
    match &rule.when {
        Some(When::Sequence { steps, same, within }) => sequence(rule, story, steps, *within, same),
        _ if matched.is_empty() => format!("no trace satisfies `match`: {}", miss_of(&rule.condition, &story.traces)),
        Some(When::Count { at_least, within, by }) => {
            let most = most(&by_key(&matched, by), *within, |window| window.len());
            format!("{} of {at_least} traces counted{}", most, span(*within, by))
        }
        Some(When::Distinct { of, at_least, within, by }) => {
            let different =
                |window: &[&Trace]| window.iter().map(|trace| key(of, trace)).collect::<BTreeSet<_>>().len();
            let most = most(&by_key(&matched, by), *within, different);
            format!("{most} of {at_least} different values of {} counted{}", names(of), span(*within, by))
        }
        Some(When::FirstSeen { of, .. }) => format!("every value of {} was seen before", names(of)),
        Some(When::Absent { quiet, by, arm_after }) => absent(story, &by_key(&matched, by), *quiet, *arm_after),
        None => "each match is counted in an alert before".into(),
    }
}

fn by_key<'a>(matched: &[&'a Trace], by: &[Field]) -> Matches<'a> {
    let mut found = Matches::new();
    for trace in matched {
        found.entry(key(by, trace)).or_default().push(trace);
    }
    found
}

/// The most that any stretch of `within` holds for one key.
fn most(matches: &Matches<'_>, within: Duration, count: impl Fn(&[&Trace]) -> usize) -> usize {
    let windows = matches.values().flat_map(|traces| {
        (0..traces.len()).map(|first| {
            let end = clock::plus(traces[first].time, within);
            let length = traces[first..].iter().take_while(|trace| trace.time <= end).count();
            &traces[first..first + length]
        })
    });
    windows.map(count).max().unwrap_or(0)
}

fn span(within: Duration, by: &[Field]) -> String {
    let same = if by.is_empty() { String::new() } else { format!(" with the same {}", names(by)) };
    format!(" within {}{same}", clock::in_words(within))
}

fn sequence(rule: &Rule, story: &Story, steps: &[Condition], within: Duration, same: &[Field]) -> String {
    let takes = |trace: &Trace, index: usize| rule.parts(trace).contains(&Part::Step(index));
    for (index, step) in steps.iter().enumerate() {
        if !story.traces.iter().any(|trace| takes(trace, index)) {
            let miss = story.traces.iter().find_map(|trace| rule.condition.explain(trace));
            let miss = miss.map_or_else(|| miss_of(step, &story.traces), |miss| miss.to_string());
            return format!("no trace satisfies step {} of {}: {miss}", index + 1, steps.len());
        }
    }
    format!("each step has a trace, but they did not come in this order{}", span(within, same))
}

fn absent(story: &Story, matches: &Matches<'_>, quiet: Duration, arm_after: u64) -> String {
    let most = matches.values().map(Vec::len).max().unwrap_or(0);
    if (most as u64) < arm_after {
        return format!("{most} of {arm_after} matches seen that it waits for before it watches");
    }
    let Some(last) = matches.values().filter_map(|traces| traces.last()).map(|trace| trace.time).min() else {
        return "nothing was seen".into();
    };
    let due = clock::plus(last, quiet);
    if story.end() < due {
        let (end, due) = (after(story.end()), after(due));
        return format!("the case ends at {end}, a match is over due at {due}: give a later `until`");
    }
    "no match was over due".into()
}

fn escalation(rule: &Rule, story: &Story) -> String {
    let Some(then) = &rule.then else { return "the rule has no `then`".into() };
    if !story.traces.iter().any(|trace| then.condition.holds(trace)) {
        return format!("no trace satisfies `then`: {}", miss_of(&then.condition, &story.traces));
    }
    format!("a trace satisfies `then`, but not{} as the alert", span(then.within, &then.same))
}

/// What the trace that comes nearest lacks.
fn miss_of(condition: &Condition, traces: &[Arc<Trace>]) -> String {
    let near = traces.iter().min_by_key(|trace| condition.misses(trace));
    let miss = near.and_then(|trace| nearest(std::slice::from_ref(condition), trace));
    miss.map_or_else(|| "nothing".into(), |(_, miss)| miss.to_string())
}

fn names(fields: &[Field]) -> String {
    let names: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name())).collect();
    names.join(" and ")
}

fn after(time: Timestamp) -> String {
    clock::in_words(clock::since(sample::START, time))
}
