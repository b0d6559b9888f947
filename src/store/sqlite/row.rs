//! A delivery as a row, and back. What is frozen carries a checksum.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    bulk::{self, Values},
    micros, moment,
};
use crate::{
    alert::Severity,
    clock::Timestamp,
    delivery::{Cause, Delivery, Hold, HoldKind, State},
    notification::{Frozen, Kind, Notification},
    store::{DeliveryRow, StoreError},
};

/// Columns that [`delivery`] reads of [`WHOLE`].
pub(super) const COLUMNS: &str = "seq, id, subscription, endpoint, cause, cause_id, covers, \
    notification, body, checksum, created_at, thread, hold, hold_kind, hold_until";
/// What [`listed`] reads beside them.
pub(super) const STANDING: &str = "severity, title, state, attempts, next_at, finished_at, folded_into, last_reason, \
    (SELECT attempt FROM leases WHERE leases.seq = deliveries.seq) AS leased";
/// Nobody holds the row of `deliveries`.
pub(super) const FREE: &str = free!();
/// Deliveries with what is frozen of them. One whose letter is gone is damaged, not invisible.
pub(super) const WHOLE: &str = "deliveries LEFT JOIN letters USING (seq)";

/// Writes a delivery as ready, or as held; false if its id exists already, which is left alone.
pub(super) async fn insert(tx: &mut SqliteConnection, delivery: &Delivery) -> Result<bool, StoreError> {
    Ok(insert_all(tx, std::slice::from_ref(delivery)).await?.is_empty())
}

/// Writes deliveries as ready, or as held; returns those whose id exists already, which are left alone.
pub(super) async fn insert_all<'a>(
    tx: &mut SqliteConnection,
    deliveries: &'a [Delivery],
) -> Result<Vec<&'a Delivery>, StoreError> {
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = deliveries.iter().map(|delivery| delivery.id.as_str()).collect();
    let (last, mut known) = known(tx, &ids).await?;
    let (mut fresh, mut left_alone) = (Vec::with_capacity(deliveries.len()), Vec::new());
    for delivery in deliveries {
        match known.insert(delivery.id.clone()) {
            true => fresh.push(delivery),
            false => left_alone.push(delivery),
        }
    }
    let fresh: Vec<(i64, &Delivery)> = (last + 1..).zip(fresh).collect();
    bulk::write(
        tx,
        "INSERT OR FAIL INTO deliveries (seq, id, subscription, endpoint, severity, cause, cause_id, rule, actor, title, \
         covers, tells, state, next_at, created_at, owed_since, recorded_at, thread, hold, hold_kind, hold_until) ",
        &fresh,
        "",
        outside,
    )
    .await?;
    let insert = "INSERT OR FAIL INTO letters (seq, notification, body, checksum) ";
    bulk::write(tx, insert, &fresh, "", letter).await?;
    Ok(left_alone)
}

/// The last number given, and those of the ids that exist.
async fn known(tx: &mut SqliteConnection, ids: &[&str]) -> Result<(i64, HashSet<String>), StoreError> {
    let rows: Vec<(i64, Option<String>)> = sqlx::query_as(
        "SELECT coalesce(max(seq), 0), NULL FROM deliveries UNION ALL \
         SELECT seq, id FROM deliveries WHERE id IN (SELECT value FROM json_each(?1))",
    )
    .bind(json(&ids))
    .fetch_all(tx)
    .await?;
    let last = rows.iter().map(|(seq, _)| *seq).max().unwrap_or(0);
    Ok((last, rows.into_iter().filter_map(|(_, id)| id).collect()))
}

/// The row in `deliveries`.
fn outside(row: &mut Values<'_>, (seq, delivery): &(i64, &Delivery)) {
    let facts = delivery.notification.alert.as_ref();
    let (cause, cause_id) = cause_columns(&delivery.cause);
    let created_at = micros(delivery.created_at);
    let hold = delivery.hold.as_ref();
    row.push_bind(seq)
        .push_bind(&delivery.id)
        .push_bind(&delivery.subscription)
        .push_bind(&delivery.endpoint)
        .push_bind(rank(delivery.notification.severity))
        .push_bind(cause)
        .push_bind(cause_id)
        .push_bind(facts.map_or("", |facts| facts.rule.as_str()))
        .push_bind(facts.map_or("", |facts| facts.trace.actor_label()))
        .push_bind(&delivery.notification.title)
        .push_bind(count(delivery.covers))
        .push_bind(count(tells(delivery)))
        .push_bind(if hold.is_some() { "held" } else { "ready" })
        .push_bind(created_at)
        .push_bind(created_at)
        .push_bind(created_at)
        .push_bind(facts.map(|facts| micros(facts.trace.record_time)))
        .push_bind(&delivery.thread)
        .push_bind(hold.map(|hold| hold.id.as_str()))
        .push_bind(hold.map(|hold| hold.kind.as_str()))
        .push_bind(hold.map(|hold| micros(hold.until)));
}

/// The row in `letters`, with the checksum of what is frozen.
fn letter(row: &mut Values<'_>, (seq, delivery): &(i64, &Delivery)) {
    let notification = delivery.notification.text();
    let (cause, cause_id) = cause_columns(&delivery.cause);
    let frozen =
        [&delivery.id, &delivery.subscription, &delivery.endpoint, cause, cause_id.unwrap_or(""), notification];
    let checksum = checksum(frozen, &delivery.body);
    row.push_bind(seq).push_bind(notification).push_bind(&delivery.body).push_bind(&checksum[..]);
}

/// The checksum of a row with this body.
pub(super) fn seal(row: &SqliteRow, body: &[u8]) -> Result<[u8; 32], StoreError> {
    let cause_id: Option<&str> = row.try_get("cause_id")?;
    let texts = [
        row.try_get("id")?,
        row.try_get("subscription")?,
        row.try_get("endpoint")?,
        row.try_get("cause")?,
        cause_id.unwrap_or(""),
        row.try_get("notification")?,
    ];
    Ok(checksum(texts, body))
}

/// The delivery of a row, or what is wrong with it.
pub(super) fn delivery(row: &SqliteRow) -> Result<Delivery, StoreError> {
    let id: String = row.try_get("id")?;
    let (Some(notification), Some(body)) =
        (row.try_get::<Option<&str>, _>("notification")?, row.try_get::<Option<Vec<u8>>, _>("body")?)
    else {
        return Err(damaged("what was to be sent is gone"));
    };
    if row.try_get::<&[u8], _>("checksum")? != seal(row, &body)? {
        return Err(damaged("the stored delivery is not what was written: its checksum differs"));
    }
    let (subscription, endpoint): (String, String) = (row.try_get("subscription")?, row.try_get("endpoint")?);
    let (word, cause_id): (&str, Option<String>) = (row.try_get("cause")?, row.try_get("cause_id")?);
    let notification = Frozen::stored(notification);
    let cause = cause(word, cause_id).ok_or_else(|| damaged(&format!("`{word}` is no cause of a delivery")))?;
    let covers = u64::try_from(row.try_get::<i64, _>("covers")?).unwrap_or(0);
    let created_at = moment(row.try_get("created_at")?);
    let thread = row.try_get::<Option<String>, _>("thread")?.unwrap_or_else(|| id.clone());
    let hold = hold(row)?;
    Ok(Delivery { id, subscription, endpoint, notification, body, covers, cause, created_at, thread, hold })
}

/// A row for a list. A damaged one is shown as such rather than hiding the others.
pub(super) fn listed(row: &SqliteRow) -> Result<DeliveryRow, StoreError> {
    let delivery = match delivery(row) {
        Ok(delivery) => delivery,
        Err(StoreError::Damaged { reason }) => stand_in(row, reason)?,
        Err(error) => return Err(error),
    };
    let (word, leased): (&str, Option<u32>) = (row.try_get("state")?, row.try_get("leased")?);
    let state = State::parse(word).ok_or_else(|| damaged(&format!("`{word}` is no state of a delivery")))?;
    let state = if state == State::Ready && leased.is_some() { State::Leased } else { state };
    Ok(DeliveryRow {
        delivery,
        state,
        attempts: leased.map_or_else(|| row.try_get("attempts"), Ok)?,
        next_at: (state == State::Ready).then_some(moment(row.try_get("next_at")?)),
        finished_at: row.try_get::<Option<i64>, _>("finished_at")?.map(moment),
        folded_into: row.try_get("folded_into")?,
        last_reason: row.try_get("last_reason")?,
    })
}

fn stand_in(row: &SqliteRow, reason: String) -> Result<Delivery, StoreError> {
    let created_at: Timestamp = moment(row.try_get("created_at")?);
    let text = |column: &str| row.try_get::<String, _>(column).unwrap_or_default();
    let severity = severity(row.try_get("severity")?);
    Ok(Delivery {
        id: text("id"),
        subscription: text("subscription"),
        endpoint: text("endpoint"),
        notification: Notification::notice(severity, text("title"), vec![reason], created_at).into(),
        body: Vec::new(),
        covers: u64::try_from(row.try_get::<i64, _>("covers")?).unwrap_or(0),
        cause: cause(&text("cause"), row.try_get("cause_id").unwrap_or_default()).unwrap_or(Cause::Notice),
        created_at,
        thread: text("id"),
        hold: None,
    })
}

fn hold(row: &SqliteRow) -> Result<Option<Hold>, StoreError> {
    let (Some(id), Some(word)) =
        (row.try_get::<Option<String>, _>("hold")?, row.try_get::<Option<String>, _>("hold_kind")?)
    else {
        return Ok(None);
    };
    let kind = HoldKind::parse(&word).ok_or_else(|| damaged(&format!("`{word}` holds no delivery back")))?;
    Ok(Some(Hold { id, kind, until: moment(row.try_get::<Option<i64>, _>("hold_until")?.unwrap_or(i64::MAX)) }))
}

/// How many alerts and repeats a reader learns of from this delivery; a copy tells what its original told.
fn tells(delivery: &Delivery) -> u64 {
    let notification = &delivery.notification;
    match notification.kind {
        _ if delivery.covers > 0 => delivery.covers,
        Kind::Overflow | Kind::Digest | Kind::Group => {
            notification.gathered.as_ref().map_or(1, |gathered| gathered.total)
        }
        Kind::Notice | Kind::Test => 1,
        Kind::Repeated | Kind::Silenced | Kind::Lifted => 0,
        Kind::Opened | Kind::Late | Kind::Escalated | Kind::Updated | Kind::Summary => match &notification.alert {
            Some(facts) if facts.tells > 0 => facts.tells,
            // Stored before `tells` was: the first match was told at once, the rest by the summary.
            Some(facts) if notification.kind == Kind::Summary => facts.count.saturating_sub(1),
            _ => 1,
        },
    }
}

fn checksum(texts: [&str; 6], body: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in texts.iter().map(|text| text.as_bytes()).chain([body]) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn cause_columns(cause: &Cause) -> (&'static str, Option<&str>) {
    match cause {
        Cause::Alert(alert) => ("alert", Some(alert)),
        Cause::WindowClosed(alert) => ("window_closed", Some(alert)),
        Cause::Fallback(delivery) => ("fallback", Some(delivery)),
        Cause::Overflow => ("overflow", None),
        Cause::Held(kind) => ("held", Some(kind.as_str())),
        Cause::Repeated(alert) => ("repeated", Some(alert)),
        Cause::Silenced(silence) => ("silenced", Some(silence)),
        Cause::Notice => ("notice", None),
        Cause::Test => ("test", None),
    }
}

fn cause(word: &str, id: Option<String>) -> Option<Cause> {
    Some(match (word, id) {
        ("alert", Some(id)) => Cause::Alert(id),
        ("window_closed", Some(id)) => Cause::WindowClosed(id),
        ("fallback", Some(id)) => Cause::Fallback(id),
        ("overflow", _) => Cause::Overflow,
        ("held", Some(kind)) => Cause::Held(HoldKind::parse(&kind)?),
        ("repeated", Some(alert)) => Cause::Repeated(alert),
        ("silenced", Some(silence)) => Cause::Silenced(silence),
        ("notice", _) => Cause::Notice,
        ("test", _) => Cause::Test,
        _ => return None,
    })
}

pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("these types have string keys and no failing serializers")
}

pub(super) fn rank(severity: Severity) -> i64 {
    severity as i64
}

pub(super) fn severity(rank: i64) -> Severity {
    Severity::ALL.into_iter().find(|&severity| self::rank(severity) == rank).unwrap_or(Severity::Info)
}

/// SQLite's integers are signed.
pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn damaged(reason: &str) -> StoreError {
    StoreError::Damaged { reason: reason.to_owned() }
}
