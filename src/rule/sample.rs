//! Partial traces: what a case says of a trace, by field names, and the rest filled in.

use crate::{
    clock::Timestamp,
    document::{self, Level, Node, Value, Walk},
    trace::{Field, Outcome, Rating, Trace},
};

use super::{compile::scalar, template};

mod fill;
mod variants;

pub use fill::START;

/// A trace with nothing in it but what every trace has. It succeeded: a case
/// that means a failure says so.
pub fn blank_trace() -> Trace {
    Trace::blank("case", START)
}

/// Reads partial traces: a list in one stands for a trace each. Never empty.
pub fn read_each(walk: &Walk<'_>) -> Option<Vec<Trace>> {
    let nodes = variants::of(walk.node);
    let traces: Vec<Option<Trace>> = nodes.iter().map(|node| read(&Walk { node, ..walk.clone() })).collect();
    traces.into_iter().collect()
}

/// Reads a partial trace: `actor.name: alice` or `actor: { name: alice }`. Once its
/// operation is known, what it leaves out is filled in; `null` keeps a field out.
pub fn read(walk: &Walk<'_>) -> Option<Trace> {
    read_but(walk, &[])
}

/// [`read`], leaving keys to the caller.
pub fn read_but(walk: &Walk<'_>, others: &[&str]) -> Option<Trace> {
    let mut trace = blank_trace();
    if let Some(Value::Text(operation)) = given(walk, Field::Operation) {
        let service = match given(walk, Field::Service) {
            Some(Value::Text(service)) => service,
            _ => "",
        };
        fill::fill(&mut trace, service, operation);
        // Of a resource that the case speaks of, it says all there is.
        let resource = walk.node.get("resource");
        let named = |name: &str, field| given(walk, field).is_some() || resource.and_then(|of| of.get(name)).is_some();
        if named("name", Field::ResourceName) || named("id", Field::ResourceId) {
            (trace.resource.name, trace.resource.id) = (None, None);
        }
    }
    let mut bodies = [serde_json::Value::Null, serde_json::Value::Null];
    let good = take(walk, "", others, &mut trace, &mut bodies)?;
    // What stands for success does not stay beside a failure.
    if trace.outcome() != Outcome::Succeeded && given(walk, Field::Code).is_none() {
        trace.code = None;
    }
    let [request, response] = bodies;
    for (slot, body) in [(&mut trace.request, request), (&mut trace.response, response)] {
        if !body.is_null() {
            *slot = Some(body.to_string());
        }
    }
    good.then_some(trace)
}

/// What the map says of a field at its top, under any of its names.
fn given<'a>(walk: &Walk<'a>, field: Field) -> Option<&'a Value> {
    let Value::Map(entries) = &walk.node.value else { return None };
    let named = |(key, value): &'a (Node, Node)| match &key.value {
        Value::Text(name) if Field::parse(name).as_ref() == Some(&field) => Some(&value.value),
        _ => None,
    };
    entries.iter().find_map(named)
}

/// False if something was reported.
fn take(
    walk: &Walk<'_>,
    prefix: &str,
    others: &[&str],
    trace: &mut Trace,
    bodies: &mut [serde_json::Value; 2],
) -> Option<bool> {
    let mut good = true;
    for (key, key_node, at) in walk.entries()? {
        if others.contains(&key) {
            continue;
        }
        let name = format!("{prefix}{key}");
        match Field::parse(&name) {
            Some(field) => good &= set(&at, field, trace, bodies).is_some(),
            None if matches!(at.node.value, Value::Map(_)) => {
                good &= take(&at, &format!("{name}."), &[], trace, bodies).unwrap_or(false);
            }
            None => {
                let near =
                    document::did_you_mean(&name, others.iter().copied()).or_else(|| template::nearest_field(&name));
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                walk.report(Level::Error, key_node.span, format!("`{name}` is not a field of a trace"), hint);
                good = false;
            }
        }
    }
    Some(good)
}

fn set(walk: &Walk<'_>, field: Field, trace: &mut Trace, bodies: &mut [serde_json::Value; 2]) -> Option<()> {
    let body = match &field {
        Field::Request(path) => Some((path, &mut bodies[0], &mut trace.request)),
        Field::Response(path) => Some((path, &mut bodies[1], &mut trace.response)),
        _ => None,
    };
    if let Some((path, body, text)) = body {
        match (&walk.node.value, path.is_empty()) {
            (Value::Text(whole), true) => *text = Some(whole.clone()),
            (_, true) => *body = json(walk.node),
            (_, false) => put(body, path, json(walk.node)),
        }
        return Some(());
    }
    if walk.node.value == Value::Null {
        return remove(walk, &field, trace);
    }
    let value = scalar(walk)?;
    let some = |value: String| Some(value);
    match field {
        Field::Rating => trace.rating = Rating::parse(&value),
        Field::Service => trace.service = value,
        Field::Operation => trace.operation = value,
        Field::Outcome => trace.rating = outcome(walk, &value)?,
        Field::Origin => {
            trace.trace_type = some(match value.as_str() {
                "console" => "ConsoleAction".into(),
                "api" => "ApiCall".into(),
                "system" => "SystemAction".into(),
                _ => value,
            });
        }
        Field::Code => trace.code = some(value),
        Field::TraceType => trace.trace_type = some(value),
        Field::ApiVersion => trace.api_version = some(value),
        Field::ActorName => trace.actor.name = some(value),
        Field::ActorId => trace.actor.id = some(value),
        Field::ActorDomain => trace.actor.domain = some(value),
        Field::ResourceType => trace.resource.kind = some(value),
        Field::ResourceName => trace.resource.name = some(value),
        Field::ResourceId => trace.resource.id = some(value),
        Field::SourceIp => trace.source_ip = some(value),
        Field::ProjectId => trace.project_id = some(value),
        Field::ProjectName => trace.project_name = some(value),
        Field::Region => trace.region = some(value),
        Field::Time => trace.time = time(walk, &value)?,
        Field::RecordTime => trace.record_time = time(walk, &value)?,
        Field::TraceId => trace.id = value,
        Field::Message => trace.message = some(value),
        Field::Action => {
            walk.fail_hint("`action` is derived", "give the `operation` it is read from");
            return None;
        }
        Field::ActorKind => {
            let hint = "give `actor.name` and `actor.domain`: the account owner carries the account's name";
            walk.fail_hint("`actor.kind` is derived", hint);
            return None;
        }
        Field::SourceNetwork => {
            walk.fail_hint("`source_network` is derived", "give the `source_ip` it is read from");
            return None;
        }
        Field::TimeHour | Field::TimeWeekday => {
            walk.fail_hint(format!("`{}` is derived", field.name()), "give the `time` it is read from");
            return None;
        }
        Field::Request(_) | Field::Response(_) => {}
    }
    Some(())
}

/// The trace without a field that it was filled with.
fn remove(walk: &Walk<'_>, field: &Field, trace: &mut Trace) -> Option<()> {
    let slot = match field {
        Field::Code => &mut trace.code,
        Field::Origin | Field::TraceType => &mut trace.trace_type,
        Field::ApiVersion => &mut trace.api_version,
        Field::ActorName => &mut trace.actor.name,
        Field::ActorId => &mut trace.actor.id,
        Field::ActorDomain => &mut trace.actor.domain,
        Field::ResourceType => &mut trace.resource.kind,
        Field::ResourceName => &mut trace.resource.name,
        Field::ResourceId => &mut trace.resource.id,
        Field::SourceIp => &mut trace.source_ip,
        Field::ProjectId => &mut trace.project_id,
        Field::ProjectName => &mut trace.project_name,
        Field::Region => &mut trace.region,
        Field::Message => &mut trace.message,
        _ => {
            walk.fail_hint(format!("`{}` is never missing", field.name()), "leave the key out, or give it a value");
            return None;
        }
    };
    *slot = None;
    Some(())
}

fn outcome(walk: &Walk<'_>, word: &str) -> Option<Rating> {
    let known = [
        (Outcome::Succeeded, Rating::Normal),
        (Outcome::Failed, Rating::Warning),
        (Outcome::Incident, Rating::Incident),
    ];
    let found = known.into_iter().find(|(outcome, _)| outcome.as_str() == word);
    if found.is_none() {
        walk.fail(format!("expected `succeeded`, `failed` or `incident`, found `{word}`"));
    }
    found.map(|(_, rating)| rating)
}

fn time(walk: &Walk<'_>, text: &str) -> Option<Timestamp> {
    let time = text.parse().ok();
    if time.is_none() {
        walk.fail_hint(format!("`{text}` is not a time"), "write it like `2026-01-31T08:00:00Z`");
    }
    time
}

/// Puts a value at a path of objects, making them on the way.
fn put(body: &mut serde_json::Value, path: &[String], value: serde_json::Value) {
    let mut at = body;
    for step in path {
        if !at.is_object() {
            *at = serde_json::Value::Object(serde_json::Map::new());
        }
        at = &mut at[step.as_str()];
    }
    *at = value;
}

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(value) => value.as_str().into(),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => {
            let entry = |(key, value): &(Node, Node)| match &key.value {
                Value::Text(name) => Some((name.clone(), json(value))),
                _ => None,
            };
            serde_json::Value::Object(entries.iter().filter_map(entry).collect())
        }
    }
}
