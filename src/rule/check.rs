//! What one field of a trace must be.

use std::{borrow::Cow, fmt, net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::{
    pattern::Pattern,
    words::{Words, fold_case},
};
use crate::{
    clock::Timestamp,
    trace::{Field, Look},
};

/// A pattern looks at this much of a field: linear time is only kind to short texts.
pub const REGEX_TEXT_LIMIT: usize = 64 * 1024;

/// A test on the text of one field. A missing field fails every check but `Not`.
#[derive(Debug, Clone)]
pub enum Check {
    Is(Vec<Arc<Words>>),
    /// Everything the inner check does not accept, a missing field included.
    Not(Box<Check>),
    Prefix(Vec<String>),
    Suffix(Vec<String>),
    Contains(Vec<String>),
    Regex(Vec<Pattern>),
    Cidr(Vec<IpNet>),
    Compare(Order, Bound),
    /// Of the cloud's three ratings, this one or a worse one.
    AtLeast(u8, String),
    Exists(bool),
    SameAs(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Gt,
    Gte,
    Lt,
    Lte,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    Number(f64),
    Time(Timestamp),
}

impl Check {
    pub fn holds<L: Look + ?Sized>(&self, field: &Field, trace: &L) -> bool {
        let found = trace.get(field);
        match self {
            Self::Not(inner) => return !inner.holds(field, trace),
            Self::Exists(expected) => return found.is_some() == *expected,
            _ => {}
        }
        let Some(found) = found else { return false };
        let found = found.as_ref();
        let folded = || if field.ignores_case() { fold_case(found) } else { Cow::Borrowed(found) };
        match self {
            Self::Is(lists) => lists.iter().any(|words| words.hold(found)),
            Self::Prefix(parts) => any(parts, &folded(), |text, part| text.starts_with(part)),
            Self::Suffix(parts) => any(parts, &folded(), |text, part| text.ends_with(part)),
            Self::Contains(parts) => any(parts, &folded(), |text, part| text.contains(part)),
            Self::Regex(patterns) => {
                let text = &found[..found.floor_char_boundary(REGEX_TEXT_LIMIT)];
                patterns.iter().any(|pattern| pattern.is_match(text))
            }
            Self::Cidr(networks) => address(found).is_some_and(|ip| networks.iter().any(|net| net.contains(&ip))),
            Self::Compare(order, bound) => bound.compare(found).is_some_and(|ordering| match order {
                Order::Gt => ordering.is_gt(),
                Order::Gte => ordering.is_ge(),
                Order::Lt => ordering.is_lt(),
                Order::Lte => ordering.is_le(),
            }),
            Self::AtLeast(least, _) => rank(found).is_some_and(|rank| rank >= *least),
            Self::SameAs(other) => trace.get(other).is_some_and(|value| {
                let fold = field.ignores_case() || other.ignores_case();
                if fold { fold_case(found) == fold_case(&value) } else { found == value }
            }),
            Self::Not(_) | Self::Exists(_) => false,
        }
    }
}

/// Place of a rating among the documented three; a word of its own has none.
pub fn rank(rating: &str) -> Option<u8> {
    ["normal", "warning", "incident"].iter().position(|known| known.eq_ignore_ascii_case(rating)).map(|at| at as u8)
}

fn any(parts: &[String], text: &str, test: fn(&str, &str) -> bool) -> bool {
    parts.iter().any(|part| test(text, part))
}

/// An address; one of IPv4 written as IPv6 counts as the IPv4 address, a zone is not looked at.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().split('%').next().unwrap_or_default();
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

impl Bound {
    fn compare(&self, found: &str) -> Option<std::cmp::Ordering> {
        match self {
            Self::Number(bound) => found.trim().parse::<f64>().ok()?.partial_cmp(bound),
            Self::Time(bound) => Some(found.parse::<Timestamp>().ok()?.cmp(bound)),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(lists) => {
                let shown: Vec<&str> = lists.iter().flat_map(|words| words.shown()).map(String::as_str).collect();
                let count = lists.iter().map(|words| words.count()).sum();
                f.write_str(&alternatives(&shown, count))
            }
            Self::Not(inner) => match inner.as_ref() {
                Self::Not(twice) => write!(f, "{twice}"),
                inner => write!(f, "anything but {inner}"),
            },
            Self::Prefix(parts) => write!(f, "text that starts with {}", quoted(parts)),
            Self::Suffix(parts) => write!(f, "text that ends with {}", quoted(parts)),
            Self::Contains(parts) => write!(f, "text that contains {}", quoted(parts)),
            Self::Regex(patterns) => write!(f, "text that matches {}", quoted(patterns)),
            Self::Cidr(networks) => write!(f, "an address in {}", quoted(networks)),
            Self::Compare(order, bound) => {
                let order = match order {
                    Order::Gt => "more than",
                    Order::Gte => "at least",
                    Order::Lt => "less than",
                    Order::Lte => "at most",
                };
                match bound {
                    Bound::Number(bound) => write!(f, "{order} `{bound}`"),
                    Bound::Time(bound) => write!(f, "{order} `{bound}`"),
                }
            }
            Self::AtLeast(_, word) => write!(f, "`{word}` or worse"),
            Self::Exists(true) => f.write_str("any value"),
            Self::Exists(false) => f.write_str("no value"),
            Self::SameAs(other) => write!(f, "the same as `{}`", other.name()),
        }
    }
}

fn quoted<T: ToString>(parts: &[T]) -> String {
    let parts: Vec<String> = parts.iter().map(T::to_string).collect();
    let shown: Vec<&str> = parts.iter().map(String::as_str).take(4).collect();
    alternatives(&shown, parts.len())
}

/// `a`, `b` or `c`; of many, the first and how many more.
fn alternatives(shown: &[&str], count: usize) -> String {
    if count > shown.len() {
        let list: Vec<String> = shown.iter().map(|word| format!("`{word}`")).collect();
        format!("{} or {} more", list.join(", "), count - shown.len())
    } else {
        crate::document::walk::either(shown)
    }
}
