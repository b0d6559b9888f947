//! Telegram, through a bot.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    InvalidEndpoint,
    answer::{self, Answer},
    client::Tls,
    post::{self, Post},
};
use crate::{
    clock::Timestamp,
    delivery::{Delivery, Leased, Outcome},
    secret::Secret,
};

const URL: &str = "https://api.telegram.org";

#[derive(Debug, Clone)]
pub struct Settings {
    pub token: Secret,
    /// A number, or `@name` of a public channel.
    pub chat: String,
    /// Of a Bot API server of one's own.
    pub api_url: Option<Secret>,
}

#[derive(Clone)]
pub struct Telegram {
    post: Post,
    chat: String,
}

/// What is kept of an answer, to reply to the message later.
#[derive(Deserialize)]
struct Receipt {
    message_id: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    ok: bool,
    description: String,
    parameters: Parameters,
    result: Option<Receipt>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

impl Telegram {
    pub fn new(endpoint: &super::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let token = settings.token.expose().trim();
        let (bot, key) = token.split_once(':').unwrap_or_default();
        let word =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !bot.bytes().all(|b| b.is_ascii_digit()) || !word(bot) || !word(key) {
            return Err(endpoint.invalid("`token` is not a bot's token; expected a number, a colon and letters"));
        }
        if settings.chat.parse::<i64>().is_err() && !settings.chat.strip_prefix('@').is_some_and(word) {
            return Err(endpoint.invalid("`chat` is neither a number nor `@` and the name of a channel"));
        }
        let base = settings.api_url.as_ref().map_or(URL, Secret::expose).trim().trim_end_matches('/');
        let url = Secret::new(format!("{base}/bot{token}/sendMessage"));
        Ok(Self { post: Post::new(endpoint, "api_url", &url, &Tls::default())?, chat: settings.chat.clone() })
    }

    /// Later messages of a conversation answer its first one.
    pub async fn send(&self, leased: &Leased, now: Timestamp) -> Outcome {
        let Delivery { id, thread, body, .. } = &leased.delivery;
        let receipt = leased.thread_receipt.as_deref().filter(|_| id != thread);
        let first: Option<Receipt> = receipt.and_then(|receipt| serde_json::from_str(receipt).ok());
        let add = |body: &mut Value| {
            body["chat_id"] = self.chat.parse::<i64>().map_or_else(|_| self.chat.as_str().into(), Value::from);
            if let Some(Receipt { message_id }) = first {
                body["reply_parameters"] = json!({ "message_id": message_id, "allow_sending_without_reply": true });
            }
        };
        match post::with(body, add) {
            Ok(body) => self.post.send(&body, now, judge).await,
            Err(outcome) => outcome,
        }
    }
}

fn judge(answer: Answer<'_>) -> Outcome {
    let said: Said = serde_json::from_str(answer.body).unwrap_or_default();
    let wait = said.parameters.retry_after.map(Duration::from_secs).map(|wait| wait.min(answer::LONGEST_WAIT));
    let answer = Answer { retry_after: answer.retry_after.max(wait), ..answer };
    let outcome = answer::webhook(answer);
    let gone = [
        "chat not found",
        "chat_write_forbidden",
        "not enough rights",
        "upgraded to a supergroup",
        "group is deactivated",
    ];
    let text = said.description.to_ascii_lowercase();
    let chat = said.parameters.migrate_to_chat_id.is_some() || gone.iter().any(|words| text.contains(words));
    match (answer.status, outcome) {
        (200, Outcome::Delivered { answer, .. }) if said.ok => {
            let receipt = said.result.map(|Receipt { message_id }| json!({ "message_id": message_id }).to_string());
            // What it says beyond is the message itself.
            Outcome::Delivered { answer: answer.split('`').next().unwrap_or_default().trim_end().to_owned(), receipt }
        }
        (200..=299, _) => answer::retry("http_other", "answered without Telegram's `ok`"),
        (400, outcome) if chat => {
            let fix = match said.parameters.migrate_to_chat_id {
                Some(id) => format!("the group became a supergroup: configure `chat: {id}`"),
                None => "the bot cannot write to this chat: check `chat`, and that the bot is a member who may write"
                    .to_owned(),
            };
            answer::paused(outcome.reason().to_owned(), &fix)
        }
        (401 | 404, outcome) => {
            post::fix(outcome, "Telegram does not know this bot: configure the token that @BotFather shows as `token`")
        }
        (403, outcome) => post::fix(outcome, "the bot was removed or blocked: add it to the chat again"),
        (_, outcome) => post::fix(outcome, "the bot's server does not take messages at this address: check `api_url`"),
    }
}
