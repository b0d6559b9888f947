//! PagerDuty's Events API v2. The key of the service is added when it is sent: secrets are not stored.

use serde_json::{Map, Value, json};

use crate::{
    alert::Severity,
    render::{
        Letter, facts,
        inert::{self, cut},
        told::Told,
    },
};

// The service takes 1024 characters and 255 for the key.
const SUMMARY: usize = 1024;
const NAME: usize = 200;

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    let notification = letter.notification;
    let told = Told::of(letter);
    let trace = notification.alert.as_ref().map(|alert| &alert.trace);
    let mut payload = json!({
        "summary": cut(&facts::headline(notification), SUMMARY),
        "severity": severity(notification.severity),
        "source": or(&notification.source, "tracebell"),
        "timestamp": trace.map_or(notification.created_at, |trace| trace.time).to_string(),
        "custom_details": details(&told),
    });
    if let (Some(alert), Some(trace)) = (&notification.alert, trace) {
        payload["class"] = alert.rule.clone().into();
        payload["component"] = inert::line(&trace.service, NAME).into();
    }
    let links: Vec<Value> = told.links.iter().map(|link| json!({ "href": link.url, "text": link.words() })).collect();
    let whole = json!({
        "event_action": "trigger",
        "dedup_key": letter.trouble(),
        "client": "Tracebell",
        "payload": payload,
        "links": links,
    });
    serde_json::to_vec(&whole).expect("texts always become JSON")
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "info",
    }
}

/// Shown as a table.
fn details(told: &Told) -> Map<String, Value> {
    let mut details = Map::new();
    let mut add = |label: &str, value: Value| drop(details.insert(label.to_owned(), value));
    for fact in told.facts.iter().chain(&told.references) {
        add(fact.label, fact.value.clone().into());
    }
    if let Some(why) = &told.why {
        add("Why it matters", why.clone().into());
    }
    for listing in &told.listings {
        add(or(listing.heading, "More"), listing.lines.clone().into());
    }
    if !told.lines.is_empty() {
        add("In short", told.lines.join("; ").into());
    }
    details
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.trim().is_empty() { otherwise } else { text }
}
