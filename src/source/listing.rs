//! The trace list as a person asks for it: filters, a window, at most so many traces.

use std::collections::HashSet;

use super::{
    Record, SourceError,
    catalogue::{self, Session},
    cts::{self, Api, Listed, Parameters},
    walk::PAGE_LIMIT,
};
use crate::{
    clock::Timestamp,
    cloud::{auth::Credentials, http::Answer},
    trace::decode,
};

pub struct Query {
    /// Both ends are included.
    pub from: Timestamp,
    pub to: Timestamp,
    pub limit: usize,
    /// By their names in the API.
    pub filters: Parameters,
}

#[derive(Debug)]
pub struct Found {
    pub records: Vec<Record>,
    /// Whether the cloud has more than were asked for.
    pub more: bool,
}

pub struct Listing {
    session: Session,
    api: Api,
    may_fall_back: bool,
}

impl Listing {
    /// `api` fixes the version; without it v3 is used where it is offered.
    pub fn new(credentials: &Credentials, api: Option<Api>) -> Result<Self, SourceError> {
        let session = catalogue::session(credentials)?;
        Ok(Self { session, api: api.unwrap_or(Api::V3), may_fall_back: api.is_none() })
    }

    pub async fn read(&mut self, query: &Query, now: Timestamp) -> Result<Found, SourceError> {
        let mut records = Vec::new();
        let (mut seen, mut markers) = (HashSet::new(), HashSet::new());
        let mut marker: Option<String> = None;
        loop {
            let page = PAGE_LIMIT.min(query.limit - records.len());
            let mut parameters = query.filters.clone();
            parameters.extend([
                ("limit", page.to_string()),
                ("from", (query.from.as_millisecond() - 1).max(0).to_string()),
                ("to", (query.to.as_millisecond() + 1).max(1).to_string()),
            ]);
            parameters.extend(marker.iter().map(|marker| ("next", marker.clone())));
            let Some(answer) = self.page(&parameters, now).await? else {
                return Ok(Found { records, more: false });
            };
            let context = cts::context(self.session.endpoints(now).await?);
            let body = decode::readable(&answer.body);
            let page = decode::page(&body).map_err(|found| SourceError::Transient {
                reason: format!("the trace list answered {found}"),
                retry_after: None,
            })?;
            let mut fresh = false;
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
                    fresh = true;
                    records.push(record);
                }
            }
            let more = page.marker.is_some() && fresh;
            if records.len() >= query.limit {
                let more = more || records.len() > query.limit;
                records.truncate(query.limit);
                return Ok(Found { records, more });
            }
            match page.marker {
                // A marker that comes again leads in a circle.
                Some(next) if fresh && markers.insert(next.clone()) => marker = Some(next),
                _ => return Ok(Found { records, more: false }),
            }
        }
    }

    async fn page(&mut self, parameters: &Parameters, now: Timestamp) -> Result<Option<Answer>, SourceError> {
        let mut listed = cts::list(&mut self.session, self.api, super::tracker::NAME, parameters, now).await?;
        if let (Listed::NoSuchApi(_), Api::V3, true) = (&listed, self.api, self.may_fall_back) {
            listed = cts::list(&mut self.session, Api::V1, super::tracker::NAME, parameters, now).await?;
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
}
