//! What a page owes: new alerts, repeats, deliveries, ledger rows. Reads the
//! store, writes nothing.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::{
    alert::Alert,
    clock::Timestamp,
    delivery::Cause,
    generation::Generation,
    notification::Notification,
    ring::{self, Change, Hit, Looked, Memories, Ring},
    source::Record,
    store::{IngestBatch, LedgerRow, OpenAlert, Owed, Quarantined, Store, StoreError, Subscriber, Verdict},
    trace::Trace,
};

/// Everything the page owes, ready to commit but for checkpoint and gaps.
pub async fn decide<S: Store>(
    source: &str,
    store: &S,
    generation: &Arc<Generation>,
    records: Arc<Vec<Record>>,
    now: Timestamp,
) -> Result<IngestBatch, StoreError> {
    let ids: Vec<String> = records.iter().map(|record| id_of(record).to_owned()).collect();
    let mut known: HashSet<String> = store.seen(source, &ids).await?;
    let mut batch = IngestBatch { source: source.to_owned(), now, ..IngestBatch::default() };
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
                    source: source.to_owned(),
                    id: id.clone(),
                    reason: reason.clone(),
                    raw: raw.clone(),
                    at: now,
                });
            }
        }
    }
    let looked = look(generation, &records, fresh, &mut batch).await;
    let mut memories = Memories::default();
    let hits = ring::recall(source, &generation.rules, &looked, &mut memories, now);
    if hits.is_empty() {
        return Ok(batch);
    }
    let fingerprints: Vec<String> = hits.iter().map(|hit| hit.fingerprint.clone()).collect();
    let open = store.open_alerts(&fingerprints).await?;
    write(generation, hits, open, &mut batch);
    Ok(batch)
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

/// What the hits make of alerts, and what is owed for it.
fn write(generation: &Generation, hits: Vec<Hit<'_>>, open: Vec<OpenAlert>, batch: &mut IngestBatch) {
    let mut subscribers: BTreeMap<String, Vec<Subscriber>> = BTreeMap::new();
    let mut alerts = Vec::with_capacity(open.len());
    for OpenAlert { alert, subscribers: known } in open {
        subscribers.insert(alert.id.clone(), known);
        alerts.push(alert);
    }
    let rings = ring::fold(&batch.source, hits, &mut alerts, batch.now);
    let mut owed: BTreeMap<(String, bool), u64> = BTreeMap::new();
    for Ring { change, alert, topics, evidence, .. } in &rings {
        if *change == Change::Opened {
            subscribers.insert(alert.id.clone(), opened(generation, alert, topics, batch));
        }
        for subscriber in subscribers.get(&alert.id).into_iter().flatten() {
            *owed.entry((subscriber.subscription.clone(), alert.shadow)).or_default() += evidence.len() as u64;
        }
        let verdict = match change {
            _ if alert.shadow => Verdict::Shadow,
            Change::Opened => Verdict::Opened,
            _ => Verdict::Repeat,
        };
        batch.ledger.extend(evidence.iter().map(|(trace, time)| LedgerRow {
            trace: trace.clone(),
            time: *time,
            rule: alert.rule.clone(),
            verdict,
            alert: alert.id.clone(),
        }));
    }
    let changed: HashSet<&str> = rings.iter().map(|ring| ring.alert.id.as_str()).collect();
    batch.alerts = alerts.into_iter().filter(|alert| changed.contains(alert.id.as_str())).collect();
    batch.owed = owed
        .into_iter()
        .map(|((subscription, shadow), count)| Owed { subscription, count, suppressed: shadow.then_some("shadow") })
        .collect();
}

/// The subscribers of a new alert; unless it is a shadow, their deliveries go into the batch.
fn opened(generation: &Generation, alert: &Alert, topics: &[String], batch: &mut IngestBatch) -> Vec<Subscriber> {
    let notification = Notification::opened(alert, batch.now);
    let mut subscribers = Vec::new();
    for subscription in generation.topics.subscribers(topics, alert.severity) {
        subscribers.push(Subscriber {
            alert: alert.id.clone(),
            subscription: subscription.id.clone(),
            endpoint: subscription.endpoint.clone(),
        });
        if !alert.shadow {
            let cause = Cause::Alert(alert.id.clone());
            let (id, endpoint) = (&subscription.id, &subscription.endpoint);
            let delivery = generation.topics.delivery(&notification, &alert.id, id, endpoint, alert.told, cause);
            batch.deliveries.extend(delivery);
        }
    }
    batch.subscribers.extend(subscribers.iter().cloned());
    subscribers
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
