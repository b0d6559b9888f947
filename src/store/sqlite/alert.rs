//! Alerts as people ask for them, with what became of each.

use sqlx::{Row, SqliteConnection, SqlitePool};

use super::{ingest, list, moment, row};
use crate::store::{AlertFilter, AlertRow, AttemptRow, DeliveryRow, History, LedgerLine, StoreError};

/// Of the first traces and of the newest.
const TRACES: i64 = 25;
const DELIVERIES: i64 = 100;

pub(super) async fn list(pool: &SqlitePool, filter: AlertFilter) -> Result<Vec<AlertRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT facts, closed_at FROM alerts WHERE (?1 IS NULL OR rule = ?1) AND (?2 IS NULL OR severity >= ?2) \
         AND (NOT ?3 OR closed_at IS NULL) ORDER BY opened_at DESC, id LIMIT ?4",
    )
    .bind(filter.rule)
    .bind(filter.at_least.map(row::rank))
    .bind(filter.open)
    .bind(i64::try_from(filter.limit).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    let row = |row| {
        let closed_at = sqlx::sqlite::SqliteRow::try_get::<Option<i64>, _>(row, "closed_at")?.map(moment);
        Ok(AlertRow { alert: ingest::alert(row)?, closed_at })
    };
    rows.iter().map(row).filter(|row| !matches!(row, Err(StoreError::Damaged { .. }))).collect()
}

pub(super) async fn history(pool: &SqlitePool, alert: &str) -> Result<History, StoreError> {
    let mut tx = pool.begin().await?;
    let closed_at: Option<Option<i64>> =
        sqlx::query_scalar("SELECT closed_at FROM alerts WHERE id = ?1").bind(alert).fetch_optional(&mut *tx).await?;
    let (traces, traces_total) = traces(&mut tx, alert).await?;
    let deliveries = deliveries(&mut tx, alert).await?;
    Ok(History { closed_at: closed_at.flatten().map(moment), traces, traces_total, deliveries })
}

async fn traces(tx: &mut SqliteConnection, alert: &str) -> Result<(Vec<LedgerLine>, u64), StoreError> {
    let rows = sqlx::query(
        "WITH mine AS (SELECT seq FROM ledger WHERE alert = ?1 AND alert <> '') \
         SELECT trace, time, verdict, reason, at FROM ledger WHERE seq IN (SELECT seq FROM mine ORDER BY seq LIMIT ?2) \
         OR seq IN (SELECT seq FROM mine ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
    )
    .bind(alert)
    .bind(TRACES)
    .fetch_all(&mut *tx)
    .await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in &rows {
        lines.push(LedgerLine {
            trace: row.try_get(0)?,
            time: moment(row.try_get(1)?),
            verdict: row.try_get(2)?,
            reason: row.try_get(3)?,
            at: moment(row.try_get(4)?),
        });
    }
    let total: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger WHERE alert = ?1 AND alert <> ''")
        .bind(alert)
        .fetch_one(&mut *tx)
        .await?;
    Ok((lines, u64::try_from(total).unwrap_or(0)))
}

async fn deliveries(tx: &mut SqliteConnection, alert: &str) -> Result<Vec<(DeliveryRow, Vec<AttemptRow>)>, StoreError> {
    let sql = format!(
        "WITH RECURSIVE tells (seq, id, folded_into) AS ( \
           SELECT seq, id, folded_into FROM deliveries \
             WHERE cause_id = ?1 AND cause IN ('alert', 'window_closed', 'repeated') \
           UNION SELECT copy.seq, copy.id, copy.folded_into FROM tells \
             JOIN deliveries AS copy ON copy.cause_id = tells.id AND copy.cause = 'fallback' \
           UNION SELECT carrier.seq, carrier.id, carrier.folded_into FROM tells \
             JOIN deliveries AS carrier ON carrier.id = tells.folded_into) \
         SELECT {}, {} FROM {} WHERE seq IN (SELECT seq FROM tells) ORDER BY seq LIMIT ?2",
        row::COLUMNS,
        row::STANDING,
        row::WHOLE
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(alert).bind(DELIVERIES).fetch_all(&mut *tx).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.push((row::listed(row)?, list::attempts(tx, row.try_get("seq")?).await?));
    }
    Ok(found)
}
