//! `then`: a later trace that makes an alert worse.
//!
//! A slot of its own remembers both sides: the traces that were told ("told") and
//! those that may escalate ("then"). One of the latter escalates if and only if it
//! comes no more than `within` after one of the former, whichever arrives first.

use std::sync::Arc;

use super::{Entry, Hit, Memory, Sighting, Slot, slot, window::ROOM};
use crate::{
    alert::Key,
    clock::{self, Timestamp},
    rule::{Rule, Then},
    trace::Trace,
};

const TOLD: &str = "told";
const THEN: &str = "then";
/// Traces kept whole that may escalate an alert which opens late. Only the newest
/// matter unless the failures come long after the success.
const WAITING: usize = 32;

/// Where a rule's `then` remembers what shares these values; `None` without a `then`, or
/// if a value is missing: two traces that lack it are not tied to each other.
pub fn slot_of(rule: &Rule, trace: &Trace) -> Option<Slot> {
    let same = &rule.then.as_ref()?.same;
    slot::whole(same, trace)?;
    Some(slot_of_key(rule, &crate::rule::key(same, trace)))
}

/// The same by the key of a hit, whose fields are those of `same`.
pub fn slot_of_key(rule: &Rule, key: &Key) -> Slot {
    let values: Vec<&String> = key.values().collect();
    Slot { rule: format!("{}/then", rule.id), key: slot::join(&values) }
}

/// A trace comes that may escalate: a hit if it follows one that was told.
pub fn arrive<'a>(memory: &mut Memory, rule: &'a Rule, sighting: &Sighting, blank: Hit<'a>) -> Option<Hit<'a>> {
    let then = rule.then.as_ref()?;
    let at = memory.put(Entry::whole(rule, sighting, THEN));
    let joins = follows(memory, then, at)?;
    let told = is_told(memory, &sighting.trace.id);
    let one = memory.entries[at].ring();
    // A trace that is a match as well is counted once.
    let evidence = if told { Vec::new() } else { vec![one] };
    Some(Hit { lead: sighting.trace.clone(), evidence, escalates: true, joins: Some(joins), ..blank })
}

/// A hit of the rule itself: what it tells is remembered, and what waited for it comes with it.
pub fn lead(memory: &mut Memory, then: &Then, hit: &mut Hit<'_>) {
    let escalated = |memory: &Memory, id: &str| {
        memory.entries.iter().any(|entry| entry.trace == id && entry.word == THEN && entry.rang)
    };
    hit.evidence.retain(|(id, _)| !escalated(memory, id));
    for (trace, time) in &hit.evidence {
        let (trace, time) = (trace.clone(), *time);
        memory.put(Entry { time, trace, word: TOLD.to_owned(), rang: true, whole: None });
    }
    for at in 0..memory.entries.len() {
        let entry = &memory.entries[at];
        if entry.word != THEN || entry.rang || follows(memory, then, at).is_none() {
            continue;
        }
        let told = is_told(memory, &memory.entries[at].trace);
        let Some(whole) = memory.entries[at].whole.take() else { continue };
        let one = memory.entries[at].ring();
        hit.evidence.extend((!told).then_some(one));
        hit.then.get_or_insert_with(|| Arc::from(whole));
    }
    hit.evidence.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
}

/// Gives up what is too old, and those that wait beyond what there is room for. Returns how many of the latter.
pub fn trim(memory: &mut Memory, then: &Then, now: Timestamp) -> u64 {
    let dropped = memory.trim(then.within, 2 * ROOM, now);
    let waits = |entry: &Entry| entry.word == THEN && !entry.rang;
    let mut over = memory.entries.iter().filter(|entry| waits(entry)).count().saturating_sub(WAITING);
    let given_up = over as u64;
    memory.entries.retain(|entry| {
        let goes = over > 0 && waits(entry);
        over -= usize::from(goes);
        !goes
    });
    dropped + given_up
}

/// When the newest told trace happened that the one at `at` follows soon enough.
fn follows(memory: &Memory, then: &Then, at: usize) -> Option<Timestamp> {
    let entry = &memory.entries[at];
    let near = &memory.entries[memory.between(clock::minus(entry.time, then.within), entry.time)];
    near.iter().rev().find(|told| told.word == TOLD && told.trace != entry.trace).map(|told| told.time)
}

fn is_told(memory: &Memory, trace: &str) -> bool {
    memory.entries.iter().any(|entry| entry.word == TOLD && entry.trace == trace)
}
