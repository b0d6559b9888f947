//! Reads windows of a source, page by page, and commits what they owe.
