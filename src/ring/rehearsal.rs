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
    now: Timestamp,
    forgot_at: Timestamp,
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
        let now = traces.iter().map(|trace| trace.time).fold(self.now, Timestamp::max);
        self.looked(&look(self.rules, traces), now)
    }

    /// What traces that were looked at already make ring; `now` is the newest of them.
    pub fn looked(&mut self, looked: &Looked, now: Timestamp) -> Vec<Ring> {
        self.now = self.now.max(now);
        let hits = recall(SOURCE, self.rules, looked, &mut self.memories, self.now);
        let rings = self.settle(hits);
        self.forget();
        rings
    }

    /// What one trace makes ring, and before it the silences that were over before. For
    /// traces in order of time.
    pub fn trace(&mut self, trace: &Arc<Trace>) -> Vec<Ring> {
        let before = clock::minus(trace.time, Duration::from_nanos(1));
        let mut rings = self.advance(before);
        rings.extend(self.traces(std::slice::from_ref(trace)));
        rings
    }

    /// What rings because nothing more comes up to `watermark`.
    pub fn advance(&mut self, watermark: Timestamp) -> Vec<Ring> {
        self.now = self.now.max(watermark);
        let mut due = Vec::new();
        while let Some((at, _)) = self.due.first()
            && *at <= watermark
        {
            let (_, slot) = self.due.pop_first().expect("there is a first one");
            self.due_of.remove(&slot);
            due.extend(self.memories.slots.remove(&slot).map(|memory| (slot, memory)));
        }
        let hits = tick(SOURCE, self.rules, due, &mut self.memories, watermark);
        let rings = self.settle(hits);
        self.forget();
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
    fn forget(&mut self) {
        let now = self.now;
        if clock::since(self.forgot_at, now) < FORGET_EVERY {
            return;
        }
        self.forgot_at = now;
        self.memories.slots.retain(|_, memory| memory.due_at.is_some() || memory.expires_at >= now);
        let alerts = &self.alerts;
        let grows = |at: &usize| {
            let alert = &alerts[*at];
            clock::plus(alert.last_time.max(alert.closes_at), alert.window.saturating_add(LATENESS)) >= now
        };
        self.open.retain(|_, places| {
            places.retain(grows);
            !places.is_empty()
        });
    }
}
