//! Where traces come from: windows of the CTS trace list, page by page.
//!
//! Knows the cloud's API; does not know rules, alerts or the store. A page is
//! decoded here; whoever holds the store decides what is new.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Timestamp,
    cloud::{CloudError, auth::Credentials},
    trace::Trace,
};

pub mod archive;
mod catalogue;
pub mod cts;
pub mod doctor;
pub mod file;
pub mod listing;
pub mod plan;
pub mod push;
pub mod shelf;
pub mod tracker;
pub mod walk;

pub use plan::{Pass, Window};
pub use walk::Walk;

/// What a source needs to know. Built by `config`, or by `cli` from flags.
#[derive(Debug, Clone)]
pub struct Settings {
    pub name: String,
    pub credentials: Credentials,
    /// `system` in all documented cases.
    pub tracker: String,
    pub polling: plan::Polling,
}

/// One answer of the trace list, decoded.
#[derive(Debug)]
pub struct Page {
    pub records: Vec<Record>,
    /// What follows in this window.
    pub next: PageNext,
    /// The cloud's clock minus ours, learnt from the `Date` header.
    pub clock_offset: jiff::SignedDuration,
}

#[derive(Debug)]
pub enum Record {
    Trace(Arc<Trace>),
    Undecodable { id: String, raw: String, reason: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageNext {
    /// Ask again for the next page.
    More,
    /// The window was read to its end.
    Complete,
    /// The window cannot be read to its end in one walk; read these instead, oldest first.
    Split(Vec<Window>),
    /// These milliseconds hold more traces than the API can page through: a gap.
    Unreadable { window: Window, reason: String },
}

/// Split by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Try the same window again later.
    #[error("{reason}")]
    Transient { reason: String, retry_after: Option<Duration> },
    /// A person must change credentials, permissions or settings; `fix` says what.
    #[error("{reason}")]
    Refused { reason: String, fix: String },
}

impl From<CloudError> for SourceError {
    fn from(error: CloudError) -> Self {
        match error {
            CloudError::Transient { reason, retry_after } => Self::Transient { reason, retry_after },
            CloudError::Refused { reason, fix } => Self::Refused { reason, fix },
        }
    }
}

/// A closed set; push and archive come later.
pub enum Source {
    Cts(Box<cts::Cts>),
    /// As a person asks for it.
    Listing(Box<listing::Listing>),
}

impl Source {
    /// Reads the next page of a walk. The walk is unchanged on error, so the call can be repeated.
    pub async fn page(&mut self, walk: &mut Walk, now: Timestamp) -> Result<Page, SourceError> {
        match self {
            Self::Cts(cts) => cts.page(walk, now).await,
            Self::Listing(listing) => listing.page(walk, now).await,
        }
    }
}
