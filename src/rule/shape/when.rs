//! The shapes of `when` and `then`.

use schemars::JsonSchema;

use super::{Duration, FieldNames, Group, Severity};

/// One kind of window.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1, "maxProperties" = 1))]
pub struct When {
    /// Fires at so many matches in any stretch of a window: `{ at_least: 8, within: 10m, by: [source_ip] }`.
    pub count: Option<Count>,
    /// Fires at matches with so many different values: `{ of: resource.id, at_least: 10, within: 5m, by: [actor.name] }`.
    pub distinct: Option<Distinct>,
    /// Fires at a value that was not there for long: `{ of: [actor.name, source_network], remember: 90d, learn: 7d }`.
    pub first_seen: Option<FirstSeen>,
    /// Fires when matches stay away: `{ for: 25h, by: [resource.name], arm_after: 3 }`.
    pub absent: Option<Absent>,
    /// Fires when one trace of each step came, in order:
    /// `{ steps: [ {operation: createUser}, {action: grant} ], within: 1h, same: [resource.name] }`.
    pub sequence: Option<Sequence>,
}

/// So many matches.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Count {
    /// How many matches.
    #[schemars(range(min = 2, max = 10_000))]
    pub at_least: u32,
    /// In any stretch of this length, by the traces' own time; at most 7d.
    pub within: Duration,
    /// Counted for each value of these fields by itself. Without it all matches are counted together.
    pub by: Option<FieldNames>,
}

/// So many different values.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Distinct {
    /// The fields whose different values are counted.
    pub of: FieldNames,
    /// How many different values.
    #[schemars(range(min = 2, max = 10_000))]
    pub at_least: u32,
    /// In any stretch of this length, by the traces' own time; at most 7d.
    pub within: Duration,
    /// Counted for each value of these fields by itself. Without it all matches are counted together.
    pub by: Option<FieldNames>,
}

/// A value not seen before.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FirstSeen {
    /// The fields whose values are remembered.
    pub of: FieldNames,
    /// A value is known for so long after it was last seen. Default: 90d.
    pub remember: Option<Duration>,
    /// Silent for so long after the rule is new, while it learns what is usual. Default: 7d.
    pub learn: Option<Duration>,
}

/// Nothing for so long.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Absent {
    /// How long without a match; at most 35d.
    #[schemars(rename = "for")]
    pub quiet: Duration,
    /// Waited for by each value of these fields by itself.
    pub by: Option<FieldNames>,
    /// Waits only after so many matches were seen. Default: 1.
    #[schemars(range(min = 1, max = 1_000))]
    pub arm_after: Option<u32>,
}

/// One trace of each step.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Sequence {
    /// Two to eight conditions, in the order in which they must come.
    #[schemars(length(min = 2, max = 8))]
    pub steps: Vec<Group>,
    /// From the first step to the last; at most 7d.
    pub within: Duration,
    /// The fields whose values all steps share.
    pub same: FieldNames,
}

/// A later trace that makes an alert worse.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Then {
    /// The later trace.
    #[schemars(rename = "match")]
    pub condition: Group,
    /// How long after the newest match of the alert; at most 7d.
    pub within: Duration,
    /// What ties the trace to the alert: the fields of `dedup.by`, and the default.
    pub same: Option<FieldNames>,
    /// The alert's severity from then on: worse than the rule's.
    pub severity: Severity,
    /// The alert's title from then on, filled in from the later trace. Without it the title stays.
    pub title: Option<String>,
}
