//! The shapes of `cases`.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::{Duration, Severity, condition::Sample, condition::Scalar};

/// An example with its expected verdict.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Case {
    Fires(Box<Fires>),
    Silent(Box<Silent>),
    Story(Box<Story>),
}

/// A trace that must ring.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Fires {
    /// A trace in short that must ring: what is not named is as in a usual trace of that operation.
    pub fires: Sample,
    /// The case in a few words.
    pub name: Option<String>,
    /// The title the alert must have.
    pub title: Option<String>,
    /// The severity the alert must have.
    pub severity: Option<Severity>,
    /// The values the alert must be folded by.
    pub key: Option<BTreeMap<String, Scalar>>,
}

/// A trace that must not ring.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Silent {
    /// A trace in short that must not ring.
    pub silent: Sample,
    /// The case in a few words.
    pub name: Option<String>,
}

/// Several traces on a timetable, and exactly the alerts they give.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Story {
    /// The case in a few words.
    pub name: Option<String>,
    /// Traces in short, each with `at`, or repeated with `every` and `repeat`.
    #[schemars(length(min = 1))]
    pub traces: Vec<Told>,
    /// Exactly these alerts, in this order; `[]` for none.
    pub alerts: Vec<Expected>,
    /// The clock moves on to here after the last trace: what is `absent` shows then.
    pub until: Option<Duration>,
}

/// A trace on a timetable. Its fields stand beside these keys.
#[derive(Debug, JsonSchema)]
#[schemars(transform = super::condition::with_sample_fields)]
pub struct Told {
    /// When it happens, from the start of the case. Default: with the one before.
    pub at: Option<Moment>,
    /// The time between repeats.
    pub every: Option<Duration>,
    /// How many times it happens.
    pub repeat: Option<u32>,
}

/// A duration after the start of the case; `0` is the start.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Moment {
    After(Duration),
    Start(#[schemars(range(max = 0))] u8),
}

/// An alert, or what became of the one before.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Expected {
    /// When it rings, from the start of the case.
    pub at: Option<Moment>,
    /// It is no new alert but an update of the one before.
    pub update: Option<Update>,
    /// Its severity.
    pub severity: Option<Severity>,
    /// Its title.
    pub title: Option<String>,
    /// The values it is folded by.
    pub key: Option<BTreeMap<String, Scalar>>,
    /// How many matches it counts.
    pub count: Option<u64>,
}

/// What became of the alert before.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Update {
    /// It got worse, and rang again.
    Escalated,
    /// It changed.
    Updated,
    /// It only counts one more.
    Repeat,
}
