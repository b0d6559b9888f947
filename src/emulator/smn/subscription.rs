//! Subscriptions: who is to hear a topic, and whether they agreed.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    routing::{delete, get},
};
use serde_json::{Value, json};
use url::{Host, Url};

use super::{
    super::{
        answer::{Answer, Refusal, json_value},
        world::World,
    },
    Named, Pairs, Shared, Smn, authorise, bad, done, forbidden, hex, name, optional, page, read,
};

const BATCH: usize = 50;
const REMARK: usize = 128;

#[derive(Debug, Clone)]
pub struct Subscription {
    pub urn: String,
    pub topic_urn: String,
    pub protocol: String,
    pub endpoint: String,
    pub remark: String,
    /// The project of the topic.
    pub owner: String,
    pub status: Status,
    /// Sent along with every message.
    pub headers: Vec<(String, String)>,
}

/// The numbers are SMN's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Unconfirmed = 0,
    Confirmed = 1,
    Cancelled = 3,
}

impl Subscription {
    pub fn is_of_http(&self) -> bool {
        self.protocol.starts_with("http")
    }

    fn value(&self) -> Value {
        json!({"topic_urn": self.topic_urn, "protocol": self.protocol, "subscription_urn": self.urn,
            "owner": self.owner, "endpoint": self.endpoint, "remark": self.remark, "status": self.status as u8})
    }
}

impl Smn {
    pub fn subscription(&mut self, urn: &str) -> Result<&mut Subscription, Refusal> {
        let found = self.subscriptions.iter_mut().find(|subscription| subscription.urn == urn);
        found.ok_or_else(|| name::no_subscription(urn))
    }
}

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v2/{project}/notifications/topics/{urn}/subscriptions", get(of_topic).post(subscribe))
        .route("/v2/{project}/notifications/subscriptions", get(list))
        .route("/v2/{project}/notifications/subscriptions/{urn}", delete(unsubscribe))
}

async fn subscribe(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0012")?;
    let wishes = match &body["subscriptions"] {
        Value::Array(batch) if batch.len() > BATCH => {
            return Err(forbidden("SMN.0078", "At most 50 subscriptions can be added at once."));
        }
        Value::Array(batch) if !batch.is_empty() => Some(batch.iter().map(Wish::read).collect::<Result<Vec<_>, _>>()?),
        _ => None,
    };
    let mut state = world.state();
    state.smn.topic_of(&project, &urn)?;
    let request_id = hex(state.rng.u128(..));
    let Some(wishes) = wishes else {
        let (status, subscription) = take(&world, &mut state, &project, &urn, Wish::read(&body)?)?;
        let mut answer = json!({"request_id": request_id, "subscription_urn": subscription.urn});
        if status == StatusCode::OK {
            answer["code"] = "SMN.0190".into();
            answer["message"] = "The subscription endpoint already exists.".into();
        }
        return Ok(json_value(status, &answer));
    };
    let mut results = Vec::new();
    for wish in wishes {
        let (_, Subscription { protocol, endpoint, remark, urn, .. }) = take(&world, &mut state, &project, &urn, wish)?;
        results.push(json!({"protocol": protocol, "endpoint": endpoint, "remark": remark, "subscription_urn": urn}));
    }
    Ok(json_value(StatusCode::CREATED, &json!({"request_id": request_id, "subscriptions_result": results})))
}

/// Whoever has not confirmed is invited, again if need be.
fn take(
    world: &World,
    state: &mut super::super::world::State,
    project: &str,
    topic_urn: &str,
    wish: Wish,
) -> Result<(StatusCode, Subscription), Refusal> {
    let same = |known: &&Subscription| {
        known.topic_urn == topic_urn && known.protocol == wish.protocol && known.endpoint == wish.endpoint
    };
    let known = state.smn.subscriptions.iter().find(same).cloned();
    let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let subscription = match known {
        Some(known) => known,
        None => {
            if state.smn.subscriptions.iter().filter(|known| known.topic_urn == topic_urn).count()
                >= world.settings.smn.most_subscriptions
            {
                return Err(forbidden("SMN.0007", "The number of subscriptions has reached the limit."));
            }
            let subscription = Subscription {
                urn: format!("{topic_urn}:{}", hex(state.rng.u128(..))),
                topic_urn: topic_urn.to_owned(),
                protocol: wish.protocol,
                endpoint: wish.endpoint,
                remark: wish.remark,
                owner: project.to_owned(),
                status: Status::Unconfirmed,
                headers: wish.headers,
            };
            state.smn.subscriptions.push(subscription.clone());
            subscription
        }
    };
    if subscription.status != Status::Confirmed {
        state.invite(world, &subscription)?;
    }
    Ok((status, subscription))
}

/// What somebody asks to subscribe.
struct Wish {
    protocol: String,
    endpoint: String,
    remark: String,
    headers: Vec<(String, String)>,
}

impl Wish {
    fn read(body: &Value) -> Result<Self, Refusal> {
        let (protocol, endpoint) = (optional(body, "protocol", "SMN.0011")?, optional(body, "endpoint", "SMN.0012")?);
        let digits = |text: &str| text.len() > 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        let good = match protocol.as_str() {
            "email" => endpoint.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')),
            "sms" => digits(endpoint.trim_start_matches('+')),
            "http" | "https" => is_address(&protocol, &endpoint)?,
            "functionstage" => endpoint.starts_with("urn:"),
            _ => return Err(bad("SMN.0011", "Invalid protocol.")),
        };
        if !good {
            return Err(bad("SMN.0012", "Invalid endpoint."));
        }
        let remark = optional(body, "remark", "SMN.0017")?;
        if remark.len() > REMARK {
            return Err(bad("SMN.0017", "Invalid remark."));
        }
        // No code is documented for headers; they belong to the endpoint.
        let headers =
            name::headers(&body["extension"]["header"]).ok_or_else(|| bad("SMN.0012", "Invalid extension header."))?;
        Ok(Self { protocol, endpoint, remark, headers })
    }
}

/// Public addresses, as with SMN, and loopback, since the emulator is on it.
fn is_address(scheme: &str, endpoint: &str) -> Result<bool, Refusal> {
    let Ok(url) = Url::parse(endpoint) else { return Ok(false) };
    let address: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) => None,
        None => return Ok(false),
    };
    let internal = address.is_some_and(|address| match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
    });
    if internal {
        return Err(forbidden("SMN.0069", "Internal endpoints are not allowed."));
    }
    Ok(url.scheme() == scheme)
}

async fn list(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    authorise(&world, &headers, &project)?;
    listed(&world, &project, None, &pairs)
}

async fn of_topic(
    State(world): Shared,
    Path((project, urn)): Named,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Answer {
    authorise(&world, &headers, &project)?;
    world.state().smn.topic_of(&project, &urn)?;
    listed(&world, &project, Some(&urn), &pairs)
}

fn listed(world: &World, project: &str, urn: Option<&str>, pairs: &[(String, String)]) -> Answer {
    let state = world.state();
    let own = state.smn.subscriptions.iter().filter(|subscription| subscription.owner == project);
    let found = own.filter(|subscription| urn.is_none_or(|urn| subscription.topic_urn == urn));
    let found: Vec<Value> = found.map(Subscription::value).collect();
    let page = page(&found, pairs, "subscription_urn")?;
    let answer = json!({"request_id": hex(1), "subscription_count": found.len(), "subscriptions": page});
    Ok(json_value(StatusCode::OK, &answer))
}

async fn unsubscribe(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let mut state = world.state();
    let found = state.smn.subscription(&urn)?;
    if found.owner != project {
        return Err(name::no_subscription(&urn));
    }
    state.smn.subscriptions.retain(|subscription| subscription.urn != urn);
    Ok(done(&mut state.rng))
}
