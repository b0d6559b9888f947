//! Topics: created once per name, listed newest first.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use serde_json::{Value, json};

use super::{
    super::{
        answer::{Answer, Refusal, json_value},
        world::World,
    },
    Named, Pairs, Shared, Smn, authorise, bad, done, forbidden, hex, name, now_text, optional, page, read,
};

const DISPLAY_NAME: usize = 192;

pub struct Topic {
    pub urn: String,
    pub project: String,
    pub id: String,
    pub display_name: String,
    /// Nobody waits for a message that fails once.
    pub drop_at_once: bool,
    pub access_policy: Option<String>,
    pub introduction: Option<String>,
    pub tags: Vec<(String, String)>,
    name: String,
    create_time: String,
    update_time: String,
}

impl Topic {
    fn value(&self) -> Value {
        json!({"topic_urn": self.urn, "name": self.name, "display_name": self.display_name,
            "push_policy": u8::from(self.drop_at_once), "enterprise_project_id": "0", "topic_id": self.id,
            "create_time": self.create_time, "update_time": self.update_time})
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn touch(&mut self) {
        self.update_time = now_text();
    }
}

impl Smn {
    pub fn topic(&self, urn: &str) -> Result<&Topic, Refusal> {
        self.topics.iter().find(|topic| topic.urn == urn).ok_or_else(|| name::no_topic(urn))
    }

    /// `push_policy`: whether what fails once is dropped, in place of being queued.
    pub fn drop_at_once(&mut self, urn: &str, drops: bool) -> Result<(), Refusal> {
        let found = self.topics.iter_mut().find(|topic| topic.urn == urn);
        found.ok_or_else(|| name::no_topic(urn))?.drop_at_once = drops;
        Ok(())
    }

    /// Of a project: another's topics are nobody's here.
    pub fn topic_of(&mut self, project: &str, urn: &str) -> Result<&mut Topic, Refusal> {
        let found = self.topics.iter_mut().find(|topic| topic.urn == urn && topic.project == project);
        found.ok_or_else(|| name::no_topic(urn))
    }
}

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v2/{project}/notifications/topics", get(list).post(create))
        .route("/v2/{project}/notifications/topics/{urn}", get(show).put(update).delete(delete))
}

async fn create(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0002")?;
    let name = optional(&body, "name", "SMN.0002")?;
    if !name::is_word(&name, 255) {
        return Err(bad("SMN.0002", "Invalid topic name."));
    }
    let display_name = display_name(&body)?;
    let urn = format!("urn:smn:{}:{project}:{name}", world.settings.region);
    let mut state = world.state();
    let known = state.smn.topics.iter().any(|topic| topic.urn == urn);
    let (id, request_id) = (hex(state.rng.u128(..)), hex(state.rng.u128(..)));
    if !known {
        if state.smn.topics.iter().filter(|topic| topic.project == project).count() >= world.settings.smn.most_topics {
            return Err(forbidden("SMN.0004", "The number of topics has reached the limit."));
        }
        let now = now_text();
        state.smn.topics.push(Topic {
            urn: urn.clone(),
            project,
            id,
            display_name,
            drop_at_once: false,
            access_policy: None,
            introduction: None,
            tags: Vec::new(),
            name,
            create_time: now.clone(),
            update_time: now,
        });
    }
    // The name says it all: a second creation is the first one.
    let status = if known { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json_value(status, &json!({"request_id": request_id, "topic_urn": urn})))
}

async fn list(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    authorise(&world, &headers, &project)?;
    let wanted = pairs.iter().find(|(key, value)| key == "topic_id" && !value.is_empty()).map(|(_, id)| id);
    let state = world.state();
    let own = || state.smn.topics.iter().rev().filter(|topic| topic.project == project);
    // The count is always of the whole account.
    let count = own().count();
    let found: Vec<Value> = own().filter(|topic| wanted.is_none_or(|id| *id == topic.id)).map(Topic::value).collect();
    let topics = page(&found, &pairs, "topic_urn")?;
    Ok(json_value(StatusCode::OK, &json!({"request_id": hex(1), "topic_count": count, "topics": topics})))
}

async fn show(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let mut value = world.state().smn.topic_of(&project, &urn)?.value();
    value["request_id"] = hex(1).into();
    Ok(json_value(StatusCode::OK, &value))
}

async fn update(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0003")?;
    let display_name = display_name(&body)?;
    let mut state = world.state();
    let topic = state.smn.topic_of(&project, &urn)?;
    topic.display_name = display_name;
    topic.touch();
    Ok(done(&mut state.rng))
}

async fn delete(State(world): Shared, Path((project, urn)): Named, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let mut state = world.state();
    state.smn.topic_of(&project, &urn)?;
    state.smn.topics.retain(|topic| topic.urn != urn);
    // What is on its way is lost: a delivery looks for its subscription before each attempt.
    state.smn.subscriptions.retain(|subscription| subscription.topic_urn != urn);
    Ok(done(&mut state.rng))
}

fn display_name(body: &Value) -> Result<String, Refusal> {
    let text = optional(body, "display_name", "SMN.0003")?;
    match text.len() {
        0..=DISPLAY_NAME => Ok(text),
        _ => Err(bad("SMN.0003", "Invalid display name.")),
    }
}
