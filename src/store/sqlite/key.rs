//! Secrets of this installation, made once.

use super::Transaction;
use crate::store::StoreError;

pub(super) async fn key(mut tx: Transaction, name: &str, fresh: &[u8]) -> Result<Vec<u8>, StoreError> {
    sqlx::query("INSERT INTO keys (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(fresh)
        .execute(&mut *tx)
        .await?;
    let kept = sqlx::query_scalar("SELECT value FROM keys WHERE name = ?1").bind(name).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    Ok(kept)
}
