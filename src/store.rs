//! The durable state: what was seen, what is owed, what was answered.
//!
//! Four transactions, each taking one value. A trait because two databases
//! ship; the contract suite in `tests/it/store.rs` runs against each.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    future::Future,
    time::Duration,
};

use crate::{
    alert::{Alert, Severity},
    checkpoint::{Checkpoint, Fill, Gap},
    clock::Timestamp,
    delivery::{Delivery, HoldKind, Leased, Outcome, Rate, State, Trouble},
    ring::{Memory, Slot},
    silence::Silence,
    topic::Group,
};

mod account;
mod alert;
mod checked;
mod conversation;
mod delay;
mod fill;
mod gcra;
pub mod hold;
mod pick;
mod push;
mod silence;
pub mod sqlite;
mod tracker;

pub use account::{Accounting, SourceAccount, SubscriptionAccount, WindowAccount};
pub use alert::{AlertFilter, AlertRow, History, LedgerLine};
pub use checked::{Accepted, Checked};
pub use conversation::{Conversation, SilenceTold, Turn, Untold};
pub use delay::{Delay, DelayRow, Spread, Way, delay};
pub use fill::FillMark;
pub use hold::{Flush, Grown, Held, Shown};
pub use pick::Pick;
pub use push::{Heard, PushRow, SigningCertificate, Standing};
pub use silence::{Muted, MutedFilter, Mutes, SilenceFilter, SilenceRow, mutes};
pub use sqlite::Sqlite;
pub use tracker::{TrackerBatch, TrackerRow};

/// T1, whole or not at all: one page's effects and, if it was the last page of
/// a complete window, the checkpoint.
#[derive(Debug, Clone, Default)]
pub struct IngestBatch {
    pub source: String,
    pub now: Timestamp,
    /// What [`Store::revision`] gave before anything that this was decided from was read. If alerts or memories of the
    /// source were written since, by whomever, this is a [`StoreError::Conflict`].
    pub revision: Option<u64>,
    /// Trace ids not seen before. One of them known already is a [`StoreError::Conflict`].
    pub seen: Vec<String>,
    pub counts: IngestCounts,
    /// Opened or changed alerts, whole; written by id. One whose window was closed
    /// since it was read is a [`StoreError::Conflict`].
    pub alerts: Vec<Alert>,
    /// For each newly opened alert, the subscriptions that get its summary.
    pub subscribers: Vec<Subscriber>,
    /// One whose id exists already was owed before: it is left alone and not owed twice.
    pub deliveries: Vec<Delivery>,
    pub owed: Vec<Owed>,
    pub ledger: Vec<LedgerRow>,
    /// What is kept from people, and by what. Of one subscription it counts as suppressed there.
    pub muted: Vec<Muted>,
    /// Groups that open with this page. One that another writer opened meanwhile is a [`StoreError::Conflict`].
    pub groups: Vec<Group>,
    pub quarantine: Vec<Quarantined>,
    /// Memories that changed, whole; written by slot.
    pub memories: Vec<Remembered>,
    /// Since when rules watch that did not before; of one that is known the earlier time stays.
    pub watches: BTreeMap<String, Timestamp>,
    /// What was seen of habits; the newest time stays.
    pub habits: Vec<(HabitKey, Timestamp)>,
    /// With it go memories that expired before its watermark.
    pub checkpoint: Option<Checkpoint>,
    pub gaps: Vec<Gap>,
    /// Set by who fills a gap.
    pub fill: Option<FillMark>,
    /// How long traces that are new took.
    pub delays: Vec<Delay>,
    /// What SMN said to the source.
    pub heard: Option<Heard>,
}

/// Names one habit of one actor; what it was is nobody's business once it is stored.
pub type HabitKey = [u8; 16];

/// What a rule remembers of one key from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    pub slot: Slot,
    /// `None`: nothing any more.
    pub memory: Option<Memory>,
    /// Keys that the rule may remember of one source. Beyond it those with the oldest
    /// newest trace are evicted and counted, in the same transaction.
    pub limit: u64,
}

/// What is found where a memory should be.
pub type Recollection = Result<Memory, Damage>;

/// A memory that cannot be read, and what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub reason: String,
    pub raw: String,
}

/// fetched = duplicate + undecodable + evaluated; evaluated = unmatched + matched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestCounts {
    pub fetched: u64,
    pub duplicate: u64,
    pub undecodable: u64,
    pub evaluated: u64,
    pub unmatched: u64,
    pub matched: u64,
}

/// A subscription to which an alert was published when it opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    pub alert: String,
    pub subscription: String,
    pub endpoint: String,
    /// Its first delivery of this alert, or of the group that the alert belongs to.
    pub thread: String,
}

/// Alerts and repeats newly owed to a subscription, and how many of them a reason suppressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub subscription: String,
    pub count: u64,
    /// For example `shadow`.
    pub suppressed: Option<&'static str>,
}

/// What became of one trace at one rule. Append-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    pub trace: String,
    pub time: Timestamp,
    pub rule: String,
    pub verdict: Verdict,
    /// Empty if no alert has to do with it.
    pub alert: String,
    /// Of the exception that made the rule leave the trace alone, or of what muted the alert.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Opened the alert.
    Opened,
    /// Folded into the open alert.
    Repeat,
    /// The rule is in shadow mode: recorded, not sent.
    Shadow,
    /// An exception made the rule leave it alone.
    Excepted,
    /// Entered a window, and nothing rang yet.
    Counted,
    /// Made the open alert worse: it rang again.
    Escalated,
    /// The second half of an asynchronous operation went worse than the first: it rang again.
    Updated,
    /// Counted in an alert that a silence, an inhibition or a schedule keeps from people.
    Muted,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Repeat => "repeat",
            Self::Shadow => "shadow",
            Self::Excepted => "excepted",
            Self::Counted => "counted",
            Self::Escalated => "escalated",
            Self::Updated => "updated",
            Self::Muted => "muted",
        }
    }
}

/// A record that could not be decoded, kept for a person to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    pub source: String,
    /// The record's own id, or a fingerprint of its bytes.
    pub id: String,
    pub reason: String,
    /// As received, cut to 64 KiB.
    pub raw: String,
    pub at: Timestamp,
}

/// T2: lease due deliveries of one endpoint, worst severity first, then oldest.
#[derive(Debug, Clone)]
pub struct Claim {
    pub endpoint: String,
    pub now: Timestamp,
    pub lease_until: Timestamp,
    pub limit: usize,
    pub rate: Option<Rate>,
}

#[derive(Debug, Clone, Default)]
pub struct Claimed {
    pub deliveries: Vec<Leased>,
    /// When to ask again if nothing was leased: next due delivery, end of a
    /// pause, or next permit; `None` if nothing waits.
    pub next: Option<Timestamp>,
}

/// T3: what the endpoint answered, and what follows.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    pub delivery: String,
    pub endpoint: String,
    pub token: i64,
    pub attempt: u32,
    pub started_at: Timestamp,
    pub took: Duration,
    pub outcome: Outcome,
    pub next: Next,
    /// How the endpoint stands after it; `None` if it takes what it is sent.
    pub trouble: Option<Trouble>,
    /// Nothing of this endpoint is claimed before then (Retry-After, pause, breaker).
    pub hold_endpoint_until: Option<Timestamp>,
    /// Copies for the fallback endpoint and notices, written with the attempt.
    pub deliveries: Vec<Delivery>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Delivered,
    At(Timestamp),
    /// At once with this body in place of the one that was refused, under the same id.
    Reduce {
        body: Vec<u8>,
    },
    Dead,
}

/// Waiting deliveries of one lane of one endpoint, summed up for an overflow summary.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Backlog {
    /// Rows waiting, and the alerts and repeats they tell of (a copy tells what its original told).
    pub deliveries: u64,
    pub covers: u64,
    /// Largest first, at most 10 each.
    pub by_rule: Vec<(String, u64)>,
    pub by_actor: Vec<(String, u64)>,
    /// Worst first, at most 10.
    pub titles: Vec<String>,
    /// Bound for [`Fold`]: rows newer than this are not folded.
    pub up_to: i64,
    pub worst: Option<Severity>,
}

/// Part of T4: fold all ready rows of a lane into `summary` (a delivery with `covers` 0
/// and an id never used before, else it is a [`StoreError::Conflict`]). Only alerts,
/// window summaries and fallback copies are folded.
#[derive(Debug, Clone)]
pub struct Fold {
    pub endpoint: String,
    pub lane: Lane,
    pub up_to: i64,
    pub summary: Delivery,
}

/// `critical` has a lane of its own, which is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Critical,
    Normal,
}

/// T4: alerts whose window closed, and the summaries they owe.
#[derive(Debug, Clone, Default)]
pub struct SweepBatch {
    pub now: Timestamp,
    /// As [`Store::closing`] gave them. One that grew since stays open, its summaries
    /// are not written, and it comes again.
    pub closed: Vec<String>,
    pub deliveries: Vec<Delivery>,
    /// Of closed alerts: what nobody is told of, and why. Written if the alert is closed.
    pub muted: Vec<Muted>,
    /// Forget delivered rows, closed alerts and ledger rows older than this, and
    /// seen ids older than nine days; never what is still owed.
    pub prune_before: Option<Timestamp>,
}

/// An alert whose window is open, with those who get its repeats.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenAlert {
    pub alert: Alert,
    pub subscribers: Vec<Subscriber>,
}

/// A delivery as people list it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRow {
    pub delivery: Delivery,
    pub state: State,
    pub attempts: u32,
    pub next_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub folded_into: Option<String>,
    pub last_reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    pub attempt: u32,
    pub started_at: Timestamp,
    pub took: Duration,
    pub outcome: String,
    pub reason: String,
}

#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub endpoint: Option<String>,
    pub state: Option<State>,
    /// Made at or after, and before.
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub limit: usize,
}

/// Standing of an endpoint as the store knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointState {
    pub endpoint: String,
    pub ready: u64,
    pub dead: u64,
    /// Creation time of the oldest delivery still owed.
    pub oldest: Option<Timestamp>,
    pub hold_until: Option<Timestamp>,
    /// Consecutive attempts that failed without a success between.
    pub failures: u32,
    pub last_reason: Option<String>,
    pub trouble: Option<Trouble>,
    /// When an overflow summary was last made for it.
    pub overflow_at: Option<Timestamp>,
    pub checked: Option<Checked>,
}

/// Whether the subscriber behind an endpoint wants what is owed, where that must be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    Never,
    Confirmed(Timestamp),
    /// It unsubscribed.
    Left(Timestamp),
}

/// Split by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written; read again and repeat.
    #[error("another writer was first")]
    Conflict,
    /// Nothing was written; repeat later. Disk full, locked, and the like.
    #[error("the store cannot write now: {reason}")]
    Unavailable { reason: String },
    /// The file is not ours to use: another process holds it, or its schema is newer.
    #[error("{reason}")]
    Refused { reason: String },
    /// A row's checksum does not match its content.
    #[error("the store is damaged: {reason}")]
    Damaged { reason: String },
}

/// The state of one Tracebell. All times are UTC with microseconds.
pub trait Store: Clone + Send + Sync + 'static {
    /// Which of these trace ids of `source` were seen before.
    fn seen(&self, source: &str, ids: &[String]) -> impl Future<Output = Result<HashSet<String>, StoreError>> + Send;
    /// Changes with each write of alerts or memories of the source: both are read, changed and written whole, and two
    /// writers at once, in one process or in two, would forget what the other one saw.
    fn revision(&self, source: &str) -> impl Future<Output = Result<u64, StoreError>> + Send;
    fn checkpoint(&self, source: &str) -> impl Future<Output = Result<Option<Checkpoint>, StoreError>> + Send;
    /// Open alerts with these fingerprints and their subscribers, oldest first.
    fn open_alerts(&self, fingerprints: &[String]) -> impl Future<Output = Result<Vec<OpenAlert>, StoreError>> + Send;
    /// What rules remember under these slots; those without a memory are left out. A damaged one
    /// holds up neither its page nor its source.
    fn memories(
        &self,
        source: &str,
        slots: &[Slot],
    ) -> impl Future<Output = Result<BTreeMap<Slot, Recollection>, StoreError>> + Send;
    /// Memories due before `watermark`, up to which all is read; the longest silence first, at most `limit`.
    fn due_memories(
        &self,
        source: &str,
        watermark: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(Slot, Recollection)>, StoreError>> + Send;
    /// Since when each rule watches this source, by [`ring::watch`](crate::ring::watch).
    fn watches(&self, source: &str) -> impl Future<Output = Result<BTreeMap<String, Timestamp>, StoreError>> + Send;
    /// When these habits were noted last; those that are new are left out.
    fn habits(
        &self,
        keys: &[HabitKey],
    ) -> impl Future<Output = Result<HashMap<HabitKey, Timestamp>, StoreError>> + Send;
    /// T1.
    fn commit_ingest(&self, batch: IngestBatch) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// T2. A damaged row is set dead with its reason, never leased.
    fn claim_deliveries(&self, claim: Claim) -> impl Future<Output = Result<Claimed, StoreError>> + Send;
    /// T3. A success counts whatever the token; anything else only with the current one.
    fn record_attempts(&self, attempts: Vec<AttemptRecord>) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// T3 and T2 in one transaction, for a worker that has answers and free places at once.
    fn turn(&self, answers: &[AttemptRecord], claim: Claim)
    -> impl Future<Output = Result<Claimed, StoreError>> + Send;
    /// T4: puts expired leases back; returns how many.
    fn release_expired(&self, now: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// T4, at shutdown: gives back leases that were not used, attempt uncounted.
    fn release(&self, leased: &[(String, i64)]) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Open alerts whose window is over at `now`, at most `limit`.
    fn closing(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<OpenAlert>, StoreError>> + Send;
    /// T4.
    fn commit_sweep(&self, batch: SweepBatch) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Groups that are open at `now`, of these subscriptions and keys.
    fn groups(
        &self,
        wanted: &[(String, String)],
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Group>, StoreError>> + Send;
    /// How many live alerts opened since then, by these rules; of none is more than `most` counted.
    fn opened(
        &self,
        rules: &[String],
        since: Timestamp,
        most: u64,
    ) -> impl Future<Output = Result<BTreeMap<String, u64>, StoreError>> + Send;
    /// How many live alerts opened since then; no more than `most` are counted.
    fn opened_in_all(&self, since: Timestamp, most: u64) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// When something was last held back for this.
    fn last_held(&self, kind: HoldKind) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;
    /// Holds that are over at `now`, with what they gathered; at most `limit`.
    fn due_holds(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<Held>, StoreError>> + Send;
    /// T4. Returns how many deliveries were told or let go.
    fn flush(&self, flush: Flush) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// Open alerts that count more than was shown, if that was shown before `before`; at most `limit`.
    fn grown(&self, before: Timestamp, limit: usize) -> impl Future<Output = Result<Vec<Grown>, StoreError>> + Send;
    /// T4.
    fn show(&self, shown: Shown) -> impl Future<Output = Result<(), StoreError>> + Send;
    fn backlog(&self, endpoint: &str, lane: Lane) -> impl Future<Output = Result<Backlog, StoreError>> + Send;
    /// T4. Returns how many rows were folded.
    fn fold(&self, fold: Fold) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// Writes deliveries that no trace caused (notices, tests); those whose id exists are left alone.
    fn publish(&self, deliveries: Vec<Delivery>) -> impl Future<Output = Result<(), StoreError>> + Send;

    fn accounting(&self) -> impl Future<Output = Result<Accounting, StoreError>> + Send;
    fn endpoints(&self) -> impl Future<Output = Result<Vec<EndpointState>, StoreError>> + Send;
    /// Newest first.
    fn deliveries(&self, filter: DeliveryFilter) -> impl Future<Output = Result<Vec<DeliveryRow>, StoreError>> + Send;
    /// Ready deliveries of `endpoint` that no fallback copy exists of, oldest first; copies and tests are left out.
    fn without_copy(
        &self,
        endpoint: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;
    /// One delivery with its attempts, oldest first. The id may be shortened if unambiguous.
    fn delivery(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<(DeliveryRow, Vec<AttemptRow>)>, StoreError>> + Send;
    /// Dead and cancelled deliveries become ready again; returns how many.
    fn retry(&self, pick: Pick, now: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// How many [`Store::cancel`] would call off.
    fn cancellable(&self, pick: Pick) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// Ready, held and dead deliveries are called off, and with them their copies for the fallback; returns
    /// how many, copies uncounted.
    fn cancel(&self, pick: Pick, now: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// Lifts a hold or a pause of an endpoint: what waits for it is due now. False if there was none.
    fn resume(&self, endpoint: &str, now: Timestamp) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Writes a silence; one that is there already stays as it is.
    fn put_silence(&self, silence: Silence) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Those that end last come first.
    fn silences(&self, filter: SilenceFilter) -> impl Future<Output = Result<Vec<SilenceRow>, StoreError>> + Send;
    /// The id may be shortened if unambiguous; `sil_` may be left out.
    fn silence(&self, id: &str) -> impl Future<Output = Result<Option<SilenceRow>, StoreError>> + Send;
    /// Ends it now; false if it is over already, or unknown.
    fn expire_silence(&self, id: &str, now: Timestamp) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Silences in force at any time from then to `now` that no person ended. A damaged one mutes nothing.
    fn silences_between(
        &self,
        from: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Silence>, StoreError>> + Send;
    /// T4: publishes the notices of its end, once for each silence.
    fn warn_of_silence(
        &self,
        id: &str,
        notices: Vec<Delivery>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Silences that began or ended since conversations heard of them, at most `limit`.
    fn untold_silences(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Untold>, StoreError>> + Send;
    /// Where these alerts were told and a reply can be given; first those that the conversation began with.
    fn conversations(&self, alerts: &[String]) -> impl Future<Output = Result<Vec<Conversation>, StoreError>> + Send;
    /// T4: tells conversations of a silence, once for each turn of it.
    fn tell_of_silence(&self, told: SilenceTold) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// What was kept from people, newest first.
    fn muted(&self, filter: MutedFilter) -> impl Future<Output = Result<Vec<Muted>, StoreError>> + Send;
    /// Open alerts that are no shadows, of all rules or of these, worst and newest first.
    fn ringing_alerts(
        &self,
        rules: Option<&[String]>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Alert>, StoreError>> + Send;
    /// Alerts opened since then, shadows left out, newest first. Damaged ones are left out.
    fn alerts_since(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Alert>, StoreError>> + Send;
    /// The alert whose id is, or begins with, `id`; `alr_` may be left out.
    fn alert(&self, id: &str) -> impl Future<Output = Result<Option<Alert>, StoreError>> + Send;
    /// Newest first.
    fn alerts(&self, filter: AlertFilter) -> impl Future<Output = Result<Vec<AlertRow>, StoreError>> + Send;
    /// What became of an alert; the id is whole.
    fn alert_history(&self, id: &str) -> impl Future<Output = Result<History, StoreError>> + Send;
    /// The key of this installation with that name; `fresh` becomes it if there is none yet.
    fn key(&self, name: &str, fresh: &[u8]) -> impl Future<Output = Result<Vec<u8>, StoreError>> + Send;
    /// Of this subscriber; what another one at the endpoint said does not count.
    fn confirmation(
        &self,
        endpoint: &str,
        subscriber: &str,
    ) -> impl Future<Output = Result<Confirmation, StoreError>> + Send;
    fn confirm(
        &self,
        endpoint: &str,
        subscriber: &str,
        confirmation: Confirmation,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Notes that an endpoint's credentials were tried.
    fn checked(&self, endpoint: &str, checked: Checked) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// What SMN said to sources, one row for each topic.
    fn pushes(&self) -> impl Future<Output = Result<Vec<PushRow>, StoreError>> + Send;
    /// By which certificates SMN was last believed, each with its topic.
    fn certificates(
        &self,
        source: &str,
    ) -> impl Future<Output = Result<Vec<(String, SigningCertificate)>, StoreError>> + Send;
    /// How the tracker of a source was seen last.
    fn tracker(&self, source: &str) -> impl Future<Output = Result<Option<TrackerRow>, StoreError>> + Send;
    /// Notes how a tracker stands, with what is told of it.
    fn watch_tracker(&self, batch: TrackerBatch) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// How long new traces took since then, by source and way.
    fn delays(&self, since: Timestamp) -> impl Future<Output = Result<Vec<DelayRow>, StoreError>> + Send;
    fn gaps(&self, source: &str) -> impl Future<Output = Result<Vec<Gap>, StoreError>> + Send;
    /// What was filled of the source's gaps, oldest first.
    fn fills(&self, source: &str) -> impl Future<Output = Result<Vec<Fill>, StoreError>> + Send;
    /// Flushes and closes; the lock is given up.
    fn close(&self) -> impl Future<Output = ()> + Send;
}
