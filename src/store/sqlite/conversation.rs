//! T4: silences are told of in the conversations about what they keep back.

use serde_json::json;
use sqlx::{Row, SqliteConnection, SqlitePool};

use super::{Transaction, micros, row, silence};
use crate::{
    clock::Timestamp,
    delivery::Delivery,
    store::{Conversation, SilenceTold, StoreError, Subscriber, Turn, Untold},
};

/// One that ended before its beginning was told is told of no more.
pub(super) async fn untold(pool: &SqlitePool, now: Timestamp, limit: usize) -> Result<Vec<Untold>, StoreError> {
    let sql = format!(
        "SELECT {}, began_told FROM silences WHERE starts_at <= ?1 AND ended_told IS NULL \
         AND (began_told IS NULL) = (ends_at > ?1 AND coalesce(expired_at > ?1, 1)) ORDER BY starts_at, id LIMIT ?2",
        silence::COLUMNS
    );
    let mut tx = pool.begin().await?;
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(micros(now))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut *tx)
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let began_told: Option<i64> = row.try_get("began_told")?;
        match silence::whole(&mut tx, row).await {
            Ok(row) if began_told.is_none() => found.push(Untold { row, turn: Turn::Began }),
            Ok(row) => {
                let told = told(&mut tx, &row.silence.id).await?;
                found.push(Untold { row, turn: Turn::Ended(told) });
            }
            // It mutes nothing, which is told where silences are looked for.
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// What told that the silence began, or may have.
async fn told(tx: &mut SqliteConnection, silence: &str) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!(
        "SELECT {} FROM {} WHERE cause_id = ?1 AND cause = 'silenced' \
         AND (state = 'delivered' OR state = 'ready' AND (attempts > 0 OR NOT {}))",
        row::COLUMNS,
        row::WHOLE,
        row::FREE
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(silence).fetch_all(tx).await?;
    rows.iter().map(row::delivery).filter(|row| !matches!(row, Err(StoreError::Damaged { .. }))).collect()
}

pub(super) async fn of(pool: &SqlitePool, alerts: &[String]) -> Result<Vec<Conversation>, StoreError> {
    let rows: Vec<(String, String, String, String, bool)> = sqlx::query_as(
        "SELECT by.alert, by.subscription, by.endpoint, by.thread, coalesce(first.cause_id = by.alert, 0) AS began \
         FROM json_each(?1) AS one CROSS JOIN alert_subscribers AS by ON by.alert = one.value \
         CROSS JOIN deliveries AS first ON first.id = by.thread AND first.endpoint = by.endpoint \
         WHERE first.state = 'delivered' AND first.receipt IS NOT NULL ORDER BY began DESC, one.key",
    )
    .bind(json!(alerts).to_string())
    .fetch_all(pool)
    .await?;
    let conversation = |(alert, subscription, endpoint, thread, began)| Conversation {
        subscriber: Subscriber { alert, subscription, endpoint, thread },
        began,
    };
    Ok(rows.into_iter().map(conversation).collect())
}

pub(super) async fn tell(mut tx: Transaction, told: SilenceTold) -> Result<(), StoreError> {
    let turn = match told.began {
        true => "UPDATE silences SET began_told = ?2 WHERE id = ?1 AND began_told IS NULL",
        false => "UPDATE silences SET ended_told = ?2 WHERE id = ?1 AND ended_told IS NULL",
    };
    let first = sqlx::query(turn).bind(&told.silence).bind(micros(told.now)).execute(&mut *tx).await?;
    if first.rows_affected() == 1 {
        if !told.began {
            // What waits to tell of its beginning would come after its end.
            let sql = format!(
                "UPDATE deliveries SET state = 'cancelled', finished_at = ?2 \
                 WHERE cause_id = ?1 AND cause = 'silenced' AND state = 'ready' AND {}",
                row::FREE
            );
            let late = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&told.silence).bind(micros(told.now));
            late.execute(&mut *tx).await?;
        }
        for delivery in &told.deliveries {
            row::insert(&mut tx, delivery).await?;
        }
    }
    Ok(tx.commit().await?)
}
