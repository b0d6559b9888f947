//! Rules: conditions over a trace, written in YAML, checked to the character.
//!
//! Pure: file texts in, a [`RuleSet`] or every [`Problem`](crate::document::Problem) out; a trace in,
//! matches out. A loaded rule cannot fail at run time.

use std::time::Duration;

use crate::{
    alert::{Key, Severity},
    trace::{Field, Trace},
};

pub mod case;
pub mod check;
mod compile;
pub mod condition;
mod lint;
pub mod load;
mod pattern;
mod sample;
pub mod shipped;
pub mod template;
mod words;

pub use case::{Case, CaseResult};
pub use condition::{Condition, Miss};
pub use load::load;
pub use shipped::shipped;
pub use template::Template;

/// One rule, compiled.
#[derive(Debug, Clone)]
pub struct Rule {
    pub id: String,
    pub title: Template,
    pub severity: Severity,
    pub why: Option<String>,
    pub runbook: Option<String>,
    /// Never empty: `default` if the rule names none.
    pub topics: Vec<String>,
    pub mode: Mode,
    pub condition: Condition,
    pub dedup: Dedup,
    pub cases: Vec<Case>,
    /// Where it stands, for people: `rules/iam.yaml:12`.
    pub place: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Live,
    /// Recorded, not sent.
    Shadow,
    Off,
}

/// Which matches are the same trouble, and for how long they fold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedup {
    pub by: Vec<Field>,
    pub window: Duration,
}

impl Default for Dedup {
    fn default() -> Self {
        Self { by: vec![Field::ActorName], window: Duration::from_secs(600) }
    }
}

/// All rules of one generation.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    pub rules: Vec<Rule>,
    /// First 12 characters of a hash over all files: which rules a decision was made with.
    pub generation: String,
}

/// A rule that a trace satisfies.
#[derive(Debug, Clone)]
pub struct Match<'a> {
    pub rule: &'a Rule,
    pub key: Key,
    pub title: String,
}

impl RuleSet {
    /// Every rule the trace satisfies, in file order; rules that are off are not asked.
    pub fn evaluate(&self, trace: &Trace) -> Vec<Match<'_>> {
        self.rules
            .iter()
            .filter(|rule| rule.mode != Mode::Off && rule.condition.holds(trace))
            .map(|rule| {
                let key = rule.dedup.key(trace);
                let title = rule.title.render(trace, &key);
                Match { rule, key, title }
            })
            .collect()
    }
}

impl Dedup {
    fn key(&self, trace: &Trace) -> Key {
        self.by
            .iter()
            .map(|field| (field.name(), trace.get(field).map_or_else(|| "-".to_owned(), |value| value.into_owned())))
            .collect()
    }
}
