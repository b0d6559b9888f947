//! One notification for one endpoint: what is owed, and what became of it.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id,
    notification::{Kind, Notification},
};

/// A delivery as it enters the outbox. `body` is frozen: every attempt sends these bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// `msg_` and 26 characters, derived from cause and subscription.
    pub id: String,
    /// `topic/endpoint` of the subscription that owes it.
    pub subscription: String,
    pub endpoint: String,
    pub notification: Notification,
    pub body: Vec<u8>,
    /// How many alerts and repeats this delivery stands for: those that it tells of first.
    /// 0 for a notice or a copy.
    pub covers: u64,
    pub cause: Cause,
    pub created_at: Timestamp,
}

/// Why a delivery exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An alert opened, or got worse.
    Alert(String),
    WindowClosed(String),
    Overflow,
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
}

/// What the other side said to one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Delivered {
        answer: String,
    },
    /// May succeed later. `retry_after` binds the whole endpoint.
    Retry {
        reason: String,
        retry_after: Option<Duration>,
    },
    /// This body will never be taken.
    Refused {
        reason: String,
    },
    /// The endpoint takes nothing until somebody mends it; `fix` says how, in words.
    Paused {
        reason: String,
        fix: String,
    },
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
            Self::Delivered { answer } => answer,
            Self::Retry { reason, .. } | Self::Refused { reason } | Self::Paused { reason, .. } => reason,
        }
    }
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
    /// Told by an overflow summary instead; see `folded_into`.
    Folded,
    /// Given up until a person retries it.
    Dead,
}

impl State {
    pub const ALL: [Self; 5] = [Self::Ready, Self::Leased, Self::Delivered, Self::Folded, Self::Dead];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Delivered => "delivered",
            Self::Folded => "folded",
            Self::Dead => "dead",
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
        format!("msg_{}", id::derive(&[kind.as_str(), cause, subscription]))
    }
}
