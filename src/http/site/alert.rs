//! `/alerts/ID`: what it is, and what became of it.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Serialize;

use super::{Asked, Shared, Who, root, words};
use crate::{
    alert::Alert,
    clock,
    http::{
        access::{Caller, Signed},
        problem::Problem,
    },
    notification::Notification,
    render::{
        Address, Format, Letter,
        facts::{self, Fact},
        inert,
        link::{self, Purpose},
    },
    store::{History, Muted, MutedFilter, Store},
};

/// Attempts that are shown of one delivery: the newest.
const ATTEMPTS: usize = 5;
const MUTED: usize = 20;
const NAME: usize = 120;

#[derive(Serialize)]
struct Page {
    severity: &'static str,
    title: String,
    why: Option<String>,
    repeats: Option<String>,
    standing: String,
    facts: Vec<Fact>,
    links: Vec<PageLink>,
    /// Where the form is, if the caller may use it.
    silence: Option<String>,
    traces: Vec<TraceLine>,
    traces_total: u64,
    /// Traces left out after so many lines.
    gap: Option<(usize, u64)>,
    muted: Vec<MutedLine>,
    deliveries: Vec<DeliveryLine>,
    references: Vec<Fact>,
}

#[derive(Serialize)]
struct PageLink {
    label: &'static str,
    url: String,
    host: Option<String>,
}

#[derive(Serialize)]
struct TraceLine {
    time: String,
    trace: String,
    verdict: String,
    reason: Option<String>,
}

#[derive(Serialize)]
struct MutedLine {
    at: String,
    what: String,
    /// The silence's page, if the caller may see it.
    silence: Option<String>,
}

#[derive(Serialize)]
struct DeliveryLine {
    id: String,
    endpoint: String,
    subscription: String,
    kind: String,
    colour: &'static str,
    state: String,
    made: String,
    earlier: usize,
    attempts: Vec<AttemptLine>,
}

#[derive(Serialize)]
struct AttemptLine {
    number: u32,
    at: String,
    took: String,
    outcome: String,
    answer: String,
}

pub async fn page(
    State(shared): State<Shared>,
    Extension(asked): Who,
    Path(id): Path<String>,
    Query(signed): Query<Signed>,
    uri: Uri,
) -> Result<Response, Problem> {
    let alert = viewed(&shared, &asked, &id, &signed).await?;
    let history = shared.store.alert_history(&alert.id).await?;
    let muted = MutedFilter { alert: Some(alert.id.clone()), limit: MUTED, ..MutedFilter::default() };
    let muted = shared.store.muted(muted).await?;
    let page = write(&asked, &alert, history, &muted, &uri, &signed);
    Ok(shared.page("alert.html", &page.title, &root(uri.path()), &asked.caller, &page))
}

/// The alert, if the caller may see it. A link that silences an alert shows it too: both stand in one message.
pub async fn viewed(shared: &Shared, asked: &Asked, id: &str, signed: &Signed) -> Result<Alert, Problem> {
    let linked = asked.access.link_allows(&[Purpose::View, Purpose::Silence], id, signed, asked.now);
    if !linked && !asked.caller.may_view() {
        return Err(refused(asked, signed));
    }
    known(shared, id).await
}

/// The alert with exactly that id.
pub async fn known(shared: &Shared, id: &str) -> Result<Alert, Problem> {
    let found = shared.store.alert(id).await?.filter(|alert| alert.id == id);
    found.ok_or_else(|| Problem::unknown("alert", &inert::line(id, NAME)))
}

/// Why a page stays closed, and what opens it.
pub fn refused(asked: &Asked, signed: &Signed) -> Problem {
    let text = match (&asked.caller, signed.sig.is_empty()) {
        (Caller::Known(name, _), _) => {
            let text = format!("the token `{name}` may read only; this needs one with the role operator");
            return Problem::new(StatusCode::FORBIDDEN, text);
        }
        (Caller::Local, _) => {
            let text = "without a token under `http.tokens` nothing can be changed here, only read";
            return Problem::new(StatusCode::FORBIDDEN, text);
        }
        (_, false) => "The link is too old, was changed on its way, or is not for this page.",
        (_, true) if asked.access.has_tokens() => "Open it with the link in a message, or with a token.",
        (_, true) => "Open it with the link in a message, or on the machine where Tracebell runs.",
    };
    Problem::new(StatusCode::UNAUTHORIZED, text)
}

/// The alert as a message would tell it now.
pub fn told(asked: &Asked, alert: &Alert) -> Notification {
    Notification::summary(alert, asked.now)
}

fn write(asked: &Asked, alert: &Alert, history: History, muted: &[Muted], uri: &Uri, signed: &Signed) -> Page {
    let notification = told(asked, alert);
    let address = Address::plain(Format::Webhook);
    let letter = Letter { address: &address, notification: &notification, id: "", thread: "", subscription: "" };
    let left_out = history.traces_total.saturating_sub(history.traces.len() as u64);
    Page {
        severity: alert.severity.as_str(),
        title: facts::title(&notification),
        why: facts::why(&notification),
        repeats: facts::repeats(&notification),
        standing: standing(asked, alert, &history),
        facts: facts::facts(&notification, &asked.access.zone()),
        links: link::links(&letter).into_iter().map(shown).collect(),
        silence: silence(asked, alert, uri, signed),
        traces_total: history.traces_total,
        gap: (left_out > 0).then_some((history.traces.len() / 2, left_out)),
        traces: history.traces.iter().map(|line| trace(line, asked)).collect(),
        muted: muted.iter().map(|muted| kept(asked, muted)).collect(),
        deliveries: history.deliveries.iter().map(|(row, attempts)| delivery(asked, row, attempts)).collect(),
        references: facts::references(&notification, "").into_iter().filter(|fact| fact.label != "Severity").collect(),
    }
}

fn shown(link: link::Link) -> PageLink {
    PageLink { label: link.label, url: link.url, host: link.foreign.then(|| inert::line(&link.host, NAME)) }
}

fn standing(asked: &Asked, alert: &Alert, history: &History) -> String {
    let open = match history.closed_at {
        Some(time) => format!("Closed {}", words::moment(time, asked)),
        None if alert.closes_at > asked.now => {
            format!("Open: more of the same is counted here until {}", words::when(alert.closes_at, asked))
        }
        None => "About to close".to_owned(),
    };
    if alert.shadow { format!("{open}. Its rule is in shadow mode: nothing is sent") } else { open }
}

fn silence(asked: &Asked, alert: &Alert, uri: &Uri, signed: &Signed) -> Option<String> {
    let form = format!("{}alerts/{}/silence", root(uri.path()), alert.id);
    if asked.caller.may_change() {
        return Some(form);
    }
    let linked = asked.access.link_allows(&[Purpose::Silence], &alert.id, signed, asked.now);
    linked.then(|| format!("{form}?until={}&sig={}", signed.until, signed.sig))
}

fn trace(line: &crate::store::LedgerLine, asked: &Asked) -> TraceLine {
    TraceLine {
        time: words::moment(line.time, asked),
        trace: inert::line(&line.trace, NAME),
        verdict: words::verdict(&line.verdict),
        reason: line.reason.as_deref().map(words::answer),
    }
}

fn kept(asked: &Asked, muted: &Muted) -> MutedLine {
    let what = match muted.count {
        1 => words::answer(&muted.by.reason),
        count => format!("{} ({count} times)", words::answer(&muted.by.reason)),
    };
    let is_silence = muted.by.kind == crate::alert::MuteKind::Silence;
    let silence = (is_silence && asked.caller.may_view()).then(|| muted.by.by.clone());
    MutedLine { at: words::moment(muted.at, asked), what, silence }
}

fn delivery(asked: &Asked, row: &crate::store::DeliveryRow, attempts: &[crate::store::AttemptRow]) -> DeliveryLine {
    let (colour, state) = words::standing(row, asked);
    let earlier = attempts.len().saturating_sub(ATTEMPTS);
    let line = |attempt: &crate::store::AttemptRow| AttemptLine {
        number: attempt.attempt,
        at: words::moment(attempt.started_at, asked),
        took: clock::in_words(attempt.took),
        outcome: attempt.outcome.clone(),
        answer: words::answer(&attempt.reason),
    };
    DeliveryLine {
        id: row.delivery.id.clone(),
        endpoint: row.delivery.endpoint.clone(),
        subscription: row.delivery.subscription.clone(),
        kind: words::cause(row),
        colour,
        state,
        made: words::moment(row.delivery.created_at, asked),
        earlier,
        attempts: attempts[earlier..].iter().map(line).collect(),
    }
}
