//! What rings: from the traces that satisfy rules to alerts that open, grow or escalate.
//!
//! Pure. Memory and open alerts come in, changed memory and alerts go out. Three
//! callers share it, so that they cannot disagree: `ingest` with the store around
//! it, the cases inside rules and the backtest with [`Rehearsal`] around it.
//!
//! ```text
//! look: traces -> sightings, slots -> (load memory) -> recall: hits -> (load open alerts) -> fold: rings
//! ```

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    alert::{Alert, Key},
    clock::Timestamp,
    rule::{Part, Rule},
    trace::Trace,
};

mod absent;
mod count;
mod first_seen;
mod fold;
mod look;
mod pair;
mod recall;
mod rehearsal;
mod sequence;
mod slot;
mod then;
mod window;

pub use fold::fold;
pub use look::look;
pub use recall::{recall, tick, watch};
pub use rehearsal::Rehearsal;

/// A trace that satisfies a part of a rule.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// Index into the rule set.
    pub rule: usize,
    pub part: Part,
    pub trace: Arc<Trace>,
    /// What the rule's memory of this trace is filed under; `None` if the rule remembers nothing.
    pub slot: Option<Slot>,
}

/// What a page of traces comes to before anything is remembered.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// Oldest trace first.
    pub sightings: Vec<Sighting>,
    /// Traces that a rule would have taken but for an exception, for the ledger.
    pub excepted: Vec<Excepted>,
    /// Traces that satisfy at least one rule, exceptions left out.
    pub matched: u64,
    /// What has to be loaded before [`recall()`]; sorted, each once.
    pub slots: Vec<Slot>,
}

/// A trace that a rule left alone, and the exception's reason.
#[derive(Debug, Clone)]
pub struct Excepted {
    pub rule: String,
    pub reason: String,
    pub trace: Arc<Trace>,
}

/// One rule's memory of one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    pub rule: String,
    /// The key in one text; values cannot run into each other.
    pub key: String,
}

/// What a rule remembers of one key. Times are the traces' own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The [`Basis`](crate::rule::Basis) it was made with.
    #[serde(default)]
    pub basis: String,
    /// By time, then trace id.
    pub entries: Vec<Entry>,
    /// Matches seen so far, those no longer among the entries included.
    pub sightings: u64,
    /// When a silence is over due ([`When::Absent`](crate::rule::When)).
    pub due_at: Option<Timestamp>,
    /// All up to here was seen when silences were last judged.
    #[serde(default)]
    pub judged: Option<Timestamp>,
    /// Nothing can come of it any more once the watermark is past this.
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub time: Timestamp,
    pub trace: String,
    /// What it stands for: the value of `of`, the index of the step, and the like.
    pub word: String,
    /// Counted in an alert already.
    pub rang: bool,
    /// The whole trace, for as long as an alert may have to be told with it.
    pub whole: Option<Box<Trace>>,
}

/// Memory in reach of [`recall()`]: what was loaded, and which of it changed.
#[derive(Debug, Clone, Default)]
pub struct Memories {
    pub slots: BTreeMap<Slot, Memory>,
    pub changed: std::collections::BTreeSet<Slot>,
    /// Since when each rule that learns watches, by [`watch`]: learning counts from here.
    pub since: BTreeMap<String, Timestamp>,
    /// Entries given up because a slot was full: their windows may have been miscounted.
    pub dropped: u64,
}

/// A rule has something to say about one key.
#[derive(Debug, Clone)]
pub struct Hit<'a> {
    pub rule: &'a Rule,
    pub key: Key,
    pub fingerprint: String,
    /// The trace that tells it: the alert's first, or the one that escalates.
    pub lead: Arc<Trace>,
    /// Every trace it counts and none counted before, oldest first: id and time.
    pub evidence: Vec<(String, Timestamp)>,
    /// By the rule's `then`: the lead makes the alert worse.
    pub escalates: bool,
    /// A trace of the rule's `then` that was here before this hit: the alert opens worse.
    pub then: Option<Arc<Trace>>,
    /// When a trace happened whose alert this hit belongs to, wherever its own window lies.
    pub joins: Option<Timestamp>,
    /// Opens an alert if there is none to fold into; else it comes to nothing.
    pub opens: bool,
    /// The second half of an asynchronous operation, with a worse outcome than the first.
    pub worse: bool,
}

/// What became of a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Opened,
    /// Counted in the open alert, not told at once.
    Repeat,
    /// The open alert became worse: it rings again.
    Escalated,
    /// The second half of an asynchronous operation went worse than the first: it rings again.
    Updated,
}

/// A hit's effect on an alert.
#[derive(Debug, Clone)]
pub struct Ring {
    pub change: Change,
    /// The alert as it stands after the hit.
    pub alert: Alert,
    /// Where the alert is published; empty for a shadow's repeats too.
    pub topics: Vec<String>,
    /// The traces this hit added.
    pub evidence: Vec<(String, Timestamp)>,
    pub lead: Arc<Trace>,
}
