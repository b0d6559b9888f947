//! What is in force now: rules, topics and fallbacks, swapped whole at a reload
//! so that a page is judged by one generation only.

use std::collections::BTreeMap;

use crate::{rule::RuleSet, topic::Topics};

#[derive(Debug, Default)]
pub struct Generation {
    pub rules: RuleSet,
    pub topics: Topics,
    /// Endpoint to the endpoint that gets what it cannot take.
    pub fallbacks: BTreeMap<String, String>,
}
