//! Believable traffic: a quiet background of many services, and incidents in it.
//!
//! A scenario is a list without end that follows from its seed alone; playing it
//! puts the wall clock's times on it. Nothing here knows what anyone detects.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::{Incident, entry::Raw, world::World};
use crate::clock;

mod actor;
mod background;
mod catalogue;
mod incident;
mod past;

pub use past::past;

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub kind: Kind,
    /// Traces a minute of the background; incidents come on top.
    pub per_minute: f64,
    pub pace: Pace,
}

impl Default for Settings {
    fn default() -> Self {
        Self { kind: Kind::Incidents, per_minute: 30.0, pace: Pace::Real }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only the background, and only operations that nobody minds.
    Quiet,
    Incidents,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Incidents minutes apart and as long as real ones, all within two hours.
    Real,
    /// The first incident within a second, all within 25 s.
    Demo,
}

/// One trace and when it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Scripted {
    /// From the start of the scenario.
    pub at: Duration,
    /// How long before that the operation happened.
    pub behind: Duration,
    /// In v3 shape, without `time` and `record_time`.
    pub trace: Value,
    /// Set on the first trace of an incident: what happens, for people.
    pub incident: Option<&'static str>,
}

pub struct Scenario {
    rng: fastrand::Rng,
    settings: Settings,
    /// When the background has its next trace; none without a background.
    background: Option<Duration>,
    /// When the next round of incidents begins.
    round: Option<Duration>,
    /// In the order of time; the number keeps traces of one moment in theirs.
    ahead: BTreeMap<(Duration, u64), Scripted>,
    count: u64,
}

impl Scenario {
    pub fn new(seed: u64, settings: Settings) -> Self {
        let incidents = settings.kind == Kind::Incidents;
        Self {
            rng: fastrand::Rng::with_seed(seed),
            background: (settings.per_minute > 0.0).then_some(Duration::ZERO),
            round: incidents.then_some(Duration::ZERO),
            settings,
            ahead: BTreeMap::new(),
            count: 0,
        }
    }

    fn push(&mut self, scripted: Scripted) {
        self.count += 1;
        self.ahead.insert((scripted.at, self.count), scripted);
    }

    fn earliest(&self) -> Duration {
        self.ahead.first_key_value().map_or(Duration::MAX, |((at, _), _)| *at)
    }
}

impl Iterator for Scenario {
    type Item = Scripted;

    fn next(&mut self) -> Option<Scripted> {
        while let Some(at) = self.round.filter(|at| *at <= self.earliest()) {
            let (length, round) = incident::round(&mut self.rng, self.settings.pace);
            for scripted in round {
                self.push(Scripted { at: at + scripted.at, ..scripted });
            }
            self.round = Some(at + length);
        }
        while let Some(at) = self.background.filter(|at| *at <= self.earliest()) {
            let seldom = self.settings.kind == Kind::Incidents;
            let scripted = background::draw(&mut self.rng, seldom);
            self.push(Scripted { at, ..scripted });
            // Exponential gaps: traffic as independent people make it.
            let gap = -(1.0 - self.rng.f64()).ln() * 60.0 / self.settings.per_minute;
            self.background = Some(at + Duration::from_secs_f64(gap.clamp(0.000_001, 86_400.0)));
        }
        self.ahead.pop_first().map(|(_, scripted)| scripted)
    }
}

/// Plays until the emulator stops.
pub(super) async fn play(world: Arc<World>, scenario: Scenario) {
    let start = clock::now();
    for scripted in scenario {
        let due = clock::plus(start, scripted.at);
        let wait = clock::since(clock::now(), due);
        let pause = async {
            if wait.is_zero() {
                // Behind its time: the requests still get their turn.
                tokio::task::yield_now().await;
            } else {
                clock::sleep(wait).await;
            }
        };
        if world.stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
        if !world.state().cts[0].recording {
            continue;
        }
        if let Some(title) = scripted.incident {
            // Nobody listening is fine.
            let _ = world.incidents.send(Incident { title: title.to_owned() });
        }
        let mut trace = scripted.trace;
        let recorded = clock::now();
        trace["record_time"] = recorded.as_millisecond().into();
        trace["time"] = clock::minus(recorded, scripted.behind).as_millisecond().into();
        trace["project_id"] = world.settings.project_id.as_str().into();
        trace["domain_id"] = world.domain_id().into();
        world.add([Raw::Value(Box::new(trace))]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn take(kind: Kind, pace: Pace, per_minute: f64, until: Duration) -> Vec<Scripted> {
        let settings = Settings { kind, per_minute, pace };
        Scenario::new(7, settings).take_while(|scripted| scripted.at < until).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_traffic_in_order() {
        let minute = Duration::from_secs(60);
        let one = take(Kind::Incidents, Pace::Demo, 600.0, minute);
        assert_eq!(one, take(Kind::Incidents, Pace::Demo, 600.0, minute));
        assert!(one.is_sorted_by_key(|scripted| scripted.at));
    }

    #[test]
    fn the_rate_is_as_chosen() {
        let hour = take(Kind::Quiet, Pace::Real, 30.0, Duration::from_secs(3600)).len();
        assert!((1600..2000).contains(&hour), "{hour}");
    }

    #[test]
    fn a_demo_shows_every_incident_soon() {
        let round = take(Kind::Incidents, Pace::Demo, 0.0, Duration::from_secs(30));
        let begins: Vec<_> = round.iter().filter(|scripted| scripted.incident.is_some()).collect();
        assert!(begins[0].at < Duration::from_secs(1), "{:?}", begins[0].at);
        assert!(begins.len() >= 9, "{}", begins.len());
        assert!(round.last().unwrap().at < Duration::from_secs(26), "{:?}", round.last().unwrap().at);
        let login = round.iter().position(|scripted| scripted.trace["trace_name"] == "login").unwrap();
        assert!(round[login].at < Duration::from_secs(2));
        let ip = &round[login].trace["source_ip"];
        let failed = round[..login].iter().filter(|scripted| scripted.trace["trace_name"] == "loginfailed");
        assert!(failed.filter(|scripted| scripted.trace["source_ip"] == *ip).count() >= 8);
    }

    #[test]
    fn incidents_hold_late_and_repeated_traces() {
        let round = take(Kind::Incidents, Pace::Demo, 0.0, Duration::from_secs(30));
        assert!(round.iter().any(|scripted| scripted.behind >= Duration::from_secs(600)));
        let ids: BTreeSet<_> = round.iter().map(|scripted| scripted.trace["trace_id"].to_string()).collect();
        assert!(ids.len() < round.len());
        assert!(round.iter().any(|scripted| scripted.trace["trace_rating"] == "incident"));
    }

    #[test]
    fn the_background_is_wide_and_quiet() {
        let day = take(Kind::Quiet, Pace::Real, 60.0, Duration::from_secs(86_400));
        let services: BTreeSet<_> = day.iter().map(|scripted| scripted.trace["service_type"].to_string()).collect();
        let operations: BTreeSet<_> =
            day.iter().map(|s| (s.trace["service_type"].to_string(), s.trace["trace_name"].to_string())).collect();
        assert!(services.len() >= 25, "{}", services.len());
        assert!(operations.len() >= 110, "{}", operations.len());
        for scripted in &day {
            assert_ne!(scripted.trace["trace_rating"], "incident");
            let name = scripted.trace["trace_name"].as_str().unwrap();
            assert!(!["deleteTracker", "scheduleKeyDeletion", "createCredential"].contains(&name), "{name}");
        }
    }
}
