//! The index of a rule set: from a trace to the few rules that it can satisfy.
//!
//! Asking every rule costs as much as there are rules. Almost every rule demands that
//! something stands in some field, though, and that can be looked up. So when a rule
//! set is made, each condition is asked for its [`Cover`]: a set of keys of which a
//! trace has at least one if it satisfies the condition. A trace then looks up the keys
//! it has and puts the full condition only to the rules that it finds. A key too many
//! costs time, never a wrong answer; only a cover that is too small would lose a match,
//! which is why covers are derived by two rules alone:
//!
//! * of conditions that must all hold, the cover of any one will do, so the best is
//!   taken, or several at once: `service: KMS` and `operation: disableKey` become one key;
//! * of alternatives, one of which must hold, the covers are put together.
//!
//! `not` turns the one into the other. There are two kinds of keys.
//!
//! A key of *readings* says what stands in one or more fields, cut to size: the whole
//! text, its first or last few characters, the network of an address. That makes exact
//! words, prefixes, suffixes, globs and `cidr` the same thing: a value, hashed, in a
//! table. All keys that take the same readings share one table, a [`Shape`], and a
//! trace looks into each shape once. Case is always folded, since a key may find too much.
//!
//! A key of *text* says that a field holds a text somewhere, as `contains`, the middle
//! of a glob and most regular expressions demand. The texts of one field are searched
//! in one pass, by one automaton, so thousands of patterns cost about as much as one.
//!
//! What has no cover (a rule of negations and comparisons alone) is asked of every
//! trace. Whatever is looked at twice is read once: see [`Reader`].

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use super::{Condition, Holding, Part, Rule, When};
use crate::trace::{Field, Look};

mod cover;
mod literal;
mod reader;
mod reading;
mod shape;
mod text;

use cover::{Cover, Key};
use reader::Reader;
use reading::{Cut, Quick};
use shape::{Keys, Shape};
use text::Texts;

/// More tables than that cost more than they save: rarer keys look at one field only.
const SHAPES: usize = 64;

#[derive(Debug, Default)]
pub struct Index {
    /// Everything that can hold, in file order; the index speaks of places in this list.
    parts: Vec<Holding>,
    /// Parts that have no key.
    always: Vec<u32>,
    /// Every field that some rule looks at, and its place.
    places: HashMap<Field, usize, Quick>,
    columns: Vec<Column>,
    shapes: Vec<Shape>,
}

/// What keys want to know of one field.
#[derive(Debug)]
struct Column {
    field: Field,
    place: usize,
    cuts: Vec<Cut>,
    texts: Option<Texts>,
}

impl Index {
    /// Rules that are off are left out.
    pub fn new(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        let mut shapes: BTreeMap<Vec<(Field, Cut)>, Keys> = BTreeMap::new();
        let mut texts: BTreeMap<Field, Vec<(Box<str>, u32)>> = BTreeMap::new();
        let mut covers = Vec::new();
        for (rule, part, conditions) in parts(rules) {
            let number = u32::try_from(index.parts.len()).expect("there are not that many rules");
            index.parts.push(Holding { rule, part });
            conditions.iter().for_each(|condition| index.name_places(condition));
            covers.push((Cover::of(&conditions), number));
        }
        for (key, number) in narrow(index.choose(covers)) {
            match key {
                Key::Readings(readings) => {
                    let hash = shape::join(readings.iter().map(|(_, _, hash)| *hash));
                    let shape = readings.into_iter().map(|(field, cut, _)| (field, cut)).collect();
                    shapes.entry(shape).or_default().push((hash, number));
                }
                Key::Text(field, text) => texts.entry(field).or_default().push((text, number)),
            }
        }
        let mut cuts: BTreeMap<Field, Vec<Cut>> = texts.keys().map(|field| (field.clone(), Vec::new())).collect();
        for (field, cut) in shapes.keys().flatten() {
            let cuts = cuts.entry(field.clone()).or_default();
            if !cuts.contains(cut) {
                cuts.push(*cut);
            }
        }
        let mut numbers = HashMap::new();
        for (field, cuts) in cuts {
            for cut in &cuts {
                numbers.insert((field.clone(), *cut), numbers.len());
            }
            let texts = texts.remove(&field).map(Texts::new);
            index.columns.push(Column { place: index.places[&field], field, cuts, texts });
        }
        let shape = |(readings, keys): (Vec<(Field, Cut)>, _)| {
            Shape::new(readings.iter().map(|reading| numbers[reading]).collect(), keys)
        };
        index.shapes = shapes.into_iter().map(shape).collect();
        index
    }

    /// The keys of the cover that tells most, for each part.
    fn choose(&mut self, covers: Vec<(Vec<Cover>, u32)>) -> Vec<(Key, u32)> {
        let mut shared: HashMap<Key, usize, Quick> = HashMap::default();
        for key in covers.iter().flat_map(|(covers, _)| covers).flat_map(|cover| &cover.keys) {
            match shared.get_mut(key) {
                Some(count) => *count += 1,
                None => drop(shared.insert(key.clone(), 1)),
            }
        }
        let all = covers.len();
        let worth = |cover: &Cover| cover.worth(all, |key| shared[key]);
        let mut keys = Vec::new();
        for (covers, number) in covers {
            match covers.into_iter().rev().max_by_key(worth) {
                Some(best) => keys.extend(best.keys.into_iter().map(|key| (key, number))),
                None => self.always.push(number),
            }
        }
        keys
    }

    /// Everything that the trace satisfies, in file order.
    pub fn holding<L: Look + ?Sized>(&self, rules: &[Rule], trace: &L) -> Vec<Holding> {
        let reader = Reader::new(&self.places, trace);
        let holds = |holding: &Holding| rules[holding.rule].satisfied(holding.part, &reader);
        self.candidates(&reader).into_iter().map(|number| self.parts[number as usize]).filter(holds).collect()
    }

    /// The parts that the trace has a key of, in order.
    fn candidates<L: Look + ?Sized>(&self, reader: &Reader<'_, L>) -> Vec<u32> {
        let mut found = self.always.clone();
        let mut hashes = Vec::with_capacity(self.columns.iter().map(|column| column.cuts.len()).sum());
        for column in &self.columns {
            let value = reader.at(column.place, &column.field).map(reading::fold);
            let hash = |cut: &Cut| value.as_deref().and_then(|value| cut.hash(value));
            hashes.extend(column.cuts.iter().map(hash));
            if let (Some(texts), Some(value)) = (&column.texts, &value) {
                texts.find(value, &mut found);
            }
        }
        for shape in &self.shapes {
            found.extend_from_slice(shape.find(&hashes));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn name_places(&mut self, condition: &Condition) {
        match condition {
            Condition::All(inner) | Condition::Any(inner) => inner.iter().for_each(|inner| self.name_places(inner)),
            Condition::Not(inner) => self.name_places(inner),
            Condition::Field(field, _) if self.places.contains_key(field) => {}
            Condition::Field(field, _) => {
                self.places.insert(field.clone(), self.places.len());
            }
        }
    }
}

/// Everything of every rule that a trace can satisfy, with the conditions that must all hold.
pub fn parts(rules: &[Rule]) -> impl Iterator<Item = (usize, Part, Vec<&Condition>)> {
    let live = rules.iter().enumerate().filter(|(_, rule)| rule.mode != super::Mode::Off);
    live.flat_map(|(index, rule)| {
        let mut parts = match &rule.when {
            Some(When::Sequence { steps, .. }) => {
                let step = |(at, step)| (index, Part::Step(at), vec![&rule.condition, step]);
                steps.iter().enumerate().map(step).collect()
            }
            _ => vec![(index, Part::Match, vec![&rule.condition])],
        };
        parts.extend(rule.then.iter().map(|then| (index, Part::Then, vec![&then.condition])));
        parts
    })
}

/// Keeps the shapes that most keys have and cuts the others down to their best reading.
fn narrow(mut keys: Vec<(Key, u32)>) -> Vec<(Key, u32)> {
    let mut counts: HashMap<Vec<(Field, Cut)>, usize> = HashMap::new();
    for (key, _) in &keys {
        *counts.entry(key.shape()).or_default() += 1;
    }
    let mut sizes: Vec<usize> = counts.values().copied().collect();
    sizes.sort_unstable_by_key(|size| Reverse(*size));
    let Some(least) = sizes.get(SHAPES) else { return keys };
    for (key, _) in &mut keys {
        if counts[&key.shape()] <= *least {
            key.narrow();
        }
    }
    keys
}

#[cfg(test)]
mod tests;
