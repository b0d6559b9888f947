//! Which versions of CTS there are. `/` and `/v3` are Keystone's here, so its list is at `/cts`.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal, json_value},
    cts::refusal,
    world::World,
};

/// As documented: v3 is not among them.
const VERSIONS: [(&str, &str); 2] = [("v1.0", "CURRENT"), ("v2.0", "SUPPORTED")];

type Shared = State<Arc<World>>;

pub fn routes() -> Router<Arc<World>> {
    Router::new().route("/cts", get(list)).route("/cts/", get(list)).route("/{version}", get(show))
}

async fn list(State(world): Shared) -> Response {
    let versions: Vec<Value> = VERSIONS.iter().map(|(id, status)| value(&world, id, status)).collect();
    json_value(StatusCode::OK, &json!({"versions": versions}))
}

async fn show(State(world): Shared, Path(version): Path<String>) -> Answer {
    let is_version = version.starts_with('v') && version[1..].starts_with(|c: char| c.is_ascii_digit());
    match VERSIONS.iter().find(|(id, _)| *id == version) {
        Some((id, status)) => Ok(json_value(StatusCode::OK, &json!({"version": value(&world, id, status)}))),
        None if is_version => Err(refusal("CTS.0100")),
        None => Err(Refusal::coded(StatusCode::NOT_FOUND, "APIG.0101", "The API does not exist.")),
    }
}

fn value(world: &World, id: &str, status: &str) -> Value {
    json!({"id": id, "links": [{"href": format!("{}/{id}/", world.url()), "rel": "self"}], "min_version": "",
        "status": status, "updated": "2018-09-30T00:00:00Z", "version": ""})
}
