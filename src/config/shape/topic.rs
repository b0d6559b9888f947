//! The shape of `topics` and `storm`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::rule::shape::{Duration, Group as Conditions, Severity, condition::Scalars};

/// An endpoint that hears a topic.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Subscription {
    /// The endpoint's name.
    pub endpoint: String,
    /// What it hears of the topic. Default: everything.
    pub filter: Option<Filter>,
    /// Told in one message at these times, in place of each at once.
    pub digest: Option<Digest>,
    /// Quiet hours and days, in which only the worst rings.
    pub schedule: Option<Schedule>,
    /// The first message at once, what follows of the same actor or resource below it.
    pub group: Option<Grouping>,
}

/// What a subscription takes: all of it must hold.
#[derive(Debug)]
pub struct Filter;

impl JsonSchema for Filter {
    fn schema_name() -> Cow<'static, str> {
        "Filter".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let conditions = Conditions::json_schema(generator).to_value();
        let mut properties = conditions["properties"].as_object().cloned().unwrap_or_default();
        ["any", "all", "not"].iter().for_each(|group| drop(properties.remove(*group)));
        let actor = properties.get("actor.name").cloned().unwrap_or_default();
        let project = properties.get("project.name").cloned().unwrap_or_default();
        let operator = generator.subschema_for::<crate::rule::shape::condition::Operator>();
        let words = json!({ "anyOf": [generator.subschema_for::<Scalars>(), operator] });
        for (name, meaning, shape) in [
            (
                "severity",
                "One severity, several, or `{ at_least: high }`.",
                json!(generator.subschema_for::<Severities>()),
            ),
            ("source", "The source that the trace came from.", words.clone()),
            ("rule", "The rule's id.", words),
            ("actor", "The same as `actor.name`.", actor),
            ("project", "The project, by name or id.", project),
        ] {
            let mut shape = json!({ "allOf": [shape] });
            shape["description"] = meaning.into();
            properties.insert(name.to_owned(), shape);
        }
        json_schema!({
            "type": "object",
            "description": "What a subscription takes: all of it must hold.",
            "properties": properties,
            "patternProperties": conditions["patternProperties"],
            "additionalProperties": false,
            "minProperties": 1,
        })
    }
}

/// One severity, several, this one and worse, or all but some.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Severities {
    One(Severity),
    Many(#[schemars(length(min = 1))] Vec<Severity>),
    Those(Those),
}

/// This severity and worse, or all but some.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Those {
    /// This one and worse.
    pub at_least: Option<Severity>,
    /// All but these.
    pub not: Option<Named>,
}

/// One severity or several.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Named {
    One(Severity),
    Many(#[schemars(length(min = 1))] Vec<Severity>),
}

/// When a digest is told.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Digest {
    /// One time of day or several: `"07:30"`.
    pub at: Times,
    /// The days on which it is told. Default: every day.
    pub on: Option<Days>,
    /// IANA name of the time zone of these times. Default: the endpoint's.
    pub timezone: Option<String>,
}

/// When the subscription is quiet.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend("anyOf" = [{ "required": ["quiet"] }, { "required": ["holidays"] }]))]
pub struct Schedule {
    /// Quiet hours, or several of them.
    pub quiet: Option<QuietTimes>,
    /// Days that are quiet from midnight to midnight: `2026-12-25`.
    pub holidays: Option<Vec<String>>,
    /// IANA name of the time zone of these times. Default: the endpoint's.
    pub timezone: Option<String>,
    /// This severity and worse rings at any time. Default: `critical`.
    pub pass: Option<Severity>,
    /// What becomes of the rest. Default: `hold`.
    pub then: Option<Then>,
}

/// Quiet hours, or several of them.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum QuietTimes {
    One(Quiet),
    Many(Vec<Quiet>),
}

/// Quiet hours; over midnight if `to` is before `from`.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Quiet {
    /// When they begin: `"20:00"`.
    pub from: Time,
    /// When they end: `"07:00"`, or `"24:00"`.
    pub to: Time,
    /// The days on which they begin. Default: every day.
    pub on: Option<Days>,
}

/// What becomes of that which does not pass.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Then {
    /// Told in one message when the quiet time is over.
    Hold,
    /// Not told, only recorded.
    Drop,
}

/// What is told below a first message.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Grouping {
    /// What it shares with the first.
    pub by: GroupBy,
    /// For how long after the first; at most 24h. Default: 10m.
    pub within: Option<Duration>,
}

/// What the members of a group share.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum GroupBy {
    /// Who did it.
    Actor,
    /// What it was done to.
    Resource,
}

/// Hours and minutes.
#[derive(Debug, JsonSchema)]
pub struct Time(#[schemars(regex(pattern = "^[0-2][0-9]:[0-5][0-9]$"))] pub String);

/// One time of day or several.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Times {
    One(Time),
    Many(#[schemars(length(min = 1))] Vec<Time>),
}

/// One day or several.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Days {
    One(Day),
    Many(#[schemars(length(min = 1))] Vec<Day>),
}

/// A day of the week.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// The storm guard, or `off`.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum StormGuard {
    Off(#[schemars(regex(pattern = "^off$"))] String),
    Storm(Storm),
}

/// How much is more than people can read.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Storm {
    /// Alerts that are no storm yet. Default: 300.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub at_most: Option<u32>,
    /// The time in which they are counted. Default: 1m.
    pub within: Option<Duration>,
}
