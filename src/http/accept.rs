//! Accepts connections, within limits that a stranger cannot stretch.
//!
//! A loop of its own, because axum's has no limit on slow headers, on the
//! number of connections, or on how long one lasts.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{Router, http::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::clock;

/// What one stranger and all strangers together may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub connections: usize,
    /// From the moment a request may begin to the end of its headers; so an idle connection ends too.
    pub headers_within: Duration,
    /// Whole life of a connection: the bound on a client that reads its answer byte by byte.
    pub lifetime: Duration,
    /// For requests under way at shutdown or at the end of a lifetime.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            headers_within: Duration::from_secs(10),
            lifetime: Duration::from_secs(300),
            grace: Duration::from_secs(10),
        }
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Largest request head; every legitimate one is under 1 KiB.
const HEAD_LIMIT: usize = 16 * 1024;
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Serves until `shutdown`, then lets requests under way finish.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    serve_within(Limits::default(), listener, router, shutdown).await;
}

/// [`serve`] with other limits.
pub async fn serve_within(limits: Limits, listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, Peer(peer.ip())),
            Err(error) => {
                // Most often too many open files: wait for some to close instead of spinning.
                tracing::warn!(%error, "cannot accept a connection");
                clock::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => {
                let talk = talk(limits, stream, peer, router.clone(), shutdown.clone());
                connections.spawn(async move {
                    talk.await;
                    drop(slot);
                });
            }
            // Best effort: whoever floods gets no more of our time than this.
            Err(_) => drop(stream.try_write(FULL)),
        }
    }
    connections.close();
    connections.wait().await;
}

async fn talk(limits: Limits, stream: TcpStream, peer: Peer, router: Router, shutdown: CancellationToken) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_within)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = shutdown.cancelled() => None,
        () = clock::sleep(limits.lifetime) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(limits.grace, connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended early"),
        Err(_) => tracing::debug!("a connection was cut at the end of its time"),
    }
}
