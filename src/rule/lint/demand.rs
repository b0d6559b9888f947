//! What one condition asks of one field, and what follows from it for another.
//!
//! Every answer errs on the side of silence: *contradicts* and *implies* are
//! said only where they are certain.

use std::net::IpAddr;

use ipnet::IpNet;
use regex::{Regex, RegexBuilder};

use super::super::{
    check::rank,
    words::{Glob, fold_case},
};
use crate::{
    document::{Node, Span, Value, Walk},
    trace::{Field, action},
};

#[derive(Debug, Clone)]
pub struct Demand<'a> {
    pub field: Field,
    pub key: Span,
    pub at: Walk<'a>,
    /// The words as written, if it lists exact words or globs; named lists are not among them.
    pub words: Vec<String>,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    /// Folded if the field is.
    Words(Vec<String>),
    Prefix(Vec<String>),
    Suffix(Vec<String>),
    Contains(Vec<String>),
    Regex(Vec<Regex>),
    Cidr(Vec<IpNet>),
    /// At least, at most; the flags say whether the bound itself is out.
    Range(Option<(f64, bool)>, Option<(f64, bool)>),
    AtLeast(u8),
    Exists(bool),
    Not(Box<Test>),
    /// Not looked into.
    Other,
}

impl<'a> Demand<'a> {
    pub fn read(field: Field, key: Span, at: Walk<'a>) -> Option<Self> {
        let test = read(&field, &at)?;
        let words = if matches!(at.node.value, Value::Map(_)) { Vec::new() } else { scalars(&at).unwrap_or_default() };
        Some(Self { field, key, at, words, test })
    }

    /// The opposite, for a `not` around it.
    pub fn negated(&self) -> Self {
        Self { test: Test::Not(Box::new(self.test.clone())), words: Vec::new(), ..self.clone() }
    }

    /// The demand as it stands in the file: `rating: warning`.
    pub fn shown(&self) -> String {
        let text = &self.at.file.text;
        let raw = text.get(self.at.node.span.start..self.at.node.span.end).unwrap_or_default();
        let mut value = raw.split_whitespace().collect::<Vec<_>>().join(" ");
        if matches!(self.at.node.value, Value::Map(_) | Value::List(_)) && !raw.starts_with(['{', '[']) {
            value = "...".into();
        } else if matches!(self.at.node.value, Value::Map(_)) && !value.ends_with('}') {
            value.push_str(" }");
        } else if matches!(self.at.node.value, Value::List(_)) && !value.ends_with(']') {
            value.push(']');
        }
        if value.chars().count() > 40 {
            value = value.chars().take(37).chain("...".chars()).collect();
        }
        format!("{}: {value}", self.field.name())
    }

    /// True if it takes any value at all.
    pub fn takes_everything(&self) -> bool {
        match &self.test {
            Test::Words(words) => words.iter().any(|word| word.bytes().all(|byte| byte == b'*')),
            Test::Exists(there) => *there,
            _ => false,
        }
    }

    /// True if it is certain that a trace whose field is `value` satisfies it.
    pub fn takes(&self, value: &str) -> bool {
        self.accepts(value) == Some(true)
    }

    /// True if no trace satisfies both.
    pub fn contradicts(&self, other: &Self) -> bool {
        if self.field == other.field {
            return self.test.contradicts(&other.test) || other.test.contradicts(&self.test);
        }
        match (&self.field, &other.field) {
            (Field::Outcome, Field::Rating) => {
                let rating = self.test.map(rating_of);
                rating.is_some_and(|rating| rating.contradicts(&other.test) || other.test.contradicts(&rating))
            }
            (Field::Operation, Field::Action) => {
                let only = !self.words.is_empty() && self.test.values().is_some();
                only && self.words.iter().all(|word| other.accepts(action::of(word)) == Some(false))
            }
            (Field::Rating, Field::Outcome) | (Field::Action, Field::Operation) => other.contradicts(self),
            _ => false,
        }
    }

    /// True if every trace that satisfies this one satisfies the other.
    pub fn implies(&self, other: &Self) -> bool {
        if self.field == other.field {
            return self.test.implies(&other.test);
        }
        match (&self.field, &other.field) {
            (Field::Outcome, Field::Rating) => {
                self.test.map(rating_of).is_some_and(|rating| rating.implies(&other.test))
            }
            (Field::Rating, Field::Outcome) => {
                other.test.map(rating_of).is_some_and(|rating| self.test.implies(&rating))
            }
            (Field::Operation, Field::Action) => {
                let only = !self.words.is_empty() && self.test.values().is_some();
                only && self.words.iter().all(|word| other.takes(action::of(word)))
            }
            _ => false,
        }
    }

    fn accepts(&self, value: &str) -> Option<bool> {
        if self.field.ignores_case() { self.test.accepts(&fold_case(value)) } else { self.test.accepts(value) }
    }
}

impl Test {
    /// The only values that satisfy it, if they are known.
    fn values(&self) -> Option<&[String]> {
        match self {
            Self::Words(words) if !words.iter().any(|word| word.contains('*')) => Some(words),
            _ => None,
        }
    }

    /// The same test on words translated one by one; `None` if one of them has no counterpart.
    fn map(&self, word: fn(&str) -> Option<&'static str>) -> Option<Self> {
        match self {
            Self::Words(words) => {
                let words: Option<Vec<String>> = words.iter().map(|it| word(it).map(str::to_owned)).collect();
                words.map(Self::Words)
            }
            Self::Not(inner) => inner.map(word).map(|inner| Self::Not(Box::new(inner))),
            _ => None,
        }
    }

    /// Whether a present value satisfies it; `None` where that is not known.
    fn accepts(&self, value: &str) -> Option<bool> {
        Some(match self {
            Self::Words(words) => words.iter().any(|word| match Glob::parse(word) {
                Some(glob) => glob.matches(value),
                None => word == value,
            }),
            Self::Prefix(parts) => parts.iter().any(|part| value.starts_with(part.as_str())),
            Self::Suffix(parts) => parts.iter().any(|part| value.ends_with(part.as_str())),
            Self::Contains(parts) => parts.iter().any(|part| value.contains(part.as_str())),
            Self::Regex(patterns) => patterns.iter().any(|pattern| pattern.is_match(value)),
            Self::Cidr(nets) => {
                let address = value.parse::<IpAddr>().ok().map(|address| address.to_canonical());
                address.is_some_and(|address| nets.iter().any(|net| net.contains(&address)))
            }
            Self::Range(low, high) => value.trim().parse::<f64>().is_ok_and(|number| {
                low.is_none_or(|(low, out)| number > low || number == low && !out)
                    && high.is_none_or(|(high, out)| number < high || number == high && !out)
            }),
            Self::AtLeast(least) => rank(value).is_some_and(|rank| rank >= *least),
            Self::Exists(there) => *there,
            Self::Not(inner) => return inner.accepts(value).map(|accepted| !accepted),
            Self::Other => return None,
        })
    }

    /// True if a trace without the field never satisfies it.
    fn needs_a_value(&self) -> bool {
        match self {
            Self::Not(inner) => matches!(**inner, Self::Exists(false)),
            Self::Exists(there) => *there,
            Self::Other => false,
            _ => true,
        }
    }

    fn contradicts(&self, other: &Self) -> bool {
        if let Some(values) = self.values()
            && values.iter().all(|value| other.accepts(value) == Some(false))
        {
            return true;
        }
        let apart = |a: &[&str], b: &[&str], touch: fn(&str, &str) -> bool| {
            !a.is_empty() && !b.is_empty() && a.iter().all(|a| b.iter().all(|b| !touch(a, b) && !touch(b, a)))
        };
        match (self, other) {
            (Self::Exists(false), test) => test.needs_a_value(),
            (test, Self::Not(inner)) => test.needs_a_value() && test.implies(inner),
            (Self::Range(Some((low, low_out)), _), Self::Range(_, Some((high, high_out)))) => {
                low > high || low == high && (*low_out || *high_out)
            }
            (Self::Cidr(a), Self::Cidr(b)) => {
                a.iter().all(|a| b.iter().all(|b| !a.contains(&b.network()) && !b.contains(&a.network())))
            }
            (a, b) => {
                apart(&a.heads(), &b.heads(), |a, b| a.starts_with(b))
                    || apart(&a.tails(), &b.tails(), |a, b| a.ends_with(b))
            }
        }
    }

    fn implies(&self, other: &Self) -> bool {
        if let Some(values) = self.values()
            && values.iter().all(|value| other.accepts(value) == Some(true))
        {
            return true;
        }
        let each = |a: &[&str], b: &[String], holds: fn(&str, &str) -> bool| {
            !a.is_empty() && a.iter().all(|a| b.iter().any(|b| holds(a, b)))
        };
        match (self, other) {
            (a, Self::Exists(true)) => a.needs_a_value(),
            (a, Self::Words(words)) if words.iter().any(|word| word == "*") => a.needs_a_value(),
            (Self::Words(a), Self::Words(b)) => a.iter().all(|word| b.contains(word)),
            (a, Self::Prefix(b)) => each(&a.heads(), b, |a, b| a.starts_with(b)),
            (a, Self::Suffix(b)) => each(&a.tails(), b, |a, b| a.ends_with(b)),
            (Self::Prefix(a) | Self::Suffix(a) | Self::Contains(a), Self::Contains(b)) => {
                a.iter().all(|a| b.iter().any(|b| a.contains(b.as_str())))
            }
            (Self::Cidr(a), Self::Cidr(b)) => a.iter().all(|a| b.iter().any(|b| b.contains(a))),
            (Self::AtLeast(a), Self::AtLeast(b)) => a >= b,
            (Self::Not(a), Self::Not(b)) => b.implies(a),
            (Self::Other, _) | (_, Self::Other) => false,
            (a, b) => format!("{a:?}") == format!("{b:?}"),
        }
    }

    /// What every value of it begins with: one of these. Empty if that is not known.
    fn heads(&self) -> Vec<&str> {
        match self {
            Self::Prefix(parts) => parts.iter().map(String::as_str).collect(),
            Self::Words(words) => words.iter().map(|word| word.split('*').next().unwrap_or_default()).collect(),
            _ => Vec::new(),
        }
    }

    fn tails(&self) -> Vec<&str> {
        match self {
            Self::Suffix(parts) => parts.iter().map(String::as_str).collect(),
            Self::Words(words) => words.iter().map(|word| word.rsplit('*').next().unwrap_or_default()).collect(),
            _ => Vec::new(),
        }
    }
}

/// The rating that an outcome is read from.
fn rating_of(outcome: &str) -> Option<&'static str> {
    match outcome {
        "succeeded" => Some("normal"),
        "failed" => Some("warning"),
        "incident" => Some("incident"),
        _ => None,
    }
}

/// `None` if it is not what the compiler takes.
fn read(field: &Field, at: &Walk<'_>) -> Option<Test> {
    let fold = |texts: Vec<String>| {
        if field.ignores_case() { texts.iter().map(|text| fold_case(text).into_owned()).collect() } else { texts }
    };
    let Value::Map(entries) = &at.node.value else {
        return Some(scalars(at).map_or(Test::Other, |words| Test::Words(fold(words))));
    };
    let [(key, node)] = entries.as_slice() else { return None };
    let Value::Text(name) = &key.value else { return None };
    let at = &at.child(name, node);
    let not = |test| Test::Not(Box::new(test));
    let all =
        |read: &dyn Fn(String) -> Option<IpNet>| -> Option<Vec<IpNet>> { scalars(at)?.into_iter().map(read).collect() };
    let networks = || all(&|text| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)));
    let number = || at.source().trim_matches(['"', '\'']).parse::<f64>().ok();
    let parts = |make: fn(Vec<String>) -> Test| scalars(at).map_or(Test::Other, |parts| make(fold(parts)));
    let range = |low: bool, out: bool| {
        number().map_or(Test::Other, |number| {
            let bound = Some((number, out));
            if low { Test::Range(bound, None) } else { Test::Range(None, bound) }
        })
    };
    Some(match name.as_str() {
        "not" => not(read(field, at)?),
        "not_in" => not(parts(Test::Words)),
        "prefix" => parts(Test::Prefix),
        "suffix" => parts(Test::Suffix),
        "contains" => parts(Test::Contains),
        "regex" => patterns(at, field.ignores_case()).map_or(Test::Other, Test::Regex),
        "cidr" => networks().map_or(Test::Other, Test::Cidr),
        "not_cidr" => not(networks().map_or(Test::Other, Test::Cidr)),
        "gt" => range(true, true),
        "gte" => range(true, false),
        "lt" => range(false, true),
        "lte" => range(false, false),
        "at_least" => scalars(at).and_then(|words| rank(words.first()?)).map_or(Test::Other, Test::AtLeast),
        "exists" => match node.value {
            Value::Bool(there) => Test::Exists(there),
            _ => return None,
        },
        _ => Test::Other,
    })
}

fn patterns(at: &Walk<'_>, fold: bool) -> Option<Vec<Regex>> {
    let build = |text: String| {
        RegexBuilder::new(&text).case_insensitive(fold).size_limit(super::super::pattern::SIZE_LIMIT).build().ok()
    };
    scalars(at)?.into_iter().map(build).collect()
}

/// The texts of a scalar or list; `None` if a named list or anything else is among them.
fn scalars(at: &Walk<'_>) -> Option<Vec<String>> {
    let text = |node: &Node| match &node.value {
        Value::Text(text) if !text.is_empty() && !text.starts_with('$') => Some(text.clone()),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => {
            at.file.text.get(node.span.start..node.span.end).map(str::to_owned)
        }
        _ => None,
    };
    match &at.node.value {
        Value::List(items) if !items.is_empty() => items.iter().map(text).collect(),
        Value::List(_) => None,
        _ => text(at.node).map(|text| vec![text]),
    }
}
