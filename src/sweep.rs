//! So that nothing waits for ever: closes alert windows and sends what they
//! summed up, tells what was held back, puts expired leases back, forgets what is old and no longer owed,
//! tells of exceptions that ended and of silences that soon will.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    delivery::Cause,
    generation::Generation,
    health::Board,
    ingest::pacing::{self, Pacing},
    notification::Notification,
    render,
    rule::{Exception, Mode, Rule},
    store::{Muted, OpenAlert, Store, StoreError, SweepBatch},
    topic::{Due, Pace},
};

mod conversation;
mod hold;
mod silence;

/// Windows closed in one transaction.
const WINDOWS_PER_STEP: usize = 200;
/// A window closes at most this much late.
const EVERY: Duration = Duration::from_secs(1);
/// Old rows are looked for this often. The store forgets a bounded number at a time, so
/// this is also how fast it forgets: more than any source brings.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// How long alerts and the ledger are kept.
pub const RETENTION: Duration = Duration::from_secs(90 * 24 * 3600);

/// An exception that ended longer ago is no news. Shorter than [`RETENTION`], for which the store
/// knows that it was told.
const STILL_NEWS: Duration = Duration::from_secs(30 * 24 * 3600);

/// The name under which this loop beats on the health board.
pub const TASK: &str = "sweep";

pub struct Sweep<S> {
    store: S,
    generation: watch::Receiver<Arc<Generation>>,
    committed: watch::Sender<()>,
    board: Board,
    pruned_at: Option<Timestamp>,
    /// Ends of exceptions that this process knows to be told.
    told: HashSet<String>,
}

/// What one step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub windows_closed: usize,
    pub leases_expired: u64,
}

impl<S: Store> Sweep<S> {
    pub fn new(
        store: S,
        generation: watch::Receiver<Arc<Generation>>,
        committed: watch::Sender<()>,
        board: Board,
    ) -> Self {
        Self { store, generation, committed, board, pruned_at: None, told: HashSet::new() }
    }

    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let now = clock::now();
            match self.step(now).await {
                Ok(step) => {
                    self.board.beat(TASK, now);
                    if step.windows_closed == WINDOWS_PER_STEP {
                        continue;
                    }
                }
                Err(error) => {
                    warn!(%error, "the sweep waits for the store");
                    self.board.trouble(TASK, &error.to_string(), now);
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock::sleep(EVERY) => {}
            }
        }
    }

    pub async fn step(&mut self, now: Timestamp) -> Result<Step, StoreError> {
        let leases_expired = self.store.release_expired(now).await?;
        if leases_expired > 0 {
            info!(leases_expired, "leases ran out; their deliveries are tried again");
        }
        self.tell_of_exceptions(now).await?;
        let generation = self.generation.borrow().clone();
        self.tell_of_silences(&generation, now).await?;
        let mut told = conversation::tell(&self.store, &generation, now).await?;
        told += hold::flush(&self.store, &generation, now).await?;
        told += hold::show_grown(&self.store, &generation, now).await?;
        if told > 0 {
            self.committed.send_replace(());
        }
        let closing = self.store.closing(now, WINDOWS_PER_STEP).await?;
        let prune = self.pruned_at.is_none_or(|at| clock::since(at, now) >= PRUNE_EVERY);
        let windows_closed = closing.len();
        if windows_closed > 0 || prune {
            let muted = silence::swallowed(&self.store, &generation, &closing, now).await?;
            let mut told = closing.clone();
            told.retain(|closing| !muted.iter().any(|muted| muted.alert == closing.alert.id));
            let alerts = told.iter().map(|closing| (closing.alert.rule.as_str(), &closing.alert.first));
            let mut pacing = Pacing::load(&self.store, &generation, alerts, now).await?;
            let mut batch = SweepBatch {
                now,
                closed: closing.iter().map(|closing| closing.alert.id.clone()).collect(),
                deliveries: Vec::new(),
                muted,
                prune_before: prune.then(|| clock::minus(now, RETENTION)),
            };
            for closing in &told {
                summarise(&generation, closing, &mut pacing, &mut batch);
            }
            batch.deliveries.extend(pacing.notices(&generation));
            let rings = !batch.deliveries.is_empty();
            self.store.commit_sweep(batch).await?;
            if prune {
                self.pruned_at = Some(now);
            }
            if rings {
                self.committed.send_replace(());
            }
        }
        Ok(Step { windows_closed, leases_expired })
    }

    /// Tells once of each exception that ended: from now on its rule fires on what it left alone.
    async fn tell_of_exceptions(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let generation = self.generation.borrow().clone();
        let mut occasions = Vec::new();
        let mut notices = Vec::new();
        for (rule, exception, ended) in ended(&generation, now) {
            let occasion = format!("exception {} {} {ended}", rule.id, exception.reason);
            if !self.told.contains(&occasion) {
                notices.extend(generation.topics.notice(&ended_notice(rule, exception, ended, now), &occasion, false));
                occasions.push(occasion);
            }
        }
        if occasions.is_empty() {
            return Ok(());
        }
        self.store.publish(notices).await?;
        self.committed.send_replace(());
        self.told.extend(occasions);
        Ok(())
    }
}

/// Exceptions that ended not long ago, with their rules and ends.
fn ended(generation: &Generation, now: Timestamp) -> impl Iterator<Item = (&Rule, &Exception, Timestamp)> {
    let rules = generation.rules.rules.iter().filter(|rule| rule.mode != Mode::Off);
    rules.flat_map(|rule| rule.exceptions.iter().map(move |exception| (rule, exception))).filter_map(
        move |(rule, exception)| {
            let ended = exception.until.filter(|until| *until <= now && clock::since(*until, now) < STILL_NEWS)?;
            Some((rule, exception, ended))
        },
    )
}

fn ended_notice(rule: &Rule, exception: &Exception, ended: Timestamp, now: Timestamp) -> Notification {
    let lines = vec![
        format!("It ended at {}: what it left alone fires from now on.", render::facts::when(ended)),
        format!(
            "What to do: at {}, name a later `until` if the reason still holds, else remove the exception.",
            exception.place
        ),
    ];
    let title = format!("The exception `{}` of rule {} ended", exception.reason, rule.id);
    Notification::notice(Severity::Info, title, lines, now)
}

/// One summary for each subscriber of a window with matches that no message told of, as soon as each wants it.
fn summarise(generation: &Generation, closing: &OpenAlert, pacing: &mut Pacing, batch: &mut SweepBatch) {
    let alert = &closing.alert;
    if alert.untold() == 0 || alert.shadow {
        return;
    }
    let notification = Notification::summary(alert, batch.now);
    for subscriber in &closing.subscribers {
        let (subscription, endpoint) = (&subscriber.subscription, &subscriber.endpoint);
        let hold = match pacing.of(generation, subscription, alert, false) {
            Pace::Now => None,
            Pace::Held(hold) => Some(hold),
            Pace::Dropped(until) => {
                let muted = Muted::of(alert, pacing::scheduled(subscription, until), alert.untold(), batch.now);
                batch.muted.push(Muted { subscription: Some(subscription.clone()), ..muted });
                continue;
            }
        };
        let cause = Cause::WindowClosed(alert.id.clone());
        let due = Due::new(&notification, &alert.id, subscription, endpoint, cause);
        let due = Due { covers: alert.untold(), thread: Some(&subscriber.thread), hold, ..due };
        batch.deliveries.push(generation.topics.owed(due));
    }
}
