//! Rules tried in memory: nothing is stored, nothing is sent.

use std::sync::Arc;

use super::{Memories, Ring, fold, look, recall};
use crate::{alert::Alert, clock::Timestamp, rule::RuleSet, trace::Trace};

/// Rules at work on traces as they come, for cases and backtests. Its wall clock
/// is the newest trace.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    rules: &'a RuleSet,
    memories: Memories,
    alerts: Vec<Alert>,
    now: Timestamp,
}

impl<'a> Rehearsal<'a> {
    /// Rules watch, and learn, from `start` on.
    pub fn new(rules: &'a RuleSet, start: Timestamp) -> Self {
        Self { rules, memories: Memories::default(), alerts: Vec::new(), now: start }
    }

    /// What these traces make ring.
    pub fn traces(&mut self, traces: &[Arc<Trace>]) -> Vec<Ring> {
        self.now = traces.iter().map(|trace| trace.time).fold(self.now, Timestamp::max);
        let looked = look(self.rules, traces);
        let hits = recall("rehearsal", self.rules, &looked, &mut self.memories, self.now);
        fold("rehearsal", hits, &mut self.alerts, self.now)
    }

    /// What rings because nothing more came until `end`.
    pub fn finish(&mut self, end: Timestamp) -> Vec<Ring> {
        let _ = end;
        Vec::new()
    }
}
