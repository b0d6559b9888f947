//! Tracebell's own pages, which messages link to, and the API: who may ask, and how answers are dressed.
//!
//! Pages are whole without a script, and none runs. What stands in them from traces is escaped by
//! the templates and made harmless to read before. Nothing here knows how links and tokens are checked.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::{any, get, post},
};
use minijinja::{Environment, value::Serde};
use serde::Serialize;
use tokio::sync::watch;

use super::{
    accept::Peer,
    access::{Access, Caller, Refused},
    api, origin,
    problem::Problem,
};
use crate::{
    clock::{self, Timestamp},
    store::Sqlite,
};

pub(super) mod alert;
mod login;
pub(super) mod silence;
mod words;

/// What the pages show, and who may see it.
#[derive(Clone)]
pub struct Site {
    pub store: Sqlite,
    pub access: watch::Receiver<Arc<Access>>,
}

/// What every handler is given.
#[derive(Clone)]
pub(super) struct Shared {
    pub store: Sqlite,
    access: watch::Receiver<Arc<Access>>,
    templates: Arc<Environment<'static>>,
}

/// Who asks, what is in force, and when.
#[derive(Clone)]
pub(super) struct Asked {
    pub caller: Caller,
    pub access: Arc<Access>,
    /// Where the request really comes from.
    pub client: Option<IpAddr>,
    pub now: Timestamp,
}

pub fn router(site: Site) -> Router {
    let shared = Shared { store: site.store, access: site.access, templates: Arc::new(templates()) };
    Router::new()
        .route("/pages.css", get(style))
        .route("/login", get(login::form).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/alerts/{id}", get(alert::page))
        .route("/alerts/{id}/silence", get(silence::form).post(silence::make))
        .route("/silences/{id}", get(silence::page).post(silence::end))
        .route("/api/v1/alerts/{id}", get(api::alert))
        .route("/api/v1/silences", get(api::silences).post(api::make))
        .route("/api/v1/silences/{id}", get(api::silence).delete(api::end))
        .route("/api/{*rest}", any(api::nothing))
        .layer(from_fn_with_state(shared.clone(), door))
        .with_state(shared)
}

/// Everything passes here, in and out.
async fn door(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    let root = root(request.uri().path());
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let access = shared.access.borrow().clone();
    let now = clock::now();
    let admitted = admit(&access, &request, peer, now);
    let caller = admitted.as_ref().map_or(Caller::Stranger, Clone::clone);
    let path = request.uri().path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let mut response = match admitted {
        Ok(caller) => {
            let (access, client) = (Arc::clone(&access), access.client(request.headers(), peer));
            request.extensions_mut().insert(Asked { caller, access, client, now });
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| plain(&response, api));
    if let Some(problem) = problem {
        let headers = std::mem::take(response.headers_mut());
        response = if api { api::told(&problem) } else { shared.problem(&problem, &access, &caller, root, &path) };
        let kept = [header::RETRY_AFTER, header::ALLOW, header::SET_COOKIE];
        for (name, value) in headers.iter().filter(|(name, _)| kept.contains(name)) {
            response.headers_mut().append(name, value.clone());
        }
        *response.status_mut() = problem.status;
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    dress(response.headers_mut(), api);
    response
}

fn admit(access: &Access, request: &Request, peer: Option<IpAddr>, now: Timestamp) -> Result<Caller, Problem> {
    let headers = request.headers();
    if !origin::is_own(request.method(), headers, access.public_url()) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "another site sent this; open the page itself and try again"));
    }
    access.who(headers, peer, now).map_err(Problem::from)
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::WrongToken => {
                Self::new(StatusCode::UNAUTHORIZED, "that is none of the tokens under `http.tokens`")
            }
            Refused::TooMany(seconds) => Self {
                retry_after: Some(seconds),
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too many wrong tokens came from there; try again in a few minutes",
                )
            },
        }
    }
}

/// An answer of the framework's own, in words: a method that is not there, a body that is too big.
fn plain(response: &Response, api: bool) -> Option<Problem> {
    let status = response.status();
    let text = match status {
        StatusCode::METHOD_NOT_ALLOWED => "this method is not answered here; the `Allow` header names those that are",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        status if api && (status.is_client_error() || status.is_server_error()) => {
            let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == api::JSON);
            return (!json).then(|| Problem::new(status, status.canonical_reason().unwrap_or_default().to_lowercase()));
        }
        _ => return None,
    };
    Some(Problem::new(status, text))
}

/// What every answer carries, so that a browser takes it for nothing but what it is and keeps nothing of it.
fn dress(headers: &mut HeaderMap, api: bool) {
    const POLICY: &str =
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    // An address holds a signature, so no other site hears of it. Our own forms have to say where
    // they come from; without TLS a browser says it in no other way.
    let referrer = if api { "no-referrer" } else { "same-origin" };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, referrer),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

async fn style() -> impl IntoResponse {
    let kind = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind, (header::CACHE_CONTROL, "public, max-age=3600")], include_str!("site/pages.css"))
}

/// The way from a page to the root, so that a proxy may have the pages below a path.
pub(super) fn root(path: &str) -> String {
    "../".repeat(path.matches('/').count().saturating_sub(1))
}

/// What stands around the content of every page.
#[derive(Serialize)]
struct Frame<'a, P: Serialize> {
    root: &'a str,
    heading: &'a str,
    /// The name of the token, if one was typed in.
    caller: Option<&'a str>,
    page: P,
}

#[derive(Serialize)]
struct Trouble<'a> {
    text: &'a str,
    /// The form for a token is shown, and leads on to there.
    next: Option<&'a str>,
}

impl Shared {
    /// A page of one of the templates.
    pub fn page(&self, template: &str, heading: &str, root: &str, caller: &Caller, page: impl Serialize) -> Response {
        let caller = if let Caller::Known(name, _) = caller { Some(name.as_str()) } else { None };
        let frame = Frame { root, heading, caller, page };
        match self.templates.get_template(template).and_then(|template| template.render(Serde(frame))) {
            Ok(html) => Html(html).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page could not be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    fn problem(&self, problem: &Problem, access: &Access, caller: &Caller, root: String, path: &str) -> Response {
        let heading = match problem.status {
            StatusCode::UNAUTHORIZED => "This needs a link or a token",
            StatusCode::FORBIDDEN => "This is not allowed",
            StatusCode::NOT_FOUND => "There is nothing here",
            StatusCode::TOO_MANY_REQUESTS => "Wait a little",
            StatusCode::BAD_REQUEST => "That cannot be done",
            _ => "Something went wrong",
        };
        let asks = problem.status == StatusCode::UNAUTHORIZED && access.has_tokens();
        let next = asks.then(|| login::next(path).unwrap_or_default());
        let text = &problem.text;
        self.page("problem.html", heading, &root, caller, Trouble { text, next })
    }
}

/// Names that end in `.html` have every value escaped for HTML.
fn templates() -> Environment<'static> {
    let mut templates = Environment::new();
    for (name, text) in [
        ("frame.html", include_str!("site/frame.html")),
        ("problem.html", include_str!("site/problem.html")),
        ("alert.html", include_str!("site/alert.html")),
        ("silence-form.html", include_str!("site/silence-form.html")),
        ("silence.html", include_str!("site/silence.html")),
    ] {
        templates.add_template(name, text).expect("the templates are part of the program and tested");
    }
    templates
}

/// Handlers take it as an argument.
pub(super) type Who = Extension<Asked>;
