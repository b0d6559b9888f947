//! What opens a conversation goes before what follows in it, however much worse that is: a reader is told what
//! happened in the order in which it did, and a reply needs something to stand below.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{super::row, TAKEN};
use crate::store::StoreError;

/// Puts the opener that is due too in front of what follows it, and leaves as many rows as there were. One that
/// waits to be tried again is not waited for.
pub(super) async fn first(tx: &mut SqliteConnection, rows: &mut Vec<SqliteRow>, now: i64) -> Result<(), StoreError> {
    let room = rows.len();
    let mut at = 0;
    while at < rows.len() {
        let (id, thread): (String, Option<String>) = (rows[at].try_get("id")?, rows[at].try_get("thread")?);
        // Those written before there were threads open their own.
        let thread = thread.unwrap_or_else(|| id.clone());
        if id != thread {
            let known = rows.iter().position(|row| row.try_get::<&str, _>("id").is_ok_and(|id| id == thread));
            let opener = match known {
                Some(known) if known > at => Some(rows.remove(known)),
                Some(_) => None,
                None => due(tx, &thread, rows[at].try_get("endpoint")?, now).await?,
            };
            if let Some(opener) = opener {
                rows.insert(at, opener);
                at += 1;
            }
        }
        at += 1;
    }
    rows.truncate(room);
    Ok(())
}

async fn due(tx: &mut SqliteConnection, id: &str, endpoint: &str, now: i64) -> Result<Option<SqliteRow>, StoreError> {
    let sql = format!(
        "SELECT {}, {TAKEN} FROM {} WHERE id = ?1 AND endpoint = ?2 AND state = 'ready' AND {} AND next_at <= ?3",
        row::COLUMNS,
        row::WHOLE,
        row::FREE
    );
    Ok(sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).bind(endpoint).bind(now).fetch_optional(tx).await?)
}
