//! How much of a host of the cloud this process takes: so many requests a second, so many at once.
//!
//! First come, first served. A source asks for one page at a time, so one that catches up with days takes a turn
//! and then waits behind all others: nobody starves, however many there are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as Line, Semaphore, SemaphorePermit};

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

impl Host {
    fn new(allowance: Allowance) -> Self {
        let interval = Duration::from_secs(1) / allowance.per_second.max(1);
        Self { places: Semaphore::new(allowance.at_once.max(1) as usize), next: Line::default(), interval }
    }

    /// Waits for a turn; whoever got one may ask until it is dropped.
    pub async fn turn(&self) -> SemaphorePermit<'_> {
        let place = self.places.acquire().await.expect("it is never closed");
        let mut next = self.next.lock().await;
        let now = clock::now();
        // A wait that is longer than any is left from a clock that was set back since.
        let wait = Some(clock::since(now, *next)).filter(|wait| *wait <= LONGEST_PAUSE).unwrap_or_default();
        if !wait.is_zero() {
            clock::sleep(wait).await;
        }
        *next = clock::plus(clock::plus(now, wait), self.interval);
        place
    }

    /// The host asks for patience: all who ask there have it.
    pub async fn pause(&self, patience: Duration) {
        let mut next = self.next.lock().await;
        *next = clock::plus(clock::now(), patience.min(LONGEST_PAUSE)).max(*next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_go_round_and_a_host_is_one_whatever_is_asked_there() {
        let budget = Budget::new(Allowance { per_second: 1000, at_once: 1 });
        let host = budget.host("https://cts.example.org/v3/p1");
        assert!(Arc::ptr_eq(&host, &budget.host("https://cts.example.org/v3/p2")));
        assert!(!Arc::ptr_eq(&host, &budget.host("https://cts.example.org:8443/v3/p1")));
        let order = Arc::new(Mutex::new(Vec::new()));
        // One of them has fifty pages to read, the others one each: theirs come among its first ones.
        let held = host.turn().await;
        let mut tasks = Vec::new();
        for (name, pages) in [("long", 50), ("a", 1), ("b", 1), ("c", 1)] {
            let (host, order) = (Arc::clone(&host), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                for _ in 0..pages {
                    let turn = host.turn().await;
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
    async fn no_more_than_the_allowance_and_patience_is_everybodys() {
        let host = Host::new(Allowance { per_second: 100, at_once: 4 });
        let begun = clock::now();
        for _ in 0..21 {
            drop(host.turn().await);
        }
        assert!(clock::since(begun, clock::now()) >= Duration::from_millis(200));
        host.pause(Duration::from_millis(300)).await;
        let paused = clock::now();
        drop(host.turn().await);
        assert!(clock::since(paused, clock::now()) >= Duration::from_millis(290));
    }
}
