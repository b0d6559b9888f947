//! The trace list as a person asks for it: filters, a window, a version of the API, at most so many traces.

use std::{collections::HashSet, time::Duration};

use super::{
    Page, PageNext, Record, SourceError, Walk,
    catalogue::{self, Session},
    cts::{self, Api, Listed, Parameters},
    plan::RETENTION,
    walk::PAGE_LIMIT,
};
use crate::{
    clock::{self, SignedDuration, Timestamp},
    cloud::{auth::Credentials, http::Answer},
    trace::decode,
};

pub struct Query {
    /// Both ends are included.
    pub from: Timestamp,
    pub to: Timestamp,
    pub limit: usize,
}

#[derive(Debug)]
pub struct Found {
    pub records: Vec<Record>,
    /// Whether the cloud has more than were asked for.
    pub more: bool,
    /// The cloud's markers led back to where they came from, so there may be traces that they do not reach.
    pub circle: bool,
}

/// Pages without anything new before the markers are taken for a circle.
const STALE_LIMIT: u32 = 3;

pub struct Listing {
    session: Session,
    api: Api,
    may_fall_back: bool,
    tracker: String,
    /// By their names in the API.
    filters: Parameters,
}

impl Listing {
    /// `api` fixes the version; without it v3 is used where it is offered.
    pub fn of(
        credentials: &Credentials,
        api: Option<Api>,
        tracker: &str,
        filters: Parameters,
    ) -> Result<Self, SourceError> {
        let session = catalogue::session(credentials)?;
        // A wish that only v3 knows must not reach v1 without it.
        let may_fall_back = api.is_none() && !filters.iter().any(|(name, _)| *name == "trace_type");
        Ok(Self { session, api: api.unwrap_or(Api::V3), may_fall_back, tracker: tracker.to_owned(), filters })
    }

    /// The trace of that id, in place of what the filters say. What was not asked for is no answer, whatever the
    /// cloud gives.
    pub async fn one(&mut self, id: &str, now: Timestamp) -> Result<Option<Record>, SourceError> {
        self.filters = vec![("trace_id", id.to_owned())];
        // The oldest minute may be gone by the time it is asked for.
        let from = clock::minus(now, RETENTION - Duration::from_secs(60));
        let found = self.read(&Query { from, to: now, limit: 1 }, now).await?;
        Ok(found.records.into_iter().find(|record| match record {
            Record::Trace(trace) => trace.id == id,
            // One that lost its id is known by its text.
            Record::Undecodable { id: own, raw, .. } => own == id || own.starts_with("fp-") && raw.contains(id),
        }))
    }

    /// Newest first, up to the limit.
    pub async fn read(&mut self, query: &Query, now: Timestamp) -> Result<Found, SourceError> {
        let mut records = Vec::new();
        let (mut seen, mut markers) = (HashSet::new(), HashSet::new());
        let mut marker: Option<String> = None;
        let mut stale = 0;
        loop {
            // Two at least: the first one may stand on the page before.
            let limit = PAGE_LIMIT.min((query.limit - records.len()).max(2));
            let Some(answer) = self.ask(limit, query.from, query.to, marker.as_deref(), now).await? else {
                return Ok(Found { records, more: false, circle: false });
            };
            let context = cts::context(self.session.endpoints(now).await?);
            let body = decode::readable(&answer.body);
            let page = decode::page(&body).map_err(|found| SourceError::Transient {
                reason: format!("the trace list answered {found}"),
                retry_after: None,
            })?;
            let before = records.len();
            for element in &page.elements {
                let record = match decode::decode(element.get(), &context, now) {
                    Ok(trace) => Record::Trace(std::sync::Arc::new(trace)),
                    Err(error) => {
                        let (id, reason) = (error.id, error.reason);
                        Record::Undecodable { id, raw: element.get().to_owned(), reason }
                    }
                };
                let id = match &record {
                    Record::Trace(trace) => &trace.id,
                    Record::Undecodable { id, .. } => id,
                };
                if seen.insert(id.clone()) {
                    records.push(record);
                }
            }
            let fresh = records.len() > before;
            if records.len() >= query.limit {
                let more = page.marker.is_some() && fresh || records.len() > query.limit;
                records.truncate(query.limit);
                return Ok(Found { records, more, circle: false });
            }
            let Some(next) = page.marker.filter(|_| !page.elements.is_empty()) else {
                return Ok(Found { records, more: false, circle: false });
            };
            let short = page.elements.len() < limit;
            if !fresh && short && marker.as_ref() == Some(&next) {
                // A short page that brings nothing new and points at itself is the end.
                return Ok(Found { records, more: false, circle: false });
            }
            stale = if fresh { 0 } else { stale + 1 };
            let known = !markers.insert(next.clone());
            if !fresh && (known || stale >= STALE_LIMIT) {
                return Ok(Found { records, more: false, circle: true });
            }
            marker = Some(next);
        }
    }

    /// The next page of a walk through one window.
    pub async fn page(&mut self, walk: &mut Walk, now: Timestamp) -> Result<Page, SourceError> {
        let (from, to, marker) = (walk.window.from, walk.window.to, walk.marker.clone());
        match self.ask(PAGE_LIMIT, from, to, marker.as_deref(), now).await? {
            Some(answer) => {
                let context = cts::context(self.session.endpoints(now).await?);
                cts::read(&answer, walk, &context, now)
            }
            None => Ok(Page { records: Vec::new(), next: PageNext::Complete, clock_offset: SignedDuration::ZERO }),
        }
    }

    /// One answer of the trace list; `None` if the cloud says that there is nothing.
    async fn ask(
        &mut self,
        limit: usize,
        from: Timestamp,
        to: Timestamp,
        marker: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Answer>, SourceError> {
        let mut parameters = self.filters.clone();
        // Both ends of the API's window are exclusive.
        parameters.extend([
            ("limit", limit.to_string()),
            ("from", (from.as_millisecond() - 1).max(0).to_string()),
            ("to", (to.as_millisecond() + 1).max(1).to_string()),
        ]);
        parameters.extend(marker.map(|marker| ("next", marker.to_owned())));
        let mut listed = self.list(self.api, &parameters, now).await?;
        if let (Listed::NoSuchApi(_), Api::V3, true) = (&listed, self.api, self.may_fall_back) {
            listed = self.list(Api::V1, &parameters, now).await?;
            if !matches!(listed, Listed::NoSuchApi(_)) {
                self.api = Api::V1;
            }
        }
        match listed {
            Listed::Page(answer) => Ok(Some(answer)),
            Listed::Nothing(_) => Ok(None),
            Listed::NoSuchApi(answer) => Err(cts::no_such_api(&answer)),
        }
    }

    async fn list(&mut self, api: Api, parameters: &Parameters, now: Timestamp) -> Result<Listed, SourceError> {
        let mut parameters = parameters.clone();
        match api {
            // In the path of v1 and v2.
            Api::V3 if self.tracker != super::tracker::NAME => {
                parameters.insert(0, ("tracker_name", self.tracker.clone()));
            }
            // The older documentation calls it so.
            Api::V2 => {
                let rating = parameters.iter().find(|(name, _)| *name == "trace_rating");
                let rating = rating.map(|(_, rating)| ("trace_status", rating.clone()));
                parameters.extend(rating);
            }
            _ => {}
        }
        cts::list(&mut self.session, api, &self.tracker, &parameters, None, now).await
    }
}
