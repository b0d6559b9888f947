//! Takes what is due for one endpoint, attempts it, records the answers.
//!
//! The outbox is the truth; this loop holds nothing that a crash may not forget.
//! When the rate limit makes the queue too long, the waiting deliveries become
//! one overflow summary.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    clock::{self, Timestamp},
    delivery::{Delivery, Leased, Outcome},
    endpoint::{Endpoint, Settings, answer},
    generation::Generation,
    health::Board,
    metrics::{AttemptLabel, EndpointLabel, Metrics},
    store::{AttemptRecord, Claim, Next, Store, StoreError},
};

mod follow;
mod overflow;

use follow::Standing;

/// A lease outlives the attempt by this much: room for recording the answer.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// The queue is looked at this often even if nobody rang.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The length of the queue is looked at this often.
const LOOK_FOR_OVERFLOW: Duration = Duration::from_millis(500);
/// Copies made for the fallback endpoint in one step.
const COPIES_PER_STEP: usize = 200;

/// The worker of one endpoint. A slow endpoint delays only its own worker.
pub struct Deliver<S> {
    settings: Settings,
    endpoint: Endpoint,
    store: S,
    generation: watch::Receiver<Arc<Generation>>,
    metrics: Metrics,
    board: Board,
    standing: Standing,
    overflow_at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    /// Until when the endpoint wants to be left alone, as far as this worker knows.
    held_until: Option<Timestamp>,
    /// Told when a copy or a notice was written for another endpoint.
    rung: watch::Sender<()>,
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
        let (standing, overflow_at, looked_at, held_until) = (Standing::default(), None, None, None);
        Self {
            settings,
            endpoint,
            store,
            generation,
            metrics,
            board,
            standing,
            overflow_at,
            looked_at,
            held_until,
            rung,
        }
    }

    /// The name under which this loop beats on the health board.
    pub fn task(name: &str) -> String {
        format!("endpoint {name}")
    }

    /// Steps until told to stop. Attempts under way are finished and recorded.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut committed = self.rung.subscribe();
        self.resume(clock::now()).await;
        let task = Self::task(&self.settings.name);
        while !stop.is_cancelled() {
            committed.mark_unchanged();
            let now = clock::now();
            let until = match self.step(now).await {
                Ok(Step::Worked(_)) => {
                    self.board.beat(&task, clock::now());
                    continue;
                }
                Ok(Step::Idle { until }) => {
                    self.board.beat(&task, clock::now());
                    until
                }
                Err(error) => {
                    warn!(endpoint = self.settings.name, %error, "deliveries wait for the store");
                    self.board.trouble(&task, &error.to_string(), now);
                    clock::plus(now, Duration::from_secs(1))
                }
            };
            let wait = clock::since(clock::now(), until).min(LOOK_AGAIN).max(Duration::from_millis(2));
            tokio::select! {
                () = stop.cancelled() => {}
                () = clock::sleep(wait) => {}
                // New work cannot shorten a wait that the endpoint or its limit imposes; then the claim says so again.
                Ok(()) = committed.changed() => {}
            }
        }
        debug!(endpoint = self.settings.name, "deliveries stopped");
    }

    /// Says on the board what an earlier process was told to wait for.
    async fn resume(&mut self, now: Timestamp) {
        let Ok(endpoints) = self.store.endpoints().await else { return };
        let mine = endpoints.into_iter().find(|state| state.endpoint == self.settings.name);
        let Some((until, state)) = mine.and_then(|state| Some((state.hold_until.filter(|until| *until > now)?, state)))
        else {
            return;
        };
        self.held_until = Some(until);
        let (wait, reason) = (clock::in_words(clock::since(now, until)), state.last_reason.unwrap_or_default());
        let reason = answer::in_words(&reason);
        self.board.note(&Self::task(&self.settings.name), Some(format!("nothing is sent for {wait}: {reason}")));
    }

    /// Claims at most `concurrency` due deliveries, attempts them, records the answers.
    pub async fn step(&mut self, now: Timestamp) -> Result<Step, StoreError> {
        self.overflow(now).await?;
        let claimed = self
            .store
            .claim_deliveries(Claim {
                endpoint: self.settings.name.clone(),
                now,
                lease_until: clock::plus(now, self.settings.timeout + LEASE_MARGIN),
                limit: self.settings.concurrency,
                rate: self.settings.rate,
            })
            .await?;
        if claimed.deliveries.is_empty() {
            self.copy_to_fallback(now).await?;
            let until = claimed.next.unwrap_or_else(|| clock::plus(now, LOOK_AGAIN));
            return Ok(Step::Idle { until });
        }
        let count = claimed.deliveries.len();
        let answers = self.attempt(claimed.deliveries).await;
        let now = clock::now().max(now);
        let generation = self.generation.borrow().clone();
        let records: Vec<AttemptRecord> =
            answers.into_iter().map(|answer| self.record(answer, &generation, now)).collect();
        let rings = records.iter().any(|record| !record.deliveries.is_empty());
        self.record_until_kept(records).await;
        if rings {
            self.rung.send_replace(());
        }
        Ok(Step::Worked(count))
    }

    /// All attempts at once; each is bounded by the endpoint's timeout.
    async fn attempt(&self, leased: Vec<Leased>) -> Vec<Answer> {
        let mut attempts = JoinSet::new();
        for leased in leased {
            let endpoint = self.endpoint.clone();
            attempts.spawn(async move {
                let started_at = clock::now();
                let outcome = endpoint.send(&leased, started_at).await;
                let took = clock::since(started_at, clock::now());
                Answer { leased, started_at, took, outcome }
            });
        }
        let mut answers = Vec::new();
        while let Some(joined) = attempts.join_next().await {
            match joined {
                Ok(answer) => answers.push(answer),
                // Its lease runs out and it is tried again; the store counts such attempts.
                Err(panic) => warn!(endpoint = self.settings.name, %panic, "an attempt crashed"),
            }
        }
        answers
    }

    fn record(&mut self, answer: Answer, generation: &Generation, now: Timestamp) -> AttemptRecord {
        let Answer { leased, started_at, took, outcome } = answer;
        let name = &self.settings.name;
        let label = AttemptLabel { endpoint: name.clone(), outcome: outcome.as_str(), reason: answer::class(&outcome) };
        self.metrics.attempts.get_or_create(&label).inc();
        let endpoint = EndpointLabel { endpoint: name.clone() };
        self.metrics.attempt_seconds.get_or_create(&endpoint).observe(took.as_secs_f64());
        let delivery = &leased.delivery;
        if let Outcome::Delivered { .. } = outcome {
            debug!(delivery.id = delivery.id, attempt = leased.attempt, "delivered to {name}");
            if let Some(alert) = &delivery.notification.alert {
                let delay = clock::since(alert.trace.record_time, now);
                self.metrics.trace_to_delivery_seconds.get_or_create(&endpoint).observe(delay.as_secs_f64());
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
        let note = self.standing.in_words();
        self.board.note(&Self::task(name), note);
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
            hold_endpoint_until: step.hold_until,
            deliveries: step.deliveries,
        }
    }

    /// An answer is never forgotten: while the store cannot write, this waits,
    /// because a repeat of what was delivered is worse than a pause.
    async fn record_until_kept(&self, records: Vec<AttemptRecord>) {
        let mut wait = Duration::from_millis(50);
        while let Err(error) = self.store.record_attempts(records.clone()).await {
            warn!(endpoint = self.settings.name, %error, "answers wait for the store");
            self.board.trouble(&Self::task(&self.settings.name), &error.to_string(), clock::now());
            if wait > Duration::from_secs(10) {
                // The leases will run out and the deliveries repeat, with the same ids.
                return;
            }
            clock::sleep(wait).await;
            wait *= 2;
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

/// What came back from one attempt.
struct Answer {
    leased: Leased,
    started_at: Timestamp,
    took: Duration,
    outcome: Outcome,
}
