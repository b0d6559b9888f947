//! `count` and `distinct`: so many matches, or so many different values, in a stretch.
//!
//! A trace is told if and only if it lies in some stretch no longer than `within`
//! that holds enough. That depends on the set of traces, not on their order.

use std::{collections::HashMap, ops::Range, sync::Arc, time::Duration};

use super::{Entry, Memory, recall::Found};
use crate::{clock, trace::Trace};

/// Traces kept whole in one stretch, each of which may lead an alert.
const LEADS: u32 = 32;

/// What has to come together.
#[derive(Debug, Clone, Copy)]
pub struct Enough {
    pub at_least: u64,
    pub within: Duration,
    /// Counts different words rather than entries.
    pub distinct: bool,
}

/// A trace comes; all that its stretches hold and that was not told yet is one hit.
pub fn arrive(memory: &mut Memory, entry: Entry, arrived: &Arc<Trace>, enough: Enough) -> Option<Found> {
    let at = memory.put(entry);
    let told = qualified(memory, at, enough)?;
    let (mut lead, mut evidence) = (None, Vec::new());
    for entry in memory.entries[told].iter_mut().filter(|entry| !entry.rang) {
        lead = lead.or_else(|| entry.lead(arrived));
        evidence.push(entry.ring());
    }
    Some(Found::new(lead.unwrap_or_else(|| arrived.clone()), evidence))
}

/// Lets go of traces that have another close before them to lead in their place: of a
/// thousand logins it does not matter which of the first few the alert shows.
pub fn lighten(memory: &mut Memory, enough: Enough) {
    if enough.at_least <= LEADS.into() {
        return;
    }
    let mut before = None;
    for entry in &mut memory.entries {
        if before.is_some_and(|before| clock::since(before, entry.time) < enough.within / LEADS) {
            entry.whole = None;
        } else if entry.whole.is_some() {
            before = Some(entry.time);
        }
    }
}

/// Everything that shares a stretch holding enough with the entry at `at`. One range,
/// because each of these stretches holds that entry.
fn qualified(memory: &Memory, at: usize, enough: Enough) -> Option<Range<usize>> {
    let entries = &memory.entries;
    let time = entries[at].time;
    let near = memory.between(clock::minus(time, enough.within), clock::plus(time, enough.within));
    if (near.len() as u64) < enough.at_least {
        return None;
    }
    let mut held: HashMap<&str, usize> = HashMap::new();
    let mut told: Option<Range<usize>> = None;
    let mut end = near.start;
    for start in near.start..=at {
        while end < near.end && clock::since(entries[start].time, entries[end].time) <= enough.within {
            *held.entry(if enough.distinct { &entries[end].word } else { "" }).or_default() += 1;
            end += 1;
        }
        let holds = if enough.distinct { held.len() } else { end - start };
        if holds as u64 >= enough.at_least {
            told = Some(told.map_or(start, |told| told.start)..end);
        }
        if enough.distinct
            && let Some(count) = held.get_mut(entries[start].word.as_str())
        {
            *count -= 1;
            if *count == 0 {
                held.remove(entries[start].word.as_str());
            }
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::{super::recall::tests::arrivals, *};

    /// Arrivals as `minute` or `minute word`, in the order they come; the hits as `minutes told`.
    #[track_caller]
    fn check(at_least: u64, distinct: bool, arrivals_in: &[&str], expected: &[&str]) {
        let enough = Enough { at_least, within: Duration::from_secs(600), distinct };
        let hits = arrivals(arrivals_in, |memory, entry, trace| arrive(memory, entry, trace, enough));
        assert_eq!(hits, expected, "{arrivals_in:?}");
    }

    #[test]
    fn a_stretch_that_holds_enough_is_one_hit_and_each_further_trace_its_own() {
        check(3, false, &["0", "5", "10"], &["0 5 10"]);
        check(3, false, &["0", "5", "11"], &[]);
        check(3, false, &["0", "5", "10", "12", "14"], &["0 5 10", "12", "14"]);
        check(3, false, &["0", "5", "10", "40", "41"], &["0 5 10"]);
        check(1, false, &["0", "40"], &["0", "40"]);
    }

    #[test]
    fn order_does_not_matter_for_what_is_told() {
        check(3, false, &["10", "0", "5"], &["0 5 10"]);
        check(3, false, &["14", "10", "5", "12", "0"], &["5 10 14", "12", "0"]);
        // The late one joins two stretches that were too thin.
        check(3, false, &["0", "18", "9"], &[]);
        check(3, false, &["0", "9", "18", "10"], &["0 9 10 18"]);
        check(3, false, &["0", "0", "0"], &["0 0 0"]);
    }

    #[test]
    fn few_of_many_are_kept_whole() {
        let enough = Enough { at_least: 1000, within: Duration::from_secs(600), distinct: false };
        let seconds: Vec<String> = (0..900).map(|number| (number / 100).to_string()).collect();
        let list: Vec<&str> = seconds.iter().map(String::as_str).collect();
        let mut whole = 0;
        let hits = arrivals(&list, |memory, entry, trace| {
            let found = arrive(memory, entry, trace, enough);
            lighten(memory, enough);
            whole = memory.entries.iter().filter(|entry| entry.whole.is_some()).count();
            found
        });
        assert!(hits.is_empty(), "{hits:?}");
        assert_eq!(whole, 9);
    }

    #[test]
    fn distinct_values_count_once() {
        check(2, true, &["0 a", "1 a", "2 a"], &[]);
        check(2, true, &["0 a", "1 a", "2 b"], &["0 1 2"]);
        check(3, true, &["0 a", "4 b", "8 a", "12 c"], &["4 8 12"]);
        check(3, true, &["0 a", "4 b", "12 a", "15 c"], &[]);
        check(3, true, &["12 c", "8 a", "4 b", "0 a"], &["4 8 12"]);
    }
}
