//! From sightings and memory to hits.

use std::{sync::Arc, time::Duration};

use super::{
    Entry, Hit, Looked, Memories, Memory, Sighting, Slot,
    absent::{self, Silence},
    count::{self, Enough},
    first_seen, pair, sequence, slot, then,
    window::ROOM,
};
use crate::{
    alert::{Alert, Key},
    clock::{self, Timestamp},
    rule::{Mode, Part, Rule, RuleSet, When},
    trace::Trace,
};

/// What a `when` found: a hit but for its key.
#[derive(Debug)]
pub struct Found {
    pub lead: Arc<Trace>,
    pub evidence: Vec<(String, Timestamp)>,
    pub joins: Option<Timestamp>,
    pub opens: bool,
}

impl Found {
    pub fn new(lead: Arc<Trace>, evidence: Vec<(String, Timestamp)>) -> Self {
        Self { lead, evidence, joins: None, opens: true }
    }
}

/// What the sightings come to with what is remembered. `now` is the wall clock:
/// a rule watches since the first page it saw.
pub fn recall<'a>(
    source: &str,
    rules: &'a RuleSet,
    looked: &Looked,
    memories: &mut Memories,
    now: Timestamp,
) -> Vec<Hit<'a>> {
    for watch in rules.rules.iter().filter(|rule| rule.mode != Mode::Off).filter_map(watch) {
        let since = memories.since.entry(watch).or_insert(now);
        // One in the future is left from a clock that ran ahead: the rule would be silent until then.
        *since = (*since).min(now);
    }
    let mut hits = Vec::new();
    for sighting in &looked.sightings {
        let rule = &rules.rules[sighting.rule];
        let fresh = hits.len();
        match (&rule.when, &sighting.slot) {
            (_, Some(slot)) if sighting.part == Part::Then => {
                let memory = memories.open(slot, &rule.basis.then);
                let hit = blank(source, rule, rule.dedup.key(&sighting.trace), sighting.trace.clone());
                hits.extend(then::arrive(memory, rule, sighting, hit));
                if let Some(then) = &rule.then {
                    memories.dropped += then::trim(memories.open(slot, &rule.basis.then), then, now);
                }
            }
            (Some(when), Some(slot)) => {
                let found = arrive(rule, when, sighting, slot, memories, now);
                hits.extend(found.into_iter().map(|found| Hit {
                    evidence: found.evidence,
                    joins: found.joins,
                    opens: found.opens,
                    ..blank(source, rule, rule.dedup.key(&found.lead), found.lead)
                }));
            }
            (None, _) if sighting.part == Part::Match => hits.push(single(source, rule, sighting, memories, now)),
            // A value is missing that it would be remembered by.
            _ => {}
        }
        for hit in &mut hits[fresh..] {
            // Memory that was not loaded must not be begun anew.
            let Some(then) = rule.then.as_ref().filter(|_| !hit.escalates) else { continue };
            let slot = then::slot_of_key(rule, &hit.key);
            if looked.slots.binary_search(&slot).is_ok() {
                then::lead(memories.open(&slot, &rule.basis.then), then, hit);
                memories.dropped += then::trim(memories.open(&slot, &rule.basis.then), then, now);
            }
        }
    }
    hits
}

/// Silences that are over due, once all up to `watermark` is seen. What waited for an
/// alert, or follows it, does not make a silence worse: `then` is for traces that came.
/// What came in time may be recorded `late`; a short silence waits no longer than itself for it.
pub fn tick<'a>(
    source: &str,
    rules: &'a RuleSet,
    due: Vec<(Slot, Memory)>,
    memories: &mut Memories,
    watermark: Timestamp,
    late: Duration,
) -> Vec<Hit<'a>> {
    let mut hits = Vec::new();
    for (slot, mut memory) in due {
        let named = rules.rules.iter().find(|rule| rule.id == slot.rule && rule.mode != Mode::Off);
        match named.map(|rule| (rule, &rule.when)) {
            Some((rule, Some(When::Absent { quiet, arm_after, .. }))) if memory.basis == rule.basis.when => {
                let silence = Silence { quiet: *quiet, arm_after: *arm_after };
                let watermark = clock::minus(watermark, late.min(*quiet));
                if memory.due_at.is_some_and(|due_at| due_at > watermark) {
                    continue;
                }
                for found in absent::judge(&mut memory, silence, watermark) {
                    let key = rule.dedup.key(&found.lead);
                    hits.push(Hit { evidence: found.evidence, ..blank(source, rule, key, found.lead) });
                }
            }
            // The rule is gone, or waits for something else now.
            _ => memory.due_at = None,
        }
        memories.changed.insert(slot.clone());
        memories.slots.insert(slot, memory);
    }
    hits.sort_by(|a, b| (a.lead.time, &a.lead.id).cmp(&(b.lead.time, &b.lead.id)));
    hits
}

/// Under what is noted since when a rule learns: it learns anew what it did not look at before.
pub fn watch(rule: &Rule) -> Option<String> {
    matches!(rule.when, Some(When::FirstSeen { .. })).then(|| format!("{} {}", rule.id, rule.basis.when))
}

impl Memories {
    /// A slot's memory, to be changed; begun anew if it was made with another basis.
    fn open(&mut self, slot: &Slot, basis: &str) -> &mut Memory {
        if !self.changed.contains(slot) {
            self.changed.insert(slot.clone());
        }
        if self.slots.get(slot).is_none_or(|memory| memory.basis != basis) {
            self.slots.insert(slot.clone(), Memory { basis: basis.to_owned(), ..Memory::default() });
        }
        self.slots.get_mut(slot).expect("it was put there above")
    }
}

/// A sighting of a rule's `when`.
fn arrive(
    rule: &Rule,
    when: &When,
    sighting: &Sighting,
    slot: &Slot,
    memories: &mut Memories,
    now: Timestamp,
) -> Vec<Found> {
    let since = watch(rule).and_then(|watch| memories.since.get(&watch)).copied().unwrap_or(now);
    let memory = memories.open(slot, &rule.basis.when);
    let trace = &sighting.trace;
    let entry = |word: String| Entry::whole(rule, sighting, word);
    if !matches!(when, When::Absent { .. }) {
        memory.sightings += 1;
    }
    let (found, reach, room) = match when {
        When::Count { at_least, within, .. } => {
            let enough = Enough { at_least: *at_least, within: *within, distinct: false };
            (counted(memory, entry(String::new()), trace, enough), *within, room(*at_least))
        }
        When::Distinct { of, at_least, within, .. } => {
            let enough = Enough { at_least: *at_least, within: *within, distinct: true };
            let word = slot::word(of, trace).unwrap_or_default();
            (counted(memory, entry(word), trace, enough), *within, room(*at_least))
        }
        When::FirstSeen { remember, learn, .. } => {
            let fresh = first_seen::arrive(memory, Entry::bare(trace, ""), *remember);
            let rings = fresh && trace.time >= clock::plus(since, *learn);
            let found = || Found::new(trace.clone(), vec![(trace.id.clone(), trace.time)]);
            (rings.then(found).into_iter().collect(), *remember, ROOM)
        }
        When::Sequence { steps, within, .. } => {
            let Part::Step(step) = sighting.part else { return Vec::new() };
            // Only a last step leads an alert.
            let word = step.to_string();
            let entry = if step + 1 == steps.len() { entry(word) } else { Entry::bare(trace, word) };
            (sequence::arrive(memory, entry, trace, steps.len(), *within), *within, ROOM)
        }
        When::Absent { quiet, arm_after, .. } => {
            let silence = Silence { quiet: *quiet, arm_after: *arm_after };
            absent::arrive(memory, entry(String::new()), silence, now);
            return Vec::new();
        }
    };
    let dropped = memory.trim(reach, room, now);
    // Of a value that is always there, little has to be kept.
    memories.dropped += if matches!(when, When::FirstSeen { .. }) { 0 } else { dropped };
    found
}

fn counted(memory: &mut Memory, entry: Entry, trace: &Arc<Trace>, enough: Enough) -> Vec<Found> {
    let found = count::arrive(memory, entry, trace, enough);
    count::lighten(memory, enough);
    found.into_iter().collect()
}

fn room(at_least: u64) -> usize {
    usize::try_from(at_least).unwrap_or(usize::MAX).saturating_mul(4).max(ROOM)
}

/// A match of a rule without `when`: a hit, perhaps the second half of another.
fn single<'a>(source: &str, rule: &'a Rule, sighting: &Sighting, memories: &mut Memories, now: Timestamp) -> Hit<'a> {
    let trace = &sighting.trace;
    let mut key = rule.dedup.key(trace);
    let slot = pair::slot_of(rule, sighting.part, trace);
    let other = slot.and_then(|slot| pair::arrive(memories.open(&slot, ""), trace, &key, now));
    if let Some(other) = &other {
        key.clone_from(&other.key);
    }
    Hit {
        evidence: vec![(trace.id.clone(), trace.time)],
        joins: other.as_ref().map(|other| other.time),
        worse: other.is_some_and(|other| other.better),
        ..blank(source, rule, key, trace.clone())
    }
}

fn blank<'a>(source: &str, rule: &'a Rule, key: Key, lead: Arc<Trace>) -> Hit<'a> {
    Hit {
        rule,
        fingerprint: Alert::fingerprint(source, &rule.id, &key),
        key,
        lead,
        evidence: Vec::new(),
        escalates: false,
        then: None,
        joins: None,
        opens: true,
        worse: false,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Feeds arrivals, written `minute` or `minute word`, to one memory; the hits as the
    /// minutes they tell, `joins` the minute of a trace told before.
    pub fn arrivals(
        list: &[&str],
        mut arrive: impl FnMut(&mut Memory, Entry, &Arc<Trace>) -> Option<Found>,
    ) -> Vec<String> {
        let mut memory = Memory::default();
        let mut hits = Vec::new();
        for (number, arrival) in list.iter().enumerate() {
            let (at, word) = arrival.split_once(' ').unwrap_or((arrival, ""));
            let time = Timestamp::from_second(at.parse::<i64>().expect("a minute") * 60).expect("in range");
            let trace = Arc::new(Trace::blank(format!("t{number}"), time));
            let entry = Entry { whole: Some(Box::new(Trace::clone(&trace))), ..Entry::bare(&trace, word) };
            let found = arrive(&mut memory, entry, &trace);
            // Nothing may depend on what lives between two pages but what is stored.
            let text = serde_json::to_string(&memory).expect("memory is JSON");
            memory = serde_json::from_str(&text).expect("memory was JSON");
            hits.extend(found.map(|found| {
                let mut told: Vec<String> = found.evidence.iter().map(|(_, time)| minute(*time)).collect();
                told.extend(found.joins.map(|time| format!("joins {}", minute(time))));
                told.join(" ")
            }));
        }
        hits
    }

    pub fn minute(time: Timestamp) -> String {
        (time.as_second() / 60).to_string()
    }
}
