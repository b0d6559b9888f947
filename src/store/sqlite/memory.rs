//! What rules remember between traces, and how much of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::{
    bulk, fill,
    ingest::raise,
    micros, moment,
    row::{count, json},
};
use crate::{
    clock::Timestamp,
    id,
    ring::{Memory, Slot},
    store::{Damage, IngestBatch, Recollection, Remembered, StoreError},
};

/// Expired memories that one commit forgets: more than any page adds, and done in milliseconds.
const EXPIRED_PER_COMMIT: i64 = 2000;

/// The counter of evicted keys; its scope is the rule, its name the source.
pub(super) const EVICTED: &str = "evicted";

pub(super) async fn load(
    pool: &SqlitePool,
    source: &str,
    slots: &[Slot],
) -> Result<BTreeMap<Slot, Recollection>, StoreError> {
    let ids: BTreeSet<String> = slots.iter().map(|slot| hex::encode(memory_id(source, slot))).collect();
    // As for trace ids, the cross join makes it look up each key.
    let rows = sqlx::query(
        "SELECT memories.rule, memories.key, memories.facts FROM json_each(?1) AS one \
         CROSS JOIN memories ON memories.id = unhex(one.value)",
    )
    .bind(json!(ids).to_string())
    .fetch_all(pool)
    .await?;
    rows.iter().map(memory).collect()
}

pub(super) async fn due(
    pool: &SqlitePool,
    source: &str,
    watermark: Timestamp,
    limit: usize,
) -> Result<Vec<(Slot, Recollection)>, StoreError> {
    let rows = sqlx::query(
        "SELECT rule, key, facts FROM memories WHERE source = ?1 AND due_at IS NOT NULL AND due_at < ?2 \
         ORDER BY due_at, id LIMIT ?3",
    )
    .bind(source)
    .bind(micros(watermark))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    rows.iter().map(memory).collect()
}

pub(super) async fn watches(pool: &SqlitePool, source: &str) -> Result<BTreeMap<String, Timestamp>, StoreError> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT rule, since FROM watches WHERE source = ?1").bind(source).fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(rule, since)| (rule, moment(since))).collect())
}

/// Keys by rule, over all sources.
pub(super) async fn keys(tx: &mut SqliteConnection) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(sqlx::query_as("SELECT rule, count(*) FROM memories INDEXED BY memories_rule GROUP BY rule")
        .fetch_all(tx)
        .await?)
}

/// Part of T1.
pub(super) async fn write(tx: &mut SqliteConnection, batch: &IngestBatch) -> Result<(), StoreError> {
    let gone = batch.memories.iter().filter(|remembered| remembered.memory.is_none());
    let gone: Vec<String> = gone.map(|gone| hex::encode(memory_id(&batch.source, &gone.slot))).collect();
    if !gone.is_empty() {
        sqlx::query("DELETE FROM memories WHERE id IN (SELECT unhex(value) FROM json_each(?1))")
            .bind(json(&gone))
            .execute(&mut *tx)
            .await?;
    }
    let (mut kept, mut limits): (Vec<(&Slot, &Memory)>, BTreeMap<&str, u64>) = Default::default();
    for Remembered { slot, memory, limit } in &batch.memories {
        if let Some(memory) = memory {
            kept.push((slot, memory));
            limits.insert(&slot.rule, *limit);
        }
    }
    keep(tx, &batch.source, &kept).await?;
    for (rule, limit) in limits {
        evict(tx, &batch.source, rule, limit).await?;
    }
    for (rule, since) in &batch.watches {
        sqlx::query(
            "INSERT INTO watches (source, rule, since) VALUES (?1, ?2, ?3) \
             ON CONFLICT (source, rule) DO UPDATE SET since = min(since, excluded.since)",
        )
        .bind(&batch.source)
        .bind(rule)
        .bind(micros(*since))
        .execute(&mut *tx)
        .await?;
    }
    match &batch.checkpoint {
        Some(checkpoint) => {
            let until = fill::held_back(tx, &batch.source, checkpoint.watermark, batch.now).await?;
            forget_expired(tx, &batch.source, micros(until)).await
        }
        None => Ok(()),
    }
}

async fn keep(tx: &mut SqliteConnection, source: &str, kept: &[(&Slot, &Memory)]) -> Result<(), StoreError> {
    bulk::write(
        tx,
        "INSERT INTO memories (id, source, rule, key, facts, due_at, expires_at, touched) ",
        kept,
        " ON CONFLICT (id) DO UPDATE SET facts = excluded.facts, due_at = excluded.due_at, \
         expires_at = excluded.expires_at, touched = excluded.touched",
        |row, (slot, memory)| {
            row.push_bind(memory_id(source, slot).to_vec())
                .push_bind(source)
                .push_bind(&slot.rule)
                .push_bind(&slot.key)
                .push_bind(json(memory))
                .push_bind(memory.due_at.map(micros))
                .push_bind(micros(memory.expires_at))
                .push_bind(micros(touched(memory)));
        },
    )
    .await?;
    Ok(())
}

/// Lets the keys go whose newest trace is oldest, down to `limit`. In the order of the index, which alone
/// is read: this runs with each page, over as many keys as there may be.
async fn evict(tx: &mut SqliteConnection, source: &str, rule: &str, limit: u64) -> Result<(), StoreError> {
    let gone = sqlx::query(
        "DELETE FROM memories WHERE seq IN (SELECT seq FROM memories WHERE rule = ?1 AND source = ?2 \
         ORDER BY touched DESC, seq DESC LIMIT -1 OFFSET ?3)",
    )
    .bind(rule)
    .bind(source)
    .bind(count(limit))
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if gone > 0 {
        tracing::debug!(source, rule, gone, "a rule sees more keys than it may remember; the oldest gave way");
        raise(tx, EVICTED, rule, source, count(gone)).await?;
    }
    Ok(())
}

/// A memory that waits for a silence to be over due is kept until that was told, however long it takes.
async fn forget_expired(tx: &mut SqliteConnection, source: &str, until: i64) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM memories WHERE seq IN (SELECT seq FROM memories WHERE source = ?1 AND expires_at < ?2 \
         AND due_at IS NULL ORDER BY expires_at LIMIT ?3)",
    )
    .bind(source)
    .bind(until)
    .bind(EXPIRED_PER_COMMIT)
    .execute(tx)
    .await?;
    Ok(())
}

/// Time of the newest trace; a memory without one is as old as what is left of it.
fn touched(memory: &Memory) -> Timestamp {
    memory.entries.last().map_or(memory.expires_at, |entry| entry.time)
}

fn memory(row: &SqliteRow) -> Result<(Slot, Recollection), StoreError> {
    // Damaged text need not be text any more.
    let facts: Vec<u8> = row.try_get_unchecked("facts")?;
    let memory = serde_json::from_slice(&facts).map_err(|error| Damage {
        reason: format!("what a rule remembers cannot be read: {error}"),
        raw: String::from_utf8_lossy(&facts).into_owned(),
    });
    Ok((Slot { rule: row.try_get("rule")?, key: row.try_get("key")? }, memory))
}

fn memory_id(source: &str, slot: &Slot) -> [u8; 16] {
    let hash = id::hash(&[source, &slot.rule, &slot.key]);
    *hash.first_chunk().expect("a SHA-256 is longer than sixteen bytes")
}
