//! `/emulator/...`: how a test in another process prepares the world.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{json, value::RawValue};

use super::{
    answer::{Answer, Refusal, json_value},
    entry::Raw,
    fault::Plan,
    obs::{self, Digests},
    smn,
    tracker::Trouble,
    world::World,
};

/// Room for 100,000 traces at once.
const LIMIT: usize = 512 * 1024 * 1024;

type Shared = State<Arc<World>>;

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/emulator/traces", post(add_traces).delete(forget_traces))
        .route("/emulator/faults", get(show_faults).post(plan_fault).delete(clear_faults))
        .route("/emulator/tokens/expire", post(expire_tokens))
        .route("/emulator/stats", get(show_stats))
        .route("/emulator/publications", get(show_publications))
        .route("/emulator/tracker", post(set_trouble))
        .route("/emulator/obs", post(deliver_traces))
        .route("/emulator/obs/public_key.pem", get(show_public_key))
        .route("/emulator/smn/deliveries", get(show_deliveries))
        .route("/emulator/smn/confirm", post(confirm_subscription))
        .route("/emulator/smn/push_policy", post(set_push_policy))
        .layer(DefaultBodyLimit::max(LIMIT))
}

async fn add_traces(State(world): Shared, body: Bytes) -> Answer {
    let traces: Vec<&RawValue> = read(&body)?;
    let count = traces.len();
    world.add(traces.into_iter().map(|trace| Raw::Text(trace.get().to_owned())));
    Ok(json_value(StatusCode::OK, &json!({"added": count})))
}

async fn forget_traces(State(world): Shared) -> Response {
    world.state().forget_traces();
    StatusCode::NO_CONTENT.into_response()
}

async fn plan_fault(State(world): Shared, body: Bytes) -> Answer {
    let plan: Plan = read(&body)?;
    world.state().faults.plan(plan);
    Ok(json_value(StatusCode::OK, &json!({"planned": world.state().faults.planned()})))
}

async fn show_faults(State(world): Shared) -> Response {
    json_value(StatusCode::OK, &json!({"planned": world.state().faults.planned()}))
}

async fn clear_faults(State(world): Shared) -> Response {
    world.state().faults.clear();
    StatusCode::NO_CONTENT.into_response()
}

async fn expire_tokens(State(world): Shared) -> Response {
    world.state().expire_tokens();
    StatusCode::NO_CONTENT.into_response()
}

async fn show_public_key() -> Response {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], smn::PUBLIC_KEY).into_response()
}

async fn show_stats(State(world): Shared) -> Response {
    let stats = world.state().stats();
    json_value(StatusCode::OK, &json!(stats))
}

async fn show_publications(State(world): Shared) -> Response {
    let publications = world.state().smn.publications.clone();
    json_value(StatusCode::OK, &json!(publications))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    detail: Option<Trouble>,
    #[serde(default)]
    project_id: Option<String>,
}

async fn set_trouble(State(world): Shared, body: Bytes) -> Answer {
    let Detail { detail, project_id } = read(&body)?;
    let at = match project_id {
        None => 0,
        Some(id) => {
            let at = world.place(&id);
            at.ok_or_else(|| Refusal::bad_request("EMULATOR.0001", format!("there is no project `{id}`")))?
        }
    };
    world.state().cts[at].trouble(detail)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Delivery {
    digests: bool,
}

async fn deliver_traces(State(world): Shared, body: Bytes) -> Answer {
    let Delivery { digests } = if body.is_empty() { Delivery::default() } else { read(&body)? };
    let digests = if digests { Digests::Now } else { Digests::WhenDue };
    let keys = obs::round(&world, digests).await;
    Ok(json_value(StatusCode::OK, &json!({"written": keys})))
}

async fn show_deliveries(State(world): Shared) -> Response {
    let deliveries = world.state().smn.deliveries();
    json_value(StatusCode::OK, &json!(deliveries))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    subscription_urn: String,
}

async fn confirm_subscription(State(world): Shared, body: Bytes) -> Answer {
    let confirmation: Confirmation = read(&body)?;
    world.state().smn.confirm(&confirmation.subscription_urn)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    topic_urn: String,
    push_policy: u8,
}

/// Topics show it, and no documented call sets it.
async fn set_push_policy(State(world): Shared, body: Bytes) -> Answer {
    let policy: Policy = read(&body)?;
    if policy.push_policy > 1 {
        let found = format!("push_policy is 0 or 1, not {}", policy.push_policy);
        return Err(Refusal::bad_request("EMULATOR.0001", found));
    }
    world.state().smn.drop_at_once(&policy.topic_urn, policy.push_policy == 1)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn read<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request("EMULATOR.0001", error.to_string()))
}
