//! What a page owes: new alerts, repeats, deliveries, ledger rows. Reads the
//! store, writes nothing.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::{
    alert::{Alert, Key, Severity},
    clock::{self, Timestamp},
    delivery::Cause,
    generation::Generation,
    notification::Notification,
    rule::{Match, Mode},
    source::Record,
    store::{IngestBatch, LedgerRow, OpenAlert, Owed, Quarantined, Store, StoreError, Subscriber, Verdict},
    trace::Trace,
};

/// A match that has left the rule set, so that it can cross threads and pages.
struct Hit {
    rule: String,
    key: Key,
    fingerprint: String,
    title: String,
    severity: Severity,
    why: Option<String>,
    runbook: Option<String>,
    topics: Vec<String>,
    window: std::time::Duration,
    shadow: bool,
    /// Index into the page's records.
    at: usize,
}

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
    let hits = evaluate(source, generation, &records, fresh, &mut batch).await;
    if hits.is_empty() {
        return Ok(batch);
    }
    let fingerprints: Vec<String> = hits.iter().map(|hit| hit.fingerprint.clone()).collect();
    let open = store.open_alerts(&fingerprints).await?;
    fold(generation, &records, hits, open, &mut batch);
    Ok(batch)
}

/// Matches the fresh traces, oldest first, off the async threads: one regular
/// expression over a large body may take tens of milliseconds.
async fn evaluate(
    source: &str,
    generation: &Arc<Generation>,
    records: &Arc<Vec<Record>>,
    mut fresh: Vec<usize>,
    batch: &mut IngestBatch,
) -> Vec<Hit> {
    fresh.sort_by_key(|at| trace_of(&records[*at]).map(|trace| (trace.time, trace.id.clone())));
    let (source, generation, records) = (source.to_owned(), generation.clone(), records.clone());
    let work = move || {
        let (mut hits, mut matched) = (Vec::new(), 0);
        for &at in &fresh {
            let Some(trace) = trace_of(&records[at]) else { continue };
            let matches = generation.rules.evaluate(trace);
            matched += u64::from(!matches.is_empty());
            hits.extend(matches.into_iter().map(|found| hit(&source, found, at)));
        }
        (hits, fresh.len() as u64, matched)
    };
    let (hits, evaluated, matched) = tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| {
        // A panic in matching is a defect; it must stop the page, not pass for "no match".
        std::panic::resume_unwind(panic.into_panic())
    });
    batch.counts.evaluated = evaluated;
    batch.counts.matched = matched;
    batch.counts.unmatched = evaluated - matched;
    hits
}

fn hit(source: &str, found: Match<'_>, at: usize) -> Hit {
    let Match { rule, key, title } = found;
    Hit {
        fingerprint: Alert::fingerprint(source, &rule.id, &key),
        rule: rule.id.clone(),
        key,
        title,
        severity: rule.severity,
        why: rule.why.clone(),
        runbook: rule.runbook.clone(),
        topics: rule.topics.clone(),
        window: rule.dedup.window,
        shadow: rule.mode == Mode::Shadow,
        at,
    }
}

/// Folds hits into open alerts or opens new ones.
fn fold(generation: &Generation, records: &[Record], hits: Vec<Hit>, open: Vec<OpenAlert>, batch: &mut IngestBatch) {
    let mut open: Vec<(OpenAlert, bool)> = open.into_iter().map(|alert| (alert, false)).collect();
    let mut owed: BTreeMap<(String, bool), u64> = BTreeMap::new();
    for hit in hits {
        let Some(trace) = trace_of(&records[hit.at]) else { continue };
        let same = |entry: &&mut (OpenAlert, bool)| {
            let alert = &entry.0.alert;
            alert.fingerprint == hit.fingerprint && alert.shadow == hit.shadow && alert.takes(trace.time)
        };
        let (alert, subscribers, verdict) = match open.iter_mut().find(same) {
            Some((entry, changed)) => {
                entry.alert.count += 1;
                entry.alert.last_time = entry.alert.last_time.max(trace.time);
                *changed = true;
                (entry.alert.id.clone(), &entry.subscribers, Verdict::Repeat)
            }
            None => {
                let entry = opened(generation, &hit, trace, batch);
                let id = entry.alert.id.clone();
                open.push((entry, true));
                let (entry, _) = open.last().expect("an alert was just added");
                (id, &entry.subscribers, Verdict::Opened)
            }
        };
        for subscriber in subscribers {
            *owed.entry((subscriber.subscription.clone(), hit.shadow)).or_default() += 1;
        }
        let verdict = if hit.shadow { Verdict::Shadow } else { verdict };
        batch.ledger.push(LedgerRow { trace: trace.id.clone(), time: trace.time, rule: hit.rule, verdict, alert });
    }
    batch.alerts = open.into_iter().filter(|(_, changed)| *changed).map(|(entry, _)| entry.alert).collect();
    batch.owed = owed
        .into_iter()
        .map(|((subscription, shadow), count)| Owed { subscription, count, suppressed: shadow.then_some("shadow") })
        .collect();
}

/// Opens an alert: its subscribers and, unless it is a shadow, its deliveries go into the batch.
fn opened(generation: &Generation, hit: &Hit, trace: &Trace, batch: &mut IngestBatch) -> OpenAlert {
    let now = batch.now;
    let alert = Alert {
        id: Alert::id(&hit.fingerprint, &trace.id),
        source: batch.source.clone(),
        rule: hit.rule.clone(),
        fingerprint: hit.fingerprint.clone(),
        key: hit.key.clone(),
        severity: hit.severity,
        title: hit.title.clone(),
        why: hit.why.clone(),
        runbook: hit.runbook.clone(),
        first: trace.clone(),
        last_time: trace.time,
        count: 1,
        opened_at: now,
        closes_at: clock::plus(now, hit.window),
        window: hit.window,
        shadow: hit.shadow,
    };
    let topics = &generation.topics;
    let notification = Notification::opened(&alert, now);
    let mut subscribers = Vec::new();
    for subscription in topics.subscribers(&hit.topics, hit.severity) {
        subscribers.push(Subscriber {
            alert: alert.id.clone(),
            subscription: subscription.id.clone(),
            endpoint: subscription.endpoint.clone(),
        });
        if !alert.shadow {
            let cause = Cause::Alert(alert.id.clone());
            let (id, endpoint) = (&subscription.id, &subscription.endpoint);
            batch.deliveries.extend(topics.delivery(&notification, &alert.id, id, endpoint, 1, cause));
        }
    }
    batch.subscribers.extend(subscribers.iter().cloned());
    OpenAlert { alert, subscribers }
}

fn id_of(record: &Record) -> &str {
    match record {
        Record::Trace(trace) => &trace.id,
        Record::Undecodable { id, .. } => id,
    }
}

fn trace_of(record: &Record) -> Option<&Trace> {
    match record {
        Record::Trace(trace) => Some(trace),
        Record::Undecodable { .. } => None,
    }
}
