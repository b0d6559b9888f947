//! Fills a gap from the archive: what it hands out is judged and stored as a page of the poller's would be.
//!
//! May run beside the poller of the same source: trace ids that either has seen are duplicates to the other, and
//! a page that both touched is decided anew. The checkpoint stays where it is.

use std::{sync::Arc, time::Duration};

use super::{Failure, effects};
use crate::{
    checkpoint::Part,
    clock::{self, Timestamp},
    delivery::{Cause, Delivery, Hold, HoldKind},
    generation::Generation,
    source::{
        Record,
        archive::reading::{self, Progress, Reading},
    },
    store::{FillMark, Store, StoreError},
};

/// Traces of one transaction: a poller beside it waits no longer than for a page of its own.
const CHUNK: usize = 500;
/// A page that another writer raced is decided anew this often.
const CONFLICTS: u32 = 20;
/// What is told in one message waits for the end, but no longer than this for a process that died.
const TOLD_WITHIN: Duration = Duration::from_secs(300);

/// How alerts of the gap are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// Each by itself, as late.
    Each,
    /// All in one message for each subscription that people read; programs get each.
    InOne,
}

/// One part of a gap on its way into the store.
pub struct Fill<S> {
    source: String,
    part: Part,
    reading: Reading,
    store: S,
    generation: Arc<Generation>,
    telling: Telling,
    /// Who asked for it.
    by: String,
    /// Since the last commit.
    unreadable: u64,
    pub filled: Filled,
}

/// What a run came to so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filled {
    pub traces: u64,
    pub fresh: u64,
    pub undecodable: u64,
    pub alerts: u64,
    /// Files that could not be read, and why; the first few.
    pub unreadable: u64,
    pub reasons: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    On,
    Done,
}

impl<S: Store> Fill<S> {
    pub fn new(
        source: String,
        part: Part,
        reading: Reading,
        store: S,
        generation: Arc<Generation>,
        telling: Telling,
        by: String,
    ) -> Self {
        let (unreadable, filled) = (0, Filled::default());
        Self { source, part, reading, store, generation, telling, by, unreadable, filled }
    }

    pub fn progress(&self) -> &Progress {
        &self.reading.progress
    }

    /// Reads a file, or stores what is complete.
    pub async fn step(&mut self, now: Timestamp) -> Result<Step, Failure> {
        match self.reading.next(now).await? {
            reading::Step::On => return Ok(Step::On),
            reading::Step::Unreadable { key, reason } => {
                self.unreadable += 1;
                self.filled.unreadable += 1;
                if self.filled.reasons.len() < 3 {
                    self.filled.reasons.push(format!("{key}: {reason}"));
                }
                return Ok(Step::On);
            }
            reading::Step::Records { records, until } => {
                let mut rest = records;
                while rest.len() > CHUNK {
                    let later = rest.split_off(CHUNK);
                    self.commit(rest, None, now).await?;
                    rest = later;
                }
                self.commit(rest, Some(until), now).await?;
                return Ok(Step::On);
            }
            reading::Step::End => {}
        }
        self.part.reached = self.part.to;
        self.store(Vec::new(), true, now).await?;
        Ok(Step::Done)
    }

    /// With the last of what lies before `until`, the part is read up to there.
    async fn commit(&mut self, records: Vec<Record>, until: Option<Timestamp>, now: Timestamp) -> Result<(), Failure> {
        if let Some(until) = until {
            self.part.reached = self.part.reached.max(until.min(self.part.to));
        }
        self.store(records, false, now).await
    }

    async fn store(&mut self, records: Vec<Record>, done: bool, now: Timestamp) -> Result<(), Failure> {
        let records = Arc::new(records);
        let mut conflicts = 0;
        loop {
            let decided =
                effects::decide(&self.source, &self.store, &self.generation, records.clone(), None, now).await?;
            let mut batch = decided.batch;
            if self.telling == Telling::InOne {
                self.hold(&mut batch.deliveries, now);
            }
            let alerts = super::opened(&batch).len() as u64;
            let (traces, fresh, undecodable) =
                (batch.counts.fetched, batch.seen.len() as u64, batch.counts.undecodable);
            batch.fill = Some(FillMark {
                part: self.part,
                by: self.by.clone(),
                alerts,
                unreadable: self.unreadable,
                told_at: if done { now } else { clock::plus(now, TOLD_WITHIN) },
                done,
            });
            match self.store.commit_ingest(batch).await {
                Ok(()) => {
                    self.unreadable = 0;
                    self.filled.traces += traces;
                    self.filled.fresh += fresh;
                    self.filled.undecodable += undecodable;
                    self.filled.alerts += alerts;
                    return Ok(());
                }
                Err(StoreError::Conflict) if conflicts < CONFLICTS => conflicts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Holds back what people would be told one by one.
    fn hold(&self, deliveries: &mut [Delivery], now: Timestamp) {
        for delivery in deliveries {
            let rings = matches!(delivery.cause, Cause::Alert(_)) && delivery.hold.is_none();
            if rings && self.generation.topics.format(&delivery.endpoint).for_people() {
                let id = format!("{} fill {}", delivery.subscription, self.source);
                delivery.hold = Some(Hold { id, kind: HoldKind::Fill, until: clock::plus(now, TOLD_WITHIN) });
            }
        }
    }
}
