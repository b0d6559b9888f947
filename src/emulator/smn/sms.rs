//! A text message without a topic: not in the current documentation, but in the SDK.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::json;

use super::{
    super::{
        answer::{Answer, json_value},
        world::World,
    },
    Publication, Shared, authorise, bad, forbidden, hex, optional, read,
};

/// A number gets no more than this in an hour.
const HOURLY: usize = 60;
/// Longer texts are not sent.
const LONGEST: usize = 1000;

pub fn routes() -> Router<Arc<World>> {
    Router::new().route("/v2/{project}/notifications/sms", post(send))
}

async fn send(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0012")?;
    let (endpoint, message) = (optional(&body, "endpoint", "SMN.0012")?, optional(&body, "message", "SMN.0009")?);
    let digits = endpoint.trim_start_matches('+');
    if digits.len() < 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad("SMN.0012", "Invalid endpoint."));
    }
    if message.is_empty() || message.chars().count() > LONGEST {
        return Err(forbidden("SMN.0009", "Invalid message."));
    }
    let mut state = world.state();
    if !state.smn.count_towards(&endpoint, HOURLY, Duration::from_secs(3600)) {
        return Err(forbidden("SMN.0057", "The SMS quota of the number is used up."));
    }
    let (request_id, message_id) = (hex(state.rng.u128(..)), hex(state.rng.u128(..)));
    let answer = json!({"request_id": request_id, "message_id": message_id});
    let texts = [("sms".to_owned(), message)].into();
    let publication = Publication {
        topic_urn: String::new(),
        message_id,
        subject: None,
        texts,
        tags: [("to".to_owned(), endpoint)].into(),
    };
    state.smn.publications.push(publication);
    Ok(json_value(StatusCode::OK, &answer))
}
