//! Trackers: read, create, update (read-merge-write), delete, as the customer's documents do.
//!
//! Speaks v3, and v1 where v3 is not offered or where only v1 can express what
//! is asked. Reads every shape of a tracker that either version answers with.

use std::sync::Arc;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

use super::{
    SourceError,
    catalogue::{self, Endpoints, Session},
    cts::{Api, Missing, missing, no_such_api, refusal},
};
use crate::{
    clock::Timestamp,
    cloud::{auth::Credentials, budget::Budget, http::Answer},
};

mod body;
mod limits;
pub mod settings;
pub mod standing;

pub use limits::problems;
use settings::{ALL, Values, words};
use standing::Look;

/// The only name that the cloud allows for the tracker of operations, and its type.
pub const NAME: &str = "system";
/// The type of trackers of what happens to objects in a bucket.
pub const DATA: &str = "data";
const TO: &str = "the tracker service";

/// A tracker, read from either version's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracker {
    pub id: Option<String>,
    pub name: String,
    /// Its type.
    pub kind: Option<String>,
    /// Why the status is `error`.
    pub detail: Option<String>,
    pub values: Values,
    /// The cloud's own object.
    pub raw: Value,
}

/// What a person asks for; what is not named stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The type, at creation.
    pub kind: Option<String>,
    pub create_bucket: bool,
    pub values: Values,
}

/// One changed setting: its name, before, after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub setting: &'static str,
    pub before: String,
    pub after: String,
}

/// What came of a wish.
#[derive(Debug)]
pub struct Granted {
    pub tracker: Tracker,
    pub changes: Vec<Change>,
    /// What the cloud accepted without doing it: as it is, and as it should be.
    pub ignored: Vec<Change>,
}

/// One row of the quotas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    pub of: String,
    pub used: u64,
    pub quota: u64,
}

pub struct Trackers {
    session: Session,
    api: Api,
    /// Whether v1 may be used where v3 is not there.
    may_fall_back: bool,
    budget: Option<Arc<Budget>>,
}

impl Trackers {
    /// `api` fixes the version; without it v3 is used where it is offered.
    pub fn new(credentials: &Credentials, api: Option<Api>) -> Result<Self, SourceError> {
        let session = catalogue::session(credentials)?;
        Ok(Self { session, api: api.unwrap_or(Api::V3), may_fall_back: api.is_none(), budget: None })
    }

    /// Shares what its host gives with others.
    pub fn within(self, budget: Arc<Budget>) -> Self {
        Self { budget: Some(budget), ..self }
    }

    pub async fn list(&mut self, now: Timestamp) -> Result<Vec<Tracker>, SourceError> {
        let (answer, now) = self.ask(now).await?;
        listed(&answer, now)
    }

    /// How the tracker of that name or id stands.
    pub async fn look(&mut self, name_or_id: &str, now: Timestamp) -> Result<Look, SourceError> {
        let (answer, now) = self.ask(now).await?;
        if answer.status == StatusCode::FORBIDDEN
            && let SourceError::Refused { reason, fix } = refusal(TO, &answer, now)
        {
            return Ok(Look::Forbidden { reason, fix });
        }
        let found = listed(&answer, now)?.into_iter().find(|tracker| tracker.is(name_or_id));
        Ok(found.map_or(Look::Absent, |tracker| Look::Tracker(Box::new(tracker), self.api)))
    }

    async fn ask(&mut self, now: Timestamp) -> Result<(Answer, Timestamp), SourceError> {
        self.call(now, |client, endpoints, api| match api {
            Api::V3 => client.get(format!("{}/trackers", endpoints.v3)),
            _ => client.get(format!("{}/tracker", endpoints.v1)),
        })
        .await
    }

    /// The tracker of that name or id.
    pub async fn get(&mut self, name_or_id: &str, now: Timestamp) -> Result<Tracker, SourceError> {
        let trackers = self.list(now).await?;
        let known: Vec<String> = trackers.iter().map(|tracker| format!("`{}`", tracker.name)).collect();
        trackers.into_iter().find(|tracker| tracker.is(name_or_id)).ok_or_else(|| SourceError::Refused {
            reason: format!("there is no tracker `{name_or_id}` in this project"),
            fix: match known.is_empty() {
                true => "create it: `tracebell tracker create --bucket NAME`".to_owned(),
                false => format!("name one of: {}", known.join(", ")),
            },
        })
    }

    pub async fn create(&mut self, name: &str, wish: &Wish, now: Timestamp) -> Result<Granted, SourceError> {
        self.stay_where_it_can_be_said(wish);
        let (answer, now) = self
            .call(now, |client, endpoints, api| match api {
                Api::V3 => client.post(format!("{}/tracker", endpoints.v3)).json(&body::creation(api, name, wish)),
                _ => client.post(format!("{}/tracker", endpoints.v1)).json(&body::creation(api, name, wish)),
            })
            .await?;
        succeeded(&answer, now)?;
        let mut tracker = self.get(name, now).await?;
        // v3 knows no status at creation; in v1 it is not documented to work.
        if let Some(status) = wish.values.get(settings::STATUS)
            && tracker.get(settings::STATUS) != Some(status)
        {
            let status = Values::from([(settings::STATUS, status.clone())]);
            tracker = self.update(name, &Wish { values: status, ..Wish::default() }, now).await?.tracker;
        }
        let ignored = tracker.ignored(wish);
        Ok(Granted { tracker, changes: Vec::new(), ignored })
    }

    /// Reads, merges and writes the whole object, since a part of one may wipe the rest.
    pub async fn update(&mut self, name_or_id: &str, wish: &Wish, now: Timestamp) -> Result<Granted, SourceError> {
        self.stay_where_it_can_be_said(wish);
        let before = self.get(name_or_id, now).await?;
        if changes(&before, &before.merged(wish)).is_empty() {
            return Ok(Granted { tracker: before, changes: Vec::new(), ignored: Vec::new() });
        }
        if let Some(refused) = before.locked(wish) {
            return Err(refused);
        }
        let (answer, now) = self
            .call(now, |client, endpoints, api| {
                let body = body::update(api, &before, wish);
                match api {
                    Api::V3 => client.put(format!("{}/tracker", endpoints.v3)).json(&body),
                    _ => client.put(format!("{}/tracker/{}", endpoints.v1, before.name)).json(&body),
                }
            })
            .await?;
        succeeded(&answer, now)?;
        let tracker = self.get(&before.name, now).await?;
        Ok(Granted { changes: changes(&before, &tracker), ignored: tracker.ignored(wish), tracker })
    }

    /// Deletes the tracker of that name or id. Its traces stay.
    pub async fn delete(&mut self, name_or_id: &str, now: Timestamp) -> Result<Tracker, SourceError> {
        let tracker = self.get(name_or_id, now).await?;
        // Without a name the cloud deletes every tracker.
        let name = [("tracker_name", tracker.name.as_str())];
        let (answer, now) = self
            .call(now, |client, endpoints, api| match api {
                Api::V3 => client.delete(format!("{}/trackers", endpoints.v3)).query(&name),
                _ => client.delete(format!("{}/tracker", endpoints.v1)).query(&name),
            })
            .await?;
        succeeded(&answer, now)?;
        Ok(tracker)
    }

    /// How many trackers and notifications there may be. v3 alone tells.
    pub async fn quotas(&mut self, now: Timestamp) -> Result<Vec<Quota>, SourceError> {
        let answer = self.session.call(now, TO, |client, at| client.get(format!("{}/quotas", at.v3))).await?;
        if missing(&answer) == Some(Missing::Api) {
            return Err(no_such_api(&answer));
        }
        succeeded(&answer, now)?;
        let listed = answer.json().ok_or_else(|| unreadable(&answer))?;
        let number = |row: &Value, key: &str| row.get(key).and_then(Value::as_u64).unwrap_or_default();
        let rows = listed.get("resources").and_then(Value::as_array).into_iter().flatten();
        let row = |row: &Value| {
            let of = row.get("type").and_then(Value::as_str)?.to_owned();
            Some(Quota { of, used: number(row, "used"), quota: number(row, "quota") })
        };
        Ok(rows.filter_map(row).collect())
    }

    /// A wish that v1 has no words for must not reach it without them.
    fn stay_where_it_can_be_said(&mut self, wish: &Wish) {
        let sayable = |name: &&str| settings::Setting::of(name).place(Api::V1).is_some();
        let kind = wish.kind.as_deref().is_none_or(|kind| kind == NAME);
        self.may_fall_back &= kind && wish.values.keys().all(sayable);
    }

    /// The answer, and when it was asked for.
    async fn call(
        &mut self,
        now: Timestamp,
        build: impl Fn(&Client, &Endpoints, Api) -> RequestBuilder,
    ) -> Result<(Answer, Timestamp), SourceError> {
        let api = self.api;
        let (mut answer, mut now) = self.in_turn(api, now, &build).await?;
        if missing(&answer) == Some(Missing::Api) && self.may_fall_back && api == Api::V3 {
            (answer, now) = self.in_turn(Api::V1, now, &build).await?;
            if missing(&answer) != Some(Missing::Api) {
                self.api = Api::V1;
            }
        }
        if missing(&answer) == Some(Missing::Api) { Err(no_such_api(&answer)) } else { Ok((answer, now)) }
    }

    /// One request: where the host is shared, in a turn of its own.
    async fn in_turn(
        &mut self,
        api: Api,
        now: Timestamp,
        build: impl Fn(&Client, &Endpoints, Api) -> RequestBuilder,
    ) -> Result<(Answer, Timestamp), SourceError> {
        let host = match &self.budget {
            Some(budget) => {
                let endpoints = self.session.endpoints(now).await?;
                Some(budget.host(if api == Api::V3 { &endpoints.v3 } else { &endpoints.v1 }))
            }
            None => None,
        };
        let turn = match &host {
            Some(host) => Some(host.turn(now).await),
            None => None,
        };
        let now = turn.as_ref().map_or(now, |turn| turn.now);
        let answer = self.session.call(now, TO, |client, endpoints| build(client, endpoints, api)).await?;
        drop(turn);
        if let Some(host) = &host {
            host.heed(&answer, now).await;
        }
        Ok((answer, now))
    }
}

/// The trackers in an answer of either version: an object, a list, or a list inside.
///
/// That there is none is an alarm to everybody, so it takes words that cannot mean anything else:
/// `{}`, an empty list, or the cloud's own code. Anything else is no answer to the question.
fn listed(answer: &Answer, now: Timestamp) -> Result<Vec<Tracker>, SourceError> {
    match missing(answer) {
        Some(Missing::Tracker) => return Ok(Vec::new()),
        Some(_) => return Err(refusal(TO, answer, now)),
        None => succeeded(answer, now)?,
    }
    let objects = match answer.json() {
        Some(Value::Object(object)) if object.is_empty() => Vec::new(),
        Some(Value::Object(mut object)) => match object.remove("trackers") {
            Some(Value::Array(list)) => list,
            Some(Value::Null) => Vec::new(),
            Some(one) => vec![one],
            None => vec![Value::Object(object)],
        },
        Some(Value::Array(list)) => list,
        _ => return Err(unreadable(answer)),
    };
    objects.into_iter().map(|object| Tracker::read(object).ok_or_else(|| unreadable(answer))).collect()
}

fn succeeded(answer: &Answer, now: Timestamp) -> Result<(), SourceError> {
    if answer.status.is_success() {
        return Ok(());
    }
    let fix = match answer.error_code().as_deref() {
        Some("CTS.0200" | "CTS.0201" | "CTS.0208") => "it exists already: `tracebell tracker update` changes it",
        Some("CTS.0214") => "create it: `tracebell tracker create --bucket NAME`",
        Some("CTS.0202" | "CTS.0206") => "this cloud has no data trackers: it keeps one tracker, of type `system`",
        Some("CTS.0209" | "CTS.0210" | "CTS.0211" | "CTS.0212" | "CTS.0213")
            if answer.status == StatusCode::BAD_REQUEST =>
        {
            "check the bucket: it must exist, be watched by no other tracker, and not receive the trace files itself"
        }
        Some("CTS.0220") => "this region has no Key Management Service: leave `--kms-key` out",
        Some("CTS.0221" | "CTS.0222") => {
            "check that the key exists in this project, is enabled, and that CTS may use it"
        }
        Some("CTS.0228") => "make CTS a trusted service of the organization first",
        Some("CTS.0056") => "enable the tracker first: `--status enabled`",
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
    /// `None` for an object without a name: that is no tracker.
    fn read(raw: Value) -> Option<Self> {
        let text = |key: &str| raw.get(key).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
        Some(Self {
            id: text("id"),
            name: text("tracker_name")?,
            kind: text("tracker_type"),
            detail: text("detail"),
            values: settings::read(&raw),
            raw,
        })
    }

    /// What the cloud said of a setting.
    pub fn get(&self, setting: &str) -> Option<&Value> {
        self.values.get(setting)
    }

    fn is(&self, name_or_id: &str) -> bool {
        self.name == name_or_id || self.id.as_deref() == Some(name_or_id)
    }

    pub fn status(&self) -> Option<&str> {
        self.get(settings::STATUS).and_then(Value::as_str).filter(|status| !status.is_empty())
    }

    /// This tracker as it should be.
    fn merged(&self, wish: &Wish) -> Self {
        let mut after = self.clone();
        after.values.extend(wish.values.clone());
        after
    }

    /// The log service cannot be switched while the tracker is disabled: said here, since the cloud may say nothing.
    fn locked(&self, wish: &Wish) -> Option<SourceError> {
        let switched = wish.values.get(settings::LTS).filter(|on| self.get(settings::LTS) != Some(on))?;
        let enables = wish.values.get(settings::STATUS).and_then(Value::as_str) == Some("enabled");
        let word = if *switched == Value::Bool(true) { "on" } else { "off" };
        (self.status() == Some("disabled") && !enables).then(|| SourceError::Refused {
            reason: format!("the tracker is disabled; `lts` cannot be switched {word} while it is"),
            fix: "enable it in the same update: add `--status enabled`".to_owned(),
        })
    }

    /// What was wished for and is not so, of what the cloud speaks of.
    fn ignored(&self, wish: &Wish) -> Vec<Change> {
        let wished = wish.values.iter().filter_map(|(name, asked)| {
            let is = self.get(name)?;
            let same = is == asked || settings::is_empty(is) && settings::is_empty(asked);
            (!same).then(|| Change { setting: name, before: words(name, Some(is)), after: words(name, Some(asked)) })
        });
        wished.collect()
    }

    /// The settings as a person reads them, by the names of the flags. What the cloud does not
    /// speak of is left out, and so is what few choose and nobody chose here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let mut shown = vec![("name", self.name.clone())];
        shown.extend(self.kind.clone().map(|kind| ("type", kind)));
        for setting in ALL {
            let told = |value: &&Value| !settings::RARE.contains(&setting.name) || settings::is_chosen(value);
            if let Some(value) = self.get(setting.name).filter(told) {
                shown.push((setting.name, words(setting.name, Some(value))));
            }
            if setting.name == settings::STATUS {
                shown.extend(self.detail.clone().map(|detail| ("detail", detail)));
            }
        }
        shown.push(("id", or_none(&self.id)));
        shown
    }
}

fn changes(before: &Tracker, after: &Tracker) -> Vec<Change> {
    let change = |setting: &settings::Setting| {
        let name = setting.name;
        let (before, after) = (words(name, before.get(name)), words(name, after.get(name)));
        (before != after).then_some(Change { setting: name, before, after })
    };
    ALL.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests;
