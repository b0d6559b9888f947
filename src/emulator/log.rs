//! The trace list: sorted by record time and then id, read newest first.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use super::{
    TraceClock,
    entry::{Entry, Field},
};

/// How far back a query reaches.
pub const RETENTION_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// What a valid request asks for.
#[derive(Debug, Clone)]
pub struct Query {
    /// Both ends are exclusive.
    pub from: i64,
    pub to: i64,
    pub limit: usize,
    pub next: Option<String>,
    pub trace_id: Option<String>,
    pub wanted: Vec<(Field, String)>,
}

type Position = (i64, Arc<str>);

#[derive(Default)]
pub struct TraceLog {
    entries: BTreeMap<Position, Entry>,
    /// Where each id is. More than one place: the trace was recorded twice.
    places: HashMap<Arc<str>, Vec<i64>>,
    /// The place that was meant when an id with several was given out as a
    /// marker; without it the next page would repeat or lose what is between.
    marked: HashMap<Arc<str>, i64>,
}

pub struct Page<'a> {
    pub entries: Vec<&'a Entry>,
    /// None on the last page.
    pub marker: Option<Arc<str>>,
}

impl TraceLog {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn add(&mut self, entry: Entry) {
        let places = self.places.entry(Arc::clone(&entry.id)).or_default();
        if !places.contains(&entry.record_time) {
            places.push(entry.record_time);
        }
        self.entries.insert((entry.record_time, Arc::clone(&entry.id)), entry);
    }

    /// Forgets what no query can show any more.
    pub fn prune(&mut self, now: i64) {
        let edge = (now - RETENTION_MS, Arc::from(""));
        while let Some(oldest) = self.entries.first_entry().filter(|oldest| *oldest.key() < edge) {
            let (record_time, id) = oldest.remove_entry().0;
            if let Some(places) = self.places.get_mut(&id) {
                places.retain(|place| *place != record_time);
                if places.is_empty() {
                    self.places.remove(&id);
                    self.marked.remove(&id);
                }
            }
        }
    }

    pub fn page(&mut self, query: &Query, clock: TraceClock, now: i64) -> Page<'_> {
        let oldest = now - RETENTION_MS;
        let shown = |entry: &Entry| entry.visible_from <= now && entry.record_time > oldest;
        if let Some(id) = &query.trace_id {
            let place = self.places.get(id.as_str()).and_then(|places| places.iter().max());
            let entry = place.and_then(|place| self.entries.get(&(*place, Arc::from(id.as_str()))));
            return Page { entries: entry.filter(|entry| shown(entry)).into_iter().collect(), marker: None };
        }
        let from = query.from.max(oldest);
        let (low, mut high) = match clock {
            TraceClock::RecordTime => ((from.saturating_add(1), Arc::from("")), (query.to, Arc::from(""))),
            TraceClock::Time => ((i64::MIN, Arc::from("")), (i64::MAX, Arc::from(""))),
        };
        if let Some(next) = &query.next {
            match self.place_of(next) {
                Some(place) => high = high.min((place, Arc::from(next.as_str()))),
                // A marker that nobody gave out: nothing is earlier than it.
                None => return Page { entries: Vec::new(), marker: None },
            }
        }
        if low >= high {
            return Page { entries: Vec::new(), marker: None };
        }
        let in_window = |entry: &Entry| match clock {
            TraceClock::RecordTime => true,
            TraceClock::Time => from < entry.time && entry.time < query.to,
        };
        let wanted = |entry: &Entry| query.wanted.iter().all(|(field, text)| entry.fact(*field) == Some(text));
        let mut entries: Vec<&Entry> = self
            .entries
            .range((Bound::Included(low), Bound::Excluded(high)))
            .rev()
            .map(|(_, entry)| entry)
            .filter(|entry| shown(entry) && in_window(entry) && wanted(entry))
            .take(query.limit + 1)
            .collect();
        let more = entries.len() > query.limit;
        entries.truncate(query.limit);
        let last = entries.last().filter(|_| more);
        if let Some(last) = last
            && self.places.get(&last.id).is_some_and(|places| places.len() > 1)
        {
            self.marked.insert(Arc::clone(&last.id), last.record_time);
        }
        let marker = last.map(|last| Arc::clone(&last.id));
        Page { entries, marker }
    }

    /// The entry a marker names, for the fault that makes `next` inclusive.
    pub fn marked_entry(&self, id: &str) -> Option<&Entry> {
        self.entries.get(&(self.place_of(id)?, Arc::from(id)))
    }

    fn place_of(&self, id: &str) -> Option<i64> {
        self.marked.get(id).or_else(|| self.places.get(id)?.iter().max()).copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::emulator::entry::Raw;

    const NOW: i64 = 1_768_465_800_000;

    fn log(traces: &[(&str, i64, i64)]) -> TraceLog {
        let mut log = TraceLog::default();
        for (id, time, record_time) in traces {
            let trace = json!({"trace_id": id, "time": NOW + time, "record_time": NOW + record_time});
            log.add(Entry::new(Raw::Value(Box::new(trace)), NOW, || unreachable!()));
        }
        log
    }

    fn query(limit: usize) -> Query {
        let (next, trace_id, wanted) = (None, None, Vec::new());
        Query { from: NOW - 1000, to: NOW, limit, next, trace_id, wanted }
    }

    fn walk(log: &mut TraceLog, mut query: Query, clock: TraceClock) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..100 {
            let page = log.page(&query, clock, NOW);
            seen.extend(page.entries.iter().map(|entry| entry.id.to_string()));
            match page.marker {
                Some(marker) => query.next = Some(marker.to_string()),
                None => return seen,
            }
        }
        panic!("the walk does not end");
    }

    #[test]
    fn pages_are_newest_first_and_complete_for_every_limit() {
        let traces = [("b", -9, -5), ("a", -9, -5), ("c", -9, -3), ("d", -9, -7), ("e", -9, -1)];
        for limit in 1..=6 {
            assert_eq!(walk(&mut log(&traces), query(limit), TraceClock::RecordTime), ["e", "c", "b", "a", "d"]);
        }
    }

    #[test]
    fn both_ends_are_exclusive_on_either_clock() {
        let traces = [("from", -1000, -1000), ("in", -999, -1), ("late", -2000, -1), ("to", 0, 0)];
        assert_eq!(walk(&mut log(&traces), query(9), TraceClock::RecordTime), ["late", "in"]);
        assert_eq!(walk(&mut log(&traces), query(9), TraceClock::Time), ["in"]);
    }

    #[test]
    fn a_trace_recorded_twice_breaks_no_walk() {
        let traces = [("a", -90, -90), ("twice", -80, -80), ("b", -70, -70), ("twice", -80, -60), ("c", -50, -50)];
        for limit in 1..=5 {
            let seen = walk(&mut log(&traces), query(limit), TraceClock::RecordTime);
            assert_eq!(seen, ["c", "twice", "b", "twice", "a"], "limit {limit}");
        }
    }

    #[test]
    fn seven_days_are_kept() {
        let mut log = log(&[("old", 0, -RETENTION_MS - 1), ("new", 0, 1 - RETENTION_MS)]);
        let all = Query { from: 0, ..query(9) };
        assert_eq!(walk(&mut log, all, TraceClock::RecordTime), ["new"]);
        log.prune(NOW);
        assert_eq!((log.len(), log.places.len()), (1, 1));
    }
}
