//! `/v3/{project}/tracker`, `/trackers` and `/quotas`: the name is in the body or the query.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    answer::{Answer, json_value},
    cts::refusal,
    obs,
    tracker::{Change, Kind, check_name},
    tracker_v1::{Operation, leave_trace, named, read_body, remove},
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
    let at = world.authorise(&headers, &project)?;
    let done = async {
        let body = read_body(&body)?;
        let (kind, name) = check_name(&body)?;
        let change = Change::v3(&body, kind)?;
        if kind == Kind::Data && change.data_bucket.is_none() {
            return Err(refusal("CTS.0210"));
        }
        obs::prepare(&world, &change).await?;
        Ok(world.state().create_tracker(at, kind, &name, change)?.v3(&world, at))
    };
    let done = done.await;
    leave_trace(&world, at, &Operation { name: "createTracker", api_version: "v3", request: &body, good: 201 }, &done);
    done.map(|tracker| json_value(StatusCode::CREATED, &tracker))
}

async fn update(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let at = world.authorise(&headers, &project)?;
    let done = async {
        let body = read_body(&body)?;
        let (kind, name) = check_name(&body)?;
        let change = Change::v3(&body, kind)?;
        obs::prepare(&world, &change).await?;
        let replaces = world.settings.updates_replace;
        Ok(world.state().cts[at].update(&name, change, replaces)?.v3(&world, at))
    };
    let done = done.await;
    leave_trace(&world, at, &Operation { name: "updateTracker", api_version: "v3", request: &body, good: 200 }, &done);
    // No body is documented; an empty object is what clients that decode survive.
    done.map(|_| json_value(StatusCode::OK, &json!({})))
}

async fn list(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    let at = world.authorise(&headers, &project)?;
    let state = world.state();
    let wanted = named(&pairs);
    let found = state.cts[at].trackers.iter().filter(|tracker| wanted.is_none_or(|name| tracker.is(name)));
    let trackers: Vec<Value> = found.map(|tracker| tracker.v3(&world, at)).collect();
    Ok(json_value(StatusCode::OK, &json!({"trackers": trackers})))
}

async fn delete(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    let at = world.authorise(&headers, &project)?;
    remove(&world, at, named(&pairs), "v3")
}

async fn quotas(State(world): Shared, Path(project): Path<String>, headers: HeaderMap) -> Answer {
    let at = world.authorise(&headers, &project)?;
    let state = world.state();
    let cts = &state.cts[at];
    let resources = json!([
        {"type": "system_tracker", "used": usize::from(cts.management().is_some()), "quota": 1},
        {"type": "smn_notification", "used": cts.notifications.len(), "quota": super::notification::QUOTA},
    ]);
    Ok(json_value(StatusCode::OK, &json!({"resources": resources})))
}
