//! Tracebell's own JSON: versioned, in Tracebell's words. Documented in `docs/webhook.md`.
//!
//! It is read by programs, so texts come exactly as the trace holds them, in
//! JSON strings; only their length is bounded. What is missing has no key.

use serde::Serialize;

use crate::{
    alert::{Key, Severity},
    clock::Timestamp,
    notification::{self, AlertFacts, Kind, Worse},
    render::{Letter, inert::cut},
    trace::{Trace, action},
};

/// Grows only when a reader of the old one would misread the new one.
const VERSION: u32 = 1;

// Receivers commonly take 256 KiB; these bounds, in characters, stay below that
// even where each character needs six bytes of JSON.
const TEXT: usize = 1_000;
const NAME: usize = 200;
const AUDITED_BODY: usize = 4_000;
const LIST: usize = 20;

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    let Letter { notification, id, .. } = *letter;
    let alert = notification.alert.as_ref();
    let body = Body {
        version: VERSION,
        id,
        kind: notification.kind,
        severity: notification.severity,
        title: text(&notification.title),
        why: notification.why.as_deref().map(text),
        runbook: notification.runbook.as_deref().map(text),
        source: (!notification.source.is_empty()).then(|| text(&notification.source)),
        created_at: notification.created_at,
        alert: alert.map(alert_part),
        trace: alert.map(|alert| trace_part(&alert.trace)),
        worse: notification.worse.as_ref().map(worse_part),
        overflow: notification.gathered.as_ref().map(overflow_part),
        lines: notification.lines.iter().take(LIST).map(|line| cut(line, TEXT / 2)).collect(),
    };
    serde_json::to_vec(&body).expect("structs of texts and numbers always become JSON")
}

#[derive(Serialize)]
struct Body<'a> {
    version: u32,
    id: &'a str,
    kind: Kind,
    severity: Severity,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runbook: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<AlertPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TracePart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worse: Option<WorsePart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overflow: Option<OverflowPart>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
}

#[derive(Serialize)]
struct AlertPart<'a> {
    id: &'a str,
    rule: &'a str,
    key: Key,
    count: u64,
    span_seconds: u64,
}

#[derive(Serialize)]
struct WorsePart<'a> {
    was: Severity,
    trace: TracePart<'a>,
}

#[derive(Serialize)]
struct TracePart<'a> {
    id: String,
    time: Timestamp,
    record_time: Timestamp,
    service: String,
    operation: String,
    action: &'a str,
    rating: String,
    outcome: &'a str,
    origin: &'a str,
    actor: ActorPart,
    #[serde(skip_serializing_if = "ResourcePart::is_empty")]
    resource: ResourcePart,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<String>,
    #[serde(skip_serializing_if = "ProjectPart::is_empty")]
    project: ProjectPart,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    console_url: Option<String>,
}

#[derive(Serialize)]
struct ActorPart {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assumed_by: Option<String>,
}

#[derive(Serialize)]
struct ResourcePart {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl ResourcePart {
    fn is_empty(&self) -> bool {
        self.kind.is_none() && self.name.is_none() && self.id.is_none()
    }
}

#[derive(Serialize)]
struct ProjectPart {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl ProjectPart {
    fn is_empty(&self) -> bool {
        self.id.is_none() && self.name.is_none()
    }
}

#[derive(Serialize)]
struct OverflowPart {
    total: u64,
    by_rule: Vec<Counted>,
    by_actor: Vec<Counted>,
    titles: Vec<String>,
}

#[derive(Serialize)]
struct Counted {
    name: String,
    count: u64,
}

fn alert_part(alert: &AlertFacts) -> AlertPart<'_> {
    AlertPart {
        id: &alert.id,
        rule: &alert.rule,
        key: alert.key.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        count: alert.count,
        span_seconds: alert.span.as_secs(),
    }
}

/// Without the audited bodies: one trace with all of them is as much as a receiver may take.
fn worse_part(worse: &Worse) -> WorsePart<'_> {
    WorsePart { was: worse.was, trace: TracePart { request: None, response: None, ..trace_part(&worse.trace) } }
}

fn trace_part(trace: &Trace) -> TracePart<'_> {
    let actor = &trace.actor;
    let resource = &trace.resource;
    TracePart {
        id: text(&trace.id),
        time: trace.time,
        record_time: trace.record_time,
        service: text(&trace.service),
        operation: text(&trace.operation),
        action: action::of(&trace.operation),
        rating: text(trace.rating.as_str()),
        outcome: trace.outcome().as_str(),
        origin: trace.origin().as_str(),
        actor: ActorPart {
            kind: trace.actor_kind().as_str(),
            name: maybe(&actor.name),
            id: maybe(&actor.id),
            domain: maybe(&actor.domain),
            assumed_by: maybe(&actor.assumed_by),
        },
        resource: ResourcePart { kind: maybe(&resource.kind), name: maybe(&resource.name), id: maybe(&resource.id) },
        source_ip: maybe(&trace.source_ip),
        project: ProjectPart { id: maybe(&trace.project_id), name: maybe(&trace.project_name) },
        region: maybe(&trace.region),
        code: maybe(&trace.code),
        trace_type: maybe(&trace.trace_type),
        api_version: maybe(&trace.api_version),
        message: maybe(&trace.message),
        request: trace.request.as_deref().map(|body| cut(body, AUDITED_BODY)),
        response: trace.response.as_deref().map(|body| cut(body, AUDITED_BODY)),
        console_url: maybe(&trace.console_url),
    }
}

fn overflow_part(overflow: &notification::Gathered) -> OverflowPart {
    let counted = |counts: &[(String, u64)]| {
        counts.iter().take(LIST).map(|(name, count)| Counted { name: cut(name, NAME), count: *count }).collect()
    };
    OverflowPart {
        total: overflow.total,
        by_rule: counted(&overflow.by_rule),
        by_actor: counted(&overflow.by_actor),
        titles: overflow.titles.iter().take(LIST).map(|title| cut(title, NAME)).collect(),
    }
}

fn text(text: &str) -> String {
    cut(text, TEXT)
}

fn maybe(value: &Option<String>) -> Option<String> {
    value.as_deref().map(text)
}
