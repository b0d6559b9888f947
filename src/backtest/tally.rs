//! Counting what one rule set makes of the traces.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::civil::Date;
use serde::Serialize;

use super::{bars::day, is_told};
use crate::{
    alert::{Key, Severity},
    clock::{self, Timestamp},
    render::inert,
    ring::{self, Looked, Rehearsal, Ring},
    rule::{Mode, Part, Rule, RuleSet, When},
    trace::Trace,
};

/// Samples and top actors shown of a rule.
const SHOWN: usize = 3;
/// Different actors counted for one rule; beyond them, one more is not told from the rest.
const ACTORS: usize = 10_000;

/// How many alerts of a rule keep the trace that opened them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Enough for samples.
    Count,
    /// Enough to find an example of most differences.
    Compare,
}

pub struct Tally<'a> {
    pub rules: &'a RuleSet,
    rehearsal: Rehearsal<'a>,
    depth: Depth,
    /// Some rule rings for what does not come.
    misses: bool,
    matched: u64,
    counts: Vec<Counts>,
    /// Every alert, in the order of opening.
    pub marks: Vec<Mark>,
    by_id: HashMap<String, usize>,
    /// Everything that would have been told at once, with the alert's place among the marks.
    pub told: Vec<Told>,
    now: Timestamp,
}

/// An alert, as short as it can be kept.
#[derive(Debug, Clone)]
pub struct Mark {
    /// Index into the rule set.
    pub rule: usize,
    pub key: Key,
    pub opened: Timestamp,
    pub count: u64,
    /// The worst it got.
    pub severity: Severity,
    pub shadow: bool,
    /// What opened it, for the first alerts of each rule.
    pub lead: Option<Lead>,
}

#[derive(Debug, Clone)]
pub struct Lead {
    pub trace: Arc<Trace>,
    pub title: String,
}

#[derive(Debug, Clone, Copy)]
pub struct Told {
    pub mark: usize,
    pub at: Timestamp,
    pub severity: Severity,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    matches: u64,
    alerts: u64,
    escalated: u64,
    leads: usize,
    by_day: BTreeMap<Date, (u64, u64)>,
    excepted: BTreeMap<String, u64>,
    actors: HashMap<String, u64>,
}

/// What one rule would have done.
#[derive(Debug, Clone, Serialize)]
pub struct RuleReport {
    pub rule: String,
    pub severity: Severity,
    pub shadow: bool,
    pub place: String,
    /// Traces that satisfy the rule, exceptions left out.
    pub matches: u64,
    /// What is left of them after windows and folding.
    pub alerts: u64,
    pub escalated: u64,
    /// Alerts by day, in the order of the report's days.
    pub by_day: Vec<u64>,
    pub matches_by_day: Vec<u64>,
    pub noise_budget: Option<u64>,
    /// Days with more alerts than the budget.
    pub over_budget: Vec<(String, u64)>,
    /// Traces that exceptions took out, by reason.
    pub excepted: BTreeMap<String, u64>,
    /// Who the matches are from, most first.
    pub actors: Vec<(String, u64)>,
    pub samples: Vec<Sample>,
    /// Why its numbers say less than they seem to.
    pub note: Option<String>,
}

/// One alert, for people. All text in it is harmless on one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    pub time: Timestamp,
    pub title: String,
    pub severity: Severity,
    pub actor: String,
    pub service: String,
    pub operation: String,
    pub resource: String,
    pub source_ip: Option<String>,
    /// Traces behind it.
    pub count: u64,
    pub trace: String,
}

impl<'a> Tally<'a> {
    pub fn new(rules: &'a RuleSet, start: Timestamp, depth: Depth) -> Self {
        Self {
            rules,
            rehearsal: Rehearsal::new(rules, start),
            depth,
            misses: rules.rules.iter().any(|rule| matches!(rule.when, Some(When::Absent { .. }))),
            matched: 0,
            counts: vec![Counts::default(); rules.rules.len()],
            marks: Vec::new(),
            by_id: HashMap::new(),
            told: Vec::new(),
            now: start,
        }
    }

    pub fn feed(&mut self, traces: &[Arc<Trace>]) {
        // A silence may end, and be told, between two traces of one page.
        let page = if self.misses { 1 } else { traces.len().max(1) };
        for traces in traces.chunks(page) {
            let Some(oldest) = traces.iter().map(|trace| trace.time).min() else { continue };
            self.now = traces.iter().map(|trace| trace.time).fold(self.now, Timestamp::max);
            let rings = self.rehearsal.advance(oldest);
            self.note(rings);
            let looked = ring::look(self.rules, traces);
            self.count(&looked);
            let rings = self.rehearsal.looked(&looked, self.now);
            self.note(rings);
        }
    }

    pub fn finish(&mut self, end: Timestamp) {
        let rings = self.rehearsal.finish(end);
        self.note(rings);
    }

    pub fn matched(&self) -> u64 {
        self.matched
    }

    fn count(&mut self, looked: &Looked) {
        self.matched += looked.matched;
        let mut last: Option<(usize, &Arc<Trace>)> = None;
        for sighting in looked.sightings.iter().filter(|sighting| sighting.part != Part::Then) {
            // A trace may be several steps of one sequence; it is one match.
            if last.is_some_and(|(rule, trace)| rule == sighting.rule && Arc::ptr_eq(trace, &sighting.trace)) {
                continue;
            }
            last = Some((sighting.rule, &sighting.trace));
            let counts = &mut self.counts[sighting.rule];
            counts.matches += 1;
            counts.by_day.entry(day(sighting.trace.time)).or_default().0 += 1;
            let actor = sighting.trace.actor_label();
            if let Some(count) = counts.actors.get_mut(actor) {
                *count += 1;
            } else if counts.actors.len() < ACTORS {
                counts.actors.insert(actor.to_owned(), 1);
            }
        }
        for excepted in &looked.excepted {
            if let Some(rule) = self.rules.rules.iter().position(|rule| rule.id == excepted.rule) {
                *self.counts[rule].excepted.entry(excepted.reason.clone()).or_default() += 1;
            }
        }
    }

    fn note(&mut self, rings: Vec<Ring>) {
        for ring in rings {
            let told = is_told(ring.change);
            let at = match self.by_id.get(&ring.alert.id) {
                Some(at) => *at,
                None => match self.open(&ring) {
                    Some(at) => at,
                    None => continue,
                },
            };
            let mark = &mut self.marks[at];
            mark.count = ring.alert.count;
            mark.severity = mark.severity.max(ring.alert.severity);
            self.counts[mark.rule].escalated += u64::from(ring.change == ring::Change::Escalated);
            if told && !mark.shadow {
                self.told.push(Told { mark: at, at: ring.lead.time, severity: ring.alert.severity });
            }
        }
    }

    fn open(&mut self, ring: &Ring) -> Option<usize> {
        let rule = self.rules.rules.iter().position(|rule| rule.id == ring.alert.rule)?;
        let counts = &mut self.counts[rule];
        counts.alerts += 1;
        // A silence is noticed long after the trace that tells it.
        let opened = ring.alert.first.time;
        counts.by_day.entry(day(opened)).or_default().1 += 1;
        let most = if self.depth == Depth::Compare { 1000 } else { 50 };
        let keep = counts.leads < most;
        counts.leads += usize::from(keep);
        let lead = keep.then(|| Lead { trace: ring.lead.clone(), title: ring.alert.title.clone() });
        self.by_id.insert(ring.alert.id.clone(), self.marks.len());
        self.marks.push(Mark {
            rule,
            key: ring.alert.key.clone(),
            opened,
            count: ring.alert.count,
            severity: ring.alert.severity,
            shadow: ring.alert.shadow,
            lead,
        });
        Some(self.marks.len() - 1)
    }

    /// What became of each rule that is not off, most alerts first.
    pub fn reports(&self, days: &[Date], span: Duration) -> Vec<RuleReport> {
        let mut marks: Vec<Vec<&Mark>> = vec![Vec::new(); self.rules.rules.len()];
        for mark in &self.marks {
            marks[mark.rule].push(mark);
        }
        let rules = self.rules.rules.iter().zip(&self.counts).zip(&marks);
        let rules = rules.filter(|((rule, _), _)| rule.mode != Mode::Off);
        let mut reports: Vec<RuleReport> =
            rules.map(|((rule, counts), marks)| report(rule, counts, marks, days, span)).collect();
        reports.sort_by(|a, b| {
            (b.alerts, b.matches, b.severity, &a.rule).cmp(&(a.alerts, a.matches, a.severity, &b.rule))
        });
        reports
    }

    /// Alerts that would have been sent, by day and severity.
    pub fn severities(&self, days: &[Date]) -> Vec<[u64; Severity::ALL.len()]> {
        let mut by_day = vec![[0; Severity::ALL.len()]; days.len()];
        for mark in self.marks.iter().filter(|mark| !mark.shadow) {
            if let Ok(at) = days.binary_search(&day(mark.opened)) {
                by_day[at][mark.severity as usize] += 1;
            }
        }
        by_day
    }

    /// When the window of an alert closes; its summary is told then.
    pub fn closes(&self, mark: &Mark) -> Timestamp {
        clock::plus(mark.opened, self.rules.rules[mark.rule].dedup.window)
    }
}

fn report(rule: &Rule, counts: &Counts, marks: &[&Mark], days: &[Date], span: Duration) -> RuleReport {
    let of = |day: &Date| counts.by_day.get(day).copied().unwrap_or_default();
    let by_day: Vec<u64> = days.iter().map(|day| of(day).1).collect();
    let over = |(day, alerts): (&Date, &u64)| {
        rule.noise_budget.is_some_and(|budget| *alerts > budget).then(|| (day.to_string(), *alerts))
    };
    let mut actors: Vec<(String, u64)> =
        counts.actors.iter().map(|(actor, count)| (inert::line(actor, 80), *count)).collect();
    actors.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    actors.truncate(SHOWN);
    RuleReport {
        rule: rule.id.clone(),
        severity: rule.severity,
        shadow: rule.mode == Mode::Shadow,
        place: rule.place.clone(),
        matches: counts.matches,
        alerts: counts.alerts,
        escalated: counts.escalated,
        over_budget: days.iter().zip(&by_day).filter_map(over).collect(),
        matches_by_day: days.iter().map(|day| of(day).0).collect(),
        by_day,
        noise_budget: rule.noise_budget,
        excepted: counts.excepted.clone(),
        actors,
        samples: samples(marks),
        note: note(rule, span),
    }
}

/// A rule that learns for all of the span cannot ring in it.
fn note(rule: &Rule, span: Duration) -> Option<String> {
    match &rule.when {
        Some(When::FirstSeen { learn, .. }) if *learn >= span => {
            Some(format!("learns for {} first, so it could not ring here", clock::in_words(*learn)))
        }
        _ => None,
    }
}

/// The worst first, then one of each key, so that three samples say more than the same thrice.
fn samples(marks: &[&Mark]) -> Vec<Sample> {
    let mut known: Vec<(&Mark, &Lead)> =
        marks.iter().filter_map(|mark| mark.lead.as_ref().map(|lead| (*mark, lead))).collect();
    known.sort_by_key(|(mark, _)| (std::cmp::Reverse(mark.severity), mark.opened));
    let mut keys = BTreeSet::new();
    let (fresh, again): (Vec<_>, Vec<_>) = known.into_iter().partition(|(mark, _)| keys.insert(&mark.key));
    let mut shown: Vec<Sample> =
        fresh.into_iter().chain(again).take(SHOWN).map(|(mark, lead)| sample(mark, lead)).collect();
    shown.sort_by_key(|sample| sample.time);
    shown
}

fn sample(mark: &Mark, lead: &Lead) -> Sample {
    let trace = &lead.trace;
    let line = |text: &str| inert::line(text, 120);
    Sample {
        time: mark.opened,
        title: inert::line(&lead.title, 200),
        severity: mark.severity,
        actor: line(trace.actor_label()),
        service: line(&trace.service),
        operation: line(&trace.operation),
        resource: line(trace.resource_label()),
        source_ip: trace.source_ip.as_deref().map(line),
        count: mark.count,
        trace: line(&trace.id),
    }
}
