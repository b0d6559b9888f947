//! The metadata service as a machine in the cloud sees it: keys of its agency, its project, and the hardened mode, in
//! which a token is fetched first. In the cloud it is at 169.254.169.254; here beside everything else.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde_json::json;

use super::{
    answer::{Answer, Refusal, json_value},
    identity::{Mode, account, key},
    world::World,
};
use crate::clock;

type Shared = State<Arc<World>>;

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/meta-data/latest/api/token", put(token))
        .route("/openstack/latest/securitykey", get(security_key))
        .route("/openstack/latest/meta_data.json", get(about))
}

async fn token(State(world): Shared, headers: HeaderMap) -> Response {
    if world.settings.iam.metadata.mode == Mode::Plain {
        return StatusCode::NOT_FOUND.into_response();
    }
    let seconds = headers.get("x-metadata-token-ttl-seconds").and_then(|text| text.to_str().ok()?.parse::<u64>().ok());
    let Some(seconds) = seconds.filter(|seconds| (1..=21_600).contains(seconds)) else {
        return (StatusCode::BAD_REQUEST, "The token's time to live must be between 1 and 21600.").into_response();
    };
    let mut state = world.state();
    let state = &mut *state;
    let token = account::metadata_token(&mut state.rng);
    state.account.metadata_tokens.insert(token.clone(), clock::plus(clock::now(), Duration::from_secs(seconds)));
    token.into_response()
}

async fn security_key(State(world): Shared, headers: HeaderMap) -> Answer {
    admit(&world, &headers)?;
    let settings = &world.settings.iam.metadata;
    if !settings.agency {
        let text = "Please configure a cloud service agency for this server first.";
        return Err(Refusal::keystone(StatusCode::UNAUTHORIZED, text));
    }
    let key = key::lent(&world, settings.key_lifetime);
    let value = if settings.wrapped { json!({ "credential": key }) } else { key };
    Ok(json_value(StatusCode::OK, &value))
}

async fn about(State(world): Shared, headers: HeaderMap) -> Answer {
    admit(&world, &headers)?;
    let settings = &world.settings;
    let value = json!({
        "uuid": super::world::hex_id("server", "bell"), "name": "bell", "hostname": "bell.novalocal",
        "project_id": settings.project_id, "region_id": settings.region,
        "availability_zone": format!("{}-01", settings.region), "meta": {},
    });
    Ok(json_value(StatusCode::OK, &value))
}

fn admit(world: &World, headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get("x-metadata-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    let known = world.state().account.metadata_tokens.get(given).is_some_and(|until| clock::now() < *until);
    match world.settings.iam.metadata.mode {
        Mode::Hardened if !known => Err(Refusal::keystone(StatusCode::UNAUTHORIZED, "The token is not valid.")),
        _ => Ok(()),
    }
}
