//! Simple Message Notification: topics, subscriptions, templates and what was published.
//!
//! Nothing is sent to subscribers: what they would get is kept, to be read back. Where the documentation names
//! no code for a fault, the one of the field nearest to it is answered.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{delete, get, post},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal, json_value},
    world::World,
};
use crate::clock;

/// Of a message or a structure, in bytes.
const LONGEST: usize = 256 * 1024;
const SUBJECT: usize = 512;
const TAG_NAME: usize = 21;
const TAG_VALUE: usize = 1024;
const MOST_LISTED: usize = 100;

/// What was published, as SMN took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publication {
    pub topic_urn: String,
    pub message_id: String,
    pub subject: Option<String>,
    /// By protocol; `default` for those without a text of their own.
    pub texts: BTreeMap<String, String>,
    /// Of the template that wrote the texts.
    pub tags: BTreeMap<String, String>,
}

#[derive(Default)]
pub struct Smn {
    /// Oldest first, as everything here.
    topics: Vec<Topic>,
    subscriptions: Vec<Value>,
    templates: Vec<Template>,
    pub publications: Vec<Publication>,
}

struct Topic {
    urn: String,
    value: Value,
}

struct Template {
    name: String,
    protocol: String,
    content: String,
}

type Shared = State<Arc<World>>;
type Pairs = Query<Vec<(String, String)>>;

pub fn routes() -> Router<Arc<World>> {
    let below = |path: &str| format!("/smn/v2/{{project}}/notifications{path}");
    Router::new()
        .route(&below("/topics"), get(topics).post(create_topic))
        .route(&below("/topics/{urn}"), get(topic).put(update_topic).delete(delete_topic))
        .route(&below("/topics/{urn}/subscriptions"), get(subscriptions_of).post(subscribe))
        .route(&below("/topics/{urn}/publish"), post(publish))
        .route(&below("/subscriptions"), get(subscriptions))
        .route(&below("/subscriptions/{urn}"), delete(unsubscribe))
        .route(&below("/message_template"), post(create_template))
}

async fn create_topic(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0002")?;
    let name = body["name"].as_str().unwrap_or_default();
    if !word(name, 255) {
        return Err(Refusal::smn(StatusCode::BAD_REQUEST, "SMN.0002", "Invalid topic name."));
    }
    let display_name = body["display_name"].as_str().unwrap_or_default();
    if display_name.len() > 192 {
        return Err(Refusal::smn(StatusCode::BAD_REQUEST, "SMN.0003", "Invalid display name."));
    }
    let urn = format!("urn:smn:{}:{project}:{name}", world.settings.region);
    let mut state = world.state();
    let known = state.smn.topics.iter().any(|topic| topic.urn == urn);
    let (topic_id, request_id) = (hex(state.rng.u128(..)), hex(state.rng.u128(..)));
    if !known {
        let now = now();
        let value = json!({"topic_urn": urn, "name": name, "display_name": display_name, "push_policy": 0,
            "enterprise_project_id": "0", "topic_id": topic_id, "create_time": now, "update_time": now});
        state.smn.topics.push(Topic { urn: urn.clone(), value });
    }
    // The name says it all: a second creation is the first one.
    let status = if known { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json_value(status, &json!({"request_id": request_id, "topic_urn": urn})))
}

async fn topics(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    authorise(&world, &headers, &project)?;
    let state = world.state();
    let newest: Vec<&Value> = state.smn.topics.iter().rev().map(|topic| &topic.value).collect();
    let page = page(&newest, &pairs, "topic_urn")?;
    Ok(json_value(StatusCode::OK, &json!({"request_id": hex(1), "topic_count": newest.len(), "topics": page})))
}

type Named = Path<(String, String)>;

async fn topic(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let state = world.state();
    let mut value = state.smn.topic(&urn)?.value.clone();
    value["request_id"] = hex(1).into();
    Ok(json_value(StatusCode::OK, &value))
}

async fn update_topic(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0003")?;
    let mut state = world.state();
    state.smn.topic(&urn)?;
    for topic in state.smn.topics.iter_mut().filter(|topic| topic.urn == urn) {
        topic.value["display_name"] = body["display_name"].as_str().unwrap_or_default().into();
        topic.value["update_time"] = now().into();
    }
    Ok(done(&mut state.rng))
}

async fn delete_topic(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let mut state = world.state();
    state.smn.topic(&urn)?;
    state.smn.topics.retain(|topic| topic.urn != urn);
    state.smn.subscriptions.retain(|subscription| subscription["topic_urn"] != urn.as_str());
    Ok(done(&mut state.rng))
}

async fn subscribe(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0012")?;
    let mut state = world.state();
    state.smn.topic(&urn)?;
    let (protocol, endpoint) =
        (body["protocol"].as_str().unwrap_or_default(), body["endpoint"].as_str().unwrap_or_default());
    let good = match protocol {
        "email" => endpoint.contains('@'),
        "sms" => endpoint.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit()) && endpoint.len() > 5,
        "http" | "https" => endpoint.starts_with(&format!("{protocol}://")),
        "functionstage" => endpoint.starts_with("urn:"),
        _ => return Err(Refusal::smn(StatusCode::BAD_REQUEST, "SMN.0011", "Invalid protocol.")),
    };
    if !good {
        return Err(Refusal::smn(StatusCode::BAD_REQUEST, "SMN.0012", "Invalid endpoint."));
    }
    let same = |known: &&Value| {
        known["topic_urn"] == urn.as_str() && known["protocol"] == protocol && known["endpoint"] == endpoint
    };
    let known = state.smn.subscriptions.iter().find(same).cloned();
    let (status, subscription) = match known {
        Some(known) => (StatusCode::OK, known),
        None => {
            let subscription = json!({"topic_urn": urn, "protocol": protocol, "endpoint": endpoint, "owner": project,
                "subscription_urn": format!("{urn}:{}", hex(state.rng.u128(..))), "status": 0,
                "remark": body["remark"].as_str().unwrap_or_default()});
            state.smn.subscriptions.push(subscription.clone());
            (StatusCode::CREATED, subscription)
        }
    };
    let request_id = hex(state.rng.u128(..));
    let answer = json!({"request_id": request_id, "subscription_urn": subscription["subscription_urn"]});
    Ok(json_value(status, &answer))
}

async fn subscriptions(
    State(world): Shared,
    Path(project): Path<String>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Answer {
    authorise(&world, &headers, &project)?;
    list_subscriptions(&world, None, &pairs)
}

async fn subscriptions_of(
    State(world): Shared,
    Path((project, urn)): Named,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Answer {
    authorise(&world, &headers, &project)?;
    world.state().smn.topic(&urn)?;
    list_subscriptions(&world, Some(&urn), &pairs)
}

fn list_subscriptions(world: &World, urn: Option<&str>, pairs: &[(String, String)]) -> Answer {
    let state = world.state();
    let found: Vec<&Value> = state
        .smn
        .subscriptions
        .iter()
        .filter(|subscription| urn.is_none_or(|urn| subscription["topic_urn"] == urn))
        .collect();
    let page = page(&found, pairs, "subscription_urn")?;
    let answer = json!({"request_id": hex(1), "subscription_count": found.len(), "subscriptions": page});
    Ok(json_value(StatusCode::OK, &answer))
}

async fn unsubscribe(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let mut state = world.state();
    let before = state.smn.subscriptions.len();
    state.smn.subscriptions.retain(|subscription| subscription["subscription_urn"] != urn.as_str());
    if state.smn.subscriptions.len() == before {
        return Err(Refusal::smn(StatusCode::NOT_FOUND, "SMN.0013", "Subscription not found."));
    }
    Ok(done(&mut state.rng))
}

async fn create_template(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0024")?;
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let (name, content) = (text("message_template_name"), text("content"));
    if !word(&name, 64) {
        return Err(Refusal::smn(StatusCode::BAD_REQUEST, "SMN.0032", "Invalid template name."));
    }
    if content.is_empty() || content.len() > LONGEST {
        return Err(Refusal::smn(StatusCode::BAD_REQUEST, "SMN.0024", "Invalid template content."));
    }
    let protocol = Some(text("protocol")).filter(|protocol| !protocol.is_empty()).unwrap_or("default".to_owned());
    let mut state = world.state();
    if state.smn.templates.iter().any(|known| known.name == name && known.protocol == protocol) {
        return Err(Refusal::smn(StatusCode::BAD_REQUEST, "SMN.0025", "The template exists."));
    }
    state.smn.templates.push(Template { name, protocol, content });
    let (request_id, id) = (hex(state.rng.u128(..)), hex(state.rng.u128(..)));
    Ok(json_value(StatusCode::CREATED, &json!({"request_id": request_id, "message_template_id": id})))
}

async fn publish(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0009")?;
    let mut state = world.state();
    state.smn.topic(&urn)?;
    let subject = subject(&body["subject"])?;
    let (texts, tags) = state.smn.texts(&body)?;
    let (request_id, message_id) = (hex(state.rng.u128(..)), hex(state.rng.u128(..)));
    let answer = json!({"request_id": request_id, "message_id": message_id});
    state.smn.publications.push(Publication { topic_urn: urn, message_id, subject, texts, tags });
    Ok(json_value(StatusCode::OK, &answer))
}

type Texts = BTreeMap<String, String>;

impl Smn {
    fn topic(&self, urn: &str) -> Result<&Topic, Refusal> {
        // What is no URN at all is looked for by name, as clients do: it is not there.
        let found = self.topics.iter().find(|topic| topic.urn == urn);
        found.ok_or_else(|| Refusal::smn(StatusCode::NOT_FOUND, "SMN.0006", "Topic not found."))
    }

    /// What subscribers get, and from which tags.
    fn texts(&self, body: &Value) -> Result<(Texts, Texts), Refusal> {
        if !body["message_structure"].is_null() {
            return Ok((structure(&body["message_structure"])?, Texts::new()));
        }
        if !body["message_template_name"].is_null() {
            let tags = tags(&body["tags"])?;
            return Ok((self.written(body["message_template_name"].as_str().unwrap_or_default(), &tags)?, tags));
        }
        let text = body["message"].as_str().filter(|text| !text.is_empty() && text.len() <= LONGEST);
        let text = text.ok_or_else(|| Refusal::smn(StatusCode::FORBIDDEN, "SMN.0009", "Invalid message."))?;
        Ok((Texts::from([("default".to_owned(), text.to_owned())]), Texts::new()))
    }

    /// Holes without a tag stay as they are; the documentation does not say.
    fn written(&self, name: &str, tags: &Texts) -> Result<Texts, Refusal> {
        let filled = |content: &str| {
            tags.iter().fold(content.to_owned(), |text, (tag, value)| text.replace(&format!("{{{tag}}}"), value))
        };
        let of_name = self.templates.iter().filter(|template| template.name == name);
        let texts: Texts = of_name.map(|template| (template.protocol.clone(), filled(&template.content))).collect();
        if !texts.contains_key("default") {
            return Err(Refusal::smn(StatusCode::NOT_FOUND, "SMN.0076", "Default template not found."));
        }
        Ok(texts)
    }
}

fn subject(value: &Value) -> Result<Option<String>, Refusal> {
    let invalid = || Refusal::smn(StatusCode::FORBIDDEN, "SMN.0008", "Invalid subject.");
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.len() <= SUBJECT && !text.contains(|c: char| c.is_control()) => {
            Ok(Some(text.clone()).filter(|text| !text.is_empty()))
        }
        _ => Err(invalid()),
    }
}

fn structure(value: &Value) -> Result<Texts, Refusal> {
    const PROTOCOLS: [&str; 6] = ["default", "email", "sms", "http", "https", "functionstage"];
    let texts: Option<Texts> =
        value.as_str().filter(|text| text.len() <= LONGEST).and_then(|text| serde_json::from_str(text).ok());
    texts
        .filter(|texts| texts.contains_key("default") && texts.keys().all(|key| PROTOCOLS.contains(&key.as_str())))
        .ok_or_else(|| Refusal::smn(StatusCode::BAD_REQUEST, "SMN.0021", "Invalid message structure."))
}

fn tags(value: &Value) -> Result<Texts, Refusal> {
    let invalid = || Refusal::smn(StatusCode::BAD_REQUEST, "SMN.0038", "Invalid tag.");
    if value.is_null() {
        return Ok(Texts::new());
    }
    let tags: Texts = serde_json::from_value(value.clone()).map_err(|_| invalid())?;
    let good = |(name, value): (&String, &String)| {
        (1..=TAG_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            && value.len() <= TAG_VALUE
    };
    if tags.iter().all(good) { Ok(tags) } else { Err(invalid()) }
}

/// Whose token it is; SMN has its own words for what it does not permit.
fn authorise(world: &World, headers: &HeaderMap, project: &str) -> Result<(), Refusal> {
    world.authorise(headers, project).map(drop).map_err(|refusal| match refusal.status {
        StatusCode::FORBIDDEN => Refusal::smn(StatusCode::FORBIDDEN, "SMN.0001", "You do not have the permission."),
        _ => refusal,
    })
}

fn read(body: &[u8], code: &str) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|_| Refusal::smn(StatusCode::BAD_REQUEST, code, "The request body is not valid JSON."))
}

/// `offset` and `limit` as documented, and `marker`, which the SDK sends and expects to work.
fn page<'a>(items: &[&'a Value], pairs: &[(String, String)], urn: &str) -> Result<Vec<&'a Value>, Refusal> {
    let pair = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let number = |name: &str, default: usize| pair(name).map_or(Some(default), |text| text.parse().ok());
    let (offset, limit) = (number("offset", 0), number("limit", MOST_LISTED));
    let (Some(offset), Some(limit @ 1..=MOST_LISTED)) = (offset, limit) else {
        return Err(Refusal::smn(StatusCode::BAD_REQUEST, "SMN.0015", "Invalid offset or limit."));
    };
    let after = pair("marker").and_then(|marker| items.iter().position(|item| item[urn] == marker));
    let from = after.map_or(offset, |at| at + 1);
    Ok(items.iter().skip(from).take(limit).copied().collect())
}

fn word(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

fn done(rng: &mut fastrand::Rng) -> Response {
    json_value(StatusCode::OK, &json!({"request_id": hex(rng.u128(..))}))
}

fn hex(number: u128) -> String {
    format!("{number:032x}")
}

fn now() -> String {
    clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
