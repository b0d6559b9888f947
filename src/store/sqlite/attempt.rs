//! T3: answers; and leases given back, used or not.

use serde_json::json;
use sqlx::SqliteConnection;

use super::{ABSURD, Transaction, micros, row};
use crate::{
    clock::{self, Timestamp},
    delivery::{Cause, Outcome, Trouble},
    store::{AttemptRecord, Next, StoreError},
};

/// A delivery whose leases keep ending without an answer takes the process down with
/// it, most likely. This many, then a person must look at it.
const LOST_LEASES: i64 = 20;

/// No lease is longer, so one that seems to be was written before the clock was stepped back.
const LONGEST_LEASE: i64 = 3600 * 1_000_000;

pub(super) async fn record(tx: &mut SqliteConnection, attempts: &[AttemptRecord]) -> Result<(), StoreError> {
    let plain = |attempt: &AttemptRecord| {
        attempt.next == Next::Delivered && attempt.deliveries.is_empty() && receipt(attempt).is_none()
    };
    let one_endpoint = attempts.windows(2).all(|two| two[0].endpoint == two[1].endpoint);
    match attempts.first() {
        Some(first) if one_endpoint && attempts.iter().all(plain) => all_delivered(tx, &first.endpoint, attempts).await,
        _ => {
            for attempt in attempts {
                record_one(tx, attempt).await?;
            }
            Ok(())
        }
    }
}

/// The common case, in a handful of statements however many there are.
async fn all_delivered(
    tx: &mut SqliteConnection,
    endpoint: &str,
    attempts: &[AttemptRecord],
) -> Result<(), StoreError> {
    let rows: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            json!([
                attempt.delivery,
                attempt.token,
                attempt.attempt,
                micros(attempt.started_at),
                i64::try_from(attempt.took.as_micros()).unwrap_or(i64::MAX),
                attempt.outcome.reason(),
            ])
        })
        .collect();
    let written = sqlx::query(
        "INSERT INTO attempts (delivery, token, attempt, started_at, took, outcome, reason) \
         SELECT seq, value ->> 1, value ->> 2, value ->> 3, value ->> 4, 'delivered', value ->> 5 \
         FROM json_each(?1) CROSS JOIN deliveries ON deliveries.id = value ->> 0",
    )
    .bind(json!(rows).to_string())
    .execute(&mut *tx)
    .await?;
    // Rows are numbered one after the other, and nobody else writes meanwhile.
    let before = written.last_insert_rowid() - i64::try_from(written.rows_affected()).unwrap_or(0);
    if written.rows_affected() > 0 {
        sqlx::query(
            // OR FAIL: what fails takes the transaction with it, so SQLite need not keep a way back for the statement.
            "UPDATE OR FAIL deliveries SET state = 'delivered', lost = 0, finished_at = done.started_at + done.took, \
             token = max(deliveries.token, done.token), attempts = done.attempt, folded_into = NULL, last_reason = NULL \
             FROM attempts AS done WHERE done.seq > ?1 AND deliveries.seq = done.delivery AND state <> 'delivered'",
        )
        .bind(before)
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM leases WHERE seq IN (SELECT delivery FROM attempts WHERE seq > ?1)")
            .bind(before)
            .execute(&mut *tx)
            .await?;
    }
    let newest = attempts.iter().map(|attempt| micros(attempt.started_at)).max().unwrap_or(0);
    write_success(tx, endpoint, newest).await
}

/// A hold asked for while an attempt was under way stays: the endpoint's newer word is to wait.
async fn write_success(tx: &mut SqliteConnection, endpoint: &str, started_at: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO endpoints (endpoint) VALUES (?1) ON CONFLICT (endpoint) DO UPDATE SET failures = 0, \
         last_reason = NULL, failing_since = NULL, paused_reason = NULL, paused_fix = NULL, told_at = NULL, \
         hold_until = CASE WHEN held_at >= ?2 THEN hold_until END",
    )
    .bind(endpoint)
    .bind(started_at)
    .execute(tx)
    .await?;
    Ok(())
}

fn receipt(attempt: &AttemptRecord) -> Option<&str> {
    if let Outcome::Delivered { receipt, .. } = &attempt.outcome { receipt.as_deref() } else { None }
}

async fn record_one(tx: &mut SqliteConnection, attempt: &AttemptRecord) -> Result<(), StoreError> {
    append(tx, attempt).await?;
    let ended = clock::plus(attempt.started_at, attempt.took);
    let counted = match &attempt.next {
        Next::Delivered => delivered(tx, attempt, ended).await?,
        Next::At(time) => settle(tx, attempt, "ready", Some(*time), None).await?,
        Next::Reduce { body } => {
            reduce(tx, attempt, body).await?;
            settle(tx, attempt, "ready", Some(ended), None).await?
        }
        Next::Dead => settle(tx, attempt, "dead", None, Some(ended)).await?,
    };
    write_endpoint(tx, attempt, ended, counted).await?;
    // People hear of trouble even if the lease was lost meanwhile: the worker will not tell it twice.
    let kept = attempt.deliveries.iter().filter(|delivery| counted || delivery.cause == Cause::Notice);
    for delivery in kept {
        row::insert(tx, delivery).await?;
    }
    Ok(())
}

/// Every answer is kept, also one that comes too late to matter.
async fn append(tx: &mut SqliteConnection, attempt: &AttemptRecord) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO attempts (delivery, token, attempt, started_at, took, outcome, reason) \
         SELECT seq, ?2, ?3, ?4, ?5, ?6, ?7 FROM deliveries WHERE id = ?1",
    )
    .bind(&attempt.delivery)
    .bind(attempt.token)
    .bind(attempt.attempt)
    .bind(micros(attempt.started_at))
    .bind(i64::try_from(attempt.took.as_micros()).unwrap_or(i64::MAX))
    .bind(attempt.outcome.as_str())
    .bind(attempt.outcome.reason())
    .execute(tx)
    .await?;
    Ok(())
}

/// What was received was received, whoever holds the lease now.
async fn delivered(tx: &mut SqliteConnection, attempt: &AttemptRecord, ended: Timestamp) -> Result<bool, StoreError> {
    let changed = sqlx::query(
        "UPDATE deliveries SET state = 'delivered', lost = 0, finished_at = ?2, token = max(token, ?4), attempts = ?5, \
         folded_into = NULL, last_reason = NULL, receipt = coalesce(?3, receipt) WHERE id = ?1 AND state <> 'delivered'",
    )
    .bind(&attempt.delivery)
    .bind(micros(ended))
    .bind(receipt(attempt))
    .bind(attempt.token)
    .bind(attempt.attempt)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM leases WHERE seq = (SELECT seq FROM deliveries WHERE id = ?1)")
        .bind(&attempt.delivery)
        .execute(tx)
        .await?;
    Ok(changed.rows_affected() == 1)
}

/// A failure counts only from the one who holds the lease; returns whether it did.
async fn settle(
    tx: &mut SqliteConnection,
    attempt: &AttemptRecord,
    state: &str,
    next_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let Some(seq) = held(tx, attempt).await? else { return Ok(false) };
    sqlx::query(
        "UPDATE deliveries SET state = ?3, lost = 0, token = ?2, attempts = ?7, next_at = coalesce(?4, next_at), \
         finished_at = ?5, last_reason = ?6 WHERE seq = ?1",
    )
    .bind(seq)
    .bind(attempt.token)
    .bind(state)
    .bind(next_at.map(micros))
    .bind(finished_at.map(micros))
    .bind(attempt.outcome.reason())
    .bind(attempt.attempt)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM leases WHERE seq = ?1").bind(seq).execute(tx).await?;
    Ok(true)
}

/// The row, if the attempt was made under the lease that still holds it.
async fn held(tx: &mut SqliteConnection, attempt: &AttemptRecord) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT leases.seq FROM deliveries CROSS JOIN leases USING (seq) \
         WHERE id = ?1 AND leases.token = ?2 AND state = 'ready'",
    )
    .bind(&attempt.delivery)
    .bind(attempt.token)
    .fetch_optional(tx)
    .await?)
}

/// The shorter body in place of the refused one, sealed anew.
async fn reduce(tx: &mut SqliteConnection, attempt: &AttemptRecord, body: &[u8]) -> Result<(), StoreError> {
    let Some(seq) = held(tx, attempt).await? else { return Ok(()) };
    let sql = format!("SELECT {} FROM {} WHERE seq = ?1", row::COLUMNS, row::WHOLE);
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(seq).fetch_one(&mut *tx).await?;
    sqlx::query("UPDATE letters SET body = ?2, checksum = ?3 WHERE seq = ?1")
        .bind(seq)
        .bind(body)
        .bind(row::seal(&row, body)?.as_slice())
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE deliveries SET reduced = 1 WHERE seq = ?1").bind(seq).execute(tx).await?;
    Ok(())
}

async fn write_endpoint(
    tx: &mut SqliteConnection,
    attempt: &AttemptRecord,
    ended: Timestamp,
    counted: bool,
) -> Result<(), StoreError> {
    if attempt.next == Next::Delivered {
        write_success(tx, &attempt.endpoint, micros(attempt.started_at)).await?;
    } else if counted {
        failed(tx, attempt, attempt.trouble.as_ref()).await?;
    }
    // The wish to be left alone holds even if the lease was lost meanwhile.
    if let Some(until) = attempt.hold_endpoint_until {
        sqlx::query(
            "INSERT INTO endpoints (endpoint, hold_until, held_at) VALUES (?1, ?2, ?3) ON CONFLICT (endpoint) \
             DO UPDATE SET held_at = ?3, \
             hold_until = CASE WHEN hold_until BETWEEN ?2 AND ?3 + ?4 THEN hold_until ELSE ?2 END",
        )
        .bind(&attempt.endpoint)
        .bind(micros(until))
        .bind(micros(ended))
        .bind(ABSURD)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// An answer that is about one body alone ends the trouble, but is still the last that was said.
async fn failed(
    tx: &mut SqliteConnection,
    attempt: &AttemptRecord,
    trouble: Option<&Trouble>,
) -> Result<(), StoreError> {
    let paused = trouble.and_then(|trouble| trouble.paused.as_ref());
    sqlx::query(
        "INSERT INTO endpoints (endpoint, failures, last_reason, failing_since, paused_reason, paused_fix, told_at) \
         VALUES (?1, ?7, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (endpoint) DO UPDATE SET \
         failures = CASE WHEN ?7 THEN failures + 1 ELSE 0 END, \
         last_reason = ?2, failing_since = ?3, paused_reason = ?4, paused_fix = ?5, told_at = ?6",
    )
    .bind(&attempt.endpoint)
    .bind(attempt.outcome.reason())
    .bind(trouble.map(|trouble| micros(trouble.since)))
    .bind(paused.map(|pause| pause.reason.as_str()))
    .bind(paused.map(|pause| pause.fix.as_str()))
    .bind(trouble.and_then(|trouble| trouble.told_at).map(micros))
    .bind(!matches!(attempt.outcome, Outcome::Refused { .. }))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn release_expired(tx: Transaction, now: Timestamp) -> Result<u64, StoreError> {
    let now = micros(now);
    expire(tx, now, now, now.saturating_add(LONGEST_LEASE)).await
}

/// At start: the process that held these is gone.
pub(super) async fn release_all(tx: Transaction, now: Timestamp) -> Result<u64, StoreError> {
    expire(tx, micros(now), i64::MAX, i64::MAX).await
}

/// Takes back leases that end before `before` or after `after`.
async fn expire(mut tx: Transaction, now: i64, before: i64, after: i64) -> Result<u64, StoreError> {
    let released: Vec<(String, String)> = sqlx::query_as(
        "UPDATE deliveries SET lost = lost + 1, token = over.token, attempts = over.attempt, \
         state = CASE WHEN lost + 1 >= ?4 THEN 'dead' ELSE 'ready' END, \
         next_at = CASE WHEN next_at > ?1 THEN ?1 ELSE next_at END, \
         finished_at = CASE WHEN lost + 1 >= ?4 THEN ?1 END, \
         last_reason = CASE WHEN lost + 1 >= ?4 THEN 'attempts kept crashing' ELSE last_reason END \
         FROM leases AS over WHERE over.seq = deliveries.seq AND state = 'ready' \
         AND (over.until < ?2 OR over.until > ?3) RETURNING id, state",
    )
    .bind(now)
    .bind(before)
    .bind(after)
    .bind(LOST_LEASES)
    .fetch_all(&mut *tx)
    .await?;
    let ended = sqlx::query("DELETE FROM leases WHERE until < ?1 OR until > ?2")
        .bind(before)
        .bind(after)
        .execute(&mut *tx)
        .await?;
    if ended.rows_affected() > 0 {
        tx.commit().await?;
    }
    for (id, _) in released.iter().filter(|(_, state)| state == "dead") {
        tracing::error!(delivery.id = %id, "dead letter: {LOST_LEASES} attempts in a row ended without an answer");
    }
    Ok(released.len() as u64)
}

/// Leases that were not used: as if they had not been taken, but for the token.
pub(super) async fn release(mut tx: Transaction, leased: &[(String, i64)]) -> Result<(), StoreError> {
    let leased = json!(leased).to_string();
    for statement in [
        "UPDATE deliveries SET token = one.value ->> 1 FROM json_each(?1) AS one, leases \
         WHERE deliveries.id = one.value ->> 0 AND leases.seq = deliveries.seq AND leases.token = one.value ->> 1",
        "DELETE FROM leases WHERE (seq, token) IN (SELECT deliveries.seq, value ->> 1 FROM json_each(?1) \
         CROSS JOIN deliveries ON deliveries.id = value ->> 0)",
    ] {
        sqlx::query(statement).bind(&leased).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}
