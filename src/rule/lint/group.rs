//! A `match` read a second time, with the place of every part.
//!
//! The compiled condition knows what holds but not where it stands. What the
//! compiler refuses is left out here: it has been told already.

use super::demand::Demand;
use crate::{
    document::{Span, Value, Walk},
    trace::Field,
};

/// A map of conditions, joined by *and*.
#[derive(Debug)]
pub struct Group<'a> {
    pub at: Walk<'a>,
    pub parts: Vec<Part<'a>>,
    /// Nothing in it was left out.
    pub whole: bool,
}

#[derive(Debug)]
pub enum Part<'a> {
    Field(Demand<'a>),
    Any(Vec<Group<'a>>),
    All(Vec<Group<'a>>),
    Not { key: Span, inner: Group<'a> },
}

impl<'a> Group<'a> {
    pub fn read(at: &Walk<'a>) -> Self {
        let mut group = Self { at: at.clone(), parts: Vec::new(), whole: true };
        let Value::Map(entries) = &at.node.value else {
            group.whole = false;
            return group;
        };
        for (key, node) in entries {
            let Value::Text(name) = &key.value else { continue };
            let at = at.child(name, node);
            let part = match name.as_str() {
                "any" => members(&at).map(Part::Any),
                "all" => members(&at).map(Part::All),
                "not" => Some(Part::Not { key: key.span, inner: Self::read(&at) }),
                _ => Field::parse(name).and_then(|field| Demand::read(field, key.span, at)).map(Part::Field),
            };
            group.whole &= part.is_some();
            group.parts.extend(part);
        }
        group
    }

    /// What it asks of fields, in it and in its `all` groups; alternatives and exclusions are not among them.
    pub fn demands(&self) -> Vec<&Demand<'a>> {
        let mut found = Vec::new();
        for part in &self.parts {
            match part {
                Part::Field(demand) => found.push(demand),
                Part::All(members) => members.iter().for_each(|member| found.extend(member.demands())),
                Part::Any(_) | Part::Not { .. } => {}
            }
        }
        found
    }

    /// True if `demands` says everything that the group asks.
    pub fn is_plain(&self) -> bool {
        self.whole
            && self.parts.iter().all(|part| match part {
                Part::Field(_) => true,
                Part::All(members) => members.iter().all(|member| member.is_plain()),
                Part::Any(_) | Part::Not { .. } => false,
            })
    }

    /// True if whatever satisfies `others` satisfies this group.
    pub fn is_implied_by(&self, others: &[&Demand<'_>]) -> bool {
        let implied = |demand: &&Demand<'_>| others.iter().any(|other| other.implies(demand));
        self.is_plain() && !self.parts.is_empty() && self.demands().iter().all(implied)
    }

    /// Visits this group and every group inside it.
    pub fn each(&self, visit: &mut impl FnMut(&Self)) {
        visit(self);
        for part in &self.parts {
            match part {
                Part::Field(_) => {}
                Part::Any(members) | Part::All(members) => members.iter().for_each(|member| member.each(visit)),
                Part::Not { inner, .. } => inner.each(visit),
            }
        }
    }
}

fn members<'a>(at: &Walk<'a>) -> Option<Vec<Group<'a>>> {
    matches!(at.node.value, Value::List(_)).then(|| at.list().unwrap_or_default().iter().map(Group::read).collect())
}
