//! Silences, and what was kept from people by what.

use serde_json::json;
use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::{
    Transaction, bulk,
    ingest::alert,
    micros, moment,
    row::{self, count, damaged, rank, severity},
};
use crate::{
    alert::{Alert, Mute, MuteKind},
    clock::Timestamp,
    delivery::Delivery,
    silence::{Matcher, Silence, Standing},
    store::{Muted, MutedFilter, SilenceFilter, SilenceRow, StoreError},
};

pub(super) const COLUMNS: &str = "id, matchers, starts_at, ends_at, author, comment, created_at, expired_at, warned_at";

/// Part of T1 and T4.
pub(super) async fn write_muted(tx: &mut SqliteConnection, muted: &[Muted]) -> Result<(), StoreError> {
    bulk::write(
        tx,
        "INSERT OR FAIL INTO muted (alert, rule, severity, title, subscription, kind, by_id, reason, count, at) ",
        muted,
        "",
        |row, muted| {
            row.push_bind(&muted.alert)
                .push_bind(&muted.rule)
                .push_bind(rank(muted.severity))
                .push_bind(&muted.title)
                .push_bind(muted.subscription.as_deref().unwrap_or_default())
                .push_bind(muted.by.kind.as_str())
                .push_bind(&muted.by.by)
                .push_bind(&muted.by.reason)
                .push_bind(count(muted.count))
                .push_bind(micros(muted.at));
        },
    )
    .await?;
    Ok(())
}

pub(super) async fn put(mut tx: Transaction, silence: Silence) -> Result<(), StoreError> {
    let matchers: Vec<String> = silence.matchers.iter().map(Matcher::to_string).collect();
    sqlx::query(
        "INSERT OR IGNORE INTO silences (id, matchers, starts_at, ends_at, author, comment, created_at, expired_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(&silence.id)
    .bind(row::json(&matchers))
    .bind(micros(silence.starts_at))
    .bind(micros(silence.ends_at))
    .bind(&silence.author)
    .bind(&silence.comment)
    .bind(micros(silence.created_at))
    .bind(silence.expired_at.map(micros))
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

pub(super) async fn list(pool: &SqlitePool, filter: SilenceFilter) -> Result<Vec<SilenceRow>, StoreError> {
    let standing = match filter.standing {
        None => "?1 IS NULL",
        Some((Standing::Active, _)) => "starts_at <= ?1 AND ends_at > ?1 AND coalesce(expired_at > ?1, 1)",
        Some((Standing::Pending, _)) => "starts_at > ?1 AND ends_at > ?1 AND coalesce(expired_at > ?1, 1)",
        Some((Standing::Expired, _)) => "(ends_at <= ?1 OR expired_at <= ?1)",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM silences WHERE {standing} AND (?2 IS NULL OR ends_at < ?2) \
         ORDER BY coalesce(expired_at, ends_at) DESC, id LIMIT ?3"
    );
    let mut tx = pool.begin().await?;
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(filter.standing.map(|(_, at)| micros(at)))
        .bind(filter.ends_before.map(micros))
        .bind(i64::try_from(filter.limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *tx)
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        match whole(&mut tx, row).await {
            Ok(row) => found.push(row),
            Err(StoreError::Damaged { reason }) => tracing::error!("a silence is left out: {reason}"),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

pub(super) async fn one(pool: &SqlitePool, id: &str) -> Result<Option<SilenceRow>, StoreError> {
    let mut tx = pool.begin().await?;
    let Some(id) = find(&mut tx, "silences", "sil_", id).await? else { return Ok(None) };
    let sql = format!("SELECT {COLUMNS} FROM silences WHERE id = ?1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_one(&mut *tx).await?;
    whole(&mut tx, &row).await.map(Some)
}

pub(super) async fn expire(mut tx: Transaction, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let Some(id) = find(&mut tx, "silences", "sil_", id).await? else { return Ok(false) };
    let changed = sqlx::query(
        "UPDATE silences SET expired_at = ?2 WHERE id = ?1 AND ends_at > ?2 AND coalesce(expired_at > ?2, 1)",
    )
    .bind(id)
    .bind(micros(now))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(changed.rows_affected() == 1)
}

pub(super) async fn between(pool: &SqlitePool, from: Timestamp, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM silences \
         WHERE ends_at > ?1 AND starts_at <= ?2 AND coalesce(expired_at > ?2, 1) ORDER BY id"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(micros(from)).bind(micros(now)).fetch_all(pool).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        match silence(row) {
            Ok(silence) => found.push(silence),
            // Rather a message too many than one too few.
            Err(StoreError::Damaged { reason }) => tracing::error!("a silence mutes nothing: {reason}"),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

pub(super) async fn warn(
    mut tx: Transaction,
    id: &str,
    notices: Vec<Delivery>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let first = sqlx::query("UPDATE silences SET warned_at = ?2 WHERE id = ?1 AND warned_at IS NULL")
        .bind(id)
        .bind(micros(now))
        .execute(&mut *tx)
        .await?;
    if first.rows_affected() == 1 {
        row::insert_all(&mut tx, &notices).await?;
    }
    Ok(tx.commit().await?)
}

pub(super) async fn muted(pool: &SqlitePool, filter: MutedFilter) -> Result<Vec<Muted>, StoreError> {
    let (kind, by) = filter.by.map(|(kind, by)| (kind.as_str(), by)).unzip();
    let rows = sqlx::query(
        "SELECT alert, rule, severity, title, subscription, kind, by_id, reason, count, at FROM muted \
         WHERE (?1 IS NULL OR (kind = ?1 AND by_id = ?2)) AND (?3 IS NULL OR alert = ?3) ORDER BY seq DESC LIMIT ?4",
    )
    .bind(kind)
    .bind(by)
    .bind(filter.alert)
    .bind(i64::try_from(filter.limit).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    rows.iter().map(muted_row).collect()
}

pub(super) async fn ringing(
    pool: &SqlitePool,
    rules: Option<&[String]>,
    limit: usize,
) -> Result<Vec<Alert>, StoreError> {
    let rows = sqlx::query(
        "SELECT facts FROM alerts WHERE closed_at IS NULL AND shadow = 0 \
         AND (?1 IS NULL OR rule IN (SELECT value FROM json_each(?1))) ORDER BY severity DESC, opened_at DESC LIMIT ?2",
    )
    .bind(rules.map(|rules| json!(rules).to_string()))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    readable(&rows)
}

pub(super) async fn alerts_since(pool: &SqlitePool, since: Timestamp, limit: usize) -> Result<Vec<Alert>, StoreError> {
    let rows =
        sqlx::query("SELECT facts FROM alerts WHERE opened_at >= ?1 AND shadow = 0 ORDER BY opened_at DESC LIMIT ?2")
            .bind(micros(since))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(pool)
            .await?;
    readable(&rows)
}

pub(super) async fn alert_by_id(pool: &SqlitePool, id: &str) -> Result<Option<Alert>, StoreError> {
    let mut tx = pool.begin().await?;
    let Some(id) = find(&mut tx, "alerts", "alr_", id).await? else { return Ok(None) };
    let row = sqlx::query("SELECT facts FROM alerts WHERE id = ?1").bind(id).fetch_one(&mut *tx).await?;
    alert(&row).map(Some)
}

fn readable(rows: &[SqliteRow]) -> Result<Vec<Alert>, StoreError> {
    rows.iter().map(alert).filter(|alert| !matches!(alert, Err(StoreError::Damaged { .. }))).collect()
}

/// The one id that is, or begins with, `id`.
async fn find(
    tx: &mut SqliteConnection,
    table: &'static str,
    prefix: &str,
    id: &str,
) -> Result<Option<String>, StoreError> {
    let id = if id.starts_with(prefix) { id.to_owned() } else { format!("{prefix}{id}") };
    let sql = format!("SELECT id FROM {table} WHERE id >= ?1 AND id < ?1 || char(1114111) ORDER BY id LIMIT 2");
    let found: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(&id).fetch_all(tx).await?;
    Ok(match found.as_slice() {
        [one] => Some(one.clone()),
        [first, ..] if *first == id => Some(id),
        _ => None,
    })
}

pub(super) async fn whole(tx: &mut SqliteConnection, row: &SqliteRow) -> Result<SilenceRow, StoreError> {
    let silence = silence(row)?;
    let (swallowed, alerts, last): (i64, i64, Option<i64>) = sqlx::query_as(
        "SELECT coalesce(sum(count), 0), count(DISTINCT alert), max(at) FROM muted \
         WHERE kind = 'silence' AND by_id = ?1",
    )
    .bind(&silence.id)
    .fetch_one(tx)
    .await?;
    Ok(SilenceRow {
        silence,
        swallowed: u64::try_from(swallowed).unwrap_or(0),
        alerts: u64::try_from(alerts).unwrap_or(0),
        last_at: last.map(moment),
        warned_at: row.try_get::<Option<i64>, _>("warned_at")?.map(moment),
    })
}

fn silence(row: &SqliteRow) -> Result<Silence, StoreError> {
    let id: String = row.try_get("id")?;
    let bad = |what: String| damaged(&format!("the matchers of silence {id} cannot be read: {what}"));
    let texts: Vec<String> = serde_json::from_str(row.try_get("matchers")?).map_err(|error| bad(error.to_string()))?;
    let matchers: Vec<Matcher> =
        texts.iter().map(|text| Matcher::parse(text)).collect::<Result<_, _>>().map_err(bad)?;
    if matchers.is_empty() {
        // Else it would mute everything.
        return Err(bad("there are none".to_owned()));
    }
    Ok(Silence {
        matchers,
        starts_at: moment(row.try_get("starts_at")?),
        ends_at: moment(row.try_get("ends_at")?),
        author: row.try_get("author")?,
        comment: row.try_get("comment")?,
        created_at: moment(row.try_get("created_at")?),
        expired_at: row.try_get::<Option<i64>, _>("expired_at")?.map(moment),
        id,
    })
}

fn muted_row(row: &SqliteRow) -> Result<Muted, StoreError> {
    let (word, subscription): (String, String) = (row.try_get("kind")?, row.try_get("subscription")?);
    let kind = MuteKind::parse(&word).ok_or_else(|| damaged(&format!("`{word}` mutes no alert")))?;
    Ok(Muted {
        alert: row.try_get("alert")?,
        rule: row.try_get("rule")?,
        severity: severity(row.try_get("severity")?),
        title: row.try_get("title")?,
        subscription: Some(subscription).filter(|id| !id.is_empty()),
        by: Mute { kind, by: row.try_get("by_id")?, reason: row.try_get("reason")? },
        count: u64::try_from(row.try_get::<i64, _>("count")?).unwrap_or(0),
        at: moment(row.try_get("at")?),
    })
}
