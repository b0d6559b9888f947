//! The one HTTP client all endpoints share.
