//! `sequence`: a match of each step, in order of time.
//!
//! A last step is a hit if and only if some chain of strictly later steps leads to
//! it in no more than `within`. Told are all traces that take part in such a chain,
//! also one that comes late: which traces those are does not depend on their order.

use std::{sync::Arc, time::Duration};

use super::{Entry, Memory, recall::Found};
use crate::{
    clock::{self, Timestamp},
    trace::Trace,
};

/// A trace comes as a step (the entry's word): each last step it completes a chain for is a hit.
pub fn arrive(memory: &mut Memory, entry: Entry, arrived: &Arc<Trace>, steps: usize, within: Duration) -> Vec<Found> {
    let own = memory.put(entry);
    let time = memory.entries[own].time;
    let stepped: Vec<usize> = memory.entries.iter().map(|entry| entry.word.parse().unwrap_or(steps)).collect();
    let mut found = Vec::new();
    for last in memory.between(time, clock::plus(time, within)) {
        if stepped[last] + 1 != steps {
            continue;
        }
        let chained = chained(memory, &stepped, last, steps, within);
        if !chained.contains(&own) {
            // Nothing about this last step is new.
            continue;
        }
        let at = memory.entries[last].time;
        let lead = if memory.entries[last].rang { None } else { memory.entries[last].lead(arrived) };
        let mut evidence = Vec::new();
        for member in chained {
            // Another last step that led no alert yet may still have to.
            if memory.entries[member].rang || member != last && stepped[member] + 1 == steps {
                continue;
            }
            // A trace may be one step of one chain and another step of another.
            let id = &memory.entries[member].trace;
            let told = memory.entries.iter().any(|entry| entry.rang && entry.trace == *id);
            let entry = memory.entries[member].ring();
            evidence.extend((!told).then_some(entry));
        }
        match lead {
            Some(lead) => found.push(Found::new(lead, evidence)),
            None if !evidence.is_empty() => {
                found.push(Found { lead: arrived.clone(), evidence, joins: Some(at), opens: false })
            }
            None => {}
        }
    }
    found
}

/// Entries that take part in a chain to `last`, oldest first; none if there is no chain.
fn chained(memory: &Memory, stepped: &[usize], last: usize, steps: usize, within: Duration) -> Vec<usize> {
    let entries = &memory.entries;
    let end = entries[last].time;
    let near = memory.between(clock::minus(end, within), end);
    let of = |step: usize| near.clone().filter(move |at| stepped[*at] == step).map(|at| entries[at].time);
    // The earliest a chain can have come to each step, and the latest it can leave it.
    let mut earliest: Vec<Option<Timestamp>> = Vec::with_capacity(steps);
    for step in 0..steps {
        let before = step.checked_sub(1).map(|before| earliest[before]);
        earliest.push(match before {
            None => of(step).next(),
            Some(before) => before.and_then(|before| of(step).find(|time| *time > before)),
        });
    }
    let mut latest: Vec<Option<Timestamp>> = vec![Some(end); steps];
    for step in (0..steps.saturating_sub(1)).rev() {
        latest[step] = latest[step + 1].and_then(|after| of(step).rfind(|time| *time < after));
    }
    let fits = |at: &usize| {
        let (step, time) = (stepped[*at], entries[*at].time);
        if step >= steps {
            return false;
        }
        let begun = step == 0 || earliest[step - 1].is_some_and(|before| before < time);
        let ends = if step + 1 == steps { *at == last } else { latest[step + 1].is_some_and(|after| time < after) };
        begun && ends
    };
    let fitting: Vec<usize> = near.clone().filter(fits).collect();
    if fitting.contains(&last) { fitting } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::{super::recall::tests::arrivals, *};

    /// Arrivals as `minute step`; three steps within ten minutes.
    #[track_caller]
    fn check(steps: usize, arrivals_in: &[&str], expected: &[&str]) {
        let within = Duration::from_secs(600);
        let mut rest: Vec<Found> = Vec::new();
        let hits = arrivals(arrivals_in, |memory, entry, trace| {
            let mut found = arrive(memory, entry, trace, steps, within);
            let first = (!found.is_empty()).then(|| found.remove(0));
            rest.extend(found);
            first
        });
        assert_eq!(hits, expected, "{arrivals_in:?}");
    }

    #[test]
    fn a_chain_in_order_and_in_time_is_a_hit() {
        check(3, &["0 0", "1 1", "2 2"], &["0 1 2"]);
        check(3, &["0 1", "1 0", "2 2"], &[]);
        check(3, &["0 0", "1 1", "11 2"], &[]);
        check(3, &["0 0", "1 0", "2 1", "11 2"], &["1 2 11"]);
        check(2, &["0 0", "0 1"], &[]);
        check(1, &["0 0", "1 0"], &["0", "1"]);
    }

    #[test]
    fn each_last_step_is_a_hit_and_each_trace_is_told_once() {
        check(2, &["0 0", "1 1", "2 1"], &["0 1", "2"]);
        check(2, &["0 0", "1 0", "2 1"], &["0 1 2"]);
        // One trace that is both steps is one place in a chain.
        check(2, &["0 0", "0 1"], &[]);
    }

    #[test]
    fn a_late_step_completes_a_chain() {
        check(3, &["2 2", "1 1", "0 0"], &["0 1 2"]);
        check(3, &["0 0", "2 2", "1 1"], &["0 1 2"]);
        // The last step rang already: the late one joins its alert.
        check(2, &["1 0", "2 1", "0 0"], &["1 2", "0 joins 2"]);
        check(2, &["1 0", "2 1", "3 0"], &["1 2"]);
    }
}
