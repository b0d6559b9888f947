//! The archive: trace files that the tracker delivered to a bucket, read oldest first.
//!
//! Reads only, and in the order of upload, so that a stretch of any length takes the memory of an hour of it.
//! Does not know what was seen before, nor what becomes of a trace.

use std::path::PathBuf;

use url::Url;

use super::{SourceError, catalogue, cts};
use crate::{
    clock::Timestamp,
    cloud::{auth::Credentials, host, sign::AccessKey},
    secret::Secret,
};

pub mod audit;
pub mod bucket;
pub mod digest;
pub mod key;
pub mod proof;
pub mod reading;

pub use bucket::{Bucket, Object};
pub use key::Key;
pub use reading::Reading;

/// Where one source's trace files are. Built by `config`.
#[derive(Debug, Clone)]
pub struct Settings {
    pub bucket: String,
    /// What the names of the tracker's files begin with; `None`: whatever they begin with.
    pub prefix: Option<String>,
    /// Also in the signature.
    pub region: String,
    pub endpoint: Url,
    pub style: Style,
    pub key: AccessKey,
    /// Whose signature digests carry.
    pub public_key: digest::PublicKey,
    /// PEM file of a private CA.
    pub ca: Option<PathBuf>,
    pub proxy: Option<Secret>,
    /// The tracker whose files they are.
    pub tracker: String,
    /// The one project whose files they are, where several share the bucket.
    pub project: Option<String>,
    /// What traces say of the project whose tracker delivers here, where they do not say it themselves.
    pub project_id: Option<String>,
    pub project_name: Option<String>,
}

/// How a request names the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`
    Host,
}

impl Settings {
    /// Where the region's buckets are, if nobody says otherwise.
    pub fn endpoint_of(region: &str) -> String {
        format!("https://{}", host::of("obs", region))
    }

    /// Names such as `bucket.host` exist only below the cloud's own hosts.
    pub fn style_of(endpoint: &Url) -> Style {
        if endpoint.host_str().is_some_and(host::is_the_clouds) { Style::Host } else { Style::Path }
    }

    /// With the project that the login is for, so that rules find in the archive what they find in the trace list.
    pub async fn of_project(mut self, credentials: &Credentials, now: Timestamp) -> Result<Self, SourceError> {
        let mut session = catalogue::session(credentials)?;
        let context = cts::context(session.endpoints(now).await?);
        (self.project_id, self.project_name) = (context.project_id, context.project_name);
        Ok(self)
    }

    /// True of a file that this source's traces are in, as far as its key tells.
    pub fn owns(&self, key: &Key<'_>) -> bool {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let project = self.project.as_deref().is_none_or(|project| key.may_be_of(&self.region, project));
        key.prefix.starts_with(prefix) && key.tracker.is_none_or(|name| name == self.tracker) && project
    }
}
