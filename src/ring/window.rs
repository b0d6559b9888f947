//! Entries of a memory by time: where one belongs, which are near, which are given up.
//!
//! What a window comes to depends on the set of its entries alone, so a trace that
//! comes late finds what it would have found in time, for as long as [`LATENESS`].

use std::{ops::Range, sync::Arc, time::Duration};

use super::{Entry, Memory, Sighting};
use crate::{
    clock::{self, Timestamp},
    rule::Rule,
    trace::Trace,
};

/// How much later than its neighbours a trace may come and still be counted with
/// them: as far back as the re-read of every few hours reaches.
pub const LATENESS: Duration = Duration::from_secs(30 * 3600);
/// Fewest entries that a slot has room for.
pub const ROOM: usize = 256;
/// Longest body kept of a trace that may have to open an alert, in bytes.
const BODY: usize = 4096;

impl Memory {
    /// Puts an entry where it belongs; its index.
    pub(super) fn put(&mut self, entry: Entry) -> usize {
        let place = |entry: &Entry| (entry.time, entry.trace.clone(), entry.word.clone());
        let own = place(&entry);
        let at = self.entries.partition_point(|other| other.time < own.0 || other.time == own.0 && place(other) < own);
        self.entries.insert(at, entry);
        at
    }

    /// Entries from one time to another, both included.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> Range<usize> {
        let start = self.entries.partition_point(|entry| entry.time < from);
        let end = self.entries.partition_point(|entry| entry.time <= to);
        start..end.max(start)
    }

    /// Gives up what is older than anything that may still come needs, then the oldest
    /// beyond `room`. Returns how many of the latter.
    pub(super) fn trim(&mut self, reach: Duration, room: usize, now: Timestamp) -> u64 {
        let reach = reach.saturating_add(LATENESS);
        let newest = self.newest(now);
        let old = self.entries.partition_point(|entry| entry.time < clock::minus(newest, reach));
        self.entries.drain(..old);
        let over = self.entries.len().saturating_sub(room);
        self.entries.drain(..over);
        self.expires_at = clock::plus(newest, reach);
        over as u64
    }

    /// Time of the newest entry; a trace of the future does not push out the present.
    pub(super) fn newest(&self, now: Timestamp) -> Timestamp {
        self.entries.last().map_or(now, |entry| entry.time.min(now))
    }

    /// Leaves out entries between two others that are no further apart than `reach`:
    /// what lies within reach of one that goes lies within reach of one that stays.
    pub(super) fn thin(&mut self, reach: Duration) {
        let mut at = 1;
        while at + 1 < self.entries.len() {
            if clock::since(self.entries[at - 1].time, self.entries[at + 1].time) <= reach {
                self.entries.remove(at);
            } else {
                at += 1;
            }
        }
    }
}

impl Entry {
    /// An entry without its trace.
    pub(super) fn bare(trace: &Trace, word: impl Into<String>) -> Self {
        Self { time: trace.time, trace: trace.id.clone(), word: word.into(), rang: false, whole: None }
    }

    /// An entry that may have to lead an alert of the rule.
    pub(super) fn whole(rule: &Rule, sighting: &Sighting, word: impl Into<String>) -> Self {
        Self { whole: Some(kept(rule, &sighting.trace)), ..Self::bare(&sighting.trace, word) }
    }

    /// Counted from now on; its id and time.
    pub(super) fn ring(&mut self) -> (String, Timestamp) {
        self.rang = true;
        self.whole = None;
        (self.trace.clone(), self.time)
    }

    /// The entry's trace; the one that has just come, if it is that.
    pub(super) fn lead(&mut self, arrived: &Arc<Trace>) -> Option<Arc<Trace>> {
        if self.trace == arrived.id { Some(arrived.clone()) } else { self.whole.take().map(Arc::from) }
    }
}

/// The trace with long bodies cut, unless the alert's key or title would change.
fn kept(rule: &Rule, trace: &Trace) -> Box<Trace> {
    let long = |body: &Option<String>| body.as_ref().is_some_and(|body| body.len() > BODY);
    let whole = Box::new(trace.clone());
    if ![&trace.request, &trace.response, &trace.message].into_iter().any(long) {
        return whole;
    }
    let mut cut = whole.clone();
    for body in [&mut cut.request, &mut cut.response, &mut cut.message].into_iter().flatten() {
        body.truncate(body.floor_char_boundary(BODY));
    }
    cut.truncated = true;
    let told = |trace: &Trace| {
        let key = rule.dedup.key(trace);
        let then = rule.then.as_ref().and_then(|then| then.title.as_ref()).map(|title| title.render(trace, &key));
        (rule.title.render(trace, &key), then, key)
    };
    if told(&cut) == told(trace) { cut } else { whole }
}

/// Time between two moments, whichever is first.
pub fn apart(a: Timestamp, b: Timestamp) -> Duration {
    clock::since(a, b).max(clock::since(b, a))
}
