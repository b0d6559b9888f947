//! The accounting identity and the endpoints' standing, each read in one transaction.

use std::collections::BTreeMap;

use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::{check, fill, memory, moment};
use crate::{
    checkpoint::Checkpoint,
    delivery::{Pause, Trouble},
    store::{Accounting, EndpointState, SourceAccount, StoreError, SubscriptionAccount, WindowAccount},
};

pub(super) async fn accounting(pool: &SqlitePool) -> Result<Accounting, StoreError> {
    let mut tx = pool.begin().await?;
    let mut sources: BTreeMap<String, SourceAccount> = BTreeMap::new();
    let mut subscriptions: BTreeMap<String, SubscriptionAccount> = BTreeMap::new();
    let mut windows: BTreeMap<String, WindowAccount> = BTreeMap::new();
    counters(&mut tx, &mut sources, &mut subscriptions, &mut windows).await?;
    positions(&mut tx, &mut sources).await?;
    rows(&mut tx, &mut subscriptions).await?;
    for (rule, keys) in memory::keys(&mut tx).await? {
        windows.entry(owner(&rule)).or_default().keys += unsigned(keys);
    }
    let quarantined: i64 = sqlx::query_scalar("SELECT count(*) FROM quarantine").fetch_one(&mut *tx).await?;
    Ok(Accounting {
        sources: sources.into_iter().map(|(source, account)| SourceAccount { source, ..account }).collect(),
        subscriptions: subscriptions
            .into_iter()
            .map(|(subscription, account)| SubscriptionAccount { subscription, ..account })
            .collect(),
        quarantined: unsigned(quarantined),
        windows: windows.into_iter().map(|(rule, account)| WindowAccount { rule, ..account }).collect(),
    })
}

async fn counters(
    tx: &mut SqliteConnection,
    sources: &mut BTreeMap<String, SourceAccount>,
    subscriptions: &mut BTreeMap<String, SubscriptionAccount>,
    windows: &mut BTreeMap<String, WindowAccount>,
) -> Result<(), StoreError> {
    let rows: Vec<(String, String, String, i64)> =
        sqlx::query_as("SELECT kind, scope, name, value FROM counters").fetch_all(tx).await?;
    for (kind, scope, name, value) in rows {
        let value = unsigned(value);
        if kind == "source" {
            let counts = &mut sources.entry(scope).or_default().counts;
            match name.as_str() {
                "fetched" => counts.fetched = value,
                "duplicate" => counts.duplicate = value,
                "undecodable" => counts.undecodable = value,
                "evaluated" => counts.evaluated = value,
                "unmatched" => counts.unmatched = value,
                "matched" => counts.matched = value,
                _ => {}
            }
            continue;
        }
        if kind == memory::EVICTED {
            windows.entry(owner(&scope)).or_default().evicted += value;
            continue;
        }
        let account = subscriptions.entry(scope).or_default();
        match kind.as_str() {
            "owed" => account.owed += value,
            "suppressed" => account.suppressed += value,
            "delivered" => account.delivered += value,
            "summarised" => account.summarised += value,
            _ => {}
        }
    }
    Ok(())
}

async fn positions(tx: &mut SqliteConnection, sources: &mut BTreeMap<String, SourceAccount>) -> Result<(), StoreError> {
    let rows: Vec<(String, i64, i64, i64, i64)> =
        sqlx::query_as("SELECT source, watermark, warm_at, cold_at, deep_at FROM checkpoints")
            .fetch_all(&mut *tx)
            .await?;
    for (source, watermark, warm, cold, deep) in rows {
        sources.entry(source).or_default().checkpoint = Some(Checkpoint {
            watermark: moment(watermark),
            warm_at: moment(warm),
            cold_at: moment(cold),
            deep_at: moment(deep),
        });
    }
    for (source, open, filled) in fill::gaps(tx).await? {
        let account = sources.entry(source).or_default();
        (account.gaps, account.filled) = (open, filled);
    }
    Ok(())
}

async fn rows(
    tx: &mut SqliteConnection,
    subscriptions: &mut BTreeMap<String, SubscriptionAccount>,
) -> Result<(), StoreError> {
    let single: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT subscription, state, cause, sum(covers) FROM deliveries INDEXED BY deliveries_account \
         WHERE covers > 0 AND state <> 'folded' GROUP BY subscription, state, cause",
    )
    .fetch_all(&mut *tx)
    .await?;
    for (subscription, state, cause, covers) in single {
        let account = subscriptions.entry(subscription).or_default();
        *match (state.as_str(), cause.as_str()) {
            ("delivered", "window_closed") => &mut account.summarised,
            ("delivered", _) => &mut account.delivered,
            ("dead", _) => &mut account.dead,
            ("cancelled", _) => &mut account.suppressed,
            _ => &mut account.pending,
        } += unsigned(covers);
    }
    // A folded row fares as the summary that carries it.
    let folded: Vec<(String, Option<String>, i64)> = sqlx::query_as(
        "SELECT told.subscription, carrier.state, sum(told.covers) FROM \
         (SELECT folded_into, subscription, sum(covers) AS covers FROM deliveries INDEXED BY deliveries_folded \
          WHERE state = 'folded' GROUP BY folded_into, subscription) AS told \
         LEFT JOIN deliveries AS carrier ON carrier.id = told.folded_into GROUP BY told.subscription, carrier.state",
    )
    .fetch_all(&mut *tx)
    .await?;
    for (subscription, carrier, covers) in folded {
        let account = subscriptions.entry(subscription).or_default();
        *match carrier.as_deref() {
            Some("delivered") => &mut account.summarised,
            Some("ready" | "held") => &mut account.pending,
            Some("cancelled") => &mut account.suppressed,
            _ => &mut account.dead,
        } += unsigned(covers);
    }
    let untold: Vec<(String, i64)> = sqlx::query_as(
        "SELECT alert_subscribers.subscription, sum(alerts.count - alerts.told) FROM alerts INDEXED BY alerts_untold \
         CROSS JOIN alert_subscribers ON alert_subscribers.alert = alerts.id \
         WHERE alerts.closed_at IS NULL AND alerts.shadow = 0 AND alerts.count > alerts.told GROUP BY 1",
    )
    .fetch_all(&mut *tx)
    .await?;
    for (subscription, untold) in untold {
        subscriptions.entry(subscription).or_default().pending += unsigned(untold);
    }
    Ok(())
}

pub(super) async fn endpoints(pool: &SqlitePool) -> Result<Vec<EndpointState>, StoreError> {
    let mut tx = pool.begin().await?;
    let mut endpoints: BTreeMap<String, EndpointState> = BTreeMap::new();
    let queues: Vec<(String, i64, i64, Option<i64>)> = sqlx::query_as(
        "SELECT endpoint, sum(state = 'ready'), sum(state = 'dead'), \
         min(CASE WHEN state <> 'dead' THEN created_at END) FROM deliveries INDEXED BY deliveries_owed \
         WHERE state = 'ready' OR state = 'dead' GROUP BY endpoint",
    )
    .fetch_all(&mut *tx)
    .await?;
    for (endpoint, ready, dead, oldest) in queues {
        let state = endpoints.entry(endpoint).or_default();
        (state.ready, state.dead, state.oldest) = (unsigned(ready), unsigned(dead), oldest.map(moment));
    }
    let leased: Vec<(String, i64)> =
        sqlx::query_as("SELECT endpoint, count(*) FROM leases CROSS JOIN deliveries USING (seq) GROUP BY endpoint")
            .fetch_all(&mut *tx)
            .await?;
    for (endpoint, leased) in leased {
        let state = endpoints.entry(endpoint).or_default();
        state.ready = state.ready.saturating_sub(unsigned(leased));
    }
    let standing = sqlx::query(
        "SELECT endpoint, hold_until, failures, last_reason, overflow_at, failing_since, paused_reason, paused_fix, \
         told_at, checked_at, checked_as, checked_reason, credentials FROM endpoints",
    )
    .fetch_all(&mut *tx)
    .await?;
    for row in &standing {
        let state = endpoints.entry(row.try_get(0)?).or_default();
        state.hold_until = row.try_get::<Option<i64>, _>(1)?.map(moment);
        state.failures = row.try_get(2)?;
        state.last_reason = row.try_get(3)?;
        state.overflow_at = row.try_get::<Option<i64>, _>(4)?.map(moment);
        state.trouble = trouble(row)?;
        state.checked = check::of_row(row)?;
    }
    Ok(endpoints.into_iter().map(|(endpoint, state)| EndpointState { endpoint, ..state }).collect())
}

fn trouble(row: &SqliteRow) -> Result<Option<Trouble>, StoreError> {
    let Some(since) = row.try_get::<Option<i64>, _>("failing_since")? else { return Ok(None) };
    let reason: Option<String> = row.try_get("paused_reason")?;
    let fix: Option<String> = row.try_get("paused_fix")?;
    let told_at: Option<i64> = row.try_get("told_at")?;
    Ok(Some(Trouble {
        since: moment(since),
        paused: reason.map(|reason| Pause { reason, fix: fix.unwrap_or_default() }),
        told_at: told_at.map(moment),
    }))
}

/// The rule of a memory: a rule that remembers several kinds of things files them under `rule/kind`.
fn owner(rule: &str) -> String {
    rule.split('/').next().unwrap_or(rule).to_owned()
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
