//! What the worker holds of the outbox: claimed and waiting for a place, under way, answered.
//!
//! A place is a task that goes from one delivery to the next, so that the endpoint is not idle while answers
//! are stored. After an answer that may mean "wait" nothing is begun until the worker has looked at it. Knows
//! neither the store nor what follows from an answer.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
};
use tracing::warn;

use crate::{
    clock::{self, Timestamp},
    delivery::{Leased, Outcome},
    endpoint::Endpoint,
};

/// What was claimed ahead is given back if it gets no place within this: something more urgent may be due.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Answers that come within this are stored together...
const GATHER: Duration = Duration::from_millis(2);
/// ...or within this, while there is more to begin.
const GATHER_BUSY: Duration = Duration::from_millis(25);

pub struct Attempts {
    name: String,
    endpoint: Endpoint,
    places: JoinSet<()>,
    shared: Arc<Shared>,
}

/// What came back from one attempt.
pub struct Answer {
    pub leased: Box<Leased>,
    pub started_at: Timestamp,
    pub took: Duration,
    pub outcome: Outcome,
}

/// Id and fencing number of a lease.
pub type Lease = (String, i64);

#[derive(Default)]
struct Shared {
    hands: Mutex<Hands>,
    answered: Notify,
}

/// What is in hand.
#[derive(Default)]
struct Hands {
    /// With when they were claimed.
    waiting: VecDeque<(Box<Leased>, Timestamp)>,
    /// Tasks that go from one to the next.
    places: usize,
    under_way: usize,
    answers: Vec<Answer>,
    /// The worker wants to hear of this many answers, not of each.
    ring_at: usize,
    /// Nothing is begun until the worker has looked at the answers.
    halted: bool,
    unused: Vec<Lease>,
}

impl Attempts {
    pub fn new(name: &str, endpoint: Endpoint) -> Self {
        Self { name: name.to_owned(), endpoint, places: JoinSet::new(), shared: Arc::default() }
    }

    /// How many are in hand and not answered.
    pub fn len(&self) -> usize {
        self.shared.lock().held()
    }

    /// Begins with what was claimed, at most `at_once` at a time.
    pub fn begin(&mut self, claimed: Vec<Leased>, at_once: usize) {
        let mut hands = self.shared.lock();
        let now = clock::now();
        hands.waiting.extend(claimed.into_iter().map(|leased| (Box::new(leased), now)));
        if hands.halted {
            hands.give_back();
        }
        let more = at_once.saturating_sub(hands.places).min(hands.waiting.len());
        hands.places += more;
        for _ in 0..more {
            self.places.spawn(place(self.endpoint.clone(), self.shared.clone()));
        }
    }

    /// The answers since the last time. Who takes them has looked at them: what is begun next may go.
    pub fn take(&mut self) -> Vec<Answer> {
        while let Some(joined) = self.places.try_join_next() {
            self.ended(joined);
        }
        let mut hands = self.shared.lock();
        hands.halted = false;
        std::mem::take(&mut hands.answers)
    }

    /// What was claimed and will not be begun.
    pub fn unused(&self) -> Vec<Lease> {
        std::mem::take(&mut self.shared.lock().unused)
    }

    /// Gives back what has no place yet.
    pub fn halt(&self) {
        self.shared.lock().give_back();
    }

    /// Waits until there is something worth storing; for ever if nothing is under way.
    pub async fn gather(&mut self) {
        self.answers(1).await;
        let (half, patience) = {
            let hands = self.shared.lock();
            let held = hands.answers.len() + hands.held();
            (held.div_ceil(2), if hands.waiting.is_empty() { GATHER } else { GATHER_BUSY })
        };
        tokio::select! {
            () = self.answers(half) => {}
            () = clock::sleep(patience) => {}
        }
    }

    /// Waits until nothing is under way.
    pub async fn finish(&mut self) {
        while let Some(joined) = self.places.join_next().await {
            self.ended(joined);
        }
    }

    /// Waits for as many answers, or until the last one that comes for now, or a crash.
    async fn answers(&mut self, enough: usize) {
        loop {
            {
                let mut hands = self.shared.lock();
                if hands.answers.len() >= enough || hands.halted || hands.places == 0 && !hands.answers.is_empty() {
                    return;
                }
                hands.ring_at = enough;
            }
            tokio::select! {
                () = self.shared.answered.notified() => {}
                Some(joined) = self.places.join_next() => if self.ended(joined) { return },
            }
        }
    }

    /// True if it crashed. The lease runs out and the delivery is tried again; the store counts such attempts.
    fn ended(&self, joined: Result<(), JoinError>) -> bool {
        let Err(panic) = joined else { return false };
        warn!(endpoint = self.name, %panic, "an attempt crashed");
        let mut hands = self.shared.lock();
        (hands.places, hands.under_way) = (hands.places - 1, hands.under_way - 1);
        true
    }
}

/// Each attempt is bounded by the endpoint's timeout.
async fn place(endpoint: Endpoint, shared: Arc<Shared>) {
    while let Some(leased) = shared.next() {
        let started_at = clock::now();
        let outcome = endpoint.send(&leased, started_at).await;
        let took = clock::since(started_at, clock::now());
        shared.answer(Answer { leased, started_at, took, outcome });
    }
}

impl Shared {
    fn next(&self) -> Option<Box<Leased>> {
        let mut hands = self.lock();
        if let Some((_, since)) = hands.waiting.front()
            && clock::since(*since, clock::now()) > LONGEST_WAIT
        {
            hands.give_back();
        }
        let next = hands.waiting.pop_front();
        match next {
            Some(_) => hands.under_way += 1,
            None => {
                hands.places -= 1;
                self.ring(&hands);
            }
        }
        next.map(|(leased, _)| leased)
    }

    fn answer(&self, answer: Answer) {
        let mut hands = self.lock();
        if matches!(answer.outcome, Outcome::Retry { .. } | Outcome::Paused { .. }) {
            hands.halted = true;
            hands.give_back();
        }
        hands.under_way -= 1;
        hands.answers.push(answer);
        self.ring(&hands);
    }

    fn ring(&self, hands: &Hands) {
        if hands.answers.len() >= hands.ring_at || hands.halted || hands.places == 0 {
            self.answered.notify_one();
        }
    }

    /// A panic while the lock was held leaves whole values behind.
    fn lock(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hands {
    fn held(&self) -> usize {
        self.under_way + self.waiting.len()
    }

    fn give_back(&mut self) {
        let unused = self.waiting.drain(..).map(|(leased, _)| (leased.delivery.id, leased.token));
        self.unused.extend(unused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::Severity,
        delivery::{Cause, Delivery},
        notification::Notification,
    };

    fn leased(id: &str) -> Box<Leased> {
        let now = Timestamp::UNIX_EPOCH;
        let notification = Notification::notice(Severity::High, "x", Vec::new(), now);
        let delivery = Delivery {
            id: id.to_owned(),
            subscription: "security/soar".to_owned(),
            endpoint: "soar".to_owned(),
            notification: notification.into(),
            body: Vec::new(),
            covers: 0,
            cause: Cause::Notice,
            created_at: now,
            thread: id.to_owned(),
            hold: None,
        };
        Box::new(Leased::once(delivery, now))
    }

    /// Two wait, claimed so long ago, and one place is free.
    fn waiting(since: Duration) -> Shared {
        let shared = Shared::default();
        let claimed = clock::minus(clock::now(), since);
        let mut hands = shared.lock();
        hands.waiting.extend(["a", "b"].map(|id| (leased(id), claimed)));
        hands.places = 1;
        drop(hands);
        shared
    }

    fn unused(shared: &Shared) -> Vec<String> {
        shared.lock().unused.iter().map(|(id, _)| id.clone()).collect()
    }

    #[test]
    fn what_gets_no_place_in_time_is_given_back_for_something_more_urgent() {
        let quick = waiting(Duration::ZERO);
        assert_eq!(quick.next().map(|leased| leased.delivery.id), Some("a".to_owned()));
        assert!(unused(&quick).is_empty());

        let slow = waiting(LONGEST_WAIT + Duration::from_secs(1));
        assert!(slow.next().is_none());
        assert_eq!(unused(&slow), ["a", "b"]);
        assert_eq!(slow.lock().places, 0, "the place is free");
        assert_eq!(slow.lock().held(), 0);
    }

    #[test]
    fn nothing_is_begun_after_an_answer_that_may_mean_wait() {
        let answered = |outcome| {
            let shared = waiting(Duration::ZERO);
            let (started_at, took) = (clock::now(), Duration::ZERO);
            shared.lock().under_way = 1;
            shared.answer(Answer { leased: leased("x"), started_at, took, outcome });
            shared.next().is_some()
        };
        let reason = String::new;
        assert!(answered(Outcome::Delivered { answer: reason(), receipt: None }));
        assert!(answered(Outcome::Refused { reason: reason(), shorter_may_help: true }), "only that body is at fault");
        assert!(!answered(Outcome::Retry { reason: reason(), retry_after: None }));
        assert!(!answered(Outcome::Paused { reason: reason(), fix: reason() }));
    }
}
