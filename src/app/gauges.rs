//! Gauges read from the store when Prometheus asks.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
};

use crate::{
    clock,
    metrics::{EndpointLabel, Metrics, SourceLabel, SourceStateLabel, SubscriptionStateLabel, WindowLabel},
    store::{Accounting, EndpointState, Sqlite, Store},
};

/// A function that brings the gauges up to date.
pub type Refresh = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub fn refresher(store: Sqlite, metrics: Metrics) -> Refresh {
    Arc::new(move || {
        let (store, metrics) = (store.clone(), metrics.clone());
        Box::pin(async move {
            // A store that cannot be read leaves the old values; readiness tells.
            if let Ok(accounting) = store.accounting().await {
                account(&metrics, &accounting);
            }
            if let Ok(endpoints) = store.endpoints().await {
                queues(&metrics, &endpoints);
            }
        })
    })
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn account(metrics: &Metrics, accounting: &Accounting) {
    let mut unaccounted = 0;
    for source in &accounting.sources {
        let counts = &source.counts;
        let states = [
            ("fetched", counts.fetched),
            ("duplicate", counts.duplicate),
            ("undecodable", counts.undecodable),
            ("evaluated", counts.evaluated),
            ("unmatched", counts.unmatched),
            ("matched", counts.matched),
        ];
        for (state, value) in states {
            let label = SourceStateLabel { source: source.source.clone(), state };
            metrics.traces.get_or_create(&label).set(number(value));
        }
        let label = SourceLabel { source: source.source.clone() };
        metrics.source_gaps.get_or_create(&label).set(number(source.gaps));
        metrics.source_gaps_filled.get_or_create(&label).set(number(source.filled));
        if let Some(checkpoint) = &source.checkpoint {
            let lag = clock::since(checkpoint.watermark, clock::now());
            metrics.source_lag_seconds.get_or_create(&label).set(lag.as_secs_f64());
        }
    }
    for account in &accounting.subscriptions {
        let states = [
            ("owed", account.owed),
            ("delivered", account.delivered),
            ("summarised", account.summarised),
            ("suppressed", account.suppressed),
            ("pending", account.pending),
            ("dead", account.dead),
        ];
        for (state, value) in states {
            let label = SubscriptionStateLabel { subscription: account.subscription.clone(), state };
            metrics.owed.get_or_create(&label).set(number(value));
        }
        let placed = account.delivered + account.summarised + account.suppressed + account.pending + account.dead;
        unaccounted += number(account.owed) - number(placed);
    }
    metrics.unaccounted.set(unaccounted);
    metrics.quarantined.set(number(accounting.quarantined));
    // A rule whose memories all expired is not listed any more.
    metrics.window_keys.clear();
    for window in &accounting.windows {
        let label = WindowLabel { rule: window.rule.clone() };
        metrics.window_keys.get_or_create(&label).set(number(window.keys));
        // The store counts since ever, so the counter takes its value instead of growing by itself.
        metrics.window_keys_evicted.get_or_create(&label).inner().store(window.evicted, Ordering::Relaxed);
    }
}

fn queues(metrics: &Metrics, endpoints: &[EndpointState]) {
    let now = clock::now();
    for state in endpoints {
        let label = EndpointLabel { endpoint: state.endpoint.clone() };
        metrics.queue.get_or_create(&label).set(number(state.ready));
        let age = state.oldest.map_or(0.0, |oldest| clock::since(oldest, now).as_secs_f64());
        metrics.queue_age_seconds.get_or_create(&label).set(age);
        let held = state.hold_until.is_some_and(|until| until > now);
        metrics.endpoint_held.get_or_create(&label).set(i64::from(held));
    }
}
