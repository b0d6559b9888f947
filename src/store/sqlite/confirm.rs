//! Whether the subscriber behind an endpoint confirmed.

use sqlx::SqlitePool;

use super::{Transaction, micros, moment};
use crate::store::{Confirmation, StoreError};

pub(super) async fn load(pool: &SqlitePool, endpoint: &str, subscriber: &str) -> Result<Confirmation, StoreError> {
    let found: Option<(Option<i64>, Option<i64>)> =
        sqlx::query_as("SELECT confirmed_at, left_at FROM endpoints WHERE endpoint = ? AND subscriber = ?")
            .bind(endpoint)
            .bind(subscriber)
            .fetch_optional(pool)
            .await?;
    Ok(match found {
        Some((_, Some(left))) => Confirmation::Left(moment(left)),
        Some((Some(confirmed), None)) => Confirmation::Confirmed(moment(confirmed)),
        _ => Confirmation::Never,
    })
}

pub(super) async fn write(
    mut tx: Transaction,
    endpoint: &str,
    subscriber: &str,
    confirmation: Confirmation,
) -> Result<(), StoreError> {
    let (confirmed, left) = match confirmation {
        Confirmation::Never => (None, None),
        Confirmation::Confirmed(at) => (Some(micros(at)), None),
        Confirmation::Left(at) => (None, Some(micros(at))),
    };
    sqlx::query(
        "INSERT INTO endpoints (endpoint, confirmed_at, left_at, subscriber) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (endpoint) DO UPDATE SET confirmed_at = ?2, left_at = ?3, subscriber = ?4",
    )
    .bind(endpoint)
    .bind(confirmed)
    .bind(left)
    .bind(subscriber)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
