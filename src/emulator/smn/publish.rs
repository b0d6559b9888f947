//! Publishing: which text each subscriber gets, and handing it to the courier.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    super::{
        answer::{Answer, Refusal, json_value},
        world::{self, World},
    },
    Named, Shared, Smn, authorise, bad,
    delivery::Job,
    forbidden, hex, in_seconds,
    letter::{Kind, Letter},
    name, read,
    subscription::{Status, Subscription},
};
use crate::clock;

/// Of a message or a structure, in bytes.
const LONGEST: usize = 256 * 1024;
/// In bytes; the documentation says characters in one place and bytes in another.
const SUBJECT: usize = 512;
const TAG_VALUE: usize = 1024;
/// As many as a template can have placeholders.
const TAGS: usize = 90;
const TIME_TO_LIVE: u64 = 3600;
const LONGEST_LIFE: u64 = 604_800;

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

pub type Texts = BTreeMap<String, String>;

/// What somebody asks to publish.
pub struct Content {
    pub subject: Option<String>,
    pub texts: Texts,
    pub tags: Texts,
    pub time_to_live: Duration,
}

impl Content {
    /// One text for everybody, as the cloud's own services publish.
    pub fn plain(subject: String, message: String) -> Self {
        Self {
            subject: Some(subject),
            texts: Texts::from([("default".to_owned(), message)]),
            tags: Texts::new(),
            time_to_live: Duration::from_secs(TIME_TO_LIVE),
        }
    }
}

pub fn routes() -> Router<Arc<World>> {
    Router::new().route("/v2/{project}/notifications/topics/{urn}/publish", post(publish))
}

async fn publish(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0009")?;
    let mut state = world.state();
    state.smn.topic_of(&project, &urn)?;
    let subject = subject(&body["subject"])?;
    let time_to_live = time_to_live(&body["time_to_live"])?;
    let (texts, tags) = state.smn.texts(&project, &body)?;
    let request_id = hex(state.rng.u128(..));
    let message_id = state.publish(&world, &urn, Content { subject, texts, tags, time_to_live })?;
    Ok(json_value(StatusCode::OK, &json!({"request_id": request_id, "message_id": message_id})))
}

impl world::State {
    /// To every subscriber that confirmed; the answer is the message's id.
    pub fn publish(&mut self, world: &World, urn: &str, content: Content) -> Result<String, Refusal> {
        let drop_at_once = self.smn.topic(urn)?.drop_at_once;
        let message_id = hex(self.rng.u128(..));
        let now = clock::now();
        let expires = clock::plus(now, content.time_to_live);
        let confirmed = |one: &&Subscription| one.topic_urn == urn && one.status == Status::Confirmed;
        let subscribers: Vec<Subscription> = self.smn.subscriptions.iter().filter(confirmed).cloned().collect();
        for subscriber in subscribers {
            let text = content.texts.get(&subscriber.protocol).or_else(|| content.texts.get("default"));
            let region = &world.settings.region;
            let letter = Letter {
                kind: Kind::Notification,
                message_id: message_id.clone(),
                topic_urn: urn.to_owned(),
                subject: content.subject.clone(),
                message: text.cloned().unwrap_or_default(),
                timestamp: in_seconds(now),
                link: format!(
                    "{}/smn/subscription/unsubscribe?region={region}&region_id={region}&subscription_urn={}",
                    world.smn_site(),
                    subscriber.urn
                ),
                certificate_url: world.smn_certificate_url(),
            };
            self.smn.post(Job { letter, expires, drop_at_once, number: 0 }, &subscriber);
        }
        let Content { subject, texts, tags, .. } = content;
        let publication =
            Publication { topic_urn: urn.to_owned(), message_id: message_id.clone(), subject, texts, tags };
        self.smn.publications.push(publication);
        Ok(message_id)
    }
}

impl Smn {
    /// What subscribers get, and from which tags: a structure goes before a template, a template before a text.
    fn texts(&self, project: &str, body: &Value) -> Result<(Texts, Texts), Refusal> {
        if !body["message_structure"].is_null() {
            return Ok((structure(&body["message_structure"])?, Texts::new()));
        }
        if !body["message_template_name"].is_null() {
            let tags = tags(&body["tags"])?;
            let name = body["message_template_name"].as_str().unwrap_or_default();
            return Ok((self.written(project, name, &tags)?, tags));
        }
        let text = body["message"].as_str().filter(|text| !text.is_empty() && text.len() <= LONGEST);
        let text = text.ok_or_else(|| forbidden("SMN.0009", "Invalid message."))?;
        Ok((Texts::from([("default".to_owned(), text.to_owned())]), Texts::new()))
    }
}

fn subject(value: &Value) -> Result<Option<String>, Refusal> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.len() <= SUBJECT && !text.contains(|c: char| c.is_control()) => {
            Ok(Some(text.clone()).filter(|text| !text.is_empty()))
        }
        _ => Err(forbidden("SMN.0008", "Invalid subject.")),
    }
}

/// A text of digits; some clients send a number.
fn time_to_live(value: &Value) -> Result<Duration, Refusal> {
    let seconds = match value {
        Value::Null => Some(TIME_TO_LIVE),
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let seconds = seconds.filter(|seconds| (1..=LONGEST_LIFE).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| forbidden("SMN.0009", "Invalid time to live."))
}

fn structure(value: &Value) -> Result<Texts, Refusal> {
    const PROTOCOLS: [&str; 6] = ["default", "email", "sms", "http", "https", "functionstage"];
    let texts: Option<Texts> =
        value.as_str().filter(|text| text.len() <= LONGEST).and_then(|text| serde_json::from_str(text).ok());
    texts
        .filter(|texts| texts.contains_key("default") && texts.keys().all(|key| PROTOCOLS.contains(&key.as_str())))
        .ok_or_else(|| bad("SMN.0021", "Invalid message structure."))
}

fn tags(value: &Value) -> Result<Texts, Refusal> {
    let invalid = || bad("SMN.0038", "Invalid tag.");
    if value.is_null() {
        return Ok(Texts::new());
    }
    let tags: Texts = serde_json::from_value(value.clone()).map_err(|_| invalid())?;
    if tags.len() > TAGS {
        return Err(forbidden("SMN.0075", "There are too many tags."));
    }
    let good = |(tag, value): (&String, &String)| name::is_tag(tag) && value.len() <= TAG_VALUE;
    if tags.iter().all(good) { Ok(tags) } else { Err(invalid()) }
}
