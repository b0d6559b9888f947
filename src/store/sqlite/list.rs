//! What people look at.

use std::time::Duration;

use sqlx::{Row, SqliteConnection, SqlitePool};

use super::{micros, moment, row};
use crate::{
    checkpoint::Gap,
    delivery::{Delivery, State},
    store::{AttemptRow, DeliveryFilter, DeliveryRow, StoreError},
};

pub(super) async fn deliveries(pool: &SqlitePool, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
    let sql = format!(
        "SELECT {}, {} FROM {} WHERE (?1 IS NULL OR endpoint = ?1) \
         AND (?2 IS NULL OR ?2 = CASE WHEN state = 'ready' AND NOT {} THEN 'leased' ELSE state END) \
         AND (?4 IS NULL OR created_at >= ?4) AND (?5 IS NULL OR created_at < ?5) ORDER BY seq DESC LIMIT ?3",
        row::COLUMNS,
        row::STANDING,
        row::WHOLE,
        row::FREE
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(filter.endpoint)
        .bind(filter.state.map(State::as_str))
        .bind(i64::try_from(filter.limit).unwrap_or(i64::MAX))
        .bind(filter.since.map(micros))
        .bind(filter.until.map(micros))
        .fetch_all(pool)
        .await?;
    rows.iter().map(row::listed).collect()
}

pub(super) async fn without_copy(pool: &SqlitePool, endpoint: &str, limit: usize) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!(
        "SELECT {} FROM {} WHERE endpoint = ?1 AND state = 'ready' AND {} \
         AND cause NOT IN ('fallback', 'test', 'repeated', 'silenced') \
         AND NOT EXISTS (SELECT 1 FROM deliveries AS copy WHERE copy.cause = 'fallback' AND copy.cause_id = deliveries.id) \
         ORDER BY seq LIMIT ?2",
        row::COLUMNS,
        row::WHOLE,
        row::FREE
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(endpoint)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    rows.iter().map(row::delivery).filter(|row| !matches!(row, Err(StoreError::Damaged { .. }))).collect()
}

pub(super) async fn delivery(
    pool: &SqlitePool,
    id: &str,
) -> Result<Option<(DeliveryRow, Vec<AttemptRow>)>, StoreError> {
    let mut tx = pool.begin().await?;
    let Some(seq) = find(&mut tx, id).await? else { return Ok(None) };
    let sql = format!("SELECT {}, {} FROM {} WHERE seq = ?1", row::COLUMNS, row::STANDING, row::WHOLE);
    let delivery = row::listed(&sqlx::query(sqlx::AssertSqlSafe(sql)).bind(seq).fetch_one(&mut *tx).await?)?;
    let attempts = attempts(&mut tx, seq).await?;
    Ok(Some((delivery, attempts)))
}

/// Oldest first.
pub(super) async fn attempts(tx: &mut SqliteConnection, delivery: i64) -> Result<Vec<AttemptRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT attempt, started_at, took, outcome, reason FROM attempts WHERE delivery = ?1 ORDER BY started_at, seq",
    )
    .bind(delivery)
    .fetch_all(&mut *tx)
    .await?;
    let mut attempts = Vec::with_capacity(rows.len());
    for row in &rows {
        attempts.push(AttemptRow {
            attempt: row.try_get(0)?,
            started_at: moment(row.try_get(1)?),
            took: Duration::from_micros(u64::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0)),
            outcome: row.try_get(3)?,
            reason: row.try_get(4)?,
        });
    }
    Ok(attempts)
}

/// The one delivery whose id is, or begins with, `id`; `msg_` may be left out.
pub(super) async fn find(tx: &mut SqliteConnection, id: &str) -> Result<Option<i64>, StoreError> {
    let id = if id.starts_with("msg_") { id.to_owned() } else { format!("msg_{id}") };
    let found: Vec<(i64, String)> = sqlx::query_as(
        "SELECT seq, id FROM deliveries WHERE id >= ?1 AND id < ?1 || char(1114111) ORDER BY id LIMIT 2",
    )
    .bind(&id)
    .fetch_all(tx)
    .await?;
    Ok(match found.as_slice() {
        [(seq, _)] => Some(*seq),
        [(seq, first), ..] if *first == id => Some(*seq),
        _ => None,
    })
}

pub(super) async fn gaps(pool: &SqlitePool, source: &str) -> Result<Vec<Gap>, StoreError> {
    let rows: Vec<(i64, i64, String)> =
        sqlx::query_as("SELECT from_at, to_at, reason FROM gaps WHERE source = ?1 ORDER BY from_at, seq")
            .bind(source)
            .fetch_all(pool)
            .await?;
    let gap = |(from, to, reason)| Gap { source: source.to_owned(), from: moment(from), to: moment(to), reason };
    Ok(rows.into_iter().map(gap).collect())
}
