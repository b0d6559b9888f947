//! Which window to read next: hot, warm, cold, deep, or catching up.

use std::time::Duration;

use crate::{checkpoint::Checkpoint, clock::Timestamp};

/// A stretch of time to read; bounds in milliseconds as the API has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
    pub pass: Pass,
}

/// Why a window is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    Hot,
    CatchUp,
    Warm,
    Cold,
    Deep,
}

#[derive(Debug, Clone)]
pub struct Polling {
    pub poll_every: Duration,
    pub overlap: Duration,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    Read(Window),
    /// Nothing is due before then.
    Wait {
        until: Timestamp,
    },
    /// The watermark is older than the API can answer for: record this gap, then plan again.
    Gap {
        from: Timestamp,
        to: Timestamp,
        checkpoint: Checkpoint,
    },
}

impl Polling {
    /// The next window of a source that last polled at `polled_at`. Pure.
    pub fn plan(&self, _checkpoint: &Checkpoint, _polled_at: Option<Timestamp>, _now: Timestamp) -> Plan {
        unimplemented!()
    }

    /// Where a source that was never read begins.
    pub fn start(&self, _now: Timestamp) -> Checkpoint {
        unimplemented!()
    }

    /// The checkpoint after `window` was read completely.
    pub fn advance(&self, _checkpoint: &Checkpoint, _window: &Window, _now: Timestamp) -> Checkpoint {
        unimplemented!()
    }
}
