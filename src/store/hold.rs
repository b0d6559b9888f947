//! What is held back, as the store hands it out and takes it.

use crate::{
    alert::{Alert, Severity},
    clock::Timestamp,
    delivery::{Delivery, HoldKind},
    notification::Gathered,
    store::Subscriber,
};

/// Deliveries that wait for each other, and what they tell of.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// [`Hold::id`](crate::delivery::Hold::id)
    pub hold: String,
    pub kind: HoldKind,
    pub until: Timestamp,
    /// When the first of them was written.
    pub since: Timestamp,
    pub subscription: String,
    pub endpoint: String,
    /// Of the first of them.
    pub thread: String,
    pub deliveries: u64,
    /// Bound for [`Flush`]: newer ones wait on.
    pub up_to: i64,
    pub worst: Severity,
    pub gathered: Gathered,
}

/// Part of T4: a hold ends. Its deliveries are folded `into` another one (with `covers` 0 and an id never used
/// before, else it is a [`StoreError::Conflict`](super::StoreError::Conflict)); without one they go as they are.
#[derive(Debug, Clone)]
pub struct Flush {
    pub hold: String,
    pub up_to: i64,
    pub into: Option<Delivery>,
    pub now: Timestamp,
}

/// An open alert that counts more than its readers were shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Grown {
    pub id: String,
    /// `None` if it cannot be read any more.
    pub alert: Option<Alert>,
    /// Those whose first message of it can be found again by the endpoint's receipt.
    pub subscribers: Vec<Subscriber>,
}

/// Counts that are shown from now on, and the deliveries that show them.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Ids of alerts with the count shown; `None` for whatever it is.
    pub alerts: Vec<(String, Option<u64>)>,
    pub deliveries: Vec<Delivery>,
    pub now: Timestamp,
}
