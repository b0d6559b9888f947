//! What is pushed on its way into the store: the same verdicts and the same transaction as for a page, without a
//! checkpoint. The poller remains the promise; this makes alerts ring sooner.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::{OnceCell, watch};
use tracing::{debug, warn};

use super::{
    CONFLICTS_PER_PAGE, Turn,
    settle::{Arrival, Intake},
};
use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    delivery::Delivery,
    generation::Generation,
    metrics::{Metrics, PushLabel, RefusalLabel},
    notification::Notification,
    source::{
        Record,
        push::{Gate, Genuine, Kept, Message, Refusal},
    },
    store::{Heard, SigningCertificate, Standing, Store, StoreError, Way},
};

/// What is refused is logged this often for each reason: who floods must not fill the log too.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// One source that is pushed to.
pub struct Push<S> {
    source: String,
    gate: Gate,
    store: S,
    generation: watch::Receiver<Arc<Generation>>,
    /// Told after each commit, so that deliveries need not wait for a timer.
    committed: watch::Sender<()>,
    metrics: Metrics,
    turn: Turn,
    logged: Mutex<HashMap<&'static str, Timestamp>>,
    /// Set once the gate knows by which certificates SMN was believed in earlier runs.
    recalled: OnceCell<()>,
}

/// What became of a post. All of it is stored by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Traces {
        fresh: u64,
        duplicate: u64,
        undecodable: u64,
    },
    /// SMN invites to a subscription, or says that it was ended.
    Noted,
    /// This very message was stored before.
    Replayed,
}

#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing was stored; it may be posted again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is stored of one post.
struct Parcel {
    /// By which a repeat is known; of a function's events there is none.
    id: Option<String>,
    records: Arc<Vec<Record>>,
    heard: Option<Heard>,
}

impl<S: Store> Push<S> {
    pub fn new(
        source: &str,
        gate: Gate,
        store: S,
        generation: watch::Receiver<Arc<Generation>>,
        committed: watch::Sender<()>,
        metrics: Metrics,
        turn: Turn,
    ) -> Self {
        let (source, logged, recalled) = (source.to_owned(), Mutex::default(), OnceCell::new());
        Self { source, gate, store, generation, committed, metrics, turn, logged, recalled }
    }

    /// Takes what SMN posts; `kind` is what its header says.
    pub async fn message(&self, kind: Option<&str>, body: &[u8], now: Timestamp) -> Result<Taken, PushError> {
        self.recalled.get_or_try_init(|| self.recall(now)).await?;
        let genuine = self.gate.message(kind, body, now).await.inspect_err(|refusal| self.refused(refusal, now))?;
        let Genuine { message, certificate } = genuine;
        let certificate = certificate.map(|Kept { url, pem, fetched_at }| SigningCertificate { url, pem, fetched_at });
        let heard = |topic_urn, standing, subscribe_url| Heard { topic_urn, standing, subscribe_url, certificate };
        let (id, records, heard) = match message {
            Message::Notification { id, topic_urn, records } => {
                (id, records, heard(topic_urn, Standing::Confirmed, None))
            }
            Message::Invitation { id, topic_urn, subscribe_url } => {
                (id, Vec::new(), heard(topic_urn, Standing::Invited, Some(subscribe_url)))
            }
            Message::Farewell { id, topic_urn, subscribe_url } => {
                (id, Vec::new(), heard(topic_urn, Standing::Left, Some(subscribe_url)))
            }
        };
        // No trace has an id with a line break.
        let id = Some(format!("smn\n{id}"));
        self.take(Parcel { id, records: Arc::new(records), heard: Some(heard) }, now).await
    }

    async fn recall(&self, now: Timestamp) -> Result<(), StoreError> {
        for (topic_urn, certificate) in self.store.certificates(&self.source).await? {
            let SigningCertificate { url, pem, fetched_at } = certificate;
            self.gate.recall(&topic_urn, Kept { url, pem, fetched_at }, now);
        }
        Ok(())
    }

    /// Takes what a function posts with its token.
    pub async fn event(&self, token: &str, body: &[u8], now: Timestamp) -> Result<Taken, PushError> {
        let records = self.gate.event(token, body, now).inspect_err(|refusal| self.refused(refusal, now))?;
        self.take(Parcel { id: None, records: Arc::new(records), heard: None }, now).await
    }

    /// Counts a refusal, and now and then says so.
    pub fn refused(&self, refusal: &Refusal, now: Timestamp) {
        let (source, reason) = (self.source.clone(), refusal.reason.as_str());
        self.metrics.push_refused.get_or_create(&RefusalLabel { source, reason }).inc();
        let mut logged = self.logged.lock().expect("nothing panics while it is held");
        let due = logged.get(reason).is_none_or(|at| clock::plus(*at, LOG_EVERY) <= now || *at > now);
        if due {
            logged.insert(reason, now);
            warn!(source = self.source, reason, "a post was refused: {refusal}");
        }
    }

    async fn take(&self, parcel: Parcel, now: Timestamp) -> Result<Taken, PushError> {
        Ok(self
            .commit(parcel, now)
            .await
            .inspect_err(|error| warn!(source = self.source, %error, "a push was not stored"))?)
    }

    async fn commit(&self, Parcel { id, records, heard }: Parcel, now: Timestamp) -> Result<Taken, StoreError> {
        let turn = self.turn.wait().await;
        if let Some(id) = &id
            && !self.store.seen(&self.source, std::slice::from_ref(id)).await?.is_empty()
        {
            return Ok(Taken::Replayed);
        }
        let generation = self.generation.borrow().clone();
        let noted = records.is_empty();
        let intake = Intake {
            source: &self.source,
            store: &self.store,
            generation: &generation,
            records,
            watermark: None,
            arrival: Some(Arrival { way: Way::Push, since: Timestamp::MIN, now }),
            now,
        };
        let settled = intake.settle(CONFLICTS_PER_PAGE, |batch, _| {
            batch.seen.extend(id.clone());
            if let (Some(Heard { standing: Standing::Left, topic_urn, .. }), Some(id)) = (&heard, &id) {
                batch.deliveries.extend(self.left(&generation, topic_urn, id, now));
            }
            batch.heard.clone_from(&heard);
        });
        let settled = settled.await?;
        drop(turn);
        settled.tell(&self.metrics, &self.committed);
        if noted {
            return Ok(Taken::Noted);
        }
        let counts = settled.counts;
        let (fresh, duplicate, undecodable) = (counts.evaluated, counts.duplicate, counts.undecodable);
        for (outcome, count) in [("fresh", fresh), ("duplicate", duplicate), ("undecodable", undecodable)] {
            self.metrics.pushed_traces.get_or_create(&PushLabel { source: self.source.clone(), outcome }).inc_by(count);
        }
        debug!(source = self.source, fresh, duplicate, undecodable, "pushed");
        Ok(Taken::Traces { fresh, duplicate, undecodable })
    }

    /// Somebody who knows the address in a notification can end the subscription without a login.
    fn left(&self, generation: &Generation, topic_urn: &str, id: &str, now: Timestamp) -> Vec<Delivery> {
        let lines = vec![
            format!(
                "SMN says that the subscription to {topic_urn} was ended. If nobody of you did that, find out who."
            ),
            "Alerts go on, as late as the trace list is read.".into(),
            format!(
                "What to do: `tracebell push enable --source {}`, or `push disable` if it is not wanted.",
                self.source
            ),
        ];
        let title = format!("The cloud does not push traces of source {} any more", self.source);
        let notice = Notification::notice(Severity::High, title, lines, now);
        generation.topics.notice(&notice, &format!("push left {} {id}", self.source), false)
    }
}
