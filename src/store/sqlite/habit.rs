//! Who used what from where, as keys that tell nothing to those who read the file.

use std::collections::HashMap;

use serde_json::json;
use sqlx::{SqliteConnection, SqlitePool};

use super::{micros, moment};
use crate::{
    clock::Timestamp,
    store::{HabitKey, StoreError},
};

pub(super) async fn load(pool: &SqlitePool, keys: &[HabitKey]) -> Result<HashMap<HabitKey, Timestamp>, StoreError> {
    let keys: Vec<String> = keys.iter().map(hex::encode).collect();
    // As for trace ids, the cross join makes it look up each key.
    let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as(
        "SELECT habits.key, habits.at FROM json_each(?1) AS one CROSS JOIN habits ON habits.key = unhex(one.value)",
    )
    .bind(json!(keys).to_string())
    .fetch_all(pool)
    .await?;
    let known = |(key, at): (Vec<u8>, i64)| Some((HabitKey::try_from(key).ok()?, moment(at)));
    Ok(rows.into_iter().filter_map(known).collect())
}

/// Part of T1.
pub(super) async fn write(tx: &mut SqliteConnection, habits: &[(HabitKey, Timestamp)]) -> Result<(), StoreError> {
    if habits.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = habits.iter().map(|(key, at)| json!([hex::encode(key), micros(*at)])).collect();
    // Without the condition, ON CONFLICT would be read as part of a join.
    sqlx::query(
        "INSERT INTO habits (key, at) SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?1) WHERE true \
         ON CONFLICT (key) DO UPDATE SET at = max(at, excluded.at)",
    )
    .bind(json!(rows).to_string())
    .execute(tx)
    .await?;
    Ok(())
}
