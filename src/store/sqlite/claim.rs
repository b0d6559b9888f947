//! T2: leases due deliveries of one endpoint within its rate.

use serde_json::json;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{ABSURD, micros, moment, row};
use crate::{
    delivery::{Delivery, Leased},
    store::{
        Claim, Claimed, StoreError,
        gcra::{self, Permits},
    },
};

mod opener;

/// What a lease reads of a row beside the delivery.
const TAKEN: &str = "token, attempts, owed_since, recorded_at, reduced";

/// Returns what was leased, and whether anything was written.
pub(super) async fn claim(tx: &mut SqliteConnection, claim: Claim) -> Result<(Claimed, bool), StoreError> {
    if claim.limit == 0 {
        return Ok((Claimed::default(), false));
    }
    let now = micros(claim.now);
    let endpoint =
        sqlx::query_as::<_, (Option<i64>, Option<i64>)>("SELECT hold_until, tat FROM endpoints WHERE endpoint = ?1")
            .bind(&claim.endpoint)
            .fetch_optional(&mut *tx)
            .await?;
    let (hold, tat) = endpoint.unwrap_or_default();
    let hold = hold.filter(|&until| until > now && until <= now + ABSURD);
    let permits = claim.rate.map(|rate| gcra::permits(rate, tat, now));

    let free = permits.map_or(u64::MAX, |permits| permits.free);
    let room = i64::try_from(free.min(claim.limit as u64)).unwrap_or(i64::MAX);
    if hold.is_some() || room == 0 {
        let next = next(tx, &claim, hold, permits, now).await?;
        return Ok((Claimed { deliveries: Vec::new(), next }, false));
    }

    let mut rows = due(tx, &claim, now, room).await?;
    opener::first(tx, &mut rows, now).await?;
    let mut claimed = Claimed::default();
    let mut leases = Vec::with_capacity(rows.len());
    for row in &rows {
        let delivery = match row::delivery(row) {
            Ok(delivery) => delivery,
            Err(StoreError::Damaged { reason }) => {
                bury_damaged(tx, row, &reason, now).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let thread_receipt = thread_receipt(tx, &delivery).await?;
        let leased = Leased {
            delivery,
            token: row.try_get::<i64, _>("token")? + 1,
            attempt: row.try_get::<u32, _>("attempts")? + 1,
            lease_until: claim.lease_until,
            owed_since: moment(row.try_get("owed_since")?),
            recorded_at: row.try_get::<Option<i64>, _>("recorded_at")?.map(moment),
            thread_receipt,
            reduced: row.try_get("reduced")?,
        };
        leases.push((row.try_get::<i64, _>("seq")?, leased.token, leased.attempt));
        claimed.deliveries.push(leased);
    }
    lease(tx, &leases, micros(claim.lease_until)).await?;
    let damaged = leases.len() < rows.len();
    if claimed.deliveries.is_empty() {
        claimed.next = if damaged { Some(claim.now) } else { next(tx, &claim, None, permits, now).await? };
    } else if let Some(permits) = permits {
        let tat = permits.after(claimed.deliveries.len() as u64);
        sqlx::query(
            "INSERT INTO endpoints (endpoint, tat) VALUES (?1, ?2) ON CONFLICT (endpoint) DO UPDATE SET tat = ?2",
        )
        .bind(&claim.endpoint)
        .bind(tat)
        .execute(&mut *tx)
        .await?;
    }
    let changed = damaged || !claimed.deliveries.is_empty();
    Ok((claimed, changed))
}

/// Ready rows in order; `severity` puts the critical lane first.
async fn due(tx: &mut SqliteConnection, claim: &Claim, now: i64, limit: i64) -> Result<Vec<SqliteRow>, StoreError> {
    let sql = format!(
        "SELECT {}, {TAKEN} FROM {} WHERE endpoint = ?1 AND state = 'ready' AND {} \
         AND (next_at <= ?2 OR next_at > ?3) ORDER BY severity DESC, seq LIMIT ?4",
        row::COLUMNS,
        row::WHOLE,
        row::FREE
    );
    Ok(sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&claim.endpoint)
        .bind(now)
        .bind(now.saturating_add(ABSURD))
        .bind(limit)
        .fetch_all(tx)
        .await?)
}

/// Rows with token and attempt. The attempt is counted now: a delivery that kills the process must not be tried
/// for ever.
async fn lease(tx: &mut SqliteConnection, rows: &[(i64, i64, u32)], until: i64) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT OR FAIL INTO leases (seq, token, attempt, until) SELECT value ->> 0, value ->> 1, value ->> 2, ?2 \
         FROM json_each(?1)",
    )
    .bind(json!(rows).to_string())
    .bind(until)
    .execute(tx)
    .await?;
    Ok(())
}

/// What was said last in the conversation that this one belongs to: a first message that was lost is
/// followed by another, and what shows in it may have changed.
async fn thread_receipt(tx: &mut SqliteConnection, delivery: &Delivery) -> Result<Option<String>, StoreError> {
    if delivery.thread == delivery.id {
        return Ok(None);
    }
    Ok(sqlx::query_scalar(
        "SELECT receipt FROM deliveries WHERE thread = ?1 AND endpoint = ?2 AND receipt IS NOT NULL \
         AND state = 'delivered' ORDER BY finished_at DESC, seq DESC LIMIT 1",
    )
    .bind(&delivery.thread)
    .bind(&delivery.endpoint)
    .fetch_optional(tx)
    .await?)
}

async fn bury_damaged(tx: &mut SqliteConnection, row: &SqliteRow, reason: &str, now: i64) -> Result<(), StoreError> {
    let (seq, id): (i64, String) = (row.try_get("seq")?, row.try_get("id")?);
    tracing::error!(delivery.id = %id, "delivery is damaged and will not be sent: {reason}");
    sqlx::query("UPDATE deliveries SET state = 'dead', damaged = 1, finished_at = ?2, last_reason = ?3 WHERE seq = ?1")
        .bind(seq)
        .bind(now)
        .bind(format!("damaged: {reason}"))
        .execute(tx)
        .await?;
    Ok(())
}

/// When something can be leased: the first delivery that is due, but not before the hold ends and a permit is free.
async fn next(
    tx: &mut SqliteConnection,
    claim: &Claim,
    hold: Option<i64>,
    permits: Option<Permits>,
    now: i64,
) -> Result<Option<crate::clock::Timestamp>, StoreError> {
    let first: Option<i64> = sqlx::query_scalar(concat!(
        "SELECT min(CASE WHEN next_at > ?3 THEN ?2 ELSE next_at END) FROM deliveries \
         WHERE endpoint = ?1 AND state = 'ready' AND ",
        free!()
    ))
    .bind(&claim.endpoint)
    .bind(now)
    .bind(now.saturating_add(ABSURD))
    .fetch_one(tx)
    .await?;
    let permit = permits.filter(|permits| permits.free == 0).map(|permits| permits.next());
    Ok(first.map(|first| moment(first.max(hold.unwrap_or(now)).max(permit.unwrap_or(now)))))
}
