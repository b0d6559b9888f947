//! What many notifications come to when they are told in one.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    notification::{Bar, Gathered, Notification},
    trace::{Outcome, Trace},
};

/// Entries of each list.
const LONGEST_LIST: usize = 10;
/// Bars of a chart at most.
const MOST_BARS: i64 = 24;
/// Steps that people read off a chart, in seconds.
const STEPS: [i64; 13] = [1, 5, 15, 60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800];

/// Takes notifications in, one by one.
#[derive(Debug, Clone, Default)]
pub struct Gathering {
    total: u64,
    failed: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    by_rule: BTreeMap<String, u64>,
    by_actor: BTreeMap<String, u64>,
    by_resource: BTreeMap<String, u64>,
    by_service: BTreeMap<String, u64>,
    /// Each once, with the worst severity and the place of its first.
    titles: BTreeMap<String, (Severity, usize)>,
    told: Vec<(Timestamp, u64, Severity)>,
    worst: Option<Severity>,
}

impl Gathering {
    /// `tells` is how many alerts and repeats the notification tells of.
    pub fn add(&mut self, notification: &Notification, tells: u64) {
        let severity = notification.severity;
        self.total += tells;
        self.worst = self.worst.max(Some(severity));
        let place = self.titles.len();
        let title = self.titles.entry(notification.title.clone()).or_insert((severity, place));
        title.0 = title.0.max(severity);
        let Some(facts) = &notification.alert else {
            return self.at(notification.created_at, notification.created_at, tells, severity);
        };
        let trace = notification.worse.as_ref().map_or(&facts.trace, |worse| &worse.trace);
        if matches!(trace.outcome(), Outcome::Failed | Outcome::Incident) {
            self.failed += tells;
        }
        let begun = facts.first_time.map_or(trace.time, |first| first.min(trace.time));
        self.at(begun, trace.time.max(clock::plus(begun, facts.span)), tells, severity);
        let count = |by: &mut BTreeMap<String, u64>, name: String| *by.entry(name).or_default() += tells;
        count(&mut self.by_rule, facts.rule.clone());
        count(&mut self.by_actor, trace.actor_label().to_owned());
        if let Some(resource) = resource(trace) {
            count(&mut self.by_resource, resource);
        }
        if !trace.service.is_empty() {
            count(&mut self.by_service, trace.service.clone());
        }
    }

    /// What cannot be read any more still counts.
    pub fn add_unreadable(&mut self, title: &str, severity: Severity, tells: u64, at: Timestamp) {
        self.add(&Notification { severity, ..Notification::notice(severity, title, Vec::new(), at) }, tells);
    }

    pub fn worst(&self) -> Severity {
        self.worst.unwrap_or(Severity::Info)
    }

    pub fn finish(self) -> Gathered {
        let mut titles: Vec<(String, (Severity, usize))> = self.titles.into_iter().collect();
        titles.sort_by_key(|(_, (severity, place))| (std::cmp::Reverse(*severity), *place));
        Gathered {
            total: self.total,
            failed: self.failed,
            first: self.first,
            last: self.last,
            by_rule: largest(self.by_rule),
            by_actor: largest(self.by_actor),
            by_resource: largest(self.by_resource),
            by_service: largest(self.by_service),
            titles: titles.into_iter().map(|(title, _)| title).take(LONGEST_LIST).collect(),
            bars: bars(&self.told),
        }
    }

    fn at(&mut self, begun: Timestamp, last: Timestamp, tells: u64, severity: Severity) {
        self.first = Some(self.first.map_or(begun, |first| first.min(begun)));
        self.last = self.last.max(Some(last));
        self.told.push((begun, tells, severity));
    }
}

/// Its name as people know it, or its id.
fn resource(trace: &Trace) -> Option<String> {
    trace.resource.name.clone().or_else(|| trace.resource.id.clone())
}

fn largest(by: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut list: Vec<(String, u64)> = by.into_iter().collect();
    list.sort_by(|(a, count_a), (b, count_b)| (count_b, a).cmp(&(count_a, b)));
    list.truncate(LONGEST_LIST);
    list
}

/// Equal steps that people count in, from the oldest to the newest; those in which nothing happened too.
fn bars(told: &[(Timestamp, u64, Severity)]) -> Vec<Bar> {
    let seconds = |(at, ..): &(Timestamp, u64, Severity)| at.as_second();
    let (Some(first), Some(last)) = (told.iter().map(seconds).min(), told.iter().map(seconds).max()) else {
        return Vec::new();
    };
    let fits = |step: &&i64| last.div_euclid(**step) - first.div_euclid(**step) < MOST_BARS;
    // Beyond 24 weeks the past is told in 24 parts, whatever their length.
    let step = STEPS.iter().find(fits).copied().unwrap_or((last - first) / (MOST_BARS - 1) + 1);
    let from = first.div_euclid(step);
    let count = usize::try_from(last.div_euclid(step) - from + 1).unwrap_or(1);
    let start = Timestamp::from_second(from * step).unwrap_or(Timestamp::MIN);
    let width = Duration::from_secs(u64::try_from(step).unwrap_or(1));
    let mut bars: Vec<Bar> = (0..count)
        .map(|at| Bar {
            from: clock::plus(start, width.saturating_mul(u32::try_from(at).unwrap_or(u32::MAX))),
            count: 0,
            worst: Severity::Info,
        })
        .collect();
    for (at, tells, severity) in told {
        let place = usize::try_from(at.as_second().div_euclid(step) - from).unwrap_or(0);
        if let Some(bar) = bars.get_mut(place) {
            bar.count += tells;
            bar.worst = bar.worst.max(*severity);
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::{Alert, Key},
        trace::{Actor, Rating, Resource},
    };

    const NOON: &str = "2026-11-21T12:00:00Z";

    /// Adds what `actor` did `minute` minutes after noon.
    fn add(gathering: &mut Gathering, actor: &str, service: &str, minute: u64, severity: Severity, rating: Rating) {
        let time = clock::plus(NOON.parse().unwrap(), Duration::from_secs(minute * 60));
        let trace = Trace {
            service: service.into(),
            rating,
            actor: Actor { name: Some(actor.into()), ..Actor::default() },
            resource: Resource { name: Some("prod-db".into()), ..Resource::default() },
            ..Trace::blank("t", time)
        };
        let notification = Notification::notice(severity, format!("{actor} used {service}"), vec![], time);
        let alert: Alert = serde_json::from_value(serde_json::json!({
            "id": "a", "source": "prod", "rule": "r", "fingerprint": "f", "key": Key::new(), "severity": severity,
            "title": notification.title, "first": trace, "last_time": time, "count": 1, "opened_at": time,
            "closes_at": time, "window": { "secs": 600, "nanos": 0 }, "shadow": false,
        }))
        .unwrap();
        gathering.add(&Notification::opened(&alert, time), 1);
    }

    fn gathered() -> (Gathered, Severity) {
        let mut gathering = Gathering::default();
        add(&mut gathering, "alice", "IAM", 0, Severity::Low, Rating::Normal);
        add(&mut gathering, "bob", "KMS", 6, Severity::High, Rating::Warning);
        add(&mut gathering, "alice", "KMS", 2, Severity::Low, Rating::Normal);
        add(&mut gathering, "alice", "IAM", 3, Severity::Medium, Rating::Incident);
        let worst = gathering.worst();
        (gathering.finish(), worst)
    }

    fn pairs(list: &[(&str, u64)]) -> Vec<(String, u64)> {
        list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn everything_is_counted_by_what_people_ask_for() {
        let (gathered, worst) = gathered();
        assert_eq!((gathered.total, gathered.failed, worst), (4, 2, Severity::High));
        assert_eq!(gathered.by_actor, pairs(&[("alice", 3), ("bob", 1)]));
        assert_eq!(gathered.by_service, pairs(&[("IAM", 2), ("KMS", 2)]));
        assert_eq!(gathered.by_resource, pairs(&[("prod-db", 4)]));
        assert_eq!(gathered.by_rule, pairs(&[("r", 4)]));
        assert_eq!(gathered.titles, ["bob used KMS", "alice used IAM", "alice used KMS"], "the worst first");
        let span = [gathered.first, gathered.last].map(|time| time.unwrap().to_string());
        assert_eq!(span, ["2026-11-21T12:00:00Z", "2026-11-21T12:06:00Z"]);
    }

    #[test]
    fn bars_cover_the_whole_time_in_equal_steps() {
        let (gathered, _) = gathered();
        let bars: Vec<(i64, u64, Severity)> =
            gathered.bars.iter().map(|bar| (bar.from.as_second() % 3600 / 60, bar.count, bar.worst)).collect();
        let (info, low) = (Severity::Info, Severity::Low);
        let expected = [
            (0, 1, low),
            (1, 0, info),
            (2, 1, low),
            (3, 1, Severity::Medium),
            (4, 0, info),
            (5, 0, info),
            (6, 1, Severity::High),
        ];
        assert_eq!(bars, expected);
        let mut day = Gathering::default();
        for hour in 0..24 {
            add(&mut day, "alice", "IAM", hour * 60, Severity::Low, Rating::Normal);
        }
        let bars = day.finish().bars;
        assert_eq!((bars.len(), bars.iter().map(|bar| bar.count).sum::<u64>()), (24, 24));
        let mut years = Gathering::default();
        add(&mut years, "alice", "IAM", 0, Severity::Low, Rating::Normal);
        add(&mut years, "alice", "IAM", 3 * 525_600, Severity::Low, Rating::Normal);
        let bars = years.finish().bars;
        assert!(bars.len() <= 25 && bars.iter().map(|bar| bar.count).sum::<u64>() == 2, "{}", bars.len());
        assert!(Gathering::default().finish().bars.is_empty());
    }
}
