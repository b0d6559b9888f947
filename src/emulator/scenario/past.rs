//! The same traffic as if it had happened already: days of it at once, for trying rules.

use std::time::Duration;

use serde_json::Value;

use super::{Kind, Pace, Scenario, Settings};
use crate::{
    clock::{self, Timestamp},
    emulator::{self, world::hex_id},
};

/// About `traces` traces that end at `end` and span `span`, oldest first by record time.
pub fn past(
    emulator: &emulator::Settings,
    kind: Kind,
    traces: u64,
    span: Duration,
    end: Timestamp,
) -> impl Iterator<Item = Value> + use<> {
    let incidents = count(emulator.seed, kind, span);
    let minutes = (span.as_secs_f64() / 60.0).max(1.0);
    let per_minute = traces.saturating_sub(incidents) as f64 / minutes;
    let settings = Settings { kind, per_minute, pace: Pace::Real };
    let start = clock::minus(end, span);
    let (project, domain) = (emulator.project_id.clone(), hex_id("domain", &emulator.domain));
    Scenario::new(emulator.seed, settings).take_while(move |scripted| scripted.at < span).map(move |scripted| {
        let mut trace = scripted.trace;
        let recorded = clock::plus(start, scripted.at);
        trace["record_time"] = recorded.as_millisecond().into();
        trace["time"] = clock::minus(recorded, scripted.behind).as_millisecond().into();
        trace["project_id"] = project.as_str().into();
        trace["domain_id"] = domain.as_str().into();
        trace
    })
}

/// Traces of the incidents alone: they come on top of the background.
fn count(seed: u64, kind: Kind, span: Duration) -> u64 {
    if kind == Kind::Quiet {
        return 0;
    }
    let settings = Settings { kind, per_minute: 0.0, pace: Pace::Real };
    Scenario::new(seed, settings).take_while(|scripted| scripted.at < span).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_traffic_have_the_chosen_length_and_number() {
        let end: Timestamp = "2026-01-15T00:00:00Z".parse().expect("written as a time");
        let day = Duration::from_secs(86_400);
        let make = || past(&emulator::Settings::default(), Kind::Incidents, 5000, day, end).collect::<Vec<Value>>();
        let traces = make();
        assert!((4600..5400).contains(&traces.len()), "{}", traces.len());
        assert_eq!(traces, make());
        let recorded = |trace: &Value| trace["record_time"].as_i64().expect("a number");
        assert!(traces.is_sorted_by_key(recorded));
        assert!(recorded(&traces[0]) >= end.as_millisecond() - 86_400_000);
        assert!(recorded(&traces[traces.len() - 1]) < end.as_millisecond());
    }
}
