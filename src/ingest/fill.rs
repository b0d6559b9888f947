//! Fills a gap from the archive: what it hands out is judged and stored as a page of the poller's would be.
//!
//! May run beside the poller of the same source: trace ids that either has seen are duplicates to the other, and
//! a page that both touched is decided anew. The checkpoint stays where it is. A part is done only if there is no
//! reason to read it again; what is not done goes on where it was. What others must know of it while it works is
//! marked each minute, also where there is nothing to store: that it is not given up, and how far it is.

use std::{sync::Arc, time::Duration};

use super::{Failure, settle::Intake, trouble};
use crate::{
    checkpoint::{GIVEN_UP, Part},
    clock::{self, Timestamp},
    delivery::{Cause, Delivery, Hold, HoldKind},
    generation::Generation,
    source::{
        Record,
        archive::reading::{self, Progress, Reading},
    },
    store::{FillMark, Store},
};

/// Traces of one transaction: a poller beside it waits no longer than for a page of its own.
const CHUNK: usize = 500;
/// A page that another writer raced is decided anew this often.
const CONFLICTS: u32 = 20;
/// It is said that it works, and how far it is, whenever nothing was stored for so long.
const MARK_EVERY: Duration = Duration::from_secs(60);

/// Files come within minutes; only after this nobody waits for more of them.
pub const SETTLED: Duration = Duration::from_secs(24 * 3600);

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
    closing: Closing,
    /// Another part of the same source comes after it.
    is_followed: bool,
    /// When it was stored last how far it is.
    marked: Option<Timestamp>,
    /// Since the last commit.
    unreadable: u64,
    /// And why.
    suspect: Vec<(String, String)>,
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
    /// Files that are not what the tracker wrote, and why.
    pub suspects: Vec<String>,
}

/// When a part counts as filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// When all that may be in it was read.
    Whole,
    /// When all that is there was read: somebody says that no more will come.
    Anyhow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    On,
    /// All that is there was read; with a reason, the part stays open.
    End(Option<Open>),
}

/// Why a part is not done though all that is there was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// No trace file of the source was found, but so many others.
    NoFile {
        others: u64,
    },
    Unreadable,
    /// Files may still come until then.
    Young {
        until: Timestamp,
    },
}

impl<S: Store> Fill<S> {
    #[expect(clippy::too_many_arguments, reason = "the parts that the command wires, each used by its own name")]
    pub fn new(
        source: String,
        part: Part,
        reading: Reading,
        store: S,
        generation: Arc<Generation>,
        telling: Telling,
        by: String,
        closing: Closing,
    ) -> Self {
        Self {
            source,
            part,
            reading,
            store,
            generation,
            telling,
            by,
            closing,
            is_followed: false,
            marked: None,
            unreadable: 0,
            suspect: Vec::new(),
            filled: Filled::default(),
        }
    }

    /// The same, where another part of the source comes after it: what is told in one message waits for that too.
    #[must_use]
    pub fn followed(self) -> Self {
        Self { is_followed: true, ..self }
    }

    pub fn progress(&self) -> &Progress {
        &self.reading.progress
    }

    /// Reads a file, or stores what is complete.
    pub async fn step(&mut self, now: Timestamp) -> Result<Step, Failure> {
        if self.marked.is_none() {
            // From here on the poller waits with absences that this may explain.
            self.store(Vec::new(), None, now).await?;
        }
        match self.reading.next(now).await? {
            reading::Step::On => {}
            reading::Step::Suspect { key, reason } => {
                self.filled.suspects.push(format!("{key}: {reason}"));
                self.suspect.push((key, reason));
            }
            reading::Step::Unreadable { key, reason } => {
                self.unreadable += 1;
                self.filled.unreadable += 1;
                if self.filled.reasons.len() < 3 {
                    self.filled.reasons.push(format!("{key}: {reason}"));
                }
            }
            reading::Step::Records { records, until } => {
                let mut rest = records;
                while rest.len() > CHUNK {
                    let later = rest.split_off(CHUNK);
                    self.store(rest, None, now).await?;
                    rest = later;
                }
                self.reach(until);
                self.store(rest, None, now).await?;
                return Ok(Step::On);
            }
            reading::Step::End => return self.end(now).await,
        }
        if self.marked.is_none_or(|at| clock::since(at, now) >= MARK_EVERY) {
            self.reach(self.reading.handed_out());
            self.store(Vec::new(), None, now).await?;
        }
        Ok(Step::On)
    }

    async fn end(&mut self, now: Timestamp) -> Result<Step, Failure> {
        let open = self.open(now).filter(|_| self.closing == Closing::Whole);
        match open {
            None => self.part.reached = self.part.to,
            // All that was there is read; what comes now was uploaded later.
            Some(Open::Young { .. }) => self.reach(self.part.to),
            Some(Open::NoFile { .. } | Open::Unreadable) => {}
        }
        self.store(Vec::new(), Some(open), now).await?;
        Ok(Step::End(open))
    }

    fn open(&self, now: Timestamp) -> Option<Open> {
        let Progress { files, digests, others, .. } = self.reading.progress;
        let until = clock::plus(self.part.to, SETTLED);
        // One that goes on where it was has found files before; and a digest of no files says that there are none.
        if files + digests == 0 && self.part.reached == self.part.from {
            Some(Open::NoFile { others })
        } else if self.filled.unreadable > 0 {
            Some(Open::Unreadable)
        } else {
            (now < until).then_some(Open::Young { until })
        }
    }

    /// The part is read up to there, unless something has to be read again.
    fn reach(&mut self, until: Timestamp) {
        if self.filled.unreadable == 0 {
            let until = until.min(self.part.to).min(self.reading.settled()).min(self.reading.proven());
            self.part.reached = self.part.reached.max(until);
        }
    }

    /// `end` says that these are the last, and what then keeps the part open.
    async fn store(&mut self, records: Vec<Record>, end: Option<Option<Open>>, now: Timestamp) -> Result<(), Failure> {
        let intake = Intake {
            source: &self.source,
            store: &self.store,
            generation: &self.generation,
            records: Arc::new(records),
            watermark: None,
            arrival: None,
            now,
        };
        let settled = intake.settle(CONFLICTS, |batch, alerts| {
            if self.telling == Telling::InOne {
                self.hold(&mut batch.deliveries, now);
            }
            if let Some((key, reason)) = self.suspect.first() {
                let first = format!("{key}: {reason}");
                let notice = trouble::suspect_notice(&self.generation, &self.source, &self.part, &first, now);
                batch.deliveries.extend(notice);
            }
            batch.fill = Some(FillMark {
                part: self.part,
                by: self.by.clone(),
                alerts: alerts.len() as u64,
                unreadable: self.unreadable,
                suspects: self.suspect.iter().map(|(key, _)| key.clone()).collect(),
                begins: self.marked.is_none(),
                // One that died tells what it has when nobody waits for it any more.
                told_at: if end.is_some() && !self.is_followed { now } else { clock::plus(now, GIVEN_UP) },
                done: end == Some(None),
            });
        });
        let settled = settled.await?;
        self.marked = Some(now);
        self.unreadable = 0;
        self.suspect.clear();
        self.filled.traces += settled.counts.fetched;
        self.filled.fresh += settled.fresh as u64;
        self.filled.undecodable += settled.counts.undecodable;
        self.filled.alerts += settled.opened.len() as u64;
        Ok(())
    }

    /// Holds back what people would be told one by one.
    fn hold(&self, deliveries: &mut [Delivery], now: Timestamp) {
        for delivery in deliveries {
            let rings = matches!(delivery.cause, Cause::Alert(_)) && delivery.hold.is_none();
            if rings && self.generation.topics.format(&delivery.endpoint).for_people() {
                let id = format!("{} fill {}", delivery.subscription, self.source);
                delivery.hold = Some(Hold { id, kind: HoldKind::Fill, until: clock::plus(now, GIVEN_UP) });
            }
        }
    }
}
