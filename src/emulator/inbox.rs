//! A place that shows what endpoints received: real HTTP and SMTP listeners and
//! an emulated Slack on loopback, for the demo and for trying out.
//!
//! Accepts everything, checks nothing: each thing received goes to whoever reads
//! the channel, and the last ones to a page. Shares no types with the endpoints.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
    routing::post,
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use super::slack::{Message, Slack, Turn};
use crate::clock;

mod page;
mod shelf;
mod smtp;
mod view;

pub use shelf::Shelf;

/// What arrived, as it arrived.
#[derive(Debug, Clone)]
pub enum Received {
    Http {
        path: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    Mail {
        from: String,
        to: Vec<String>,
        message: Vec<u8>,
    },
    /// A message in the channel, as it is after its turn.
    Slack(Turn, Message),
}

/// The listeners; they end when this is dropped.
#[derive(Debug)]
pub struct Inbox {
    pub http: SocketAddr,
    pub smtp: SocketAddr,
    pub slack: Slack,
    tasks: Vec<AbortHandle>,
}

/// What a bot needs to post: its token and the channel's name.
pub const SLACK_TOKEN: &str = "xoxb-demo";
pub const SLACK_CHANNEL: &str = "security";

/// Turns of the Slack conversation not yet shown.
const SAID: usize = 1024;
/// Received and not yet read; a reader that is slower than this slows the senders down.
const WAITING: usize = 64;

impl Inbox {
    /// Binds all listeners on free loopback ports.
    pub async fn start() -> io::Result<(Self, mpsc::Receiver<Received>)> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let http_listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let smtp_listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (http, smtp) = (http_listener.local_addr()?, smtp_listener.local_addr()?);
        let (watcher, said) = mpsc::channel(SAID);
        let slack = Slack::watched(SLACK_TOKEN, &[SLACK_CHANNEL], Some(watcher)).await?;
        let shelf = Shelf::default();
        let conversation = tokio::spawn(follow(said, sender.clone(), shelf.clone()));
        let taking = Router::new().route("/{*path}", post(take)).with_state((sender.clone(), shelf.clone()));
        let router = page::routes().with_state(shelf.clone()).merge(taking);
        let web = tokio::spawn(async move {
            // Ends with its task; an accept error is retried by axum.
            let _ = axum::serve(http_listener, router).await;
        });
        let mail = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((stream, _)) = smtp_listener.accept().await {
                sessions.spawn(smtp::session(stream, sender.clone(), shelf.clone()));
                while sessions.try_join_next().is_some() {}
            }
        });
        let tasks = vec![web.abort_handle(), mail.abort_handle(), conversation.abort_handle()];
        Ok((Self { http, smtp, slack, tasks }, receiver))
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn take(
    State((sender, shelf)): State<(mpsc::Sender<Received>, Shelf)>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> &'static str {
    let headers = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let received = Received::Http { path, headers: headers.collect(), body: body.to_vec() };
    shelf.put(received.clone(), clock::now(), |_| false);
    // Nobody reading any more is no reason to refuse.
    let _ = sender.send(received).await;
    "ok"
}

/// Puts what is said on Slack beside the rest; a message that changes stays where it is.
async fn follow(mut said: mpsc::Receiver<(Turn, Message)>, sender: mpsc::Sender<Received>, shelf: Shelf) {
    while let Some((turn, message)) = said.recv().await {
        let ts = message.ts.clone();
        let received = Received::Slack(turn, message);
        shelf.put(received.clone(), clock::now(), |other| matches!(other, Received::Slack(_, old) if old.ts == ts));
        // Nobody reading any more is no reason to stop.
        let _ = sender.send(received).await;
    }
}
