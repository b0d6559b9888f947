//! What rules remember: from the store before a page is judged, and into its batch after.

use std::collections::BTreeMap;

use crate::{
    clock::Timestamp,
    ring::{self, Memories, Memory, Slot},
    rule::{Mode, RuleSet, When},
    store::{Damage, IngestBatch, Quarantined, Recollection, Remembered, Store, StoreError},
};

/// Keys that a rule may remember of one source. With some kilobytes for a long window
/// this bounds a rule at tens of megabytes, and it is more actors, addresses or resources
/// than are busy within any sensible window.
const KEYS: u64 = 10_000;
/// `first_seen` keeps each value for months, but little of it: ten times the keys in the same room.
const KEYS_FIRST_SEEN: u64 = 100_000;
/// Silences told with one page; the rest comes with the next poll.
const SILENCES_PER_PAGE: usize = 1000;

/// What is remembered under these slots, and since when each rule watches.
pub async fn load<S: Store>(
    store: &S,
    rules: &RuleSet,
    slots: &[Slot],
    batch: &mut IngestBatch,
) -> Result<Memories, StoreError> {
    let source = &batch.source;
    let mut memories = Memories::default();
    if rules.rules.iter().any(|rule| rule.mode != Mode::Off && ring::watch(rule).is_some()) {
        memories.since = store.watches(source).await?;
    }
    if !slots.is_empty() {
        let found = store.memories(source, slots).await?.into_iter();
        memories.slots = found.filter_map(|(slot, memory)| sound(slot, memory, batch)).collect();
    }
    Ok(memories)
}

/// Silences that are over due, the longest first. Where this page touched a memory, what it
/// made of it counts.
pub async fn due<S: Store>(
    store: &S,
    memories: &Memories,
    watermark: Timestamp,
    batch: &mut IngestBatch,
) -> Result<Vec<(Slot, Memory)>, StoreError> {
    let stored = store.due_memories(&batch.source, watermark, SILENCES_PER_PAGE).await?;
    let is_due = |memory: &Memory| memory.due_at.is_some_and(|due_at| due_at < watermark);
    let touched = memories.slots.iter().filter(|(_, memory)| is_due(memory));
    let mut due: Vec<(Slot, Memory)> = touched.map(|(slot, memory)| (slot.clone(), memory.clone())).collect();
    let stored = stored.into_iter().filter(|(slot, _)| !memories.slots.contains_key(slot));
    due.extend(stored.filter_map(|(slot, memory)| sound(slot, memory, batch)));
    due.sort_by(|(slot, memory), (other, another)| (memory.due_at, slot).cmp(&(another.due_at, other)));
    Ok(due)
}

/// A memory that can be read. One that cannot is put aside, and the rule begins it anew: to stop there
/// would make one bad row blind a whole source.
fn sound(slot: Slot, memory: Recollection, batch: &mut IngestBatch) -> Option<(Slot, Memory)> {
    let Damage { reason, raw } = match memory {
        Ok(memory) => return Some((slot, memory)),
        Err(damage) => damage,
    };
    let id = format!("memory of {} {}", slot.rule, slot.key);
    // Of one that was due and that this page begins anew, both are told of.
    if !batch.quarantine.iter().any(|known| known.id == id) {
        let (source, at) = (batch.source.clone(), batch.now);
        batch.quarantine.push(Quarantined { source, id, reason, raw, at });
        batch.memories.push(Remembered { slot, memory: None, limit: KEYS });
    }
    None
}

/// What the page changed; `known` are the watches from before.
pub fn write(rules: &RuleSet, mut memories: Memories, known: &BTreeMap<String, Timestamp>, batch: &mut IngestBatch) {
    for slot in std::mem::take(&mut memories.changed) {
        let rule = rules.rules.iter().find(|rule| rule.id == slot.rule);
        let limit = match rule.and_then(|rule| rule.when.as_ref()) {
            Some(When::FirstSeen { .. }) => KEYS_FIRST_SEEN,
            _ => KEYS,
        };
        batch.memories.push(Remembered { memory: memories.slots.remove(&slot), slot, limit });
    }
    memories.since.retain(|watch, since| known.get(watch) != Some(since));
    batch.watches = memories.since;
}
