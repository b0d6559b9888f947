//! T2: leases due deliveries of one endpoint within its rate.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{ABSURD, Transaction, micros, moment, row};
use crate::{
    delivery::{Delivery, Leased},
    store::{
        Claim, Claimed, StoreError,
        gcra::{self, Permits},
    },
};

pub(super) async fn claim(mut tx: Transaction, claim: Claim) -> Result<Claimed, StoreError> {
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
        let next = next(&mut tx, &claim, hold, permits, now).await?;
        return Ok(Claimed { deliveries: Vec::new(), next });
    }

    let rows = due(&mut tx, &claim, now, room).await?;
    let mut claimed = Claimed::default();
    let mut damaged = false;
    for row in &rows {
        match row::delivery(row) {
            Ok(delivery) => {
                let (token, attempt, since) = lease(&mut tx, row.try_get("seq")?, micros(claim.lease_until)).await?;
                let (lease_until, owed_since) = (claim.lease_until, moment(since));
                let thread_receipt = thread_receipt(&mut tx, &delivery).await?;
                let leased = Leased { delivery, token, attempt, lease_until, owed_since, thread_receipt };
                claimed.deliveries.push(leased);
            }
            Err(StoreError::Damaged { reason }) => {
                bury_damaged(&mut tx, row, &reason, now).await?;
                damaged = true;
            }
            Err(error) => return Err(error),
        }
    }
    if claimed.deliveries.is_empty() {
        claimed.next = if damaged { Some(claim.now) } else { next(&mut tx, &claim, None, permits, now).await? };
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
    if damaged || !claimed.deliveries.is_empty() {
        tx.commit().await?;
    }
    Ok(claimed)
}

/// Ready rows in order; `severity` puts the critical lane first.
async fn due(tx: &mut SqliteConnection, claim: &Claim, now: i64, limit: i64) -> Result<Vec<SqliteRow>, StoreError> {
    let sql = format!(
        "SELECT {} FROM deliveries WHERE endpoint = ?1 AND state = 'ready' \
         AND (next_at <= ?2 OR next_at > ?3) ORDER BY severity DESC, seq LIMIT ?4",
        row::COLUMNS
    );
    Ok(sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(&claim.endpoint)
        .bind(now)
        .bind(now.saturating_add(ABSURD))
        .bind(limit)
        .fetch_all(tx)
        .await?)
}

/// The attempt is counted now: a delivery that kills the process must not be tried for ever.
async fn lease(tx: &mut SqliteConnection, seq: i64, until: i64) -> Result<(i64, u32, i64), StoreError> {
    Ok(sqlx::query_as(
        "UPDATE deliveries SET state = 'leased', token = token + 1, attempts = attempts + 1, lease_until = ?2 \
         WHERE seq = ?1 RETURNING token, attempts, owed_since",
    )
    .bind(seq)
    .bind(until)
    .fetch_one(tx)
    .await?)
}

/// What was said when the message was delivered below which this one belongs.
async fn thread_receipt(tx: &mut SqliteConnection, delivery: &Delivery) -> Result<Option<String>, StoreError> {
    if delivery.thread == delivery.id {
        return Ok(None);
    }
    let receipt: Option<Option<String>> =
        sqlx::query_scalar("SELECT receipt FROM deliveries WHERE id = ?1 AND endpoint = ?2")
            .bind(&delivery.thread)
            .bind(&delivery.endpoint)
            .fetch_optional(tx)
            .await?;
    Ok(receipt.flatten())
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
    let first: Option<i64> = sqlx::query_scalar(
        "SELECT min(CASE WHEN next_at > ?3 THEN ?2 ELSE next_at END) FROM deliveries \
         WHERE endpoint = ?1 AND state = 'ready'",
    )
    .bind(&claim.endpoint)
    .bind(now)
    .bind(now.saturating_add(ABSURD))
    .fetch_one(tx)
    .await?;
    let permit = permits.filter(|permits| permits.free == 0).map(|permits| permits.next());
    Ok(first.map(|first| moment(first.max(hold.unwrap_or(now)).max(permit.unwrap_or(now)))))
}
