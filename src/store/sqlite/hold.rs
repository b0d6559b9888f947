//! What is held back: groups, what was told lately, and telling it when a hold ends.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::{ABSURD, Sqlite, Transaction, bulk, ingest, micros, moment, row};
use crate::{
    alert::Severity,
    clock::Timestamp,
    delivery::HoldKind,
    notification::{Gathered, Notification},
    store::{Flush, Grown, Held, Shown, StoreError, Subscriber},
    topic::{Group, gather::Gathering},
};

/// Held deliveries read at a time.
const PAGE: i64 = 500;

pub(super) async fn groups(
    pool: &SqlitePool,
    wanted: &[(String, String)],
    now: Timestamp,
) -> Result<Vec<Group>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, String, String, i64, i64)> = sqlx::query_as(
        "SELECT subscription, key, thread, opened_at, closes_at FROM groups WHERE closes_at > ?2 AND opened_at <= ?2 \
         AND (subscription, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
    )
    .bind(json!(wanted).to_string())
    .bind(micros(now))
    .fetch_all(pool)
    .await?;
    let group = |(subscription, key, thread, opened_at, closes_at)| Group {
        subscription,
        key,
        thread,
        opened_at: moment(opened_at),
        closes_at: moment(closes_at),
    };
    Ok(rows.into_iter().map(group).collect())
}

/// Part of T1. One that is open already was opened by another writer since this one looked.
pub(super) async fn open_groups(tx: &mut SqliteConnection, groups: &[Group]) -> Result<(), StoreError> {
    let written = bulk::write(
        tx,
        "INSERT INTO groups (subscription, key, thread, opened_at, closes_at) ",
        groups,
        " ON CONFLICT (subscription, key) DO UPDATE SET thread = excluded.thread, \
         opened_at = excluded.opened_at, closes_at = excluded.closes_at \
         WHERE groups.closes_at <= excluded.opened_at OR groups.opened_at > excluded.opened_at",
        |row, group| {
            row.push_bind(&group.subscription)
                .push_bind(&group.key)
                .push_bind(&group.thread)
                .push_bind(micros(group.opened_at))
                .push_bind(micros(group.closes_at));
        },
    )
    .await?;
    if written < groups.len() as u64 {
        return Err(StoreError::Conflict);
    }
    Ok(())
}

/// Live alerts opened since then: of each of these rules, and in all. Counting stops where it is enough:
/// this runs with each page, most of all when there are many.
pub(super) async fn opened(
    pool: &SqlitePool,
    rules: &[String],
    since: Timestamp,
    most: u64,
) -> Result<BTreeMap<String, u64>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT one.value, (SELECT count(*) FROM (SELECT 1 FROM alerts INDEXED BY alerts_of_rule \
         WHERE rule = one.value AND opened_at > ?2 AND shadow = 0 LIMIT ?3)) FROM json_each(?1) AS one",
    )
    .bind(json!(rules).to_string())
    .bind(micros(since))
    .bind(row::count(most))
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(rule, count)| (rule, u64::try_from(count).unwrap_or(0))).collect())
}

pub(super) async fn opened_in_all(pool: &SqlitePool, since: Timestamp, most: u64) -> Result<u64, StoreError> {
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM (SELECT 1 FROM alerts WHERE opened_at > ?1 AND shadow = 0 LIMIT ?2)")
            .bind(micros(since))
            .bind(row::count(most))
            .fetch_one(pool)
            .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

pub(super) async fn last_held(pool: &SqlitePool, kind: HoldKind) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = sqlx::query_scalar("SELECT max(created_at) FROM deliveries WHERE hold_kind = ?1")
        .bind(kind.as_str())
        .fetch_one(pool)
        .await?;
    Ok(at.map(moment))
}

pub(super) async fn due(pool: &SqlitePool, now: Timestamp, limit: usize) -> Result<Vec<Held>, StoreError> {
    // What seems to be from the future was written before the clock was set back, and waits no longer.
    let due: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT hold FROM deliveries WHERE state = 'held' AND (hold_until <= ?1 OR created_at > ?2) LIMIT ?3",
    )
    .bind(micros(now))
    .bind(micros(now).saturating_add(ABSURD))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    let mut found = Vec::with_capacity(due.len());
    for hold in due {
        found.extend(gather(pool, &hold).await?);
    }
    Ok(found)
}

/// Everything that shares the hold, a page at a time: a storm's worth need not fit into memory.
async fn gather(pool: &SqlitePool, hold: &str) -> Result<Option<Held>, StoreError> {
    let mut gathering = Gathering::default();
    let mut held: Option<Held> = None;
    loop {
        let rows = sqlx::query(
            "SELECT seq, subscription, endpoint, severity, title, tells, notification, created_at, thread, hold_kind, \
             hold_until FROM deliveries LEFT JOIN letters USING (seq) \
             WHERE hold = ?1 AND state = 'held' AND seq > ?2 ORDER BY seq LIMIT ?3",
        )
        .bind(hold)
        .bind(held.as_ref().map_or(0, |held| held.up_to))
        .bind(PAGE)
        .fetch_all(pool)
        .await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            take_in(&mut gathering, row)?;
            let held = match &mut held {
                Some(held) => held,
                None => held.insert(begin(hold, row)?),
            };
            held.deliveries += 1;
            held.up_to = row.try_get("seq")?;
        }
    }
    Ok(held.map(|held| Held { worst: gathering.worst(), gathered: gathering.finish(), ..held }))
}

fn begin(hold: &str, row: &SqliteRow) -> Result<Held, StoreError> {
    Ok(Held {
        hold: hold.to_owned(),
        // It has to be told, whatever it waited for.
        kind: HoldKind::parse(row.try_get("hold_kind")?).unwrap_or(HoldKind::Digest),
        until: moment(row.try_get("hold_until")?),
        since: moment(row.try_get("created_at")?),
        subscription: row.try_get("subscription")?,
        endpoint: row.try_get("endpoint")?,
        thread: row.try_get::<Option<String>, _>("thread")?.unwrap_or_default(),
        deliveries: 0,
        up_to: 0,
        worst: Severity::Info,
        gathered: Gathered::default(),
    })
}

fn take_in(gathering: &mut Gathering, row: &SqliteRow) -> Result<(), StoreError> {
    let tells = u64::try_from(row.try_get::<i64, _>("tells")?).unwrap_or(0);
    // Need not be text any more, nor there.
    let notification: Option<Vec<u8>> = row.try_get_unchecked("notification")?;
    match serde_json::from_slice::<Notification>(&notification.unwrap_or_default()) {
        Ok(notification) => gathering.add(&notification, tells),
        Err(_) => {
            let (title, at): (String, i64) = (row.try_get("title")?, row.try_get("created_at")?);
            gathering.add_unreadable(&title, row::severity(row.try_get("severity")?), tells, moment(at));
        }
    }
    Ok(())
}

pub(super) async fn flush(mut tx: Transaction, flush: Flush) -> Result<u64, StoreError> {
    let rows = match &flush.into {
        Some(carrier) => {
            // One that exists may have been sent already: what is folded into it would never be told.
            if !row::insert(&mut tx, carrier).await? {
                return Err(StoreError::Conflict);
            }
            sqlx::query(
                "UPDATE deliveries SET state = 'folded', folded_into = ?3, finished_at = ?4 \
                 WHERE hold = ?1 AND state = 'held' AND seq <= ?2",
            )
            .bind(&flush.hold)
            .bind(flush.up_to)
            .bind(&carrier.id)
            .bind(micros(flush.now))
            .execute(&mut *tx)
            .await?
            .rows_affected()
        }
        None => sqlx::query(
            "UPDATE deliveries SET state = 'ready', next_at = ?3, owed_since = ?3 \
             WHERE hold = ?1 AND state = 'held' AND seq <= ?2",
        )
        .bind(&flush.hold)
        .bind(flush.up_to)
        .bind(micros(flush.now))
        .execute(&mut *tx)
        .await?
        .rows_affected(),
    };
    if rows > 0 {
        tx.commit().await?;
    }
    Ok(rows)
}

/// Subscribers are left out whose first message of the alert cannot be found again.
pub(super) async fn grown(pool: &SqlitePool, before: Timestamp, limit: usize) -> Result<Vec<Grown>, StoreError> {
    let rows = sqlx::query(
        // An edit that still waits will be followed by the next one, which shows more.
        "SELECT id, facts FROM alerts WHERE closed_at IS NULL AND shadow = 0 AND count > shown \
         AND coalesce(shown_at, opened_at) <= ?1 AND NOT EXISTS (SELECT 1 FROM deliveries AS waits \
         WHERE waits.cause_id = alerts.id AND waits.cause = 'repeated' AND waits.state = 'ready') LIMIT ?2",
    )
    .bind(micros(before))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let id: String = row.try_get("id")?;
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT by.subscription, by.endpoint, by.thread FROM alert_subscribers AS by \
             CROSS JOIN deliveries AS first ON first.id = by.thread AND first.endpoint = by.endpoint \
             WHERE by.alert = ?1 AND first.state = 'delivered' AND first.receipt IS NOT NULL",
        )
        .bind(&id)
        .fetch_all(pool)
        .await?;
        let subscriber =
            |(subscription, endpoint, thread)| Subscriber { alert: id.clone(), subscription, endpoint, thread };
        let subscribers = rows.into_iter().map(subscriber).collect();
        // One that cannot be read is closed by the sweep, in its time.
        found.push(Grown { alert: ingest::alert(&row).ok(), subscribers, id: id.clone() });
    }
    Ok(found)
}

pub(super) async fn show(store: &Sqlite, shown: Shown) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    for (alert, count) in &shown.alerts {
        sqlx::query("UPDATE alerts SET shown = max(shown, coalesce(?2, count)), shown_at = ?3 WHERE id = ?1")
            .bind(alert)
            .bind(count.map(row::count))
            .bind(micros(shown.now))
            .execute(&mut *tx)
            .await?;
    }
    row::insert_all(&mut tx, &shown.deliveries).await?;
    Ok(tx.commit().await?)
}
