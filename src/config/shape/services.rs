//! The shapes of endpoints that are services with an interface of their own.

use schemars::JsonSchema;

use super::{Secret, Url};

/// A Microsoft Teams channel or chat.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Teams {
    /// The webhook of a workflow, which knows its channel.
    pub webhook_url: Secret,
}

/// A Telegram chat.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Telegram {
    /// Of the bot, as @BotFather shows it.
    pub token: Secret,
    /// A chat's number, or `@name` of a public channel.
    pub chat: Chat,
    /// A Bot API server of your own. Default: `https://api.telegram.org`.
    pub api_url: Option<Url>,
}

/// A chat's number, or `@name` of a public channel.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Chat {
    Number(i64),
    Name(#[schemars(regex(pattern = "^(@[A-Za-z0-9_-]+|-?[0-9]+)$"))] String),
}

/// A service of PagerDuty.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PagerDuty {
    /// The integration key of an Events API v2 integration.
    pub routing_key: Secret,
    /// Default: `https://events.pagerduty.com/v2/enqueue`.
    pub url: Option<Url>,
}

/// Opsgenie, or a service that speaks its alert API.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Opsgenie {
    /// The key of an API integration that may create alerts.
    pub api_key: Secret,
    /// Default: `https://api.opsgenie.com`; Europe's is `https://api.eu.opsgenie.com`.
    pub url: Option<Url>,
}

/// Prometheus Alertmanager.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Alertmanager {
    /// Where it is, with its route prefix if it has one: `https://alerts.example.org`.
    pub url: Url,
    /// Login, with `password`.
    pub username: Option<String>,
    /// Login, with `username`.
    pub password: Option<Secret>,
    /// A token, in place of a login.
    pub bearer: Option<Secret>,
    /// Whom to trust, and who we are, in TLS.
    pub tls: Option<TrustAndIdentity>,
}

/// Whom to trust, and who we are, in TLS.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TrustAndIdentity {
    /// PEM file of a private authority, trusted in addition.
    pub ca: Option<String>,
    /// PEM file of our certificate, for receivers that want one.
    pub cert: Option<String>,
    /// PEM file of its key.
    pub key: Option<String>,
}
