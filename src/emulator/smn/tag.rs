//! Tags of topics, in the form that tags of all services share.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    super::{
        answer::{Answer, Refusal, json_value},
        world::World,
    },
    Named, Shared, Smn, authorise, bad, forbidden, hex, name, read,
    topic::Topic,
};

const MOST: usize = 20;
const KEY: usize = 36;
const VALUE: usize = 43;

type Pair = (String, String);

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v2/{project}/smn_topic/tags", get(of_project))
        .route("/v2/{project}/smn_topic/{id}/tags", get(show).post(add))
        .route("/v2/{project}/smn_topic/{id}/tags/{key}", axum::routing::delete(delete))
        .route("/v2/{project}/smn_topic/{id}/tags/action", post(change))
        .route("/v2/{project}/smn_topic/resource_instances/action", post(tagged))
}

impl Smn {
    /// By id or URN: the documentation calls it the resource's id, clients hold the URN.
    fn tagged(&mut self, project: &str, id: &str) -> Result<&mut Topic, Refusal> {
        let found =
            self.topics.iter_mut().find(|topic| topic.project == project && (topic.id == id || topic.urn == id));
        found.ok_or_else(|| name::no_topic(id))
    }
}

fn list(tags: &[Pair]) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

fn pair(value: &Value) -> Result<Pair, Refusal> {
    let invalid = || bad("SMN.0038", "Invalid tag.");
    let key = value["key"].as_str().filter(|key| (1..=KEY).contains(&key.chars().count())).ok_or_else(invalid)?;
    let text = value["value"].as_str().unwrap_or_default();
    if text.chars().count() > VALUE || [key, text].iter().any(|text| text.contains(['=', '*', '<', '>', '\\', ','])) {
        return Err(invalid());
    }
    Ok((key.to_owned(), text.to_owned()))
}

fn put(tags: &mut Vec<Pair>, (key, value): Pair) -> Result<(), Refusal> {
    let full = tags.len() >= MOST;
    match tags.iter_mut().find(|(known, _)| *known == key) {
        Some((_, old)) => *old = value,
        None if full => return Err(forbidden("SMN.0075", "There are too many tags.")),
        None => tags.push((key, value)),
    }
    Ok(())
}

async fn show(State(world): Shared, Path((project, id)): Named, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let tags = list(&world.state().smn.tagged(&project, &id)?.tags);
    Ok(json_value(StatusCode::OK, &json!({"request_id": hex(1), "tags": tags})))
}

async fn add(State(world): Shared, Path((project, id)): Named, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let tag = pair(&read(&body, "SMN.0038")?["tag"])?;
    put(&mut world.state().smn.tagged(&project, &id)?.tags, tag)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn delete(
    State(world): Shared,
    Path((project, id, key)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    authorise(&world, &headers, &project)?;
    let mut state = world.state();
    let tags = &mut state.smn.tagged(&project, &id)?.tags;
    let before = tags.len();
    tags.retain(|(known, _)| *known != key);
    if tags.len() == before {
        return Err(super::not_found("SMN.0038", "The tag does not exist."));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn change(State(world): Shared, Path((project, id)): Named, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0038")?;
    let pairs = body["tags"].as_array().into_iter().flatten().map(pair).collect::<Result<Vec<_>, _>>()?;
    let mut state = world.state();
    let topic = state.smn.tagged(&project, &id)?;
    // All or none.
    let mut tags = topic.tags.clone();
    match body["action"].as_str() {
        Some("create") => pairs.into_iter().try_for_each(|pair| put(&mut tags, pair))?,
        Some("delete") => tags.retain(|(known, _)| !pairs.iter().any(|(key, _)| key == known)),
        _ => return Err(bad("SMN.0038", "action must be create or delete.")),
    }
    topic.tags = tags;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn of_project(State(world): Shared, Path(project): Path<String>, headers: HeaderMap) -> Answer {
    authorise(&world, &headers, &project)?;
    let state = world.state();
    let mut tags: Vec<(&str, Vec<&str>)> = Vec::new();
    for (key, value) in state.smn.topics.iter().filter(|topic| topic.project == project).flat_map(|topic| &topic.tags) {
        match tags.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) if values.contains(&value.as_str()) => {}
            Some((_, values)) => values.push(value),
            None => tags.push((key, vec![value])),
        }
    }
    let tags: Vec<Value> = tags.iter().map(|(key, values)| json!({"key": key, "values": values})).collect();
    Ok(json_value(StatusCode::OK, &json!({"request_id": hex(1), "tags": tags})))
}

/// The topics that have one of the values of each wanted key.
async fn tagged(State(world): Shared, Path(project): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    authorise(&world, &headers, &project)?;
    let body = read(&body, "SMN.0038")?;
    let wanted: Vec<&Value> = body["tags"].as_array().into_iter().flatten().collect();
    let fits = |topic: &&Topic| {
        wanted.iter().all(|wish| {
            let values: Vec<&str> = wish["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let good = |(key, value): &Pair| {
                wish["key"] == key.as_str() && (values.is_empty() || values.contains(&value.as_str()))
            };
            topic.tags.iter().any(good)
        })
    };
    let state = world.state();
    let found: Vec<&Topic> = state.smn.topics.iter().filter(|topic| topic.project == project).filter(fits).collect();
    if body["action"] == "count" {
        return Ok(json_value(StatusCode::OK, &json!({"request_id": hex(1), "total_count": found.len()})));
    }
    let resources: Vec<Value> = found
        .iter()
        .map(|topic| {
            json!({"resource_id": topic.id, "resource_name": topic.name(), "tags": list(&topic.tags),
            "resource_detail": {"topic_urn": topic.urn, "display_name": topic.display_name}})
        })
        .collect();
    let answer = json!({"request_id": hex(1), "total_count": resources.len(), "resources": resources});
    Ok(json_value(StatusCode::OK, &answer))
}
