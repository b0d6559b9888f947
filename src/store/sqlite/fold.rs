//! Overflow: what waits in a lane, and folding it into one summary.

use sqlx::{Row, SqlitePool};

use super::{Transaction, micros, row};
use crate::store::{Backlog, Fold, Lane, StoreError};

/// Deliveries that a summary may stand for. What Tracebell says about itself, and
/// summaries themselves, are told one by one.
const FOLDABLE: &str = concat!(
    "endpoint = ?1 AND state = 'ready' AND (severity = 4) = ?2 AND cause IN ('alert', 'window_closed', 'fallback') AND ",
    free!()
);

pub(super) async fn backlog(pool: &SqlitePool, endpoint: &str, lane: Lane) -> Result<Backlog, StoreError> {
    let mut tx = pool.begin().await?;
    let critical = lane == Lane::Critical;
    let sql = format!(
        "SELECT count(*), coalesce(sum(tells), 0), coalesce(max(seq), 0), max(severity) FROM deliveries WHERE {FOLDABLE}"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(endpoint).bind(critical).fetch_one(&mut *tx).await?;
    let (deliveries, covers): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let mut backlog = Backlog {
        deliveries: u64::try_from(deliveries).unwrap_or(0),
        covers: u64::try_from(covers).unwrap_or(0),
        up_to: row.try_get(2)?,
        worst: row.try_get::<Option<i64>, _>(3)?.map(row::severity),
        ..Backlog::default()
    };
    if deliveries == 0 {
        return Ok(backlog);
    }
    for (column, list) in [("rule", &mut backlog.by_rule), ("actor", &mut backlog.by_actor)] {
        let sql = format!(
            "SELECT {column}, sum(tells) AS total FROM deliveries WHERE {FOLDABLE} AND {column} <> '' \
             GROUP BY {column} ORDER BY total DESC, {column} LIMIT 10"
        );
        let rows: Vec<(String, i64)> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(endpoint).bind(critical).fetch_all(&mut *tx).await?;
        list.extend(rows.into_iter().map(|(name, total)| (name, u64::try_from(total).unwrap_or(0))));
    }
    let sql = format!(
        "SELECT title FROM deliveries WHERE {FOLDABLE} GROUP BY title ORDER BY max(severity) DESC, min(seq) LIMIT 10"
    );
    backlog.titles =
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(endpoint).bind(critical).fetch_all(&mut *tx).await?;
    Ok(backlog)
}

pub(super) async fn fold(mut tx: Transaction, fold: Fold) -> Result<u64, StoreError> {
    // A summary that exists may have been sent already: what is folded into it would never be told.
    if !row::insert(&mut tx, &fold.summary).await? {
        return Err(StoreError::Conflict);
    }
    // What became ready since the backlog was summed up is not in the summary: it is summed up anew.
    let sql = format!("SELECT coalesce(sum(tells), 0) FROM deliveries WHERE {FOLDABLE} AND seq <= ?3");
    let tells: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(&fold.endpoint)
        .bind(fold.lane == Lane::Critical)
        .bind(fold.up_to)
        .fetch_one(&mut *tx)
        .await?;
    let told = fold.summary.notification.gathered.as_ref().map_or(0, |gathered| gathered.total);
    if u64::try_from(tells).unwrap_or(0) > told {
        return Ok(0);
    }
    let at = micros(fold.summary.created_at);
    let sql = format!(
        "UPDATE deliveries SET state = 'folded', folded_into = ?4, finished_at = ?5 WHERE {FOLDABLE} AND seq <= ?3"
    );
    let folded = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&fold.endpoint)
        .bind(fold.lane == Lane::Critical)
        .bind(fold.up_to)
        .bind(&fold.summary.id)
        .bind(at)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    if folded == 0 {
        return Ok(0);
    }
    sqlx::query(
        "INSERT INTO endpoints (endpoint, overflow_at) VALUES (?1, ?2) \
         ON CONFLICT (endpoint) DO UPDATE SET overflow_at = ?2",
    )
    .bind(&fold.endpoint)
    .bind(at)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(folded)
}
