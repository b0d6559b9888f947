//! What became of each trace that came near a rule.

use std::collections::HashSet;

use crate::{
    ring::{Change, Looked, Ring},
    rule::{Part, RuleSet, When},
    store::{IngestBatch, LedgerRow, Verdict},
};

/// One row for each trace that an exception held back, that an alert counts from now on, or that
/// entered a window in which nothing rang yet. Such a trace gets a second row when it does.
pub fn write(rules: &RuleSet, looked: &Looked, rings: &[Ring], batch: &mut IngestBatch) {
    batch.ledger.extend(looked.excepted.iter().map(|excepted| LedgerRow {
        trace: excepted.trace.id.clone(),
        time: excepted.trace.time,
        rule: excepted.rule.clone(),
        verdict: Verdict::Excepted,
        alert: String::new(),
        reason: Some(excepted.reason.clone()),
    }));
    let mut told: HashSet<(&str, &str)> = HashSet::new();
    for Ring { change, alert, evidence, lead, .. } in rings {
        told.extend(evidence.iter().map(|(trace, _)| (alert.rule.as_str(), trace.as_str())));
        let verdict = match change {
            _ if alert.shadow => Verdict::Shadow,
            _ if alert.muted.is_some() => Verdict::Muted,
            Change::Opened => Verdict::Opened,
            Change::Repeat => Verdict::Repeat,
            Change::Escalated => Verdict::Escalated,
            Change::Updated => Verdict::Updated,
        };
        // What makes an alert worse need not be one of the matches that it counts.
        let rang = !matches!(change, Change::Opened | Change::Repeat);
        let cause =
            (rang && !evidence.iter().any(|(trace, _)| *trace == lead.id)).then(|| (lead.id.clone(), lead.time));
        for (trace, time) in evidence.iter().chain(&cause) {
            batch.ledger.push(LedgerRow {
                trace: trace.clone(),
                time: *time,
                rule: alert.rule.clone(),
                verdict,
                alert: alert.id.clone(),
                reason: alert.muted.as_ref().map(|mute| mute.reason.clone()),
            });
        }
    }
    let mut counted: HashSet<(&str, &str)> = HashSet::new();
    for sighting in &looked.sightings {
        let (rule, trace) = (&rules.rules[sighting.rule], &sighting.trace);
        // A value that is known, or a job that came as expected, is no step towards an alert: rows for
        // these would be rows for nearly every trace.
        let collects = matches!(rule.when, Some(When::Count { .. } | When::Distinct { .. } | When::Sequence { .. }));
        let entered = collects && sighting.slot.is_some() && sighting.part != Part::Then;
        // One trace may be several steps of a sequence.
        let once = (rule.id.as_str(), trace.id.as_str());
        if entered && !told.contains(&once) && counted.insert(once) {
            batch.ledger.push(LedgerRow {
                trace: trace.id.clone(),
                time: trace.time,
                rule: rule.id.clone(),
                verdict: Verdict::Counted,
                alert: String::new(),
                reason: None,
            });
        }
    }
}
