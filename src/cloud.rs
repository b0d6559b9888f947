//! The door of the cloud: credentials, login, and where its services are.
//!
//! For the ports that talk to the cloud, which never import each other. Knows IAM and its
//! catalogue; knows no service behind it, and nothing of what is asked there.

use std::time::Duration;

pub mod auth;
pub mod budget;
pub mod catalogue;
pub mod certificate;
pub mod clouds;
pub mod greeting;
pub mod host;
pub mod http;
mod login;
mod logins;
mod metadata;
pub mod sign;

/// Split by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CloudError {
    /// Try the same later.
    #[error("{reason}")]
    Transient { reason: String, retry_after: Option<Duration> },
    /// A person must change credentials, permissions or settings; `fix` says what.
    #[error("{reason}")]
    Refused { reason: String, fix: String },
}
