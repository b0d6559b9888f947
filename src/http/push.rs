//! `POST /ingest/smn/NAME`: what SMN, or a function, pushes for a source.
//!
//! Nobody logs in here: what is posted proves itself, or shows the function's token. The answers are SMN's business:
//! it tries again on a 503 alone, so that is said only while the store cannot write.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::{sync::watch, time::timeout};

use super::{
    accept::Peer,
    access::{self, Access},
    throttle::Throttle,
};
use crate::{
    clock,
    ingest::push::{Push, PushError, Taken},
    metrics::{Metrics, RefusalLabel},
    source::push::{Gate, LONGEST, Reason, Refusal},
    store::Store,
};

/// By the name of their source; a reload replaces them.
pub type Pushes<S> = Arc<BTreeMap<String, Arc<Push<S>>>>;

/// SMN itself gives up after five seconds, so nobody who is honest needs longer.
const BODY_WITHIN: Duration = Duration::from_secs(4);

#[derive(Clone)]
struct Shared<S> {
    pushes: watch::Receiver<Pushes<S>>,
    access: watch::Receiver<Arc<Access>>,
    throttle: Arc<Throttle>,
    metrics: Metrics,
}

pub fn router<S: Store>(
    pushes: watch::Receiver<Pushes<S>>,
    access: watch::Receiver<Arc<Access>>,
    metrics: Metrics,
) -> Router {
    Router::new()
        .route("/ingest/smn/{name}", post(take::<S>))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(Shared { pushes, access, throttle: Arc::default(), metrics })
}

async fn take<S: Store>(
    State(shared): State<Shared<S>>,
    Path(name): Path<String>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let peer: Option<IpAddr> = peer.map(|Extension(Peer(address))| address);
    let peer = shared.access.borrow().client(&headers, peer);
    if !shared.throttle.lets_in(peer, clock::now()) {
        shared.count("", "rate");
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], "too many posts\n").into_response();
    }
    let Some(push) = shared.pushes.borrow().get(&name).cloned() else {
        shared.count("", "unknown");
        return (StatusCode::NOT_FOUND, "no source of this name is pushed to\n").into_response();
    };
    let body = match timeout(BODY_WITHIN, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => {
            let long = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            shared.count(&name, if long { "size" } else { "malformed" });
            return (rejection.status(), "the post is longer than 256 KiB, or was cut off\n").into_response();
        }
        Err(_) => {
            shared.count(&name, "slow");
            return (StatusCode::REQUEST_TIMEOUT, "the post did not come in time\n").into_response();
        }
    };
    answer(post_to(&push, &headers, &body).await)
}

async fn post_to<S: Store>(push: &Push<S>, headers: &HeaderMap, body: &[u8]) -> Result<Taken, PushError> {
    let now = clock::now();
    if headers.contains_key(header::AUTHORIZATION) {
        return push.event(access::bearer(headers).unwrap_or_default(), body, now).await;
    }
    if Gate::is_event(body) {
        let words = "a function shows `Authorization: Bearer` with the `function_token` of this source".to_owned();
        let refusal = Refusal { reason: Reason::Token, words };
        push.refused(&refusal, now);
        return Err(refusal.into());
    }
    // One that is there twice could be read either way.
    let kinds: Vec<_> = headers.get_all("x-smn-message-type").iter().collect();
    let kind = kinds.first().filter(|_| kinds.len() == 1).and_then(|kind| kind.to_str().ok());
    push.message(kind, body, now).await
}

fn answer(done: Result<Taken, PushError>) -> Response {
    match done {
        Ok(Taken::Traces { fresh, duplicate, undecodable }) => {
            format!("stored: {fresh} new, {duplicate} known, {undecodable} unreadable\n").into_response()
        }
        Ok(Taken::Noted) => "noted\n".into_response(),
        Ok(Taken::Replayed) => "known\n".into_response(),
        Err(PushError::Refused(refusal)) => {
            let status = match refusal.reason {
                Reason::Malformed => StatusCode::BAD_REQUEST,
                Reason::Topic => StatusCode::FORBIDDEN,
                Reason::Time | Reason::Certificate | Reason::Signature | Reason::Token => StatusCode::UNAUTHORIZED,
            };
            // Where certificates are fetched is nobody's business.
            match refusal.reason {
                Reason::Certificate => (status, "the certificate is not SMN's\n").into_response(),
                _ => (status, format!("{refusal}\n")).into_response(),
            }
        }
        Err(PushError::Store(_)) => {
            let again = [(header::RETRY_AFTER, "10")];
            (StatusCode::SERVICE_UNAVAILABLE, again, "it cannot be stored now\n").into_response()
        }
    }
}

impl<S> Shared<S> {
    fn count(&self, source: &str, reason: &'static str) {
        self.metrics.push_refused.get_or_create(&RefusalLabel { source: source.to_owned(), reason }).inc();
    }
}
