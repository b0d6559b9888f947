//! Opening the file: whose it is, whether it is whole, which schema it has.
//!
//! A file that is not plainly ours is refused and never written to.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Sqlite, attempt, place::Place};
use crate::{clock::Timestamp, store::StoreError};

const MIGRATIONS: [(i64, &str, &str); 8] = [
    (1, "state", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/0001_state.sql"))),
    (2, "windows", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/0002_windows.sql"))),
    (3, "delivery", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/0003_delivery.sql"))),
    (4, "push", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/0004_push.sql"))),
    (5, "trackers", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/0005_trackers.sql"))),
    (6, "fills", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/0006_fills.sql"))),
    (
        7,
        "suspect_files",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/0007_suspect_files.sql")),
    ),
    (8, "certificates", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite/0008_certificates.sql"))),
];

/// The schema this build knows.
const SCHEMA: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// `PRAGMA application_id`, set by the first migration: "tbel".
const APPLICATION: i64 = 0x7462_656c;

/// Rows on the way from a connection's thread to who asked.
const ROWS_AT_ONCE: usize = 1024;

/// Other processes (`delivery retry`, a backup) hold the write lock for moments only.
const BUSY: Duration = Duration::from_secs(5);

/// Above this, reading every page at start would keep alerts waiting for longer than
/// it is worth: each delivery carries its own checksum anyway.
const CHECKED_SIZE: u64 = 512 << 20;

pub(super) async fn owner(path: &Path, now: Timestamp) -> Result<Sqlite, StoreError> {
    let lock = lock(path)?;
    if path.exists() {
        recognise(path)?;
    } else {
        create(path).await?;
    }
    let write = pool(options(path), 1).await?;
    let mut connection = write.acquire().await.map_err(|error| refused_at(path, &error))?;
    identify(&mut connection, path).await?;
    if fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_SIZE) {
        check(&mut connection, path).await?;
    }
    migrate(&mut connection, path).await?;
    drop(connection);
    let read = pool(options(path).read_only(true), 2).await?;
    let store = Sqlite { write, read, lock: Some(Arc::new(lock)), place: Place::of(path)? };
    attempt::release_all(store.begin().await?, now).await?;
    Ok(store)
}

pub(super) async fn reader(path: &Path) -> Result<Sqlite, StoreError> {
    existing(path, options(path).read_only(true), 2).await
}

pub(super) async fn beside(path: &Path) -> Result<Sqlite, StoreError> {
    existing(path, options(path), 1).await
}

/// Opens a database that must be there already, with exactly this build's schema.
async fn existing(path: &Path, options: SqliteConnectOptions, connections: u32) -> Result<Sqlite, StoreError> {
    let shown = path.display();
    if !path.exists() {
        return Err(refused(format!("there is no state at `{shown}` yet; `tracebell run` makes it")));
    }
    recognise(path)?;
    let pool = pool(options, connections).await?;
    let mut connection = pool.acquire().await.map_err(|error| refused_at(path, &error))?;
    identify(&mut connection, path).await?;
    let schema = schema(&mut connection, path).await?;
    if schema != SCHEMA {
        let fix = if schema > SCHEMA { "use that version" } else { "start `tracebell run` once, which migrates it" };
        return Err(refused(format!(
            "`{shown}` has schema {schema} and this version of tracebell knows {SCHEMA}; {fix}"
        )));
    }
    drop(connection);
    Ok(Sqlite { write: pool.clone(), read: pool, lock: None, place: Place::of(path)? })
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        // A whole claim: else the connection's thread stops and goes every few rows.
        .row_buffer_size(ROWS_AT_ONCE)
        .pragma("journal_size_limit", "67108864")
        // 16 MB of log before it is folded into the file, which costs as many waits for the disk as a commit.
        .pragma("wal_autocheckpoint", "4096")
        .pragma("cache_size", "-8192")
        // Its log lines are SQL, which tells an operator nothing.
        .disable_statement_logging()
}

async fn pool(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, StoreError> {
    Ok(SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // SQLite rolls back by itself when the disk is full; the driver's own
        // rollback then fails and it believes to be in a transaction for ever.
        // Such a connection is replaced. The ping waits for a rollback under way.
        .before_acquire(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_lazy_with(options))
}

/// One process per file. The lock goes with the process, however it ends.
fn lock(path: &Path) -> Result<File, StoreError> {
    let side = beside_path(path, ".lock");
    let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(&side);
    let file = opened.map_err(|error| unusable(&side, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(refused(format!(
            "`{}` is in use by another tracebell, which holds `{}`; stop that one, or give this one its own `state`",
            path.display(),
            side.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(unusable(&side, &error)),
    }
}

/// Makes the database under another name first: a kill on the way must not leave
/// half a file where the next start looks for a whole one.
async fn create(path: &Path) -> Result<(), StoreError> {
    let shown = path.display();
    let log = beside_path(path, "-wal");
    if fs::metadata(&log).is_ok_and(|file| file.len() > 0) {
        return Err(refused(format!(
            "`{shown}` is missing but its log `{}` is there; put the file back, or remove the log to start anew",
            log.display()
        )));
    }
    let draft = beside_path(path, ".new");
    for file in
        [draft.clone(), beside_path(&draft, "-wal"), beside_path(&draft, "-shm"), beside_path(&draft, "-journal")]
    {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(&file, &error)),
            _ => {}
        }
    }
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&draft)
        .map_err(|error| unusable(&draft, &error))?;
    let mut connection = SqliteConnection::connect_with(&options(&draft).journal_mode(SqliteJournalMode::Wal)).await?;
    migrate(&mut connection, &draft).await?;
    connection.close().await?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::rename(&draft, path).and_then(|()| File::open(folder)?.sync_all()).map_err(|error| unusable(path, &error))
}

/// Looks at the first bytes: SQLite takes an empty file for a new database, we take it for a lost one.
fn recognise(path: &Path) -> Result<(), StoreError> {
    let mut head = [0; 16];
    let found = File::open(path)
        .and_then(|mut file| io::Read::read(&mut file, &mut head))
        .map_err(|error| unusable(path, &error))?;
    if &head == b"SQLite format 3\0" {
        return Ok(());
    }
    let what = if found == 0 { "is empty" } else { "is not a SQLite database" };
    Err(refused(format!("`{}` {what}; restore it from a backup, or move it away to start anew", path.display())))
}

async fn identify(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let id: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(connection)
        .await
        .map_err(|error| refused_at(path, &error))?;
    if id == APPLICATION {
        return Ok(());
    }
    Err(refused(format!("`{}` is a SQLite database, but not one of tracebell's; name another `state`", path.display())))
}

async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| refused_at(path, &error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(refused_at(path, &verdict))
}

async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sqlx::SqlSafeStr::into_sql_str(sql), false)
    });
    let newer = |version: &dyn std::fmt::Display| {
        refused(format!(
            "`{}` was written by a newer tracebell (schema {version}, this version knows {SCHEMA}); use that version",
            path.display()
        ))
    };
    use sqlx::migrate::MigrateError;
    match Migrator::with_migrations(migrations.into()).run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(version)) => Err(newer(&version)),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(error.into()),
        Err(error) => Err(refused(format!("the schema of `{}` does not fit: {error}", path.display()))),
    }
}

async fn schema(connection: &mut SqliteConnection, path: &Path) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
        .fetch_one(connection)
        .await
        .map_err(|error| refused_at(path, &error))
}

fn beside_path(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn refused(reason: String) -> StoreError {
    StoreError::Refused { reason }
}

fn refused_at(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    refused(format!(
        "`{}` is damaged ({error}); restore it from a backup, or move it away to start anew",
        path.display()
    ))
}

fn unusable(path: &Path, error: &io::Error) -> StoreError {
    refused(format!("`{}` cannot be used: {error}", path.display()))
}
