//! The store in one SQLite file: WAL, `synchronous=FULL`, one writing connection.
//!
//! A commit is on the disk when its function returns. Writers queue for the
//! one connection, so a transaction never meets another of this process.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::File,
    path::Path,
    sync::Arc,
};

use sqlx::SqlitePool;

use super::{
    Accounting, AttemptRecord, AttemptRow, Backlog, Checked, Claim, Claimed, Confirmation, Conversation, DelayRow,
    DeliveryFilter, DeliveryRow, EndpointState, Flush, Fold, Grown, HabitKey, Held, IngestBatch, Lane, Muted,
    MutedFilter, OpenAlert, Pick, PushRow, Recollection, Shown, SigningCertificate, SilenceFilter, SilenceRow,
    SilenceTold, Store, StoreError, SweepBatch, TrackerBatch, TrackerRow, Untold,
    alert::{AlertFilter, AlertRow, History},
};
use crate::{
    alert::Alert,
    checkpoint::{Checkpoint, Fill, Gap},
    clock::Timestamp,
    delivery::{Delivery, HoldKind},
    ring::Slot,
    silence::Silence,
    topic::Group,
};

/// Of a row of `deliveries`: nobody holds it. A macro, because statements are put together when they are compiled.
macro_rules! free {
    () => {
        "NOT EXISTS (SELECT 1 FROM leases WHERE leases.seq = deliveries.seq)"
    };
}

mod account;
mod alert;
mod attempt;
mod bulk;
mod check;
mod claim;
mod confirm;
mod conversation;
mod delay;
mod fault;
mod fill;
mod fold;
mod habit;
mod hold;
mod ingest;
mod key;
mod list;
mod memory;
mod open;
mod pick;
mod place;
mod push;
mod row;
mod silence;
mod sweep;
mod tracker;

/// An open database; clones share its connections.
#[derive(Clone)]
pub struct Sqlite {
    write: SqlitePool,
    read: SqlitePool,
    /// The lock of the owning process; `None` for those who look or lend a hand beside it.
    lock: Option<Arc<File>>,
    /// Where it was opened.
    place: place::Place,
}

/// A transaction that holds the write lock from its start, so it never fails halfway to get it.
type Transaction = sqlx::Transaction<'static, sqlx::Sqlite>;

impl Sqlite {
    /// Opens the state for the one process that runs on it, creating or migrating the file.
    /// Leases of the process before are given back: the lock proves that it is gone.
    pub async fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        open::owner(path, now).await
    }

    /// Opens for reading, beside a process that may hold the lock.
    pub async fn open_read(path: &Path) -> Result<Self, StoreError> {
        open::reader(path).await
    }

    /// Opens for small writes beside the process that holds the lock. SQLite lets one
    /// writer in at a time and each transaction here is whole, so both stay correct;
    /// the lock guards only against a second one that polls and delivers.
    pub async fn open_beside(path: &Path) -> Result<Self, StoreError> {
        open::beside(path).await
    }

    async fn begin(&self) -> Result<Transaction, StoreError> {
        self.place.check()?;
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
    }
}

impl Store for Sqlite {
    async fn seen(&self, source: &str, ids: &[String]) -> Result<HashSet<String>, StoreError> {
        ingest::seen(&self.read, source, ids).await
    }

    async fn revision(&self, source: &str) -> Result<u64, StoreError> {
        ingest::revision(&self.read, source).await
    }

    async fn checkpoint(&self, source: &str) -> Result<Option<Checkpoint>, StoreError> {
        ingest::checkpoint(&self.read, source).await
    }

    async fn open_alerts(&self, fingerprints: &[String]) -> Result<Vec<OpenAlert>, StoreError> {
        ingest::open_alerts(&self.read, fingerprints).await
    }

    async fn memories(&self, source: &str, slots: &[Slot]) -> Result<BTreeMap<Slot, Recollection>, StoreError> {
        memory::load(&self.read, source, slots).await
    }

    async fn due_memories(
        &self,
        source: &str,
        watermark: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Slot, Recollection)>, StoreError> {
        memory::due(&self.read, source, watermark, limit).await
    }

    async fn watches(&self, source: &str) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        memory::watches(&self.read, source).await
    }

    async fn habits(&self, keys: &[HabitKey]) -> Result<HashMap<HabitKey, Timestamp>, StoreError> {
        habit::load(&self.read, keys).await
    }

    async fn commit_ingest(&self, batch: IngestBatch) -> Result<(), StoreError> {
        ingest::commit(self, batch).await
    }

    async fn claim_deliveries(&self, claim: Claim) -> Result<Claimed, StoreError> {
        self.turn(&[], claim).await
    }

    async fn turn(&self, answers: &[AttemptRecord], claim: Claim) -> Result<Claimed, StoreError> {
        let mut tx = self.begin().await?;
        attempt::record(&mut tx, answers).await?;
        let (claimed, changed) = claim::claim(&mut tx, claim).await?;
        if changed || !answers.is_empty() {
            tx.commit().await?;
        }
        Ok(claimed)
    }

    async fn record_attempts(&self, attempts: Vec<AttemptRecord>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        attempt::record(&mut tx, &attempts).await?;
        Ok(tx.commit().await?)
    }

    async fn release_expired(&self, now: Timestamp) -> Result<u64, StoreError> {
        attempt::release_expired(self.begin().await?, now).await
    }

    async fn release(&self, leased: &[(String, i64)]) -> Result<(), StoreError> {
        attempt::release(self.begin().await?, leased).await
    }

    async fn closing(&self, now: Timestamp, limit: usize) -> Result<Vec<OpenAlert>, StoreError> {
        sweep::closing(self, now, limit).await
    }

    async fn commit_sweep(&self, batch: SweepBatch) -> Result<(), StoreError> {
        sweep::commit(self, batch).await
    }

    async fn groups(&self, wanted: &[(String, String)], now: Timestamp) -> Result<Vec<Group>, StoreError> {
        hold::groups(&self.read, wanted, now).await
    }

    async fn opened(&self, rules: &[String], since: Timestamp, most: u64) -> Result<BTreeMap<String, u64>, StoreError> {
        hold::opened(&self.read, rules, since, most).await
    }

    async fn opened_in_all(&self, since: Timestamp, most: u64) -> Result<u64, StoreError> {
        hold::opened_in_all(&self.read, since, most).await
    }

    async fn last_held(&self, kind: HoldKind) -> Result<Option<Timestamp>, StoreError> {
        hold::last_held(&self.read, kind).await
    }

    async fn due_holds(&self, now: Timestamp, limit: usize) -> Result<Vec<Held>, StoreError> {
        hold::due(&self.read, now, limit).await
    }

    async fn flush(&self, flush: Flush) -> Result<u64, StoreError> {
        hold::flush(self.begin().await?, flush).await
    }

    async fn grown(&self, before: Timestamp, limit: usize) -> Result<Vec<Grown>, StoreError> {
        hold::grown(&self.read, before, limit).await
    }

    async fn show(&self, shown: Shown) -> Result<(), StoreError> {
        hold::show(self, shown).await
    }

    async fn backlog(&self, endpoint: &str, lane: Lane) -> Result<Backlog, StoreError> {
        fold::backlog(&self.read, endpoint, lane).await
    }

    async fn fold(&self, fold: Fold) -> Result<u64, StoreError> {
        fold::fold(self.begin().await?, fold).await
    }

    async fn publish(&self, deliveries: Vec<Delivery>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        row::insert_all(&mut tx, &deliveries).await?;
        Ok(tx.commit().await?)
    }

    async fn accounting(&self) -> Result<Accounting, StoreError> {
        account::accounting(&self.read).await
    }

    async fn endpoints(&self) -> Result<Vec<EndpointState>, StoreError> {
        account::endpoints(&self.read).await
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
        list::deliveries(&self.read, filter).await
    }

    async fn without_copy(&self, endpoint: &str, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        list::without_copy(&self.read, endpoint, limit).await
    }

    async fn delivery(&self, id: &str) -> Result<Option<(DeliveryRow, Vec<AttemptRow>)>, StoreError> {
        list::delivery(&self.read, id).await
    }

    async fn retry(&self, pick: Pick, now: Timestamp) -> Result<u64, StoreError> {
        pick::retry(self.begin().await?, pick, now).await
    }

    async fn cancellable(&self, pick: Pick) -> Result<u64, StoreError> {
        pick::cancellable(&self.read, pick).await
    }

    async fn cancel(&self, pick: Pick, now: Timestamp) -> Result<u64, StoreError> {
        pick::cancel(self.begin().await?, pick, now).await
    }

    async fn resume(&self, endpoint: &str, now: Timestamp) -> Result<bool, StoreError> {
        pick::resume(self.begin().await?, endpoint, now).await
    }

    async fn put_silence(&self, silence: Silence) -> Result<(), StoreError> {
        silence::put(self.begin().await?, silence).await
    }

    async fn silences(&self, filter: SilenceFilter) -> Result<Vec<SilenceRow>, StoreError> {
        silence::list(&self.read, filter).await
    }

    async fn silence(&self, id: &str) -> Result<Option<SilenceRow>, StoreError> {
        silence::one(&self.read, id).await
    }

    async fn expire_silence(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        silence::expire(self.begin().await?, id, now).await
    }

    async fn silences_between(&self, from: Timestamp, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
        silence::between(&self.read, from, now).await
    }

    async fn warn_of_silence(&self, id: &str, notices: Vec<Delivery>, now: Timestamp) -> Result<(), StoreError> {
        silence::warn(self.begin().await?, id, notices, now).await
    }

    async fn untold_silences(&self, now: Timestamp, limit: usize) -> Result<Vec<Untold>, StoreError> {
        conversation::untold(&self.read, now, limit).await
    }

    async fn conversations(&self, alerts: &[String]) -> Result<Vec<Conversation>, StoreError> {
        conversation::of(&self.read, alerts).await
    }

    async fn tell_of_silence(&self, told: SilenceTold) -> Result<(), StoreError> {
        conversation::tell(self.begin().await?, told).await
    }

    async fn muted(&self, filter: MutedFilter) -> Result<Vec<Muted>, StoreError> {
        silence::muted(&self.read, filter).await
    }

    async fn ringing_alerts(&self, rules: Option<&[String]>, limit: usize) -> Result<Vec<Alert>, StoreError> {
        silence::ringing(&self.read, rules, limit).await
    }

    async fn alerts_since(&self, since: Timestamp, limit: usize) -> Result<Vec<Alert>, StoreError> {
        silence::alerts_since(&self.read, since, limit).await
    }

    async fn alert(&self, id: &str) -> Result<Option<Alert>, StoreError> {
        silence::alert_by_id(&self.read, id).await
    }

    async fn alerts(&self, filter: AlertFilter) -> Result<Vec<AlertRow>, StoreError> {
        alert::list(&self.read, filter).await
    }

    async fn alert_history(&self, id: &str) -> Result<History, StoreError> {
        alert::history(&self.read, id).await
    }

    async fn key(&self, name: &str, fresh: &[u8]) -> Result<Vec<u8>, StoreError> {
        key::key(self.begin().await?, name, fresh).await
    }

    async fn confirmation(&self, endpoint: &str, subscriber: &str) -> Result<Confirmation, StoreError> {
        confirm::load(&self.read, endpoint, subscriber).await
    }

    async fn confirm(&self, endpoint: &str, subscriber: &str, confirmation: Confirmation) -> Result<(), StoreError> {
        confirm::write(self.begin().await?, endpoint, subscriber, confirmation).await
    }

    async fn checked(&self, endpoint: &str, checked: Checked) -> Result<(), StoreError> {
        check::write(self.begin().await?, endpoint, checked).await
    }

    async fn pushes(&self) -> Result<Vec<PushRow>, StoreError> {
        push::load(&self.read).await
    }

    async fn certificates(&self, source: &str) -> Result<Vec<(String, SigningCertificate)>, StoreError> {
        push::certificates(&self.read, source).await
    }

    async fn tracker(&self, source: &str) -> Result<Option<TrackerRow>, StoreError> {
        tracker::load(&self.read, source).await
    }

    async fn watch_tracker(&self, batch: TrackerBatch) -> Result<(), StoreError> {
        tracker::write(self.begin().await?, batch).await
    }

    async fn delays(&self, since: Timestamp) -> Result<Vec<DelayRow>, StoreError> {
        delay::load(&self.read, since).await
    }

    async fn gaps(&self, source: &str) -> Result<Vec<Gap>, StoreError> {
        list::gaps(&self.read, source).await
    }

    async fn fills(&self, source: &str) -> Result<Vec<Fill>, StoreError> {
        fill::list(&self.read, source).await
    }

    async fn close(&self) {
        self.read.close().await;
        if self.lock.is_some() {
            // Folds the write-ahead log into the file; what fails here is done at the next start.
            let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.write).await;
        }
        self.write.close().await;
        if let Some(lock) = &self.lock {
            let _ = lock.unlock();
        }
    }
}

/// Retry-After is believed for a day at most, so a wait further ahead was written
/// by a clock that has been stepped back since. Such waits are over.
const ABSURD: i64 = (24 * 60 + 30) * 60 * 1_000_000;

/// A time as it is stored.
fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A stored time; one out of range (a damaged file) is held at the end of time.
fn moment(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn page(ids: std::ops::Range<u32>) -> IngestBatch {
        IngestBatch { source: "prod".into(), seen: ids.map(|id| id.to_string()).collect(), ..IngestBatch::default() }
    }

    #[tokio::test]
    async fn a_full_disk_is_unavailable_and_recovers() {
        let home = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&home.path().join("state.db"), clock::now()).await.unwrap();
        sqlx::query("PRAGMA max_page_count = 1").execute(&store.write).await.unwrap();
        let full = store.commit_ingest(page(0..10_000)).await;
        assert!(matches!(&full, Err(StoreError::Unavailable { reason }) if reason.contains("full")), "{full:?}");
        assert!(store.seen("prod", &["7".into()]).await.unwrap().is_empty());
        sqlx::query("PRAGMA max_page_count = 100000").execute(&store.write).await.unwrap();
        store.commit_ingest(page(0..10_000)).await.unwrap();
        assert_eq!(store.seen("prod", &["7".into()]).await.unwrap().len(), 1);
    }

    /// SQLite rolls back by itself on some errors (disk full among them), of which the
    /// driver learns nothing: the next transaction must not end up inside one that is no more.
    #[tokio::test]
    async fn a_rollback_behind_the_drivers_back_is_survived() {
        let home = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&home.path().join("state.db"), clock::now()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
        drop(tx);
        store.commit_ingest(page(0..9)).await.unwrap();
        assert_eq!(store.seen("prod", &["7".into()]).await.unwrap().len(), 1);
    }
}
