//! The neutral content of one message, before any endpoint's format.

use std::time::Duration;

use serde::{Deserialize, Serialize};

mod frozen;

pub use frozen::Frozen;

use crate::{
    alert::{Alert, Key, Severity},
    clock::{self, Timestamp},
    trace::Trace,
};

/// What a recipient is told. Each endpoint renders it within its own limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    pub kind: Kind,
    pub severity: Severity,
    /// One sentence: who did what to which resource.
    pub title: String,
    pub why: Option<String>,
    pub runbook: Option<String>,
    /// The source the traces came from; empty for what Tracebell says about itself.
    pub source: String,
    pub alert: Option<AlertFacts>,
    /// How the alert got worse, for `Escalated` and `Updated`.
    #[serde(default)]
    pub worse: Option<Worse>,
    /// What stands behind one message in place of many.
    #[serde(default, alias = "overflow")]
    pub gathered: Option<Gathered>,
    /// The conditions of the rule that the trace made true, in the rule's order.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// What the past says about it, one sentence each: `first time alice used KMS in 30 days`.
    #[serde(default)]
    pub context: Vec<String>,
    /// More lines in plain words: what was found, what to do.
    pub lines: Vec<String>,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The first match of an alert.
    Opened,
    /// As `Opened`, of a trace that came long after what it tells of.
    Late,
    /// A later trace made the alert worse.
    Escalated,
    /// An asynchronous operation went worse in its second half.
    Updated,
    /// An open alert's count grew: shown in place by endpoints that can edit, never a new message.
    Repeated,
    /// An alert's window closed with matches that no message told of.
    Summary,
    /// Many deliveries in one, because the endpoint's rate limit was hit.
    Overflow,
    /// A silence keeps from people what else there is to say of an alert that they were told of: a reply, where
    /// endpoints have conversations, and nothing elsewhere.
    Silenced,
    /// That silence is over.
    Lifted,
    /// What an actor did further, or what happened further to a resource, after a first message.
    Group,
    /// What a timetable, quiet hours, a noise budget or the storm guard held back, in one.
    Digest,
    /// Tracebell speaking about itself.
    Notice,
    /// A person asked for a test.
    Test,
}

impl Kind {
    pub const ALL: [Self; 13] = [
        Self::Opened,
        Self::Late,
        Self::Escalated,
        Self::Updated,
        Self::Repeated,
        Self::Summary,
        Self::Overflow,
        Self::Silenced,
        Self::Lifted,
        Self::Group,
        Self::Digest,
        Self::Notice,
        Self::Test,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Late => "late",
            Self::Escalated => "escalated",
            Self::Updated => "updated",
            Self::Repeated => "repeated",
            Self::Summary => "summary",
            Self::Overflow => "overflow",
            Self::Silenced => "silenced",
            Self::Lifted => "lifted",
            Self::Group => "group",
            Self::Digest => "digest",
            Self::Notice => "notice",
            Self::Test => "test",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertFacts {
    pub id: String,
    pub rule: String,
    /// Of source, rule and key; empty in what was stored before it was kept.
    #[serde(default)]
    pub fingerprint: String,
    pub key: Key,
    pub count: u64,
    /// How many of them nobody was told of before; 0 in what was stored before there was such a number.
    #[serde(default)]
    pub tells: u64,
    /// Time of the oldest match, if it came after the one that opened the alert.
    #[serde(default)]
    pub first_time: Option<Timestamp>,
    /// From the oldest match's time to the newest one's.
    pub span: Duration,
    /// When the alert's window closes by the wall clock.
    #[serde(default)]
    pub open_until: Option<Timestamp>,
    /// The match that opened the alert.
    pub trace: Trace,
}

/// What made an alert worse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worse {
    /// The alert's severity before.
    pub was: Severity,
    /// The trace that did it.
    pub trace: Trace,
}

/// A condition that a trace made true: `resource.name` and `prod-db`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub field: String,
    /// What the trace holds there.
    pub value: String,
}

/// What one message in place of many stands for: an overflow summary, a digest, what a group
/// gathered. Lists are cut to the largest entries; `total` is always the full number, and the
/// ledger names each one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gathered {
    /// Alerts and repeats that this message stands for.
    pub total: u64,
    /// How many of them tell of an operation that failed.
    pub failed: u64,
    /// Operation times of the oldest and the newest.
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub by_rule: Vec<(String, u64)>,
    pub by_actor: Vec<(String, u64)>,
    pub by_resource: Vec<(String, u64)>,
    pub by_service: Vec<(String, u64)>,
    /// The first titles, worst severity first.
    pub titles: Vec<String>,
    /// Counts over the time that it covers, oldest first, in equal steps.
    pub bars: Vec<Bar>,
}

/// One step of a chart over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    pub from: Timestamp,
    pub count: u64,
    pub worst: Severity,
}

impl Notification {
    pub fn opened(alert: &Alert, now: Timestamp) -> Self {
        Self::of_alert(Kind::Opened, alert, alert.told, now)
    }

    /// What is sent when a window closes with `alert.count > alert.told`.
    pub fn summary(alert: &Alert, now: Timestamp) -> Self {
        Self::of_alert(Kind::Summary, alert, alert.untold(), now)
    }

    /// How often an open alert was seen by now; it tells of nothing that is not owed otherwise.
    pub fn repeated(alert: &Alert, now: Timestamp) -> Self {
        Self::of_alert(Kind::Repeated, alert, 0, now)
    }

    /// What is sent when `kind` of change made an alert worse; it tells of `tells` traces.
    pub fn worse(kind: Kind, alert: &Alert, worse: Worse, tells: u64, now: Timestamp) -> Self {
        Self { worse: Some(worse), ..Self::of_alert(kind, alert, tells, now) }
    }

    /// Tracebell about itself; `lines` say what was found and what to do.
    pub fn notice(severity: Severity, title: impl Into<String>, lines: Vec<String>, now: Timestamp) -> Self {
        Self {
            kind: Kind::Notice,
            severity,
            title: title.into(),
            why: None,
            runbook: None,
            source: String::new(),
            alert: None,
            worse: None,
            gathered: None,
            evidence: Vec::new(),
            context: Vec::new(),
            lines,
            created_at: now,
        }
    }

    fn of_alert(kind: Kind, alert: &Alert, tells: u64, now: Timestamp) -> Self {
        Self {
            kind,
            severity: alert.severity,
            title: alert.title.clone(),
            why: alert.why.clone(),
            runbook: alert.runbook.clone(),
            source: alert.source.clone(),
            alert: Some(AlertFacts {
                id: alert.id.clone(),
                rule: alert.rule.clone(),
                fingerprint: alert.fingerprint.clone(),
                key: alert.key.clone(),
                count: alert.count,
                tells,
                first_time: alert.first_time,
                span: clock::since(alert.begun(), alert.last_time),
                open_until: Some(alert.closes_at),
                trace: alert.first.clone(),
            }),
            worse: None,
            gathered: None,
            evidence: Vec::new(),
            context: Vec::new(),
            lines: Vec::new(),
            created_at: now,
        }
    }
}
