//! From whatever the cloud sent to one [`Trace`].

/// Longest request or response body kept of one trace, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;
