//! How much of a host of the cloud this process takes: so many requests a second, so many at once.
//!
//! First come, first served. A source asks for one page at a time, so one that catches up with days takes a turn
//! and then waits behind all others: nobody starves, however many there are. A host that says that it is asked too
//! often (429) is left alone by all for as long as it says.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as Line, Semaphore, SemaphorePermit};

use super::http::Answer;
use crate::clock::{self, Timestamp};

/// A host that asks for more patience than this is asked again all the same, by one source after the other.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What one host is asked at most, all sources together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub per_second: u32,
    pub at_once: u32,
}

impl Default for Allowance {
    /// The documents name no limit. A thousand projects that are polled every 30 seconds need 34 requests a second.
    fn default() -> Self {
        Self { per_second: 50, at_once: 16 }
    }
}

/// The allowance of each host, shared by all who ask there.
#[derive(Debug, Default)]
pub struct Budget {
    allowance: Allowance,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

impl Budget {
    pub fn new(allowance: Allowance) -> Arc<Self> {
        Arc::new(Self { allowance, hosts: Mutex::default() })
    }

    /// The host and port of an address.
    pub fn host(&self, url: &str) -> Arc<Host> {
        let name = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(name.to_owned()).or_insert_with(|| Arc::new(Host::new(self.allowance))))
    }
}

/// One host of the cloud, and who waits for it.
#[derive(Debug)]
pub struct Host {
    places: Semaphore,
    /// Before then nobody asks. Who holds it is next.
    next: Line<Timestamp>,
    interval: Duration,
}

/// Whoever holds it may ask.
#[derive(Debug)]
pub struct Turn<'a> {
    _place: SemaphorePermit<'a>,
    /// The time by the clock of the one who waited.
    pub now: Timestamp,
}

impl Host {
    fn new(allowance: Allowance) -> Self {
        let interval = Duration::from_secs(1) / allowance.per_second.max(1);
        Self { places: Semaphore::new(allowance.at_once.max(1) as usize), next: Line::default(), interval }
    }

    /// Waits for a turn; whoever got one may ask until it is dropped, and asks later than `now`.
    pub async fn turn(&self, now: Timestamp) -> Turn<'_> {
        let begun = clock::now();
        let place = self.places.acquire().await.expect("it is never closed");
        let mut next = self.next.lock().await;
        let come = clock::now();
        // A wait that is longer than any is left from a clock that was set back since.
        let wait = Some(clock::since(come, *next)).filter(|wait| *wait <= LONGEST_PAUSE).unwrap_or_default();
        if !wait.is_zero() {
            clock::sleep(wait).await;
        }
        *next = clock::plus(clock::plus(come, wait), self.interval);
        Turn { _place: place, now: clock::moved_on(now, begun) }
    }

    /// Hears what the host answered to one: a 429 speaks of how much it is asked, which is everybody's doing, so
    /// everybody waits as long as it says. Any other wish for patience, such as that of a 503, concerns the one who
    /// asked, whose own next try comes no sooner: one project that is down must not make a thousand wait.
    pub async fn heed(&self, answer: &Answer, now: Timestamp) {
        if let Some(patience) = answer.patience(now) {
            self.pause(patience).await;
        }
    }

    async fn pause(&self, patience: Duration) {
        let mut next = self.next.lock().await;
        *next = clock::plus(clock::now(), patience.min(LONGEST_PAUSE)).max(*next);
    }
}

#[cfg(test)]
mod tests {
    use reqwest::{StatusCode, header::RETRY_AFTER};

    use super::*;

    #[tokio::test]
    async fn turns_go_round_and_a_host_is_one_whatever_is_asked_there() {
        let budget = Budget::new(Allowance { per_second: 1000, at_once: 1 });
        let host = budget.host("https://cts.example.org/v3/p1");
        assert!(Arc::ptr_eq(&host, &budget.host("https://cts.example.org/v3/p2")));
        assert!(!Arc::ptr_eq(&host, &budget.host("https://cts.example.org:8443/v3/p1")));
        let order = Arc::new(Mutex::new(Vec::new()));
        // One of them has fifty pages to read, the others one each: theirs come among its first ones.
        let now = clock::now();
        let held = host.turn(now).await;
        let mut tasks = Vec::new();
        for (name, pages) in [("long", 50), ("a", 1), ("b", 1), ("c", 1)] {
            let (host, order) = (Arc::clone(&host), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                for _ in 0..pages {
                    let turn = host.turn(now).await;
                    order.lock().unwrap().push(name);
                    drop(turn);
                }
            }));
            tokio::task::yield_now().await;
        }
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.lock().unwrap();
        assert_eq!((order.len(), &order[..5]), (53, &["long", "a", "b", "c", "long"][..]));
    }

    #[tokio::test]
    async fn no_more_than_the_allowance() {
        let host = Host::new(Allowance { per_second: 100, at_once: 4 });
        let begun = clock::now();
        let long_ago = "2026-01-15T08:30:00Z".parse().unwrap();
        let mut last = long_ago;
        for _ in 0..21 {
            last = host.turn(long_ago).await.now.max(last);
        }
        assert!(clock::since(begun, clock::now()) >= Duration::from_millis(200));
        // By the clock of the one who waits, and not of the machine.
        assert!((5..10_000).contains(&clock::since(long_ago, last).as_millis()), "{last}");
    }

    #[tokio::test]
    async fn a_host_that_is_asked_too_often_is_left_alone_by_all_and_one_that_fails_by_the_one_who_asked() {
        let now: Timestamp = "2026-01-15T08:30:00Z".parse().unwrap();
        for (status, header, waits) in [
            (429, Some("1"), 1000),
            (429, Some("Thu, 15 Jan 2026 08:30:01 GMT"), 1000),
            (429, None, 0),
            (503, Some("1"), 0),
            (500, Some("1"), 0),
            (200, Some("1"), 0),
        ] {
            let host = Host::new(Allowance { per_second: 1000, at_once: 4 });
            let headers = header.map(|text| (RETRY_AFTER, text.parse().unwrap()));
            let status = StatusCode::from_u16(status).unwrap();
            host.heed(&Answer { status, headers: headers.into_iter().collect(), body: Vec::new() }, now).await;
            let patience = clock::since(clock::now(), *host.next.lock().await).as_millis();
            let fits = if waits == 0 { patience == 0 } else { (waits - 500..=waits).contains(&patience) };
            assert!(fits, "{status} {header:?}: {patience} ms");
        }
        let host = Host::new(Allowance { per_second: 100, at_once: 4 });
        host.pause(Duration::from_millis(300)).await;
        let paused = clock::now();
        drop(host.turn(now).await);
        assert!(clock::since(paused, clock::now()) >= Duration::from_millis(290));
    }
}
