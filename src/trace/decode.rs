//! From whatever the cloud sent to one [`Trace`].
//!
//! Takes every shape listed in the API reference and some that were only seen:
//! a user as object, as JSON in a string or as a name; numbers as strings and
//! the other way round; times in four units. What cannot be read is kept as
//! text if that is sensible; only a record that says neither what was done nor
//! by which service is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value, value::RawValue};

use super::{Actor, Rating, Resource, Trace};
use crate::{clock::Timestamp, id};

pub mod page;
mod time;
mod wire;

pub use page::{RawPage, page, readable};
pub(super) use wire::{mend, said};

/// Longest request or response body kept of one trace, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Longest sum of the fields that nobody knows, in bytes; what exceeds it is left out.
const EXTRA_LIMIT: usize = 2 * BODY_LIMIT;

/// A longer trace id, or one with control characters, is not an id.
pub(super) const ID_LIMIT: usize = 128;

/// Longest name of an actor kept.
pub(super) const ACTOR_LIMIT: usize = 1024;

/// What the record itself does not say about where it came from.
#[derive(Debug, Clone, Default)]
pub struct Context {
    pub region: Option<String>,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    /// `https://host` of the console, for records that hold only the path of a page.
    pub console: Option<String>,
}

/// A record that is not a trace, with an id under which it can be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Undecodable {
    pub id: String,
    pub reason: String,
}

/// The fields of one record, taken out one after the other; the rest is `extra`.
struct Fields<'a> {
    raw: BTreeMap<String, &'a RawValue>,
    truncated: bool,
}

/// Decodes one element of a page. `now` stands in for a time that is nowhere in the record.
pub fn decode(raw: &str, context: &Context, now: Timestamp) -> Result<Trace, Undecodable> {
    let mended = mend(raw);
    let mut fields = match serde_json::from_str::<BTreeMap<String, &RawValue>>(&mended) {
        Ok(raw) => Fields { raw, truncated: false },
        Err(error) => {
            let reason = match mended.trim_start().starts_with('{') {
                true => format!("the record is not valid JSON: {error}"),
                false => "the record is not a JSON object".to_owned(),
            };
            return Err(Undecodable { id: fingerprint(raw), reason });
        }
    };

    let stated_id = fields.text("trace_id");
    let id = match &stated_id {
        Some(id) if id.len() <= ID_LIMIT && !id.chars().any(|c| c.is_control() || c == '"') => id.clone(),
        _ => fingerprint(&mended),
    };
    let operation = fields.text("trace_name").unwrap_or_default();
    let service = fields.text("service_type").unwrap_or_default();
    if operation.is_empty() && service.is_empty() {
        let reason = "the record has neither `trace_name` nor `service_type`, so it says nothing".to_owned();
        return Err(Undecodable { id, reason });
    }

    let status = fields.text("trace_status");
    let rating = fields.text("trace_rating").or(status).unwrap_or_default();
    let time = fields.take("time").and_then(|raw| time::read(&raw));
    let record_time = fields.take("record_time").and_then(|raw| time::read(&raw));
    let time = time.or(record_time).unwrap_or(now);

    let mut extra = Map::new();
    let actor = fields.actor(&mut extra);
    let resource = Resource {
        kind: fields.text("resource_type"),
        name: fields.text("resource_name"),
        id: fields.text("resource_id"),
    };
    let (endpoint, path) = (fields.text("endpoint"), fields.text("resource_url"));
    let console_url = console_url(endpoint.as_deref(), path.as_deref(), context);
    let project_id = fields.text("project_id").or_else(|| context.project_id.clone());
    let project_name = fields
        .text("project_name")
        .or_else(|| context.project_name.clone().filter(|_| project_id == context.project_id));
    let trace = Trace {
        time,
        record_time: record_time.unwrap_or(time),
        rating: Rating::parse(&rating),
        trace_type: fields.text("trace_type"),
        source_ip: fields.text("source_ip"),
        code: fields.text("code"),
        api_version: fields.text("api_version"),
        request: fields.body("request"),
        response: fields.body("response"),
        message: fields.body("message"),
        region: context.region.clone(),
        project_id,
        project_name,
        console_url,
        actor,
        resource,
        service,
        operation,
        extra: Map::new(),
        truncated: false,
        id,
    };
    for (name, value) in [("endpoint", endpoint), ("resource_url", path), ("trace_id", stated_id)] {
        if let Some(value) = value.filter(|value| *value != trace.id) {
            extra.insert(name.to_owned(), Value::String(value));
        }
    }
    let truncated = fields.rest(&mut extra);
    Ok(Trace { extra, truncated, ..trace })
}

/// The time of a record that [`decode`] can read, without decoding the rest of it.
pub fn time_of(raw: &str) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct Times<'a> {
        #[serde(borrow)]
        time: Option<&'a RawValue>,
        #[serde(borrow)]
        record_time: Option<&'a RawValue>,
    }
    let mended = mend(raw);
    let times = serde_json::from_str::<Times<'_>>(&mended).ok()?;
    let read = |raw: Option<&RawValue>| raw.and_then(|raw| wire::value(raw.get())).and_then(|raw| time::read(&raw));
    read(times.time).or_else(|| read(times.record_time))
}

/// A body alone, as [`decode`] reads it.
pub(super) fn body(raw: Option<&str>) -> Option<String> {
    wire::body(&mend(raw?)).map(|text| wire::cut(text, BODY_LIMIT).0)
}

/// A time alone, as [`decode`] reads it.
pub(super) fn moment(raw: &str) -> Option<Timestamp> {
    wire::value(&mend(raw)).and_then(|value| time::read(&value))
}

/// The id of a record without one: the same content gives the same id, whatever the order of its keys.
fn fingerprint(raw: &str) -> String {
    let canonical = serde_json::from_str::<Value>(raw).map_or_else(|_| raw.to_owned(), |value| value.to_string());
    format!("fp-{}", id::derive(&["trace", &canonical]))
}

/// Only a plain https page: the text comes from the record and becomes a link.
fn console_url(endpoint: Option<&str>, path: Option<&str>, context: &Context) -> Option<String> {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\`{}|^@".contains(&b));
    let (endpoint, path) = (endpoint.or(context.console.as_deref())?, path?);
    let host = endpoint.strip_prefix("https://").unwrap_or(endpoint).trim_end_matches('/');
    let named = host.contains('.') && !host.contains("://") && host.bytes().next()?.is_ascii_alphanumeric();
    let path = path.strip_prefix('/').unwrap_or(path);
    (named && plain(host) && plain(path) && !path.contains("://")).then(|| format!("https://{host}/{path}"))
}

impl Fields<'_> {
    fn take(&mut self, name: &str) -> Option<Value> {
        self.raw.remove(name).and_then(|raw| wire::value(raw.get()))
    }

    /// A scalar as text; `None` where the cloud left it out in any of its ways.
    fn text(&mut self, name: &str) -> Option<String> {
        let raw = self.raw.remove(name)?.get();
        // A number keeps its digits: as a float it would lose some.
        let number = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let text = if number { raw.to_owned() } else { wire::text(wire::value(raw)?)? };
        Some(self.cut(text))
    }

    /// A body: JSON stays JSON text, in whatever form it was sent.
    fn body(&mut self, name: &str) -> Option<String> {
        let text = wire::body(self.raw.remove(name)?.get())?;
        Some(self.cut(text))
    }

    fn actor(&mut self, extra: &mut Map<String, Value>) -> Actor {
        let Some(user) = self.take("user") else { return Actor::default() };
        let (actor, rest) = wire::actor(user);
        if !rest.is_empty() {
            extra.insert("user".to_owned(), Value::Object(rest));
        }
        let cut = |text: Option<String>| text.map(|text| wire::cut(text, ACTOR_LIMIT).0);
        Actor {
            name: cut(actor.name),
            id: cut(actor.id),
            domain: cut(actor.domain),
            domain_id: cut(actor.domain_id),
            assumed_by: cut(actor.assumed_by),
        }
    }

    fn cut(&mut self, text: String) -> String {
        let (text, was_cut) = wire::cut(text, BODY_LIMIT);
        self.truncated |= was_cut;
        text
    }

    /// Moves what nobody asked for into `extra`; tells whether anything was cut.
    fn rest(mut self, extra: &mut Map<String, Value>) -> bool {
        let mut room = EXTRA_LIMIT;
        for (name, raw) in std::mem::take(&mut self.raw) {
            let Some(left) = room.checked_sub(name.len() + raw.get().len().min(BODY_LIMIT)) else {
                self.truncated = true;
                continue;
            };
            room = left;
            let value = match raw.get() {
                "null" | "\"\"" => continue,
                long if long.len() > BODY_LIMIT => Value::String(self.cut(long.to_owned())),
                short => wire::value(short).unwrap_or_else(|| Value::String(short.to_owned())),
            };
            extra.insert(wire::cut(name, ID_LIMIT).0, value);
        }
        self.truncated
    }
}

#[cfg(test)]
mod tests;
