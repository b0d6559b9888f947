//! The traces that operations on SMN leave in the audit log, by the names that CTS documents for this service.
//!
//! Neither reading nor publishing leaves one, and neither does who confirms or leaves by an address without a login. Nor
//! is there one of who may not ask at all, or while the tracker does not record. What the real traces have as resource
//! is not documented; here it is the URN, and the topic's name.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{MatchedPath, RawPathParams, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::super::world::{Own, World};

/// As much as any operation takes.
const LONGEST: usize = 2 << 20;

/// An operation's method and path, what its trace is called, and on what kind of resource.
type Operation = (&'static str, &'static str, &'static str, &'static str);

const OPERATIONS: [Operation; 13] = [
    ("POST", "/notifications/topics", "createTopic", "topic"),
    ("PUT", "/notifications/topics/{urn}", "updateTopic", "topic"),
    ("DELETE", "/notifications/topics/{urn}", "deleteTopic", "topic"),
    // For deletion there is no name of its own.
    ("PUT", "/notifications/topics/{urn}/attributes/{name}", "updateTopicAttribute", "topic"),
    ("DELETE", "/notifications/topics/{urn}/attributes/{name}", "updateTopicAttribute", "topic"),
    ("DELETE", "/notifications/topics/{urn}/attributes", "updateTopicAttribute", "topic"),
    ("POST", "/notifications/topics/{urn}/subscriptions", "subscribe", "subscription"),
    ("DELETE", "/notifications/subscriptions/{urn}", "delsubscribe", "subscription"),
    ("POST", "/notifications/message_template", "createMessageTemplate", "message_template"),
    ("PUT", "/notifications/message_template/{id}", "updateMessageTemplate", "message_template"),
    ("DELETE", "/notifications/message_template/{id}", "deleteMessageTemplate", "message_template"),
    ("POST", "/smn_topic/{id}/tags", "batchCreateTag", "tag"),
    ("DELETE", "/smn_topic/{id}/tags/{key}", "deleteTag", "tag"),
];
const TAGS_AT_ONCE: &str = "/smn_topic/{id}/tags/action";

pub async fn door(
    State(world): State<Arc<World>>,
    matched: MatchedPath,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let path = matched.as_str();
    let path = path.strip_prefix("/smn").unwrap_or(path).strip_prefix("/v2/{project}").unwrap_or_default();
    let parameter = |name: &str| parameters.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
    let place = world.authorise(request.headers(), parameter("project"));
    let (method, recorded) = (request.method().as_str().to_owned(), operation(request.method().as_str(), path, b""));
    let (Ok(at), true) = (place, recorded.is_some() || path == TAGS_AT_ONCE) else { return next.run(request).await };
    let (parts, body) = request.into_parts();
    let Ok(asked) = to_bytes(body, LONGEST).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let id = [parameter("urn"), parameter("id")].concat();
    // One that goes is known only before it went.
    let template = world.state().smn.template_name(&id).map(str::to_owned);
    let answer = next.run(Request::from_parts(parts, Body::from(asked.clone()))).await;
    let Some((_, _, name, kind)) = operation(&method, path, &asked) else { return answer };
    let (parts, body) = answer.into_parts();
    let said = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let (id, topic) = resource(&id, &asked, &said);
    if world.state().cts[at].recording {
        world.record_own(&Own {
            at,
            service: "SMN",
            name,
            resource_type: kind,
            resource_name: template.as_deref().unwrap_or(&topic),
            resource_id: &id,
            api_version: "v2",
            code: parts.status.as_u16(),
            request: &String::from_utf8_lossy(&asked),
            response: &String::from_utf8_lossy(&said),
        });
    }
    Response::from_parts(parts, Body::from(said))
}

fn operation(method: &str, path: &str, asked: &[u8]) -> Option<Operation> {
    if (method, path) == ("POST", TAGS_AT_ONCE) {
        return match json(asked)["action"].as_str() {
            Some("create") => Some(("POST", TAGS_AT_ONCE, "batchCreateTag", "tag")),
            Some("delete") => Some(("POST", TAGS_AT_ONCE, "deleteTag", "tag")),
            _ => None,
        };
    }
    OPERATIONS.into_iter().find(|(known, place, ..)| (*known, *place) == (method, path))
}

/// Id and name of what an operation was on: what it made, else what its path names.
fn resource(id: &str, asked: &Bytes, said: &Bytes) -> (String, String) {
    let (asked, said) = (json(asked), json(said));
    let word = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
    let made = ["topic_urn", "subscription_urn", "message_template_id"].into_iter().find_map(|key| word(&said, key));
    let id = made.unwrap_or_else(|| id.to_owned());
    let of_urn = || id.strip_prefix("urn:smn:").and_then(|rest| rest.split(':').nth(2)).map(str::to_owned);
    let name = of_urn().or_else(|| word(&asked, "name")).or_else(|| word(&asked, "message_template_name"));
    (id, name.unwrap_or_default())
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}
