//! T4: closing windows, and forgetting what is old.

use std::time::Duration;

use serde_json::json;
use sqlx::{Row, SqliteConnection};

use super::{
    Sqlite, Transaction,
    ingest::{alert, raise, subscribers},
    micros,
    row::{self, count},
    silence,
};
use crate::{
    clock::{self, Timestamp},
    delivery::{Cause, Delivery},
    store::{Muted, OpenAlert, StoreError, SweepBatch},
};

/// Rows forgotten per transaction, and transactions per kind of row and sweep:
/// claims and pages must get in between.
const CHUNK: i64 = 1000;
const CHUNKS: usize = 20;

/// CTS serves traces for seven days; the rest is room for clocks and slow re-reads.
const SEEN_FOR: Duration = Duration::from_secs(9 * 86_400);

/// A habit is asked for after thirty days; the rest is so that a source where nothing happens for weeks is not
/// taken for one that is watched since yesterday.
const HABITS_FOR: Duration = Duration::from_secs(60 * 86_400);
/// Habits kept at most, some forty megabytes: who logs in under names without end drives out what was seen
/// least lately, and with it since when a source is watched, so that nothing wrong is said.
const HABITS: i64 = 500_000;

pub(super) async fn closing(store: &Sqlite, now: Timestamp, limit: usize) -> Result<Vec<OpenAlert>, StoreError> {
    let due: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM alerts WHERE closed_at IS NULL AND closes_at <= ?1 ORDER BY closes_at, id LIMIT ?2",
    )
    .bind(micros(now))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&store.read)
    .await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = store.begin().await?;
    let mut found = Vec::with_capacity(due.len());
    for id in &due {
        match hand_out(&mut tx, id).await {
            Ok(alert) => found.extend(alert),
            // Else it would come first, and stop the sweep, for ever.
            Err(StoreError::Damaged { reason }) => {
                tracing::error!(alert = id, "an alert is closed without a summary: {reason}");
                close(&mut tx, id, Vec::new(), &[], now).await?;
            }
            Err(error) => return Err(error),
        }
    }
    tx.commit().await?;
    Ok(found)
}

/// Notes the count given to the caller: see [`close`].
async fn hand_out(tx: &mut SqliteConnection, id: &str) -> Result<Option<OpenAlert>, StoreError> {
    let row = sqlx::query("UPDATE alerts SET closing = count WHERE id = ?1 AND closed_at IS NULL RETURNING facts")
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(OpenAlert { alert: alert(&row)?, subscribers: subscribers(tx, id).await? }))
}

pub(super) async fn commit(store: &Sqlite, batch: SweepBatch) -> Result<(), StoreError> {
    if !batch.closed.is_empty() || !batch.deliveries.is_empty() {
        let mut tx = store.begin().await?;
        for id in &batch.closed {
            let summaries = batch.deliveries.iter().filter(|delivery| summarises(delivery, id));
            let muted: Vec<Muted> = batch.muted.iter().filter(|muted| muted.alert == *id).cloned().collect();
            close(&mut tx, id, summaries.collect(), &muted, batch.now).await?;
        }
        for delivery in &batch.deliveries {
            if !batch.closed.iter().any(|id| summarises(delivery, id)) {
                row::insert(&mut tx, delivery).await?;
            }
        }
        tx.commit().await?;
    }
    match batch.prune_before {
        Some(before) => prune(store, batch.now, before).await,
        None => Ok(()),
    }
}

fn summarises(delivery: &Delivery, alert: &str) -> bool {
    matches!(&delivery.cause, Cause::WindowClosed(id) if id == alert)
}

/// Closes one window and writes its summaries. One that grew since `closing` handed it
/// out is left open: its summaries would leave out the newest repeats. It comes again.
async fn close(
    tx: &mut SqliteConnection,
    id: &str,
    summaries: Vec<&Delivery>,
    muted: &[Muted],
    now: Timestamp,
) -> Result<(), StoreError> {
    let closed: Option<(i64, bool)> = sqlx::query_as(
        "UPDATE alerts SET closed_at = ?2 WHERE id = ?1 AND closed_at IS NULL AND closing = count \
         RETURNING count - told, shadow",
    )
    .bind(id)
    .bind(micros(now))
    .fetch_optional(&mut *tx)
    .await?;
    let Some((untold, shadow)) = closed else { return Ok(()) };
    let mut told = Vec::new();
    for summary in summaries {
        if row::insert(tx, summary).await? {
            told.push((summary.subscription.as_str(), count(summary.covers)));
        }
    }
    if shadow || untold <= 0 {
        return Ok(());
    }
    silence::write_muted(&mut *tx, muted).await?;
    // A subscription may be gone from the configuration by now, or have been told
    // by the same summary before a total re-read. Neither may vanish from the accounting.
    for subscriber in subscribers(&mut *tx, id).await? {
        let covered: i64 = told.iter().filter(|(by, _)| *by == subscriber.subscription).map(|(_, covers)| covers).sum();
        if covered < untold {
            let by =
                muted.iter().find(|muted| muted.subscription.as_ref().is_none_or(|id| *id == subscriber.subscription));
            let reason = by.map_or("no summary owed", |muted| muted.by.kind.suppressed());
            raise(tx, "suppressed", &subscriber.subscription, reason, untold - covered).await?;
        }
    }
    Ok(())
}

async fn prune(store: &Sqlite, now: Timestamp, before: Timestamp) -> Result<(), StoreError> {
    let before = micros(before);
    let seen_before = micros(clock::minus(now, SEEN_FOR));
    for _ in 0..CHUNKS {
        if !forget_folded(store.begin().await?, before).await? {
            break;
        }
    }
    for state in ["delivered", "cancelled"] {
        for _ in 0..CHUNKS {
            if !forget_done(store.begin().await?, state, before).await? {
                break;
            }
        }
    }
    for (statement, before) in [
        (
            "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE closed_at IS NOT NULL AND closed_at < ?1 \
             ORDER BY closed_at LIMIT ?2)",
            before,
        ),
        (
            "DELETE FROM ledger WHERE seq IN (SELECT seq FROM (SELECT seq, at FROM ledger ORDER BY seq LIMIT ?2) \
             WHERE at < ?1)",
            before,
        ),
        (
            "DELETE FROM muted WHERE seq IN (SELECT seq FROM (SELECT seq, at FROM muted ORDER BY seq LIMIT ?2) \
             WHERE at < ?1)",
            before,
        ),
        (
            "DELETE FROM silences WHERE id IN (SELECT id FROM silences WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)",
            before,
        ),
        (
            "DELETE FROM groups WHERE (subscription, key) IN (SELECT subscription, key FROM groups \
             WHERE closes_at < ?1 ORDER BY closes_at LIMIT ?2)",
            micros(now),
        ),
        (
            "DELETE FROM habits WHERE key IN (SELECT key FROM habits WHERE at < ?1 ORDER BY at LIMIT ?2)",
            micros(clock::minus(now, HABITS_FOR)),
        ),
        ("DELETE FROM habits WHERE key IN (SELECT key FROM habits ORDER BY at DESC LIMIT ?2 OFFSET ?1)", HABITS),
        ("DELETE FROM seen WHERE key IN (SELECT key FROM seen WHERE at < ?1 ORDER BY at LIMIT ?2)", seen_before),
    ] {
        for _ in 0..CHUNKS {
            let mut tx = store.begin().await?;
            let gone = sqlx::query(statement).bind(before).bind(CHUNK).execute(&mut *tx).await?.rows_affected();
            if gone == 0 {
                break;
            }
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Rows told by an overflow summary that was delivered long ago, or cancelled.
async fn forget_folded(mut tx: Transaction, before: i64) -> Result<bool, StoreError> {
    let rows = sqlx::query(
        "SELECT told.seq, told.subscription, told.covers, carrier.state FROM deliveries AS carrier \
         CROSS JOIN deliveries AS told ON told.folded_into = carrier.id AND told.state = 'folded' \
         WHERE (carrier.state = 'delivered' OR carrier.state = 'cancelled') AND carrier.finished_at < ?1 LIMIT ?2",
    )
    .bind(before)
    .bind(CHUNK)
    .fetch_all(&mut *tx)
    .await?;
    for row in &rows {
        let told = row.try_get::<&str, _>(3)? == "delivered";
        let (kind, reason) = if told { ("summarised", "") } else { ("suppressed", "cancelled") };
        raise(&mut tx, kind, row.try_get(1)?, reason, row.try_get(2)?).await?;
    }
    forget(tx, &rows).await
}

/// Delivered or cancelled rows that no folded one points at any more.
async fn forget_done(mut tx: Transaction, state: &str, before: i64) -> Result<bool, StoreError> {
    let rows = sqlx::query(
        "SELECT seq, subscription, covers, cause FROM deliveries AS done \
         WHERE state = ?3 AND (state = 'delivered' OR state = 'cancelled') AND finished_at < ?1 \
         AND NOT EXISTS (SELECT 1 FROM deliveries AS told WHERE told.folded_into = done.id AND told.state = 'folded') \
         ORDER BY finished_at LIMIT ?2",
    )
    .bind(before)
    .bind(CHUNK)
    .bind(state)
    .fetch_all(&mut *tx)
    .await?;
    for row in &rows {
        let (kind, reason) = match (state, row.try_get::<&str, _>(3)?) {
            ("cancelled", _) => ("suppressed", "cancelled"),
            (_, "window_closed") => ("summarised", ""),
            _ => ("delivered", ""),
        };
        raise(&mut tx, kind, row.try_get(1)?, reason, row.try_get(2)?).await?;
    }
    forget(tx, &rows).await
}

async fn forget(mut tx: Transaction, rows: &[sqlx::sqlite::SqliteRow]) -> Result<bool, StoreError> {
    if rows.is_empty() {
        return Ok(false);
    }
    let numbers = rows.iter().map(|row| row.try_get::<i64, _>(0)).collect::<Result<Vec<_>, _>>()?;
    sqlx::query("DELETE FROM deliveries WHERE seq IN (SELECT value FROM json_each(?1))")
        .bind(json!(numbers).to_string())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}
