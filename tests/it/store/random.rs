//! Random sequences of operations, judged by a second, naive book-keeping that shares nothing with the store.

use std::collections::BTreeMap;

use fastrand::Rng;
use tracebell::store::{Fold, Lane, Pick};

use super::*;

const SEQUENCES: u64 = 200;
const STEPS: usize = 40;
const ENDPOINTS: [&str; 2] = ["slack", "mail"];

/// Where one delivery stands, and what it counts for.
#[derive(Debug, Clone)]
struct Entry {
    endpoint: &'static str,
    critical: bool,
    covers: u64,
    is_summary: bool,
    stands: Stands,
}

#[derive(Debug, Clone, PartialEq)]
enum Stands {
    Waiting,
    Leased,
    Delivered,
    Dead,
    In(String),
}

/// The judge: every delivery ever made, every open window, every unit owed.
#[derive(Default)]
struct Book {
    entries: BTreeMap<String, Entry>,
    open: Vec<(Alert, Vec<&'static str>)>,
    owed: BTreeMap<&'static str, u64>,
    suppressed: BTreeMap<&'static str, u64>,
    hands: Vec<Leased>,
    stale: Vec<Leased>,
    serial: u64,
}

pub async fn accounts_hold_after_any_sequence<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (mut delivered, mut summarised, mut dead) = (0, 0, 0);
    for seed in 0..SEQUENCES {
        let (store, _home) = open().await;
        let mut random = Rng::with_seed(seed);
        let mut book = Book::default();
        let mut now = 0;
        for step in 0..STEPS {
            now += random.i64(0..200);
            let done = book.step(&store, &mut random, at(now)).await;
            let accounts = store.accounting().await.unwrap().subscriptions;
            for endpoint in ENDPOINTS {
                assert_eq!(
                    numbers(&accounts, endpoint),
                    book.numbers(endpoint),
                    "seed {seed}, step {step}: `{endpoint}` after {done}"
                );
            }
        }
        for endpoint in ENDPOINTS {
            let [_, told, summed, _, _, given_up] = book.numbers(endpoint);
            (delivered, summarised, dead) = (delivered + told, summarised + summed, dead + given_up);
        }
    }
    assert!(delivered > 500 && summarised > 500 && dead > 100, "too tame: {delivered} {summarised} {dead}");
}

impl Book {
    /// `[owed, delivered, summarised, suppressed, pending, dead]`, one unit at a time.
    fn numbers(&self, endpoint: &str) -> [u64; 6] {
        let mut sums = [0; 6];
        sums[0] = self.owed.get(endpoint).copied().unwrap_or(0);
        sums[3] = self.suppressed.get(endpoint).copied().unwrap_or(0);
        for entry in self.entries.values().filter(|entry| entry.endpoint == endpoint) {
            let carried =
                if let Stands::In(carrier) = &entry.stands { Some(&self.entries[carrier].stands) } else { None };
            let place = match carried.unwrap_or(&entry.stands) {
                Stands::Delivered if carried.is_some() || entry.is_summary => 2,
                Stands::Delivered => 1,
                Stands::Waiting | Stands::Leased => 4,
                Stands::Dead => 5,
                Stands::In(_) => panic!("a summary inside a summary"),
            };
            sums[place] += entry.covers;
        }
        for (alert, subscribers) in &self.open {
            if !alert.shadow && subscribers.contains(&endpoint) {
                sums[4] += alert.untold();
            }
        }
        sums
    }

    async fn step(&mut self, store: &impl Store, random: &mut Rng, now: Timestamp) -> &'static str {
        match random.u8(0..20) {
            0..5 => self.ingest(store, random, now).await,
            5..9 => self.claim(store, random, now).await,
            9..14 => self.answer(store, random, now).await,
            14 => self.expire(store, now).await,
            15 => self.give_back(store).await,
            16 => self.close_windows(store, random, now).await,
            17 => self.fold(store, random, now).await,
            18 => self.retry(store, random, now).await,
            _ => self.forget(store, random, now).await,
        }
    }

    async fn ingest(&mut self, store: &impl Store, random: &mut Rng, now: Timestamp) -> &'static str {
        let mut batch = page(&[], &[], "", now);
        batch.owed.clear();
        for _ in 0..random.usize(0..6) {
            self.serial += 1;
            let severity = *random.choice(&Severity::ALL).unwrap();
            let mut alert = alert(&format!("a{:04}", self.serial), severity, random.u64(1..4), now);
            alert.told = random.u64(1..=alert.count);
            alert.shadow = random.u8(0..8) == 0;
            let subscribers: Vec<_> = ENDPOINTS.into_iter().filter(|_| random.bool()).collect();
            for &endpoint in &subscribers {
                batch.subscribers.push(subscriber(&alert, endpoint));
                self.owe(&mut batch, &alert, endpoint, alert.count);
                if !alert.shadow {
                    let delivery = opened(&alert, endpoint);
                    self.enter(&delivery, endpoint);
                    batch.deliveries.push(delivery);
                }
            }
            batch.alerts.push(alert.clone());
            self.open.push((alert, subscribers));
        }
        for index in 0..self.open.len() {
            let newly = batch.alerts.iter().any(|alert| alert.id == self.open[index].0.id);
            if newly || random.bool() {
                continue;
            }
            let repeats = random.u64(1..9);
            self.open[index].0.count += repeats;
            let (alert, subscribers) = self.open[index].clone();
            for endpoint in subscribers {
                self.owe(&mut batch, &alert, endpoint, repeats);
            }
            if random.u8(0..4) == 0 {
                self.worsen(&mut batch, index, random, now);
            }
            batch.alerts.push(self.open[index].0.clone());
        }
        store.commit_ingest(batch).await.unwrap();
        "a page"
    }

    /// An open alert rings again: its subscribers are told the rest or a part of it, a new one everything.
    fn worsen(&mut self, batch: &mut IngestBatch, index: usize, random: &mut Rng, now: Timestamp) {
        let (alert, subscribers) = &mut self.open[index];
        let newly = random.u64(1..=alert.untold());
        alert.told += newly;
        alert.severity = Severity::Critical;
        let known = subscribers.clone();
        subscribers.extend(ENDPOINTS.into_iter().filter(|endpoint| !known.contains(endpoint) && random.bool()));
        let (alert, subscribers) = self.open[index].clone();
        for endpoint in subscribers {
            let joins = !known.contains(&endpoint);
            if joins {
                batch.subscribers.push(subscriber(&alert, endpoint));
                self.owe(batch, &alert, endpoint, alert.count);
            }
            if !alert.shadow {
                let delivery = escalated(&alert, endpoint, if joins { alert.told } else { newly }, now);
                self.enter(&delivery, endpoint);
                batch.deliveries.push(delivery);
            }
        }
    }

    fn owe(&mut self, batch: &mut IngestBatch, alert: &Alert, endpoint: &'static str, count: u64) {
        let suppressed = alert.shadow.then_some("shadow");
        batch.owed.push(Owed { subscription: format!("security/{endpoint}"), count, suppressed });
        *self.owed.entry(endpoint).or_default() += count;
        if alert.shadow {
            *self.suppressed.entry(endpoint).or_default() += count;
        }
    }

    fn enter(&mut self, delivery: &Delivery, endpoint: &'static str) {
        let entry = Entry {
            endpoint,
            critical: delivery.notification.severity == Severity::Critical,
            covers: delivery.covers,
            is_summary: matches!(delivery.cause, Cause::WindowClosed(_)),
            stands: Stands::Waiting,
        };
        assert!(self.entries.insert(delivery.id.clone(), entry).is_none());
    }

    async fn claim(&mut self, store: &impl Store, random: &mut Rng, now: Timestamp) -> &'static str {
        let endpoint = *random.choice(&ENDPOINTS).unwrap();
        let claim = Claim { limit: random.usize(1..6), ..claim(endpoint, now) };
        for leased in store.claim_deliveries(claim).await.unwrap().deliveries {
            let entry = self.entries.get_mut(&leased.delivery.id).unwrap();
            assert_eq!((entry.endpoint, &entry.stands), (endpoint, &Stands::Waiting));
            entry.stands = Stands::Leased;
            self.hands.push(leased);
        }
        "a claim"
    }

    async fn answer(&mut self, store: &impl Store, random: &mut Rng, now: Timestamp) -> &'static str {
        let mut records = Vec::new();
        for leased in std::mem::take(&mut self.hands) {
            let entry = self.entries.get_mut(&leased.delivery.id).unwrap();
            let (next, stands) = match random.u8(0..8) {
                0..4 => (Next::Delivered, Stands::Delivered),
                4 | 5 => (Next::At(clock::plus(now, HOUR / 60)), Stands::Waiting),
                6 => (Next::Dead, Stands::Dead),
                _ => {
                    self.hands.push(leased);
                    continue;
                }
            };
            entry.stands = stands;
            records.push(if next == Next::Delivered { success(&leased, now) } else { failure(&leased, next, now) });
        }
        for leased in std::mem::take(&mut self.stale) {
            if random.bool() {
                // The answer to a lease long lost: only good news changes anything.
                records.push(failure(&leased, Next::Dead, now));
            } else if let Some(entry) = self.entries.get_mut(&leased.delivery.id) {
                records.push(success(&leased, now));
                entry.stands = Stands::Delivered;
            }
        }
        store.record_attempts(records).await.unwrap();
        // Delivered by a late answer while somebody else holds it: that one's answer no longer matters.
        let entries = &self.entries;
        self.hands.retain(|leased| entries[&leased.delivery.id].stands == Stands::Leased);
        "answers"
    }

    async fn expire(&mut self, store: &impl Store, now: Timestamp) -> &'static str {
        store.release_expired(now).await.unwrap();
        let (gone, kept) = std::mem::take(&mut self.hands).into_iter().partition(|leased| leased.lease_until < now);
        self.hands = kept;
        for leased in &gone {
            self.entries.get_mut(&leased.delivery.id).unwrap().stands = Stands::Waiting;
        }
        self.stale.extend(gone);
        "expiry"
    }

    async fn give_back(&mut self, store: &impl Store) -> &'static str {
        let hands = std::mem::take(&mut self.hands);
        let leases: Vec<_> = hands.iter().map(|leased| (leased.delivery.id.clone(), leased.token)).collect();
        store.release(&leases).await.unwrap();
        for leased in hands {
            self.entries.get_mut(&leased.delivery.id).unwrap().stands = Stands::Waiting;
        }
        "a release"
    }

    async fn close_windows(&mut self, store: &impl Store, random: &mut Rng, now: Timestamp) -> &'static str {
        let closing = store.closing(now, random.usize(1..9)).await.unwrap();
        let mut batch = SweepBatch { now, ..SweepBatch::default() };
        for closing in closing {
            let index = self.open.iter().position(|(alert, _)| alert.id == closing.alert.id).unwrap();
            let (alert, subscribers) = self.open.remove(index);
            assert_eq!(closing.alert, alert);
            assert!(alert.closes_at <= now);
            batch.closed.push(alert.id.clone());
            if alert.untold() > 0 && !alert.shadow {
                for endpoint in subscribers {
                    let delivery = summary(&alert, endpoint, now);
                    self.enter(&delivery, endpoint);
                    batch.deliveries.push(delivery);
                }
            }
        }
        store.commit_sweep(batch).await.unwrap();
        "closing windows"
    }

    async fn fold(&mut self, store: &impl Store, random: &mut Rng, now: Timestamp) -> &'static str {
        let endpoint = *random.choice(&ENDPOINTS).unwrap();
        let lane = if random.bool() { Lane::Critical } else { Lane::Normal };
        let backlog = store.backlog(endpoint, lane).await.unwrap();
        self.serial += 1;
        let summary = overflow(&format!("f{:04}", self.serial), endpoint, now);
        let fold = Fold { endpoint: endpoint.into(), lane, up_to: backlog.up_to, summary: summary.clone() };
        let folded = store.fold(fold).await.unwrap();
        assert_eq!(folded, backlog.deliveries);
        let mut count = 0;
        for entry in self.entries.values_mut() {
            let fits = entry.endpoint == endpoint && entry.critical == (lane == Lane::Critical) && entry.covers > 0;
            if fits && entry.stands == Stands::Waiting {
                entry.stands = Stands::In(summary.id.clone());
                count += 1;
            }
        }
        assert_eq!(count, folded);
        if folded > 0 {
            self.enter(&summary, endpoint);
        }
        "a fold"
    }

    async fn retry(&mut self, store: &impl Store, random: &mut Rng, now: Timestamp) -> &'static str {
        let endpoint = *random.choice(&ENDPOINTS).unwrap();
        let retried = store.retry(Pick::of(endpoint), now).await.unwrap();
        let mut count = 0;
        for entry in self.entries.values_mut() {
            if entry.endpoint == endpoint && entry.stands == Stands::Dead {
                entry.stands = Stands::Waiting;
                count += 1;
            }
        }
        assert_eq!(retried, count);
        "a retry"
    }

    async fn forget(&mut self, store: &impl Store, random: &mut Rng, now: Timestamp) -> &'static str {
        let before = clock::minus(now, Duration::from_secs(random.u64(0..2000)));
        store.commit_sweep(SweepBatch { now, prune_before: Some(before), ..SweepBatch::default() }).await.unwrap();
        // Leases on what is forgotten may not be answered any more: the judge never forgets.
        let mut kept = Vec::new();
        for leased in std::mem::take(&mut self.stale) {
            if store.delivery(&leased.delivery.id).await.unwrap().is_some() {
                kept.push(leased);
            }
        }
        self.stale = kept;
        "forgetting"
    }
}
