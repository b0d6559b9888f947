//! Gaps that were filled, and how far.

use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::{
    micros, moment,
    row::{count, json},
};
use crate::{
    checkpoint::{Fill, Gap, Part, is_filled, known_up_to},
    clock::Timestamp,
    delivery::HoldKind,
    store::{FillMark, IngestBatch, StoreError},
};

/// Part of T1.
pub(super) async fn write(tx: &mut SqliteConnection, batch: &IngestBatch) -> Result<(), StoreError> {
    let Some(FillMark { part, by, alerts, unreadable, suspects, begins, told_at, done }) = &batch.fill else {
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO fills (source, from_at, to_at, reached, by_whom, began_at, touched_at, traces, fresh, alerts, \
         unreadable, suspects, done) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (source, from_at, to_at) DO UPDATE SET reached = max(reached, excluded.reached), \
         by_whom = excluded.by_whom, touched_at = excluded.touched_at, traces = traces + excluded.traces, \
         fresh = fresh + excluded.fresh, alerts = alerts + excluded.alerts, \
         unreadable = CASE WHEN ?13 THEN 0 ELSE unreadable END + excluded.unreadable, \
         suspects = (SELECT json_group_array(value) FROM (SELECT value FROM json_each(suspects) \
         UNION SELECT value FROM json_each(excluded.suspects))), done = max(done, excluded.done)",
    )
    .bind(&batch.source)
    .bind(micros(part.from))
    .bind(micros(part.to))
    .bind(micros(part.reached))
    .bind(by)
    .bind(micros(batch.now))
    .bind(count(batch.counts.fetched))
    .bind(count(batch.seen.len() as u64))
    .bind(count(*alerts))
    .bind(count(*unreadable))
    .bind(json(suspects))
    .bind(done)
    .bind(begins)
    .execute(&mut *tx)
    .await?;
    // What is told in one waits until the last of it is there.
    let mark = format!(" fill {}", batch.source);
    sqlx::query(
        "UPDATE deliveries SET hold_until = ?1 WHERE hold_kind = ?2 AND state = 'held' \
         AND substr(hold, -length(?3)) = ?3 AND hold_until <> ?1",
    )
    .bind(micros(*told_at))
    .bind(HoldKind::Fill.as_str())
    .bind(mark)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Up to when what a rule remembers of the source may be forgotten, though all is read up to `watermark`: a gap
/// that is being filled counts on it.
pub(super) async fn held_back(
    tx: &mut SqliteConnection,
    source: &str,
    watermark: Timestamp,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    let rows = sqlx::query("SELECT * FROM fills WHERE source = ?1 AND done = 0").bind(source).fetch_all(tx).await?;
    let fills: Vec<Fill> = rows.iter().map(fill).collect::<Result<_, _>>()?;
    Ok(known_up_to(&fills, watermark, now))
}

pub(super) async fn list(pool: &SqlitePool, source: &str) -> Result<Vec<Fill>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM fills WHERE source = ?1 ORDER BY from_at, seq").bind(source).fetch_all(pool).await?;
    rows.iter().map(fill).collect()
}

/// By source: gaps that are open, and gaps that were filled.
pub(super) async fn gaps(tx: &mut SqliteConnection) -> Result<Vec<(String, u64, u64)>, StoreError> {
    let gaps: Vec<(String, i64, i64, String)> =
        sqlx::query_as("SELECT source, from_at, to_at, reason FROM gaps ORDER BY source").fetch_all(&mut *tx).await?;
    let rows = sqlx::query("SELECT * FROM fills").fetch_all(tx).await?;
    let fills: Vec<Fill> = rows.iter().map(fill).collect::<Result<_, _>>()?;
    let mut counted: Vec<(String, u64, u64)> = Vec::new();
    for (source, from, to, reason) in gaps {
        if counted.last().is_none_or(|(last, ..)| *last != source) {
            counted.push((source.clone(), 0, 0));
        }
        let gap = Gap { source, from: moment(from), to: moment(to), reason };
        let (_, open, filled) = counted.last_mut().expect("one was pushed");
        *if is_filled(&gap, &fills) { filled } else { open } += 1;
    }
    Ok(counted)
}

fn fill(row: &SqliteRow) -> Result<Fill, StoreError> {
    let number = |name: &str| Ok::<_, StoreError>(u64::try_from(row.try_get::<i64, _>(name)?).unwrap_or(0));
    let time = |name: &str| Ok::<_, StoreError>(moment(row.try_get(name)?));
    Ok(Fill {
        source: row.try_get("source")?,
        part: Part { from: time("from_at")?, to: time("to_at")?, reached: time("reached")? },
        by: row.try_get("by_whom")?,
        at: time("touched_at")?,
        traces: number("traces")?,
        fresh: number("fresh")?,
        alerts: number("alerts")?,
        unreadable: number("unreadable")?,
        suspects: serde_json::from_str(row.try_get("suspects")?).unwrap_or_default(),
        done: row.try_get("done")?,
    })
}
