//! The condition tree of a rule: whether it holds for a trace, and if not, why.

use std::fmt;

use super::check::Check;
use crate::trace::{Field, Look, Trace};

#[derive(Debug, Clone)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Field(Field, Check),
}

/// The first condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Miss {
    /// The field, or the group around it: `operation`, `any`.
    pub what: String,
    pub expected: String,
    /// What the trace holds, `None` if nothing.
    pub found: Option<String>,
}

/// Longest found text told in a sentence.
const FOUND_LIMIT: usize = 120;

impl Condition {
    pub fn holds<L: Look + ?Sized>(&self, trace: &L) -> bool {
        match self {
            Self::All(all) => all.iter().all(|condition| condition.holds(trace)),
            Self::Any(any) => any.iter().any(|condition| condition.holds(trace)),
            Self::Not(inner) => !inner.holds(trace),
            Self::Field(field, check) => check.holds(field, trace),
        }
    }

    /// Why it does not hold; `None` if it does. In an `any`, the alternative
    /// that comes closest speaks for all: the one with the fewest misses.
    pub fn explain(&self, trace: &Trace) -> Option<Miss> {
        match self {
            _ if self.holds(trace) => None,
            Self::All(all) => all.iter().find_map(|condition| condition.explain(trace)),
            Self::Any(any) => any.iter().min_by_key(|condition| condition.misses(trace))?.explain(trace),
            Self::Not(_) => Some(Miss {
                what: "not".into(),
                expected: "a trace unlike the `not` group".into(),
                found: Some("every condition in it holds".into()),
            }),
            Self::Field(field, check) => Some(Miss {
                what: field.name(),
                expected: check.to_string(),
                found: trace.get(field).map(|found| {
                    let cut = found.floor_char_boundary(FOUND_LIMIT);
                    if cut < found.len() { format!("{}...", &found[..cut]) } else { found.into_owned() }
                }),
            }),
        }
    }

    /// How many conditions fail, taking the best way through.
    pub fn misses(&self, trace: &Trace) -> usize {
        match self {
            Self::All(all) => all.iter().map(|condition| condition.misses(trace)).sum(),
            Self::Any(any) => any.iter().map(|condition| condition.misses(trace)).min().unwrap_or(1),
            other => usize::from(!other.holds(trace)),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, expected, found } = self;
        match found {
            Some(found) => write!(f, "`{what}`: expected {expected}, found `{found}`"),
            None => write!(f, "`{what}`: expected {expected}, found nothing"),
        }
    }
}
