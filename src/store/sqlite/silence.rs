//! What was kept from people, and by what.

use sqlx::SqliteConnection;

use super::{
    micros,
    row::{count, rank},
};
use crate::store::{Muted, StoreError};

/// Part of T1 and T4.
pub(super) async fn write_muted(tx: &mut SqliteConnection, muted: &[Muted]) -> Result<(), StoreError> {
    for muted in muted {
        sqlx::query(
            "INSERT INTO muted (alert, rule, severity, title, subscription, kind, by_id, reason, count, at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .bind(&muted.alert)
        .bind(&muted.rule)
        .bind(rank(muted.severity))
        .bind(&muted.title)
        .bind(muted.subscription.as_deref().unwrap_or_default())
        .bind(muted.by.kind.as_str())
        .bind(&muted.by.by)
        .bind(&muted.by.reason)
        .bind(count(muted.count))
        .bind(micros(muted.at))
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
