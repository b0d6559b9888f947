//! `inhibitions` as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::rule::shape::Severity;

/// While one alert is open, others are recorded and not sent.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Inhibition {
    /// By which the ledger and the accounts name it.
    pub name: String,
    /// The alert that has to be open: `rule`, `severity`, `source`, `title`, `key.FIELD` or any field of a trace.
    #[schemars(extend("minProperties" = 1))]
    pub when: BTreeMap<String, Wanted>,
    /// The alerts that are not sent meanwhile.
    #[schemars(extend("minProperties" = 1))]
    pub mutes: BTreeMap<String, Wanted>,
    /// Fields that both alerts must have, with the same value. Default: none.
    pub same: Option<Vec<String>>,
}

/// One value, several, or an operator. A value that holds a `*` is a glob.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Wanted {
    One(String),
    Many(#[schemars(length(min = 1))] Vec<String>),
    Operator(Wanting),
}

/// Exactly one operator.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Wanting {
    /// None of these values; also true of an alert without the field.
    pub not: Option<OneOrMany>,
    /// A pattern that describes the whole value.
    pub regex: Option<String>,
    /// Of `severity`: this one and worse.
    pub at_least: Option<Severity>,
}

/// One value or several.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum OneOrMany {
    One(String),
    Many(#[schemars(length(min = 1))] Vec<String>),
}
