//! Gaps that were filled: what a commit says of it.

use std::collections::BTreeSet;

use crate::{checkpoint::Part, clock::Timestamp};

/// Part of T1: how far a part of a gap is filled, with what was read for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillMark {
    pub part: Part,
    /// Who asked for it.
    pub by: String,
    /// Alerts that opened with this page.
    pub alerts: u64,
    /// Files that could not be read since the last one.
    pub unreadable: u64,
    /// Files that are not what the tracker wrote, found since the last one.
    pub suspects: BTreeSet<String>,
    /// The first one of a process: what could not be read before is tried again.
    pub begins: bool,
    /// When that is told which is held back to be told in one.
    pub told_at: Timestamp,
    pub done: bool,
}
