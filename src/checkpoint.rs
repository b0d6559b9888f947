//! How far a source has been read: the durable position and what could not be read.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Position of one source. Moves only together with the effects of what was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Newest time up to which every trace that was readable then has been read.
    pub watermark: Timestamp,
    /// When each wider re-read last completed.
    pub warm_at: Timestamp,
    pub cold_at: Timestamp,
    pub deep_at: Timestamp,
}

/// A stretch of the past that could not be read, and why. Never closed silently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub source: String,
    pub from: Timestamp,
    pub to: Timestamp,
    pub reason: String,
}
