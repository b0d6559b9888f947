//! `tracebell traces show`: one trace as a page for people.

use std::{process::ExitCode, time::Duration};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{filter::CloudArgs, format::object};
use crate::{
    cli::{
        BAD, Output, terminal,
        time::{self, SpanArgs},
        tracker::{failed, print, usage, visible},
    },
    clock,
    source::{Record, listing::Listing, tracker},
    trace::Trace,
};

/// Columns where no terminal says how many it has.
const WIDTH: usize = 110;

#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Its id, as `traces list` and notifications show it
    trace_id: String,
    /// Zone of times that are shown: Europe/Berlin (default: UTC)
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    #[command(flatten)]
    cloud: CloudArgs,
    #[arg(long, short, default_value = "table")]
    output: Output,
}

/// An `Err` is the exit code of something that was already said.
pub async fn show(args: ShowArgs) -> Result<ExitCode, ExitCode> {
    let now = clock::now();
    let id = args.trace_id.trim();
    if id.is_empty() {
        return Err(usage(&["the id of the trace is empty".to_owned()]));
    }
    let zone = SpanArgs::zone(args.timezone.as_deref()).map_err(|problem| usage(&[problem]))?;
    let credentials = args.cloud.credentials()?;
    let mut listing =
        Listing::of(&credentials, args.cloud.api(), tracker::NAME, Vec::new()).map_err(|error| failed(&error))?;
    let Some(record) = listing.one(id, now).await.map_err(|error| failed(&error))? else {
        anstream::eprintln!("error: no trace of the last 7 days is called `{}`", visible(id));
        return Ok(ExitCode::from(BAD));
    };
    match args.output {
        Output::Json => terminal::print_json(&object(&record)),
        Output::Table => match &record {
            Record::Trace(trace) => print(&page(trace, &zone, terminal::columns().unwrap_or(WIDTH))),
            Record::Undecodable { id, raw, reason } => {
                print(&format!("{}\n\ncould not be decoded: {}\n\n{}\n", visible(id), visible(reason), visible(raw)));
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// Who, what, from where; then the bodies, and whatever else the cloud said.
fn page(trace: &Trace, zone: &TimeZone, width: usize) -> String {
    let late = clock::since(trace.time, trace.record_time);
    let recorded = match late {
        Duration::ZERO => String::new(),
        late => format!(", recorded {} later", clock::in_words(late)),
    };
    let with_id = |name: &Option<String>, id: &Option<String>| match (name, id) {
        (Some(name), Some(id)) => Some(format!("{name} ({id})")),
        (name, id) => name.clone().or_else(|| id.clone()),
    };
    let actor = &trace.actor;
    let who = with_id(&actor.name, &actor.id).unwrap_or_else(|| "the platform".to_owned());
    let kind = trace.actor_kind().as_str().replace('_', " ");
    let resource = &trace.resource;
    let what = [resource.kind.clone(), with_id(&resource.name, &resource.id)].into_iter().flatten().collect::<Vec<_>>();
    let origin = trace.trace_type.clone().unwrap_or_else(|| trace.origin().as_str().to_owned());
    let from = trace.source_ip.as_ref().map_or_else(|| origin.clone(), |ip| format!("{ip}, {origin}"));
    let mut facts = vec![
        ("when", Some(format!("{}{recorded}", time::shown(trace.time, zone)))),
        ("who", Some(format!("{who}, {kind}"))),
        ("assumed by", actor.assumed_by.clone()),
        ("account", with_id(&actor.domain, &actor.domain_id)),
        ("what", Some(what.join(" ")).filter(|what| !what.is_empty())),
        ("from", Some(from)),
        ("answer", trace.code.as_ref().map(|code| format!("HTTP {code}"))),
        ("API version", trace.api_version.clone()),
        ("project", with_id(&trace.project_name, &trace.project_id)),
        ("region", trace.region.clone()),
        ("console", trace.console_url.clone()),
        ("id", Some(trace.id.clone())),
    ];
    facts.retain(|(_, text)| text.is_some());
    let outcome = trace.outcome().as_str();
    let mut page = format!("{} {}: {outcome} (rating {})\n\n", trace.service, trace.operation, trace.rating.as_str());
    page = visible(page.trim_end());
    page.push_str("\n\n");
    let facts: Vec<(&str, String)> = facts.into_iter().map(|(name, text)| (name, text.unwrap_or_default())).collect();
    rows(&facts, width, &mut page);
    for (name, body) in [("request", &trace.request), ("response", &trace.response), ("message", &trace.message)] {
        let Some(body) = body else { continue };
        page.push_str(&format!("\n{name}\n"));
        lines(&pretty(body), width, &mut page);
    }
    if trace.truncated {
        page.push_str("\na body was too long and is cut\n");
    }
    if !trace.extra.is_empty() {
        page.push_str("\nother\n");
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let other: Vec<(&str, String)> = trace
            .extra
            .iter()
            .filter(|(_, value)| !value.is_null() && value.as_str() != Some(""))
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect();
        rows(&other, width, &mut page);
    }
    page
}

/// Names in one column, texts in the other, broken where the terminal ends.
fn rows(rows: &[(&str, String)], width: usize, page: &mut String) {
    let longest = rows.iter().map(|(name, _)| visible(name).chars().count()).max().unwrap_or_default();
    for (name, text) in rows {
        let room = width.saturating_sub(longest + 4).max(20);
        for (at, line) in terminal::wrap(&visible(text), room).iter().enumerate() {
            let name = if at == 0 { visible(name) } else { String::new() };
            page.push_str(format!("  {name:longest$}  {line}").trim_end());
            page.push('\n');
        }
    }
}

fn lines(text: &str, width: usize, page: &mut String) {
    for line in text.lines() {
        let depth = line.len() - line.trim_start_matches(' ').len();
        let room = width.saturating_sub(2 + depth).max(20);
        for line in terminal::wrap(&visible(line.trim_start_matches(' ')), room) {
            page.push_str(format!("  {}{line}", " ".repeat(depth)).trim_end());
            page.push('\n');
        }
    }
}

/// JSON, also inside a string, over several lines; anything else as it is.
fn pretty(body: &str) -> String {
    let read =
        |text: &str| serde_json::from_str::<Value>(text).ok().filter(|value| value.is_object() || value.is_array());
    let inside = || serde_json::from_str::<String>(body).ok().and_then(|text| read(&text));
    match read(body).or_else(inside) {
        Some(value) => serde_json::to_string_pretty(&value).expect("a value made of JSON can be written as JSON"),
        None => body.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trace::decode::{self, Context};

    #[test]
    fn a_page_says_who_did_what_from_where_and_forgets_nothing() {
        let raw = json!({ "trace_id": "t-1", "time": 1_768_465_800_123_i64, "record_time": 1_768_465_801_456_i64,
            "trace_name": "deleteUser", "trace_rating": "normal", "trace_type": "ApiCall", "service_type": "IAM",
            "resource_type": "user", "resource_name": "bob", "resource_id": "0a0b", "source_ip": "198.51.100.7",
            "code": 204, "request": "{\"user\":{\"name\":\"bob\"}}", "response": "no JSON \u{1b}[2J", "event_type": "global",
            "read_only": false, "operation_id": "", "request_id": "3f1d",
            "user": { "name": "alice", "id": "1111", "domain": { "name": "OTC1", "id": "fedc" } } });
        let trace =
            decode::decode(&raw.to_string(), &Context::default(), "2026-01-15T09:00:00Z".parse().unwrap()).unwrap();
        let page = page(&trace, &TimeZone::UTC, 60);
        for line in [
            "IAM deleteUser: succeeded (rating normal)",
            "  when     2026-01-15 08:30:00Z, recorded 1 s later",
            "  who      alice (1111), user",
            "  account  OTC1 (fedc)",
            "  what     user bob (0a0b)",
            "  from     198.51.100.7, ApiCall",
            "  answer   HTTP 204",
            "    \"user\": {",
            "      \"name\": \"bob\"",
            "  no JSON \\u{1b}[2J",
            "  event_type  global",
            "  read_only   false",
            "  request_id  3f1d",
        ] {
            assert!(page.lines().any(|found| found == line), "`{line}` is missing in\n{page}");
        }
        assert!(!page.contains("null") && !page.contains('\u{1b}'), "{page}");
    }
}
