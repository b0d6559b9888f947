//! The trace list of CTS: v3, falling back to v2 where v3 is not offered.

use super::{Page, Settings, SourceError, Walk};
use crate::clock::Timestamp;

pub struct Cts {}

impl Cts {
    pub fn new(_settings: &Settings) -> Result<Self, SourceError> {
        unimplemented!()
    }

    pub async fn page(&mut self, _walk: &mut Walk, _now: Timestamp) -> Result<Page, SourceError> {
        unimplemented!()
    }
}
