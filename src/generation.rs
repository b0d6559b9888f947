//! What is in force now: rules, topics, fallbacks and inhibitions, swapped whole at a reload
//! so that a page is judged by one generation only.

use std::collections::BTreeMap;

use crate::{rule::RuleSet, silence::Inhibition, topic::Topics};

#[derive(Debug, Default)]
pub struct Generation {
    pub rules: RuleSet,
    pub topics: Topics,
    /// Endpoint to the endpoint that gets what it cannot take.
    pub fallbacks: BTreeMap<String, String>,
    /// In the order of the configuration: the first that holds mutes.
    pub inhibitions: Vec<Inhibition>,
}
