//! The store in one SQLite file.

#[derive(Clone)]
pub struct Sqlite {}
