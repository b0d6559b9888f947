//! What a Slack bot says: a first message, and for what follows a reply below it and its new text.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Payload, layout::Place};
use crate::{notification::Kind, render::Letter};

/// The frozen body of a delivery to a bot. The endpoint adds the channel and the message that is meant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// For `chat.postMessage`: a reply if there is a first message, else a message of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<Value>,
    /// For `chat.update` of the first message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Value>,
    /// For `reactions.add` to the first message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<String>,
    /// For `reactions.remove`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// A reply that everybody in the channel sees, not only those who follow the thread.
    #[serde(default)]
    pub broadcast: bool,
}

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    serde_json::to_vec(&parts(letter)).expect("structs of texts always become JSON")
}

/// As [`body`], of texts without blocks.
pub fn reduced(letter: &Letter<'_>) -> Vec<u8> {
    let mut parts = parts(letter);
    for part in [&mut parts.post, &mut parts.update].into_iter().flatten() {
        let metadata = part["metadata"].take();
        *part = super::text_only(letter);
        if !metadata.is_null() {
            part["metadata"] = metadata;
        }
        // Left out of an update, the blocks that are there would stay.
        part["blocks"] = json!([]);
    }
    serde_json::to_vec(&parts).expect("structs of texts always become JSON")
}

fn parts(letter: &Letter<'_>) -> Parts {
    let Letter { notification, id, thread, .. } = *letter;
    let kind = notification.kind;
    let post = (kind != Kind::Repeated).then(|| posted(letter));
    if id == thread {
        return Parts { post, ..Parts::default() };
    }
    // What gathers many alerts cannot stand in place of the one that came first.
    let shows = notification.alert.is_some() && !matches!(kind, Kind::Silenced | Kind::Lifted);
    let update = shows.then(|| as_json(&super::payload(letter, Place::Edited)));
    let (mut reactions, mut removed) = (Vec::new(), Vec::new());
    match kind {
        Kind::Escalated => reactions.push("arrow_double_up".to_owned()),
        Kind::Summary => reactions.push("zzz".to_owned()),
        Kind::Silenced => reactions.push(SILENCED.to_owned()),
        Kind::Lifted => removed.push(SILENCED.to_owned()),
        _ => {}
    }
    Parts { post, update, reactions, removed, broadcast: matches!(kind, Kind::Escalated | Kind::Updated) }
}

/// On the first message for as long as a silence keeps back what follows.
const SILENCED: &str = "no_bell";

/// With the delivery's id in the metadata, by which it is found again after an answer got lost.
fn posted(letter: &Letter<'_>) -> Value {
    let Letter { notification, id, .. } = *letter;
    let mut payload = as_json(&super::payload(letter, Place::Alone));
    let alert = notification.alert.as_ref().map(|alert| alert.id.as_str()).unwrap_or_default();
    payload["metadata"] = json!({
        "event_type": METADATA,
        "event_payload": { "delivery": id, "kind": notification.kind.as_str(), "alert": alert },
    });
    payload
}

/// The metadata's `event_type`.
pub const METADATA: &str = "tracebell_delivery";

fn as_json(payload: &Payload) -> Value {
    serde_json::to_value(payload).expect("structs of texts always become JSON")
}
