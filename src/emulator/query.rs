//! The trace list of each API version: reads and checks the query, writes the page.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, Query as Params, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use serde_json::Value;

use super::{
    answer::{Answer, Refusal, json_text},
    entry::{Entry, Field, Version},
    fault::{Fault, PageFaults},
    log::Query,
    world::World,
};
use crate::clock;

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 200;
const HOUR_MS: i64 = 60 * 60 * 1000;

type Shared = State<Arc<World>>;
type Pairs = Params<Vec<(String, String)>>;
type Faults = Option<Extension<PageFaults>>;

pub fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/v1.0/{project}/{tracker}/trace", get(list_v1))
        .route("/v2.0/{project}/{tracker}/trace", get(list_v2))
        .route("/v3/{project}/traces", get(list_v3))
}

async fn list_v1(
    State(world): Shared,
    Path((project, tracker)): Path<(String, String)>,
    headers: HeaderMap,
    Params(pairs): Pairs,
    faults: Faults,
) -> Answer {
    let at = world.authorise(&headers, &project)?;
    list(&world, at, Version::V1, &tracker, &pairs, faults)
}

async fn list_v2(
    State(world): Shared,
    Path((project, tracker)): Path<(String, String)>,
    headers: HeaderMap,
    Params(pairs): Pairs,
    faults: Faults,
) -> Answer {
    let at = world.authorise(&headers, &project)?;
    list(&world, at, Version::V2, &tracker, &pairs, faults)
}

async fn list_v3(
    State(world): Shared,
    Path(project): Path<String>,
    headers: HeaderMap,
    Params(pairs): Pairs,
    faults: Faults,
) -> Answer {
    let at = world.authorise(&headers, &project)?;
    let named = pairs.iter().find(|(key, _)| key == "tracker_name");
    let tracker = named.map_or("system", |(_, name)| name.as_str());
    list(&world, at, Version::V3, tracker, &pairs, faults)
}

/// The list of the project at that place.
fn list(
    world: &World,
    at: usize,
    version: Version,
    tracker: &str,
    pairs: &[(String, String)],
    faults: Faults,
) -> Answer {
    let now = clock::now().as_millisecond();
    let mut query = read(pairs, version, now)?;
    let faults = faults.map(|Extension(faults)| faults.0).unwrap_or_default();
    let mut state = world.state();
    if tracker != "system" && !state.cts[at].has(tracker) {
        return Err(Refusal::no_tracker(tracker));
    }
    let looping = faults.contains(&Fault::MarkerLoop);
    let asked = if looping { query.next.take() } else { query.next.clone() };
    // What an inclusive `next` would repeat, taken before the page borrows the log.
    let mut elements: Vec<String> = Vec::new();
    if let (true, Some(next)) = (faults.contains(&Fault::Duplicates), &asked)
        && let Some(entry) = state.logs[at].marked_entry(next)
    {
        elements.push(written(entry, version));
    }
    let page = state.logs[at].page(&query, world.settings.clock, now);
    let marker = match page.marker {
        None if looping => page.entries.last().map(|last| Arc::clone(&last.id)),
        marker => marker,
    };
    if faults.is_empty() {
        // The usual case: straight into the answer.
        let mut body = String::with_capacity(256 + 1100 * page.entries.len());
        open(&mut body, page.entries.len(), marker.as_deref());
        for (at, entry) in page.entries.iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            entry.write(version, &mut body);
        }
        body.push_str("]}");
        return Ok(json_text(StatusCode::OK, body));
    }
    elements.extend(page.entries.iter().map(|entry| written(entry, version)));
    drop(state);
    for fault in &faults {
        fault.change_page(&mut elements, now);
    }
    let mut body = String::new();
    open(&mut body, elements.len(), marker.as_deref());
    body.push_str(&elements.join(","));
    body.push_str("]}");
    Ok(json_text(StatusCode::OK, body))
}

fn written(entry: &Entry, version: Version) -> String {
    let mut out = String::new();
    entry.write(version, &mut out);
    out
}

fn open(body: &mut String, count: usize, marker: Option<&str>) {
    let marker = marker.map_or(Value::Null, Value::from);
    body.push_str(&format!(r#"{{"meta_data":{{"count":{count},"marker":{marker}}},"traces":["#));
}

fn read(pairs: &[(String, String)], version: Version, now: i64) -> Result<Query, Refusal> {
    let refused = |text: String| Refusal::bad_request("CTS.0300", text);
    // The end is exclusive, yet what is recorded by now must show: someone may
    // ask within the millisecond of the recording.
    let latest = now + 1;
    let mut query =
        Query { from: now - HOUR_MS, to: latest, limit: DEFAULT_LIMIT, next: None, trace_id: None, wanted: Vec::new() };
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        match key.as_str() {
            "limit" => {
                query.limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                    .ok_or_else(|| refused(format!("limit must be 1 to {MAX_LIMIT}, not {value}.")))?;
            }
            "from" | "to" => {
                let digits = value.len() == 13 && value.bytes().all(|byte| byte.is_ascii_digit());
                let time = value.parse().ok().filter(|_| digits);
                let time = time.ok_or_else(|| refused(format!("{key} must have 13 digits, not {value}.")))?;
                if key == "from" { query.from = time } else { query.to = time }
            }
            "next" => query.next = Some(value.clone()),
            "trace_id" => query.trace_id = Some(value.clone()),
            "trace_type" if version == Version::V3 && value != "system" => {
                return Err(refused(format!("trace_type must be system, not {value}.")));
            }
            "trace_rating" | "trace_status" => {
                if !["normal", "warning", "incident"].contains(&value.as_str()) {
                    return Err(refused(format!("{key} must be normal, warning or incident, not {value}.")));
                }
                query.wanted.push((Field::TraceRating, value.clone()));
            }
            // Parameters that nobody knows change nothing, as with most gateways.
            other => {
                if let Some((field, _)) = Field::ALL.iter().find(|(_, name)| *name == other) {
                    query.wanted.push((*field, value.clone()));
                }
            }
        }
    }
    if query.from > query.to {
        return Err(refused("from must not be later than to.".to_owned()));
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &str, expected: Result<(i64, i64, usize), ()>) {
        let pairs: Vec<(String, String)> = pairs
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let now = 1_768_465_800_000;
        let query = read(&pairs, Version::V3, now);
        assert_eq!(query.map(|query| (query.from - now, query.to - now, query.limit)).map_err(|_| ()), expected);
    }

    #[test]
    fn parameters_are_checked() {
        check("", Ok((-HOUR_MS, 1, 10)));
        check("limit=200&from=1768465799000", Ok((-1000, 1, 200)));
        check("limit=201", Err(()));
        check("limit=0", Err(()));
        check("limit=ten", Err(()));
        check("from=1768465799", Err(()));
        check("from=1768465800000&to=1768465799000", Err(()));
        check("trace_rating=bad", Err(()));
        check("trace_type=data", Err(()));
        check("trace_type=system&unknown=1", Ok((-HOUR_MS, 1, 10)));
    }
}
