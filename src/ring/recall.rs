//! From sightings and memory to hits.

use super::{Hit, Looked, Memories, Memory, Slot};
use crate::{alert::Alert, clock::Timestamp, rule::RuleSet};

/// What the sightings come to with what is remembered. `now` is the wall clock:
/// a rule watches since the first page it saw.
pub fn recall<'a>(
    source: &str,
    rules: &'a RuleSet,
    looked: &Looked,
    memories: &mut Memories,
    now: Timestamp,
) -> Vec<Hit<'a>> {
    let _ = (memories, now);
    let hit = |sighting: &super::Sighting| {
        let rule = &rules.rules[sighting.rule];
        let key = rule.dedup.key(&sighting.trace);
        Hit {
            rule,
            fingerprint: Alert::fingerprint(source, &rule.id, &key),
            key,
            lead: sighting.trace.clone(),
            evidence: vec![(sighting.trace.id.clone(), sighting.trace.time)],
            escalates: false,
        }
    };
    looked.sightings.iter().map(hit).collect()
}

/// Silences that are over due, once all up to `watermark` is seen.
pub fn tick<'a>(
    source: &str,
    rules: &'a RuleSet,
    due: Vec<(Slot, Memory)>,
    memories: &mut Memories,
    watermark: Timestamp,
) -> Vec<Hit<'a>> {
    let _ = (source, rules, due, memories, watermark);
    Vec::new()
}
