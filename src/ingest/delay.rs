//! How long traces that are new took until they were stored.

use std::{collections::HashSet, time::Duration};

use crate::{
    clock::{self, Timestamp},
    metrics::{Metrics, PathLabel},
    source::Record,
    store::{IngestBatch, Way},
};

/// Of the traces in a batch that is about to be stored. Those recorded before `since` say nothing: nobody listened.
pub fn of(records: &[Record], batch: &IngestBatch, since: Timestamp, now: Timestamp) -> Vec<Duration> {
    if batch.seen.is_empty() {
        return Vec::new();
    }
    let mut fresh: HashSet<&str> = batch.seen.iter().map(String::as_str).collect();
    let took = |record: &Record| match record {
        // One that stands in a page twice was stored once.
        Record::Trace(trace) => (trace.record_time >= since && fresh.remove(trace.id.as_str()))
            .then(|| clock::since(trace.record_time, now)),
        Record::Undecodable { .. } => None,
    };
    records.iter().filter_map(took).collect()
}

/// Counts them once they are stored.
pub fn observe(metrics: &Metrics, way: Way, took: &[Duration]) {
    if !took.is_empty() {
        let histogram = metrics.trace_delay_seconds.get_or_create(&PathLabel { path: way.as_str() });
        took.iter().for_each(|took| histogram.observe(took.as_secs_f64()));
    }
}
