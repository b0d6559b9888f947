//! How long each endpoint would have been told more than its rate limit lets through.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use serde::Serialize;

use super::{Routes, bars::day, tally::Tally};
use crate::{clock::Timestamp, delivery::Rate};

/// What an endpoint would have had to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pressure {
    pub endpoint: String,
    /// Alerts, escalations and summaries.
    pub notifications: u64,
    /// `None` if the endpoint has no limit.
    pub limit_per_minute: Option<u64>,
    /// How long something waited for the limit, all stretches together.
    pub saturated: Duration,
    pub days: u64,
    /// Notifications that waited at the same time.
    pub longest_queue: u64,
}

pub fn pressure(tally: &Tally<'_>, routes: &Routes) -> Vec<Pressure> {
    let mut arrivals: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for subscription in routes.topics.topics.values().flatten() {
        arrivals.entry(&subscription.endpoint).or_default();
    }
    let mut tell = |mark: usize, at: Timestamp, severity| {
        let rule = &tally.rules.rules[tally.marks[mark].rule];
        for subscription in routes.topics.may_hear(&rule.topics, &rule.id, severity) {
            arrivals.entry(&subscription.endpoint).or_default().push(at.as_microsecond());
        }
    };
    for told in &tally.told {
        tell(told.mark, told.at, told.severity);
    }
    for (at, mark) in tally.marks.iter().enumerate().filter(|(_, mark)| mark.count > 1 && !mark.shadow) {
        tell(at, tally.closes(mark), mark.severity);
    }
    let measure = |(endpoint, mut arrivals): (&str, Vec<i64>)| {
        arrivals.sort_unstable();
        measure(endpoint, &arrivals, routes.rates.get(endpoint).copied())
    };
    let mut found: Vec<Pressure> = arrivals.into_iter().map(measure).collect();
    found.sort_by(|a, b| (b.saturated, b.notifications, &a.endpoint).cmp(&(a.saturated, a.notifications, &b.endpoint)));
    found
}

/// A queue behind the limit, first come first served. `arrivals` are sorted, in microseconds.
fn measure(endpoint: &str, arrivals: &[i64], rate: Option<Rate>) -> Pressure {
    let mut found = Pressure {
        endpoint: endpoint.to_owned(),
        notifications: arrivals.len() as u64,
        limit_per_minute: None,
        saturated: Duration::ZERO,
        days: 0,
        longest_queue: 0,
    };
    let Some(rate) = rate else { return found };
    let interval = i64::try_from(rate.interval.as_micros()).unwrap_or(i64::MAX).clamp(1, i64::MAX >> 18);
    found.limit_per_minute = Some(u64::try_from(60_000_000 / interval).unwrap_or(0));
    let ahead = interval * (i64::from(rate.burst.clamp(1, 1 << 16)) - 1);
    let (mut tat, mut saturated_until, mut saturated) = (i64::MIN, i64::MIN, 0);
    let mut waiting: VecDeque<i64> = VecDeque::new();
    let mut days = BTreeSet::new();
    for &arrival in arrivals {
        tat = tat.max(arrival);
        let departure = arrival.max(tat.saturating_sub(ahead));
        tat = tat.saturating_add(interval);
        while waiting.front().is_some_and(|departure| *departure <= arrival) {
            waiting.pop_front();
        }
        if departure > arrival {
            waiting.push_back(departure);
            found.longest_queue = found.longest_queue.max(waiting.len() as u64);
            saturated += departure - arrival.max(saturated_until);
            saturated_until = departure;
            days.extend([arrival, departure].map(|at| day(Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX))));
        }
    }
    found.saturated = Duration::from_micros(u64::try_from(saturated).unwrap_or(0));
    found.days = days.len() as u64;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[track_caller]
    fn check(seconds: &[i64], saturated: u64, queue: u64) {
        let arrivals: Vec<i64> = seconds.iter().map(|second| second * SECOND).collect();
        let rate = Rate { interval: Duration::from_secs(10), burst: 2 };
        let found = measure("slack", &arrivals, Some(rate));
        assert_eq!((found.saturated.as_secs(), found.longest_queue), (saturated, queue), "{found:?}");
        assert_eq!(found.notifications, seconds.len() as u64);
    }

    #[test]
    fn a_queue_is_as_long_as_the_limit_makes_it() {
        check(&[], 0, 0);
        check(&[0, 0], 0, 0);
        check(&[0, 0, 0], 10, 1);
        check(&[0, 0, 0, 0, 0], 30, 3);
        check(&[0, 0, 0, 100, 100, 100], 20, 1);
        check(&[0, 10, 20, 30], 0, 0);
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let found = measure("soar", &[0; 1000], None);
        assert_eq!((found.saturated, found.longest_queue, found.limit_per_minute), (Duration::ZERO, 0, None));
    }
}
