//! What is published to a topic of the cloud's Simple Message Notification, for whoever subscribed there:
//! one text for all, one for each protocol, or the tags of a template that is kept in the cloud.
//!
//! The topic, and who may publish to it, are the endpoint's business.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Letter, facts, gsm, inert,
    link::{self, BECAME},
    reduced, smn, told, webhook,
};

/// How the topic's subscribers are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Style {
    /// The same text for everybody.
    #[default]
    Text,
    /// A text of its own for each protocol.
    Structure,
    /// The cloud writes it, from a template of this name.
    Template(String),
}

/// Of a message and of a structure with all its texts, in bytes.
pub const LONGEST: usize = 256 * 1024;
/// Of a short message: longer ones are cut into parts that are paid for one by one, or not sent.
pub const SMS: usize = 490;
/// Of the value of a tag, in bytes.
pub const TAG: usize = 1024;
// Mails are read to their end, and every letter may take four bytes.
const TEXT: usize = 30_000;

pub fn body(letter: &Letter<'_>, style: &Style) -> Vec<u8> {
    let subject = smn::subject(letter);
    let body = match style {
        Style::Text => json!({ "subject": subject, "message": text(letter) }),
        Style::Structure => json!({ "subject": subject, "message_structure": structure(letter) }),
        Style::Template(name) => {
            json!({ "subject": subject, "message_template_name": name, "tags": tags(letter) })
        }
    };
    serde_json::to_vec(&body).expect("texts always become JSON")
}

/// For people, in plain lines.
fn text(letter: &Letter<'_>) -> String {
    let write = |told: &told::Told| {
        let links = told.links.iter().map(|link| format!("{}: {}", link.words(), link.url));
        let references = told.references.iter().map(|fact| format!("{}: {}", fact.label, fact.value));
        let lines = [told.title.clone()].into_iter().chain(told.plain()).chain(links).chain(references);
        lines.collect::<Vec<_>>().join("\n")
    };
    inert::cut(&told::fitting(letter, write, |text| text.chars().count() <= TEXT), TEXT)
}

/// The sentence, who and from where, and where to read on.
fn sms(letter: &Letter<'_>) -> String {
    let told = told::Told::of(letter);
    let wanted = ["Who", "From", "Project"];
    let facts = told.facts.iter().filter(|fact| wanted.contains(&fact.label));
    let facts = facts.map(|fact| format!("{}: {}", fact.label, inert::cut(&fact.value, 60)));
    let lines = [facts::headline(letter.notification)].into_iter().chain(facts).collect::<Vec<_>>().join("\n");
    // An address that was cut or rewritten leads nowhere.
    let whole = |url: &&str| gsm::text(url, SMS / 2) == **url;
    let own = told.links.iter().find(|link| link.label == BECAME).map(|link| link.url.as_str());
    match own.filter(whole) {
        Some(url) => format!("{}\n{url}", gsm::text(&lines, SMS - gsm::length(url) - 1)),
        None => gsm::text(&lines, SMS),
    }
}

/// JSON inside a text, by protocol; programs get Tracebell's own JSON.
fn structure(letter: &Letter<'_>) -> String {
    let (text, sms) = (text(letter), sms(letter));
    let write = |json: Option<Vec<u8>>| {
        let mut texts = BTreeMap::from([("default", text.clone()), ("email", text.clone()), ("sms", sms.clone())]);
        if let Some(json) = json {
            let json = String::from_utf8(json).expect("JSON is UTF-8");
            texts.extend(["http", "https", "functionstage"].map(|protocol| (protocol, json.clone())));
        }
        serde_json::to_string(&texts).expect("texts always become JSON")
    };
    let less = reduced::notification(letter.notification);
    let less = Letter { notification: &less, ..*letter };
    let fits = |structure: &String| structure.len() <= LONGEST;
    let whole = Some(write(Some(webhook::body(letter)))).filter(fits);
    whole.or_else(|| Some(write(Some(webhook::body(&less)))).filter(fits)).unwrap_or_else(|| write(None))
}

/// Every tag has a value: what a template makes of a missing one is not said anywhere.
fn tags(letter: &Letter<'_>) -> Map<String, Value> {
    let notification = letter.notification;
    let alert = notification.alert.as_ref();
    let opening = alert.map(|alert| &alert.trace);
    let trace = notification.worse.as_ref().map(|worse| &worse.trace).or(opening);
    let links = link::links(letter);
    let url = links.iter().find(|link| link.label == BECAME).or_else(|| links.iter().find(|link| !link.foreign));
    let of = |value: Option<&String>| value.cloned().unwrap_or_default();
    let values = [
        ("title", facts::title(notification)),
        ("severity", notification.severity.to_string()),
        ("kind", notification.kind.as_str().to_owned()),
        ("source", notification.source.clone()),
        ("rule", alert.map(|alert| alert.rule.clone()).unwrap_or_default()),
        ("alert", alert.map(|alert| alert.id.clone()).unwrap_or_default()),
        ("count", alert.map_or(1, |alert| alert.count).to_string()),
        ("service", of(trace.map(|trace| &trace.service))),
        ("operation", of(trace.map(|trace| &trace.operation))),
        ("actor", of(trace.and_then(|trace| trace.actor.name.as_ref()))),
        ("resource", of(trace.and_then(|trace| trace.resource.name.as_ref().or(trace.resource.id.as_ref())))),
        ("source_ip", of(trace.and_then(|trace| trace.source_ip.as_ref()))),
        ("project", of(trace.and_then(|trace| trace.project_name.as_ref().or(trace.project_id.as_ref())))),
        ("region", of(trace.and_then(|trace| trace.region.as_ref()))),
        ("time", facts::when(trace.map_or(notification.created_at, |trace| trace.time))),
        ("why", of(notification.why.as_ref())),
        ("runbook", of(notification.runbook.as_ref())),
        ("url", url.map(|link| link.url.clone()).filter(|url| url.len() <= TAG).unwrap_or_default()),
        ("delivery", letter.id.to_owned()),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), tag(&value).into())).collect()
}

/// One line of at most [`TAG`] bytes, never empty.
fn tag(value: &str) -> String {
    let mut most = TAG;
    loop {
        let line = inert::line(value.trim(), most);
        match line.len() {
            0 => return "-".to_owned(),
            1..=TAG => return line,
            _ => most = most * 3 / 4,
        }
    }
}
