//! The listener, and the door every request comes through: faults and statistics.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    serve::ListenerExt,
};
use hyper::body::Frame;
use tokio::net::TcpListener;

use super::{
    answer::Refusal,
    code, control,
    fault::{Fault, PageFaults},
    identity, metadata, notification, query, sign, smn, tracker_v1, tracker_v3, version,
    world::{Answered, World},
};
use crate::clock;

pub async fn serve(listener: TcpListener, world: Arc<World>) {
    let stop = world.stop.clone();
    let routes = Router::new()
        .merge(identity::routes())
        .merge(metadata::routes())
        .merge(query::routes())
        .merge(tracker_v1::routes())
        .merge(tracker_v3::routes())
        .merge(notification::routes())
        .merge(smn::routes(&world))
        .merge(version::routes())
        .fallback(async || Refusal::coded(StatusCode::NOT_FOUND, "APIG.0101", "The API does not exist."))
        .layer(middleware::from_fn_with_state(Arc::clone(&world), sign::door))
        .layer(middleware::from_fn_with_state(Arc::clone(&world), door))
        .merge(control::routes())
        .with_state(world);
    let listener = listener.tap_io(|stream| {
        // Many small answers to one client: waiting for more costs 40 ms each.
        let _ = stream.set_nodelay(true);
    });
    if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "the emulator stopped serving: {error}");
    }
}

async fn door(State(world): State<Arc<World>>, mut request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let faults = world.state().faults.hits(&path);
    for fault in &faults {
        match fault {
            Fault::LatencyMs(ms) => {
                let _ = world.stop.run_until_cancelled(clock::sleep(Duration::from_millis(*ms))).await;
            }
            Fault::ExpireTokens => world.state().expire_tokens(),
            _ => {}
        }
    }
    let (of_page, of_answer): (Vec<Fault>, Vec<Fault>) = faults.into_iter().partition(Fault::is_of_page);
    let mut response = match of_answer.iter().find_map(refusal) {
        Some(refusal) => refusal,
        None => {
            if !of_page.is_empty() {
                request.extensions_mut().insert(PageFaults(of_page));
            }
            next.run(request).await
        }
    };
    for fault in &of_answer {
        if let Fault::DateSeconds(offset) = fault {
            let date = clock::now().saturating_add(jiff::SignedDuration::from_secs(*offset));
            let date = date.unwrap_or(clock::Timestamp::MAX).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            response.headers_mut().insert(header::DATE, date.parse().expect("a date is letters and digits"));
        }
    }
    let mut status = response.status().as_u16();
    if of_answer.contains(&Fault::Truncate) {
        response = shorten(response, Cut::Clean).await;
    }
    if of_answer.contains(&Fault::Reset) {
        response = shorten(response, Cut::Connection).await;
        status = 0;
    }
    world.state().count(Answered { at: clock::now(), method, path, query, status });
    response
}

/// The answer of a fault that keeps the request from being looked at.
fn refusal(fault: &Fault) -> Option<Response> {
    match fault {
        Fault::Throttle { retry_after } => {
            let text = "The throttling threshold has been reached.";
            let mut response = Refusal::coded(StatusCode::TOO_MANY_REQUESTS, "APIG.0308", text).into_response();
            if let Some(wait) = retry_after.as_ref().and_then(|wait| wait.parse().ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, wait);
            }
            Some(response)
        }
        Fault::Status(status) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Some(Refusal::coded(status, "CTS.0005", "The emulator was asked to fail.").into_response())
        }
        Fault::Code(code) => Some(coded(code)),
        Fault::Html => {
            let page = "<!doctype html><html><head><title>Login</title></head><body>Please log in.</body></html>";
            Some(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response())
        }
        _ => None,
    }
}

/// In the shape of the service that documents it.
fn coded(code: &str) -> Response {
    match code::find(code) {
        Some((code, status, text)) => {
            let status = StatusCode::from_u16(*status).expect("the table holds statuses");
            match code.starts_with("SMN.") {
                true => Refusal::smn(status, code, text).into_response(),
                false => Refusal::coded(status, code, *text).into_response(),
            }
        }
        // Planned by hand: no table knows it.
        None => Refusal::bad_request(code, "The emulator was asked to fail so.").into_response(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Clean,
    Connection,
}

async fn shorten(response: Response, cut: Cut) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    let body = match cut {
        Cut::Clean => {
            parts.headers.remove(header::CONTENT_LENGTH);
            Body::from(half)
        }
        Cut::Connection => {
            // The promised length makes the cut one that a client must notice.
            parts.headers.insert(header::CONTENT_LENGTH, (whole.len().max(1)).into());
            Body::new(CutBody { first: Some(half) })
        }
    };
    Response::from_parts(parts, body)
}

/// Some bytes, then an error, on which hyper drops the connection.
struct CutBody {
    first: Option<Bytes>,
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(match self.first.take() {
            Some(bytes) => Ok(Frame::data(bytes)),
            None => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        }))
    }
}
