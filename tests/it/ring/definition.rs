//! What rules with a memory mean, without windows, slots or order: over all traces at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tracebell::{
    clock::{self, Timestamp},
    rule::{Condition, Rule, Then, When, key},
    trace::{Field, Trace},
};

/// Ids of the traces that the rule tells of, sorted; `end` is the watermark.
pub fn told(rule: &Rule, traces: &[Arc<Trace>], end: Timestamp) -> Vec<String> {
    let mut sorted: Vec<&Trace> = traces.iter().map(|trace| &**trace).collect();
    sorted.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    let matches: Vec<&Trace> =
        sorted.iter().copied().filter(|trace| rule.condition.holds(*trace) && rule.excepted(trace).is_none()).collect();
    let found = match rule.when.as_ref() {
        None => matches,
        Some(When::Count { at_least, within, by }) => {
            stretches(&matches, by, *within, |stretch| stretch.len() as u64 >= *at_least)
        }
        Some(When::Distinct { of, at_least, within, by }) => {
            let matches: Vec<&Trace> = matches.into_iter().filter(|trace| has(of, trace)).collect();
            stretches(&matches, by, *within, |stretch| {
                let mut values: Vec<_> = stretch.iter().map(|trace| key(of, trace)).collect();
                values.sort();
                values.dedup();
                values.len() as u64 >= *at_least
            })
        }
        Some(When::Absent { quiet, by, arm_after }) => {
            let mut found = Vec::new();
            for group in groups(&matches, by) {
                for (at, trace) in group.iter().enumerate() {
                    let over = clock::plus(trace.time, *quiet);
                    let silent = group.get(at + 1).is_none_or(|next| next.time > over) && end >= over;
                    found.extend((silent && at as u64 + 1 >= *arm_after).then_some(*trace));
                }
            }
            found
        }
        Some(When::Sequence { steps, within, same }) => {
            let matches: Vec<&Trace> = matches.into_iter().filter(|trace| has(same, trace)).collect();
            let mut found = Vec::new();
            for group in groups(&matches, same) {
                chains(&group, steps, *within, &mut Vec::new(), &mut found);
            }
            found
        }
        Some(When::FirstSeen { .. }) => unreachable!("depends on the order"),
    };
    let mut ids: Vec<String> = found.iter().map(|trace| trace.id.clone()).collect();
    if let Some(then) = &rule.then {
        ids.extend(sorted.iter().filter(|trace| escalates(rule, then, trace, &found)).map(|trace| trace.id.clone()));
    }
    ids.sort();
    ids.dedup();
    ids
}

fn escalates(rule: &Rule, then: &Then, trace: &Trace, found: &[&Trace]) -> bool {
    let follows = |told: &&Trace| {
        let gap = trace.time.duration_since(told.time);
        told.id != trace.id
            && !gap.is_negative()
            && clock::since(told.time, trace.time) <= then.within
            && rule.dedup.key(told) == key(&then.same, trace)
    };
    then.condition.holds(trace) && has(&then.same, trace) && found.iter().any(follows)
}

fn has(fields: &[Field], trace: &Trace) -> bool {
    fields.iter().all(|field| trace.get(field).is_some())
}

fn groups<'t>(traces: &[&'t Trace], by: &[Field]) -> Vec<Vec<&'t Trace>> {
    let mut groups: BTreeMap<_, Vec<&Trace>> = BTreeMap::new();
    for trace in traces {
        groups.entry(key(by, trace)).or_default().push(trace);
    }
    groups.into_values().collect()
}

/// Everything in some stretch that is enough.
fn stretches<'t>(
    matches: &[&'t Trace],
    by: &[Field],
    within: Duration,
    enough: impl Fn(&[&Trace]) -> bool,
) -> Vec<&'t Trace> {
    let mut found = Vec::new();
    for group in groups(matches, by) {
        for (at, first) in group.iter().enumerate() {
            let end = clock::plus(first.time, within);
            let stretch: Vec<&Trace> = group[at..].iter().copied().filter(|trace| trace.time <= end).collect();
            if enough(&stretch) {
                found.extend(stretch);
            }
        }
    }
    found
}

/// Tries every chain.
fn chains<'t>(
    group: &[&'t Trace],
    steps: &[Condition],
    within: Duration,
    chain: &mut Vec<&'t Trace>,
    found: &mut Vec<&'t Trace>,
) {
    if chain.len() == steps.len() {
        found.extend(chain.iter());
        return;
    }
    for trace in group {
        let after = chain.last().is_none_or(|last| last.time < trace.time);
        let near = chain.first().is_none_or(|first| clock::since(first.time, trace.time) <= within);
        if after && near && steps[chain.len()].holds(*trace) {
            chain.push(trace);
            chains(group, steps, within, chain, found);
            chain.pop();
        }
    }
}
