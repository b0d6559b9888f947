//! How long traces took, counted by day.

use std::collections::BTreeMap;

use sqlx::{SqliteConnection, SqlitePool};

use super::{bulk, row::count};
use crate::{
    clock::Timestamp,
    store::{DelayRow, IngestBatch, Spread, StoreError, Way},
};

/// Older days are forgotten as new ones are written.
const KEPT_DAYS: i64 = 30;

/// Part of T1.
pub(super) async fn write(tx: &mut SqliteConnection, batch: &IngestBatch) -> Result<(), StoreError> {
    if batch.delays.is_empty() {
        return Ok(());
    }
    let today = day(batch.now);
    bulk::write(
        tx,
        "INSERT INTO delays (day, source, way, bucket, count) ",
        &batch.delays,
        " ON CONFLICT (day, source, way, bucket) DO UPDATE SET count = count + excluded.count",
        |row, delay| {
            row.push_bind(today)
                .push_bind(&batch.source)
                .push_bind(delay.way.as_str())
                .push_bind(i64::from(delay.bucket))
                .push_bind(count(delay.count));
        },
    )
    .await?;
    sqlx::query("DELETE FROM delays WHERE day < ?1").bind(today - KEPT_DAYS).execute(tx).await?;
    Ok(())
}

pub(super) async fn load(pool: &SqlitePool, since: Timestamp) -> Result<Vec<DelayRow>, StoreError> {
    let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "SELECT source, way, bucket, sum(count) FROM delays WHERE day >= ?1 GROUP BY source, way, bucket",
    )
    .bind(day(since))
    .fetch_all(pool)
    .await?;
    let mut spreads: BTreeMap<(String, Way), Spread> = BTreeMap::new();
    for (source, way, bucket, count) in rows {
        let (Some(way), Ok(bucket), Ok(count)) = (Way::parse(&way), u16::try_from(bucket), u64::try_from(count)) else {
            continue;
        };
        spreads.entry((source, way)).or_default().0.insert(bucket, count);
    }
    Ok(spreads.into_iter().map(|((source, way), spread)| DelayRow { source, way, spread }).collect())
}

fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}
