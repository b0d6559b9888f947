//! What stands around the room that rings: everything between two pages is text, and
//! only what was asked for is loaded.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use tracebell::{
    alert::{Alert, Severity},
    clock::Timestamp,
    ring::{self, Memories, Memory, Slot},
    rule::RuleSet,
    trace::Trace,
};

/// State as a store keeps it.
#[derive(Default)]
pub struct Desk {
    /// With when each is due, as a store finds them.
    memories: BTreeMap<Slot, (Option<Timestamp>, String)>,
    since: BTreeMap<String, Timestamp>,
    /// By id: fingerprint and all of it.
    alerts: BTreeMap<String, (String, String)>,
    seen: HashSet<String>,
    /// By rule, every trace told.
    told: BTreeMap<String, Vec<String>>,
}

/// What an alert comes to, as far as it may not depend on the order.
#[derive(Debug, PartialEq, PartialOrd, Eq, Ord)]
pub struct Standing {
    rule: String,
    key: Vec<String>,
    /// Oldest and newest match; which sighting of a new value comes first is up to the order.
    span: Option<(Timestamp, Timestamp)>,
    count: u64,
    severity: Severity,
    pub escalated: bool,
}

impl Desk {
    pub fn page(&mut self, rules: &RuleSet, traces: &[Arc<Trace>], watermark: Option<Timestamp>, now: Timestamp) {
        let fresh: Vec<Arc<Trace>> =
            traces.iter().filter(|trace| self.seen.insert(trace.id.clone())).cloned().collect();
        let looked = ring::look(rules, &fresh);
        let mut memories = Memories { since: self.since.clone(), ..Memories::default() };
        for slot in &looked.slots {
            memories.slots.extend(self.memories.get(slot).map(|(_, text)| (slot.clone(), memory(text))));
        }
        let mut hits = ring::recall("prod", rules, &looked, &mut memories, now);
        assert_eq!(memories.dropped, 0);
        if let Some(watermark) = watermark {
            let is_due = |due: &Option<Timestamp>| due.is_some_and(|due| due < watermark);
            let stored = self.memories.iter().filter(|(_, (due, _))| is_due(due));
            let due = stored.map(|(slot, (_, text))| (slot.clone(), memory(text))).collect();
            hits.extend(ring::tick("prod", rules, due, &mut memories, watermark, Duration::ZERO));
        }
        let fingerprints: BTreeSet<&str> = hits.iter().map(|hit| hit.fingerprint.as_str()).collect();
        let near = self.alerts.values().filter(|(fingerprint, _)| fingerprints.contains(fingerprint.as_str()));
        let mut open: Vec<Alert> = near.map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
        for ring in ring::fold("prod", hits, &mut open, now) {
            assert!(ring.alert.told <= ring.alert.count);
            self.told.entry(ring.alert.rule.clone()).or_default().extend(ring.evidence.into_iter().map(|(id, _)| id));
            let text = serde_json::to_string(&ring.alert).unwrap();
            self.alerts.insert(ring.alert.id, (ring.alert.fingerprint, text));
        }
        for slot in &memories.changed {
            assert!(watermark.is_some() || looked.slots.contains(slot), "{slot:?} was not asked for");
            let memory = &memories.slots[slot];
            self.memories.insert(slot.clone(), (memory.due_at, serde_json::to_string(memory).unwrap()));
        }
        self.since = memories.since;
    }

    /// Ids of all traces told of a rule, sorted; one told twice is there twice.
    pub fn told(&self, rule: &str) -> Vec<String> {
        let mut told = self.told.get(rule).cloned().unwrap_or_default();
        told.sort();
        told
    }

    pub fn alerts(&self) -> Vec<Standing> {
        let standing = |(_, text): &(String, String)| {
            let alert: Alert = serde_json::from_str(text).unwrap();
            Standing {
                span: (alert.rule != "first").then(|| (alert.begun(), alert.last_time)),
                key: alert.key.into_values().collect(),
                rule: alert.rule,
                count: alert.count,
                severity: alert.severity,
                escalated: alert.escalated,
            }
        };
        let mut alerts: Vec<Standing> = self.alerts.values().map(standing).collect();
        alerts.sort();
        alerts
    }
}

fn memory(text: &str) -> Memory {
    serde_json::from_str(text).unwrap()
}
