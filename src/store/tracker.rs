//! What is remembered of a source's tracker.

use crate::{clock::Timestamp, delivery::Delivery};

/// As it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerRow {
    /// JSON; whoever watches the tracker knows its shape.
    pub standing: String,
    pub changed_at: Timestamp,
}

/// How a tracker stands from now on, and the notices that tell of it: whole or not at all.
#[derive(Debug, Clone)]
pub struct TrackerBatch {
    pub source: String,
    pub standing: String,
    pub changed_at: Timestamp,
    pub deliveries: Vec<Delivery>,
}
