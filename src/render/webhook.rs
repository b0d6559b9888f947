//! Tracebell's own JSON: versioned, in Tracebell's words. Documented in `docs/webhook.md`.
//!
//! It is read by programs, so texts come exactly as the trace holds them, in
//! JSON strings; only their length is bounded. What is missing has no key.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    alert::{Key, Severity},
    clock::Timestamp,
    notification::{self, AlertFacts, Kind, Worse},
    render::{
        Letter,
        inert::cut,
        link::{self, Link},
    },
    rule::shape,
    trace::{Trace, action},
};

const VERSION: u32 = 1;

// Receivers commonly take 256 KiB; these bounds, in characters, stay below that
// even where each character needs six bytes of JSON.
const TEXT: usize = 1_000;
const NAME: usize = 200;
const AUDITED_BODY: usize = 4_000;
const LIST: usize = 20;
const BARS: usize = 200;

pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    serde_json::to_vec(&parts(letter)).expect("structs of texts and numbers always become JSON")
}

/// JSON Schema of [`body`].
pub fn schema() -> serde_json::Value {
    shape::draw::<Body<'static>>("Tracebell webhook")
}

/// What [`body`] writes, for formats that put it inside something else.
pub fn parts<'a>(letter: &Letter<'a>) -> Body<'a> {
    let Letter { notification, id, .. } = *letter;
    let alert = notification.alert.as_ref();
    Body {
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
        gathered: notification.gathered.as_ref().map(gathered_part),
        evidence: notification.evidence.iter().take(LIST).map(evidence_part).collect(),
        context: notification.context.iter().take(LIST).map(|line| cut(line, TEXT / 2)).collect(),
        links: link::links(letter).into_iter().map(link_part).collect(),
        lines: notification.lines.iter().take(LIST).map(|line| cut(line, TEXT / 2)).collect(),
    }
}

/// What a receiver gets. Keys that a reader does not know may come within a version; none is null.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Body<'a> {
    /// Grows only when a reader of the old one would misread the new one.
    version: u32,
    /// The delivery: the same in every repeat.
    id: &'a str,
    /// What happened.
    kind: Kind,
    /// Set by the rule.
    #[schemars(with = "shape::Severity")]
    severity: Severity,
    /// One sentence: who did what to which resource.
    title: String,
    /// Why it matters, from the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// What to do, from the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    runbook: Option<String>,
    /// Where the traces came from; not for notices.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// When the notification was made.
    #[schemars(with = "Time")]
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<AlertPart<'a>>,
    /// The match that opened the alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TracePart<'a>>,
    /// How the alert got worse.
    #[serde(skip_serializing_if = "Option::is_none")]
    worse: Option<WorsePart<'a>>,
    /// What one message in place of many stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    gathered: Option<GatheredPart>,
    /// The conditions of the rule that the trace made true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<EvidencePart>,
    /// What the past says about it, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    context: Vec<String>,
    /// Pages about it, the most useful first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    links: Vec<LinkPart>,
    /// More in plain words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
}

/// An instant in UTC, as RFC 3339 writes it.
#[derive(JsonSchema)]
#[schemars(extend("format" = "date-time"))]
struct Time(#[expect(dead_code, reason = "only its shape counts")] String);

/// What matches have in common.
#[derive(Debug, Serialize, JsonSchema)]
struct AlertPart<'a> {
    id: &'a str,
    /// The rule that fired.
    rule: &'a str,
    /// Fields and values that make matches one alert.
    key: Key,
    /// Matches so far.
    count: u64,
    /// From the oldest match to the newest.
    span_seconds: u64,
}

/// How an alert got worse.
#[derive(Debug, Serialize, JsonSchema)]
struct WorsePart<'a> {
    /// The severity before.
    #[schemars(with = "shape::Severity")]
    was: Severity,
    /// The trace that did it, without its bodies.
    trace: TracePart<'a>,
}

/// One record of the audit log.
#[derive(Debug, Serialize, JsonSchema)]
struct TracePart<'a> {
    id: String,
    /// When it happened.
    #[schemars(with = "Time")]
    time: Timestamp,
    /// When the cloud recorded it.
    #[schemars(with = "Time")]
    record_time: Timestamp,
    service: String,
    operation: String,
    /// The verb of the operation, or `other`.
    action: &'a str,
    /// The cloud's word for the outcome.
    rating: String,
    outcome: &'a str,
    origin: &'a str,
    actor: ActorPart,
    #[serde(default, skip_serializing_if = "ResourcePart::is_empty")]
    resource: ResourcePart,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip: Option<String>,
    #[serde(default, skip_serializing_if = "ProjectPart::is_empty")]
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
    /// Body of the audited call, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// Body of its answer, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    console_url: Option<String>,
}

/// Who did it.
#[derive(Debug, Serialize, JsonSchema)]
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

/// What it was done to.
#[derive(Debug, Default, Serialize, JsonSchema)]
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

/// Where it was done.
#[derive(Debug, Default, Serialize, JsonSchema)]
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

/// What one message in place of many stands for: the lists hold the largest, `total` is the full number.
#[derive(Debug, Serialize, JsonSchema)]
struct GatheredPart {
    /// Alerts and repeats.
    total: u64,
    /// How many of them tell of an operation that failed.
    failed: u64,
    /// Operation times of the oldest and the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    first: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Time>")]
    last: Option<Timestamp>,
    by_rule: Vec<Counted>,
    by_actor: Vec<Counted>,
    by_resource: Vec<Counted>,
    by_service: Vec<Counted>,
    /// The first, worst severity first.
    titles: Vec<String>,
    /// Counts over time, oldest first, in equal steps.
    bars: Vec<BarPart>,
}

/// A name, and how many belong to it.
#[derive(Debug, Serialize, JsonSchema)]
struct Counted {
    name: String,
    count: u64,
}

/// One step of a chart.
#[derive(Debug, Serialize, JsonSchema)]
struct BarPart {
    #[schemars(with = "Time")]
    from: Timestamp,
    count: u64,
    #[schemars(with = "shape::Severity")]
    worst: Severity,
}

/// A field of the trace and what it holds.
#[derive(Debug, Serialize, JsonSchema)]
struct EvidencePart {
    field: String,
    value: String,
}

/// A page.
#[derive(Debug, Serialize, JsonSchema)]
struct LinkPart {
    label: &'static str,
    url: String,
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

fn gathered_part(gathered: &notification::Gathered) -> GatheredPart {
    let counted = |counts: &[(String, u64)]| {
        counts.iter().take(LIST).map(|(name, count)| Counted { name: cut(name, NAME), count: *count }).collect()
    };
    let bar = |bar: &notification::Bar| BarPart { from: bar.from, count: bar.count, worst: bar.worst };
    GatheredPart {
        total: gathered.total,
        failed: gathered.failed,
        first: gathered.first,
        last: gathered.last,
        by_rule: counted(&gathered.by_rule),
        by_actor: counted(&gathered.by_actor),
        by_resource: counted(&gathered.by_resource),
        by_service: counted(&gathered.by_service),
        titles: gathered.titles.iter().take(LIST).map(|title| cut(title, NAME)).collect(),
        bars: gathered.bars.iter().take(BARS).map(bar).collect(),
    }
}

fn evidence_part(evidence: &notification::Evidence) -> EvidencePart {
    EvidencePart { field: cut(&evidence.field, NAME), value: cut(&evidence.value, TEXT / 2) }
}

fn link_part(link: Link) -> LinkPart {
    LinkPart { label: link.label, url: link.url }
}

fn text(text: &str) -> String {
    cut(text, TEXT)
}

fn maybe(value: &Option<String>) -> Option<String> {
    value.as_deref().map(text)
}
