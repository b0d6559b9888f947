//! From what was read to what is stored: decided and committed in one transaction, and decided anew when another
//! writer came between.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    delay,
    effects::{self, Watermark},
};
use crate::{
    clock::Timestamp,
    generation::Generation,
    metrics::{Metrics, RuleLabel},
    source::Record,
    store::{self, IngestBatch, IngestCounts, Store, StoreError, Way},
};

/// Records of one source that are judged and stored together.
pub struct Intake<'a, S> {
    pub source: &'a str,
    pub store: &'a S,
    pub generation: &'a Arc<Generation>,
    pub records: Arc<Vec<Record>>,
    /// Of a page that completes a window.
    pub watermark: Option<Watermark>,
    /// Of what came as soon as it could.
    pub arrival: Option<Arrival>,
    pub now: Timestamp,
}

/// How and when records came, by the cloud's clock.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub way: Way,
    /// What was recorded before says nothing of delays: nobody listened.
    pub since: Timestamp,
    pub now: Timestamp,
}

/// What was stored.
pub struct Settled {
    pub counts: IngestCounts,
    /// Records not seen before, those that cannot be decoded included.
    pub fresh: usize,
    pub opened: Vec<RuleLabel>,
    rings: bool,
    crowded_out: u64,
    took: Option<(Way, Vec<Duration>)>,
}

impl<S: Store> Intake<'_, S> {
    /// `complete` adds what only the caller knows, each time anew; it is told of which rules alerts open. After so many
    /// conflicts the last one is returned.
    pub async fn settle(
        self,
        conflicts: u32,
        complete: impl Fn(&mut IngestBatch, &[RuleLabel]),
    ) -> Result<Settled, StoreError> {
        let Self { source, store, generation, records, watermark, arrival, now } = self;
        let mut left = conflicts;
        loop {
            let decided = effects::decide(source, store, generation, records.clone(), watermark, now).await?;
            let (mut batch, crowded_out) = (decided.batch, decided.crowded_out);
            let fresh = batch.seen.len();
            let took = arrival.map(|Arrival { way, since, now }| (way, delay::of(&records, &batch, since, now)));
            batch.delays = took.as_ref().map(|(way, took)| store::delay(*way, took)).unwrap_or_default();
            let opened = opened(&batch);
            complete(&mut batch, &opened);
            let (counts, rings) = (batch.counts, !batch.deliveries.is_empty());
            match store.commit_ingest(batch).await {
                Ok(()) => return Ok(Settled { counts, fresh, opened, rings, crowded_out, took }),
                Err(StoreError::Conflict) if left > 0 => left -= 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Settled {
    /// Counts it, and wakes those who deliver.
    pub fn tell(&self, metrics: &Metrics, committed: &watch::Sender<()>) {
        metrics.window_traces_crowded_out.inc_by(self.crowded_out);
        if let Some((way, took)) = &self.took {
            delay::observe(metrics, *way, took);
        }
        for label in &self.opened {
            metrics.alerts.get_or_create(label).inc();
        }
        if self.rings {
            committed.send_replace(());
        }
    }
}

/// The rules of alerts that a batch opens.
fn opened(batch: &IngestBatch) -> Vec<RuleLabel> {
    let alert =
        |row: &store::LedgerRow| batch.alerts.iter().find(|alert| alert.id == row.alert && alert.first.id == row.trace);
    let opened = batch.ledger.iter().filter_map(alert);
    opened.map(|alert| RuleLabel { rule: alert.rule.clone(), severity: alert.severity.as_str() }).collect()
}
