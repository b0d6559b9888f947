//! `/v3.0/OS-CREDENTIAL/securitytokens`: keys for a while, for a token or an agency.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::{Value, json};

use super::{account, check_token, require_token};
use crate::{
    clock,
    emulator::{
        answer::{Answer, Refusal, json_value},
        sign::Key,
        world::World,
    },
};

pub fn routes() -> Router<Arc<World>> {
    Router::new().route("/v3.0/OS-CREDENTIAL/securitytokens", post(lend))
}

async fn lend(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Answer {
    let bad = |text: &str| Refusal::keystone(StatusCode::BAD_REQUEST, text);
    let body: Value = serde_json::from_slice(&body).map_err(|_| bad("The request body is not valid JSON."))?;
    let identity = &body["auth"]["identity"];
    // The token may be in the body too; the header wins.
    let token = || match headers.contains_key("x-auth-token") {
        true => require_token(&world, &headers),
        false => check_token(&world, identity["token"]["id"].as_str().unwrap_or_default()),
    };
    let asked = match identity["methods"].as_array().and_then(|methods| methods.first()?.as_str()) {
        Some("token") => {
            token()?;
            &identity["token"]
        }
        Some("assume_role") => {
            require_token(&world, &headers)?;
            account::check_agency(&world, &identity["assume_role"])?;
            &identity["assume_role"]
        }
        _ => return Err(bad("Expecting token or assume_role in methods.")),
    };
    let seconds = match asked.get("duration_seconds").or_else(|| asked.get("duration-seconds")) {
        None => 900,
        Some(seconds) => seconds
            .as_u64()
            .filter(|seconds| (900..=86_400).contains(seconds))
            .ok_or_else(|| bad("The duration_seconds must be between 900 and 86400."))?,
    };
    let value = lent(&world, Duration::from_secs(seconds));
    Ok(json_value(StatusCode::CREATED, &json!({ "credential": value })))
}

/// A new key as it is written.
pub fn lent(world: &World, lifetime: Duration) -> Value {
    let expires = clock::plus(clock::now(), lifetime);
    let mut state = world.state();
    let state = &mut *state;
    let Key { access, secret, security_token } = state.account.lend(&mut state.rng, expires);
    json!({ "access": access, "secret": secret, "securitytoken": security_token, "expires_at": format!("{expires:.6}") })
}
