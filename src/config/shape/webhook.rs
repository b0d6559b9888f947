//! The shape of a webhook endpoint.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::{Secret, services::TrustAndIdentity};

/// A program that takes JSON.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Webhook {
    /// Where to send: a URL, or a secret that holds one.
    pub url: Url,
    /// The request's method. Default: `POST`.
    pub method: Option<Verb>,
    /// The body's format. Default: `tracebell`.
    pub format: Option<Format>,
    /// For the format `template`: the JSON to send, whose texts may hold `{{ title }}`, `{{ actor.name }}` and so on.
    pub template: Option<serde_json::Value>,
    /// For the format `smn`: the publisher that subscribers know.
    pub smn: Option<Publisher>,
    /// Sign each request as Standard Webhooks has it.
    pub sign: Option<Sign>,
    /// Log in with a user name and a password.
    pub basic: Option<Basic>,
    /// Log in with a token.
    pub bearer: Option<Secret>,
    /// More headers, each a secret: `{ x-api-key: { env: SOAR_KEY } }`.
    pub headers: Option<BTreeMap<String, Secret>>,
    /// Whom to trust, and who we are, in TLS.
    pub tls: Option<TrustAndIdentity>,
}

/// A URL, or a secret that holds one.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Url {
    Plain(
        #[schemars(regex(pattern = "^https?://"))]
        String,
    ),
    Secret(Secret),
}

/// The method of a request.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "UPPERCASE")]
pub enum Verb {
    Post,
    Put,
    Patch,
}

/// The body's format.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Format {
    /// Tracebell's own.
    Tracebell,
    /// The same inside a CloudEvents envelope.
    Cloudevents,
    /// Your own, given in `template`.
    Template,
    /// What the cloud's SMN posts to a subscriber, signed as SMN signs, after the subscriber confirmed.
    Smn,
}

/// The publisher that subscribers of SMN know.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Publisher {
    /// `urn:smn:REGION:PROJECT_ID:TOPIC`
    pub topic_urn: String,
    /// The RSA key that signs, in PEM.
    pub key: Secret,
    /// PEM file of the certificate that belongs to the key; subscribers fetch it from us.
    pub cert: String,
    /// Where subscribers reach `http.listen`: `https://bell.example.org`. Default: `http.public_url`.
    pub public_url: Option<String>,
}

/// A signature.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Sign {
    /// `whsec_` and base64, or any text.
    pub secret: Secret,
    /// The secret before, while receivers learn the new one: each request then carries both signatures.
    pub previous: Option<Secret>,
}

/// A login.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Basic {
    /// Without a colon.
    pub username: String,
    /// The login's password.
    pub password: Secret,
}
