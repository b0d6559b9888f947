//! What is doubtful about a silence that exists.

use std::time::Duration;

use super::{Is, Of, Silence, Standing};
use crate::clock::{self, Timestamp};

/// A reason to look at a silence again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// In force for a day and never needed.
    NeverSwallowed,
    EndsSoon,
    Long,
    /// Nothing but the rule is named.
    WholeRule,
}

/// Before that, nothing to swallow is no news.
const NEEDED_WITHIN: Duration = Duration::from_secs(86_400);
const SOON: Duration = Duration::from_secs(86_400);
const LONG: Duration = Duration::from_secs(30 * 86_400);

/// What to look at in a silence that swallowed so many alerts and repeats; of an expired one nothing.
pub fn look(silence: &Silence, swallowed: u64, now: Timestamp) -> Vec<Finding> {
    let standing = silence.standing(now);
    if standing == Standing::Expired {
        return Vec::new();
    }
    let active = standing == Standing::Active;
    let only_rule = silence.matchers.iter().all(|matcher| matcher.of == Of::Rule && matcher.is == Is::OneOf);
    let mut findings = Vec::new();
    if active && swallowed == 0 && clock::since(silence.starts_at, now) > NEEDED_WITHIN {
        findings.push(Finding::NeverSwallowed);
    }
    if active && clock::since(now, silence.ends_at) < SOON {
        findings.push(Finding::EndsSoon);
    }
    if clock::since(silence.starts_at, silence.ends_at) > LONG {
        findings.push(Finding::Long);
    }
    if only_rule {
        findings.push(Finding::WholeRule);
    }
    findings
}

impl Finding {
    /// What was found and what to do, one sentence each.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NeverSwallowed => "has swallowed nothing so far; expire it if what it waited for is over",
            Self::EndsSoon => "ends within a day; what it swallows rings again then",
            Self::Long => {
                "lasts longer than 30 days; an `except` in the rule says it for good, with cases that test it"
            }
            Self::WholeRule => {
                "mutes the whole rule; name an actor or a resource too, or set the rule to `mode: shadow`"
            }
        }
    }
}
