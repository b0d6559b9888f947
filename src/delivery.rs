//! One notification for one endpoint: what is owed, and what became of it.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id,
    notification::{Frozen, Kind},
};

/// A delivery as it enters the outbox. `body` is frozen: every attempt sends these bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// `msg_` and 26 characters, derived from cause and subscription.
    pub id: String,
    /// `topic/endpoint` of the subscription that owes it.
    pub subscription: String,
    pub endpoint: String,
    pub notification: Frozen,
    pub body: Vec<u8>,
    /// How many alerts and repeats this delivery stands for: those that it tells of first.
    /// 0 for a notice or a copy.
    pub covers: u64,
    pub cause: Cause,
    pub created_at: Timestamp,
    /// The delivery that opened the conversation this one belongs to; its own id if it opens one.
    pub thread: String,
    /// Not sent by itself: what shares a hold is told in one message when the hold ends.
    pub hold: Option<Hold>,
}

/// Why a delivery waits for others, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What shares it is told together; begins with the subscription or the endpoint.
    pub id: String,
    pub kind: HoldKind,
    pub until: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// The subscription's timetable.
    Digest,
    /// A first message of the same actor or resource was sent shortly before.
    Group,
    /// Quiet hours of the subscription's schedule.
    Quiet,
    /// The rule used up its noise budget.
    Budget,
    /// More alerts at once than people can read.
    Storm,
    /// A gap is being filled, and a person wants to hear of it in one.
    Fill,
}

impl HoldKind {
    pub const ALL: [Self; 6] = [Self::Digest, Self::Group, Self::Quiet, Self::Budget, Self::Storm, Self::Fill];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Group => "group",
            Self::Quiet => "quiet",
            Self::Budget => "budget",
            Self::Storm => "storm",
            Self::Fill => "fill",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Why a delivery exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An alert opened, or got worse.
    Alert(String),
    WindowClosed(String),
    Overflow,
    /// A hold ended.
    Held(HoldKind),
    /// An open alert's count grew.
    Repeated(String),
    /// A silence began or ended, below what was told of what it keeps back.
    Silenced(String),
    Notice,
    /// Copy of a delivery that its own endpoint refused or cannot take now.
    Fallback(String),
    Test,
}

/// A delivery in the hands of a worker until `lease_until`.
#[derive(Debug, Clone, PartialEq)]
pub struct Leased {
    pub delivery: Delivery,
    /// Fencing number: an answer recorded with an older one changes nothing but a success.
    pub token: i64,
    /// Attempts so far, this one included.
    pub attempt: u32,
    pub lease_until: Timestamp,
    /// When it was written, or when a person last asked for another try.
    pub owed_since: Timestamp,
    /// When the trace it tells of was recorded.
    pub recorded_at: Option<Timestamp>,
    /// What the endpoint said last in the conversation, if this delivery follows another.
    pub thread_receipt: Option<String>,
    /// Its first body was refused; this is the shorter one.
    pub reduced: bool,
}

impl Leased {
    /// A delivery tried once, outside the outbox.
    pub fn once(delivery: Delivery, now: Timestamp) -> Self {
        let (token, attempt, recorded_at, thread_receipt, reduced) = (0, 1, None, None, false);
        Self { delivery, token, attempt, lease_until: now, owed_since: now, recorded_at, thread_receipt, reduced }
    }
}

/// What the other side said to one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Delivered {
        answer: String,
        /// By which the endpoint finds the message again, to edit it or to reply below it.
        receipt: Option<String>,
    },
    /// May succeed later. `retry_after` binds the whole endpoint.
    Retry { reason: String, retry_after: Option<Duration> },
    /// This body will never be taken; perhaps one that says less is.
    Refused { reason: String, shorter_may_help: bool },
    /// The endpoint takes nothing until somebody mends it; `fix` says how, in words.
    Paused { reason: String, fix: String },
}

impl Outcome {
    /// A word for metrics and tables.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Retry { .. } => "retry",
            Self::Refused { .. } => "refused",
            Self::Paused { .. } => "paused",
        }
    }

    pub fn reason(&self) -> &str {
        match self {
            Self::Delivered { answer, .. } => answer,
            Self::Retry { reason, .. } | Self::Refused { reason, .. } | Self::Paused { reason, .. } => reason,
        }
    }
}

/// An endpoint takes nothing, from the first failure to the next success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub since: Timestamp,
    /// While it refuses everything, whatever it is sent.
    pub paused: Option<Pause>,
    /// When people were told.
    pub told_at: Option<Timestamp>,
}

/// Why an endpoint refuses everything, and what mends it, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub reason: String,
    pub fix: String,
}

/// A rate limit: `burst` at once, then one per `interval` (GCRA; its state lives in the store).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub interval: Duration,
    pub burst: u32,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ready,
    Leased,
    Delivered,
    /// Waits for others to be told together with.
    Held,
    /// Told by an overflow summary or a digest instead; see `folded_into`.
    Folded,
    /// Given up until a person retries it.
    Dead,
    /// Called off by a person.
    Cancelled,
}

impl State {
    pub const ALL: [Self; 7] =
        [Self::Ready, Self::Leased, Self::Delivered, Self::Held, Self::Folded, Self::Dead, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Delivered => "delivered",
            Self::Held => "held",
            Self::Folded => "folded",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Delivery {
    /// The id of the delivery that `cause` (an alert, a flush, a notice) owes to a subscription.
    pub fn id(kind: Kind, cause: &str, subscription: &str) -> String {
        // An alert opens once: whoever reads it again, and by then late, tells the same.
        let kind = if kind == Kind::Late { Kind::Opened } else { kind };
        format!("msg_{}", id::derive(&[kind.as_str(), cause, subscription]))
    }
}
