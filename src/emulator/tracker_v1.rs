//! `/v1.0/{project}/tracker`: addressed by name or id, answered with the tracker.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, put},
};
use serde_json::Value;

use super::{
    answer::{Answer, Refusal, json_value},
    tracker::{Change, flag, text},
    world::{Own, World},
};

type Shared = State<Arc<World>>;
type Pairs = Query<Vec<(String, String)>>;

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v1.0/{project}/tracker", get(show).post(create).delete(delete))
        .route("/v1.0/{project}/tracker/{name}", put(update))
}

async fn show(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    world.authorise(&headers, &project)?;
    let state = world.state();
    let tracker = state.find_tracker(named(&pairs).unwrap_or("system"))?;
    Ok(json_value(StatusCode::OK, &tracker.v1(&world)))
}

async fn create(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    world.authorise(&headers, &project)?;
    let done = || {
        let body = read_body(&body)?;
        if text(&body, "tracker_name")?.is_some_and(|name| name != "system") {
            return Err(Refusal::bad_request("CTS.0204", "A management tracker must be named system."));
        }
        let change = read_change(&body)?;
        if change.bucket_name.is_none() {
            return Err(Refusal::bad_request("CTS.0003", "bucket_name is missing."));
        }
        Ok(world.state().create_tracker(change)?.v1(&world))
    };
    finish(&world, "createTracker", &body, StatusCode::CREATED, done())
}

async fn update(
    State(world): Shared,
    Path((project, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    world.authorise(&headers, &project)?;
    let done = || {
        let change = read_change(&read_body(&body)?)?;
        Ok(world.state().update_tracker(&name, change)?.v1(&world))
    };
    // The documentation shows no body; clients that decode one fail without it.
    finish(&world, "updateTracker", &body, StatusCode::OK, done())
}

async fn delete(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    world.authorise(&headers, &project)?;
    let deleted = world.state().delete_tracker(named(&pairs));
    record(&world, "deleteTracker", "v1.0", b"", 204, deleted.as_ref());
    deleted.map(|_| StatusCode::NO_CONTENT.into_response())
}

fn read_change(body: &Value) -> Result<Change, Refusal> {
    let mut change = Change::read(body, body)?;
    change.lts_enabled = flag(&body["lts"], "is_lts_enabled")?;
    change.is_support_validate = flag(&body["log_file_validate"], "is_support_validate")?;
    change.smn = Some(body["smn"].clone()).filter(Value::is_object);
    Ok(change)
}

fn named(pairs: &[(String, String)]) -> Option<&str> {
    pairs.iter().find(|(key, _)| key == "tracker_name").map(|(_, name)| name.as_str())
}

pub fn read_body(body: &[u8]) -> Result<Value, Refusal> {
    let value = serde_json::from_slice(body).ok().filter(Value::is_object);
    value.ok_or_else(|| Refusal::bad_request("CTS.0003", "The message body is empty or invalid."))
}

fn finish(world: &World, name: &str, body: &[u8], good: StatusCode, done: Result<Value, Refusal>) -> Answer {
    let id = done.as_ref().map(|tracker| tracker["id"].as_str().unwrap_or_default().to_owned());
    record(world, name, "v1.0", body, good.as_u16(), id.as_ref().map_err(|refusal| *refusal));
    done.map(|tracker| json_value(good, &tracker))
}

/// Leaves the operation's trace; `done` holds the tracker's id.
pub fn record(
    world: &World,
    name: &str,
    api_version: &str,
    request: &[u8],
    good: u16,
    done: Result<&String, &Refusal>,
) {
    let (code, id, response) = match done {
        Ok(id) => (good, id.as_str(), String::new()),
        Err(refusal) => (refusal.status.as_u16(), "", refusal.text()),
    };
    world.record_own(&Own {
        name,
        resource_type: "tracker",
        resource_name: "system",
        resource_id: id,
        api_version,
        code,
        request: &String::from_utf8_lossy(request),
        response: &response,
    });
}
