//! What two rule sets made differently of the same traces: alerts lost and gained, and why.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    reason::{self, Side},
    tally::{Mark, Tally},
};
use crate::{
    alert::{Key, Severity},
    clock::{self, Timestamp},
    render::inert,
    rule::Rule,
};

/// Keys named of one rule.
const KEYS: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Lost,
    Gained,
    /// Rings with another severity.
    Severity,
    /// Was an alert of its own, and is counted in another one now.
    Folded,
    /// Was counted in another alert, and is one of its own now.
    Split,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Gained => "gained",
            Self::Severity => "severity",
            Self::Folded => "folded",
            Self::Split => "split",
        }
    }
}

/// The difference between two rule sets. Alerts of rules in shadow are not sent, so they are not among them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Diff {
    pub before: u64,
    pub now: u64,
    pub same: u64,
    pub lost: u64,
    /// Of those lost, the critical ones.
    pub lost_critical: u64,
    pub gained: u64,
    /// Rules with a difference: those that lose most first.
    pub rules: Vec<RuleDiff>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct RuleDiff {
    pub rule: String,
    pub before: u64,
    pub now: u64,
    pub lost: u64,
    pub lost_critical: u64,
    pub gained: u64,
    pub severity_changed: u64,
    pub folded: u64,
    pub split: u64,
    /// Keys with most alerts lost or gained: the key in words, lost, gained.
    pub keys: Vec<(String, u64, u64)>,
    /// One of each change that happened.
    pub examples: Vec<Example>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Example {
    pub change: Change,
    pub time: Timestamp,
    pub severity: Severity,
    pub title: Option<String>,
    pub key: String,
    pub reason: String,
}

/// The sent alerts of one rule on both sides.
#[derive(Default)]
struct Pair<'t> {
    before: Vec<&'t Mark>,
    now: Vec<&'t Mark>,
}

pub fn diff(before: &Tally<'_>, now: &Tally<'_>) -> Diff {
    let mut pairs: BTreeMap<&str, Pair<'_>> = BTreeMap::new();
    for mark in before.marks.iter().filter(|mark| !mark.shadow) {
        pairs.entry(&before.rules.rules[mark.rule].id).or_default().before.push(mark);
    }
    for mark in now.marks.iter().filter(|mark| !mark.shadow) {
        pairs.entry(&now.rules.rules[mark.rule].id).or_default().now.push(mark);
    }
    let rule = |tally: &Tally<'_>, id: &str| tally.rules.rules.iter().position(|rule| rule.id == id);
    let mut diff = Diff::default();
    for (id, pair) in pairs {
        let was = rule(before, id).map(|at| &before.rules.rules[at]);
        let is = rule(now, id).map(|at| &now.rules.rules[at]);
        diff.before += pair.before.len() as u64;
        diff.now += pair.now.len() as u64;
        let (found, same) = one(id, &pair, was, is);
        diff.same += same;
        diff.lost += found.lost;
        diff.lost_critical += found.lost_critical;
        diff.gained += found.gained;
        if !found.examples.is_empty() {
            diff.rules.push(found);
        }
    }
    diff.rules.sort_by(|a, b| {
        (b.lost_critical, b.lost, b.gained, &a.rule).cmp(&(a.lost_critical, a.lost, a.gained, &b.rule))
    });
    diff
}

/// The difference of one rule, and how many alerts are the same.
fn one(id: &str, pair: &Pair<'_>, was: Option<&Rule>, is: Option<&Rule>) -> (RuleDiff, u64) {
    let mut found = RuleDiff {
        rule: id.to_owned(),
        before: pair.before.len() as u64,
        now: pair.now.len() as u64,
        ..RuleDiff::default()
    };
    let (partners, gained) = partners(pair, was, is);
    let mut keys: BTreeMap<&Key, (u64, u64)> = BTreeMap::new();
    let mut examples: BTreeMap<Change, Example> = BTreeMap::new();
    let mut tell = |change: Change, mark: &Mark, reason: &dyn Fn() -> String| {
        // An example with its trace says more than one without.
        let known = examples.get(&change).is_some_and(|example| example.title.is_some() || mark.lead.is_none());
        if !known {
            examples.insert(change, example(change, mark, reason()));
        }
    };
    let (opened_before, opened_now) = (openings(&pair.before), openings(&pair.now));
    let mut same = 0;
    for (mark, partner) in pair.before.iter().zip(&partners) {
        match partner {
            Some(partner) if partner.severity == mark.severity => same += 1,
            Some(partner) => {
                found.severity_changed += 1;
                let reason = || format!("`{}` now, was `{}`", partner.severity, mark.severity);
                tell(Change::Severity, mark, &reason);
            }
            None if is.is_some_and(|rule| covered(mark, was, rule, &opened_now)) => {
                found.folded += 1;
                tell(Change::Folded, mark, &|| reason::folding(was, is, Side::Now));
            }
            None => {
                found.lost += 1;
                found.lost_critical += u64::from(mark.severity == Severity::Critical);
                keys.entry(&mark.key).or_default().0 += 1;
                let trace = mark.lead.as_ref().map(|lead| lead.trace.as_ref());
                tell(Change::Lost, mark, &|| reason::silence(is, was, trace, Side::Now));
            }
        }
    }
    for mark in gained {
        if was.is_some_and(|rule| covered(mark, is, rule, &opened_before)) {
            found.split += 1;
            tell(Change::Split, mark, &|| reason::folding(was, is, Side::Before));
        } else {
            found.gained += 1;
            keys.entry(&mark.key).or_default().1 += 1;
            let trace = mark.lead.as_ref().map(|lead| lead.trace.as_ref());
            tell(Change::Gained, mark, &|| reason::silence(was, is, trace, Side::Before));
        }
    }
    let mut keys: Vec<(String, u64, u64)> =
        keys.into_iter().map(|(key, (lost, gained))| (in_words(key), lost, gained)).collect();
    keys.sort_by(|a, b| (b.1 + b.2, &a.0).cmp(&(a.1 + a.2, &b.0)));
    keys.truncate(KEYS);
    found.keys = keys;
    found.examples = examples.into_values().collect();
    (found, same)
}

/// For each alert of before the one of now with the same key at about the same time, and the alerts of
/// now that are left over. Both lists are in the order of opening, and so is each key's part of them.
fn partners<'t>(pair: &Pair<'t>, was: Option<&Rule>, is: Option<&Rule>) -> (Vec<Option<&'t Mark>>, Vec<&'t Mark>) {
    let windows = [was, is].into_iter().flatten().map(|rule| rule.dedup.window);
    let reach = windows.max().unwrap_or_default();
    let mut by_key: BTreeMap<&Key, BTreeSet<(Timestamp, usize)>> = BTreeMap::new();
    for (at, mark) in pair.now.iter().enumerate() {
        by_key.entry(&mark.key).or_default().insert((mark.opened, at));
    }
    let mut partners = Vec::with_capacity(pair.before.len());
    for mark in &pair.before {
        let (from, to) = (clock::minus(mark.opened, reach), clock::plus(mark.opened, reach));
        let near = by_key.get_mut(&mark.key).and_then(|left| {
            let apart = |at: &Timestamp| clock::since(*at, mark.opened).max(clock::since(mark.opened, *at));
            let nearest = left.range((from, 0)..=(to, usize::MAX)).min_by_key(|(at, _)| apart(at)).copied()?;
            left.remove(&nearest);
            Some(pair.now[nearest.1])
        });
        partners.push(near);
    }
    let mut left: Vec<usize> = by_key.into_values().flatten().map(|(_, at)| at).collect();
    left.sort_unstable();
    (partners, left.into_iter().map(|at| pair.now[at]).collect())
}

/// When the alerts of each key opened.
fn openings<'t>(marks: &[&'t Mark]) -> BTreeMap<&'t Key, BTreeSet<Timestamp>> {
    let mut openings: BTreeMap<&Key, BTreeSet<Timestamp>> = BTreeMap::new();
    for mark in marks {
        openings.entry(&mark.key).or_default().insert(mark.opened);
    }
    openings
}

/// True if `rule` counts what opened the mark in one of its own alerts.
fn covered(mark: &Mark, own: Option<&Rule>, rule: &Rule, alerts: &BTreeMap<&Key, BTreeSet<Timestamp>>) -> bool {
    let key = match (&mark.lead, own) {
        (_, Some(own)) if own.dedup.by == rule.dedup.by => mark.key.clone(),
        (Some(lead), _) => rule.dedup.key(&lead.trace),
        _ => return false,
    };
    let takes = |lead: &super::tally::Lead| rule.condition.holds(&lead.trace) && rule.excepted(&lead.trace).is_none();
    let (from, to) = (clock::minus(mark.opened, rule.dedup.window), clock::plus(mark.opened, rule.dedup.window));
    let near = alerts.get(&key).is_some_and(|opened| opened.range(from..to).next().is_some());
    near && mark.lead.as_ref().is_none_or(takes)
}

fn example(change: Change, mark: &Mark, reason: String) -> Example {
    Example {
        change,
        time: mark.opened,
        severity: mark.severity,
        title: mark.lead.as_ref().map(|lead| inert::line(&lead.title, 200)),
        key: in_words(&mark.key),
        reason: inert::line(&reason, 400),
    }
}

/// `actor.name=alice`; `everything` for the key of a rule that folds all into one alert.
fn in_words(key: &Key) -> String {
    let parts: Vec<String> = key.iter().map(|(name, value)| format!("{name}={}", inert::line(value, 60))).collect();
    if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }
}
