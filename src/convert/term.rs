//! A condition in the words of our rules, before it is YAML, and what was lost on the way to it.
//!
//! What cannot be said here counts as false: it narrows a condition, and widens one under a `not`.
//! Both are told; a rule of which nothing is left is refused.

use std::collections::BTreeSet;

use crate::trace::Field;

/// A service and one of its operations, as the catalogue spells them.
pub type Pair = (&'static str, &'static str);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// Empty: always true.
    All(Vec<Term>),
    /// Empty: never true.
    Any(Vec<Term>),
    Not(Box<Term>),
    Services(BTreeSet<&'static str>),
    Operations(BTreeSet<Pair>),
    Test(Test),
}

/// One field of a trace held against values of which one suffices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    pub field: Field,
    pub check: Check,
    /// A value that passes, for the firing case.
    pub example: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    Is(Vec<String>),
    /// An operator of the rule language and its values.
    Operator(&'static str, Vec<String>),
    Exists(bool),
}

/// Something that was not carried over as it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub text: String,
    pub effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Left out where it widened: the rule finds less.
    Narrower,
    /// Left out where it filtered: the rule finds more.
    Wider,
    /// Carried by something that need not mean the same.
    Guess,
}

/// Collects notes, each once. `negated` while reading below a `not`.
#[derive(Debug, Default)]
pub struct Notes {
    pub notes: Vec<Note>,
    pub negated: bool,
}

impl Notes {
    fn push(&mut self, text: String, effect: Effect) {
        let note = Note { text, effect };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Notes what is left out, and is false instead.
    pub fn lost(&mut self, text: impl Into<String>) -> Term {
        let effect = if self.negated { Effect::Wider } else { Effect::Narrower };
        self.push(text.into(), effect);
        Term::never()
    }

    pub fn guess(&mut self, text: impl Into<String>) {
        self.push(text.into(), Effect::Guess);
    }

    /// The notes as sentences for a rule that was written.
    pub fn told(&self) -> Vec<String> {
        self.notes.iter().map(Note::told).collect()
    }

    /// The notes as reasons for a rule that was not.
    pub fn reasons(&self) -> Vec<String> {
        let lost = self.notes.iter().filter(|note| note.effect == Effect::Narrower);
        lost.map(|note| note.text.clone()).collect()
    }
}

impl Note {
    fn told(&self) -> String {
        match self.effect {
            Effect::Narrower => format!("left out: {} (finds less)", self.text),
            Effect::Wider => format!("filter left out: {} (finds more)", self.text),
            Effect::Guess => format!("guessed: {}", self.text),
        }
    }
}

impl Term {
    pub fn never() -> Self {
        Self::Any(Vec::new())
    }

    pub fn is_never(&self) -> bool {
        matches!(self, Self::Any(any) if any.is_empty())
    }

    pub fn is_always(&self) -> bool {
        matches!(self, Self::All(all) if all.is_empty())
    }

    /// Every service it names outside of a `not`.
    pub fn services(&self, found: &mut BTreeSet<String>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.services(found)),
            Self::Services(names) => found.extend(names.iter().map(|name| (*name).to_owned())),
            Self::Operations(pairs) => found.extend(pairs.iter().map(|(service, _)| (*service).to_owned())),
            Self::Test(Test { field: Field::Service, check: Check::Is(words), .. }) => {
                found.extend(words.iter().cloned())
            }
            Self::Not(_) | Self::Test(_) => {}
        }
    }

    pub fn not(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            _ if self.is_never() => Self::All(Vec::new()),
            _ if self.is_always() => Self::never(),
            other => Self::Not(Box::new(other)),
        }
    }

    /// Every part must hold. Services and operations of one group are held against each other.
    pub fn all(parts: Vec<Term>) -> Self {
        let mut kept: Vec<Term> = Vec::new();
        let mut services: Option<BTreeSet<&'static str>> = None;
        let mut operations: Option<BTreeSet<Pair>> = None;
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::All(inner) => inner,
            other => vec![other],
        });
        for part in flat {
            match part {
                Self::Services(names) => services = Some(services.map_or(names.clone(), |held| &held & &names)),
                Self::Operations(pairs) => operations = Some(operations.map_or(pairs.clone(), |held| &held & &pairs)),
                other if other.is_never() => return Self::never(),
                other if !kept.contains(&other) => kept.push(other),
                _ => {}
            }
        }
        if let (Some(names), Some(pairs)) = (&services, &mut operations) {
            pairs.retain(|(service, _)| names.contains(service));
            services = None;
        }
        if services.as_ref().is_some_and(BTreeSet::is_empty) || operations.as_ref().is_some_and(BTreeSet::is_empty) {
            return Self::never();
        }
        let outcome = |part: &Term| match part {
            Self::Test(test) if test.field == Field::Outcome => match &test.check {
                Check::Is(words) => Some(words.clone()),
                _ => None,
            },
            _ => None,
        };
        let mut heads = Vec::new();
        heads.extend(services.map(Self::Services));
        if let Some(pairs) = operations {
            match kept.iter().position(|part| outcome(part).is_some()).filter(|_| pairs.iter().any(names_a_failure)) {
                // A failed login has a name of its own, whatever its rating says.
                Some(at) => {
                    let wanted = outcome(&kept.remove(at)).unwrap_or_default();
                    heads.push(split_logins(pairs, wanted));
                }
                None => heads.push(Self::Operations(pairs)),
            }
        }
        heads.extend(kept);
        if heads.len() == 1 { heads.remove(0) } else { Self::All(heads) }
    }

    /// One part suffices.
    pub fn any(parts: Vec<Term>) -> Self {
        let mut kept: Vec<Term> = Vec::new();
        let mut operations: BTreeSet<Pair> = BTreeSet::new();
        for part in parts.into_iter().flat_map(|part| match part {
            Self::Any(inner) => inner,
            other => vec![other],
        }) {
            match part {
                _ if part.is_always() => return part,
                Self::Operations(pairs) => operations.extend(pairs),
                other if !kept.contains(&other) => kept.push(other),
                _ => {}
            }
        }
        if !operations.is_empty() {
            kept.insert(0, Self::Operations(operations));
        }
        if kept.len() == 1 { kept.remove(0) } else { Self::Any(kept) }
    }
}

fn names_a_failure((service, operation): &Pair) -> bool {
    *service == "IAM" && operation.to_ascii_lowercase().ends_with("failed")
}

fn split_logins(pairs: BTreeSet<Pair>, wanted: Vec<String>) -> Term {
    let (failures, others): (BTreeSet<Pair>, BTreeSet<Pair>) = pairs.into_iter().partition(names_a_failure);
    let fails = wanted.iter().any(|word| word == "failed");
    let rest = if others.is_empty() {
        Term::never()
    } else {
        let example = wanted.first().cloned();
        Term::All(vec![
            Term::Operations(others),
            Term::Test(Test { field: Field::Outcome, check: Check::Is(wanted), example }),
        ])
    };
    if fails { Term::any(vec![Term::Operations(failures), rest]) } else { rest }
}
