//! What SQLite's errors mean to the caller.

use crate::store::StoreError;

/// Primary result codes, <https://www.sqlite.org/rescode.html>.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let unavailable = |reason: &str| Self::Unavailable { reason: reason.to_owned() };
        match code(&error) {
            Some(FULL) => unavailable("the disk is full"),
            Some(BUSY | LOCKED) => unavailable("another program holds the database locked"),
            Some(READONLY) => unavailable("the database or its folder is read-only"),
            Some(IOERR) => unavailable(&format!("the disk reports an error: {error}")),
            Some(CANTOPEN) => unavailable("the database file cannot be opened; is its folder there and writable?"),
            Some(CORRUPT | NOTADB) => Self::Damaged { reason: error.to_string() },
            _ => match error {
                sqlx::Error::PoolTimedOut => unavailable("an earlier write takes too long"),
                sqlx::Error::PoolClosed => unavailable("it is closed"),
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                    Self::Damaged { reason: error.to_string() }
                }
                other => unavailable(&other.to_string()),
            },
        }
    }
}

/// The primary result code: SQLite reports extended ones, whose low byte is the primary.
pub(super) fn code(error: &sqlx::Error) -> Option<i32> {
    Some(error.as_database_error()?.code()?.parse::<i32>().ok()? & 0xff)
}

/// A duplicate where a new key was promised.
pub(super) fn conflict(error: sqlx::Error) -> StoreError {
    if error.as_database_error().is_some_and(|error| error.is_unique_violation()) {
        StoreError::Conflict
    } else {
        error.into()
    }
}
