//! The two equations that hold at every moment, with their numbers.

use super::IngestCounts;
use crate::checkpoint::Checkpoint;

/// The accounting identity, read in one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounting {
    pub sources: Vec<SourceAccount>,
    pub subscriptions: Vec<SubscriptionAccount>,
    pub quarantined: u64,
    /// Of rules that remember anything, or did.
    pub windows: Vec<WindowAccount>,
}

/// How much one rule remembers, all sources together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowAccount {
    pub rule: String,
    pub keys: u64,
    /// Keys that had to give way to newer ones, ever.
    pub evicted: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceAccount {
    pub source: String,
    pub counts: IngestCounts,
    pub checkpoint: Option<Checkpoint>,
    /// Stretches that could not be read and are not filled.
    pub gaps: u64,
    pub filled: u64,
}

/// owed = delivered + summarised + suppressed + pending + dead
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscriptionAccount {
    pub subscription: String,
    pub owed: u64,
    pub delivered: u64,
    /// Told by a delivered window or overflow summary.
    pub summarised: u64,
    pub suppressed: u64,
    /// Ready, leased, folded into a summary still on its way, or a repeat in an open window.
    pub pending: u64,
    pub dead: u64,
}

impl SourceAccount {
    pub fn balanced(&self) -> bool {
        let c = &self.counts;
        c.fetched == c.duplicate + c.undecodable + c.evaluated && c.evaluated == c.unmatched + c.matched
    }
}

impl SubscriptionAccount {
    pub fn balanced(&self) -> bool {
        self.owed == self.delivered + self.summarised + self.suppressed + self.pending + self.dead
    }
}
