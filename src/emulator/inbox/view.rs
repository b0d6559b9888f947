//! What the page needs of a thing that arrived, by where it would be read.

use mail_parser::{MessageParser, MimeHeaders};
use serde::Serialize;
use serde_json::Value;

use super::{Received, shelf::Item};
use crate::emulator::slack::Message;

/// Places where recipients read: id, name, and whose it is.
pub const CHANNELS: [(&str, &str, &str); 3] =
    [("slack", "Slack", "#security"), ("mail", "Mail", "ops@example.org"), ("webhook", "Webhook", "a program")];

/// One message for the template.
#[derive(Debug, Serialize)]
pub struct View {
    pub channel: &'static str,
    pub number: u64,
    /// `08:30:04 UTC`
    time: String,
    slack: Option<Said>,
    mail: Option<Mail>,
    call: Option<Call>,
}

#[derive(Debug, Serialize)]
struct Said {
    /// Slack's id of it in the channel.
    ts: String,
    /// The message below which it stands.
    thread: Option<String>,
    broadcast: bool,
    edited: bool,
    text: String,
    blocks: Value,
    reactions: Vec<String>,
    /// What stands below it.
    replies: Vec<View>,
}

#[derive(Debug, Serialize)]
struct Mail {
    subject: String,
    from: String,
    to: String,
    text: String,
    html: Option<String>,
    /// Headers by which mail programs sort and thread.
    headers: Vec<(String, String)>,
}

#[derive(Debug, Serialize)]
struct Call {
    path: String,
    /// What it is about, if it says so.
    title: Option<String>,
    /// `opened, high, signed, 1543 bytes`
    about: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Headers that every request has and nobody asks for.
const PLUMBING: [&str; 5] = ["host", "content-length", "accept", "accept-encoding", "user-agent"];
const MAIL_HEADERS: [&str; 7] =
    ["Message-ID", "In-Reply-To", "References", "List-Id", "Auto-Submitted", "Importance", "X-Tracebell-Rule"];

/// What arrived, newest first; replies stand below what they answer, in the order in which they came.
pub fn conversations(items: &[Item]) -> Vec<View> {
    let mut views: Vec<View> = Vec::new();
    for view in items.iter().map(of) {
        let below = view.slack.as_ref().and_then(|said| said.thread.clone());
        let head =
            views.iter_mut().filter_map(|head| head.slack.as_mut()).find(|head| Some(&head.ts) == below.as_ref());
        match head {
            Some(head) => head.replies.push(view),
            None => views.push(view),
        }
    }
    views.reverse();
    views
}

pub fn of(item: &Item) -> View {
    let time = item.at.strftime("%H:%M:%S UTC").to_string();
    let mut view = View { channel: "webhook", number: item.number, time, slack: None, mail: None, call: None };
    match &item.received {
        Received::Http { path, headers, body } => view.call = Some(call(path, headers, body)),
        Received::Mail { from, to, message } => {
            view.channel = "mail";
            view.mail = Some(mail(from, to, message));
        }
        Received::Slack(_, message) => {
            view.channel = "slack";
            view.slack = Some(said(message));
        }
    }
    view
}

impl View {
    /// The message below which it stands.
    pub fn thread(&self) -> Option<&str> {
        self.slack.as_ref()?.thread.as_deref()
    }
}

fn said(message: &Message) -> Said {
    let Message { ts, thread, broadcast, text, blocks, reactions, edits, .. } = message.clone();
    Said { ts, thread, broadcast, edited: edits > 0, text, blocks, reactions, replies: Vec::new() }
}

fn call(path: &str, headers: &[(String, String)], body: &[u8]) -> Call {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let word = |key: &str| Some(json.as_ref()?.get(key)?.as_str()?.to_owned());
    let signed = headers.iter().any(|(name, _)| name == "webhook-signature").then(|| "signed".to_owned());
    let size = Some(format!("{} bytes", body.len()));
    let about: Vec<String> = [word("kind"), word("severity"), signed, size].into_iter().flatten().collect();
    let (title, about) = (word("title"), about.join(", "));
    let body = json.map_or_else(|| String::from_utf8_lossy(body).into_owned(), |json| format!("{json:#}"));
    let headers = headers.iter().filter(|(name, _)| !PLUMBING.contains(&name.as_str())).cloned().collect();
    Call { path: format!("/{path}"), title, about, headers, body }
}

fn mail(from: &str, to: &[String], message: &[u8]) -> Mail {
    let Some(parsed) = MessageParser::default().parse(message) else {
        let text = String::from_utf8_lossy(message).into_owned();
        return Mail {
            subject: "(unreadable)".into(),
            from: from.into(),
            to: to.join(", "),
            text,
            html: None,
            headers: Vec::new(),
        };
    };
    let header = |name: &&str| Some(((*name).to_owned(), parsed.header_raw(*name)?.trim().to_owned()));
    let html = parsed.html_part(0).filter(|part| part.is_content_type("text", "html"));
    Mail {
        subject: parsed.subject().unwrap_or("(no subject)").to_owned(),
        from: parsed.header_raw("From").unwrap_or(from).trim().to_owned(),
        to: to.join(", "),
        text: parsed.body_text(0).unwrap_or_default().into_owned(),
        html: html.and_then(|part| part.text_contents()).map(str::to_owned),
        headers: MAIL_HEADERS.iter().filter_map(header).collect(),
    }
}

/// An address that a click may open; nothing else becomes one.
pub fn address(url: &str) -> String {
    if url.starts_with("https://") || url.starts_with("http://") { url.to_owned() } else { "#".to_owned() }
}

/// The sign of a name of Slack's; an unknown name stays as Slack shows it.
pub fn emoji(name: &str) -> String {
    match name {
        "red_circle" => "🔴",
        "large_orange_circle" => "🟠",
        "large_yellow_circle" => "🟡",
        "large_blue_circle" => "🔵",
        "white_circle" => "⚪",
        "arrow_double_up" => "⏫",
        "zzz" => "💤",
        "no_bell" => "🔕",
        "bell" => "🔔",
        _ => return format!(":{name}:"),
    }
    .to_owned()
}
