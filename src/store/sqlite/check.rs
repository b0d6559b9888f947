//! When an endpoint's credentials were last tried, and what came of it.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Transaction, micros, moment};
use crate::store::{Accepted, Checked, StoreError};

/// A word that is not known is no reason to fail: they are tried again.
pub(super) fn of_row(row: &SqliteRow) -> Result<Option<Checked>, StoreError> {
    let (at, word): (Option<i64>, Option<String>) = (row.try_get("checked_at")?, row.try_get("checked_as")?);
    let (Some(at), Some(word)) = (at, word) else { return Ok(None) };
    let Some(standing) = Accepted::parse(&word) else { return Ok(None) };
    let text = |column| Ok::<_, StoreError>(row.try_get::<Option<String>, _>(column)?.unwrap_or_default());
    let (reason, credentials) = (text("checked_reason")?, text("credentials")?);
    Ok(Some(Checked { at: moment(at), standing, reason, credentials }))
}

pub(super) async fn write(mut tx: Transaction, endpoint: &str, checked: Checked) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO endpoints (endpoint, checked_at, checked_as, checked_reason, credentials) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (endpoint) DO UPDATE SET \
         checked_at = ?2, checked_as = ?3, checked_reason = ?4, credentials = ?5",
    )
    .bind(endpoint)
    .bind(micros(checked.at))
    .bind(checked.standing.as_str())
    .bind(checked.reason)
    .bind(checked.credentials)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
