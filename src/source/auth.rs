//! Login: password or token, at a Keystone endpoint.

use crate::secret::Secret;

/// Who logs in where.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Ends in `/v3`.
    pub auth_url: String,
    pub method: Method,
    /// Name or id; which one is told by the variant.
    pub project: Option<NameOrId>,
    pub region: Option<String>,
    /// Replaces the catalogue's URL of the trace service; may hold `%(project_id)s`.
    pub cts_endpoint_override: Option<String>,
    /// PEM file of a private CA.
    pub ca: Option<std::path::PathBuf>,
}

#[derive(Debug, Clone)]
pub enum Method {
    Password { user: NameOrId, domain: Option<NameOrId>, password: Secret },
    Token(Secret),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameOrId {
    Name(String),
    Id(String),
}
