//! Simple Message Notification: topics, subscriptions, templates, publishing, and signed delivery.
//!
//! Subscribers over HTTP(S) are invited, and get what is published once they confirmed, with SMN's retries. What is
//! for mail, SMS and functions is kept, to be read back. Operations leave traces in CTS. Access policies are checked
//! and kept, not enforced. Where the documentation names no code for a fault, the one of the field nearest to it is
//! answered.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    middleware,
    response::Response,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    answer::{Refusal, json_value},
    world::World,
};
use crate::clock::{self, Timestamp};

mod attribute;
mod audit;
mod confirmation;
pub mod courier;
mod delivery;
mod letter;
mod name;
mod publish;
mod sms;
mod subscription;
mod tag;
mod template;
mod topic;
mod version;

pub use delivery::{Attempt, Delivery, Outcome};
pub use letter::{CERTIFICATE, PUBLIC_KEY, Signer};
pub use publish::{Content, Publication};

/// How deliveries go; the defaults are SMN's where they are known.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Certificate, confirmation and farewell are at addresses below it, without a slash at its end; none: the
    /// emulator's own.
    pub site: Option<String>,
    /// How long a subscriber may take to answer.
    pub patience: Duration,
    /// Between the attempts, so one attempt more than there are pauses. How long SMN's are nobody says, only that
    /// they grow.
    pub pauses: Vec<Duration>,
    /// After so many failures in a row an address is left alone for a while.
    pub block_after: u32,
    pub block_for: Duration,
    /// How long an invitation can be confirmed.
    pub invitation: Duration,
    pub content_type: String,
    /// Topics of a project, subscriptions of a topic.
    pub most_topics: usize,
    pub most_subscriptions: usize,
    /// PEM of authorities that subscribers over HTTPS may have their certificates from, beside the public ones.
    pub ca: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            site: None,
            patience: Duration::from_secs(5),
            pauses: [2, 4, 8, 16, 32, 64].map(Duration::from_secs).to_vec(),
            block_after: 10,
            block_for: Duration::from_secs(5 * 60),
            invitation: Duration::from_secs(48 * 3600),
            content_type: "application/json;charset=utf-8".to_owned(),
            most_topics: 3000,
            most_subscriptions: 10_000,
            ca: None,
        }
    }
}

/// Everything SMN remembers; lists are oldest first.
#[derive(Default)]
pub struct Smn {
    topics: Vec<topic::Topic>,
    subscriptions: Vec<subscription::Subscription>,
    templates: Vec<template::Template>,
    invitations: HashMap<String, confirmation::Invitation>,
    /// When invitations and text messages went to an address, for the quotas.
    sent: HashMap<String, VecDeque<Timestamp>>,
    standings: HashMap<String, delivery::Standing>,
    pub publications: Vec<Publication>,
    deliveries: BTreeMap<u64, Delivery>,
    delivery_count: u64,
    queue: VecDeque<delivery::Job>,
    wake: Arc<Notify>,
}

impl World {
    /// Where subscribers find what messages point to.
    pub fn smn_site(&self) -> String {
        self.settings.smn.site.clone().unwrap_or_else(|| self.url())
    }

    pub fn smn_certificate_url(&self) -> String {
        format!("{}/smn/{}", self.smn_site(), letter::certificate_name(&self.settings.region))
    }
}

type Shared = State<Arc<World>>;
type Pairs = Query<Vec<(String, String)>>;
type Named = Path<(String, String)>;

/// Below `/smn`, as the catalogue says, and below the root for clients that know only hosts.
pub fn routes(world: &Arc<World>) -> Router<Arc<World>> {
    let service = Router::new()
        .merge(topic::routes())
        .merge(attribute::routes())
        .merge(subscription::routes())
        .merge(publish::routes())
        .merge(template::routes())
        .merge(sms::routes())
        .merge(tag::routes())
        .route_layer(middleware::from_fn_with_state(Arc::clone(world), audit::door))
        .merge(version::own_routes());
    Router::new().nest("/smn", service.clone()).merge(service).merge(confirmation::routes()).merge(version::routes())
}

/// Whose token it is; SMN has its own words for what it does not permit.
fn authorise(world: &World, headers: &HeaderMap, project: &str) -> Result<(), Refusal> {
    world.authorise(headers, project).map(drop).map_err(|refusal| match refusal.status {
        StatusCode::FORBIDDEN => forbidden("SMN.0001", "You do not have the permission."),
        _ => refusal,
    })
}

fn bad(code: &str, text: &str) -> Refusal {
    Refusal::smn(StatusCode::BAD_REQUEST, code, text)
}

fn forbidden(code: &str, text: &str) -> Refusal {
    Refusal::smn(StatusCode::FORBIDDEN, code, text)
}

fn not_found(code: &str, text: &str) -> Refusal {
    Refusal::smn(StatusCode::NOT_FOUND, code, text)
}

/// `code` is of the field that a body without JSON misses first.
fn read(body: &[u8], code: &str) -> Result<Value, Refusal> {
    let value = serde_json::from_slice(body).ok().filter(Value::is_object);
    value.ok_or_else(|| bad(code, "The request body is not a JSON object."))
}

/// A text that may be left out; what is no text has `code`.
fn optional(body: &Value, key: &str, code: &str) -> Result<String, Refusal> {
    match &body[key] {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        _ => Err(bad(code, &format!("{key} must be a string."))),
    }
}

/// Most of a list that one answer holds, and as many as nobody asks for.
const MOST_LISTED: usize = 100;

/// `offset` and `limit` as documented, and `marker`, which the SDK sends and expects to work.
fn page(items: &[Value], pairs: &[(String, String)], id: &str) -> Result<Vec<Value>, Refusal> {
    let pair = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let number = |name: &str, default: usize| pair(name).map_or(Some(default), |text| text.parse().ok());
    let (offset, limit) = (number("offset", 0), number("limit", MOST_LISTED));
    let (Some(offset), Some(limit @ 1..=MOST_LISTED)) = (offset, limit) else {
        return Err(bad("SMN.0015", "Invalid offset or limit."));
    };
    let after = pair("marker").and_then(|marker| items.iter().position(|item| item[id] == marker));
    let from = after.map_or(offset, |at| at + 1);
    Ok(items.iter().skip(from).take(limit).cloned().collect())
}

fn done(rng: &mut fastrand::Rng) -> Response {
    json_value(StatusCode::OK, &json!({"request_id": hex(rng.u128(..))}))
}

fn hex(number: u128) -> String {
    format!("{number:032x}")
}

fn in_seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn now_text() -> String {
    in_seconds(clock::now())
}
