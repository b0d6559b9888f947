//! A rule that fired for one key, and the folding of its repeats.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::{self, Timestamp},
    id,
    trace::Trace,
};

/// How bad, in the rule author's judgement. Not the cloud's rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What makes two matches the same trouble: field names of `dedup.by` and their values.
pub type Key = BTreeMap<String, String>;

/// A fired rule. Opened by its first match; further ones within the window raise `count`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// `alr_` and 26 characters derived from source, rule, key and first trace.
    pub id: String,
    pub source: String,
    pub rule: String,
    /// Stable hash of source, rule and key.
    pub fingerprint: String,
    pub key: Key,
    pub severity: Severity,
    pub title: String,
    pub why: Option<String>,
    pub runbook: Option<String>,
    /// The match that opened it.
    pub first: Trace,
    /// Operation time of the oldest match, if it came after the one that opened the alert.
    #[serde(default)]
    pub first_time: Option<Timestamp>,
    /// Operation time of the newest match.
    pub last_time: Timestamp,
    /// Traces behind it so far, the first included.
    pub count: u64,
    /// How many of them a message in the outbox tells of already; the window's summary tells the rest.
    #[serde(default = "one")]
    pub told: u64,
    pub opened_at: Timestamp,
    /// When the window closes by the wall clock.
    pub closes_at: Timestamp,
    /// Length of the window.
    pub window: Duration,
    /// Recorded but not sent.
    pub shadow: bool,
    /// A rule's `then` made it worse.
    #[serde(default)]
    pub escalated: bool,
    /// What keeps it from people now; judged anew at each match.
    #[serde(default)]
    pub muted: Option<Mute>,
    /// How many of its traces were kept from people since somebody was told last.
    #[serde(default)]
    pub swallowed: u64,
}

/// What keeps something from people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    pub kind: MuteKind,
    /// Id of the silence, name of the inhibition or of the subscription.
    pub by: String,
    /// For people: `silence sil_3f7a2c by anna: planned rotation`.
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MuteKind {
    /// By people.
    Silence,
    /// By another alert.
    Inhibition,
    /// By the clock.
    Schedule,
}

impl MuteKind {
    pub const ALL: [Self; 3] = [Self::Silence, Self::Inhibition, Self::Schedule];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Inhibition => "inhibition",
            Self::Schedule => "schedule",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The reason under which it is counted in the accounts.
    pub fn suppressed(self) -> &'static str {
        match self {
            Self::Silence => "silenced",
            Self::Inhibition => "inhibited",
            Self::Schedule => "scheduled",
        }
    }
}

fn one() -> u64 {
    1
}

impl Alert {
    pub fn fingerprint(source: &str, rule: &str, key: &Key) -> String {
        let mut parts = vec![source, rule];
        for (name, value) in key {
            parts.extend([name.as_str(), value.as_str()]);
        }
        id::derive(&parts)
    }

    pub fn id(fingerprint: &str, first_trace: &str) -> String {
        format!("alr_{}", id::derive(&[fingerprint, first_trace]))
    }

    /// Operation time of the oldest match known.
    pub fn begun(&self) -> Timestamp {
        self.first_time.map_or(self.first.time, |time| time.min(self.first.time))
    }

    /// Traces behind it that no message tells of yet.
    pub fn untold(&self) -> u64 {
        self.count.saturating_sub(self.told)
    }

    /// True if a match at `time` belongs to this alert rather than to one of its own.
    /// Measured on the traces' own clock, in both directions, because traces come late:
    /// whichever order matches come in, each is told in exactly one alert, and bursts
    /// shorter than the window and further apart than it give one alert each.
    pub fn takes(&self, time: Timestamp) -> bool {
        let apart = clock::since(self.first.time, time).max(clock::since(time, self.first.time));
        apart < self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_depend_on_source_rule_and_key() {
        let key = Key::from([("actor.name".to_owned(), "alice".to_owned())]);
        let base = Alert::fingerprint("prod", "r", &key);
        assert_eq!(base, Alert::fingerprint("prod", "r", &key.clone()));
        assert_ne!(base, Alert::fingerprint("test", "r", &key));
        assert_ne!(base, Alert::fingerprint("prod", "r", &Key::new()));
    }

    #[test]
    fn severities_are_ordered_and_spelled() {
        assert!(Severity::Critical > Severity::High);
        for severity in Severity::ALL {
            assert_eq!(Severity::parse(severity.as_str()), Some(severity));
        }
    }
}
