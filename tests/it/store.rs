//! The contract of `Store`, in pieces that take any implementation, and what is SQLite's own.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{path::PathBuf, time::Duration};

use tracebell::{
    alert::{Alert, Key, Severity},
    clock::{self, Timestamp},
    delivery::{Cause, Delivery, Leased, Outcome},
    notification::{Gathered, Kind, Notification, Worse},
    store::{
        AttemptRecord, Claim, IngestBatch, IngestCounts, Next, Owed, Sqlite, Store, Subscriber, SubscriptionAccount,
        SweepBatch,
    },
    trace::{Actor, Trace},
};

mod command;
mod contract;
mod outbox;
mod random;
mod silence;
mod sqlite;

/// Runs every piece of the contract against one database; `$open` yields a store and what keeps it alive.
macro_rules! contract {
    ($open:path: $($piece:ident)*) => {
        $(#[tokio::test]
        async fn $piece() {
            contract::$piece($open).await;
        })*
    };
}

contract! { fresh_sqlite:
    a_page_is_whole_or_not_at_all
    a_page_of_many_alerts_is_as_one_of_few
    a_known_trace_is_a_conflict
    an_alert_opened_again_is_not_owed_twice
    a_window_that_closed_meanwhile_is_a_conflict
    claims_go_critical_first_then_oldest
    what_opens_a_conversation_is_claimed_before_what_follows
    the_rate_limit_holds_across_claims
    a_hold_binds_the_endpoint
    a_stale_failure_changes_nothing
    a_late_success_counts
    a_success_lifts_only_an_older_hold
    expired_leases_come_back
    a_delivery_that_keeps_crashing_dies
    unused_leases_are_given_back_uncounted
    a_clock_stepped_back_freezes_nothing
    folding_spares_critical_and_notices
    a_folded_delivery_fares_as_its_summary
    a_window_closes_with_its_summary
    a_window_that_grew_meanwhile_stays_open
    forgetting_keeps_the_accounts
    what_got_worse_is_told_and_summed_up_once
    memories_go_with_their_page
    due_memories_come_longest_silence_first
    too_many_keys_push_out_the_oldest
    memories_expire_with_the_watermark
    rules_watch_since_their_first_page
    habits_keep_their_newest_time_and_are_forgotten
    dead_deliveries_are_retried_unchanged
    deliveries_are_found_by_the_start_of_their_id
    what_is_held_is_told_in_one_and_fares_as_that
    a_hold_by_a_clock_set_back_is_over
    a_group_is_opened_by_one
    what_a_schedule_drops_is_suppressed
    alerts_of_late_are_counted_by_rule_and_in_all
    a_grown_alert_is_shown_where_it_was_told
}

/// As [`contract!`], of another file.
macro_rules! outbox {
    ($open:path: $($piece:ident)*) => {
        $(#[tokio::test]
        async fn $piece() {
            outbox::$piece($open).await;
        })*
    };
}

outbox! { fresh_sqlite:
    a_refused_body_is_replaced_once_under_the_same_id
    what_is_cancelled_is_not_sent_and_counts_as_suppressed
    trouble_is_remembered_until_something_is_taken
}

#[tokio::test]
async fn silences_are_kept_listed_and_ended() {
    silence::silences_are_kept_listed_and_ended(fresh_sqlite).await;
}

#[tokio::test]
async fn what_is_swallowed_goes_with_its_page() {
    silence::what_is_swallowed_goes_with_its_page(fresh_sqlite).await;
}

#[tokio::test]
async fn the_end_of_a_silence_is_told_once() {
    silence::the_end_of_a_silence_is_told_once(fresh_sqlite).await;
}

#[tokio::test]
async fn accounts_hold_after_any_sequence() {
    random::accounts_hold_after_any_sequence(fresh_sqlite).await;
}

/// A file that goes with the test. In memory where possible: what is tested is logic, and fsync is slow.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { folder: folder.unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }
}

async fn fresh_sqlite() -> (Sqlite, Home) {
    let home = Home::new();
    (Sqlite::open(&home.path(), at(0)).await.unwrap(), home)
}

/// Seconds after a fixed moment.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + seconds).unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

fn trace(id: &str, time: Timestamp) -> Trace {
    let actor = Actor { name: Some("alice".into()), ..Actor::default() };
    let (service, operation) = ("IAM".into(), "deleteUser".into());
    Trace { service, operation, actor, ..Trace::blank(id, time) }
}

/// An alert `name` opened at `now` with `count` matches, closing ten minutes later.
fn alert(name: &str, severity: Severity, count: u64, now: Timestamp) -> Alert {
    let window = Duration::from_secs(600);
    Alert {
        id: format!("alr_{name}"),
        source: "prod".into(),
        rule: "user-deleted".into(),
        fingerprint: format!("print-{name}"),
        key: Key::new(),
        severity,
        title: format!("alice deleted {name}"),
        why: None,
        runbook: None,
        first: trace(name, now),
        first_time: None,
        last_time: now,
        count,
        opened_at: now,
        closes_at: clock::plus(now, window),
        window,
        shadow: false,
        told: 1,
        escalated: false,
        muted: None,
        swallowed: 0,
    }
}

fn delivery(id: &str, endpoint: &str, notification: Notification, covers: u64, cause: Cause) -> Delivery {
    Delivery {
        id: format!("msg_{id}"),
        subscription: format!("security/{endpoint}"),
        endpoint: endpoint.into(),
        body: format!("{{\"id\":\"{id}\",\"title\":\"{}\"}}", notification.title).into_bytes(),
        created_at: notification.created_at,
        notification: notification.into(),
        covers,
        cause,
        thread: format!("msg_{id}"),
        hold: None,
    }
}

/// The first message about an alert.
fn opened(alert: &Alert, endpoint: &str) -> Delivery {
    let id = format!("{}.{endpoint}", alert.id);
    delivery(&id, endpoint, Notification::opened(alert, alert.opened_at), alert.told, Cause::Alert(alert.id.clone()))
}

/// The message when it got worse: it tells of `covers` traces.
fn escalated(alert: &Alert, endpoint: &str, covers: u64, now: Timestamp) -> Delivery {
    let id = format!("{}.{endpoint}.escalated.{}", alert.id, alert.count);
    let worse = Worse { was: Severity::Low, trace: trace("worse", now) };
    let notification = Notification::worse(Kind::Escalated, alert, worse, covers, now);
    delivery(&id, endpoint, notification, covers, Cause::Alert(alert.id.clone()))
}

/// The message when its window closes.
fn summary(alert: &Alert, endpoint: &str, now: Timestamp) -> Delivery {
    let id = format!("{}.{endpoint}.summary", alert.id);
    let cause = Cause::WindowClosed(alert.id.clone());
    delivery(&id, endpoint, Notification::summary(alert, now), alert.untold(), cause)
}

fn overflow(id: &str, endpoint: &str, now: Timestamp) -> Delivery {
    let mut notification = Notification::notice(Severity::High, "many", vec![], now);
    notification.kind = Kind::Overflow;
    // More than any test folds.
    notification.gathered = Some(Gathered { total: 1_000_000, ..Gathered::default() });
    delivery(id, endpoint, notification, 0, Cause::Overflow)
}

/// A page with these newly opened alerts, each owed to `endpoint`.
fn page(seen: &[&str], alerts: &[Alert], endpoint: &str, now: Timestamp) -> IngestBatch {
    let matched = alerts.iter().map(|alert| alert.count).sum();
    IngestBatch {
        source: "prod".into(),
        now,
        seen: seen.iter().map(|&id| id.to_owned()).collect(),
        counts: IngestCounts { fetched: matched, evaluated: matched, matched, ..IngestCounts::default() },
        alerts: alerts.to_vec(),
        subscribers: alerts.iter().map(|alert| subscriber(alert, endpoint)).collect(),
        deliveries: alerts.iter().map(|alert| opened(alert, endpoint)).collect(),
        owed: vec![Owed { subscription: format!("security/{endpoint}"), count: matched, suppressed: None }],
        ..IngestBatch::default()
    }
}

fn subscriber(alert: &Alert, endpoint: &str) -> Subscriber {
    let thread = opened(alert, endpoint).id;
    let (alert, subscription) = (alert.id.clone(), format!("security/{endpoint}"));
    Subscriber { alert, subscription, endpoint: endpoint.into(), thread }
}

fn claim(endpoint: &str, now: Timestamp) -> Claim {
    Claim {
        endpoint: endpoint.into(),
        now,
        lease_until: clock::plus(now, Duration::from_secs(60)),
        limit: 100,
        rate: None,
    }
}

fn record(leased: &Leased, outcome: Outcome, next: Next, now: Timestamp) -> AttemptRecord {
    AttemptRecord {
        delivery: leased.delivery.id.clone(),
        endpoint: leased.delivery.endpoint.clone(),
        token: leased.token,
        attempt: leased.attempt,
        started_at: now,
        took: Duration::from_millis(20),
        outcome,
        next,
        trouble: None,
        hold_endpoint_until: None,
        deliveries: vec![],
    }
}

fn success(leased: &Leased, now: Timestamp) -> AttemptRecord {
    record(leased, Outcome::Delivered { answer: "200".into(), receipt: None }, Next::Delivered, now)
}

fn failure(leased: &Leased, next: Next, now: Timestamp) -> AttemptRecord {
    record(leased, Outcome::Retry { reason: "503".into(), retry_after: None }, next, now)
}

/// Claims everything due and delivers it.
async fn deliver_all(store: &impl Store, endpoint: &str, now: Timestamp) -> usize {
    let claimed = store.claim_deliveries(claim(endpoint, now)).await.unwrap().deliveries;
    let records = claimed.iter().map(|leased| success(leased, now)).collect();
    store.record_attempts(records).await.unwrap();
    claimed.len()
}

/// The account of `security/<endpoint>`, which must balance, as
/// `[owed, delivered, summarised, suppressed, pending, dead]`.
#[track_caller]
fn numbers(accounts: &[SubscriptionAccount], endpoint: &str) -> [u64; 6] {
    let id = format!("security/{endpoint}");
    let Some(account) = accounts.iter().find(|account| account.subscription == id) else { return [0; 6] };
    assert!(account.balanced(), "{account:?}");
    let SubscriptionAccount { owed, delivered, summarised, suppressed, pending, dead, .. } = *account;
    [owed, delivered, summarised, suppressed, pending, dead]
}

async fn account(store: &impl Store, endpoint: &str) -> [u64; 6] {
    numbers(&store.accounting().await.unwrap().subscriptions, endpoint)
}

async fn close_windows(store: &impl Store, now: Timestamp) -> usize {
    let closing = store.closing(now, 100).await.unwrap();
    let batch = SweepBatch {
        now,
        closed: closing.iter().map(|closing| closing.alert.id.clone()).collect(),
        deliveries: closing
            .iter()
            .filter(|closing| closing.alert.untold() > 0)
            .flat_map(|closing| closing.subscribers.iter().map(|by| summary(&closing.alert, &by.endpoint, now)))
            .collect(),
        muted: vec![],
        prune_before: None,
    };
    store.commit_sweep(batch).await.unwrap();
    closing.len()
}
