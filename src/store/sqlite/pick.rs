//! What a person does to deliveries and endpoints: another try, calling off, going on.

use serde_json::json;
use sqlx::{SqliteConnection, SqlitePool};

use super::{Transaction, list, micros};
use crate::{
    clock::Timestamp,
    delivery::State,
    store::{Pick, StoreError},
};

/// ?1 to ?5, as [`picked`] binds them.
const PICKED: &str = "(?1 IS NULL OR seq = ?1) AND (?2 IS NULL OR endpoint = ?2) AND (?3 IS NULL OR state = ?3) \
    AND (?4 IS NULL OR created_at >= ?4) AND (?5 IS NULL OR created_at < ?5)";
const CANCELLABLE: &str = concat!("state IN ('ready', 'held', 'dead') AND ", free!());

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// The same id and body, so a receiver can recognise the repeat. A damaged one stays dead; one that was
/// held back goes alone.
pub(super) async fn retry(mut tx: Transaction, pick: Pick, now: Timestamp) -> Result<u64, StoreError> {
    let Some(seq) = seq(&mut tx, &pick).await? else { return Ok(0) };
    let sql = format!(
        "UPDATE deliveries SET state = 'ready', attempts = 0, lost = 0, next_at = ?6, owed_since = ?6, \
         finished_at = NULL, hold = NULL, hold_kind = NULL, hold_until = NULL \
         WHERE state IN ('dead', 'cancelled') AND NOT damaged AND {PICKED}"
    );
    let changed = picked(sqlx::query(sqlx::AssertSqlSafe(sql)), seq, &pick).bind(micros(now)).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(changed.rows_affected())
}

pub(super) async fn cancellable(pool: &SqlitePool, pick: Pick) -> Result<u64, StoreError> {
    let mut tx = pool.begin().await?;
    let Some(seq) = seq(&mut tx, &pick).await? else { return Ok(0) };
    let sql = format!("SELECT count(*) FROM deliveries WHERE {CANCELLABLE} AND {PICKED}");
    let row = picked(sqlx::query(sqlx::AssertSqlSafe(sql)), seq, &pick).fetch_one(&mut *tx).await?;
    let count: i64 = sqlx::Row::try_get(&row, 0)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// A copy says the same thing in another place: who calls off the one means the other too.
pub(super) async fn cancel(mut tx: Transaction, pick: Pick, now: Timestamp) -> Result<u64, StoreError> {
    let Some(seq) = seq(&mut tx, &pick).await? else { return Ok(0) };
    let sql = format!(
        "UPDATE deliveries SET state = 'cancelled', finished_at = ?6 WHERE {CANCELLABLE} AND {PICKED} RETURNING id"
    );
    let rows = picked(sqlx::query(sqlx::AssertSqlSafe(sql)), seq, &pick).bind(micros(now)).fetch_all(&mut *tx).await?;
    let ids = rows.iter().map(|row| sqlx::Row::try_get(row, 0)).collect::<Result<Vec<String>, _>>()?;
    let sql = format!(
        "UPDATE deliveries SET state = 'cancelled', finished_at = ?2 WHERE {CANCELLABLE} AND cause = 'fallback' \
         AND cause_id IN (SELECT value FROM json_each(?1))"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(json!(ids).to_string()).bind(micros(now)).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(ids.len() as u64)
}

/// The trouble itself stays until the endpoint takes something: people were told of it, and hear of its end.
pub(super) async fn resume(mut tx: Transaction, endpoint: &str, now: Timestamp) -> Result<bool, StoreError> {
    let lifted = sqlx::query(
        "UPDATE endpoints SET hold_until = NULL, held_at = NULL, paused_reason = NULL, paused_fix = NULL \
         WHERE endpoint = ?1 AND (hold_until > ?2 OR paused_reason IS NOT NULL)",
    )
    .bind(endpoint)
    .bind(micros(now))
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE deliveries SET next_at = ?2 WHERE endpoint = ?1 AND state = 'ready' AND next_at > ?2")
        .bind(endpoint)
        .bind(micros(now))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(lifted.rows_affected() > 0)
}

/// The row of the id, if one was picked; `None` if there is no such row.
async fn seq(tx: &mut SqliteConnection, pick: &Pick) -> Result<Option<Option<i64>>, StoreError> {
    match &pick.id {
        Some(id) => Ok(list::find(tx, id).await?.map(Some)),
        None => Ok(Some(None)),
    }
}

fn picked<'q>(query: Query<'q>, seq: Option<i64>, pick: &'q Pick) -> Query<'q> {
    query
        .bind(seq)
        .bind(pick.endpoint.as_deref())
        .bind(pick.state.map(State::as_str))
        .bind(pick.since.map(micros))
        .bind(pick.until.map(micros))
}
