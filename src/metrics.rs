//! What Prometheus sees. A typed struct without globals, so each test has its own.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SourceLabel {
    pub source: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SourceStateLabel {
    pub source: String,
    pub state: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RuleLabel {
    pub rule: String,
    pub severity: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WindowLabel {
    pub rule: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AttemptLabel {
    pub endpoint: String,
    pub outcome: &'static str,
    /// A status class or error class from a closed set, never the other side's text.
    pub reason: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EndpointLabel {
    pub endpoint: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SubscriptionStateLabel {
    pub subscription: String,
    pub state: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PushLabel {
    pub source: String,
    pub outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RefusalLabel {
    /// Empty where no source is known by that name.
    pub source: String,
    pub reason: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct FetchLabel {
    pub source: String,
    pub outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PathLabel {
    pub path: &'static str,
}

type F64Gauge = Gauge<f64, AtomicU64>;

/// Cheap to clone: every family is shared.
#[derive(Clone)]
pub struct Metrics {
    /// Accounting per source: fetched, duplicate, undecodable, evaluated, unmatched, matched.
    pub traces: Family<SourceStateLabel, Gauge>,
    /// Accounting per subscription: owed, delivered, summarised, suppressed, pending, dead.
    pub owed: Family<SubscriptionStateLabel, Gauge>,
    pub unaccounted: Gauge,
    pub source_lag_seconds: Family<SourceLabel, F64Gauge>,
    pub source_up: Family<SourceLabel, Gauge>,
    pub tracker_enabled: Family<SourceLabel, Gauge>,
    pub source_failures: Family<SourceLabel, Counter>,
    pub source_gaps: Family<SourceLabel, Gauge>,
    pub source_gaps_filled: Family<SourceLabel, Gauge>,
    pub alerts: Family<RuleLabel, Counter>,
    pub attempts: Family<AttemptLabel, Counter>,
    pub attempt_seconds: Family<EndpointLabel, Histogram>,
    pub queue: Family<EndpointLabel, Gauge>,
    pub queue_age_seconds: Family<EndpointLabel, F64Gauge>,
    pub endpoint_held: Family<EndpointLabel, Gauge>,
    pub trace_to_delivery_seconds: Family<EndpointLabel, Histogram>,
    pub rules_loaded: Gauge,
    pub reload_failures: Counter,
    pub quarantined: Gauge,
    pub window_keys: Family<WindowLabel, Gauge>,
    pub window_keys_evicted: Family<WindowLabel, Counter>,
    pub window_traces_crowded_out: Counter,
    pub pushed_traces: Family<PushLabel, Counter>,
    pub push_refused: Family<RefusalLabel, Counter>,
    pub push_certificate_fetches: Family<FetchLabel, Counter>,
    pub trace_delay_seconds: Family<PathLabel, Histogram>,
}

/// What is measured of one endpoint, looked up once.
pub struct Durations {
    pub attempt: Histogram,
    pub trace_to_delivery: Histogram,
}

/// From 5 ms to about 5 min.
const ATTEMPT_BUCKETS: [f64; 10] = [0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// A push takes moments, a poll its interval.
const PATH_BUCKETS: [f64; 12] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];
const DELAY_BUCKETS: [f64; 10] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21600.0];

impl Metrics {
    pub fn durations(&self, endpoint: &str) -> Durations {
        let label = EndpointLabel { endpoint: endpoint.to_owned() };
        Durations {
            attempt: self.attempt_seconds.get_or_create(&label).clone(),
            trace_to_delivery: self.trace_to_delivery_seconds.get_or_create(&label).clone(),
        }
    }

    /// All metrics and the registry that prints them.
    pub fn new() -> (Self, Registry) {
        let metrics = Self {
            traces: Family::default(),
            owed: Family::default(),
            unaccounted: Gauge::default(),
            source_lag_seconds: Family::default(),
            source_up: Family::default(),
            tracker_enabled: Family::default(),
            source_failures: Family::default(),
            source_gaps: Family::default(),
            source_gaps_filled: Family::default(),
            alerts: Family::default(),
            attempts: Family::default(),
            attempt_seconds: Family::new_with_constructor(|| Histogram::new(ATTEMPT_BUCKETS)),
            queue: Family::default(),
            queue_age_seconds: Family::default(),
            endpoint_held: Family::default(),
            trace_to_delivery_seconds: Family::new_with_constructor(|| Histogram::new(DELAY_BUCKETS)),
            rules_loaded: Gauge::default(),
            reload_failures: Counter::default(),
            quarantined: Gauge::default(),
            window_keys: Family::default(),
            window_keys_evicted: Family::default(),
            window_traces_crowded_out: Counter::default(),
            pushed_traces: Family::default(),
            push_refused: Family::default(),
            push_certificate_fetches: Family::default(),
            trace_delay_seconds: Family::new_with_constructor(|| Histogram::new(PATH_BUCKETS)),
        };
        let mut registry = Registry::with_prefix("tracebell");
        let r = &mut registry;
        r.register("traces", "Traces by what became of them, from the store", metrics.traces.clone());
        r.register(
            "owed_alerts",
            "Alerts and repeats per subscription by what became of them, from the store",
            metrics.owed.clone(),
        );
        r.register(
            "unaccounted_alerts",
            "Alerts and repeats the accounting cannot place; must be 0",
            metrics.unaccounted.clone(),
        );
        r.register_with_unit(
            "source_lag",
            "Time from the watermark to now",
            Unit::Seconds,
            metrics.source_lag_seconds.clone(),
        );
        r.register(
            "tracker_enabled",
            "1 if the tracker of the source is enabled; missing if it cannot be looked at",
            metrics.tracker_enabled.clone(),
        );
        r.register("source_up", "1 if the last poll of the source succeeded", metrics.source_up.clone());
        r.register("source_failures", "Polls of the source that failed", metrics.source_failures.clone());
        r.register(
            "source_gaps",
            "Stretches of the past that could not be read and are not filled",
            metrics.source_gaps.clone(),
        );
        r.register(
            "source_gaps_filled",
            "Stretches of the past that were filled from the archive",
            metrics.source_gaps_filled.clone(),
        );
        r.register("alerts", "Alerts opened since start", metrics.alerts.clone());
        r.register("attempts", "Delivery attempts since start", metrics.attempts.clone());
        r.register_with_unit(
            "attempt_duration",
            "Time one delivery attempt took",
            Unit::Seconds,
            metrics.attempt_seconds.clone(),
        );
        r.register("queue_deliveries", "Deliveries waiting", metrics.queue.clone());
        r.register_with_unit(
            "queue_age",
            "Age of the oldest waiting delivery",
            Unit::Seconds,
            metrics.queue_age_seconds.clone(),
        );
        r.register(
            "endpoint_held",
            "1 while nothing is sent to the endpoint: paused, retry-after or breaker",
            metrics.endpoint_held.clone(),
        );
        r.register_with_unit(
            "trace_to_delivery",
            "From the trace's record time to its delivery",
            Unit::Seconds,
            metrics.trace_to_delivery_seconds.clone(),
        );
        r.register("rules_loaded", "Rules in the current generation", metrics.rules_loaded.clone());
        r.register("reload_failures", "Reloads refused because a file was bad", metrics.reload_failures.clone());
        r.register(
            "quarantined_records",
            "Records kept because they could not be decoded",
            metrics.quarantined.clone(),
        );
        r.register("window_keys", "Keys that a rule remembers, from the store", metrics.window_keys.clone());
        r.register(
            "window_keys_evicted",
            "Keys that a rule had to forget because it saw too many, from the store",
            metrics.window_keys_evicted.clone(),
        );
        r.register(
            "window_traces_crowded_out",
            "Traces that a rule forgot before their time since start, because too many shared their key",
            metrics.window_traces_crowded_out.clone(),
        );
        r.register(
            "pushed_traces",
            "Traces that were pushed since start: fresh, duplicate or undecodable",
            metrics.pushed_traces.clone(),
        );
        r.register("push_refused", "Posts that were refused since start", metrics.push_refused.clone());
        r.register(
            "push_certificate_fetches",
            "Times that a certificate of SMN was fetched since start",
            metrics.push_certificate_fetches.clone(),
        );
        r.register_with_unit(
            "trace_delay",
            "From the record time of a trace that is new until it is stored, by the way it came",
            Unit::Seconds,
            metrics.trace_delay_seconds.clone(),
        );
        (metrics, registry)
    }
}
