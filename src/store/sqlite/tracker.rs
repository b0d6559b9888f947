//! What is remembered of trackers, and what is told with it.

use sqlx::SqlitePool;

use super::{Transaction, micros, moment, row};
use crate::store::{StoreError, TrackerBatch, TrackerRow};

pub(super) async fn load(pool: &SqlitePool, source: &str) -> Result<Option<TrackerRow>, StoreError> {
    let row: Option<(String, i64)> = sqlx::query_as("SELECT standing, changed_at FROM trackers WHERE source = ?1")
        .bind(source)
        .fetch_optional(pool)
        .await?;
    Ok(row.map(|(standing, changed_at)| TrackerRow { standing, changed_at: moment(changed_at) }))
}

pub(super) async fn write(mut tx: Transaction, batch: TrackerBatch) -> Result<(), StoreError> {
    row::insert_all(&mut tx, &batch.deliveries).await?;
    sqlx::query(
        "INSERT INTO trackers (source, standing, changed_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT (source) DO UPDATE SET standing = excluded.standing, changed_at = excluded.changed_at",
    )
    .bind(&batch.source)
    .bind(&batch.standing)
    .bind(micros(batch.changed_at))
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
