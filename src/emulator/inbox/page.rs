//! The page of the inbox: each message as its recipient would see it, and new ones as they come.
//!
//! Works without script; with it, news appear by themselves. Shows what was sent and nothing that
//! it would have been: an unknown shape is shown as the JSON it is.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use minijinja::{Environment, UndefinedBehavior, context, value::Serde};
use serde::{Deserialize, Serialize};

use super::{shelf::Shelf, view};

/// A browser asks again after this long without news.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn routes() -> Router<Shelf> {
    Router::new()
        .route("/", get(page))
        .route("/live", get(live))
        .route("/inbox.css", get(|| file("text/css; charset=utf-8", include_str!("inbox.css"))))
        .route("/inbox.js", get(|| file("text/javascript; charset=utf-8", include_str!("inbox.js"))))
}

async fn page(State(shelf): State<Shelf>) -> Response {
    let (items, version) = shelf.since(0);
    let shown = view::conversations(&items);
    let channels: Vec<_> = view::CHANNELS
        .iter()
        .map(|(id, name, whose)| {
            let items: Vec<&view::View> = shown.iter().filter(|view| view.channel == *id).collect();
            context! { id => *id, name => *name, whose => *whose, items => Serde(items) }
        })
        .collect();
    drawn("page.html", context! { channels, version })
}

/// What came after the version that the browser has seen; waits for it.
async fn live(State(shelf): State<Shelf>, Query(seen): Query<Seen>) -> Response {
    let _ = tokio::time::timeout(PATIENCE, shelf.beyond(seen.version)).await;
    let (items, version) = shelf.since(seen.version);
    let news = items.iter().map(view::of).map(|view| {
        let html = render("item.html", context! { item => Serde(&view) }).unwrap_or_default();
        New { channel: view.channel, number: view.number, thread: view.thread().map(str::to_owned), html }
    });
    Json(News { version, items: news.collect() }).into_response()
}

#[derive(Deserialize)]
struct Seen {
    #[serde(default)]
    version: u64,
}

#[derive(Serialize)]
struct News {
    version: u64,
    items: Vec<New>,
}

#[derive(Serialize)]
struct New {
    channel: &'static str,
    number: u64,
    /// The message below which it stands.
    thread: Option<String>,
    html: String,
}

async fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

fn drawn(template: &str, context: minijinja::Value) -> Response {
    match render(template, context) {
        Ok(html) => Html(html).into_response(),
        Err(error) => (axum::http::StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}

/// Names that end in `.html` make every value escaped for HTML.
fn render(template: &str, context: minijinja::Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    // Whatever a message lacks is not shown.
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.add_template("page.html", include_str!("page.html"))?;
    environment.add_template("item.html", include_str!("item.html"))?;
    environment.add_template("slack.html", include_str!("slack.html"))?;
    environment.add_filter("emoji", view::emoji);
    environment.add_filter("address", view::address);
    environment.get_template(template)?.render(context)
}
