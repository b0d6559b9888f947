//! Trackers: read, create, update (read-merge-write), delete, as the customer's documents do.
//!
//! Speaks v3, and v1 where v3 is not offered or where only v1 can express what
//! is asked. Reads every shape of a tracker that either version answers with.

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    SourceError,
    catalogue::{self, Endpoints, Session},
    cts::{Api, no_such_api, refusal},
};
use crate::{
    clock::Timestamp,
    cloud::{auth::Credentials, http::Answer},
};

/// The only name, and the only type, that the cloud allows.
pub const NAME: &str = "system";
/// Names that v1 wants beside `is_lts_enabled`, and that the cloud chooses by itself.
const LTS_GROUP: &str = "CTS";
const LTS_TOPIC: &str = "system-trace";
const TO: &str = "the tracker service";

/// A tracker, read from either version's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracker {
    pub id: Option<String>,
    pub name: String,
    pub status: Option<String>,
    /// Why the status is `error`.
    pub detail: Option<String>,
    pub bucket: Option<String>,
    pub prefix: Option<String>,
    pub lts: Option<bool>,
    pub lts_group: Option<String>,
    pub lts_topic: Option<String>,
    /// The cloud's own object.
    pub raw: Value,
}

/// What a person asks for; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    pub bucket: Option<String>,
    pub prefix: Option<String>,
    pub create_bucket: bool,
    pub lts: Option<bool>,
    pub lts_group: Option<String>,
    pub lts_topic: Option<String>,
    pub status: Option<String>,
}

/// One changed setting: its name, before, after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub setting: &'static str,
    pub before: String,
    pub after: String,
}

pub struct Trackers {
    session: Session,
    api: Api,
    /// Whether v1 may be used where v3 is not there.
    may_fall_back: bool,
}

impl Trackers {
    /// `api` fixes the version; without it v3 is used where it is offered.
    pub fn new(credentials: &Credentials, api: Option<Api>) -> Result<Self, SourceError> {
        let session = catalogue::session(credentials)?;
        Ok(Self { session, api: api.unwrap_or(Api::V3), may_fall_back: api.is_none() })
    }

    pub async fn list(&mut self, now: Timestamp) -> Result<Vec<Tracker>, SourceError> {
        let answer = self
            .call(now, |client, endpoints, api| match api {
                Api::V3 => client.get(format!("{}/trackers", endpoints.v3)),
                _ => client.get(format!("{}/tracker", endpoints.v1)),
            })
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        succeeded(&answer, now)?;
        let listed = match answer.json() {
            Some(Value::Object(mut object)) => match object.remove("trackers") {
                Some(list) => list,
                None => Value::Object(object),
            },
            Some(list @ Value::Array(_)) => list,
            _ => return Err(unreadable(&answer)),
        };
        let objects = match listed {
            Value::Array(list) => list,
            object => vec![object],
        };
        Ok(objects.into_iter().filter_map(Tracker::read).collect())
    }

    /// The tracker of that name or id.
    pub async fn get(&mut self, name_or_id: &str, now: Timestamp) -> Result<Tracker, SourceError> {
        let trackers = self.list(now).await?;
        let known: Vec<String> = trackers.iter().map(|tracker| format!("`{}`", tracker.name)).collect();
        let fits = |tracker: &Tracker| tracker.name == name_or_id || tracker.id.as_deref() == Some(name_or_id);
        trackers.into_iter().find(fits).ok_or_else(|| SourceError::Refused {
            reason: format!("there is no tracker `{name_or_id}` in this project"),
            fix: match known.is_empty() {
                true => "create it: `tracebell tracker create --bucket NAME`".to_owned(),
                false => format!("name one of: {}", known.join(", ")),
            },
        })
    }

    pub async fn create(&mut self, name: &str, wish: &Wish, now: Timestamp) -> Result<Tracker, SourceError> {
        let answer = self
            .call(now, |client, endpoints, api| match api {
                Api::V3 => client.post(format!("{}/tracker", endpoints.v3)).json(&creation(api, name, wish)),
                _ => client.post(format!("{}/tracker", endpoints.v1)).json(&creation(api, name, wish)),
            })
            .await?;
        succeeded(&answer, now)?;
        let mut tracker = self.get(name, now).await?;
        // v3 knows no status at creation; in v1 it is not documented to work.
        if wish.status.is_some() && wish.status != tracker.status {
            let status = Wish { status: wish.status.clone(), ..Wish::default() };
            tracker = self.update(name, &status, now).await?.0;
        }
        Ok(tracker)
    }

    /// Reads, merges and writes the whole object, since a part of one may wipe the rest.
    pub async fn update(
        &mut self,
        name_or_id: &str,
        wish: &Wish,
        now: Timestamp,
    ) -> Result<(Tracker, Vec<Change>), SourceError> {
        let before = self.get(name_or_id, now).await?;
        if changes(&before, &before.merged(wish)).is_empty() {
            return Ok((before, Vec::new()));
        }
        let answer = self
            .call(now, |client, endpoints, api| match api {
                Api::V3 => client.put(format!("{}/tracker", endpoints.v3)).json(&update(api, &before, wish)),
                _ => client.put(format!("{}/tracker/{}", endpoints.v1, before.name)).json(&update(api, &before, wish)),
            })
            .await?;
        succeeded(&answer, now)?;
        let after = self.get(&before.name, now).await?;
        let changes = changes(&before, &after);
        Ok((after, changes))
    }

    /// Deletes the tracker of that name or id. Its traces stay.
    pub async fn delete(&mut self, name_or_id: &str, now: Timestamp) -> Result<Tracker, SourceError> {
        let tracker = self.get(name_or_id, now).await?;
        // Without a name the cloud deletes every tracker.
        let name = [("tracker_name", tracker.name.as_str())];
        let answer = self
            .call(now, |client, endpoints, api| match api {
                Api::V3 => client.delete(format!("{}/trackers", endpoints.v3)).query(&name),
                _ => client.delete(format!("{}/tracker", endpoints.v1)).query(&name),
            })
            .await?;
        succeeded(&answer, now)?;
        Ok(tracker)
    }

    async fn call(
        &mut self,
        now: Timestamp,
        build: impl Fn(&Client, &Endpoints, Api) -> RequestBuilder,
    ) -> Result<Answer, SourceError> {
        let api = self.api;
        let mut answer = self.session.call(now, TO, |client, endpoints| build(client, endpoints, api)).await?;
        if no_path(&answer) && self.may_fall_back && api == Api::V3 {
            answer = self.session.call(now, TO, |client, endpoints| build(client, endpoints, Api::V1)).await?;
            if !no_path(&answer) {
                self.api = Api::V1;
            }
        }
        if no_path(&answer) { Err(no_such_api(&answer)) } else { Ok(answer) }
    }
}

/// A 404 that CTS itself did not speak: the path is not there.
fn no_path(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND && !answer.error_code().is_some_and(|code| code.starts_with("CTS."))
}

fn succeeded(answer: &Answer, now: Timestamp) -> Result<(), SourceError> {
    if answer.status.is_success() {
        return Ok(());
    }
    let fix = match answer.error_code().as_deref() {
        Some("CTS.0200" | "CTS.0201" | "CTS.0208") => "it exists already: `tracebell tracker update` changes it",
        Some("CTS.0214") => "create it: `tracebell tracker create --bucket NAME`",
        Some("CTS.0215") => "the bucket exists already: leave `--create-bucket` out",
        Some("CTS.0216" | "CTS.0217") => "check that the user may create buckets, and that the name is not taken",
        _ if answer.status == StatusCode::NOT_FOUND => "check that the bucket exists, or add `--create-bucket`",
        _ => return Err(refusal(TO, answer, now)),
    };
    Err(SourceError::Refused { reason: format!("{TO} answered {}", answer.describe()), fix: fix.to_owned() })
}

fn unreadable(answer: &Answer) -> SourceError {
    let reason = format!("{TO} answered {} with something that is no tracker", answer.status.as_u16());
    SourceError::Transient { reason, retry_after: None }
}

impl Tracker {
    /// `None` for an object without a name: some clouds answer `{}` for no tracker.
    fn read(raw: Value) -> Option<Self> {
        let obs = raw.get("obs_info");
        let lts = raw.get("lts");
        let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
        // Flat in v1, nested in v3, both in some answers.
        let either = |name: &str| text(raw.get(name)).or_else(|| text(obs.and_then(|obs| obs.get(name))));
        Some(Self {
            id: text(raw.get("id")),
            name: text(raw.get("tracker_name"))?,
            status: text(raw.get("status")),
            detail: text(raw.get("detail")),
            bucket: either("bucket_name"),
            prefix: either("file_prefix_name"),
            lts: lts
                .and_then(|lts| lts.get("is_lts_enabled"))
                .or_else(|| raw.get("is_lts_enabled"))
                .and_then(Value::as_bool),
            lts_group: text(lts.and_then(|lts| lts.get("log_group_name"))),
            lts_topic: text(lts.and_then(|lts| lts.get("log_topic_name"))),
            raw,
        })
    }

    /// This tracker as it should be.
    fn merged(&self, wish: &Wish) -> Self {
        let or = |wished: &Option<String>, is: &Option<String>| {
            wished.clone().or_else(|| is.clone()).filter(|text| !text.is_empty())
        };
        Self {
            status: or(&wish.status, &self.status),
            bucket: or(&wish.bucket, &self.bucket),
            prefix: or(&wish.prefix, &self.prefix),
            lts: wish.lts.or(self.lts),
            lts_group: or(&wish.lts_group, &self.lts_group),
            lts_topic: or(&wish.lts_topic, &self.lts_topic),
            ..self.clone()
        }
    }

    /// The settings as a person reads them, by the names of the flags.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            ("name", self.name.clone()),
            ("status", or_none(&self.status)),
            ("detail", or_none(&self.detail)),
            ("bucket", or_none(&self.bucket)),
            ("prefix", or_none(&self.prefix)),
            ("lts", self.lts.map_or("-", |on| if on { "on" } else { "off" }).to_owned()),
            ("lts-group", or_none(&self.lts_group)),
            ("lts-topic", or_none(&self.lts_topic)),
            ("id", or_none(&self.id)),
        ]
    }
}

fn changes(before: &Tracker, after: &Tracker) -> Vec<Change> {
    let pairs = before.settings().into_iter().zip(after.settings());
    let changed = pairs.filter(|((_, before), (_, after))| before != after);
    changed.map(|((setting, before), (_, after))| Change { setting, before, after }).collect()
}

fn creation(api: Api, name: &str, wish: &Wish) -> Value {
    let mut bucket = Map::new();
    if let Some(name) = &wish.bucket {
        bucket.insert("bucket_name".to_owned(), json!(name));
    }
    if let Some(prefix) = &wish.prefix {
        bucket.insert("file_prefix_name".to_owned(), json!(prefix));
    }
    if wish.create_bucket {
        bucket.insert("is_obs_created".to_owned(), json!(true));
    }
    if api == Api::V3 {
        let mut body = json!({ "tracker_type": NAME, "tracker_name": name, "obs_info": bucket });
        if let Some(on) = wish.lts {
            body["is_lts_enabled"] = json!(on);
        }
        return body;
    }
    bucket.insert("tracker_name".to_owned(), json!(name));
    if let Some(status) = &wish.status {
        bucket.insert("status".to_owned(), json!(status));
    }
    if let Some(on) = wish.lts {
        bucket.insert("lts".to_owned(), lts(on, wish.lts_group.as_deref(), wish.lts_topic.as_deref()));
    }
    Value::Object(bucket)
}

/// The whole object, since an update with one field was seen to wipe the others.
fn update(api: Api, before: &Tracker, wish: &Wish) -> Value {
    let after = before.merged(wish);
    let mut bucket = Map::new();
    if let Some(name) = &after.bucket {
        bucket.insert("bucket_name".to_owned(), json!(name));
        // Always sent: an empty prefix is a wish too.
        bucket.insert("file_prefix_name".to_owned(), json!(after.prefix.as_deref().unwrap_or("")));
    }
    // True asks for a new bucket, so the stored value must not be sent back.
    if wish.create_bucket {
        bucket.insert("is_obs_created".to_owned(), json!(true));
    }
    // `error` is something that the cloud says and nobody may ask for.
    let status = after.status.as_deref().filter(|status| matches!(*status, "enabled" | "disabled"));
    if api == Api::V3 {
        let obs = before.raw.get("obs_info");
        for kept in ["compress_type", "is_sort_by_service"] {
            if let Some(value) = obs.and_then(|obs| obs.get(kept)).filter(|value| !value.is_null() && *value != "") {
                bucket.insert(kept.to_owned(), value.clone());
            }
        }
        let mut body = json!({ "tracker_type": NAME, "tracker_name": before.name, "obs_info": bucket });
        if let Some(status) = status {
            body["status"] = json!(status);
        }
        if let Some(on) = after.lts {
            body["is_lts_enabled"] = json!(on);
        }
        if let Some(validate) = before.raw.get("is_support_validate").filter(|value| value.is_boolean()) {
            body["is_support_validate"] = validate.clone();
        }
        return body;
    }
    if let Some(status) = status {
        bucket.insert("status".to_owned(), json!(status));
    }
    if let Some(on) = after.lts {
        bucket.insert("lts".to_owned(), lts(on, after.lts_group.as_deref(), after.lts_topic.as_deref()));
    }
    Value::Object(bucket)
}

fn lts(on: bool, group: Option<&str>, topic: Option<&str>) -> Value {
    json!({
        "is_lts_enabled": on,
        "log_group_name": group.unwrap_or(LTS_GROUP),
        "log_topic_name": topic.unwrap_or(LTS_TOPIC),
    })
}

/// Every documented limit that a wish breaks, before anything is sent.
pub fn problems(name: &str, wish: &Wish) -> Vec<String> {
    let mut problems = Vec::new();
    if name != NAME {
        problems.push(format!("the name is `{name}`; the cloud allows only `{NAME}`"));
    }
    if let Some(bucket) = &wish.bucket
        && let Some(problem) = bucket_problem(bucket)
    {
        problems.push(format!("the bucket name `{bucket}` {problem}"));
    }
    if let Some(prefix) = &wish.prefix {
        if prefix.len() > 64 {
            problems.push(format!("the prefix has {} characters; expected at most 64", prefix.chars().count()));
        } else if let Some(odd) = prefix.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(*c)) {
            problems.push(format!("the prefix holds `{odd}`; expected letters, digits, `-`, `_` and `.`"));
        }
    }
    if let Some(status) = wish.status.as_deref().filter(|status| !matches!(*status, "enabled" | "disabled")) {
        problems.push(format!("the status is `{status}`; expected `enabled` or `disabled`"));
    }
    problems
}

fn bucket_problem(bucket: &str) -> Option<String> {
    let length = bucket.chars().count();
    if !(3..=63).contains(&length) {
        return Some(format!("has {length} characters; expected 3 to 63"));
    }
    if let Some(odd) = bucket.chars().find(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit() && !"-.".contains(*c)) {
        return Some(format!("holds `{odd}`; expected lowercase letters, digits, `-` and `.`"));
    }
    if bucket.starts_with(['-', '.']) {
        return Some("does not begin with a lowercase letter or a digit".to_owned());
    }
    if let Some(pair) = ["..", ".-", "-."].into_iter().find(|pair| bucket.contains(pair)) {
        return Some(format!("holds `{pair}`, which is not allowed"));
    }
    bucket.parse::<std::net::Ipv4Addr>().is_ok().then(|| "is an IP address, which is not allowed".to_owned())
}

#[cfg(test)]
mod tests;
