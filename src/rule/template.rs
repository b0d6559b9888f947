//! Titles: text with `{{ field }}`, checked when loaded.

use crate::{alert::Key, trace::Trace};

#[derive(Debug, Clone)]
pub struct Template {}

impl Template {
    /// One line, at most 200 characters. Cannot fail: a missing field reads `-`.
    pub fn render(&self, _trace: &Trace, _key: &Key) -> String {
        unimplemented!()
    }
}
