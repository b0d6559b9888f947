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
    cts::refusal,
    obs,
    tracker::{Change, Kind, text},
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
    let at = world.authorise(&headers, &project)?;
    let state = world.state();
    let tracker = state.cts[at].find(named(&pairs).unwrap_or("system"))?;
    Ok(json_value(StatusCode::OK, &tracker.v1(&world, at)))
}

async fn create(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let at = world.authorise(&headers, &project)?;
    let done = async {
        let body = read_body(&body)?;
        if text(&body, "tracker_name")?.is_some_and(|name| name != "system") {
            return Err(refusal("CTS.0204"));
        }
        let change = Change::v1(&body)?;
        if change.bucket_name.is_none() {
            return Err(Refusal::bad_request("CTS.0003", "bucket_name is missing."));
        }
        obs::prepare(&world, &change).await?;
        Ok(world.state().create_tracker(at, Kind::System, "system", change)?.v1(&world, at))
    };
    let done = done.await;
    leave_trace(
        &world,
        at,
        &Operation { name: "createTracker", api_version: "v1.0", request: &body, good: 201 },
        &done,
    );
    done.map(|tracker| json_value(StatusCode::CREATED, &tracker))
}

async fn update(
    State(world): Shared,
    Path((project, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let at = world.authorise(&headers, &project)?;
    let done = async {
        let change = Change::v1(&read_body(&body)?)?;
        obs::prepare(&world, &change).await?;
        let replaces = world.settings.updates_replace;
        Ok(world.state().cts[at].update(&name, change, replaces)?.v1(&world, at))
    };
    let done = done.await;
    leave_trace(
        &world,
        at,
        &Operation { name: "updateTracker", api_version: "v1.0", request: &body, good: 200 },
        &done,
    );
    // The documentation shows no body; clients that decode one fail without it.
    done.map(|tracker| json_value(StatusCode::OK, &tracker))
}

async fn delete(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    let at = world.authorise(&headers, &project)?;
    remove(&world, at, named(&pairs), "v1.0")
}

/// As both versions do it.
pub fn remove(world: &World, at: usize, name: Option<&str>, api_version: &str) -> Answer {
    let operation = Operation { name: "deleteTracker", api_version, request: b"", good: 204 };
    let gone = world.state().cts[at].delete(name);
    match gone {
        Ok(gone) => {
            for (name, id) in gone {
                operation.leave(world, at, &name, Ok(&id));
            }
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Err(refusal) => {
            operation.leave(world, at, name.unwrap_or("system"), Err(&refusal));
            Err(refusal)
        }
    }
}

pub fn named(pairs: &[(String, String)]) -> Option<&str> {
    pairs.iter().find(|(key, name)| key == "tracker_name" && !name.is_empty()).map(|(_, name)| name.as_str())
}

pub fn read_body(body: &[u8]) -> Result<Value, Refusal> {
    let value = serde_json::from_slice(body).ok().filter(Value::is_object);
    value.ok_or_else(|| refusal("CTS.0003"))
}

/// What the trace of an operation on trackers says.
pub struct Operation<'a> {
    pub name: &'a str,
    pub api_version: &'a str,
    pub request: &'a [u8],
    /// The status of success.
    pub good: u16,
}

impl Operation<'_> {
    /// `done` holds the tracker's id.
    fn leave(&self, world: &World, at: usize, tracker: &str, done: Result<&str, &Refusal>) {
        let (code, id, response) = match done {
            Ok(id) => (self.good, id, String::new()),
            Err(refusal) => (refusal.status.as_u16(), "", refusal.text()),
        };
        world.record_own(&Own {
            at,
            service: "CTS",
            name: self.name,
            resource_type: "tracker",
            resource_name: tracker,
            resource_id: id,
            api_version: self.api_version,
            code,
            request: &String::from_utf8_lossy(self.request),
            response: &response,
        });
    }
}

/// `done` holds the tracker.
pub fn leave_trace(world: &World, at: usize, operation: &Operation<'_>, done: &Result<Value, Refusal>) {
    match done {
        Ok(tracker) => {
            let word = |key: &str| tracker[key].as_str().unwrap_or_default();
            operation.leave(world, at, word("tracker_name"), Ok(word("id")));
        }
        Err(refusal) => operation.leave(world, at, "system", Err(refusal)),
    }
}
