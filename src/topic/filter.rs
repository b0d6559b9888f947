//! What a subscription lets through.

use std::borrow::Cow;

use crate::{
    alert::Severity,
    rule::{Condition, check::Check},
    trace::{Field, Look, Trace},
};

/// What is published, as far as filters look at it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub severity: Severity,
    pub source: &'a str,
    pub rule: &'a str,
    /// The trace that opened the alert and the one that is told now: either may fit.
    pub traces: &'a [&'a Trace],
}

/// Empty lets everything through; all that is there must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// `None` or the accepted severities.
    pub severities: Option<Vec<Severity>>,
    pub source: Option<Check>,
    pub rule: Option<Check>,
    pub trace: Option<Condition>,
}

/// The field that names and ids are checked as: compared as they are, case included.
pub const WORD: Field = Field::TraceId;

/// A word that is no part of a trace, where a [`Check`] looks for a field.
struct Word<'a>(&'a str);

impl Look for Word<'_> {
    fn get(&self, _: &Field) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.0))
    }
}

impl Filter {
    pub fn accepts(&self, subject: &Subject<'_>) -> bool {
        let trace = |condition: &Condition| subject.traces.iter().any(|trace| condition.holds(*trace));
        self.may_accept(subject.rule, subject.severity)
            && holds(self.source.as_ref(), subject.source)
            && self.trace.as_ref().is_none_or(trace)
    }

    /// True unless nothing of this rule and severity can pass.
    pub fn may_accept(&self, rule: &str, severity: Severity) -> bool {
        self.severities.as_ref().is_none_or(|accepted| accepted.contains(&severity)) && holds(self.rule.as_ref(), rule)
    }
}

fn holds(check: Option<&Check>, word: &str) -> bool {
    check.is_none_or(|check| check.holds(&WORD, &Word(word)))
}
