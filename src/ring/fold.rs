//! From hits to alerts: the first opens one, further ones within its window fold into it.

use super::{Change, Hit, Ring};
use crate::{
    alert::Alert,
    clock::{self, Timestamp},
    rule::Mode,
    trace::Trace,
};

/// Folds hits into `open` alerts, oldest first, or opens new ones. `open` holds all alerts
/// with the hits' fingerprints, and afterwards the new ones too.
pub fn fold(source: &str, hits: Vec<Hit<'_>>, open: &mut Vec<Alert>, now: Timestamp) -> Vec<Ring> {
    hits.into_iter().map(|hit| one(source, hit, open, now)).collect()
}

fn one(source: &str, hit: Hit<'_>, open: &mut Vec<Alert>, now: Timestamp) -> Ring {
    let shadow = hit.rule.mode == Mode::Shadow;
    let same = |alert: &&mut Alert| {
        alert.fingerprint == hit.fingerprint && alert.shadow == shadow && alert.takes(hit.lead.time)
    };
    let count = hit.evidence.len() as u64;
    let (change, alert) = match open.iter_mut().find(same) {
        Some(alert) => {
            alert.count += count;
            alert.last_time = alert.last_time.max(hit.lead.time);
            (Change::Repeat, alert.clone())
        }
        None => {
            let alert = Alert {
                id: Alert::id(&hit.fingerprint, &hit.lead.id),
                source: source.to_owned(),
                rule: hit.rule.id.clone(),
                title: hit.rule.title.render(&hit.lead, &hit.key),
                fingerprint: hit.fingerprint,
                key: hit.key,
                severity: hit.rule.severity,
                why: hit.rule.why.clone(),
                runbook: hit.rule.runbook.clone(),
                first: Trace::clone(&hit.lead),
                last_time: hit.lead.time,
                count,
                told: count,
                opened_at: now,
                closes_at: clock::plus(now, hit.rule.dedup.window),
                window: hit.rule.dedup.window,
                shadow,
                escalated: false,
            };
            open.push(alert.clone());
            (Change::Opened, alert)
        }
    };
    Ring { change, alert, topics: hit.rule.topics.clone(), evidence: hit.evidence, lead: hit.lead }
}
