//! The shape of `http`.

use schemars::JsonSchema;

use super::Secret;

/// What people and other programs may ask.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Http {
    /// Address and port. Default: `127.0.0.1:8080`.
    #[schemars(regex(pattern = ":[0-9]+$"))]
    pub listen: Option<String>,
    /// How readers of messages reach it, for example `https://bell.example.org`. Without it messages have no links to it.
    #[schemars(regex(pattern = "^https?://"))]
    pub public_url: Option<String>,
    /// Who may read or change more than a link in a message allows. Without them only this machine may read.
    pub tokens: Option<Vec<Token>>,
    /// Networks of proxies whose `X-Forwarded-For` tells where a request comes from, beside this machine's own.
    pub trusted_proxies: Option<Vec<String>>,
}

/// Who may read or change.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Token {
    /// Stands as author of what is done with it.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// At least 16 letters, digits and signs, 6 of them different.
    pub secret: Secret,
}

/// What a token allows.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Role {
    /// To read.
    Viewer,
    /// To read, and to make and end silences.
    Operator,
}
