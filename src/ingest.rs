//! Reads one source, page by page, and commits what each page owes.
//!
//! A page's effects and, with the last page of a window, the checkpoint are one
//! transaction. Whatever fails before it is read again; the trace ids that were
//! seen make that harmless.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    checkpoint::{Checkpoint, Gap},
    clock::{self, Timestamp},
    generation::Generation,
    health::Board,
    metrics::{Metrics, SourceLabel},
    source::{
        Page, PageNext, Pass, Source, SourceError, Walk, Window,
        plan::{Plan, Polled, Polling},
    },
    store::{IngestBatch, Store, StoreError, Way},
};

mod delay;
mod effects;
pub mod fill;
pub(crate) mod pacing;
pub mod push;
mod settle;
pub mod tracker;
mod trouble;
mod turn;

use effects::Watermark;
pub use effects::by_itself;
use settle::{Arrival, Intake};
use trouble::Trouble;
pub use turn::Turn;

/// Pages that failed in a row before a walk is given up and planned anew.
const FAILURES_PER_WALK: u32 = 3;
/// Longest wait between two tries of a source that fails.
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// A re-read that was given up lets the others go first for so long.
const PUT_OFF: Duration = Duration::from_secs(10 * 60);
/// One that fails for longer than this is told.
const UNREAD_TOLD_AFTER: Duration = Duration::from_secs(3600);
/// A wait that lasts longer than this is interrupted by a sign of life.
const BEAT_EVERY: Duration = Duration::from_secs(10);
/// A page that takes longer than this, its turn included, is told: alerts are late.
const LONGEST_TURN: Duration = Duration::from_secs(10 * 60);
/// A page that another writer raced is decided anew this often before the window is.
const CONFLICTS_PER_PAGE: u32 = 3;

/// One source on its way into the store.
pub struct Ingest<S> {
    name: String,
    source: Source,
    polling: Polling,
    store: S,
    generation: watch::Receiver<Arc<Generation>>,
    /// Told after each commit, so that deliveries need not wait for a timer.
    committed: watch::Sender<()>,
    metrics: Metrics,
    board: Board,
    /// By the cloud's clock, as everything that is planned.
    polled: Polled,
    round: Option<Round>,
    /// A wide re-read that stepped aside because a poll was due.
    aside: Option<Round>,
    trouble: Trouble,
    /// A re-read that is given up each time.
    unread: Option<Unread>,
    clock_offset: jiff::SignedDuration,
    stop: CancellationToken,
    turn: Turn,
    patience: Patience,
    /// When reading began.
    since: Option<Timestamp>,
}

/// One planned window on its way: it may have been split because it was too full.
struct Round {
    window: Window,
    walk: Walk,
    rest: VecDeque<Window>,
    failures: u32,
    jump: Option<Jump>,
}

/// A re-read that is given up each time, since when, and whether people were told.
struct Unread {
    pass: Pass,
    since: Timestamp,
    told: bool,
}

/// A window that begins after a stretch which the cloud has forgotten. The jump is
/// made, and told, with its first page: until then the stretch may still grow.
struct Jump {
    gap: Gap,
    checkpoint: Checkpoint,
}

/// How long one that waits for a page is thought to be well.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// It gives a sign of life this often.
    pub beat_every: Duration,
    /// From then on people are told.
    pub longest_turn: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { beat_every: BEAT_EVERY, longest_turn: LONGEST_TURN }
    }
}

/// What one step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A page was committed.
    Page { fetched: usize, fresh: usize, complete: bool },
    /// Nothing is due before then.
    Idle { until: Timestamp },
    /// The source or the store failed; try again then.
    Failed { until: Timestamp },
}

impl<S: Store> Ingest<S> {
    #[expect(clippy::too_many_arguments, reason = "the parts that app wires, each used by its own name")]
    pub fn new(
        name: String,
        source: Source,
        polling: Polling,
        store: S,
        generation: watch::Receiver<Arc<Generation>>,
        committed: watch::Sender<()>,
        metrics: Metrics,
        board: Board,
    ) -> Self {
        let trouble = Trouble::new(&name);
        let clock_offset = jiff::SignedDuration::ZERO;
        let (polled, round, aside, stop) = (Polled::default(), None, None, CancellationToken::new());
        Self {
            name,
            source,
            polling,
            store,
            generation,
            committed,
            metrics,
            board,
            polled,
            round,
            aside,
            trouble,
            unread: None,
            clock_offset,
            stop,
            turn: Turn::default(),
            patience: Patience::default(),
            since: None,
        }
    }

    /// The same, where others write for this source too.
    pub fn taking_turns(self, turn: Turn) -> Self {
        Self { turn, ..self }
    }

    /// The same, told of a wait earlier or later.
    pub fn patient(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The name under which this loop beats on the health board.
    pub fn task(name: &str) -> String {
        format!("source {name}")
    }

    /// Steps until told to stop. A page that is being read is left, one that is being stored is not.
    pub async fn run(mut self, stop: CancellationToken) {
        self.stop = stop.clone();
        let task = Self::task(&self.name);
        while !stop.is_cancelled() {
            let step = self.step(clock::now()).await;
            let now = clock::now();
            if !self.trouble.lasts() {
                self.board.beat(&task, now);
            }
            let until = match step {
                Step::Page { .. } => continue,
                Step::Idle { until } | Step::Failed { until } => until,
            };
            // Beats while it waits: a long poll interval is not a dead task.
            let wait = clock::since(now, until).min(BEAT_EVERY);
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock::sleep(wait.max(Duration::from_millis(5))) => {}
            }
        }
        debug!(source = self.name, "source stopped");
    }

    /// Reads and commits at most one page.
    pub async fn step(&mut self, now: Timestamp) -> Step {
        let begun = clock::now();
        match self.try_step(now).await {
            Ok(step) => {
                match step {
                    Step::Page { complete, .. } if !self.trouble.is_over_with(complete) => {}
                    Step::Page { .. } | Step::Idle { .. } => self.recover(now).await,
                    Step::Failed { .. } => self.tell(now).await,
                }
                step
            }
            // What it waits now counts from the answer.
            Err(failure) => self.fail(failure, clock::moved_on(now, begun)).await,
        }
    }

    async fn try_step(&mut self, now: Timestamp) -> Result<Step, Failure> {
        if let Some(until) = self.trouble.wait(now) {
            return Ok(Step::Failed { until });
        }
        let checkpoint = match self.store.checkpoint(&self.name).await? {
            Some(checkpoint) => checkpoint,
            None => self.first_checkpoint(now).await?,
        };
        self.metrics
            .source_lag_seconds
            .get_or_create(&SourceLabel { source: self.name.clone() })
            .set(clock::since(checkpoint.watermark, now).as_secs_f64());

        // The cloud's clock decides what is in the past.
        let cloud_now = now.checked_add(self.clock_offset).unwrap_or(now);
        let poll_due = self.polling.due(self.polled, cloud_now) <= cloud_now;
        if poll_due && self.round.as_ref().is_some_and(|round| round.window.pass.is_wide()) {
            self.aside = self.round.take();
        }
        if self.round.is_none() {
            match self.plan(&checkpoint, cloud_now) {
                // A re-read that stepped aside goes on where it was.
                Ok(round) if round.window.pass.is_wide() && self.aside.is_some() => self.round = self.aside.take(),
                Ok(round) => {
                    let Window { from, to, pass } = &round.window;
                    debug!(source = self.name, ?pass, %from, %to, "reading");
                    self.round = Some(round);
                }
                Err(until) => {
                    let until = until.checked_sub(self.clock_offset).unwrap_or(until);
                    return Ok(Step::Idle { until });
                }
            }
        }
        // A copy walks ahead: a page that is read but cannot be stored must be read again.
        let round = self.round.as_ref().expect("a round was planned above");
        let (mut walk, jumps) = (round.walk.clone(), round.jump.is_some());
        let begun = clock::now();
        let page = {
            let mut told = false;
            let mut reading = std::pin::pin!(self.source.page(&mut walk, now));
            loop {
                tokio::select! {
                    page = &mut reading => break page?,
                    // A cloud that takes its time holds up neither a stop nor a reload.
                    () = self.stop.cancelled() => return Ok(Step::Failed { until: now }),
                    // One of many that waits for its turn is not dead, for a while.
                    () = clock::sleep(self.patience.beat_every) => {
                        let now = clock::now();
                        if clock::since(begun, now) >= self.patience.longest_turn {
                            self.board.trouble(&Self::task(&self.name), "waits for its turn at the cloud", now);
                            let notices = trouble::queued_notice(&self.generation.borrow().clone(), &self.name, begun, now);
                            // Told once a wait; what cannot be stored now is told at the next look.
                            if !told && self.store.publish(notices).await.is_ok() {
                                told = true;
                                self.committed.send_replace(());
                            }
                        } else if !self.trouble.lasts() {
                            self.board.beat(&Self::task(&self.name), now);
                        }
                    }
                }
            }
        };
        // The interval counts from here: sources that began at once then ask one after the other.
        let now = clock::moved_on(now, begun);
        self.clock_offset = page.clock_offset;
        let cloud_now = now.checked_add(self.clock_offset).unwrap_or(now);
        if jumps && !self.plan(&checkpoint, cloud_now).is_ok_and(|round| round.jump.is_some()) {
            // Only our clock said that the cloud has forgotten anything.
            self.round = None;
            return Ok(Step::Idle { until: now });
        }
        self.commit(page, walk, &checkpoint, now).await
    }

    /// The next window, or the time before which nothing is due.
    fn plan(&self, checkpoint: &Checkpoint, cloud_now: Timestamp) -> Result<Round, Timestamp> {
        let (mut plan, mut jump) = (self.polling.plan(checkpoint, self.polled, cloud_now), None);
        if let Plan::Gap { from, to, checkpoint } = plan {
            plan = self.polling.plan(&checkpoint, self.polled, cloud_now);
            let reason = "Tracebell did not read these traces while the cloud still kept them".to_owned();
            jump = Some(Jump { gap: Gap { source: self.name.clone(), from, to, reason }, checkpoint });
        }
        match plan {
            Plan::Read(window) => {
                let walk = match window.pass {
                    Pass::Hot => Walk::open(window.clone()),
                    _ => Walk::new(window.clone()),
                };
                Ok(Round { window, walk, rest: VecDeque::new(), failures: 0, jump })
            }
            Plan::Wait { until } => Err(until),
            Plan::Gap { .. } => unreachable!("a jump lands inside of what the cloud keeps"),
        }
    }

    /// Decides what the page owes and commits it; the round moves on only after the commit.
    async fn commit(
        &mut self,
        page: Page,
        walk: Walk,
        checkpoint: &Checkpoint,
        now: Timestamp,
    ) -> Result<Step, Failure> {
        let Page { records, next, .. } = page;
        let round = self.round.as_mut().expect("a page belongs to a round");
        let mut gaps: Vec<Gap> = round.jump.iter().map(|jump| jump.gap.clone()).collect();
        let checkpoint = round.jump.as_ref().map_or(checkpoint, |jump| &jump.checkpoint);
        let mut rest = round.rest.clone();
        let next_walk = match next {
            PageNext::More => None,
            PageNext::Complete => Some(rest.pop_front()),
            PageNext::Split(windows) => {
                for window in windows.into_iter().rev() {
                    rest.push_front(window);
                }
                Some(rest.pop_front())
            }
            PageNext::Unreadable { window, reason } => {
                gaps.push(Gap { source: self.name.clone(), from: window.from, to: window.to, reason });
                Some(rest.pop_front())
            }
        };
        let complete = matches!(next_walk, Some(None));
        let cloud_now = now.checked_add(self.clock_offset).unwrap_or(now);
        let generation = self.generation.borrow().clone();
        let fetched = records.len();
        let advanced = match complete {
            true => Some(self.polling.advance(checkpoint, &round.window, cloud_now)),
            false => round.jump.as_ref().map(|jump| jump.checkpoint.clone()),
        };
        let since = *self.since.get_or_insert(now);
        let since = since.checked_add(self.clock_offset).unwrap_or(since);
        let late = self.polling.overlap;
        let watermark =
            advanced.as_ref().filter(|_| complete).map(|advanced| Watermark { at: advanced.watermark, late });
        let turn = self.turn.wait().await;
        let intake = Intake {
            source: &self.name,
            store: &self.store,
            generation: &generation,
            records: Arc::new(records),
            watermark,
            arrival: Some(Arrival { way: Way::Poll, since, now: cloud_now }),
            now,
        };
        let settled = intake.settle(CONFLICTS_PER_PAGE, |batch, _| {
            batch.gaps.clone_from(&gaps);
            batch.checkpoint.clone_from(&advanced);
            for gap in &gaps {
                batch.deliveries.extend(trouble::gap_notice(&generation, gap, now));
            }
        });
        let settled = settled.await?;
        drop(turn);
        settled.tell(&self.metrics, &self.committed);
        let fresh = settled.fresh;
        for gap in &gaps {
            warn!(source = self.name, from = %gap.from, to = %gap.to, "a stretch of the audit log cannot be read");
        }
        round.failures = 0;
        round.jump = None;
        if fresh > 0 {
            self.polled.found = Some(cloud_now);
        }
        match next_walk {
            None => round.walk = walk,
            Some(Some(window)) => {
                round.rest = rest;
                round.walk = Walk::new(window);
            }
            Some(None) => {
                match round.window.pass {
                    Pass::Hot => {
                        self.polled.at = Some(cloud_now);
                        self.polled.found.get_or_insert(cloud_now);
                    }
                    Pass::Edge => self.polled.edge = Some(cloud_now),
                    Pass::CatchUp | Pass::Warm | Pass::Cold | Pass::Deep => {}
                }
                if self.unread.as_ref().is_some_and(|unread| unread.pass == round.window.pass) {
                    self.unread = None;
                }
                self.round = None;
            }
        }
        Ok(Step::Page { fetched, fresh, complete })
    }

    async fn first_checkpoint(&self, now: Timestamp) -> Result<Checkpoint, Failure> {
        let checkpoint = self.polling.start(now);
        info!(source = self.name, from = %checkpoint.watermark, "reading this source for the first time");
        let batch = IngestBatch {
            source: self.name.clone(),
            now,
            checkpoint: Some(checkpoint.clone()),
            ..IngestBatch::default()
        };
        self.store.commit_ingest(batch).await?;
        Ok(checkpoint)
    }

    async fn recover(&mut self, now: Timestamp) {
        self.metrics.source_up.get_or_create(&SourceLabel { source: self.name.clone() }).set(1);
        let generation = self.generation.borrow().clone();
        if let Some(notices) = self.trouble.seeing(&generation, now) {
            if !self.publish(notices).await {
                return;
            }
            info!(source = self.name, "the source can be read again");
        }
        self.trouble.end();
    }

    async fn fail(&mut self, failure: Failure, now: Timestamp) -> Step {
        if let Some(round) = &mut self.round {
            round.failures += 1;
            if round.failures >= FAILURES_PER_WALK {
                let pass = round.window.pass;
                self.round = None;
                self.trouble.give_up();
                if pass.is_wide() {
                    let cloud_now = now.checked_add(self.clock_offset).unwrap_or(now);
                    self.polled.put_off = Some((pass, clock::plus(cloud_now, PUT_OFF)));
                    let unread = self.unread.get_or_insert(Unread { pass, since: now, told: false });
                    unread.pass = pass;
                }
            }
        }
        let label = SourceLabel { source: self.name.clone() };
        self.metrics.source_up.get_or_create(&label).set(0);
        self.metrics.source_failures.get_or_create(&label).inc();
        let until = self.trouble.more(&failure, now);
        warn!(source = self.name, reason = %failure, "cannot read traces now");
        self.board.trouble(&Self::task(&self.name), &failure.to_string(), now);
        self.tell(now).await;
        self.tell_unread(&failure, now).await;
        Step::Failed { until }
    }

    /// Tells of a source that is blind, also while it waits for a patient cloud.
    async fn tell(&mut self, now: Timestamp) {
        let generation = self.generation.borrow().clone();
        if let Some(notices) = self.trouble.blind(&generation, now)
            && self.publish(notices).await
        {
            self.trouble.told();
        }
    }

    /// Tells of a re-read that fails while polls go well: what comes late would be missed without a word.
    async fn tell_unread(&mut self, failure: &Failure, now: Timestamp) {
        let generation = self.generation.borrow().clone();
        let Some(unread) = self.unread.as_ref().filter(|unread| !unread.told) else { return };
        if clock::since(unread.since, now) < UNREAD_TOLD_AFTER {
            return;
        }
        let notices = trouble::unread_notice(&generation, &self.name, unread.since, failure, now);
        if self.publish(notices).await
            && let Some(unread) = &mut self.unread
        {
            unread.told = true;
        }
    }

    /// True if the notices are stored; one that is not has to be told later.
    async fn publish(&self, notices: Vec<crate::delivery::Delivery>) -> bool {
        let stored = self.store.publish(notices).await;
        if let Err(error) = &stored {
            warn!(source = self.name, %error, "a notice could not be stored yet");
        }
        self.committed.send_replace(());
        stored.is_ok()
    }
}

/// Why a step failed: the outside or the store.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
