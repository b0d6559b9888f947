//! What is true of the SQLite file alone.

use std::{fs, os::unix::fs::PermissionsExt};

use sqlx::{
    ConnectOptions, Connection, SqlSafeStr, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};
use tracebell::{
    delivery::State,
    store::{DeliveryFilter, Pick, StoreError},
};

use super::*;

/// A second program at the same file.
async fn shell(home: &Home) -> SqliteConnection {
    SqliteConnectOptions::new().filename(home.path()).connect().await.unwrap()
}

#[track_caller]
fn check_refused<T>(result: Result<T, StoreError>, words: &[&str]) {
    let Err(StoreError::Refused { reason }) = result else { panic!("not refused") };
    for word in words {
        assert!(reason.contains(word), "`{word}` is not in: {reason}");
    }
}

#[tokio::test]
async fn a_new_file_is_for_its_owner_only_and_survives_reopening() {
    let (store, home) = fresh_sqlite().await;
    assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o600);
    store.commit_ingest(page(&["t"], &[alert("a", Severity::Low, 1, at(0))], "slack", at(0))).await.unwrap();
    store.claim_deliveries(claim("slack", at(1))).await.unwrap();
    store.close().await;
    let store = Sqlite::open(&home.path(), at(2)).await.unwrap();
    assert_eq!(store.seen("prod", &["t".into()]).await.unwrap().len(), 1);
    assert_eq!(deliver_all(&store, "slack", at(2)).await, 1, "the lease of a process that is gone is free at once");
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_is_gone() {
    let (store, home) = fresh_sqlite().await;
    check_refused(Sqlite::open(&home.path(), at(0)).await, &["state.db", "state.db.lock", "in use", "stop that one"]);
    store.close().await;
    Sqlite::open(&home.path(), at(0)).await.unwrap();
}

#[tokio::test]
async fn others_read_and_retry_beside_the_owner() {
    let home = Home::new();
    check_refused(Sqlite::open_read(&home.path()).await, &["no state at", "tracebell run"]);
    let store = Sqlite::open(&home.path(), at(0)).await.unwrap();
    store.commit_ingest(page(&["t"], &[alert("a", Severity::Low, 1, at(0))], "slack", at(0))).await.unwrap();
    let leased = store.claim_deliveries(claim("slack", at(0))).await.unwrap().deliveries.remove(0);
    store.record_attempts(vec![failure(&leased, Next::Dead, at(0))]).await.unwrap();

    let reader = Sqlite::open_read(&home.path()).await.unwrap();
    assert_eq!(account(&reader, "slack").await, [1, 0, 0, 0, 0, 1]);
    let refused = reader.retry(Pick::default(), at(1)).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable { reason }) if reason.contains("read-only")), "{refused:?}");
    let beside = Sqlite::open_beside(&home.path()).await.unwrap();
    assert_eq!(beside.retry(Pick::default(), at(1)).await.unwrap(), 1);
    beside.close().await;
    reader.close().await;
    assert_eq!(deliver_all(&store, "slack", at(1)).await, 1);
    store.close().await;
    // And when nobody owns it.
    let reader = Sqlite::open_read(&home.path()).await.unwrap();
    assert_eq!(account(&reader, "slack").await, [1, 1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    for (content, words) in [("", "is empty"), ("hello, I am your thesis", "not a SQLite database")] {
        let home = Home::new();
        fs::write(home.path(), content).unwrap();
        check_refused(Sqlite::open(&home.path(), at(0)).await, &["state.db", words, "move it away"]);
        check_refused(Sqlite::open_read(&home.path()).await, &[words]);
        assert_eq!(fs::read_to_string(home.path()).unwrap(), content);
    }
    let home = Home::new();
    let options = SqliteConnectOptions::new().filename(home.path()).create_if_missing(true);
    let mut other = options.connect().await.unwrap();
    sqlx::query("CREATE TABLE photos (name)").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let before = fs::read(home.path()).unwrap();
    check_refused(Sqlite::open(&home.path(), at(0)).await, &["not one of tracebell's"]);
    assert_eq!(fs::read(home.path()).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let (store, home) = fresh_sqlite().await;
    let alerts: Vec<_> = (0..200).map(|n| alert(&n.to_string(), Severity::Low, 1, at(0))).collect();
    store.commit_ingest(page(&[], &alerts, "slack", at(0))).await.unwrap();
    store.close().await;
    let mut content = fs::read(home.path()).unwrap();
    for page in content.chunks_mut(4096).skip(4).step_by(2) {
        page.fill(0x5a);
    }
    fs::write(home.path(), &content).unwrap();
    check_refused(Sqlite::open(&home.path(), at(0)).await, &["is damaged", "restore it from a backup"]);
    assert_eq!(fs::read(home.path()).unwrap(), content);
    fs::write(home.path(), &content[..5000]).unwrap();
    check_refused(Sqlite::open(&home.path(), at(0)).await, &["is damaged"]);
}

#[tokio::test]
async fn a_log_without_its_file_is_refused() {
    let home = Home::new();
    fs::write(home.folder.path().join("state.db-wal"), "leftover").unwrap();
    check_refused(Sqlite::open(&home.path(), at(0)).await, &["is missing", "state.db-wal"]);
}

#[tokio::test]
async fn a_start_killed_while_making_the_file_is_made_good() {
    let home = Home::new();
    fs::write(home.folder.path().join("state.db.new"), "half").unwrap();
    Sqlite::open(&home.path(), at(0)).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (store, home) = fresh_sqlite().await;
    store.close().await;
    let mut shell = shell(&home).await;
    sqlx::query("INSERT INTO _sqlx_migrations SELECT 9, description, installed_on, success, checksum, execution_time FROM _sqlx_migrations LIMIT 1")
        .execute(&mut shell)
        .await
        .unwrap();
    shell.close().await.unwrap();
    check_refused(Sqlite::open(&home.path(), at(0)).await, &["newer tracebell", "schema 9"]);
    check_refused(Sqlite::open_read(&home.path()).await, &["schema 9"]);
    check_refused(Sqlite::open_beside(&home.path()).await, &["schema 9"]);
}

#[tokio::test]
async fn an_altered_payload_is_never_sent() {
    let (store, home) = fresh_sqlite().await;
    let alerts = ["a", "b", "c", "d"].map(|name| alert(name, Severity::Low, 1, at(0)));
    store.commit_ingest(page(&[], &alerts, "slack", at(0))).await.unwrap();
    let mut shell = shell(&home).await;
    for damage in [
        "UPDATE letters SET body = CAST(replace(CAST(body AS TEXT), 'alice', 'alicf') AS BLOB) WHERE seq = \
         (SELECT seq FROM deliveries WHERE id = 'msg_alr_a.slack')",
        "UPDATE letters SET notification = '{' WHERE seq = (SELECT seq FROM deliveries WHERE id = 'msg_alr_c.slack')",
        "DELETE FROM letters WHERE seq = (SELECT seq FROM deliveries WHERE id = 'msg_alr_d.slack')",
    ] {
        assert_eq!(sqlx::query(damage).execute(&mut shell).await.unwrap().rows_affected(), 1);
    }
    let claimed = store.claim_deliveries(claim("slack", at(1))).await.unwrap().deliveries;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].delivery.id, "msg_alr_b.slack");
    assert_eq!(account(&store, "slack").await, [4, 0, 0, 0, 1, 3]);
    let dead = DeliveryFilter { state: Some(State::Dead), limit: 9, ..DeliveryFilter::default() };
    let dead = store.deliveries(dead).await.unwrap();
    assert_eq!(dead.len(), 3);
    assert!(dead.iter().all(|row| row.last_reason.as_deref().unwrap().starts_with("damaged: ")), "{dead:?}");
    assert_eq!(dead[0].delivery.notification.title, "alice deleted d");
    assert_eq!(store.retry(Pick::default(), at(2)).await.unwrap(), 0, "a retry would send it altered");
}

#[tokio::test]
async fn a_locked_database_is_unavailable_and_recovers() {
    let (store, home) = fresh_sqlite().await;
    let mut shell = shell(&home).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut shell).await.unwrap();
    let refused = store.commit_ingest(page(&["t"], &[], "slack", at(0))).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable { reason }) if reason.contains("locked")), "{refused:?}");
    sqlx::query("ROLLBACK").execute(&mut shell).await.unwrap();
    store.commit_ingest(page(&["t"], &[], "slack", at(0))).await.unwrap();
}

/// A file as the first release wrote it: an open alert with five matches, the first of them told and forgotten.
async fn first_release(home: &Home) -> Alert {
    let state = include_str!("../../../migrations/sqlite/0001_state.sql");
    let state = Migration::new(1, "state".into(), MigrationType::Simple, SqlSafeStr::into_sql_str(state), false);
    let options = SqliteConnectOptions::new().filename(home.path()).create_if_missing(true);
    let mut old = options.journal_mode(SqliteJournalMode::Wal).connect().await.unwrap();
    Migrator::with_migrations(vec![state]).run_direct(None, &mut old, false).await.unwrap();

    let alert = alert("a", Severity::High, 5, at(0));
    let mut facts = serde_json::to_value(&alert).unwrap();
    for newer in ["told", "first_time", "escalated"] {
        assert!(facts.as_object_mut().unwrap().remove(newer).is_some());
    }
    sqlx::query(
        "INSERT INTO alerts (id, fingerprint, source, rule, severity, shadow, count, opened_at, closes_at, facts) \
         VALUES (?1, ?2, 'prod', ?3, 3, 0, 5, ?4, ?5, ?6)",
    )
    .bind(&alert.id)
    .bind(&alert.fingerprint)
    .bind(&alert.rule)
    .bind(alert.opened_at.as_microsecond())
    .bind(alert.closes_at.as_microsecond())
    .bind(facts.to_string())
    .execute(&mut old)
    .await
    .unwrap();
    for statement in [
        "INSERT INTO alert_subscribers VALUES ('alr_a', 'security/slack', 'slack')",
        "INSERT INTO counters VALUES ('owed', 'security/slack', '', 5), ('delivered', 'security/slack', '', 1)",
        "INSERT INTO ledger (source, trace, time, rule, verdict, alert, at) VALUES ('prod', 't', 1, 'r', 'opened', 'alr_a', 1)",
    ] {
        sqlx::query(statement).execute(&mut old).await.unwrap();
    }
    old.close().await.unwrap();
    alert
}

#[tokio::test]
async fn a_file_of_the_first_release_is_migrated_and_owes_what_it_owed() {
    let home = Home::new();
    let alert = first_release(&home).await;
    check_refused(Sqlite::open_read(&home.path()).await, &["schema 1", "start `tracebell run` once"]);
    let store = Sqlite::open(&home.path(), at(1)).await.unwrap();
    assert_eq!(account(&store, "slack").await, [5, 1, 0, 0, 4, 0]);
    let open = store.open_alerts(std::slice::from_ref(&alert.fingerprint)).await.unwrap();
    assert_eq!(open[0].alert, alert, "its first match is what was told of it");
    assert!(store.accounting().await.unwrap().windows.is_empty());

    // It grows on, and its window closes as ever.
    let more = Alert { count: 6, ..alert };
    let mut batch = page(&["t6"], std::slice::from_ref(&more), "slack", at(2));
    batch.owed[0].count = 1;
    (batch.deliveries, batch.subscribers) = (vec![], vec![]);
    store.commit_ingest(batch).await.unwrap();
    assert_eq!(account(&store, "slack").await, [6, 1, 0, 0, 5, 0]);
    assert_eq!(close_windows(&store, at(1000)).await, 1);
    assert_eq!(deliver_all(&store, "slack", at(1001)).await, 1);
    assert_eq!(account(&store, "slack").await, [6, 1, 5, 0, 0, 0]);
}
