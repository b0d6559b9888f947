//! T1: one page's effects, whole or not at all; and what ingest reads before.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::json;
use sqlx::{Row, SqliteConnection, SqlitePool};

use super::{
    Sqlite,
    bulk::{self, Values},
    delay, fault, fill, habit, hold, memory, micros, moment, push,
    row::{self, count, damaged},
    silence,
};
use crate::{
    alert::Alert,
    checkpoint::Checkpoint,
    delivery::Delivery,
    id,
    notification::Kind,
    store::{IngestBatch, IngestCounts, OpenAlert, Owed, StoreError, Subscriber},
};

pub(super) async fn seen(pool: &SqlitePool, source: &str, ids: &[String]) -> Result<HashSet<String>, StoreError> {
    let by_key: HashMap<String, &String> = ids.iter().map(|id| (hex::encode(seen_key(source, id)), id)).collect();
    let keys = json!(by_key.keys().collect::<Vec<_>>()).to_string();
    // The cross join keeps the planner from walking the whole table to find a page's worth of keys.
    let found: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT seen.key FROM json_each(?1) AS one CROSS JOIN seen ON seen.key = unhex(one.value)")
            .bind(keys)
            .fetch_all(pool)
            .await?;
    Ok(found.iter().filter_map(|key| by_key.get(&hex::encode(key))).map(|&id| id.clone()).collect())
}

/// A counter that nothing adds up.
const REVISION: &str = "revision";

pub(super) async fn revision(db: impl sqlx::SqliteExecutor<'_>, source: &str) -> Result<u64, StoreError> {
    let revision: Option<i64> =
        sqlx::query_scalar("SELECT value FROM counters WHERE kind = 'source' AND scope = ?1 AND name = ?2")
            .bind(source)
            .bind(REVISION)
            .fetch_optional(db)
            .await?;
    Ok(revision.and_then(|revision| u64::try_from(revision).ok()).unwrap_or(0))
}

/// What was read before another writer came is decided anew.
async fn revise(tx: &mut SqliteConnection, batch: &IngestBatch) -> Result<(), StoreError> {
    if batch.alerts.is_empty() && batch.memories.is_empty() {
        return Ok(());
    }
    if let Some(read) = batch.revision
        && revision(&mut *tx, &batch.source).await? != read
    {
        return Err(StoreError::Conflict);
    }
    raise(tx, "source", &batch.source, REVISION, 1).await
}

pub(super) async fn checkpoint(pool: &SqlitePool, source: &str) -> Result<Option<Checkpoint>, StoreError> {
    let row = sqlx::query("SELECT watermark, warm_at, cold_at, deep_at FROM checkpoints WHERE source = ?1")
        .bind(source)
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Checkpoint {
        watermark: moment(row.try_get(0)?),
        warm_at: moment(row.try_get(1)?),
        cold_at: moment(row.try_get(2)?),
        deep_at: moment(row.try_get(3)?),
    }))
}

pub(super) async fn open_alerts(pool: &SqlitePool, fingerprints: &[String]) -> Result<Vec<OpenAlert>, StoreError> {
    let found = sqlx::query(
        "SELECT id, facts FROM alerts WHERE closed_at IS NULL AND fingerprint IN (SELECT value FROM json_each(?1)) \
         ORDER BY opened_at, id",
    )
    .bind(json!(fingerprints).to_string())
    .fetch_all(pool)
    .await?;
    let mut open = Vec::with_capacity(found.len());
    for row in found {
        match alert(&row) {
            Ok(alert) => open.push(OpenAlert { subscribers: subscribers(pool, &alert.id).await?, alert }),
            // A new alert tells what would have folded into it; the sweep closes this one.
            Err(StoreError::Damaged { reason }) => tracing::error!("an open alert is left out: {reason}"),
            Err(error) => return Err(error),
        }
    }
    Ok(open)
}

/// Those who get what an alert still owes. Written once, when it opened.
pub(super) async fn subscribers(db: impl sqlx::SqliteExecutor<'_>, alert: &str) -> Result<Vec<Subscriber>, StoreError> {
    let rows = sqlx::query_as::<_, (String, String, Option<String>)>(
        "SELECT subscription, endpoint, thread FROM alert_subscribers WHERE alert = ?1 ORDER BY subscription",
    )
    .bind(alert)
    .fetch_all(db)
    .await?;
    let subscriber = |(subscription, endpoint, thread): (String, String, Option<String>)| {
        // Those written before there were threads got this one first.
        let thread = thread.unwrap_or_else(|| Delivery::id(Kind::Opened, alert, &subscription));
        Subscriber { alert: alert.to_owned(), subscription, endpoint, thread }
    };
    Ok(rows.into_iter().map(subscriber).collect())
}

pub(super) async fn commit(store: &Sqlite, batch: IngestBatch) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    revise(&mut tx, &batch).await?;
    position(&mut tx, &batch).await?;
    // The deliberately broken build: position and effects in two transactions. The
    // kill test must catch it, which proves that it can see a loss.
    #[cfg(feature = "sabotage")]
    {
        tx.commit().await?;
        tokio::task::yield_now().await;
        crate::clock::sleep(std::time::Duration::from_millis(5)).await;
        tx = store.begin().await?;
    }
    effects(&mut tx, &batch).await?;
    Ok(tx.commit().await?)
}

/// What says that the page was read.
async fn position(tx: &mut SqliteConnection, batch: &IngestBatch) -> Result<(), StoreError> {
    // In the order of the table, and each once.
    let keys: BTreeSet<[u8; 16]> = batch.seen.iter().map(|id| seen_key(&batch.source, id)).collect();
    let keys: Vec<[u8; 16]> = keys.into_iter().collect();
    bulk::write(tx, "INSERT OR FAIL INTO seen (key, at) ", &keys, "", |row, key| {
        row.push_bind(&key[..]).push_bind(micros(batch.now));
    })
    .await
    .map_err(fault::conflict)?;
    let IngestCounts { fetched, duplicate, undecodable, evaluated, unmatched, matched } = batch.counts;
    let counts = [
        ("fetched", fetched),
        ("duplicate", duplicate),
        ("undecodable", undecodable),
        ("evaluated", evaluated),
        ("unmatched", unmatched),
        ("matched", matched),
    ];
    raise_all(tx, &counts.map(|(name, value)| ("source", batch.source.as_str(), name, count(value)))).await?;
    if let Some(checkpoint) = &batch.checkpoint {
        sqlx::query(
            "INSERT INTO checkpoints (source, watermark, warm_at, cold_at, deep_at) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (source) DO UPDATE SET watermark = excluded.watermark, warm_at = excluded.warm_at, \
             cold_at = excluded.cold_at, deep_at = excluded.deep_at",
        )
        .bind(&batch.source)
        .bind(micros(checkpoint.watermark))
        .bind(micros(checkpoint.warm_at))
        .bind(micros(checkpoint.cold_at))
        .bind(micros(checkpoint.deep_at))
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// What follows from the page.
async fn effects(tx: &mut SqliteConnection, batch: &IngestBatch) -> Result<(), StoreError> {
    write_alerts(tx, &batch.alerts).await?;
    bulk::write(
        tx,
        "INSERT OR FAIL INTO alert_subscribers (alert, subscription, endpoint, thread) ",
        &batch.subscribers,
        " ON CONFLICT (alert, subscription) DO UPDATE SET thread = excluded.thread",
        |row, Subscriber { alert, subscription, endpoint, thread }| {
            row.push_bind(alert).push_bind(subscription).push_bind(endpoint).push_bind(thread);
        },
    )
    .await?;
    let known = row::insert_all(tx, &batch.deliveries).await?;
    write_owed(tx, batch, &known).await?;
    write_ledger(tx, batch).await?;
    silence::write_muted(tx, &batch.muted).await?;
    hold::open_groups(tx, &batch.groups).await?;
    memory::write(tx, batch).await?;
    habit::write(tx, &batch.habits).await?;
    delay::write(tx, batch).await?;
    fill::write(tx, batch).await?;
    if let Some(heard) = &batch.heard {
        push::write(tx, &batch.source, heard, batch.now).await?;
    }
    for record in &batch.quarantine {
        sqlx::query("INSERT OR IGNORE INTO quarantine (source, id, reason, raw, at) VALUES (?1, ?2, ?3, ?4, ?5)")
            .bind(&record.source)
            .bind(&record.id)
            .bind(&record.reason)
            .bind(&record.raw)
            .bind(micros(record.at))
            .execute(&mut *tx)
            .await?;
    }
    for gap in &batch.gaps {
        sqlx::query(
            "INSERT OR IGNORE INTO gaps (source, from_at, to_at, reason, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(&gap.source)
        .bind(micros(gap.from))
        .bind(micros(gap.to))
        .bind(&gap.reason)
        .bind(micros(batch.now))
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

async fn write_alerts(tx: &mut SqliteConnection, alerts: &[Alert]) -> Result<(), StoreError> {
    if alerts.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = alerts.iter().map(|alert| alert.id.as_str()).collect();
    let known: Vec<String> = sqlx::query_scalar("SELECT id FROM alerts WHERE id IN (SELECT value FROM json_each(?1))")
        .bind(row::json(&ids))
        .fetch_all(&mut *tx)
        .await?;
    let mut known: HashSet<&str> = known.iter().map(String::as_str).collect();
    // Most are new, and such rows are cheaper to write: see `bulk`.
    let (fresh, known): (Vec<&Alert>, Vec<&Alert>) = alerts.iter().partition(|alert| known.insert(&alert.id));
    const COLUMNS: &str =
        "alerts (id, fingerprint, source, rule, severity, shadow, count, opened_at, closes_at, facts, told) ";
    bulk::write(tx, &format!("INSERT OR FAIL INTO {COLUMNS}"), &fresh, "", alert_values).await?;
    let written = bulk::write(
        tx,
        &format!("INSERT INTO {COLUMNS}"),
        &known,
        " ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, shadow = excluded.shadow, \
         count = excluded.count, told = excluded.told, opened_at = excluded.opened_at, closes_at = excluded.closes_at, \
         closed_at = NULL, closing = NULL, facts = excluded.facts \
         WHERE CASE WHEN alerts.closed_at IS NULL THEN alerts.count <= excluded.count \
                    ELSE alerts.opened_at <> excluded.opened_at END",
        alert_values,
    )
    .await?;
    // The window of one was closed (or it was changed) after it was read, so a repeat
    // written into it would never be told. One that is opened anew, after a
    // total re-read, has another opening time and replaces the closed one.
    if written < known.len() as u64 {
        return Err(StoreError::Conflict);
    }
    Ok(())
}

fn alert_values(row: &mut Values<'_>, alert: &&Alert) {
    row.push_bind(&alert.id)
        .push_bind(&alert.fingerprint)
        .push_bind(&alert.source)
        .push_bind(&alert.rule)
        .push_bind(row::rank(alert.severity))
        .push_bind(alert.shadow)
        .push_bind(count(alert.count))
        .push_bind(micros(alert.opened_at))
        .push_bind(micros(alert.closes_at))
        .push_bind(row::json(alert))
        .push_bind(count(alert.told));
}

/// A delivery that was `known` before, by the same id, is not owed twice.
async fn write_owed(tx: &mut SqliteConnection, batch: &IngestBatch, known: &[&Delivery]) -> Result<(), StoreError> {
    let mut counters = Vec::new();
    for Owed { subscription, count, suppressed } in &batch.owed {
        counters.push(("owed", subscription.as_str(), "", row::count(*count)));
        counters.extend(suppressed.map(|reason| ("suppressed", subscription.as_str(), reason, row::count(*count))));
    }
    counters.extend(known.iter().map(|delivery| ("owed", delivery.subscription.as_str(), "", -count(delivery.covers))));
    for muted in &batch.muted {
        let raised = |subscription| ("suppressed", subscription, muted.by.kind.suppressed(), count(muted.count));
        counters.extend(muted.subscription.as_deref().map(raised));
    }
    raise_all(tx, &counters).await
}

async fn write_ledger(tx: &mut SqliteConnection, batch: &IngestBatch) -> Result<(), StoreError> {
    bulk::write(
        tx,
        "INSERT OR FAIL INTO ledger (source, at, trace, time, rule, verdict, alert, reason) ",
        &batch.ledger,
        "",
        |values, row| {
            values
                .push_bind(&batch.source)
                .push_bind(micros(batch.now))
                .push_bind(&row.trace)
                .push_bind(micros(row.time))
                .push_bind(&row.rule)
                .push_bind(row.verdict.as_str())
                .push_bind(&row.alert)
                .push_bind(&row.reason);
        },
    )
    .await?;
    Ok(())
}

/// Adds to a counter; zero makes it appear, so that a quiet source is listed too.
pub(super) async fn raise(
    tx: &mut SqliteConnection,
    kind: &str,
    scope: &str,
    name: &str,
    by: i64,
) -> Result<(), StoreError> {
    raise_all(tx, &[(kind, scope, name, by)]).await
}

/// Adds to counters, each given as kind, scope, name and what to add.
async fn raise_all(tx: &mut SqliteConnection, counters: &[(&str, &str, &str, i64)]) -> Result<(), StoreError> {
    bulk::write(
        tx,
        "INSERT INTO counters (kind, scope, name, value) ",
        counters,
        " ON CONFLICT (kind, scope, name) DO UPDATE SET value = value + excluded.value",
        |row, &(kind, scope, name, by)| {
            row.push_bind(kind).push_bind(scope).push_bind(name).push_bind(by);
        },
    )
    .await?;
    Ok(())
}

/// The alert in the column `facts`, which need not be text any more.
pub(super) fn alert(row: &sqlx::sqlite::SqliteRow) -> Result<Alert, StoreError> {
    let facts: Vec<u8> = row.try_get_unchecked("facts")?;
    serde_json::from_slice(&facts).map_err(|error| damaged(&format!("a stored alert cannot be read: {error}")))
}

/// Sixteen bytes tell two of 10^10 ids apart with odds of 10^18 to one.
fn seen_key(source: &str, trace: &str) -> [u8; 16] {
    *id::hash(&[source, trace]).first_chunk().expect("a SHA-256 is longer than sixteen bytes")
}
