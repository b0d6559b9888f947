//! What went wrong with a request, in words for whoever asked. The cause goes to the log, not here.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::store::StoreError;

/// Becomes a page or JSON, depending on who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    pub text: String,
    /// Seconds.
    pub retry_after: Option<u64>,
}

impl Problem {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }

    pub fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub fn unknown(what: &str, id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("there is no {what} `{id}`; it was never there, or is forgotten by now"),
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a page or an answer of the API could not be made");
        Self {
            retry_after: Some(10),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the state cannot be read or written now; try again in a moment",
            )
        }
    }
}

impl IntoResponse for Problem {
    /// The words follow in [`site`](super::site), which knows how they are wanted.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}
