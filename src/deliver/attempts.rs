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
                if hands.answers.len() >= enough
                    || hands.halted
                    || !hands.unused.is_empty()
                    || hands.places == 0 && !hands.answers.is_empty()
                {
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
        if hands.places == 0 {
            // Nobody is left to come for what waits.
            hands.give_back();
        }
        true
    }
}

/// Each attempt is bounded by the endpoint's timeout.
async fn place(endpoint: Endpoint, shared: Arc<Shared>) {
    let mut next = shared.next(None);
    while let Some((leased, started_at)) = next {
        let outcome = endpoint.send(&leased, started_at).await;
        next = shared.next(Some((leased, started_at, outcome)));
    }
}

type Begun = (Box<Leased>, Timestamp);

impl Shared {
    /// Takes the answer to the last one and gives the next, with when it begins. In one step: who looks finds a
    /// place either under way or free, and nothing begins after an answer and before what it says is known.
    fn next(&self, answered: Option<(Box<Leased>, Timestamp, Outcome)>) -> Option<Begun> {
        let mut hands = self.lock();
        let now = clock::now();
        if let Some((leased, started_at, outcome)) = answered {
            hands.under_way -= 1;
            if matches!(outcome, Outcome::Retry { .. } | Outcome::Paused { .. }) {
                hands.halted = true;
                hands.give_back();
            }
            let took = clock::since(started_at, now);
            hands.answers.push(Answer { leased, started_at, took, outcome });
        }
        if hands.waiting.front().is_some_and(|(_, since)| clock::since(*since, now) > LONGEST_WAIT) {
            hands.give_back();
        }
        let next = hands.waiting.pop_front();
        match next {
            Some(_) => hands.under_way += 1,
            None => hands.places -= 1,
        }
        self.ring(&hands);
        next.map(|(leased, _)| (leased, now))
    }

    fn ring(&self, hands: &Hands) {
        if hands.answers.len() >= hands.ring_at || hands.halted || hands.places == 0 || !hands.unused.is_empty() {
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

    /// Two wait, claimed so long ago, and one is under way in the one place.
    fn waiting(since: Duration) -> Shared {
        let shared = Shared::default();
        let claimed = clock::minus(clock::now(), since);
        let mut hands = shared.lock();
        hands.waiting.extend(["a", "b"].map(|id| (leased(id), claimed)));
        (hands.places, hands.under_way) = (1, 1);
        drop(hands);
        shared
    }

    fn answered(shared: &Shared, outcome: Outcome) -> Option<String> {
        shared.next(Some((leased("x"), clock::now(), outcome))).map(|(leased, _)| leased.delivery.id)
    }

    fn unused(shared: &Shared) -> Vec<String> {
        shared.lock().unused.iter().map(|(id, _)| id.clone()).collect()
    }

    fn delivered() -> Outcome {
        Outcome::Delivered { answer: String::new(), receipt: None }
    }

    #[test]
    fn what_gets_no_place_in_time_is_given_back_for_something_more_urgent() {
        let quick = waiting(Duration::ZERO);
        assert_eq!(answered(&quick, delivered()), Some("a".to_owned()));
        assert!(unused(&quick).is_empty());
        assert_eq!(quick.lock().held(), 2);

        let slow = waiting(LONGEST_WAIT + Duration::from_secs(1));
        assert_eq!(answered(&slow, delivered()), None);
        assert_eq!(unused(&slow), ["a", "b"]);
        assert_eq!(slow.lock().places, 0, "it is free");
        assert_eq!(slow.lock().held(), 0);
    }

    #[test]
    fn nothing_is_begun_after_an_answer_that_may_mean_wait() {
        let goes_on = |outcome| answered(&waiting(Duration::ZERO), outcome).is_some();
        let reason = String::new;
        assert!(goes_on(delivered()));
        assert!(goes_on(Outcome::Refused { reason: reason(), shorter_may_help: true }), "only that body is at fault");
        assert!(!goes_on(Outcome::Retry { reason: reason(), retry_after: None }));
        assert!(!goes_on(Outcome::Paused { reason: reason(), fix: reason() }));
    }

    #[tokio::test]
    async fn what_waits_is_given_back_when_the_last_place_crashes() {
        let settings = crate::endpoint::Settings::new(
            "soar",
            crate::endpoint::KindSettings::Webhook(crate::endpoint::webhook::Settings::new(
                crate::secret::Secret::new("https://soar.example.org/"),
            )),
        );
        let mut attempts = Attempts::new("soar", Endpoint::new(&settings).unwrap());
        attempts.shared = Arc::new(waiting(Duration::ZERO));
        attempts.places.spawn(async { panic!("as a body might that nobody thought of") });
        attempts.gather().await;
        assert_eq!(attempts.len(), 0);
        assert_eq!(attempts.unused().len(), 2);
    }
}
