//! A Slack bot: a first message that is kept up to date, and a thread of what follows.
//!
//! Slack offers no key by which it would refuse what it has already posted. A repeat therefore
//! looks for its delivery's id in the metadata of recent messages, which takes the channel's id and
//! the scope `channels:history`; without them a lost answer may become a second message.

use std::time::Duration;

use reqwest::{Url, header::HeaderValue};
use serde_json::{Value, json};

use super::{
    call::{Api, Terms},
    receipt::Receipt,
};
use crate::{
    clock::{self, Timestamp},
    delivery::{Delivery, Leased, Outcome},
    endpoint::{self, InvalidEndpoint, answer, client},
    render::slack::bot::{METADATA, Parts},
    secret::Secret,
};

#[derive(Debug, Clone)]
pub struct Settings {
    /// `xoxb-...`
    pub token: Secret,
    /// `#sec`, or the channel's id.
    pub channel: String,
    pub api_url: String,
}

/// Where Slack's Web API is.
pub const API: &str = "https://slack.com/api";

#[derive(Clone)]
pub struct Bot {
    api: Api,
    channel: String,
    timeout: Duration,
}

/// Slack's clock may differ from ours by this much.
const CLOCKS_DIFFER: Duration = Duration::from_secs(10 * 60);

impl Bot {
    pub fn new(endpoint: &endpoint::Settings, settings: &Settings) -> Result<Self, InvalidEndpoint> {
        let invalid = |reason| endpoint.invalid(reason);
        let base: Url =
            client::url("api_url", &Secret::new(settings.api_url.as_str()), &endpoint.outbound).map_err(invalid)?;
        let channel = settings.channel.trim();
        if channel.is_empty() || channel == "#" || channel.chars().any(char::is_whitespace) {
            return Err(endpoint.invalid(format!("`channel` is `{channel}`; expected `#sec` or the channel's id")));
        }
        let token = settings.token.expose().trim();
        if token.starts_with("xapp-") {
            return Err(endpoint.invalid("`token` is an app-level token; expected the Bot User OAuth Token, `xoxb-`"));
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| endpoint.invalid("`token` holds characters that no token has; expected `xoxb-` and so on"))?;
        authorization.set_sensitive(true);
        let client = client::new(&endpoint.outbound, &client::Tls::default()).map_err(invalid)?;
        let api = Api { client, base, authorization };
        Ok(Self { api, channel: channel.to_owned(), timeout: endpoint.timeout })
    }

    pub async fn send(&self, leased: &Leased, now: Timestamp) -> Outcome {
        let delivery = &leased.delivery;
        let Some(parts) = parts(&delivery.body) else {
            let reason = "slack_error: what is stored is no message for a Slack bot".to_owned();
            // A shorter one is made anew, for what the endpoint is now.
            return Outcome::Refused { reason, shorter_may_help: true };
        };
        let head = leased.thread_receipt.as_deref().and_then(Receipt::parse);
        // Edit, look, post, and each reaction: all of them together take no longer than one attempt may.
        let calls = 3 + u32::try_from(parts.reactions.len() + parts.removed.len()).unwrap_or(u32::MAX - 3);
        let terms = Terms { timeout: self.timeout / calls, now };
        let talk = Talk { bot: self, delivery, terms, repeat: leased.attempt > 1, head, notes: Vec::new() };
        talk.send(parts).await.unwrap_or_else(|outcome| outcome)
    }

    /// Asks whether the token works, without posting.
    pub async fn check(&self, now: Timestamp) -> Outcome {
        match self.api.write("auth.test", &json!({}), Terms { timeout: self.timeout, now }).await {
            Ok(said) => {
                let name = |key: &str| said[key].as_str().unwrap_or("?").chars().take(80).collect::<String>();
                let answer = format!("http_2xx: the token is of `{}` in `{}`", name("user"), name("team"));
                Outcome::Delivered { answer, receipt: None }
            }
            Err(refusal) => refusal.outcome,
        }
    }
}

/// One delivery's part in a conversation. An outcome as the error is what ends the attempt.
struct Talk<'a> {
    bot: &'a Bot,
    delivery: &'a Delivery,
    terms: Terms,
    /// An earlier attempt may have posted, and its answer got lost.
    repeat: bool,
    head: Option<Receipt>,
    /// What was done and what was not, for the answer that is kept.
    notes: Vec<String>,
}

impl Talk<'_> {
    /// What can be repeated without harm comes first, so that a failure leaves nothing said twice.
    async fn send(mut self, parts: Parts) -> Result<Outcome, Outcome> {
        let own = self.head.as_ref().is_some_and(|head| head.is_of(self.delivery));
        if let (true, Some(update)) = (own, parts.update) {
            self.edit(update).await?;
        }
        if let Some(post) = parts.post {
            self.post(post, parts.broadcast).await?;
        } else if !own {
            self.notes.push("nothing to edit: the first message of this alert never arrived".to_owned());
        }
        if own {
            for reaction in &parts.reactions {
                self.react("reactions.add", reaction).await;
            }
            for reaction in &parts.removed {
                self.react("reactions.remove", reaction).await;
            }
        }
        let answer = format!("http_2xx: {}", self.notes.join("; "));
        Ok(Outcome::Delivered { answer, receipt: self.head.as_ref().map(Receipt::text) })
    }

    async fn edit(&mut self, mut update: Value) -> Result<(), Outcome> {
        let Some(head) = &mut self.head else { return Ok(()) };
        let made = self.delivery.notification.created_at;
        if made < head.shown {
            self.notes.push("the first message shows something newer".to_owned());
            return Ok(());
        }
        update["channel"] = head.channel.as_str().into();
        update["ts"] = head.ts.as_str().into();
        match self.bot.api.write("chat.update", &update, self.terms).await {
            Ok(_) => {
                head.shown = made;
                self.notes.push("edited the first message".to_owned());
            }
            Err(refusal) => match refusal.word.as_str() {
                // Deleted, or another app's: what follows begins anew.
                "message_not_found" | "cant_update_message" | "message_not_owned_by_app" => {
                    self.notes.push(format!("the first message cannot be edited ({})", refusal.word));
                    self.head = None;
                }
                "edit_window_closed" => {
                    self.notes.push("the workspace lets nobody edit the first message any more".to_owned());
                }
                _ => return Err(refusal.outcome),
            },
        }
        Ok(())
    }

    async fn post(&mut self, mut post: Value, broadcast: bool) -> Result<(), Outcome> {
        let channel = self.head.as_ref().map_or(&self.bot.channel, |head| &head.channel).clone();
        if self.repeat
            && let Some(found) = self.posted_before(&channel).await
        {
            self.notes.push("an earlier attempt had posted it".to_owned());
            self.head.get_or_insert(found);
            return Ok(());
        }
        post["channel"] = channel.into();
        if let Some(head) = &self.head {
            post["thread_ts"] = head.ts.as_str().into();
            if broadcast {
                post["reply_broadcast"] = true.into();
            }
            match self.bot.api.write("chat.postMessage", &post, self.terms).await {
                Ok(_) => {
                    self.notes.push("replied below the first message".to_owned());
                    return Ok(());
                }
                Err(refusal) if NO_THREAD.contains(&refusal.word.as_str()) => {
                    self.notes.push(format!("no reply is possible below the first message ({})", refusal.word));
                    self.head = None;
                    if let Some(post) = post.as_object_mut() {
                        post.remove("thread_ts");
                        post.remove("reply_broadcast");
                    }
                }
                Err(refusal) => return Err(refusal.outcome),
            }
        }
        let said =
            self.bot.api.write("chat.postMessage", &post, self.terms).await.map_err(|refusal| refusal.outcome)?;
        self.head = Receipt::of(&said, self.delivery);
        self.notes.push("posted".to_owned());
        Ok(())
    }

    /// The message that an earlier attempt posted, if it can be found.
    async fn posted_before(&mut self, channel: &str) -> Option<Receipt> {
        // Only posting takes a name.
        if channel.starts_with('#') {
            return None;
        }
        let oldest = clock::minus(self.delivery.created_at, CLOCKS_DIFFER).as_second().to_string();
        let mut query =
            vec![("channel", channel), ("oldest", &oldest), ("include_all_metadata", "true"), ("limit", "50")];
        let method = match &self.head {
            Some(head) => {
                query.push(("ts", &head.ts));
                "conversations.replies"
            }
            None => "conversations.history",
        };
        let said = match self.bot.api.read(method, &query, self.terms).await {
            Ok(said) => said,
            Err(refusal) => {
                let what = if refusal.word.is_empty() { refusal.outcome.reason() } else { &refusal.word };
                self.notes.push(format!("whether an earlier attempt had posted it is not known ({what})"));
                return None;
            }
        };
        let is_mine = |posted: &&Value| {
            let metadata = &posted["metadata"];
            metadata["event_type"] == METADATA && metadata["event_payload"]["delivery"] == self.delivery.id.as_str()
        };
        let found = said["messages"].as_array()?.iter().find(is_mine)?;
        Receipt::of(&json!({ "channel": channel, "ts": found["ts"] }), self.delivery)
    }

    /// A reaction is a courtesy: without it the delivery has arrived all the same.
    async fn react(&mut self, method: &str, name: &str) {
        let Some(head) = &self.head else { return };
        let arguments = json!({ "channel": head.channel, "timestamp": head.ts, "name": name });
        let Err(refusal) = self.bot.api.write(method, &arguments, self.terms).await else { return };
        self.notes.push(match (refusal.word.as_str(), refusal.outcome) {
            ("already_reacted" | "no_reaction", _) => return,
            (_, Outcome::Paused { reason, fix }) => {
                format!("no reaction `{name}`: {}: {fix}", answer::in_words(&reason))
            }
            (_, outcome) => format!("no reaction `{name}`: {}", answer::in_words(outcome.reason())),
        });
    }
}

/// Words that mean the thread and not the message.
const NO_THREAD: [&str; 5] = [
    "thread_not_found",
    "message_not_found",
    "cannot_reply_to_message",
    "restricted_action_non_threadable_channel",
    "no_dual_broadcast_content_update",
];

/// What was frozen for a bot, or for an incoming webhook of the same endpoint before it had a token.
fn parts(body: &[u8]) -> Option<Parts> {
    let frozen: Value = serde_json::from_slice(body).ok()?;
    if frozen["text"].is_string() {
        return Some(Parts { post: Some(frozen), ..Parts::default() });
    }
    let parts: Parts = serde_json::from_value(frozen).ok()?;
    (parts.post.is_some() || parts.update.is_some()).then_some(parts)
}
