//! An alert for Prometheus Alertmanager: what tells it apart as labels, what it says as annotations.
//!
//! Follow-ups carry the same labels, so Alertmanager sees one alert; one that got worse carries
//! another severity and is routed anew.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::{
    clock,
    notification::Notification,
    render::{Letter, facts, inert, link, told},
};

// There is no limit; whoever is told by Alertmanager has one.
const VALUE: usize = 300;
const DESCRIPTION: usize = 4_000;
/// An alert that is over before Alertmanager hears of it would ring for nobody.
pub const AT_LEAST: Duration = Duration::from_secs(5 * 60);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<String>,
}

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    let notification = letter.notification;
    let facts = notification.alert.as_ref();
    let starts = facts.map_or(notification.created_at, |alert| alert.first_time.unwrap_or(alert.trace.time));
    let soonest = clock::plus(notification.created_at, AT_LEAST);
    let ends = facts.and_then(|alert| alert.open_until).map_or(soonest, |until| until.max(soonest));
    let links = link::links(letter);
    let generator =
        links.iter().find(|link| link.label == link::BECAME).or_else(|| links.iter().find(|link| link.foreign));
    let alert = Alert {
        labels: labels(letter),
        annotations: annotations(letter),
        starts_at: starts.min(ends).to_string(),
        ends_at: ends.to_string(),
        generator_url: generator.map(|link| link.url.clone()),
    };
    serde_json::to_vec(&[alert]).expect("texts always become JSON")
}

fn labels(letter: &Letter<'_>) -> BTreeMap<String, String> {
    let notification = letter.notification;
    let mut labels = BTreeMap::new();
    let mut add = |name: &str, value: &str| {
        let value = inert::line(value.trim(), VALUE);
        if !value.is_empty() {
            labels.insert(name.to_owned(), value);
        }
    };
    if let Some(alert) = &notification.alert {
        // The key first: a field of it never takes the place of what is ours.
        for (field, value) in &alert.key {
            add(&label(field), value);
        }
        add("alertname", &alert.rule);
        add("service", &alert.trace.service);
        add("actor", alert.trace.actor_label());
    } else {
        add("alertname", &format!("tracebell-{}", notification.kind.as_str()));
        add("about", &facts::title(notification));
    }
    add("severity", notification.severity.as_str());
    add("source", &notification.source);
    labels
}

fn annotations(letter: &Letter<'_>) -> BTreeMap<&'static str, String> {
    let notification: &Notification = letter.notification;
    let description = told::fitting(letter, |told| told.plain().join("\n"), |text| text.chars().count() <= DESCRIPTION);
    let mut annotations = BTreeMap::from([
        ("summary", facts::headline(notification)),
        ("description", description),
        ("delivery", letter.id.to_owned()),
    ]);
    if let Some(link) = link::Link::runbook(notification) {
        annotations.insert("runbook_url", link.url);
    }
    if let Some(link) = link::links(letter).into_iter().find(|link| link.label == link::SILENCE) {
        annotations.insert("silence_url", link.url);
    }
    annotations.retain(|_, text| !text.trim().is_empty());
    annotations
}

/// `actor.name` is `actor_name`: Alertmanager takes letters, digits and underscores.
fn label(field: &str) -> String {
    let name: String = field.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_are_names() {
        for (field, expected) in [("actor.name", "actor_name"), ("7x", "_7x"), ("", "_"), ("ä-b", "__b")] {
            assert_eq!(label(field), expected);
        }
    }
}
