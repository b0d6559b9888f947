//! CloudEvents 1.0 in structured JSON: an envelope that brokers read, around Tracebell's own JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    alert::Severity,
    clock::Timestamp,
    notification::{Kind, Notification},
    render::{Letter, inert::cut, webhook},
};

// Brokers index it; the alert's id and the rule's name fit many times.
const SUBJECT: usize = 300;

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    let Letter { notification, id, .. } = *letter;
    let envelope = Envelope {
        specversion: "1.0",
        id,
        source: source(&notification.source),
        kind: kind(notification.kind),
        subject: subject(notification),
        time: notification.created_at,
        datacontenttype: "application/json",
        severity: notification.severity,
        data: webhook::parts(letter),
    };
    serde_json::to_vec(&envelope).expect("structs of texts and numbers always become JSON")
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: Timestamp,
    datacontenttype: &'static str,
    /// An extension, so that brokers can route without reading the data.
    severity: Severity,
    data: webhook::Body<'a>,
}

/// `urn:tracebell:prod`; a name may hold what an address may not.
fn source(name: &str) -> String {
    let mut source = String::from("urn:tracebell");
    if !name.is_empty() {
        source.push(':');
    }
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            source.push(char::from(byte));
        } else {
            write!(source, "%{byte:02X}").expect("a String takes all text");
        }
    }
    source
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Notice | Kind::Test => format!("io.tracebell.{}", kind.as_str()),
        _ => format!("io.tracebell.alert.{}", kind.as_str()),
    }
}

/// Rule and alert, so that a filter on the beginning takes all of a rule.
fn subject(notification: &Notification) -> Option<String> {
    let alert = notification.alert.as_ref()?;
    Some(cut(&format!("{}/{}", alert.rule, alert.id), SUBJECT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_addresses_whatever_their_name() {
        for (name, expected) in [
            ("prod", "urn:tracebell:prod"),
            ("prod/eu-de", "urn:tracebell:prod/eu-de"),
            ("", "urn:tracebell"),
            ("a b\u{e4}\n%", "urn:tracebell:a%20b%C3%A4%0A%25"),
        ] {
            assert_eq!(source(name), expected);
        }
    }
}
