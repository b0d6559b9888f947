//! What a trace must have to satisfy a condition.

use ipnet::IpNet;

use super::{
    super::{
        Condition,
        check::Check,
        pattern::Pattern,
        words::{Glob, Words},
    },
    literal,
    reading::{Cut, fold},
};
use crate::trace::Field;

/// Keys of which a trace has at least one if it satisfies the condition. None at all:
/// nothing satisfies it.
#[derive(Debug)]
pub struct Cover {
    pub keys: Vec<Key>,
    /// How much the keys tell, about as a power of two: of so many traces, one has them.
    bits: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// Sorted by field.
    Readings(Vec<(Field, Cut, u64)>),
    /// The folded text stands somewhere in the folded field.
    Text(Field, Box<str>),
}

/// A cover of more keys costs more memory than it saves time.
const KEYS: usize = 1024;
/// Joined keys multiply: a list of services with a list of operations.
const JOINED_KEYS: usize = 32;
/// A key that tells so much needs no field that is costly to read.
const ENOUGH: u32 = 8;

impl Cover {
    /// Covers of conditions that all must hold: any one will do. None if any trace might satisfy them.
    pub fn of(conditions: &[&Condition]) -> Vec<Self> {
        let mut parts = Vec::new();
        conditions.iter().for_each(|condition| flatten(condition, &mut parts));
        every(parts.into_iter().map(|condition| cover(condition, true)))
    }

    /// How much the keys tell where `shared` says how many rules have a key, and `all` how many there are:
    /// what many rules speak of is what many traces hold.
    pub fn worth(&self, all: usize, shared: impl Fn(&Key) -> usize) -> u32 {
        let rarity = |key| 2 * (all / shared(key).max(1)).max(1).ilog2();
        self.bits.saturating_add(self.keys.iter().map(rarity).min().unwrap_or(u32::MAX))
    }

    fn new(keys: impl IntoIterator<Item = Option<(Key, u32)>>) -> Option<Self> {
        let mut cover = Self { keys: Vec::new(), bits: u32::MAX };
        for key in keys {
            let (key, bits) = key?;
            cover.keys.push(key);
            cover.bits = cover.bits.min(bits);
        }
        cover.within_limit()
    }

    /// One of two covers holds.
    fn or(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        Self { bits: self.bits.min(other.bits), ..self }
    }

    /// Both covers hold: every pair of their keys is one key.
    fn and(&self, other: &Self) -> Option<Self> {
        let mut keys = Vec::new();
        for one in &self.keys {
            for two in &other.keys {
                let (Key::Readings(one), Key::Readings(two)) = (one, two) else { return None };
                let mut both = [one.as_slice(), two].concat();
                both.sort();
                both.dedup();
                keys.push(Key::Readings(both));
            }
        }
        (keys.len() <= JOINED_KEYS.max(self.keys.len()))
            .then_some(Self { keys, bits: self.bits.saturating_add(other.bits) })
    }

    fn within_limit(self) -> Option<Self> {
        (self.keys.len() <= KEYS).then_some(self)
    }

    /// Less if there are many keys.
    fn telling(&self) -> u32 {
        self.bits.saturating_sub(self.keys.len().max(1).ilog2())
    }

    fn can_join(&self) -> bool {
        self.keys.iter().all(|key| matches!(key, Key::Readings(_)))
    }

    fn is_costly(&self) -> bool {
        self.keys.iter().any(|key| match key {
            Key::Readings(readings) => readings.iter().any(|(field, ..)| is_costly(field)),
            Key::Text(field, _) => is_costly(field),
        })
    }
}

impl Key {
    pub fn shape(&self) -> Vec<(Field, Cut)> {
        match self {
            Self::Readings(readings) => readings.iter().map(|(field, cut, _)| (field.clone(), *cut)).collect(),
            Self::Text(..) => Vec::new(),
        }
    }

    /// Leaves only the reading that tells most.
    pub fn narrow(&mut self) {
        if let Self::Readings(readings) = self
            && let Some(best) = readings.iter().max_by_key(|(field, cut, _)| bits(field, *cut))
        {
            *readings = vec![best.clone()];
        }
    }
}

fn flatten<'c>(condition: &'c Condition, parts: &mut Vec<&'c Condition>) {
    match condition {
        Condition::All(inner) => inner.iter().for_each(|inner| flatten(inner, parts)),
        other => parts.push(other),
    }
}

/// The cover of a condition that has to hold, or has to fail.
fn cover(condition: &Condition, holds: bool) -> Option<Cover> {
    match (condition, holds) {
        (Condition::Not(inner), _) => cover(inner, !holds),
        (Condition::Field(field, check), _) => of_check(field, check, holds),
        (Condition::All(inner), true) | (Condition::Any(inner), false) => {
            every(inner.iter().map(|inner| cover(inner, holds))).into_iter().max_by_key(Cover::telling)
        }
        (Condition::Any(inner), true) | (Condition::All(inner), false) => {
            let covers: Option<Vec<Cover>> = inner.iter().map(|inner| cover(inner, holds)).collect();
            let none = Cover { keys: Vec::new(), bits: u32::MAX };
            covers?.into_iter().fold(none, Cover::or).within_limit()
        }
    }
}

/// Of covers that all hold, those worth a choice: readings joined as far as they can be, and each other one.
fn every(covers: impl Iterator<Item = Option<Cover>>) -> Vec<Cover> {
    let mut covers: Vec<Cover> = covers.flatten().collect();
    covers.sort_by_key(|cover| (cover.is_costly(), std::cmp::Reverse(cover.telling())));
    let mut joined: Option<Cover> = None;
    let mut single = Vec::new();
    for cover in covers {
        match &joined {
            None if cover.can_join() => joined = Some(cover),
            Some(best) if cover.can_join() && cover.is_costly() && best.telling() >= ENOUGH => {}
            Some(best) => match best.and(&cover) {
                Some(both) => joined = Some(both),
                None => single.push(cover),
            },
            None => single.push(cover),
        }
    }
    joined.into_iter().chain(single).collect()
}

fn of_check(field: &Field, check: &Check, holds: bool) -> Option<Cover> {
    match (check, holds) {
        (Check::Not(inner), _) => of_check(field, inner, !holds),
        (_, false) => None,
        (Check::Is(lists), _) => Cover::new(lists.iter().flat_map(|words| of_words(field, words))),
        (Check::Prefix(texts), _) => Cover::new(texts.iter().map(|text| first(field, text))),
        (Check::Suffix(texts), _) => Cover::new(texts.iter().map(|text| last(field, text))),
        (Check::Contains(texts), _) => Cover::new(texts.iter().map(|part| text(field, part))),
        (Check::Regex(patterns), _) => Cover::new(patterns.iter().flat_map(|pattern| of_pattern(field, pattern))),
        (Check::Cidr(networks), _) => Cover::new(networks.iter().map(|network| of_network(field, network))),
        (Check::AtLeast(least, _), _) => {
            let words = ["normal", "warning", "incident"].into_iter().skip(usize::from(*least));
            Cover::new(words.map(|word| reading(field, Cut::Whole, word)))
        }
        (Check::Compare(..) | Check::Exists(_) | Check::SameAs(_), _) => None,
    }
}

fn of_words<'a>(field: &'a Field, words: &'a Words) -> impl Iterator<Item = Option<(Key, u32)>> + 'a {
    let exact = words.exact().map(|word| reading(field, Cut::Whole, word));
    exact.chain(words.globs().iter().map(|glob| of_glob(field, glob)))
}

fn of_glob(field: &Field, glob: &Glob) -> Option<(Key, u32)> {
    let middle = glob.middle.iter().max_by_key(|part| part.len());
    let keys = [first(field, &glob.head), last(field, &glob.tail), middle.and_then(|part| text(field, part))];
    keys.into_iter().flatten().rev().max_by_key(|(_, bits)| *bits)
}

fn of_pattern(field: &Field, pattern: &Pattern) -> Vec<Option<(Key, u32)>> {
    let required = pattern.parts().and_then(|parts| literal::required(&parts));
    match required {
        Some(texts) => texts.iter().map(|part| text(field, part)).collect(),
        None => vec![None],
    }
}

fn of_network(field: &Field, network: &IpNet) -> Option<(Key, u32)> {
    let address = network.addr().to_string();
    (network.prefix_len() > 0).then(|| reading(field, Cut::network(network), &address))?
}

fn first(field: &Field, text: &str) -> Option<(Key, u32)> {
    reading(field, Cut::first(&fold(text))?, text)
}

fn last(field: &Field, text: &str) -> Option<(Key, u32)> {
    reading(field, Cut::last(&fold(text))?, text)
}

fn text(field: &Field, part: &str) -> Option<(Key, u32)> {
    let part = fold(part);
    (!part.is_empty()).then(|| (Key::Text(field.clone(), part.as_ref().into()), per_length(part.len())))
}

fn reading(field: &Field, cut: Cut, text: &str) -> Option<(Key, u32)> {
    let hash = cut.hash(&fold(text))?;
    Some((Key::Readings(vec![(field.clone(), cut, hash)]), bits(field, cut)))
}

/// How much a value of a field tells, guessed from what accounts look like.
fn bits(field: &Field, cut: Cut) -> u32 {
    match (cut, field) {
        (Cut::First(length) | Cut::Last(length), _) => per_length(length),
        (Cut::Network4(bits), _) => u32::from(bits) / 3,
        (Cut::Network6(bits), _) => u32::from(bits) / 8,
        (Cut::Whole, Field::Operation | Field::ActorName | Field::ActorId | Field::SourceIp) => 7,
        (Cut::Whole, Field::ResourceName | Field::ResourceId | Field::TraceId) => 9,
        (Cut::Whole, Field::Service | Field::ResourceType | Field::Request(_) | Field::Response(_)) => 5,
        (Cut::Whole, Field::Rating | Field::Outcome | Field::Origin | Field::TraceType | Field::Region) => 1,
        (Cut::Whole, _) => 3,
    }
}

fn per_length(length: usize) -> u32 {
    length.min(8) as u32 / 2 + 1
}

/// Fields that take a walk through a body, or several fields.
fn is_costly(field: &Field) -> bool {
    matches!(
        field,
        Field::Request(_)
            | Field::Response(_)
            | Field::Message
            | Field::Action
            | Field::ActorKind
            | Field::Time
            | Field::TimeHour
            | Field::TimeWeekday
            | Field::RecordTime
            | Field::ProjectName
            | Field::TraceId
            | Field::SourceNetwork
    )
}
