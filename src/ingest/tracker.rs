//! Watches the tracker of one source: without it nothing is recorded, and no trace would say so.
//!
//! What was seen last is kept in the store, so a change made while Tracebell was down is told at the
//! next start. Whatever is found is looked at twice before it is told. A cloud that does not answer is a
//! finding only after an hour of it, counted over restarts: a blind source is told of by its own loop long before.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{BEAT_EVERY, Failure, LONGEST_TURN};
use crate::{
    backoff,
    clock::{self, Timestamp},
    generation::Generation,
    health::Board,
    metrics::{Metrics, SourceLabel},
    notification::Notification,
    source::{
        SourceError,
        tracker::{
            Trackers,
            standing::{Finding, Health, Look, Memory},
        },
    },
    store::{Store, TrackerBatch},
};

/// A finding is looked at again after this long: the cloud may have been in the middle of something.
const CONFIRM: Duration = Duration::from_secs(10);
/// First looks are spread over this long: there may be many sources.
const SPREAD: Duration = Duration::from_secs(10);
/// A wrong password tried often locks the account.
const AFTER_REFUSAL: Duration = Duration::from_secs(5 * 60);

pub struct TrackerWatch<S> {
    source: String,
    tracker: String,
    every: Duration,
    trackers: Trackers,
    store: S,
    generation: watch::Receiver<Arc<Generation>>,
    committed: watch::Sender<()>,
    metrics: Metrics,
    board: Board,
    next_at: Option<Timestamp>,
    failures: u32,
    /// What the last look found and the next has to confirm.
    suspected: Vec<&'static str>,
}

/// What one step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Looked; so many findings were told.
    Looked { told: usize },
    /// Something was found; the next look has to find it too.
    Suspected { until: Timestamp },
    /// Nothing is due before then.
    Idle { until: Timestamp },
    /// The cloud or the store failed; try again then.
    Failed { until: Timestamp },
}

impl<S: Store> TrackerWatch<S> {
    #[expect(clippy::too_many_arguments, reason = "the parts that app wires, each used by its own name")]
    pub fn new(
        source: String,
        tracker: String,
        every: Duration,
        trackers: Trackers,
        store: S,
        generation: watch::Receiver<Arc<Generation>>,
        committed: watch::Sender<()>,
        metrics: Metrics,
        board: Board,
    ) -> Self {
        let (next_at, failures, suspected) = (None, 0, Vec::new());
        Self {
            source,
            tracker,
            every,
            trackers,
            store,
            generation,
            committed,
            metrics,
            board,
            next_at,
            failures,
            suspected,
        }
    }

    /// The name under which this loop beats on the health board.
    pub fn task(source: &str) -> String {
        format!("tracker of {source}")
    }

    /// Steps until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let task = Self::task(&self.source);
        let now = clock::now();
        self.next_at = Some(clock::plus(now, SPREAD.min(self.every).mul_f64(backoff::jitter(&[&self.source]))));
        // At least as often as it looks.
        let beat_every = BEAT_EVERY.min(self.every);
        while !stop.is_cancelled() {
            let (begun, board) = (clock::now(), self.board.clone());
            let step = {
                let mut stepping = std::pin::pin!(self.step(begun));
                loop {
                    tokio::select! {
                        step = &mut stepping => break step,
                        () = stop.cancelled() => return,
                        // One of many that waits for its turn is not dead, for a while.
                        () = clock::sleep(beat_every) => {
                            let now = clock::now();
                            if clock::since(begun, now) < LONGEST_TURN {
                                board.beat(&task, now);
                            }
                        }
                    }
                }
            };
            let now = clock::now();
            self.board.beat(&task, now);
            let until = match step {
                Step::Looked { .. } => continue,
                Step::Suspected { until } | Step::Idle { until } | Step::Failed { until } => until,
            };
            let wait = clock::since(now, until).min(Duration::from_secs(10));
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock::sleep(wait.max(Duration::from_millis(5))) => {}
            }
        }
    }

    /// Looks at the tracker if it is time to, and tells what changed.
    pub async fn step(&mut self, now: Timestamp) -> Step {
        // A time too far ahead is left from a clock that was set back since.
        let due = self.next_at.filter(|at| now < *at && *at <= clock::plus(now, self.every.max(AFTER_REFUSAL)));
        if let Some(until) = due {
            return Step::Idle { until };
        }
        let begun = clock::now();
        match self.look(now).await {
            Ok(step) => {
                self.failures = 0;
                self.board.note(&Self::task(&self.source), None);
                let wait = if matches!(step, Step::Suspected { .. }) { CONFIRM.min(self.every) } else { self.every };
                self.next_at = Some(clock::plus(now, wait));
                step
            }
            Err(failure) => {
                // What it waits now counts from the answer.
                let now = clock::moved_on(now, begun);
                self.failures += 1;
                let parts = [self.source.as_str(), &now.to_string()];
                let spread = backoff::full_jitter(Duration::from_secs(5), self.every, self.failures, &parts);
                let asked = match &failure {
                    Failure::Source(SourceError::Transient { retry_after, .. }) => retry_after.unwrap_or_default(),
                    Failure::Source(SourceError::Refused { .. }) => AFTER_REFUSAL,
                    Failure::Store(_) => Duration::ZERO,
                };
                let until = clock::plus(now, (Duration::from_secs(1) + spread).max(asked.min(AFTER_REFUSAL)));
                self.next_at = Some(until);
                warn!(source = self.source, reason = %failure, "cannot look at the tracker now");
                self.know_nothing();
                // A store that fails is told of by whoever has something to store.
                if let Failure::Source(error) = &failure
                    && let Err(error) = self.fail(error, now).await
                {
                    warn!(source = self.source, reason = %error, "cannot keep that the tracker could not be looked at");
                }
                self.board.note(&Self::task(&self.source), Some(format!("cannot look at the tracker: {failure}")));
                Step::Failed { until }
            }
        }
    }

    async fn look(&mut self, now: Timestamp) -> Result<Step, Failure> {
        let look = self.trackers.look(&self.tracker, now).await?;
        match look.health() {
            Some(health) => {
                let enabled = self.metrics.tracker_enabled.get_or_create(&SourceLabel { source: self.source.clone() });
                enabled.set(i64::from(health == Health::Enabled));
            }
            None => self.know_nothing(),
        }
        let (before, kept_at) = self.remembered().await?;
        let silent = before.as_ref().is_none_or(Memory::asks_for_traces)
            && !matches!(look, Look::Tracker(..))
            && self.store.checkpoint(&self.source).await?.is_some()
            && self.fetched_nothing().await?;
        let (memory, findings) = Memory::after(before.as_ref(), &look, &self.source, silent, now);
        let found: Vec<&'static str> = findings.iter().map(|finding| finding.about).collect();
        if found != self.suspected && !found.is_empty() {
            self.suspected = found;
            return Ok(Step::Suspected { until: clock::plus(now, CONFIRM.min(self.every)) });
        }
        self.suspected.clear();
        if before.as_ref() != Some(&memory) {
            self.remember(&memory, kept_at, &findings, now).await?;
        }
        Ok(Step::Looked { told: findings.len() })
    }

    /// Counts a look that failed, and tells when it is time to.
    async fn fail(&mut self, error: &SourceError, now: Timestamp) -> Result<(), Failure> {
        let (before, kept_at) = self.remembered().await?;
        let (reason, fix) = match error {
            SourceError::Refused { reason, fix } => (reason, Some(fix.as_str())),
            SourceError::Transient { reason, .. } => (reason, None),
        };
        let (memory, finding) = Memory::after_failure(before.as_ref(), reason, fix, &self.source, now);
        if before.as_ref() != Some(&memory) {
            self.remember(&memory, kept_at, finding.as_slice(), now).await?;
        }
        Ok(())
    }

    /// What was seen last is not known to be so any more.
    fn know_nothing(&self) {
        self.metrics.tracker_enabled.remove(&SourceLabel { source: self.source.clone() });
    }

    /// What the store knows, and since when.
    async fn remembered(&self) -> Result<(Option<Memory>, Option<Timestamp>), Failure> {
        let Some(kept) = self.store.tracker(&self.source).await? else { return Ok((None, None)) };
        let memory = serde_json::from_str::<Memory>(&kept.standing).map_err(|error| {
            warn!(source = self.source, %error, "what was known of the tracker is damaged; it is looked at as for the first time");
        });
        Ok((memory.ok(), Some(kept.changed_at)))
    }

    /// Keeps it, and in the same breath owes the notices of what was found.
    async fn remember(
        &self,
        memory: &Memory,
        kept_at: Option<Timestamp>,
        findings: &[Finding],
        now: Timestamp,
    ) -> Result<(), Failure> {
        let generation = self.generation.borrow().clone();
        let since = kept_at.map_or_else(|| "first".to_owned(), |kept_at| kept_at.to_string());
        let notice = |finding: &Finding| {
            let Finding { severity, title, lines, everybody, about } = finding;
            let notification = Notification::notice(*severity, title.clone(), lines.clone(), now);
            // The same after a crash before the commit, another one at the next change.
            let occasion = format!("tracker {} {since} {about}", self.source);
            generation.topics.notice(&notification, &occasion, *everybody)
        };
        let deliveries = findings.iter().flat_map(notice).collect();
        let standing = serde_json::to_string(memory).expect("a memory is plain text and numbers");
        let batch = TrackerBatch { source: self.source.clone(), standing, changed_at: now, deliveries };
        self.store.watch_tracker(batch).await?;
        for finding in findings {
            info!(source = self.source, severity = finding.severity.as_str(), "{}", finding.title);
        }
        if !findings.is_empty() {
            self.committed.send_replace(());
        }
        Ok(())
    }

    async fn fetched_nothing(&self) -> Result<bool, Failure> {
        let accounting = self.store.accounting().await?;
        let own = accounting.sources.iter().find(|account| account.source == self.source);
        Ok(own.is_none_or(|account| account.counts.fetched == 0))
    }
}
