//! Conversations about alerts, where a silence is told of below what it keeps back from now on.

use crate::{
    clock::Timestamp,
    delivery::Delivery,
    store::{SilenceRow, Subscriber},
};

/// Where an alert was told, and the endpoint knows how to reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub subscriber: Subscriber,
    /// The conversation began with this alert, and not with another of its group.
    pub began: bool,
}

/// A silence with a turn that conversations were not told of.
#[derive(Debug, Clone, PartialEq)]
pub struct Untold {
    pub row: SilenceRow,
    pub turn: Turn,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// It is in force.
    Began,
    /// It is over; with what told that it began.
    Ended(Vec<Delivery>),
}

/// T4: what tells of one turn of a silence.
#[derive(Debug, Clone)]
pub struct SilenceTold {
    pub silence: String,
    pub began: bool,
    pub deliveries: Vec<Delivery>,
    pub now: Timestamp,
}
