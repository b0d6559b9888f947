//! An alert for Opsgenie and what speaks its API.
//!
//! Its pages read HTML in texts, its short messages do not: what opens a tag is shown by a sign
//! that looks like it, which is harmless in both.

use serde_json::json;

use crate::{
    alert::Severity,
    render::{Letter, facts, inert::cut, told},
};

// What the API takes, in characters.
const MESSAGE: usize = 130;
const DESCRIPTION: usize = 15_000;
const ENTITY: usize = 512;
const SOURCE: usize = 100;
const TAG: usize = 50;
const DETAIL: usize = 300;

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    let notification = letter.notification;
    let description = told::fitting(
        letter,
        |told| {
            let links = told.links.iter().map(|link| format!("{}: {}", link.words(), link.url));
            let lines = [told.title.clone()].into_iter().chain(told.plain()).chain(links);
            inert(&lines.collect::<Vec<_>>().join("\n"))
        },
        |text| text.chars().count() <= DESCRIPTION,
    );
    let trace = notification.alert.as_ref().map(|alert| &alert.trace);
    let entity = trace.and_then(|trace| trace.resource.name.as_deref().or(trace.resource.id.as_deref()));
    let rule = notification.alert.as_ref().map(|alert| cut(&alert.rule, TAG));
    let tags: Vec<String> = ["tracebell".to_owned()].into_iter().chain(rule).collect();
    let references = facts::references(notification, letter.id);
    let details: serde_json::Map<_, _> =
        references.into_iter().map(|fact| (fact.label.to_owned(), inert(&cut(&fact.value, DETAIL)).into())).collect();
    let mut alert = json!({
        "message": cut(&inert(&facts::headline(notification)), MESSAGE),
        "alias": letter.trouble(),
        "description": cut(&description, DESCRIPTION),
        "priority": priority(notification.severity),
        "source": cut(&format!("Tracebell {}", notification.source), SOURCE).trim_end(),
        "tags": tags,
        "details": details,
    });
    if let Some(entity) = entity {
        alert["entity"] = inert(&crate::render::inert::line(entity, ENTITY)).into();
    }
    serde_json::to_vec(&alert).expect("texts always become JSON")
}

fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "P1",
        Severity::High => "P2",
        Severity::Medium => "P3",
        Severity::Low => "P4",
        Severity::Info => "P5",
    }
}

/// No more and no fewer characters than before.
fn inert(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›")
}
