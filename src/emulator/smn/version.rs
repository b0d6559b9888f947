//! Which versions of SMN there are.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, response::Response, routing::get};
use serde_json::{Value, json};

use super::{
    super::{answer::json_value, world::World},
    Shared,
};

/// Below the root of the service.
pub fn own_routes() -> Router<Arc<World>> {
    Router::new().route("/v2", get(version)).route("/v2/", get(version))
}

pub fn routes() -> Router<Arc<World>> {
    Router::new().route("/smn", get(versions)).route("/smn/", get(versions))
}

async fn versions(State(world): Shared) -> Response {
    json_value(StatusCode::OK, &json!({"versions": [v2(&world)]}))
}

async fn version(State(world): Shared) -> Response {
    json_value(StatusCode::OK, &json!({"version": v2(&world)}))
}

fn v2(world: &World) -> Value {
    json!({"id": "v2", "links": [{"href": format!("{}/smn/v2/", world.url()), "rel": "self"}],
        "min_version": "", "status": "CURRENT", "updated": "2018-09-19T00:00:00Z", "version": ""})
}
