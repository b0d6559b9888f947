//! Slack's Web API on loopback, as far as a bot that posts needs it, for tests and the demo.
//!
//! `auth.test`, `chat.postMessage`, `chat.update`, `reactions.add`, `reactions.remove`,
//! `conversations.history` and `conversations.replies`, in the shapes of Slack's reference. It knows the channels it was started with and
//! one token, keeps every message, and says no when it is told to. It does not limit rates by itself.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::AbortHandle};

use super::answer::json_value;
use crate::clock;

/// A message as it is now.
#[derive(Debug, Clone)]
pub struct Message {
    /// The channel's id.
    pub channel: String,
    pub ts: String,
    /// The message below which it stands.
    pub thread: Option<String>,
    /// A reply that is shown in the channel too.
    pub broadcast: bool,
    pub text: String,
    pub blocks: Value,
    pub metadata: Value,
    pub reactions: Vec<String>,
    /// How often it was changed.
    pub edits: u32,
}

/// What befell a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Posted,
    Edited,
    Reacted,
}

/// Hears of every message that is posted, edited or reacted to, as it is then.
pub type Watcher = mpsc::Sender<(Turn, Message)>;

/// How a call is answered in place of what it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `ok: false` and this word; nothing is done.
    Word(&'static str),
    /// `missing_scope`, and the scope.
    Scope(&'static str),
    /// 429 with so many seconds in `Retry-After`; nothing is done.
    Wait(u32),
    /// It is done, and then a gateway fails.
    Lost,
}

/// A running Slack; it stops when dropped.
#[derive(Debug)]
pub struct Slack {
    addr: SocketAddr,
    world: Arc<Mutex<World>>,
    server: AbortHandle,
}

#[derive(Debug, Default)]
struct World {
    token: String,
    channels: Vec<String>,
    messages: Vec<Message>,
    /// Ever: a deleted message's `ts` is never another's.
    posted: u64,
    calls: Vec<String>,
    planned: VecDeque<(String, Answer)>,
    watcher: Option<Watcher>,
}

type Shared = Arc<Mutex<World>>;
/// What a method returns, or Slack's word for why not.
type Done = Result<Value, &'static str>;

const BLOCKS: usize = 50;
const TEXT: usize = 40_000;

impl Slack {
    /// Listens on a free port before it returns. Channels are named without `#`.
    pub async fn start(token: &str, channels: &[&str]) -> io::Result<Self> {
        Self::watched(token, channels, None).await
    }

    /// As [`Slack::start`], with somebody who hears of what is said.
    pub async fn watched(token: &str, channels: &[&str], watcher: Option<Watcher>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let channels = channels.iter().map(|&name| name.to_owned()).collect();
        let world = World { token: token.to_owned(), channels, watcher, ..World::default() };
        let world = Shared::new(Mutex::new(world));
        let router = Router::new().route("/api/{method}", post(answer).get(answer)).with_state(Arc::clone(&world));
        let server = tokio::spawn(async move {
            // Ends with its task; an accept error is retried by axum.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { addr, world, server: server.abort_handle() })
    }

    /// For `api_url`.
    pub fn url(&self) -> String {
        format!("http://{}/api", self.addr)
    }

    /// The id of a channel.
    pub fn channel(&self, name: &str) -> Option<String> {
        self.world().channels.iter().position(|known| known == name).map(id)
    }

    /// All messages, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.world().messages.clone()
    }

    /// Methods in the order in which they were called.
    pub fn calls(&self) -> Vec<String> {
        self.world().calls.clone()
    }

    /// The next call of `method` that nothing else is planned for is answered so.
    pub fn plan(&self, method: &str, answer: Answer) {
        self.world().planned.push_back((method.to_owned(), answer));
    }

    pub fn delete(&self, ts: &str) {
        self.world().messages.retain(|message| message.ts != ts);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn locked(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn id(channel: usize) -> String {
    format!("C{:010}", channel + 1)
}

async fn answer(
    State(shared): State<Shared>,
    Path(method): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut world = locked(&shared);
    world.calls.push(method.clone());
    let at = world.planned.iter().position(|(planned, _)| *planned == method);
    let planned = at.and_then(|at| world.planned.remove(at)).map(|(_, answer)| answer);
    match planned {
        Some(Answer::Word(word)) => return said(Err(word)),
        Some(Answer::Scope(needed)) => {
            let body = json!({ "ok": false, "error": "missing_scope", "needed": needed, "provided": "chat:write" });
            return json_value(StatusCode::OK, &body);
        }
        Some(Answer::Wait(seconds)) => {
            let body = json!({ "ok": false, "error": "ratelimited" }).to_string();
            return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], body).into_response();
        }
        Some(Answer::Lost) | None => {}
    }
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let done = match token {
        None => Err("not_authed"),
        Some(token) if token != world.token => Err("invalid_auth"),
        Some(_) => arguments(&headers, query.as_deref(), &body).and_then(|given| world.call(&method, &given)),
    };
    if planned == Some(Answer::Lost) {
        return (StatusCode::BAD_GATEWAY, "bad gateway").into_response();
    }
    said(done)
}

fn said(done: Done) -> Response {
    let body = match done {
        Ok(mut body) => {
            body["ok"] = true.into();
            body
        }
        Err(word) => json!({ "ok": false, "error": word }),
    };
    json_value(StatusCode::OK, &body)
}

/// A JSON body, or the query of a method that reads.
fn arguments(headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> Done {
    let json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if json {
        let given: Value = serde_json::from_slice(body).map_err(|_| "invalid_json")?;
        return if given.is_object() { Ok(given) } else { Err("json_not_object") };
    }
    let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(
        &format!("/?{}", query.unwrap_or_default()).parse().map_err(|_| "invalid_form_data")?,
    )
    .map_err(|_| "invalid_form_data")?
    .0;
    Ok(Value::Object(pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect()))
}

impl World {
    fn call(&mut self, method: &str, given: &Value) -> Done {
        match method {
            "auth.test" => Ok(json!({
                "url": "https://example.slack.com/", "team": "Example", "user": "tracebell",
                "team_id": "T0000000001", "user_id": "U0000000001", "bot_id": "B0000000001",
            })),
            "chat.postMessage" => self.post(given),
            "chat.update" => self.update(given),
            "reactions.add" => self.react(given),
            "reactions.remove" => self.unreact(given),
            "conversations.history" => self.list(given, None),
            "conversations.replies" => self.list(given, Some(text(given, "ts"))),
            _ => Err("unknown_method"),
        }
    }

    fn post(&mut self, given: &Value) -> Done {
        let name = text(given, "channel").trim_start_matches('#');
        let named = self.channels.iter().position(|known| known == name).map(id);
        let channel = named.map_or_else(|| self.known(given), Ok)?;
        let (text_, blocks) = content(given)?;
        let thread = given["thread_ts"].as_str().map(str::to_owned);
        if let Some(thread) = &thread
            && !self.messages.iter().any(|message| message.channel == channel && message.ts == *thread)
        {
            return Err("thread_not_found");
        }
        self.posted += 1;
        let ts = format!("{}.{:06}", clock::now().as_second(), self.posted);
        let message = Message {
            channel: channel.clone(),
            ts: ts.clone(),
            broadcast: thread.is_some() && given["reply_broadcast"] == true,
            thread,
            text: text_,
            blocks,
            metadata: given["metadata"].clone(),
            reactions: Vec::new(),
            edits: 0,
        };
        let shown = shown(&message);
        tell(self.watcher.as_ref(), Turn::Posted, &message);
        self.messages.push(message);
        Ok(json!({ "message": shown, "channel": channel, "ts": ts }))
    }

    fn update(&mut self, given: &Value) -> Done {
        let watcher = self.watcher.clone();
        let message = self.message(given, "ts")?;
        let (text, blocks) = content(given)?;
        (message.text, message.blocks) = (text, blocks);
        message.edits += 1;
        if !given["metadata"].is_null() {
            message.metadata = given["metadata"].clone();
        }
        tell(watcher.as_ref(), Turn::Edited, message);
        Ok(json!({ "message": shown(message), "channel": message.channel, "ts": message.ts, "text": message.text }))
    }

    fn react(&mut self, given: &Value) -> Done {
        let name = text(given, "name").to_owned();
        let watcher = self.watcher.clone();
        let message = self.message(given, "timestamp")?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return Err("invalid_name");
        }
        if message.reactions.contains(&name) {
            return Err("already_reacted");
        }
        message.reactions.push(name);
        tell(watcher.as_ref(), Turn::Reacted, message);
        Ok(json!({}))
    }

    fn unreact(&mut self, given: &Value) -> Done {
        let name = text(given, "name").to_owned();
        let watcher = self.watcher.clone();
        let message = self.message(given, "timestamp")?;
        let at = message.reactions.iter().position(|known| *known == name).ok_or("no_reaction")?;
        message.reactions.remove(at);
        tell(watcher.as_ref(), Turn::Reacted, message);
        Ok(json!({}))
    }

    /// Newest first in a channel, oldest first in a thread.
    fn list(&self, given: &Value, thread: Option<&str>) -> Done {
        let channel = self.known(given)?;
        let after = |message: &&Message| message.ts.as_str() > text(given, "oldest");
        let belongs = |message: &&Message| match thread {
            Some(ts) => message.ts == ts || message.thread.as_deref() == Some(ts),
            None => message.thread.is_none() || message.broadcast,
        };
        let here = self.messages.iter().filter(|message| message.channel == channel);
        let mut found: Vec<Value> = here.filter(belongs).filter(after).map(shown).collect();
        if thread.is_none() {
            found.reverse();
        }
        found.truncate(text(given, "limit").parse().unwrap_or(100));
        if text(given, "include_all_metadata") != "true" {
            found.iter_mut().filter_map(Value::as_object_mut).for_each(|message| drop(message.remove("metadata")));
        }
        Ok(json!({ "messages": found, "has_more": false }))
    }

    /// All but posting wants the channel's id.
    fn known(&self, given: &Value) -> Result<String, &'static str> {
        let channel = text(given, "channel");
        (0..self.channels.len()).map(id).find(|known| known == channel).ok_or("channel_not_found")
    }

    fn message(&mut self, given: &Value, key: &str) -> Result<&mut Message, &'static str> {
        let channel = self.known(given)?;
        let found =
            self.messages.iter_mut().find(|message| message.channel == channel && message.ts == text(given, key));
        found.ok_or("message_not_found")
    }
}

fn tell(watcher: Option<&Watcher>, turn: Turn, message: &Message) {
    if let Some(watcher) = watcher {
        // Whoever listens no more, or far too slowly, misses it; the conversation itself is whole.
        let _ = watcher.try_send((turn, message.clone()));
    }
}

fn text<'a>(given: &'a Value, key: &str) -> &'a str {
    given[key].as_str().unwrap_or_default()
}

/// Fallback text and blocks, within the published limits.
fn content(given: &Value) -> Result<(String, Value), &'static str> {
    let (text, blocks) = (text(given, "text"), &given["blocks"]);
    let count = blocks.as_array().map_or(0, Vec::len);
    if text.is_empty() && count == 0 {
        return Err("no_text");
    }
    if text.chars().count() > TEXT {
        return Err("msg_too_long");
    }
    if count > BLOCKS || blocks.as_array().is_some_and(|blocks| blocks.iter().any(|block| !block["type"].is_string())) {
        return Err("invalid_blocks");
    }
    Ok((text.to_owned(), blocks.clone()))
}

fn shown(message: &Message) -> Value {
    let mut shown = json!({
        "type": "message", "bot_id": "B0000000001", "ts": message.ts,
        "text": message.text, "blocks": message.blocks, "metadata": message.metadata,
    });
    if let Some(thread) = &message.thread {
        shown["thread_ts"] = thread.as_str().into();
    }
    shown
}
