//! What subscribers of a webhook in SMN's format open: the certificate, and the addresses by which
//! they confirm and leave.
//!
//! Nobody logs in here: each address carries its own proof, as SMN's do.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::sync::watch;
use tracing::warn;

use crate::{
    clock,
    endpoint::webhook::Publisher,
    store::{Confirmation, Store},
};

/// By the name of their endpoint; a reload replaces them.
pub type Publishers = Arc<Vec<(String, Arc<Publisher>)>>;

#[derive(Clone)]
struct Shared<S> {
    publishers: watch::Receiver<Publishers>,
    store: S,
    /// Wakes the worker whose queue waits.
    rung: watch::Sender<()>,
}

pub fn router<S: Store>(publishers: watch::Receiver<Publishers>, store: S, rung: watch::Sender<()>) -> Router {
    Router::new()
        .route("/smn/{file}", get(certificate::<S>))
        .route("/smn/subscription/confirm", get(confirm::<S>))
        .route("/smn/subscription/unsubscribe", get(unsubscribe::<S>))
        .with_state(Shared { publishers, store, rung })
}

async fn certificate<S: Store>(State(shared): State<Shared<S>>, Path(file): Path<String>) -> Response {
    let publishers = shared.publishers.borrow().clone();
    let path = format!("/smn/{file}");
    match publishers.iter().find(|(_, publisher)| publisher.certificate_path() == path) {
        Some((_, publisher)) => {
            ([(header::CONTENT_TYPE, "application/x-pem-file")], publisher.certificate.clone()).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no such certificate\n").into_response(),
    }
}

#[derive(Deserialize)]
struct Confirm {
    token: String,
}

async fn confirm<S: Store>(State(shared): State<Shared<S>>, Query(query): Query<Confirm>) -> Response {
    let now = clock::now();
    let found = shared.find(|publisher| publisher.confirms(&query.token, now));
    shared.write(found, Confirmation::Confirmed(now), "You are subscribed.\n").await
}

#[derive(Deserialize)]
struct Unsubscribe {
    subscription_urn: String,
}

async fn unsubscribe<S: Store>(State(shared): State<Shared<S>>, Query(query): Query<Unsubscribe>) -> Response {
    let found = shared.find(|publisher| publisher.is_of(&query.subscription_urn));
    shared.write(found, Confirmation::Left(clock::now()), "You are unsubscribed.\n").await
}

impl<S: Store> Shared<S> {
    /// An endpoint and its subscriber.
    fn find(&self, wanted: impl Fn(&Publisher) -> bool) -> Option<(String, String)> {
        let publishers = self.publishers.borrow();
        let found = publishers.iter().find(|(_, publisher)| wanted(publisher));
        found.map(|(name, publisher)| (name.clone(), publisher.subscriber.clone()))
    }

    async fn write(&self, found: Option<(String, String)>, confirmation: Confirmation, done: &'static str) -> Response {
        let Some((endpoint, subscriber)) = found else {
            return (StatusCode::FORBIDDEN, "this address is too old, or not one of ours\n").into_response();
        };
        match self.store.confirm(&endpoint, &subscriber, confirmation).await {
            Ok(()) => {
                self.rung.send_replace(());
                done.into_response()
            }
            Err(error) => {
                warn!(endpoint, %error, "a subscriber's answer could not be kept");
                (StatusCode::SERVICE_UNAVAILABLE, "try again later\n").into_response()
            }
        }
    }
}
