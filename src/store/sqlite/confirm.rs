//! Whether the subscriber behind an endpoint confirmed.

use sqlx::SqlitePool;

use super::{Transaction, micros, moment};
use crate::store::{Confirmation, StoreError};

pub(super) async fn load(pool: &SqlitePool, endpoint: &str) -> Result<Confirmation, StoreError> {
    let found: Option<(Option<i64>, Option<i64>)> =
        sqlx::query_as("SELECT confirmed_at, left_at FROM endpoints WHERE endpoint = ?")
            .bind(endpoint)
            .fetch_optional(pool)
            .await?;
    Ok(match found {
        Some((_, Some(left))) => Confirmation::Left(moment(left)),
        Some((Some(confirmed), None)) => Confirmation::Confirmed(moment(confirmed)),
        _ => Confirmation::Never,
    })
}

pub(super) async fn write(mut tx: Transaction, endpoint: &str, confirmation: Confirmation) -> Result<(), StoreError> {
    let (confirmed, left) = match confirmation {
        Confirmation::Never => (None, None),
        Confirmation::Confirmed(at) => (Some(micros(at)), None),
        Confirmation::Left(at) => (None, Some(micros(at))),
    };
    sqlx::query(
        "INSERT INTO endpoints (endpoint, confirmed_at, left_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT (endpoint) DO UPDATE SET confirmed_at = ?2, left_at = ?3",
    )
    .bind(endpoint)
    .bind(confirmed)
    .bind(left)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
