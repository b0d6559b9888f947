//! What a page owes: new alerts, repeats, deliveries, ledger rows, memory. Reads
//! the store, writes nothing.

use std::{collections::HashSet, sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    generation::Generation,
    ingest::{pacing::Pacing, trouble},
    ring::{self, Looked},
    source::Record,
    store::{IngestBatch, Quarantined, Store, StoreError},
    trace::Trace,
};

mod absent;
mod ledger;
mod mute;
mod owe;
mod past;
mod recollect;
mod tell;

pub use tell::by_itself;

/// What a page comes to.
pub struct Decided {
    pub batch: IngestBatch,
    /// Traces that a rule forgot before their time, because too many shared their key.
    pub crowded_out: u64,
}

/// Where a page completes a window to: what was to come until then and did not is missing, unless it
/// is recorded `late`.
#[derive(Debug, Clone, Copy)]
pub struct Watermark {
    pub at: Timestamp,
    pub late: Duration,
}

/// Everything the page owes, ready to commit but for checkpoint and gaps.
pub async fn decide<S: Store>(
    source: &str,
    store: &S,
    generation: &Arc<Generation>,
    records: Arc<Vec<Record>>,
    watermark: Option<Watermark>,
    now: Timestamp,
) -> Result<Decided, StoreError> {
    let revision = Some(store.revision(source).await?);
    let mut batch = IngestBatch { source: source.to_owned(), now, revision, ..IngestBatch::default() };
    let fresh = sort_out(store, &records, &mut batch).await?;
    let past = past::load(store, fresh.iter().filter_map(|at| trace_of(&records[*at])), &mut batch).await?;
    let looked = look(generation, &records, fresh, &mut batch).await;
    let rules = &generation.rules;

    let mut memories = recollect::load(store, rules, &looked.slots, &mut batch).await?;
    let known = memories.since.clone();
    let mut hits = ring::recall(source, rules, &looked, &mut memories, now);
    if let Some(watermark) = watermark {
        hits.extend(absent::tell(store, generation, &mut memories, watermark, &mut batch).await?);
    }
    let fingerprints: Vec<String> = hits.iter().map(|hit| hit.fingerprint.clone()).collect();
    let open = if hits.is_empty() { Vec::new() } else { store.open_alerts(&fingerprints).await? };
    let mutes = mute::load(store, generation, &hits, now).await?;
    let told = hits.iter().map(|hit| (hit.rule.id.as_str(), hit.lead.as_ref()));
    let mut pacing = Pacing::load(store, generation, told, now).await?;
    let rings = owe::write(generation, hits, open, mutes, &past, &mut pacing, &mut batch);
    ledger::write(rules, &looked, &rings, &mut batch);
    let crowded_out = memories.dropped;
    recollect::write(rules, memories, &known, &mut batch);
    if batch.counts.undecodable > 0 {
        batch.deliveries.extend(trouble::quarantine_notice(generation, &batch, now));
    }
    batch.deliveries.extend(trouble::forgotten_notice(generation, &batch, now));
    Ok(Decided { batch, crowded_out })
}

/// Counts the records; returns the places of the traces that were not seen before.
async fn sort_out<S: Store>(store: &S, records: &[Record], batch: &mut IngestBatch) -> Result<Vec<usize>, StoreError> {
    let ids: Vec<String> = records.iter().map(|record| id_of(record).to_owned()).collect();
    let mut known: HashSet<String> = store.seen(&batch.source, &ids).await?;
    let mut fresh = Vec::new();
    for (at, record) in records.iter().enumerate() {
        batch.counts.fetched += 1;
        if !known.insert(id_of(record).to_owned()) {
            batch.counts.duplicate += 1;
            continue;
        }
        batch.seen.push(id_of(record).to_owned());
        match record {
            Record::Trace(_) => fresh.push(at),
            Record::Undecodable { id, raw, reason } => {
                batch.counts.undecodable += 1;
                batch.quarantine.push(Quarantined {
                    source: batch.source.clone(),
                    id: id.clone(),
                    reason: reason.clone(),
                    raw: raw.clone(),
                    at: batch.now,
                });
            }
        }
    }
    Ok(fresh)
}

/// Matches the fresh traces off the async threads: one regular expression over a
/// large body may take tens of milliseconds.
async fn look(
    generation: &Arc<Generation>,
    records: &Arc<Vec<Record>>,
    fresh: Vec<usize>,
    batch: &mut IngestBatch,
) -> Looked {
    batch.counts.evaluated = fresh.len() as u64;
    let (generation, records) = (generation.clone(), records.clone());
    let work = move || {
        let traces: Vec<Arc<Trace>> = fresh.iter().filter_map(|at| trace_of(&records[*at])).cloned().collect();
        ring::look(&generation.rules, &traces)
    };
    let looked = tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| {
        // A panic in matching is a defect; it must stop the page, not pass for "no match".
        std::panic::resume_unwind(panic.into_panic())
    });
    batch.counts.matched = looked.matched;
    batch.counts.unmatched = batch.counts.evaluated - looked.matched;
    looked
}

fn id_of(record: &Record) -> &str {
    match record {
        Record::Trace(trace) => &trace.id,
        Record::Undecodable { id, .. } => id,
    }
}

fn trace_of(record: &Record) -> Option<&Arc<Trace>> {
    match record {
        Record::Trace(trace) => Some(trace),
        Record::Undecodable { .. } => None,
    }
}
