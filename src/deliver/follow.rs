//! What follows from an answer: done, again later, or a dead letter; and whether
//! the whole endpoint has to wait. Pure but for its own standing.

use std::time::Duration;

use crate::{
    alert::Severity,
    backoff,
    clock::{self, Timestamp},
    delivery::{Cause, Delivery, Leased, Outcome},
    endpoint::{Settings, answer},
    generation::Generation,
    notification::Notification,
    store::Next,
    topic::Due,
};

/// Retries are spread over up to 2 s, 4 s, 8 s, ... but never more than an hour.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(3600);
/// This many failures in a row open the breaker.
const BREAKER_AFTER: u32 = 5;
const BREAKER_FIRST: Duration = Duration::from_secs(30);
/// A paused or broken endpoint is probed with its oldest delivery this often.
const LONGEST_PROBE: Duration = Duration::from_secs(15 * 60);
/// An endpoint that failed this long lets its fallback ring.
const FALLBACK_AFTER: Duration = Duration::from_secs(10 * 60);

/// How the endpoint stands with us.
#[derive(Debug, Default)]
pub struct Standing {
    failures: u32,
    failing_since: Option<Timestamp>,
    /// Reason and fix, while it refuses everything.
    paused: Option<(String, String)>,
    /// People were told of this run of failures.
    told: bool,
    last_reason: String,
}

/// What is written together with the attempt.
pub struct Follow {
    pub next: Next,
    pub hold_until: Option<Timestamp>,
    pub deliveries: Vec<Delivery>,
}

impl Standing {
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
        let too_old = clock::since(leased.owed_since, now) >= settings.give_up_after;
        match outcome {
            Outcome::Delivered { .. } => {
                *self = Self::default();
                Follow { next: Next::Delivered, hold_until: None, deliveries: Vec::new() }
            }
            Outcome::Refused { .. } => {
                // The endpoint answers; only this body is at fault.
                *self = Self::default();
                let deliveries = given_up(settings, generation, delivery, outcome.reason(), now);
                Follow { next: Next::Dead, hold_until: None, deliveries }
            }
            Outcome::Retry { reason, retry_after } => {
                self.failed(reason, now);
                let hold_until = match retry_after {
                    // A rate limit is not a failure of the endpoint. One that is over already (a zero,
                    // or a date by a clock behind ours) is no wish: obeying it would be a hot loop.
                    Some(wait) if !wait.is_zero() => {
                        self.failures = 0;
                        Some(clock::plus(now, *wait))
                    }
                    _ => self.breaker(settings, now),
                };
                let (next, mut deliveries) = if too_old {
                    (Next::Dead, given_up(settings, generation, delivery, reason, now))
                } else {
                    (Next::At(retry_at(leased, hold_until, now)), Vec::new())
                };
                if self.needs_fallback(now) && !std::mem::replace(&mut self.told, true) {
                    let title = format!("Endpoint {} has not taken anything for a while", settings.name);
                    let fix = "see whether it is up and can be reached from this machine";
                    let occasion = format!("trouble {} {now}", settings.name);
                    let lines = what_to_do(reason, fix);
                    deliveries.extend(notice(settings, generation, title, lines, &occasion, now));
                }
                Follow { next, hold_until, deliveries }
            }
            Outcome::Paused { reason, fix } => {
                self.failed(reason, now);
                let mut deliveries = match too_old {
                    true => given_up(settings, generation, delivery, reason, now),
                    false => fallback_copy(settings, generation, delivery, now).into_iter().collect(),
                };
                if self.paused.is_none() {
                    let title = format!("Endpoint {} refuses everything and is paused", settings.name);
                    let occasion = format!("trouble {} {now}", settings.name);
                    let lines = what_to_do(reason, fix);
                    deliveries.extend(notice(settings, generation, title, lines, &occasion, now));
                    self.told = true;
                }
                self.paused = Some((answer::in_words(reason).to_owned(), fix.clone()));
                let hold_until = clock::plus(now, probe(self.failures, &settings.name, now));
                let next = if too_old { Next::Dead } else { Next::At(hold_until) };
                Follow { next, hold_until: Some(hold_until), deliveries }
            }
        }
    }

    /// True from a failed attempt to the next success.
    pub fn fails(&self) -> bool {
        self.failing_since.is_some()
    }

    /// True while what waits for this endpoint should ring elsewhere.
    pub fn needs_fallback(&self, now: Timestamp) -> bool {
        self.paused.is_some() || self.failing_since.is_some_and(|since| clock::since(since, now) >= FALLBACK_AFTER)
    }

    /// For the health board: nothing if all is well.
    pub fn in_words(&self) -> Option<String> {
        match &self.paused {
            Some((reason, fix)) => Some(format!("paused: {reason}; {fix}")),
            None if self.failures >= BREAKER_AFTER => Some(format!("failing: {}", self.last_reason)),
            None => None,
        }
    }

    fn failed(&mut self, reason: &str, now: Timestamp) {
        self.failures += 1;
        self.failing_since.get_or_insert(now);
        answer::in_words(reason).clone_into(&mut self.last_reason);
    }

    fn breaker(&self, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
        let over = self.failures.checked_sub(BREAKER_AFTER)?;
        Some(clock::plus(now, probe(over, &settings.name, now)))
    }
}

/// Time to the next probe: 30 s doubled with each failure up to 15 min, half of it jittered.
fn probe(failures: u32, endpoint: &str, now: Timestamp) -> Duration {
    let full = BREAKER_FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST_PROBE);
    full / 2 + (full / 2).mul_f64(backoff::jitter(&[endpoint, &now.to_string()]))
}

fn retry_at(leased: &Leased, hold_until: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let attempt = leased.attempt.to_string();
    let parts = [leased.delivery.id.as_str(), &attempt];
    let wait = backoff::full_jitter(FIRST_RETRY, LONGEST_RETRY, leased.attempt.saturating_sub(1), &parts);
    let own = clock::plus(now, Duration::from_secs(1) + wait);
    // The oldest one is the probe when a hold ends, so it must not wait beyond it.
    hold_until.unwrap_or(own)
}

/// The same notification for the fallback endpoint; `None` without one, for
/// what is a copy already, and for tests.
pub fn fallback_copy(
    settings: &Settings,
    generation: &Generation,
    delivery: &Delivery,
    now: Timestamp,
) -> Option<Delivery> {
    let fallback = generation.fallbacks.get(&settings.name)?;
    if matches!(delivery.cause, Cause::Fallback(_) | Cause::Test) {
        return None;
    }
    let mut notification = delivery.notification.clone();
    notification.lines.push(format!("Sent here because {} cannot take it now.", settings.name));
    notification.created_at = now;
    let cause = Cause::Fallback(delivery.id.clone());
    let occasion = format!("fallback {}", delivery.id);
    let due = Due::new(&notification, &occasion, &delivery.subscription, fallback, cause);
    generation.topics.delivery(due)
}

/// What follows when a delivery becomes a dead letter: the fallback has it, and once
/// an hour people hear that there are some.
fn given_up(
    settings: &Settings,
    generation: &Generation,
    delivery: &Delivery,
    reason: &str,
    now: Timestamp,
) -> Vec<Delivery> {
    let mut deliveries: Vec<Delivery> = fallback_copy(settings, generation, delivery, now).into_iter().collect();
    let name = &settings.name;
    let title = format!("Endpoint {name} has a dead letter: it was given up");
    let lines = vec![
        format!("The first one: {}", delivery.notification.title),
        format!("What was found: {}", answer::in_words(reason)),
        format!("What to do: `tracebell delivery list --endpoint {name} --state dead` shows them all,"),
        format!("`tracebell delivery retry --endpoint {name}` sends them once more. This notice comes once an hour."),
    ];
    let occasion = format!("dead {name} {}", now.as_second() / 3600);
    deliveries.extend(notice(settings, generation, title, lines, &occasion, now));
    deliveries
}

fn what_to_do(reason: &str, fix: &str) -> Vec<String> {
    vec![
        format!("What was found: {}", answer::in_words(reason)),
        format!("What to do: {fix}"),
        "What is owed to it waits and is tried again, at least every quarter of an hour, for 72 hours.".to_owned(),
    ]
}

/// Tells the fallback and the notices topic, once for each occasion; never the endpoint itself.
fn notice(
    settings: &Settings,
    generation: &Generation,
    title: String,
    lines: Vec<String>,
    occasion: &str,
    now: Timestamp,
) -> Vec<Delivery> {
    let notice = Notification::notice(Severity::High, title, lines, now);
    let topics = &generation.topics;
    let mut deliveries = topics.notice(&notice, occasion, false);
    deliveries.retain(|delivery| delivery.endpoint != settings.name);
    if let Some(fallback) = generation.fallbacks.get(&settings.name)
        && !deliveries.iter().any(|delivery| delivery.endpoint == *fallback)
    {
        let subscription = format!("notice/{fallback}");
        deliveries.extend(topics.delivery(Due::new(&notice, occasion, &subscription, fallback, Cause::Notice)));
    }
    deliveries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        endpoint::{KindSettings, webhook},
        secret::Secret,
    };

    /// When a delivery is tried again after ten answers in a row that each ask for `wait`.
    fn tried_again_after(wait: u64) -> Duration {
        let url = Secret::new("http://127.0.0.1/");
        let kind = KindSettings::Webhook(webhook::Settings::new(url));
        let settings = Settings::new("soar", kind);
        let now = Timestamp::UNIX_EPOCH;
        let delivery = Delivery {
            id: "msg_1".to_owned(),
            subscription: "security/soar".to_owned(),
            endpoint: "soar".to_owned(),
            notification: Notification::notice(Severity::High, "x", Vec::new(), now),
            body: Vec::new(),
            covers: 0,
            cause: Cause::Notice,
            created_at: now,
            thread: "msg_1".to_owned(),
            hold: None,
        };
        let outcome = Outcome::Retry { reason: "http_503".to_owned(), retry_after: Some(Duration::from_secs(wait)) };
        let mut standing = Standing::default();
        let mut next = Next::Dead;
        for attempt in 1..=10 {
            let delivery = delivery.clone();
            let leased =
                Leased { delivery, token: 1, attempt, lease_until: now, owed_since: now, thread_receipt: None };
            next = standing.follow(&settings, &Generation::default(), &leased, &outcome, now).next;
        }
        let Next::At(time) = next else { panic!("{next:?}") };
        clock::since(now, time)
    }

    #[test]
    fn a_wish_to_be_asked_at_once_is_no_reason_to_hurry() {
        assert_eq!(tried_again_after(7), Duration::from_secs(7));
        assert!(tried_again_after(0) >= BREAKER_FIRST / 2, "a hot loop");
    }
}
