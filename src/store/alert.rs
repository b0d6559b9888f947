//! What became of an alert, as people ask for it.

use super::{AttemptRow, DeliveryRow};
use crate::{
    alert::{Alert, Severity},
    clock::Timestamp,
};

/// What became of one alert.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    pub closed_at: Option<Timestamp>,
    /// The first traces and the newest ones, in the order in which they came.
    pub traces: Vec<LedgerLine>,
    /// How many of them there are in all.
    pub traces_total: u64,
    /// All that tells of it, oldest first: its own deliveries, their copies, and what they were folded into.
    pub deliveries: Vec<(DeliveryRow, Vec<AttemptRow>)>,
}

/// What became of one trace, as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerLine {
    pub trace: String,
    pub time: Timestamp,
    /// As [`Verdict`](super::Verdict) spells it.
    pub verdict: String,
    pub reason: Option<String>,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    pub rule: Option<String>,
    pub at_least: Option<Severity>,
    /// Only those whose window is open.
    pub open: bool,
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlertRow {
    pub alert: Alert,
    pub closed_at: Option<Timestamp>,
}
