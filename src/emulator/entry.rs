//! One stored trace: what filters look at, and its text in each API version.
//!
//! The text is made once, when the trace is stored: v1 carries the user as JSON
//! inside a string, v2 and v3 as an object, v2 names the rating twice.

use std::{fmt::Write, sync::Arc};

use serde_json::{Map, Value};

/// A trace as someone hands it in.
pub enum Raw {
    Value(Box<Value>),
    /// Kept byte for byte if it is not an object that can be read.
    Text(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
    V3,
}

/// What a query can ask for; the name is also the key in the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    ServiceType,
    ResourceType,
    ResourceId,
    ResourceName,
    TraceName,
    TraceRating,
    User,
}

impl Field {
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::ServiceType, "service_type"),
        (Self::ResourceType, "resource_type"),
        (Self::ResourceId, "resource_id"),
        (Self::ResourceName, "resource_name"),
        (Self::TraceName, "trace_name"),
        (Self::TraceRating, "trace_rating"),
        (Self::User, "user"),
    ];
}

pub struct Entry {
    pub id: Arc<str>,
    /// Whose audit log it belongs to, if it says so.
    project: Option<Box<str>>,
    /// Milliseconds since 1970, as all times here.
    pub time: i64,
    pub record_time: i64,
    /// Later than `record_time` for a trace that is published late.
    pub visible_from: i64,
    facts: [Option<Box<str>>; Field::ALL.len()],
    text: Text,
}

enum Text {
    /// Everything but the user and the closing brace.
    Split { head: Box<str>, user: Option<Box<str>> },
    /// An element that no version changes.
    Verbatim(Box<str>),
}

impl Entry {
    /// `make_id` is called for a trace without one.
    pub fn new(raw: Raw, now: i64, make_id: impl FnOnce() -> String) -> Self {
        let value = match raw {
            Raw::Value(value) => *value,
            Raw::Text(text) => match serde_json::from_str(&text) {
                Ok(value @ Value::Object(_)) => value,
                Ok(_) | Err(_) => return Self::verbatim(text, now, make_id()),
            },
        };
        match value {
            Value::Object(object) => Self::from_object(object, now, make_id),
            other => Self::verbatim(other.to_string(), now, make_id()),
        }
    }

    fn verbatim(text: String, now: i64, id: String) -> Self {
        let record_time = scrape(&text, "record_time").unwrap_or(now);
        Self {
            id: id.into(),
            project: None,
            time: scrape(&text, "time").unwrap_or(record_time),
            record_time,
            visible_from: record_time.min(now),
            facts: Default::default(),
            text: Text::Verbatim(text.into()),
        }
    }

    fn from_object(mut object: Map<String, Value>, now: i64, make_id: impl FnOnce() -> String) -> Self {
        let id = match object.get("trace_id").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => make_id(),
        };
        object.entry("trace_id").or_insert_with(|| id.as_str().into());
        let time = milliseconds(object.entry("time").or_insert_with(|| now.into())).unwrap_or(now);
        let record_time = milliseconds(object.entry("record_time").or_insert_with(|| time.into())).unwrap_or(now);
        let project = object.get("project_id").and_then(Value::as_str).map(Into::into);
        let facts = Field::ALL.map(|(field, key)| match field {
            Field::User => object.get(key).and_then(user_name),
            Field::TraceRating => object.get(key).or(object.get("trace_status")).and_then(plain),
            _ => object.get(key).and_then(plain),
        });
        let user = match object.get("user") {
            Some(Value::Object(_)) => object.remove("user").map(|user| user.to_string().into()),
            _ => None,
        };
        let mut head = Value::Object(object).to_string();
        head.pop();
        let text = Text::Split { head: head.into(), user };
        Self { id: id.into(), project, time, record_time, visible_from: record_time.min(now), facts, text }
    }

    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    pub fn fact(&self, field: Field) -> Option<&str> {
        self.facts[field as usize].as_deref()
    }

    /// As v3 lists it; none for what is no object.
    pub fn value(&self) -> Option<Value> {
        let Text::Split { .. } = self.text else { return None };
        let mut text = String::new();
        self.write(Version::V3, &mut text);
        serde_json::from_str(&text).ok()
    }

    pub fn write(&self, version: Version, out: &mut String) {
        let (head, user) = match &self.text {
            Text::Verbatim(text) => return out.push_str(text),
            Text::Split { head, user } => (head, user),
        };
        out.push_str(head);
        if let Some(user) = user {
            out.push_str(",\"user\":");
            match version {
                Version::V1 => write_quoted(user, out),
                Version::V2 | Version::V3 => out.push_str(user),
            }
        }
        if let (Version::V2, Some(rating)) = (version, self.fact(Field::TraceRating))
            && !head.contains("\"trace_status\":")
        {
            out.push_str(",\"trace_status\":");
            write_quoted(rating, out);
        }
        out.push('}');
    }
}

fn write_quoted(text: &str, out: &mut String) {
    write!(out, "{}", Value::from(text)).expect("a string takes any text");
}

/// A number out of text that cannot be parsed, so that a broken trace has its place, too.
fn scrape(text: &str, key: &str) -> Option<i64> {
    let (_, value) = text.split_once(&format!("\"{key}\":"))?;
    let digits = value.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// A number, or a number in quotes.
fn milliseconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn plain(value: &Value) -> Option<Box<str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

fn user_name(user: &Value) -> Option<Box<str>> {
    let inside: Value;
    let user = match user {
        Value::String(text) => {
            inside = serde_json::from_str(text).ok()?;
            &inside
        }
        other => other,
    };
    user.get("name").and_then(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(entry: &Entry, version: Version) -> Value {
        let mut out = String::new();
        entry.write(version, &mut out);
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn each_version_has_its_own_shape() {
        let trace = json!({"trace_id": "t", "time": 5, "record_time": 6, "trace_rating": "warning",
            "user": {"name": "bob \"b\""}});
        let entry = Entry::new(Raw::Value(Box::new(trace)), 9, || unreachable!());
        assert_eq!((entry.time, entry.record_time), (5, 6));
        assert_eq!(entry.fact(Field::User), Some("bob \"b\""));
        let user: Value = serde_json::from_str(text(&entry, Version::V1)["user"].as_str().unwrap()).unwrap();
        assert_eq!(user, json!({"name": "bob \"b\""}));
        assert_eq!(text(&entry, Version::V2)["trace_status"], "warning");
        assert_eq!(text(&entry, Version::V3)["user"], json!({"name": "bob \"b\""}));
        assert_eq!(text(&entry, Version::V3).get("trace_status"), None);
    }

    #[test]
    fn broken_elements_are_served_as_they_are() {
        for broken in ["17", r#"{"trace_id":"x","message":"\ud800"}"#, r#"{"trace_id":"x","code":1e999}"#] {
            let entry = Entry::new(Raw::Text(broken.to_owned()), 9, || "made".to_owned());
            let mut out = String::new();
            entry.write(Version::V1, &mut out);
            assert_eq!((out.as_str(), entry.record_time), (broken, 9));
        }
        let placed = r#"{"record_time": 7,"message":"\ud800"}"#;
        assert_eq!(Entry::new(Raw::Text(placed.to_owned()), 9, || "made".to_owned()).record_time, 7);
    }

    #[test]
    fn missing_id_and_times_are_filled_in() {
        let entry = Entry::new(Raw::Value(Box::new(json!({"time": "7"}))), 9, || "made".to_owned());
        assert_eq!((&*entry.id, entry.time, entry.record_time), ("made", 7, 7));
        let entry = Entry::new(Raw::Value(Box::new(json!({}))), 9, || "made".to_owned());
        assert_eq!(text(&entry, Version::V3), json!({"trace_id": "made", "time": 9, "record_time": 9}));
    }
}
