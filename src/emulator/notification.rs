//! Key event notifications of v3: kept and checked, never sent, since SMN is not served.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Refusal, json_value},
    tracker::text,
    tracker_v1::read_body,
    world::{Own, World, uuid},
};
use crate::clock;

pub const QUOTA: usize = 100;

type Shared = State<Arc<World>>;
type Pairs = Query<Vec<(String, String)>>;

pub struct Notification {
    id: String,
    name: String,
    value: Value,
}

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v3/{project}/notifications", post(create).put(update).delete(delete))
        .route("/v3/{project}/notifications/{kind}", get(list))
}

async fn create(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    world.authorise(&headers, &project)?;
    let read = read_body(&body)?;
    let (name, mut value) = check(&read)?;
    let mut state = world.state();
    if state.notifications.iter().any(|known| known.name == name) {
        return Err(Refusal::bad_request("CTS.0400", "The notification name exists."));
    }
    if state.notifications.len() >= QUOTA {
        return Err(Refusal::bad_request("CTS.0407", "The quota of notifications is used up."));
    }
    let id = uuid(&mut state.rng);
    let status = if value.contains_key("topic_id") { "enabled" } else { "disabled" };
    value.insert("notification_id".to_owned(), id.as_str().into());
    value.insert("notification_type".to_owned(), "smn".into());
    value.insert("status".to_owned(), status.into());
    value.insert("project_id".to_owned(), world.settings.project_id.as_str().into());
    value.insert("domain_id".to_owned(), world.domain_id().into());
    value.insert("create_time".to_owned(), clock::now().as_millisecond().into());
    let value = Value::Object(value);
    state.notifications.push(Notification { id: id.clone(), name: name.clone(), value: value.clone() });
    drop(state);
    leave_trace(&world, "createNotification", &name, &id, 201, &body);
    Ok(json_value(StatusCode::CREATED, &value))
}

async fn update(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    world.authorise(&headers, &project)?;
    let read = read_body(&body)?;
    let id = text(&read, "notification_id")?.unwrap_or_default();
    let (name, changes) = check(&read)?;
    let status = match read["status"].as_str() {
        Some("enabled") if !changes.contains_key("topic_id") => {
            return Err(Refusal::bad_request("CTS.0404", "An enabled notification needs a topic."));
        }
        Some(status @ ("enabled" | "disabled")) => status,
        _ => return Err(Refusal::bad_request("CTS.0205", "status must be enabled or disabled.")),
    };
    let mut state = world.state();
    if state.notifications.iter().any(|known| known.name == name && known.id != id) {
        return Err(Refusal::bad_request("CTS.0400", "The notification name exists."));
    }
    let found = state.notifications.iter_mut().find(|known| known.id == id).ok_or_else(unknown)?;
    for (key, value) in changes {
        found.value[key] = value;
    }
    found.value["status"] = status.into();
    found.name.clone_from(&name);
    let value = found.value.clone();
    drop(state);
    leave_trace(&world, "updateNotification", &name, &id, 200, &body);
    Ok(json_value(StatusCode::OK, &value))
}

async fn list(
    State(world): Shared,
    Path((project, kind)): Path<(String, String)>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Answer {
    world.authorise(&headers, &project)?;
    if kind != "smn" {
        return Err(Refusal::bad_request("CTS.0410", "notification_type must be smn."));
    }
    let wanted = pairs.iter().find(|(key, _)| key == "notification_name").map(|(_, name)| name);
    let state = world.state();
    let found = state.notifications.iter().filter(|known| wanted.is_none_or(|name| *name == known.name));
    let values: Vec<&Value> = found.map(|known| &known.value).collect();
    Ok(json_value(StatusCode::OK, &json!({"notifications": values})))
}

/// Takes ids joined by commas and the parameter repeated: clients send either.
async fn delete(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    world.authorise(&headers, &project)?;
    let ids = pairs.iter().filter(|(key, _)| key == "notification_id");
    let ids: Vec<&str> = ids.flat_map(|(_, value)| value.split(',')).filter(|id| !id.is_empty()).collect();
    let mut state = world.state();
    let known = |id: &&str| state.notifications.iter().any(|known| known.id == *id);
    if ids.is_empty() || !ids.iter().all(known) {
        return Err(unknown());
    }
    state.notifications.retain(|known| !ids.contains(&known.id.as_str()));
    drop(state);
    for id in ids {
        leave_trace(&world, "deleteNotification", "", id, 204, b"");
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn unknown() -> Refusal {
    Refusal::coded(StatusCode::NOT_FOUND, "CTS.0403", "The notification does not exist.")
}

/// The name, and what both creation and update store.
fn check(body: &Value) -> Result<(String, Map<String, Value>), Refusal> {
    let name = text(body, "notification_name")?.unwrap_or_default();
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || name.len() > 64 || !letters {
        return Err(Refusal::bad_request("CTS.0411", "The notification name is invalid."));
    }
    let invalid = || Refusal::bad_request("CTS.0401", "The operations are invalid.");
    let operations = match body["operation_type"].as_str() {
        Some("complete") => json!([]),
        Some("customized") => body["operations"].clone(),
        _ => return Err(invalid()),
    };
    let complete = |operation: &Value| {
        operation["service_type"].is_string()
            && operation["resource_type"].is_string()
            && operation["trace_names"].is_array()
    };
    if !operations.as_array().is_some_and(|list| list.len() <= 1000 && list.iter().all(complete)) {
        return Err(invalid());
    }
    let mut value = Map::new();
    value.insert("notification_name".to_owned(), name.as_str().into());
    value.insert("operation_type".to_owned(), body["operation_type"].clone());
    value.insert("operations".to_owned(), operations);
    for key in ["notify_user_list", "filter", "topic_id"] {
        if !body[key].is_null() {
            value.insert(key.to_owned(), body[key].clone());
        }
    }
    Ok((name, value))
}

fn leave_trace(world: &World, name: &str, notification: &str, id: &str, code: u16, request: &[u8]) {
    world.record_own(&Own {
        name,
        resource_type: "notification",
        resource_name: notification,
        resource_id: id,
        api_version: "v3",
        code,
        request: &String::from_utf8_lossy(request),
        response: "",
    });
}
