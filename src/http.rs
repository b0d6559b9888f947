//! What machines and people ask a running Tracebell: `/healthz`, `/readyz`, `/metrics`, and its site.
//!
//! The first three are read-only and without secrets; they know the board and the metrics registry, not where
//! their contents come from, so `app` hands in a refresh. The [`site`] has pages and API, and asks who it is.

use std::{fmt::Write as _, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text, registry::Registry};
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer, timeout::TimeoutLayer};

use crate::{
    clock,
    health::{Board, Report},
};

pub mod accept;
pub mod access;
pub mod api;
mod forwarded;
mod guesses;
mod origin;
mod problem;
pub mod push;
mod session;
pub mod site;
pub mod smn;
mod throttle;

pub use accept::{Limits, serve, serve_within};

/// Runs before each `/metrics` answer: brings gauges up to date from the store.
pub type Refresh = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Far more than a form or a silence needs; beyond it the answer is 413.
const BODY_LIMIT: usize = 64 * 1024;
/// From the request's headers to the answer, refresh included.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Shared {
    board: Board,
    registry: Arc<Registry>,
    refresh: Refresh,
}

/// `site` is [`site::router`], [`smn::router`] and [`push::router`], or empty.
pub fn router(board: Board, registry: Arc<Registry>, refresh: Refresh, site: Router) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .layer(RequestBodyLimitLayer::new(BODY_LIMIT))
        .with_state(Shared { board, registry, refresh })
        .merge(site.layer(DefaultBodyLimit::max(BODY_LIMIT)))
        .fallback(elsewhere)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_WITHIN))
        .layer(CatchPanicLayer::new())
}

/// A [`Refresh`] of a plain async closure.
pub fn refresh<F, R>(refresh: R) -> Refresh
where
    F: Future<Output = ()> + Send + 'static,
    R: Fn() -> F + Send + Sync + 'static,
{
    Arc::new(move || Box::pin(refresh()))
}

/// That this answers at all is the fact asked for.
async fn healthz() -> &'static str {
    "alive\n"
}

/// For a person with a browser.
async fn elsewhere() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "there is nothing here; ask /healthz, /readyz or /metrics\n")
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let report = shared.board.check(clock::now());
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], in_words(&report)).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    (shared.refresh)().await;
    let mut page = String::new();
    match text::encode(&mut page, &shared.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], page).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// One line for the whole and one per task, bad ones first.
fn in_words(report: &Report) -> String {
    let mut text = String::from(if report.ready { "ready\n" } else { "not ready\n" });
    let (good, bad): (Vec<_>, Vec<_>) = report.lines.iter().partition(|line| line.ok);
    for line in bad.into_iter().chain(good) {
        let verdict = if line.ok { "ok " } else { "BAD" };
        let colon = if line.text.is_empty() { "" } else { ": " };
        writeln!(text, "{verdict} {}{colon}{}", line.task, line.text).expect("a String takes all text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_come_first() {
        let (board, now) = (Board::default(), clock::now());
        board.expect("endpoint slack", Duration::from_secs(60), now);
        board.note("endpoint slack", Some("paused: HTTP 403".into()));
        board.expect("store", Duration::from_secs(60), now);
        assert_eq!(in_words(&board.check(now)), "ready\nok  endpoint slack: paused: HTTP 403\nok  store\n");
        board.trouble("store", "disk is full", now);
        assert_eq!(
            in_words(&board.check(now)),
            "not ready\nBAD store: disk is full (for 0 ms)\nok  endpoint slack: paused: HTTP 403\n"
        );
    }
}
