//! Cases: examples inside a rule with their expected verdict.
//!
//! A short case is one trace, and asks whether the rule takes it. A story is several
//! traces on a clock, and asks which alerts come of them.

use std::{sync::Arc, time::Duration};

use super::{Condition, Exception, Part, Rule, When, sample};
use crate::{
    alert::{Key, Severity},
    clock::{self, Timestamp},
    ring::Change,
    trace::Trace,
};

mod read;
mod shortfall;
mod story;

pub use read::read;
pub use sample::blank_trace;

/// An example and what the rule should make of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The case in a few words: `KMS scheduleKeyDeletion normal`.
    pub name: String,
    /// Line of the case in its file.
    pub line: usize,
    pub example: Example,
}

#[derive(Debug, Clone)]
pub enum Example {
    Fires(Arc<Trace>, Told),
    Silent(Arc<Trace>),
    Story(Story),
}

/// What a case says of an alert; what it leaves out may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub title: Option<String>,
    pub severity: Option<Severity>,
    pub key: Key,
}

/// Traces on a clock.
#[derive(Debug, Clone)]
pub struct Story {
    /// Oldest first.
    pub traces: Vec<Arc<Trace>>,
    /// How far the clock goes on after the start; `None`: to the last trace.
    pub until: Option<Duration>,
    /// Exactly these alerts and updates, in this order.
    pub alerts: Vec<Expected>,
}

/// An alert that a story should come to, or an update of one.
#[derive(Debug, Clone)]
pub struct Expected {
    /// After the start of the story.
    pub at: Option<Duration>,
    pub change: Change,
    /// How many traces it counts by then.
    pub count: Option<u64>,
    pub told: Told,
}

#[derive(Debug, Clone)]
pub struct CaseResult {
    /// True if something should ring.
    pub fires: bool,
    pub name: String,
    pub line: usize,
    /// `None` if the rule did as expected; else a sentence on what differs.
    pub failure: Option<String>,
}

impl Case {
    /// True if something should ring.
    pub fn fires(&self) -> bool {
        match &self.example {
            Example::Fires(..) => true,
            Example::Silent(_) => false,
            Example::Story(story) => !story.alerts.is_empty(),
        }
    }
}

impl Story {
    /// When its clock stops.
    fn end(&self) -> Timestamp {
        let last = self.traces.last().map_or(sample::START, |trace| trace.time);
        self.until.map_or(last, |until| clock::plus(sample::START, until).max(last))
    }
}

impl Rule {
    /// Runs every case of the rule, whatever its mode.
    pub fn run_cases(&self) -> Vec<CaseResult> {
        let run = |case: &Case| CaseResult {
            fires: case.fires(),
            name: case.name.clone(),
            line: case.line,
            failure: match &case.example {
                Example::Fires(trace, told) => self.should_fire(trace, told),
                Example::Silent(trace) => self.should_be_silent(trace),
                Example::Story(story) => story::run(self, story),
            },
        };
        self.cases.iter().map(run).collect()
    }

    fn should_fire(&self, trace: &Trace, told: &Told) -> Option<String> {
        if let Some(reason) = self.why_not(trace) {
            return Some(format!("expected to fire, was silent: {reason}"));
        }
        let key = self.dedup.key(trace);
        told.differs(self.severity, &self.title.render(trace, &key), &key)
    }

    fn should_be_silent(&self, trace: &Trace) -> Option<String> {
        if self.why_not(trace).is_some() {
            return None;
        }
        let part = self.parts(trace).into_iter().find_map(|part| match part {
            Part::Step(index) => Some(format!("every condition of step {} holds", index + 1)),
            _ => None,
        });
        let part = part.unwrap_or_else(|| "every condition of `match` holds".into());
        let ended = |exception: &&Exception| exception.until.is_some() && exception.condition.holds(trace);
        let ended = self.exceptions.iter().find(ended).map(|exception| {
            let until = exception.until.map(|until| format!(" ended {until}")).unwrap_or_default();
            format!("; the exception in {}{until}, before the case's trace", exception.place)
        });
        Some(format!("expected to be silent, fired: {part}{}", ended.unwrap_or_default()))
    }

    /// Why the rule does not take a trace, whatever else it waits for; `None` if it does.
    fn why_not(&self, trace: &Trace) -> Option<String> {
        if let Some(miss) = self.condition.explain(trace) {
            return Some(miss.to_string());
        }
        if let Some(When::Sequence { steps, .. }) = &self.when
            && let Some((index, miss)) = nearest(steps, trace)
        {
            return Some(format!("no step holds; the nearest is step {}: {miss}", index + 1));
        }
        let exception = self.excepted(trace)?;
        Some(format!("excepted in {}: {}", exception.place, exception.reason))
    }
}

/// The step that lacks least, and what it lacks; `None` if one holds.
fn nearest(steps: &[Condition], trace: &Trace) -> Option<(usize, super::Miss)> {
    let misses: Vec<_> = steps.iter().map(|step| step.explain(trace)).collect::<Option<_>>()?;
    let index = (0..steps.len()).min_by_key(|index| steps[*index].misses(trace))?;
    misses.into_iter().enumerate().nth(index)
}

impl Told {
    /// The first thing that is not as the case says.
    fn differs(&self, severity: Severity, title: &str, key: &Key) -> Option<String> {
        if let Some(expected) = self.severity.filter(|expected| *expected != severity) {
            return Some(format!("expected severity `{expected}`, found `{severity}`"));
        }
        for (name, expected) in &self.key {
            match key.get(name) {
                Some(found) if found == expected => {}
                Some(found) => return Some(format!("expected `{expected}` for `{name}` in the key, found `{found}`")),
                None => {
                    let names: Vec<&str> = key.keys().map(String::as_str).collect();
                    return Some(format!("expected `{name}` in the key, which holds [{}]", names.join(", ")));
                }
            }
        }
        let expected = self.title.as_ref().filter(|expected| *expected != title)?;
        Some(format!("expected the title `{expected}`, found `{title}`"))
    }
}
