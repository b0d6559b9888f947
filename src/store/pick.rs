//! Which deliveries a person means.

use crate::{clock::Timestamp, delivery::State};

/// Deliveries that a person picks; all of those that can be meant, if nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Pick {
    /// The one whose id begins so.
    pub id: Option<String>,
    pub endpoint: Option<String>,
    pub state: Option<State>,
    /// Made at or after, and before.
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl Pick {
    pub fn one(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    pub fn of(endpoint: impl Into<String>) -> Self {
        Self { endpoint: Some(endpoint.into()), ..Self::default() }
    }
}
