//! Chats.

use schemars::JsonSchema;

use super::Secret;

/// A Slack channel: exactly one of `webhook_url` and `token`.
#[derive(Debug, JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [{ "required": ["webhook_url"] }, { "required": ["token", "channel"] }])
)]
pub struct Slack {
    /// The incoming webhook, which knows its channel.
    pub webhook_url: Option<Secret>,
    /// The bot's token, `xoxb-...`: messages are kept up to date, and what follows is told in threads.
    pub token: Option<Secret>,
    /// Where the bot posts: `"#sec"`, or the channel's id.
    pub channel: Option<String>,
    /// Slack's Web API. Default: `https://slack.com/api`.
    #[schemars(regex(pattern = "^https?://"))]
    pub api_url: Option<String>,
}

/// A Mattermost channel.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Mattermost {
    /// The incoming webhook.
    pub webhook_url: Secret,
    /// Another channel than the webhook's, where its server allows that.
    pub channel: Option<String>,
    /// The name to post under, where its server allows that.
    pub username: Option<String>,
}

/// A Rocket.Chat channel.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Rocketchat {
    /// The incoming webhook.
    pub webhook_url: Secret,
}
