//! Takes what is due for one endpoint, attempts it, records the answers.
//!
//! The outbox is the truth; this loop holds nothing that a crash may not forget.
//! When the rate limit makes the queue too long, the waiting deliveries become
//! one overflow summary.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    clock::{self, Timestamp},
    delivery::{Delivery, Outcome},
    endpoint::{Endpoint, Settings, answer},
    generation::Generation,
    health::Board,
    metrics::{AttemptLabel, Durations, Metrics},
    store::{AttemptRecord, Claim, EndpointState, Next, Store, StoreError},
};

mod attempts;
mod check;
mod confirm;
mod follow;
mod overflow;

use attempts::{Answer, Attempts, Lease};
use follow::Standing;

/// A lease outlives the attempt by this much: room for recording the answer.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// The queue is looked at this often even if nobody rang.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The length of the queue is looked at this often.
const LOOK_FOR_OVERFLOW: Duration = Duration::from_millis(500);
/// As much is claimed ahead as the endpoint takes in this time...
const AHEAD: Duration = Duration::from_millis(50);
/// ...but never more.
const MOST_AHEAD: usize = 1000;
/// While the store cannot write, the worker waits longer and longer; when told to stop it waits no longer than this.
const MOST_PATIENCE: Duration = Duration::from_secs(10);
/// Copies made for the fallback endpoint in one step.
const COPIES_PER_STEP: usize = 200;

/// The worker of one endpoint. A slow endpoint delays only its own worker.
pub struct Deliver<S> {
    settings: Settings,
    endpoint: Endpoint,
    attempts: Attempts,
    store: S,
    generation: watch::Receiver<Arc<Generation>>,
    metrics: Metrics,
    durations: Durations,
    board: Board,
    standing: Standing,
    /// The store was asked how an earlier process left it.
    resumed: bool,
    overflow_at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    /// When its credentials are tried next.
    check_at: Option<Timestamp>,
    /// Until when the endpoint wants to be left alone, as far as this worker knows.
    held_until: Option<Timestamp>,
    /// Told when a copy or a notice was written for another endpoint.
    rung: watch::Sender<()>,
    /// What was answered and is not stored yet.
    records: Vec<AttemptRecord>,
    /// What was claimed and was not begun after all.
    unused: Vec<Lease>,
    /// Of the last turn.
    now: Timestamp,
    subscriber: confirm::Subscriber,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claims {
    /// For the free places, and what a quick endpoint takes in the next moment.
    Ahead,
    /// For the free places.
    AtOnce,
    /// At the end: what is under way is finished, nothing is begun.
    Nothing,
}

/// What one step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// This many deliveries were attempted and their answers recorded.
    Worked(usize),
    /// Nothing to do before then, unless a commit brings new work.
    Idle { until: Timestamp },
}

impl<S: Store> Deliver<S> {
    pub fn new(
        settings: Settings,
        endpoint: Endpoint,
        store: S,
        generation: watch::Receiver<Arc<Generation>>,
        rung: watch::Sender<()>,
        metrics: Metrics,
        board: Board,
    ) -> Self {
        let (standing, resumed) = (Standing::default(), false);
        let (overflow_at, looked_at, check_at, held_until) = (None, None, None, None);
        Self {
            attempts: Attempts::new(&settings.name, endpoint.clone()),
            durations: metrics.durations(&settings.name),
            settings,
            endpoint,
            store,
            generation,
            metrics,
            board,
            standing,
            resumed,
            overflow_at,
            looked_at,
            check_at,
            held_until,
            rung,
            records: Vec::new(),
            unused: Vec::new(),
            now: Timestamp::UNIX_EPOCH,
            subscriber: confirm::Subscriber::default(),
        }
    }

    /// The name under which this loop beats on the health board.
    pub fn task(name: &str) -> String {
        format!("endpoint {name}")
    }

    /// Turns until told to stop. Attempts under way are finished and recorded.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut committed = self.rung.subscribe();
        let task = Self::task(&self.settings.name);
        let mut patience = Duration::from_millis(50);
        loop {
            committed.mark_unchanged();
            let now = clock::now();
            let claims = if stop.is_cancelled() { Claims::Nothing } else { Claims::Ahead };
            let until = match self.turn(claims, now).await {
                Ok(until) => {
                    self.board.beat(&task, clock::now());
                    patience = Duration::from_millis(50);
                    until
                }
                Err(error) => {
                    warn!(endpoint = self.settings.name, %error, "deliveries wait for the store");
                    self.board.trouble(&task, &error.to_string(), now);
                    if stop.is_cancelled() && patience > MOST_PATIENCE {
                        // The leases will run out and the deliveries repeat, with the same ids.
                        break;
                    }
                    patience = (patience * 2).min(2 * MOST_PATIENCE);
                    clock::plus(now, patience.min(Duration::from_secs(1)))
                }
            };
            if stop.is_cancelled() && self.is_done() {
                break;
            }
            let wait = clock::since(clock::now(), until).min(LOOK_AGAIN).max(Duration::from_millis(2));
            let full = self.attempts.len() >= self.settings.concurrency;
            tokio::select! {
                () = self.attempts.gather() => {}
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                () = clock::sleep(wait) => {}
                // New work cannot shorten a wait that the endpoint or its limit imposes; then the claim says so again.
                Ok(()) = committed.changed(), if !full => {}
            }
        }
        debug!(endpoint = self.settings.name, "deliveries stopped");
    }

    /// Goes on as an earlier process left it: what was told is not told again.
    async fn resume(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(state) = self.state().await? else { return Ok(()) };
        self.held_until = state.hold_until.filter(|until| *until > now);
        let held = self.held_until.map(|until| {
            let (wait, reason) = (clock::in_words(clock::since(now, until)), state.last_reason.as_deref());
            format!("nothing is sent for {wait}: {}", answer::in_words(reason.unwrap_or_default()))
        });
        self.standing = Standing::of(state);
        self.board.note(&Self::task(&self.settings.name), self.standing.in_words().or(held));
        Ok(())
    }

    async fn state(&self) -> Result<Option<EndpointState>, StoreError> {
        Ok(self.store.endpoints().await?.into_iter().find(|state| state.endpoint == self.settings.name))
    }

    fn is_done(&self) -> bool {
        self.attempts.len() == 0 && self.records.is_empty() && self.unused.is_empty()
    }

    /// Claims at most `concurrency` due deliveries, attempts them, records the answers.
    pub async fn step(&mut self, now: Timestamp) -> Result<Step, StoreError> {
        let until = self.turn(Claims::AtOnce, now).await?;
        let count = self.attempts.len();
        if count == 0 {
            return Ok(Step::Idle { until });
        }
        self.attempts.finish().await;
        self.turn(Claims::Nothing, clock::now().max(now)).await?;
        Ok(Step::Worked(count))
    }

    /// One transaction: records the answers that came since the last turn, and claims for the places
    /// that are free. What is claimed gets under way. Returns when to look again if nothing happens.
    async fn turn(&mut self, claims: Claims, now: Timestamp) -> Result<Timestamp, StoreError> {
        if !self.resumed {
            self.resume(now).await?;
            self.resumed = true;
        }
        if claims == Claims::Nothing {
            self.attempts.halt();
        }
        let ahead = self.take(now);
        self.give_back().await?;
        let at_once = self.standing.at_once(self.settings.concurrency);
        let limit = match claims {
            Claims::Ahead => (at_once + ahead).saturating_sub(self.attempts.len()),
            Claims::AtOnce => at_once.saturating_sub(self.attempts.len()),
            Claims::Nothing => 0,
        };
        let unconfirmed = if limit > 0 { self.unconfirmed(now).await? } else { None };
        let limit = if unconfirmed.is_some() { 0 } else { limit };
        let begun = clock::now();
        if limit > 0 {
            self.check(now).await?;
            self.overflow(now).await?;
        } else if self.records.is_empty() {
            return Ok(clock::plus(now, LOOK_AGAIN));
        }
        // A lease counts from when it is taken, however long the check took.
        let now = clock::moved_on(now, begun);
        let claim = Claim {
            endpoint: self.settings.name.clone(),
            now,
            lease_until: clock::plus(now, self.settings.timeout + LEASE_MARGIN),
            limit,
            rate: self.settings.rate,
        };
        // Kept until they are stored: an answer is never forgotten.
        let claimed = self.store.turn(&self.records, claim).await?;
        if self.records.drain(..).any(|record| !record.deliveries.is_empty()) {
            self.rung.send_replace(());
        }
        if claimed.deliveries.is_empty() {
            if limit > 0 && self.attempts.len() == 0 {
                self.copy_to_fallback(now).await?;
            }
            return Ok(claimed.next.unwrap_or_else(|| clock::plus(now, LOOK_AGAIN)));
        }
        // Only for what people are told when it works again, so a store that cannot tell it is let be.
        if self.standing.is_told()
            && let Ok(Some(state)) = self.state().await
        {
            self.standing.saw(state.ready + claimed.deliveries.len() as u64, state.dead);
        }
        self.attempts.begin(claimed.deliveries, at_once);
        Ok(clock::plus(now, LOOK_AGAIN))
    }

    /// Looks at the answers that came since the last turn; returns how many may be claimed ahead: as many as the
    /// endpoint takes in a moment, if nothing is the matter with it.
    fn take(&mut self, now: Timestamp) -> usize {
        let since = clock::since(std::mem::replace(&mut self.now, now), now);
        let answers = self.attempts.take();
        let count = answers.len();
        if count == 0 {
            return 0;
        }
        let generation = self.generation.borrow().clone();
        // A test moves time on with each step.
        let at = clock::now().max(now);
        for answer in answers {
            let record = self.record(answer, &generation, at);
            self.records.push(record);
        }
        self.board.note(&Self::task(&self.settings.name), self.standing.in_words());
        // A limit's permits are used up by claiming.
        if self.standing.fails() || self.settings.keeps_order() || self.settings.rate.is_some() {
            return 0;
        }
        let pace = count as f64 / since.as_secs_f64().max(1e-3);
        ((pace * AHEAD.as_secs_f64()) as usize).min(4 * count).min(MOST_AHEAD)
    }

    /// What was claimed for nothing is as if it had never been.
    async fn give_back(&mut self) -> Result<(), StoreError> {
        self.unused.extend(self.attempts.unused());
        if !self.unused.is_empty() {
            self.store.release(&self.unused).await?;
            self.unused.clear();
        }
        Ok(())
    }

    fn record(&mut self, answer: Answer, generation: &Generation, now: Timestamp) -> AttemptRecord {
        let Answer { leased, started_at, took, outcome } = answer;
        let name = &self.settings.name;
        let label = AttemptLabel { endpoint: name.clone(), outcome: outcome.as_str(), reason: answer::class(&outcome) };
        self.metrics.attempts.get_or_create(&label).inc();
        self.durations.attempt.observe(took.as_secs_f64());
        let delivery = &leased.delivery;
        if let Outcome::Delivered { .. } = outcome {
            debug!(delivery.id = delivery.id, attempt = leased.attempt, "delivered to {name}");
            if let Some(recorded_at) = leased.recorded_at {
                let delay = clock::since(recorded_at, now);
                self.durations.trace_to_delivery.observe(delay.as_secs_f64());
            }
        } else {
            warn!(
                delivery.id = delivery.id,
                attempt = leased.attempt,
                reason = outcome.reason(),
                "{name} did not take it"
            );
        }
        let step = self.standing.follow(&self.settings, generation, &leased, &outcome, now);
        self.held_until = self.held_until.max(step.hold_until);
        if step.next == Next::Dead {
            info!(delivery.id = delivery.id, "dead letter: {name} will not get it unless a person retries it");
        }
        AttemptRecord {
            delivery: leased.delivery.id,
            endpoint: name.clone(),
            token: leased.token,
            attempt: leased.attempt,
            started_at,
            took,
            outcome,
            next: step.next,
            trouble: step.trouble,
            hold_endpoint_until: step.hold_until,
            deliveries: step.deliveries,
        }
    }

    /// While the endpoint takes nothing, what waits for it goes to its fallback
    /// too, once.
    async fn copy_to_fallback(&self, now: Timestamp) -> Result<(), StoreError> {
        if !self.standing.needs_fallback(now) || !self.generation.borrow().fallbacks.contains_key(&self.settings.name) {
            return Ok(());
        }
        let waiting = self.store.without_copy(&self.settings.name, COPIES_PER_STEP).await?;
        let generation = self.generation.borrow().clone();
        let copy = |delivery: &Delivery| follow::fallback_copy(&self.settings, &generation, delivery, now);
        let copies: Vec<Delivery> = waiting.iter().filter_map(copy).collect();
        if copies.is_empty() {
            return Ok(());
        }
        self.store.publish(copies).await?;
        self.rung.send_replace(());
        Ok(())
    }

    async fn overflow(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(rate) = self.settings.rate else { return Ok(()) };
        // What waits for a broken endpoint becomes one summary when it works again, not one every now and then.
        if self.standing.fails() || self.held_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        // Summing up a long queue costs more than sending one message of it.
        if self.looked_at.is_some_and(|at| at <= now && clock::since(at, now) < LOOK_FOR_OVERFLOW) {
            return Ok(());
        }
        self.looked_at = Some(now);
        let generation = self.generation.borrow().clone();
        let name = &self.settings.name;
        if overflow::fold(&self.store, &generation.topics, name, rate, self.overflow_at, now).await? {
            self.overflow_at = Some(now);
        }
        Ok(())
    }
}
