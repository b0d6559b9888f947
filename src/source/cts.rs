//! The trace list of CTS: v3, falling back to v2 where v3 is not offered.

use std::sync::Arc;

use jiff::SignedDuration;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Page, Record, Settings, SourceError, Walk,
    catalogue::{self, Endpoints, Session},
    walk::{PAGE_LIMIT, Seen},
};
use crate::{
    clock::{self, Timestamp},
    cloud::{
        CloudError,
        budget::{Budget, Host},
        http::Answer,
    },
    trace::decode::{self, BODY_LIMIT, Context},
};

const LIST: &str = "the trace list";

/// A version of the API. v2 has no trackers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    V1,
    V2,
    V3,
}

/// What a 404 says is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The path: this version of the API is not offered.
    Api,
    Tracker,
    /// Something else that CTS itself knows it does not have.
    Other,
}

/// Parameters of a query, by their names in the API.
pub type Parameters = Vec<(&'static str, String)>;

/// What the cloud says to a query.
#[derive(Debug)]
pub enum Listed {
    Page(Answer),
    /// Nothing fits.
    Nothing(Answer),
    /// This version of the API is not there.
    NoSuchApi(Answer),
}

pub struct Cts {
    session: Session,
    tracker: String,
    api: Api,
    /// None: nobody else of this process asks.
    budget: Option<Arc<Budget>>,
}

impl Cts {
    pub fn new(settings: &Settings) -> Result<Self, SourceError> {
        Ok(Self {
            session: catalogue::session(&settings.credentials)?,
            tracker: settings.tracker.clone(),
            api: Api::V3,
            budget: None,
        })
    }

    /// Shares what its host gives with others.
    pub fn within(self, budget: Arc<Budget>) -> Self {
        Self { budget: Some(budget), ..self }
    }

    pub async fn page(&mut self, walk: &mut Walk, now: Timestamp) -> Result<Page, SourceError> {
        let Some(budget) = &self.budget else { return self.ask(walk, None, now).await };
        let begun = clock::now();
        let host = budget.host(&self.session.endpoints(now).await?.v3);
        let turn = host.turn(clock::moved_on(now, begun)).await;
        walk.waited(clock::since(now, turn.now));
        self.ask(walk, Some(&host), turn.now).await
    }

    async fn ask(&mut self, walk: &mut Walk, host: Option<&Host>, now: Timestamp) -> Result<Page, SourceError> {
        // Both ends of the API's window are exclusive.
        let mut parameters = vec![
            ("limit", PAGE_LIMIT.to_string()),
            ("from", (walk.window.from.as_millisecond() - 1).max(0).to_string()),
            ("to", (walk.window.to.as_millisecond() + 1).max(1).to_string()),
        ];
        parameters.extend(walk.marker.iter().map(|marker| ("next", marker.clone())));
        let mut listed = list(&mut self.session, self.api, &self.tracker, &parameters, host, now).await?;
        if let Listed::NoSuchApi(_) = listed {
            // Also from v2 back to v3: the cloud says that v2 will go.
            let other = if self.api == Api::V3 { Api::V2 } else { Api::V3 };
            listed = list(&mut self.session, other, &self.tracker, &parameters, host, now).await?;
            if let Listed::Page(_) = listed {
                self.api = other;
            }
        }
        let context = context(self.session.endpoints(now).await?);
        match listed {
            Listed::Page(answer) => read(&answer, walk, &context, now),
            Listed::Nothing(answer) => Ok(Page {
                records: Vec::new(),
                next: super::PageNext::Complete,
                clock_offset: answer.clock_offset(now).unwrap_or(SignedDuration::ZERO),
            }),
            Listed::NoSuchApi(answer) => Err(no_such_api(&answer)),
        }
    }
}

/// Asks for one page of traces; the host, if it is shared, hears what it answers.
pub async fn list(
    session: &mut Session,
    api: Api,
    tracker: &str,
    parameters: &Parameters,
    host: Option<&Host>,
    now: Timestamp,
) -> Result<Listed, SourceError> {
    let answer = ask(session, api, tracker, parameters, now).await?;
    if let Some(host) = host {
        host.heed(&answer, now).await;
    }
    if answer.status == StatusCode::OK {
        return Ok(Listed::Page(answer));
    }
    if answer.is_transient() {
        return Err(answer.transient(LIST, now).into());
    }
    match missing(&answer) {
        Some(Missing::Tracker) => Err(SourceError::Refused {
            reason: format!("the tracker `{tracker}` does not exist ({})", answer.describe()),
            fix: "create it: `tracebell tracker create --bucket NAME`".to_owned(),
        }),
        Some(Missing::Other) => Ok(Listed::Nothing(answer)),
        Some(Missing::Api) => Ok(Listed::NoSuchApi(answer)),
        None => Err(refusal(LIST, &answer, now)),
    }
}

/// Asks for one page of traces; whatever is answered.
pub(super) async fn ask(
    session: &mut Session,
    api: Api,
    tracker: &str,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<Answer, CloudError> {
    let asked = session.call(now, LIST, |client, endpoints| match api {
        Api::V1 => client.get(format!("{}/{tracker}/trace", endpoints.v1)).query(parameters),
        Api::V2 => client.get(format!("{}/{tracker}/trace", endpoints.v2)).query(parameters),
        Api::V3 => {
            let named = parameters.iter().any(|(name, _)| *name == "trace_type");
            let usual: &[(&str, &str)] = if named { &[] } else { &[("trace_type", "system")] };
            client.get(format!("{}/traces", endpoints.v3)).query(usual).query(parameters)
        }
    });
    asked.await
}

/// What a 404 means; `None` for any other answer. What CTS itself did not speak, a gateway did: the path is not there.
pub(super) fn missing(answer: &Answer) -> Option<Missing> {
    if answer.status != StatusCode::NOT_FOUND {
        return None;
    }
    Some(match answer.error_code().as_deref() {
        Some("CTS.0214") => Missing::Tracker,
        // This version of the API is not supported.
        Some("CTS.0100") => Missing::Api,
        Some(code) if code.starts_with("CTS.") => Missing::Other,
        _ => Missing::Api,
    })
}

/// Why an answer that is no success will not get better by itself, and what to do.
pub(super) fn refusal(to: &str, answer: &Answer, now: Timestamp) -> SourceError {
    let fix = match (answer.status.as_u16(), answer.error_code().as_deref()) {
        // Trouble behind CTS, whatever the status says.
        (400, Some("CTS.0001" | "CTS.0300")) => return answer.transient(to, now).into(),
        _ if answer.is_transient() => return answer.transient(to, now).into(),
        (403, _) => "grant the user's group `CTS ReadOnlyAccess` in this project (`CTS FullAccess` to change trackers)",
        (404, _) => "check region and `cts_endpoint_override`, and that CTS is offered there",
        (300..400, _) => "the address leads elsewhere: check `auth_url` and `cts_endpoint_override`",
        (400, _) => "the cloud does not accept the parameters: check them against its words",
        _ => "check what stands at this address: `auth_url` and `cts_endpoint_override`",
    };
    SourceError::Refused { reason: format!("{to} answered {}", answer.describe()), fix: fix.to_owned() }
}

pub(super) fn no_such_api(answer: &Answer) -> SourceError {
    SourceError::Refused {
        reason: format!("the trace service has no such path ({})", answer.describe()),
        fix: "check region and `cts_endpoint_override`, and that CTS is offered there".to_owned(),
    }
}

/// What the decoder cannot read from a record.
pub fn context(endpoints: &Endpoints) -> Context {
    Context {
        region: endpoints.region.clone(),
        project_id: Some(endpoints.project_id.clone()),
        project_name: endpoints.project_name.clone(),
        console: None,
    }
}

pub(super) fn read(answer: &Answer, walk: &mut Walk, context: &Context, now: Timestamp) -> Result<Page, SourceError> {
    let transient = |reason: String| SourceError::Transient { reason, retry_after: None };
    let body = decode::readable(&answer.body);
    let page = decode::page(&body).map_err(|found| transient(format!("{LIST} answered {found}")))?;
    let mut records = Vec::with_capacity(page.elements.len());
    let mut seen = Seen { ids: Vec::new(), times: Vec::new(), marker: page.marker };
    for element in page.elements {
        match decode::decode(element.get(), context, now) {
            Ok(trace) => {
                seen.ids.push(trace.id.clone());
                seen.times.push((trace.time, trace.record_time));
                records.push(Record::Trace(Arc::new(trace)));
            }
            Err(error) => {
                seen.ids.push(error.id.clone());
                let raw = &element.get()[..element.get().floor_char_boundary(BODY_LIMIT)];
                records.push(Record::Undecodable { id: error.id, raw: raw.to_owned(), reason: error.reason });
            }
        }
    }
    let next = walk.turn(&seen).map_err(transient)?;
    Ok(Page { records, next, clock_offset: answer.clock_offset(now).unwrap_or(SignedDuration::ZERO) })
}
