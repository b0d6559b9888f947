//! Deliveries: what is to reach whom, and what became of it.

use serde::Serialize;

use super::{
    Smn,
    letter::{Kind, Letter},
    subscription::{Status, Subscription},
};
use crate::clock::Timestamp;

/// How many are kept to be looked at.
const KEPT: usize = 10_000;

/// One message for one subscriber.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    pub number: u64,
    pub subscription_urn: String,
    pub protocol: String,
    pub endpoint: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub message_id: String,
    pub topic_urn: String,
    pub subject: Option<String>,
    pub message: String,
    /// Where the subscriber confirms, comes back, or leaves.
    pub link: String,
    pub attempts: Vec<Attempt>,
    pub outcome: Outcome,
    #[serde(skip)]
    pub headers: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    pub at: Timestamp,
    /// None: no answer, `reason` says why.
    pub status: Option<u16>,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Waiting,
    Delivered,
    /// Mail, SMS and functions: only kept here.
    Kept,
    /// Given up, and why.
    Dropped(String),
}

/// What the courier carries.
pub struct Job {
    pub letter: Letter,
    /// After this it is not worth sending.
    pub expires: Timestamp,
    pub drop_at_once: bool,
    /// Of the delivery; given by [`Smn::post`].
    pub number: u64,
}

/// How an address has answered lately.
#[derive(Debug, Default)]
pub struct Standing {
    pub failures: u32,
    pub blocked_until: Option<Timestamp>,
}

impl Smn {
    pub fn post(&mut self, mut job: Job, to: &Subscription) {
        self.delivery_count += 1;
        job.number = self.delivery_count;
        let letter = &job.letter;
        let delivery = Delivery {
            number: job.number,
            subscription_urn: to.urn.clone(),
            protocol: to.protocol.clone(),
            endpoint: to.endpoint.clone(),
            kind: letter.kind.name(),
            message_id: letter.message_id.clone(),
            topic_urn: letter.topic_urn.clone(),
            subject: letter.subject.clone(),
            message: letter.message.clone(),
            link: letter.link.clone(),
            attempts: Vec::new(),
            outcome: if to.is_of_http() { Outcome::Waiting } else { Outcome::Kept },
            headers: to.headers.clone(),
        };
        self.keep(delivery);
        if to.is_of_http() {
            self.queue.push_back(job);
            self.wake.notify_one();
        }
    }

    fn keep(&mut self, delivery: Delivery) {
        self.deliveries.insert(delivery.number, delivery);
        while self.deliveries.len() > KEPT {
            self.deliveries.pop_first();
        }
    }

    pub fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.values().cloned().collect()
    }

    /// The delivery, as long as somebody still wants it; else why not.
    pub fn wanted(&self, job: &Job, now: Timestamp) -> Result<Delivery, String> {
        let delivery = self.deliveries.get(&job.number).ok_or("forgotten")?;
        let subscription = self.subscriptions.iter().find(|known| known.urn == delivery.subscription_urn);
        let subscription = subscription.ok_or("the subscription is gone")?;
        let right = match job.letter.kind {
            Kind::Notification => Status::Confirmed,
            Kind::SubscriptionConfirmation => return self.fresh(job, now).map(|()| delivery.clone()),
            Kind::UnsubscribeConfirmation => Status::Cancelled,
        };
        if subscription.status != right {
            return Err("the subscriber changed its mind".to_owned());
        }
        self.fresh(job, now).map(|()| delivery.clone())
    }

    fn fresh(&self, job: &Job, now: Timestamp) -> Result<(), String> {
        if now < job.expires { Ok(()) } else { Err("its time to live is over".to_owned()) }
    }

    pub fn is_blocked(&mut self, address: &str, now: Timestamp) -> bool {
        let Some(standing) = self.standings.get_mut(address) else { return false };
        let blocked = standing.blocked_until.is_some_and(|until| now < until);
        if !blocked && standing.blocked_until.take().is_some() {
            standing.failures = 0;
        }
        blocked
    }

    pub fn attempted(&mut self, number: u64, attempt: Attempt) {
        if let Some(delivery) = self.deliveries.get_mut(&number) {
            delivery.attempts.push(attempt);
        }
    }

    pub fn ended(&mut self, number: u64, outcome: Outcome) {
        if let Some(delivery) = self.deliveries.get_mut(&number) {
            delivery.outcome = outcome;
        }
    }

    pub fn standing(&mut self, address: &str) -> &mut Standing {
        self.standings.entry(address.to_owned()).or_default()
    }

    pub fn next_job(&mut self) -> Option<Job> {
        self.queue.pop_front()
    }

    pub fn waker(&self) -> std::sync::Arc<tokio::sync::Notify> {
        std::sync::Arc::clone(&self.wake)
    }
}
