//! Rules tried in memory: nothing is stored, nothing is sent.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{Hit, Looked, Memories, Ring, Slot, fold, look, recall, tick, window::LATENESS};
use crate::{
    alert::Alert,
    clock::{self, Timestamp},
    rule::RuleSet,
    trace::Trace,
};

const SOURCE: &str = "rehearsal";
/// How often, by the traces' time, what nothing can come of any more is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Rules at work on traces as they come, for cases and backtests. Its wall clock
/// is the newest trace.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    rules: &'a RuleSet,
    memories: Memories,
    /// When which silence is due.
    due: BTreeSet<(Timestamp, Slot)>,
    due_of: HashMap<Slot, Timestamp>,
    alerts: Vec<Alert>,
    /// Alerts that may still grow, by fingerprint: places in `alerts`.
    open: HashMap<String, Vec<usize>>,
    looked: Tally,
    now: Timestamp,
    forgot_at: Timestamp,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub traces: u64,
    pub matched: u64,
    pub excepted: u64,
}

impl<'a> Rehearsal<'a> {
    /// Rules watch, and learn, from `start` on.
    pub fn new(rules: &'a RuleSet, start: Timestamp) -> Self {
        Self {
            rules,
            memories: Memories::default(),
            due: BTreeSet::new(),
            due_of: HashMap::new(),
            alerts: Vec::new(),
            open: HashMap::new(),
            looked: Tally::default(),
            now: start,
            forgot_at: start,
        }
    }

    /// Rules that have watched for ever: what they learn is learnt, and nothing was seen.
    pub fn learnt(rules: &'a RuleSet, start: Timestamp) -> Self {
        let mut rehearsal = Self::new(rules, start);
        let since = |rule: &crate::rule::Rule| (rule.id.clone(), Timestamp::MIN);
        rehearsal.memories.since = rules.rules.iter().filter(|rule| rule.when.is_some()).map(since).collect();
        rehearsal
    }

    /// What these traces make ring, oldest first. Pages may come in any order; silences
    /// are judged by [`Self::advance`] alone.
    pub fn traces(&mut self, traces: &[Arc<Trace>]) -> Vec<Ring> {
        self.now = traces.iter().map(|trace| trace.time).fold(self.now, Timestamp::max);
        let looked = look(self.rules, traces);
        self.count(traces.len(), &looked);
        let hits = recall(SOURCE, self.rules, &looked, &mut self.memories, self.now);
        self.settle(hits)
    }

    /// What one trace makes ring, and before it the silences that ended no later. For
    /// traces in order of time.
    pub fn trace(&mut self, trace: &Arc<Trace>) -> Vec<Ring> {
        let mut rings = self.advance(trace.time);
        rings.extend(self.traces(std::slice::from_ref(trace)));
        rings
    }

    /// What rings because nothing more comes up to `watermark`.
    pub fn advance(&mut self, watermark: Timestamp) -> Vec<Ring> {
        self.now = self.now.max(watermark);
        let mut due = Vec::new();
        while let Some((at, _)) = self.due.first()
            && *at < watermark
        {
            let (_, slot) = self.due.pop_first().expect("there is a first one");
            self.due_of.remove(&slot);
            due.extend(self.memories.slots.remove(&slot).map(|memory| (slot, memory)));
        }
        let hits = tick(SOURCE, self.rules, due, &mut self.memories, watermark);
        let rings = self.settle(hits);
        if clock::since(self.forgot_at, watermark) >= FORGET_EVERY {
            self.forget(watermark);
        }
        rings
    }

    /// What rings because nothing more came until `end`.
    pub fn finish(&mut self, end: Timestamp) -> Vec<Ring> {
        self.advance(end)
    }

    /// All alerts so far, in the order in which they opened, as they stand now.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    pub fn tally(&self) -> Tally {
        self.looked
    }
    fn count(&mut self, traces: usize, looked: &Looked) {
        self.looked.traces += traces as u64;
        self.looked.matched += looked.matched;
        self.looked.excepted += looked.excepted.len() as u64;
    }

    /// Folds hits into the alerts near them, and notes which silences are due.
    fn settle(&mut self, hits: Vec<Hit<'_>>) -> Vec<Ring> {
        for slot in std::mem::take(&mut self.memories.changed) {
            let due = self.memories.slots.get(&slot).and_then(|memory| memory.due_at);
            let before = match due {
                Some(at) => self.due_of.insert(slot.clone(), at),
                None => self.due_of.remove(&slot),
            };
            if let Some(at) = before.filter(|at| Some(*at) != due) {
                self.due.remove(&(at, slot.clone()));
            }
            self.due.extend(due.map(|at| (at, slot)));
        }
        if hits.is_empty() {
            return Vec::new();
        }
        let fingerprints: BTreeSet<&str> = hits.iter().map(|hit| hit.fingerprint.as_str()).collect();
        let mut places: Vec<usize> =
            fingerprints.iter().filter_map(|one| self.open.get(*one)).flatten().copied().collect();
        places.sort_unstable();
        let mut near: Vec<Alert> = places.iter().map(|at| self.alerts[*at].clone()).collect();
        let rings = fold(SOURCE, hits, &mut near, self.now);
        let mut near = near.into_iter();
        for (at, alert) in places.iter().zip(near.by_ref()) {
            self.alerts[*at] = alert;
        }
        for alert in near {
            self.open.entry(alert.fingerprint.clone()).or_default().push(self.alerts.len());
            self.alerts.push(alert);
        }
        rings
    }

    /// Bounds what is kept over days of traces.
    fn forget(&mut self, watermark: Timestamp) {
        self.forgot_at = watermark;
        self.memories.slots.retain(|_, memory| memory.due_at.is_some() || memory.expires_at >= watermark);
        let alerts = &self.alerts;
        let grows = |at: &usize| {
            let alert = &alerts[*at];
            clock::plus(alert.last_time.max(alert.closes_at), alert.window.saturating_add(LATENESS)) >= watermark
        };
        self.open.retain(|_, places| {
            places.retain(grows);
            !places.is_empty()
        });
    }
}
