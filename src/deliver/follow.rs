//! What follows from an answer: done, again later, with a shorter body, or a dead letter; and
//! whether the whole endpoint has to wait. Pure but for its own standing, which the store keeps.

use std::time::Duration;

use crate::{
    backoff,
    clock::{self, Timestamp},
    delivery::{Delivery, Leased, Outcome, Pause, Trouble},
    endpoint::{Settings, answer},
    generation::Generation,
    render::{self, Letter, facts},
    store::{EndpointState, Next},
};

mod told;

pub use told::{credentials, fallback_copy};

/// Retries are spread over up to 2 s, 4 s, 8 s, ... but never more than an hour.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(3600);
/// This many failures in a row open the breaker; of TLS alone they are a pause, for time does not mend a
/// certificate.
const BREAKER_AFTER: u32 = 5;
const BREAKER_FIRST: Duration = Duration::from_secs(30);
/// A paused or broken endpoint is probed with its oldest delivery this often: under 120 times a day.
const LONGEST_PROBE: Duration = Duration::from_secs(15 * 60);
/// An endpoint that failed this long lets its fallback ring.
const FALLBACK_AFTER: Duration = Duration::from_secs(10 * 60);

/// How the endpoint stands with us.
#[derive(Debug, Default)]
pub struct Standing {
    failures: u32,
    /// How many of the last failures were of TLS.
    tls: u32,
    trouble: Option<Trouble>,
    last_reason: String,
    /// What waited for it and what was given up, when last looked at.
    queue: (u64, u64),
}

/// What is written together with the attempt.
pub struct Follow {
    pub next: Next,
    pub trouble: Option<Trouble>,
    pub hold_until: Option<Timestamp>,
    pub deliveries: Vec<Delivery>,
}

impl Standing {
    /// As an earlier process left it.
    pub fn of(state: EndpointState) -> Self {
        let last_reason = answer::in_words(state.last_reason.as_deref().unwrap_or_default()).to_owned();
        Self { failures: state.failures, trouble: state.trouble, last_reason, ..Self::default() }
    }

    /// Takes an answer in.
    pub fn follow(
        &mut self,
        settings: &Settings,
        generation: &Generation,
        leased: &Leased,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Follow {
        let delivery = &leased.delivery;
        let (next, hold_until, deliveries) = match outcome {
            Outcome::Delivered { .. } => (Next::Delivered, None, self.recovered(settings, generation, now)),
            Outcome::Refused { reason, shorter_may_help } => {
                // The endpoint answers; only this body is at fault.
                let mut deliveries = self.recovered(settings, generation, now);
                match shorter(generation, leased).filter(|_| *shorter_may_help) {
                    Some(body) => (Next::Reduce { body }, None, deliveries),
                    None => {
                        deliveries.extend(told::given_up(settings, generation, delivery, reason, now));
                        (Next::Dead, None, deliveries)
                    }
                }
            }
            Outcome::Retry { reason, retry_after } => {
                self.failed(reason, now);
                self.tls = if answer::class(outcome) == "tls" { self.tls + 1 } else { 0 };
                if self.tls >= BREAKER_AFTER {
                    self.paused(settings, generation, leased, reason, answer::TLS_FIX, now)
                } else {
                    self.later(settings, generation, leased, reason, *retry_after, now)
                }
            }
            Outcome::Paused { reason, fix } => {
                self.failed(reason, now);
                self.paused(settings, generation, leased, reason, fix, now)
            }
        };
        Follow { next, trouble: self.trouble.clone(), hold_until, deliveries }
    }

    /// True from a failed attempt to the next success.
    pub fn fails(&self) -> bool {
        self.trouble.is_some()
    }

    /// True if people hear of it when it works again.
    pub fn is_told(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.told_at.is_some())
    }

    /// What waits for it and what was given up, so that people can be told.
    pub fn saw(&mut self, waiting: u64, dead: u64) {
        self.queue = (waiting, dead);
    }

    /// How many deliveries may be tried at once: one, as a probe, while the breaker is open.
    pub fn at_once(&self, concurrency: usize) -> usize {
        if self.is_paused() || self.failures >= BREAKER_AFTER { 1 } else { concurrency }
    }

    /// True while what waits for this endpoint should ring elsewhere.
    pub fn needs_fallback(&self, now: Timestamp) -> bool {
        let long = |trouble: &Trouble| clock::since(trouble.since, now) >= FALLBACK_AFTER;
        self.is_paused() || self.trouble.as_ref().is_some_and(long)
    }

    /// For the health board: nothing if all is well.
    pub fn in_words(&self) -> Option<String> {
        let trouble = self.trouble.as_ref()?;
        let since = facts::when(trouble.since);
        match &trouble.paused {
            Some(Pause { reason, fix }) => Some(format!("paused since {since}: {reason}; {fix}")),
            None if self.failures >= BREAKER_AFTER => Some(format!("failing since {since}: {}", self.last_reason)),
            None => None,
        }
    }

    fn is_paused(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.paused.is_some())
    }

    fn failed(&mut self, reason: &str, now: Timestamp) -> &mut Trouble {
        self.failures += 1;
        answer::in_words(reason).clone_into(&mut self.last_reason);
        self.trouble.get_or_insert(Trouble { since: now, paused: None, told_at: None })
    }

    /// It answered: whatever was the matter is over.
    fn recovered(&mut self, settings: &Settings, generation: &Generation, now: Timestamp) -> Vec<Delivery> {
        let Self { trouble, queue, .. } = std::mem::take(self);
        match trouble.filter(|trouble| trouble.told_at.is_some()) {
            Some(trouble) => told::recovered(settings, generation, trouble.since, queue, now),
            None => Vec::new(),
        }
    }

    fn later(
        &mut self,
        settings: &Settings,
        generation: &Generation,
        leased: &Leased,
        reason: &str,
        retry_after: Option<Duration>,
        now: Timestamp,
    ) -> (Next, Option<Timestamp>, Vec<Delivery>) {
        // A wish that is over already (a zero, or a date by a clock behind ours) is none: obeying it would be
        // a hot loop. One that is uttered again and again without a success between is obeyed, and more.
        let wish = retry_after.filter(|wait| !wait.is_zero()).map(|wait| clock::plus(now, wait));
        let hold_until = wish.max(self.breaker(settings, now));
        let (next, mut deliveries) = if too_old(settings, leased, now) {
            (Next::Dead, told::given_up(settings, generation, &leased.delivery, reason, now))
        } else {
            (Next::At(hold_until.unwrap_or_else(|| own_retry(leased, now))), Vec::new())
        };
        if self.needs_fallback(now) {
            let title = format!("Endpoint {} has not taken anything for a while", settings.name);
            let fix = "see whether it is up and can be reached from this machine";
            deliveries.extend(self.tell(settings, generation, title, reason, fix, now));
        }
        (next, hold_until, deliveries)
    }

    fn paused(
        &mut self,
        settings: &Settings,
        generation: &Generation,
        leased: &Leased,
        reason: &str,
        fix: &str,
        now: Timestamp,
    ) -> (Next, Option<Timestamp>, Vec<Delivery>) {
        let too_old = too_old(settings, leased, now);
        let mut deliveries = match too_old {
            true => told::given_up(settings, generation, &leased.delivery, reason, now),
            false => fallback_copy(settings, generation, &leased.delivery, now).into_iter().collect(),
        };
        let title = format!("Endpoint {} refuses everything and is paused", settings.name);
        deliveries.extend(self.tell(settings, generation, title, reason, fix, now));
        if let Some(trouble) = &mut self.trouble {
            trouble.paused = Some(Pause { reason: answer::in_words(reason).to_owned(), fix: fix.to_owned() });
        }
        let hold_until = clock::plus(now, probe(self.failures, &settings.name, now));
        let next = if too_old { Next::Dead } else { Next::At(hold_until) };
        (next, Some(hold_until), deliveries)
    }

    /// Once in a run of failures.
    fn tell(
        &mut self,
        settings: &Settings,
        generation: &Generation,
        title: String,
        reason: &str,
        fix: &str,
        now: Timestamp,
    ) -> Vec<Delivery> {
        let Some(trouble) = self.trouble.as_mut().filter(|trouble| trouble.told_at.is_none()) else {
            return Vec::new();
        };
        trouble.told_at = Some(now);
        told::trouble(settings, generation, title, reason, fix, trouble.since, now)
    }

    fn breaker(&self, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
        let over = self.failures.checked_sub(BREAKER_AFTER)?;
        Some(clock::plus(now, probe(over, &settings.name, now)))
    }
}

/// Time to the next probe: 30 s doubled with each failure up to 15 min, a tenth of it jittered, so that
/// endpoints behind one broken line do not all come back at once.
fn probe(failures: u32, endpoint: &str, now: Timestamp) -> Duration {
    let full = BREAKER_FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST_PROBE);
    full - (full / 10).mul_f64(backoff::jitter(&[endpoint, &now.to_string()]))
}

fn too_old(settings: &Settings, leased: &Leased, now: Timestamp) -> bool {
    clock::since(leased.owed_since, now) >= settings.give_up_after
}

/// Only without a hold: the oldest one is the probe when a hold ends, so it must not wait beyond it.
fn own_retry(leased: &Leased, now: Timestamp) -> Timestamp {
    let attempt = leased.attempt.to_string();
    let parts = [leased.delivery.id.as_str(), &attempt];
    let wait = backoff::full_jitter(FIRST_RETRY, LONGEST_RETRY, leased.attempt.saturating_sub(1), &parts);
    clock::plus(now, Duration::from_secs(1) + wait)
}

/// A body that says less than the one refused; `None` if that one was the short one, or could not be shorter.
fn shorter(generation: &Generation, leased: &Leased) -> Option<Vec<u8>> {
    let Delivery { endpoint, notification, id, thread, subscription, body, .. } = &leased.delivery;
    // What says that it cannot be read is no shorter form of what was to be told.
    let may = !leased.reduced && notification.is_readable();
    let address = generation.topics.addresses.get(endpoint).filter(|_| may)?;
    let letter = Letter { address, notification, id, thread, subscription };
    Some(render::reduced(&letter)).filter(|reduced| reduced.len() < body.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::Severity,
        delivery::Cause,
        endpoint::{KindSettings, webhook},
        notification::Notification,
        render::{Address, Format},
        secret::Secret,
    };

    fn settings() -> Settings {
        Settings::new("soar", KindSettings::Webhook(webhook::Settings::new(Secret::new("http://127.0.0.1/"))))
    }

    fn leased(body: &[u8]) -> Leased {
        let now = Timestamp::UNIX_EPOCH;
        let delivery = Delivery {
            id: "msg_1".to_owned(),
            subscription: "security/soar".to_owned(),
            endpoint: "soar".to_owned(),
            notification: Notification::notice(Severity::High, "x", Vec::new(), now).into(),
            body: body.to_vec(),
            covers: 0,
            cause: Cause::Notice,
            created_at: now,
            thread: "msg_1".to_owned(),
            hold: None,
        };
        Leased::once(delivery, now)
    }

    /// When a delivery is tried again after as many answers in a row that each ask for `wait`.
    fn tried_again_after(answers: u32, wait: u64) -> Duration {
        let now = Timestamp::UNIX_EPOCH;
        let outcome = Outcome::Retry { reason: "http_503".to_owned(), retry_after: Some(Duration::from_secs(wait)) };
        let mut standing = Standing::default();
        let mut next = Next::Dead;
        for attempt in 1..=answers {
            let leased = Leased { attempt, ..leased(b"") };
            next = standing.follow(&settings(), &Generation::default(), &leased, &outcome, now).next;
        }
        let Next::At(time) = next else { panic!("{next:?}") };
        clock::since(now, time)
    }

    #[test]
    fn a_wish_to_be_asked_at_once_is_no_reason_to_hurry() {
        assert_eq!(tried_again_after(4, 7), Duration::from_secs(7));
        assert_eq!(tried_again_after(10, 3600), Duration::from_secs(3600));
        for wait in [0, 1] {
            assert!(tried_again_after(10, wait) >= LONGEST_PROBE / 2, "hammers who never takes anything");
        }
    }
    #[test]
    fn a_refused_body_is_shortened_once_and_only_if_that_may_help() {
        let mut generation = Generation::default();
        let short = render::reduced(&Letter {
            address: &Address::plain(Format::Webhook),
            notification: &leased(b"").delivery.notification,
            id: "msg_1",
            thread: "msg_1",
            subscription: "security/soar",
        });
        let long = vec![b'x'; short.len() + 1];
        let refused = |shorter_may_help| Outcome::Refused { reason: "http_413: no".to_owned(), shorter_may_help };
        let check = |generation: &Generation, leased: Leased, shorter_may_help, expected: Next| {
            let outcome = refused(shorter_may_help);
            let now = Timestamp::UNIX_EPOCH;
            let next = Standing::default().follow(&settings(), generation, &leased, &outcome, now).next;
            assert_eq!(next, expected, "{outcome:?} of {} bytes", leased.delivery.body.len());
        };
        // Nobody knows any more how the endpoint is addressed.
        check(&generation, leased(&long), true, Next::Dead);
        generation.topics.addresses.insert("soar".to_owned(), Address::plain(Format::Webhook));
        check(&generation, leased(&long), true, Next::Reduce { body: short.clone() });
        check(&generation, leased(&long), false, Next::Dead);
        check(&generation, Leased { reduced: true, ..leased(&long) }, true, Next::Dead);
        // What could not be shorter would be refused again.
        check(&generation, leased(&short), true, Next::Dead);
    }

    #[test]
    fn tls_that_fails_five_times_in_a_row_is_a_pause() {
        let failed = |class: &str| answer::retry(class, "invalid peer certificate");
        for (classes, paused) in [
            (["tls"; 5].as_slice(), true),
            (&["tls"; 4], false),
            (&["tls", "tls", "tls", "tls", "connect", "tls"], false),
            (&["connect"; 5], false),
            (&["connect", "tls", "tls", "tls", "tls", "tls"], true),
        ] {
            let mut standing = Standing::default();
            for class in classes {
                standing.follow(
                    &settings(),
                    &Generation::default(),
                    &leased(b""),
                    &failed(class),
                    Timestamp::UNIX_EPOCH,
                );
            }
            assert_eq!(standing.is_paused(), paused, "{classes:?}");
            let told = standing.in_words().unwrap_or_default();
            assert_eq!(told.contains("see that the certificate is in date"), paused, "{told}");
        }
    }
}
