//! So that nothing waits for ever: closes alert windows and sends what they
//! summed up, puts expired leases back, forgets what is old and no longer owed.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    clock::{self, Timestamp},
    delivery::{Cause, Delivery},
    generation::Generation,
    health::Board,
    notification::Notification,
    render::{self, Format},
    store::{OpenAlert, Store, StoreError, SweepBatch},
};

/// Windows closed in one transaction.
const WINDOWS_PER_STEP: usize = 200;
/// A window closes at most this much late.
const EVERY: Duration = Duration::from_secs(1);
/// Old rows are looked for this often. The store forgets a bounded number at a time, so
/// this is also how fast it forgets: more than any source brings.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// How long alerts and the ledger are kept.
pub const RETENTION: Duration = Duration::from_secs(90 * 24 * 3600);

/// The name under which this loop beats on the health board.
pub const TASK: &str = "sweep";

pub struct Sweep<S> {
    store: S,
    generation: watch::Receiver<Arc<Generation>>,
    committed: watch::Sender<()>,
    board: Board,
    pruned_at: Option<Timestamp>,
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
        Self { store, generation, committed, board, pruned_at: None }
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
        let closing = self.store.closing(now, WINDOWS_PER_STEP).await?;
        let prune = self.pruned_at.is_none_or(|at| clock::since(at, now) >= PRUNE_EVERY);
        let windows_closed = closing.len();
        if windows_closed > 0 || prune {
            let generation = self.generation.borrow().clone();
            let batch = SweepBatch {
                now,
                closed: closing.iter().map(|closing| closing.alert.id.clone()).collect(),
                deliveries: closing.iter().flat_map(|closing| summaries(&generation, closing, now)).collect(),
                prune_before: prune.then(|| clock::minus(now, RETENTION)),
            };
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
}

/// One summary for each subscriber of a window with more than one match. An
/// endpoint that is gone from the configuration still gets its row, in the plain
/// format of webhooks: it is sent when the endpoint is named again.
fn summaries(generation: &Generation, closing: &OpenAlert, now: Timestamp) -> Vec<Delivery> {
    let alert = &closing.alert;
    if alert.count < 2 || alert.shadow {
        return Vec::new();
    }
    let notification = Notification::summary(alert, now);
    let delivery = |subscriber: &crate::store::Subscriber| {
        let cause = Cause::WindowClosed(alert.id.clone());
        let (subscription, endpoint) = (&subscriber.subscription, &subscriber.endpoint);
        let covers = alert.count - 1;
        let topics = &generation.topics;
        topics.delivery(&notification, &alert.id, subscription, endpoint, covers, cause.clone()).unwrap_or_else(|| {
            warn!(endpoint, "a summary waits for an endpoint that the configuration does not name");
            let id = Delivery::id(notification.kind, &alert.id, subscription);
            Delivery {
                body: render::body(&Format::Webhook, &notification, &id),
                id,
                subscription: subscription.clone(),
                endpoint: endpoint.clone(),
                notification: notification.clone(),
                covers,
                cause,
                created_at: now,
            }
        })
    };
    closing.subscribers.iter().map(delivery).collect()
}
