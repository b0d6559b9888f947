//! Many rows in one statement. Each statement is a trip to SQLite's thread and back, which costs
//! several times what it takes there to write a row.
//!
//! Where nothing is to be updated, `INSERT OR FAIL` is the cheapest: SQLite then does not first put aside every
//! page that it changes, so as to take back the whole statement. Here that is never asked for: what fails in one
//! statement rolls its transaction back.

use sqlx::{QueryBuilder, SqliteConnection, query_builder::Separated};

/// Rows that one statement writes, the most first. Of each text that these make, the connection keeps
/// what it parsed, hence few sizes.
const SIZES: [usize; 4] = [64, 8, 3, 1];

/// What a row's values are pushed to, in the order of the columns.
pub(super) type Values<'a> = Separated<'a, sqlx::Sqlite, &'static str>;

/// Runs `insert` with the rows as its values, and `otherwise` behind them, which says what becomes of a row
/// that is there already. Returns how many rows were written.
pub(super) async fn write<T: Sync>(
    tx: &mut SqliteConnection,
    insert: &str,
    rows: &[T],
    otherwise: &str,
    values: impl Fn(&mut Values<'_>, &T) + Send,
) -> Result<u64, sqlx::Error> {
    let (mut rest, mut written) = (rows, 0);
    while let Some(size) = SIZES.into_iter().find(|&size| size <= rest.len()) {
        let (chunk, later) = rest.split_at(size);
        let mut query = QueryBuilder::new(insert);
        query.push_values(chunk, |mut row, value| values(&mut row, value)).push(otherwise);
        written += query.build().execute(&mut *tx).await?.rows_affected();
        rest = later;
    }
    Ok(written)
}
