//! `/api/v1`: silences and alerts for programs, in Tracebell's words. Documented in `docs/api.md`.

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, Query, State, rejection::BytesRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    access::{Caller, Signed},
    problem::Problem,
    site::{Asked, Shared, Who, alert as page, silence as form},
};
use crate::{
    clock::{self, Timestamp},
    silence::{Draft, Matcher, Silence, Standing},
    store::{AlertRow, History, Muted, MutedFilter, SilenceFilter, SilenceRow, Store},
};

pub(super) const JSON: &str = "application/json";
/// Silences in one answer.
const MOST: usize = 1000;

/// A silence as a program asks for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// `rule=kms-*`
    matchers: Vec<String>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    /// In place of `ends_at`: `4h`.
    #[serde(rename = "for")]
    lasts: Option<String>,
    #[serde(default)]
    author: String,
    #[serde(default)]
    comment: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Which {
    standing: Option<String>,
}

pub(super) async fn alert(
    State(shared): State<Shared>,
    Extension(asked): Who,
    Path(id): Path<String>,
    Query(signed): Query<Signed>,
) -> Result<Response, Problem> {
    let alert = page::viewed(&shared, &asked, &id, &signed).await?;
    let history = shared.store.alert_history(&alert.id).await?;
    let filter = MutedFilter { alert: Some(alert.id.clone()), limit: MOST, ..MutedFilter::default() };
    let muted = shared.store.muted(filter).await?;
    Ok(answer(StatusCode::OK, &alert_json(&AlertRow { alert, closed_at: history.closed_at }, &history, &muted)))
}

pub(super) async fn silences(
    State(shared): State<Shared>,
    Extension(asked): Who,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    reads(&asked)?;
    let standing = match which.standing.as_deref() {
        None | Some("all") => None,
        Some(word) => {
            let expected =
                || Problem::bad(format!("expected `standing` active, pending, expired or all, found `{word}`"));
            Some((Standing::parse(word).ok_or_else(expected)?, asked.now))
        }
    };
    let rows = shared.store.silences(SilenceFilter { standing, limit: MOST, ..SilenceFilter::default() }).await?;
    let silences: Vec<Value> = rows.iter().map(|row| silence_json(row, asked.now)).collect();
    Ok(answer(StatusCode::OK, &json!({ "silences": silences })))
}

pub(super) async fn silence(
    State(shared): State<Shared>,
    Extension(asked): Who,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    reads(&asked)?;
    Ok(answer(StatusCode::OK, &silence_json(&form::known(&shared, &id).await?, asked.now)))
}

pub(super) async fn make(
    State(shared): State<Shared>,
    Extension(asked): Who,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    changes(&asked)?;
    let body = body.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| {
        Problem::bad(format!(
            "expected `{{ \"matchers\": [\"rule=NAME\"], \"for\": \"4h\", \"comment\": \"...\" }}`: {error}"
        ))
    })?;
    let silence = read(&asked, wanted).map_err(|problems| Problem::bad(problems.join("; ")))?;
    tracing::info!(silence = silence.id, author = silence.author, "silenced through the API");
    let id = silence.id.clone();
    shared.store.put_silence(silence).await?;
    Ok(answer(StatusCode::CREATED, &silence_json(&form::known(&shared, &id).await?, asked.now)))
}

pub(super) async fn end(
    State(shared): State<Shared>,
    Extension(asked): Who,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    changes(&asked)?;
    let row = form::known(&shared, &id).await?;
    if !shared.store.expire_silence(&row.silence.id, asked.now).await? {
        return Err(Problem::new(StatusCode::CONFLICT, format!("the silence `{}` is over already", row.silence.id)));
    }
    Ok(answer(StatusCode::OK, &silence_json(&form::known(&shared, &id).await?, asked.now)))
}

pub(super) async fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing here; ask /api/v1/silences or /api/v1/alerts/ID")
}

/// `{ "error": "..." }`
pub(super) fn told(problem: &Problem) -> Response {
    answer(problem.status, &json!({ "error": problem.text }))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], format!("{body}\n")).into_response()
}

fn reads(asked: &Asked) -> Result<(), Problem> {
    if asked.caller.may_view() { Ok(()) } else { Err(token(StatusCode::UNAUTHORIZED, "any role")) }
}

fn changes(asked: &Asked) -> Result<(), Problem> {
    match asked.caller {
        _ if asked.caller.may_change() => Ok(()),
        Caller::Known(..) => Err(token(StatusCode::FORBIDDEN, "the role operator")),
        _ => Err(token(StatusCode::UNAUTHORIZED, "the role operator")),
    }
}

fn token(status: StatusCode, role: &str) -> Problem {
    Problem::new(status, format!("expected `Authorization: Bearer TOKEN` with a token of {role} from `http.tokens`"))
}

fn read(asked: &Asked, wanted: Wanted) -> Result<Silence, Vec<String>> {
    let mut problems = Vec::new();
    let mut matchers = Vec::new();
    for text in &wanted.matchers {
        match Matcher::parse(text) {
            Ok(matcher) => matchers.push(matcher),
            Err(problem) => problems.push(problem),
        }
    }
    let starts_at = wanted.starts_at.unwrap_or(asked.now);
    let ends_at = match (wanted.ends_at, wanted.lasts.as_deref().map(duration)) {
        (Some(time), None) => Some(time),
        (None, Some(Some(lasts))) => Some(clock::plus(starts_at, lasts)),
        (None, Some(None)) => {
            problems.push("expected `for` such as `30m`, `4h` or `7d`".to_owned());
            None
        }
        _ => {
            problems.push("expected exactly one of `ends_at` and `for`".to_owned());
            None
        }
    };
    match ends_at {
        Some(ends_at) if problems.is_empty() => {
            let author = form::author(&asked.caller, &wanted.author);
            Silence::new(Draft { matchers, starts_at, ends_at, author, comment: wanted.comment }, asked.now)
        }
        _ => Err(problems),
    }
}

/// `30m`, `4h`, `7d`
fn duration(text: &str) -> Option<std::time::Duration> {
    let span: jiff::Span = text.parse().ok()?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    length.try_into().ok().filter(|length| !std::time::Duration::is_zero(length))
}

fn silence_json(row: &SilenceRow, now: Timestamp) -> Value {
    let silence = &row.silence;
    json!({
        "id": silence.id,
        "standing": silence.standing(now).as_str(),
        "matchers": silence.matchers.iter().map(Matcher::to_string).collect::<Vec<_>>(),
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "ended_at": silence.expired_at,
        "author": silence.author,
        "comment": silence.comment,
        "created_at": silence.created_at,
        "swallowed": row.swallowed,
        "alerts": row.alerts,
        "last_at": row.last_at,
    })
}

/// Also what `tracebell alert show --output json` prints.
pub fn alert_json(row: &AlertRow, history: &History, muted: &[Muted]) -> Value {
    let deliveries: Vec<Value> = history
        .deliveries
        .iter()
        .map(|(row, attempts)| {
            let attempts: Vec<Value> = attempts
                .iter()
                .map(|attempt| {
                    json!({
                        "attempt": attempt.attempt,
                        "started_at": attempt.started_at,
                        "took_seconds": attempt.took.as_secs_f64(),
                        "outcome": attempt.outcome,
                        "reason": attempt.reason,
                    })
                })
                .collect();
            json!({
                "id": row.delivery.id,
                "endpoint": row.delivery.endpoint,
                "subscription": row.delivery.subscription,
                "kind": row.delivery.notification.kind,
                "state": row.state.as_str(),
                "created_at": row.delivery.created_at,
                "next_at": row.next_at,
                "finished_at": row.finished_at,
                "folded_into": row.folded_into,
                "attempts": attempts,
            })
        })
        .collect();
    let traces: Vec<Value> = history
        .traces
        .iter()
        .map(|line| {
            json!({ "trace": line.trace, "time": line.time, "verdict": line.verdict, "reason": line.reason, "at": line.at })
        })
        .collect();
    let muted: Vec<Value> = muted
        .iter()
        .map(|muted| {
            json!({
                "kind": muted.by.kind,
                "by": muted.by.by,
                "reason": muted.by.reason,
                "subscription": muted.subscription,
                "count": muted.count,
                "at": muted.at,
            })
        })
        .collect();
    let mut whole = listed_json(row);
    whole["trace"] = json!(row.alert.first);
    whole["traces"] = json!(traces);
    whole["traces_total"] = json!(history.traces_total);
    whole["deliveries"] = json!(deliveries);
    whole["muted"] = json!(muted);
    whole
}

/// One of many.
pub fn listed_json(row: &AlertRow) -> Value {
    let alert = &row.alert;
    json!({
        "id": alert.id,
        "rule": alert.rule,
        "source": alert.source,
        "severity": alert.severity,
        "title": alert.title,
        "why": alert.why,
        "runbook": alert.runbook,
        "key": alert.key,
        "count": alert.count,
        "first_time": alert.begun(),
        "last_time": alert.last_time,
        "opened_at": alert.opened_at,
        "closes_at": alert.closes_at,
        "closed_at": row.closed_at,
        "shadow": alert.shadow,
    })
}
