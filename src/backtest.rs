//! Rules against the past: what they would have rung for, and how that differs from other rules.
//!
//! Pure: traces go in, oldest first, and a [`Report`] comes out, which the parts below write for
//! terminals, merge requests and browsers. What opens, folds or escalates is decided by [`ring`],
//! as in a running Tracebell; here it is only counted. Nothing is stored and nothing is sent.
//!
//! [`ring`]: crate::ring

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    delivery::Rate,
    ring,
    rule::RuleSet,
    topic::Topics,
    trace::Trace,
};

mod bars;
mod diff;
pub mod html;
pub mod markdown;
mod pressure;
mod reason;
mod tally;
pub mod text;

pub use diff::{Change, Diff, Example, RuleDiff};
pub use pressure::Pressure;
pub use tally::{RuleReport, Sample};

use tally::Tally;

/// One or two rule sets at work on the same traces.
pub struct Trial<'a> {
    now: Tally<'a>,
    before: Option<Tally<'a>>,
    traces: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// What was read, beside the traces themselves.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Read {
    /// Where the traces are from, for people.
    pub from: String,
    pub duplicates: u64,
    pub undecodable: u64,
    /// Why, for the first few of them.
    pub undecodable_reasons: Vec<String>,
    /// Stretches that could not be read.
    pub gaps: Vec<String>,
    /// Files of the archive that are not what the tracker wrote; they were read all the same.
    pub suspects: Vec<String>,
}

/// Who would have been told, and how often each endpoint can be.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    pub topics: Topics,
    /// The endpoints that have a limit.
    pub rates: BTreeMap<String, Rate>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Each day of the span, in UTC: `2026-01-15`.
    pub days: Vec<String>,
    pub read: Read,
    pub traces: u64,
    /// Traces that satisfy at least one rule.
    pub matched: u64,
    /// Alerts that would have been sent; those of rules in shadow are counted apart.
    pub alerts: u64,
    pub shadow_alerts: u64,
    /// Alerts that would have been sent by day, and within the day from `info` to `critical`.
    pub severities: Vec<[u64; Severity::ALL.len()]>,
    /// Most alerts first.
    pub rules: Vec<RuleReport>,
    /// `None` without a configuration, which says who is told.
    pub endpoints: Option<Vec<Pressure>>,
    pub diff: Option<Diff>,
}

impl<'a> Trial<'a> {
    /// Rules watch, and learn, from `start` on. With `before`, the report tells the difference to those rules.
    pub fn new(rules: &'a RuleSet, before: Option<&'a RuleSet>, start: Timestamp) -> Self {
        let depth = if before.is_some() { tally::Depth::Compare } else { tally::Depth::Count };
        Self {
            now: Tally::new(rules, start, depth),
            before: before.map(|rules| Tally::new(rules, start, depth)),
            traces: 0,
            first: None,
            last: None,
        }
    }

    /// Looks at traces that are not older than those before; late ones do no harm.
    pub fn feed(&mut self, traces: &[Arc<Trace>]) {
        for trace in traces {
            self.first = Some(self.first.map_or(trace.time, |first| first.min(trace.time)));
            self.last = Some(self.last.map_or(trace.time, |last| last.max(trace.time)));
        }
        self.traces += traces.len() as u64;
        self.now.feed(traces);
        if let Some(before) = &mut self.before {
            before.feed(traces);
        }
    }

    /// `span` is what was asked for; without it the report spans the traces.
    pub fn finish(mut self, span: Option<(Timestamp, Timestamp)>, read: Read, routes: Option<&Routes>) -> Report {
        let (from, to) = span.unwrap_or((
            self.first.unwrap_or(Timestamp::UNIX_EPOCH),
            self.last.or(self.first).unwrap_or(Timestamp::UNIX_EPOCH),
        ));
        let end = self.last.map_or(to, |last| last.max(to));
        self.now.finish(end);
        if let Some(before) = &mut self.before {
            before.finish(end);
        }
        let days = bars::days(self.first.map_or(from, |first| first.min(from)), end);
        let diff = self.before.as_ref().map(|before| diff::diff(before, &self.now));
        let endpoints = routes.map(|routes| pressure::pressure(&self.now, routes));
        let rules = self.now.reports(&days, clock::since(from, to));
        let sent = |report: &&RuleReport| !report.shadow;
        Report {
            from,
            to,
            severities: self.now.severities(&days),
            read,
            traces: self.traces,
            matched: self.now.matched(),
            alerts: rules.iter().filter(sent).map(|rule| rule.alerts).sum(),
            shadow_alerts: rules.iter().filter(|rule| rule.shadow).map(|rule| rule.alerts).sum(),
            rules,
            days: days.iter().map(ToString::to_string).collect(),
            endpoints,
            diff,
        }
    }
}

impl Report {
    /// Rules that rang on some day more often than their author expects.
    pub fn over_budget(&self) -> impl Iterator<Item = &RuleReport> {
        self.rules.iter().filter(|rule| !rule.over_budget.is_empty())
    }
}

/// What a ring is to its readers: something to be told at once, or a count that goes up.
fn is_told(change: ring::Change) -> bool {
    !matches!(change, ring::Change::Repeat)
}
