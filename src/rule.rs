//! Rules: conditions over a trace, written in YAML, checked to the character.
//!
//! Pure: file texts in, a [`RuleSet`] or every [`Problem`](crate::document::Problem) out; a trace in,
//! matches out. A loaded rule cannot fail at run time.

use std::{sync::Arc, time::Duration};

use crate::{
    alert::{Key, Severity},
    clock::Timestamp,
    trace::{Field, Look, Trace},
};

pub mod case;
pub mod check;
mod compile;
pub mod condition;
pub mod evidence;
pub mod explain;
mod index;
pub mod lint;
pub mod load;
mod pattern;
mod sample;
pub mod shape;
pub mod shipped;
pub mod template;
mod words;

pub use case::{Case, CaseResult};
pub use compile::read_check;
pub use condition::{Condition, Miss};
pub use evidence::Evidence;
use index::Index;
pub use lint::lint;
pub use load::load;
pub use pattern::SIZE_LIMIT as REGEX_SIZE_LIMIT;
pub use shipped::shipped;
pub use template::Template;
pub use words::Words;

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
    /// `match`; holds for every trace if the rule has only a `sequence`.
    pub condition: Condition,
    /// `except`: traces that the rule leaves alone, in file order.
    pub exceptions: Vec<Exception>,
    /// What has to come together before the rule fires; `None`: each match fires.
    pub when: Option<When>,
    /// What makes an alert of this rule worse.
    pub then: Option<Then>,
    /// With `when`, its `by` unless the rule says otherwise.
    pub dedup: Dedup,
    /// Alerts a day its author expects at most.
    pub noise_budget: Option<u64>,
    pub cases: Vec<Case>,
    /// Which memory is of use to it.
    pub basis: Basis,
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

/// Traces a rule leaves alone, and why.
#[derive(Debug, Clone)]
pub struct Exception {
    pub reason: String,
    pub condition: Condition,
    /// Holds for traces before this moment; `None`: for ever.
    pub until: Option<Timestamp>,
    /// Where it stands, for people.
    pub place: String,
}

/// Stateful conditions. Windows run on the traces' own `time`; what is remembered
/// between traces is [`ring::Memory`](crate::ring::Memory).
#[derive(Debug, Clone)]
pub enum When {
    /// At least so many matches in any stretch of `within`, per value of `by`.
    Count { at_least: u64, within: Duration, by: Vec<Field> },
    /// Matches with at least so many different values of `of`.
    Distinct { of: Vec<Field>, at_least: u64, within: Duration, by: Vec<Field> },
    /// A value of `of` not seen for `remember`. Silent for the first `learn` of the rule's life.
    FirstSeen { of: Vec<Field>, remember: Duration, learn: Duration },
    /// No match for so long, after `arm_after` matches were seen.
    Absent { quiet: Duration, by: Vec<Field>, arm_after: u64 },
    /// A match of each step, in this order, with the same values of `same`.
    Sequence { steps: Vec<Condition>, within: Duration, same: Vec<Field> },
}

/// A later trace that makes an alert worse: it escalates, no second alert opens.
#[derive(Debug, Clone)]
pub struct Then {
    pub condition: Condition,
    /// Counted from the newest match of the alert.
    pub within: Duration,
    /// The fields that tie the trace to the alert: the same as `dedup.by`.
    pub same: Vec<Field>,
    pub severity: Severity,
    /// The alert's title from then on, filled in from the later trace; `None`: it stays.
    pub title: Option<Template>,
}

/// Which of a rule's conditions a trace satisfies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Match,
    /// The step of a sequence with this index; `match` holds too.
    Step(usize),
    Then,
}

/// What a rule's memory rests on: its conditions and the fields it is filed by. One that was made
/// with another basis, before the rule was changed, is begun anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Basis {
    pub when: String,
    pub then: String,
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
    /// In file order. To change them, make another set: the index belongs to these.
    pub rules: Vec<Rule>,
    /// First 12 characters of a hash over all files: which rules a decision was made with.
    pub generation: String,
    index: Arc<Index>,
}

/// One condition of one rule that a trace satisfies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Index into [`RuleSet::rules`].
    pub rule: usize,
    pub part: Part,
}

impl RuleSet {
    pub fn new(rules: Vec<Rule>, generation: String) -> Self {
        Self { index: Arc::new(Index::new(&rules)), rules, generation }
    }

    /// Everything in the set that the trace satisfies, in file order; rules that are off are not asked.
    pub fn holding<L: Look + ?Sized>(&self, trace: &L) -> Vec<Holding> {
        self.index.holding(&self.rules, trace)
    }

    /// The same, found by asking every rule: what [`holding`](Self::holding) is measured and tested against.
    pub fn holding_one_by_one<L: Look + ?Sized>(&self, trace: &L) -> Vec<Holding> {
        let parts = index::parts(&self.rules).map(|(rule, part, _)| Holding { rule, part });
        parts.filter(|holding| self.rules[holding.rule].satisfied(holding.part, trace)).collect()
    }
}

impl Rule {
    /// The parts of this rule that the trace satisfies, whatever its mode.
    fn parts(&self, trace: &Trace) -> Vec<Part> {
        let steps = match &self.when {
            Some(When::Sequence { steps, .. }) => (0..steps.len()).map(Part::Step).collect(),
            _ => vec![Part::Match],
        };
        steps.into_iter().chain([Part::Then]).filter(|part| self.satisfied(*part, trace)).collect()
    }

    fn satisfied<L: Look + ?Sized>(&self, part: Part, trace: &L) -> bool {
        match (part, &self.when, &self.then) {
            (Part::Match, ..) => self.condition.holds(trace),
            (Part::Step(step), Some(When::Sequence { steps, .. }), _) => {
                self.condition.holds(trace) && steps.get(step).is_some_and(|step| step.holds(trace))
            }
            (Part::Then, _, Some(then)) => then.condition.holds(trace),
            (Part::Step(_) | Part::Then, ..) => false,
        }
    }

    /// The exception that makes the rule leave this trace alone.
    pub fn excepted(&self, trace: &Trace) -> Option<&Exception> {
        let runs = |exception: &&Exception| exception.until.is_none_or(|until| trace.time < until);
        self.exceptions.iter().filter(runs).find(|exception| exception.condition.holds(trace))
    }
}

impl Dedup {
    pub fn key(&self, trace: &Trace) -> Key {
        key(&self.by, trace)
    }
}

/// The values of `fields` in a trace; `-` for one that is missing.
pub fn key(fields: &[Field], trace: &Trace) -> Key {
    let value = |field: &Field| trace.get(field).map_or_else(|| "-".to_owned(), |value| value.into_owned());
    fields.iter().map(|field| (field.name(), value(field))).collect()
}
