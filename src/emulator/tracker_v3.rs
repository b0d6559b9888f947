//! `/v3/{project}/tracker`, `/trackers` and `/quotas`: the name is in the body or the query.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal, json_value},
    tracker::{Change, flag, text},
    tracker_v1::{read_body, record},
    world::World,
};

type Shared = State<Arc<World>>;
type Pairs = Query<Vec<(String, String)>>;

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v3/{project}/tracker", post(create).put(update))
        .route("/v3/{project}/trackers", get(list).delete(delete))
        .route("/v3/{project}/quotas", get(quotas))
}

async fn create(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    world.authorise(&headers, &project)?;
    let done = (|| Ok(world.state().create_tracker(read_change(&read_body(&body)?)?)?.v3(&world)))();
    leave_trace(&world, "createTracker", &body, 201, &done);
    done.map(|tracker| json_value(StatusCode::CREATED, &tracker))
}

async fn update(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    world.authorise(&headers, &project)?;
    let done = (|| Ok(world.state().update_tracker("system", read_change(&read_body(&body)?)?)?.v3(&world)))();
    leave_trace(&world, "updateTracker", &body, 200, &done);
    // No body is documented; an empty object is what clients that decode survive.
    done.map(|_| json_value(StatusCode::OK, &json!({})))
}

async fn list(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    world.authorise(&headers, &project)?;
    let wanted = pairs.iter().find(|(key, _)| key == "tracker_name").map_or("system", |(_, name)| name);
    let trackers: Vec<Value> = world.state().find_tracker(wanted).iter().map(|tracker| tracker.v3(&world)).collect();
    Ok(json_value(StatusCode::OK, &json!({"trackers": trackers})))
}

async fn delete(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    world.authorise(&headers, &project)?;
    let wanted = pairs.iter().find(|(key, _)| key == "tracker_name").map(|(_, name)| name.as_str());
    let deleted = world.state().delete_tracker(wanted);
    record(&world, "deleteTracker", "v3", b"", 204, deleted.as_ref());
    deleted.map(|_| StatusCode::NO_CONTENT.into_response())
}

async fn quotas(State(world): Shared, Path(project): Path<String>, headers: HeaderMap) -> Answer {
    world.authorise(&headers, &project)?;
    let state = world.state();
    let resources = json!([
        {"type": "system_tracker", "used": usize::from(state.tracker.is_some()), "quota": 1},
        {"type": "smn_notification", "used": state.notifications.len(), "quota": super::notification::QUOTA},
    ]);
    Ok(json_value(StatusCode::OK, &json!({"resources": resources})))
}

fn read_change(body: &Value) -> Result<Change, Refusal> {
    if text(body, "tracker_type")?.as_deref() != Some("system") {
        return Err(Refusal::bad_request("CTS.0202", "tracker_type must be system."));
    }
    match text(body, "tracker_name")?.as_deref() {
        Some("system") => {}
        Some(_) => return Err(Refusal::bad_request("CTS.0204", "A management tracker must be named system.")),
        None => return Err(Refusal::bad_request("CTS.0203", "tracker_name is missing.")),
    }
    let obs = &body["obs_info"];
    let mut change = Change::read(body, obs)?;
    change.lts_enabled = flag(body, "is_lts_enabled")?;
    change.is_support_validate = flag(body, "is_support_validate")?;
    change.is_sort_by_service = flag(obs, "is_sort_by_service")?;
    change.compress_type = text(obs, "compress_type")?;
    if change.compress_type.as_deref().is_some_and(|kind| !["gzip", "json"].contains(&kind)) {
        return Err(Refusal::bad_request("CTS.0003", "compress_type must be gzip or json."));
    }
    Ok(change)
}

fn leave_trace(world: &World, name: &str, body: &[u8], good: u16, done: &Result<Value, Refusal>) {
    let id = done.as_ref().map(|tracker| tracker["id"].as_str().unwrap_or_default().to_owned());
    record(world, name, "v3", body, good, id.as_ref().map_err(|refusal| *refusal));
}
