//! Key event notifications of v3: kept, checked, and published through their topic when a trace fits.
//!
//! No source shows what the cloud publishes for a trace; here it is the trace itself as v3 lists it, as soon as it
//! is recorded. Operations, users and filter must all fit: that is not documented either.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal, json_value},
    cts::refusal,
    smn::Content,
    tracker::text,
    tracker_v1::read_body,
    world::{self, Own, World, uuid},
};
use crate::clock;

mod filter;
mod wish;

use wish::Wish;

pub const QUOTA: usize = 100;
const SUBJECT: usize = 512;

type Shared = State<Arc<World>>;
type Pairs = Query<Vec<(String, String)>>;

pub struct Notification {
    id: String,
    create_time: i64,
    enabled: bool,
    wish: Wish,
}

impl Notification {
    fn value(&self, world: &World, at: usize) -> Value {
        let mut value = self.wish.value();
        value["notification_id"] = self.id.as_str().into();
        value["notification_type"] = "smn".into();
        value["status"] = if self.enabled { "enabled" } else { "disabled" }.into();
        value["project_id"] = world.projects[at].id.as_str().into();
        value["domain_id"] = world.domain_id().into();
        value["create_time"] = self.create_time.into();
        value
    }
}

impl world::State {
    /// Whom a new trace is told to, whether it can be listed yet or not.
    pub fn notify(&mut self, world: &World, at: usize, trace: &Value) {
        let fits = |known: &&Notification| known.enabled && known.wish.fits(trace);
        let fitting = self.cts[at].notifications.iter().filter(fits);
        let topics: Vec<String> = fitting.filter_map(|known| known.wish.topic.clone()).collect();
        for topic in topics {
            let word = |key: &str| trace[key].as_str().unwrap_or_default();
            let subject = format!("CTS key event: {} {}", word("service_type"), word("trace_name"));
            let subject = subject.chars().filter(|c| !c.is_control()).take(SUBJECT / 4).collect();
            // A topic that is gone by now hears nothing, as nobody is told by the cloud either.
            let _ = self.publish(world, &topic, Content::plain(subject, trace.to_string()));
        }
    }

    /// Whether anybody might be told.
    pub fn is_heard(&self, at: usize) -> bool {
        self.cts[at].notifications.iter().any(|known| known.enabled)
    }
}

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v3/{project}/notifications", post(create).put(update).delete(delete))
        .route("/v3/{project}/notifications/{kind}", get(list))
}

async fn create(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let at = world.authorise(&headers, &project)?;
    let done = (|| {
        let wish = Wish::read(&read_body(&body)?, None)?;
        let mut state = world.state();
        let known = &state.cts[at].notifications;
        if known.iter().any(|known| known.wish.name == wish.name) {
            return Err(refusal("CTS.0400"));
        }
        if known.len() >= QUOTA {
            return Err(refusal("CTS.0407"));
        }
        check_topic(&state, &wish)?;
        // It can only fire once it has a topic.
        let enabled = wish.topic.is_some();
        let id = uuid(&mut state.rng);
        let notification = Notification { id, create_time: clock::now().as_millisecond(), enabled, wish };
        let value = notification.value(&world, at);
        state.cts[at].notifications.push(notification);
        Ok(value)
    })();
    leave_trace(&world, at, "createNotification", &body, 201, &done);
    done.map(|value| json_value(StatusCode::CREATED, &value))
}

async fn update(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let at = world.authorise(&headers, &project)?;
    let mut name = "updateNotification";
    let done = (|| {
        let body = read_body(&body)?;
        let id = text(&body, "notification_id")?.unwrap_or_default();
        let enabled = match body["status"].as_str() {
            Some("enabled") => true,
            Some("disabled") => false,
            _ => return Err(refusal("CTS.0205")),
        };
        let mut state = world.state();
        let place = state.cts[at].notifications.iter().position(|known| known.id == id);
        let place = place.ok_or_else(|| refusal("CTS.0403"))?;
        let before = &state.cts[at].notifications[place];
        let wish = Wish::read(&body, Some(&before.wish))?;
        if state.cts[at].notifications.iter().any(|known| known.wish.name == wish.name && known.id != id) {
            return Err(refusal("CTS.0400"));
        }
        // What is enabled must be told its topic, however well it is known.
        if enabled && body["topic_id"].as_str().is_none_or(str::is_empty) {
            return Err(refusal("CTS.0404"));
        }
        check_topic(&state, &wish)?;
        let known = &mut state.cts[at].notifications[place];
        if known.enabled != enabled && known.wish.value() == wish.value() {
            name = "updateNotificationStatus";
        }
        (known.enabled, known.wish) = (enabled, wish);
        Ok(known.value(&world, at))
    })();
    leave_trace(&world, at, name, &body, 200, &done);
    done.map(|value| json_value(StatusCode::OK, &value))
}

async fn list(
    State(world): Shared,
    Path((project, kind)): Path<(String, String)>,
    headers: HeaderMap,
    Query(pairs): Pairs,
) -> Answer {
    let at = world.authorise(&headers, &project)?;
    if kind != "smn" {
        return Err(refusal("CTS.0410"));
    }
    let wanted = pairs.iter().find(|(key, name)| key == "notification_name" && !name.is_empty()).map(|(_, name)| name);
    let state = world.state();
    let known = state.cts[at].notifications.iter();
    let found = known.filter(|known| wanted.is_none_or(|name| *name == known.wish.name));
    let values: Vec<Value> = found.map(|known| known.value(&world, at)).collect();
    Ok(json_value(StatusCode::OK, &json!({"notifications": values})))
}

/// Takes ids joined by commas and the parameter repeated: clients send either.
async fn delete(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, Query(pairs): Pairs) -> Answer {
    let at = world.authorise(&headers, &project)?;
    let ids = pairs.iter().filter(|(key, _)| key == "notification_id");
    let ids: Vec<&str> = ids.flat_map(|(_, value)| value.split(',')).filter(|id| !id.is_empty()).collect();
    let mut state = world.state();
    let known = |id: &&str| state.cts[at].notifications.iter().any(|known| known.id == *id);
    if ids.is_empty() || !ids.iter().all(known) {
        drop(state);
        let gone = Err(refusal("CTS.0403"));
        leave_trace(&world, at, "deleteNotification", b"", 204, &gone);
        return gone.map(|_| StatusCode::NO_CONTENT.into_response());
    }
    let mut gone = Vec::new();
    state.cts[at].notifications.retain(|known| {
        let goes = ids.contains(&known.id.as_str());
        gone.extend(goes.then(|| known.value(&world, at)));
        !goes
    });
    drop(state);
    for value in gone {
        leave_trace(&world, at, "deleteNotification", b"", 204, &Ok(value));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn check_topic(state: &world::State, wish: &Wish) -> Result<(), Refusal> {
    match wish.topic.as_ref().is_none_or(|urn| state.smn.topic(urn).is_ok()) {
        true => Ok(()),
        false => Err(refusal("CTS.0402")),
    }
}

fn leave_trace(world: &World, at: usize, name: &str, request: &[u8], good: u16, done: &Result<Value, Refusal>) {
    let (code, response) = match done {
        Ok(_) => (good, String::new()),
        Err(refusal) => (refusal.status.as_u16(), refusal.text()),
    };
    let word = |key: &str| done.as_ref().ok().and_then(|value| value[key].as_str()).unwrap_or_default();
    world.record_own(&Own {
        at,
        service: "CTS",
        name,
        resource_type: "notification",
        resource_name: word("notification_name"),
        resource_id: word("notification_id"),
        api_version: "v3",
        code,
        request: &String::from_utf8_lossy(request),
        response: &response,
    });
}
