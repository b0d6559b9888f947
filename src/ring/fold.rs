//! From hits to alerts: the first opens one, further ones within its window fold into it.

use std::collections::HashMap;

use super::{Change, Hit, Ring, pair};
use crate::{
    alert::Alert,
    clock::{self, Timestamp},
    rule::Mode,
    trace::Trace,
};

/// Folds hits into `open` alerts, oldest first, or opens new ones. `open` holds all alerts
/// with the hits' fingerprints, and afterwards the new ones too.
///
/// `told` counts what a message tells at once: all evidence of an alert that opens,
/// escalates or is updated; repeats wait for the summary.
pub fn fold(source: &str, hits: Vec<Hit<'_>>, open: &mut Vec<Alert>, now: Timestamp) -> Vec<Ring> {
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, alert) in open.iter().enumerate() {
        places.entry(alert.fingerprint.clone()).or_default().push(at);
    }
    let mut rings = Vec::with_capacity(hits.len());
    for hit in hits {
        let near = places.entry(hit.fingerprint.clone()).or_default();
        let (at, opened) = match find(&hit, near, open) {
            Some(at) => (at, false),
            None if hit.opens && !hit.evidence.is_empty() => {
                near.push(open.len());
                open.push(blank(source, &hit, now));
                (open.len() - 1, true)
            }
            None => continue,
        };
        let change = count(&hit, &mut open[at], opened, now);
        if change == Change::Repeat && hit.evidence.is_empty() {
            // Counted as a match already, and no news as an escalation.
            continue;
        }
        let Hit { rule, evidence, lead, then, .. } = hit;
        // What made it worse tells it, even if it was there before the match that shows so.
        let lead = then.filter(|_| change == Change::Escalated).unwrap_or(lead);
        rings.push(Ring { change, alert: open[at].clone(), topics: rule.topics.clone(), evidence, lead });
    }
    rings
}

/// The alert that a hit belongs to: that of the trace it joins, or the oldest whose window takes it.
fn find(hit: &Hit<'_>, near: &[usize], open: &[Alert]) -> Option<usize> {
    let shadow = hit.rule.mode == Mode::Shadow;
    let mut near = near.iter().copied().filter(|at| open[*at].shadow == shadow);
    let Some(joins) = hit.joins else { return near.find(|at| open[*at].takes(hit.lead.time)) };
    let spans = |at: &usize| (open[*at].begun()..=open[*at].last_time).contains(&joins);
    near.clone().find(|at| open[*at].takes(joins)).or_else(|| near.find(spans))
}

fn blank(source: &str, hit: &Hit<'_>, now: Timestamp) -> Alert {
    let rule = hit.rule;
    // A single alert owes no summary, so it costs nothing to wait for its second half.
    let half = if pair::may_be_first(rule, &hit.lead) { pair::APART } else { std::time::Duration::ZERO };
    let within = rule.then.as_ref().map_or(half, |then| then.within.max(half));
    Alert {
        id: Alert::id(&hit.fingerprint, &hit.lead.id),
        source: source.to_owned(),
        rule: rule.id.clone(),
        title: rule.title.render(&hit.lead, &hit.key),
        fingerprint: hit.fingerprint.clone(),
        key: hit.key.clone(),
        severity: rule.severity,
        why: rule.why.clone(),
        runbook: rule.runbook.clone(),
        first: Trace::clone(&hit.lead),
        first_time: None,
        last_time: hit.lead.time,
        count: 0,
        told: 0,
        opened_at: now,
        closes_at: clock::plus(now, rule.dedup.window.max(within)),
        window: rule.dedup.window,
        shadow: rule.mode == Mode::Shadow,
        escalated: false,
        muted: None,
        swallowed: 0,
    }
}

/// Counts a hit in its alert.
fn count(hit: &Hit<'_>, alert: &mut Alert, opened: bool, now: Timestamp) -> Change {
    for (_, time) in &hit.evidence {
        alert.first_time = Some(alert.begun().min(*time)).filter(|time| *time < alert.first.time);
        alert.last_time = alert.last_time.max(*time);
        alert.count += 1;
    }
    if !opened {
        let over = clock::plus(alert.opened_at, alert.window).max(now);
        alert.closes_at = match &hit.rule.then {
            Some(then) => alert.closes_at.max(clock::plus(now, then.within)),
            None => alert.closes_at.min(over),
        };
    }
    let worse = if hit.escalates { Some(&hit.lead) } else { hit.then.as_ref() };
    let escalates = worse.is_some() && !alert.escalated;
    if let (Some(trace), Some(then), true) = (worse, &hit.rule.then, escalates) {
        alert.escalated = true;
        alert.severity = alert.severity.max(then.severity);
        if let Some(title) = &then.title {
            alert.title = title.render(trace, &alert.key);
        }
    }
    let change = match () {
        () if opened => Change::Opened,
        () if escalates => Change::Escalated,
        () if hit.worse => Change::Updated,
        () => Change::Repeat,
    };
    if change != Change::Repeat {
        alert.told = alert.count;
    }
    change
}
