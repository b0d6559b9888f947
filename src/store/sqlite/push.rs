//! What SMN said to sources.

use sqlx::{SqliteConnection, SqlitePool};

use super::{micros, moment};
use crate::{
    clock::Timestamp,
    store::{Heard, PushRow, SigningCertificate, Standing, StoreError},
};

/// Part of T1.
pub(super) async fn write(
    tx: &mut SqliteConnection,
    source: &str,
    heard: &Heard,
    now: Timestamp,
) -> Result<(), StoreError> {
    let notified = (heard.standing == Standing::Confirmed).then(|| micros(now));
    sqlx::query(
        "INSERT INTO pushes (source, topic_urn, standing, changed_at, subscribe_url, heard_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (source, topic_urn) DO UPDATE SET \
         changed_at = CASE WHEN standing = excluded.standing AND ?6 IS NOT NULL THEN changed_at \
                           ELSE excluded.changed_at END, \
         standing = excluded.standing, subscribe_url = excluded.subscribe_url, \
         heard_at = coalesce(excluded.heard_at, heard_at)",
    )
    .bind(source)
    .bind(&heard.topic_urn)
    .bind(heard.standing.as_str())
    .bind(micros(now))
    .bind(&heard.subscribe_url)
    .bind(notified)
    .execute(&mut *tx)
    .await?;
    let Some(certificate) = &heard.certificate else { return Ok(()) };
    sqlx::query(
        "INSERT INTO certificates (source, topic_urn, url, pem, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (source, topic_urn) DO UPDATE SET \
         url = excluded.url, pem = excluded.pem, fetched_at = excluded.fetched_at \
         WHERE url <> excluded.url OR fetched_at <> excluded.fetched_at",
    )
    .bind(source)
    .bind(&heard.topic_urn)
    .bind(&certificate.url)
    .bind(&certificate.pem)
    .bind(micros(certificate.fetched_at))
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn certificates(
    pool: &SqlitePool,
    source: &str,
) -> Result<Vec<(String, SigningCertificate)>, StoreError> {
    let rows: Vec<(String, String, Vec<u8>, i64)> =
        sqlx::query_as("SELECT topic_urn, url, pem, fetched_at FROM certificates WHERE source = ?1 ORDER BY topic_urn")
            .bind(source)
            .fetch_all(pool)
            .await?;
    let certificate = |(topic_urn, url, pem, fetched_at): (String, String, Vec<u8>, i64)| {
        (topic_urn, SigningCertificate { url, pem, fetched_at: moment(fetched_at) })
    };
    Ok(rows.into_iter().map(certificate).collect())
}

/// As they are selected.
type Columns = (String, String, String, i64, Option<String>, Option<i64>);

pub(super) async fn load(pool: &SqlitePool) -> Result<Vec<PushRow>, StoreError> {
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT source, topic_urn, standing, changed_at, subscribe_url, heard_at FROM pushes \
         ORDER BY source, topic_urn",
    )
    .fetch_all(pool)
    .await?;
    let row = |(source, topic_urn, standing, changed_at, subscribe_url, heard_at): Columns| {
        let standing = Standing::parse(&standing)?;
        let (changed_at, heard_at) = (moment(changed_at), heard_at.map(moment));
        Some(PushRow { source, topic_urn, standing, changed_at, subscribe_url, heard_at })
    };
    Ok(rows.into_iter().filter_map(row).collect())
}
