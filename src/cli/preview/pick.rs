//! What a preview tells: an alert of the state, what rules make of traces, or something made up.

use std::{collections::HashMap, path::Path, process::ExitCode, sync::Arc};

use super::What;
use crate::{
    alert::{Alert, Severity},
    cli::{
        BAD, USAGE,
        check::print_problems,
        explain::from_file,
        status::{StateArg, failed, plain},
    },
    clock::Timestamp,
    config,
    delivery::{Cause, Delivery},
    document::{Level, did_you_mean},
    ingest,
    notification::{Kind, Notification},
    render::sample,
    ring::{Change, Rehearsal},
    rule::RuleSet,
    store::{History, Sqlite, Store},
    trace::Trace,
};

/// An `Err` is the exit code of something that was already said.
pub async fn notification(what: &What, file: &StateArg, now: Timestamp) -> Result<Notification, ExitCode> {
    if let Some(id) = &what.alert {
        return stored(id, file, now).await;
    }
    if let Some(path) = &what.trace {
        return rung(path, what.rule.as_deref(), file, now);
    }
    let word = what.kind.as_deref().unwrap_or(Kind::Opened.as_str());
    let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == word).expect("the command line takes no other word");
    Ok(sample::notification(kind, now))
}

async fn stored(id: &str, file: &StateArg, now: Timestamp) -> Result<Notification, ExitCode> {
    let store = Sqlite::open_read(&file.path()?).await.map_err(|error| failed(&error))?;
    let found = store.alert(id).await;
    let history = match &found {
        Ok(Some(alert)) => store.alert_history(&alert.id).await,
        _ => Ok(History::default()),
    };
    store.close().await;
    let Some(alert) = found.map_err(|error| failed(&error))? else {
        let id = plain(id);
        return Err(bad(&format!(
            "no alert begins with `{id}`, or more than one does; `tracebell alert list` shows them"
        )));
    };
    let history = history.map_err(|error| failed(&error))?;
    Ok(rang(&alert, &history).unwrap_or_else(|| match alert.count {
        0 | 1 => Notification::opened(&alert, now),
        _ => Notification::summary(&alert, now),
    }))
}

/// What rang last of the alert as it was told, with what was known then; none of what nobody was told.
fn rang(alert: &Alert, history: &History) -> Option<Notification> {
    let told = history.deliveries.iter().rev().map(|(row, _)| &row.delivery);
    let rings = |delivery: &&Delivery| {
        let own = delivery.notification.alert.as_ref().is_some_and(|facts| facts.id == alert.id);
        own && delivery.cause == Cause::Alert(alert.id.clone())
    };
    Some((*told.clone().find(rings)?.notification).clone())
}

fn rung(path: &Path, rule: Option<&str>, file: &StateArg, now: Timestamp) -> Result<Notification, ExitCode> {
    let loaded = config::load_for_looking(file.config());
    let errors: Vec<_> = loaded.problems.iter().filter(|problem| problem.level == Level::Error).cloned().collect();
    if !errors.is_empty() {
        print_problems(&errors, &loaded.files);
        return Err(ExitCode::from(USAGE));
    }
    known(&loaded.rules, rule)?;
    let (mut traces, unreadable) = from_file(path)?;
    let shown = path.display();
    if let Some((number, reason)) = unreadable.first() {
        return Err(bad(&format!("record {number} of `{shown}` is not a trace: {}", plain(reason))));
    }
    traces.sort_by_key(|trace| trace.time);
    told(&loaded.rules, traces, rule, now).ok_or_else(|| match rule {
        Some(rule) => bad(&format!(
            "`{rule}` does not ring for `{shown}`; `tracebell explain {shown}` tells what is missing, and a rule with `when` may need more traces"
        )),
        None => bad(&format!("no rule rings for `{shown}`; `tracebell explain {shown}` tells what is missing")),
    })
}

fn known(rules: &RuleSet, rule: Option<&str>) -> Result<(), ExitCode> {
    let Some(rule) = rule else { return Ok(()) };
    let ids = || rules.rules.iter().map(|rule| rule.id.as_str());
    if ids().any(|id| id == rule) {
        return Ok(());
    }
    let hint = did_you_mean(rule, ids()).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
    anstream::eprintln!("error: no rule `{}`{hint}", plain(rule));
    Err(ExitCode::from(USAGE))
}

/// The last that would ring, of the worst alert.
fn told(rules: &RuleSet, traces: Vec<Trace>, rule: Option<&str>, now: Timestamp) -> Option<Notification> {
    let start = traces.first()?.time;
    let mut rehearsal = Rehearsal::learnt(rules, start);
    // How bad each alert was before.
    let mut before: HashMap<String, Severity> = HashMap::new();
    let mut best: Option<Notification> = None;
    for trace in traces.into_iter().map(Arc::new) {
        for ring in rehearsal.trace(&trace) {
            let was = before.insert(ring.alert.id.clone(), ring.alert.severity).unwrap_or(ring.alert.severity);
            if rule.is_some_and(|rule| rule != ring.alert.rule) {
                continue;
            }
            if ring.change == Change::Repeat {
                continue;
            }
            let by = rules.rules.iter().find(|rule| rule.id == ring.alert.rule);
            // As it would have been told then: that a file is read later makes nothing late.
            let told = ingest::by_itself(by, &ring, was, ring.lead.record_time.max(ring.lead.time));
            let notification = Notification { created_at: now, ..told };
            if best.as_ref().is_none_or(|best| best.severity <= notification.severity) {
                best = Some(notification);
            }
        }
    }
    best
}

fn bad(text: &str) -> ExitCode {
    anstream::eprintln!("error: {text}");
    ExitCode::from(BAD)
}
