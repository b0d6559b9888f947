//! The shape of a rule file, for describing only: `tracebell schema rules` prints it, editors complete from it.
//!
//! Mirrors what [`load`](super::load()) reads; a test holds the two against each other, key by key. It knows shapes,
//! not sense: that a list exists or a regular expression compiles is told by `tracebell check`.

use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::Value;

pub mod case;
pub mod condition;
pub mod when;

pub use condition::{FieldName, FieldNames, Group};

/// JSON Schema of a rule file. Draft 7: what every editor's YAML support reads.
pub fn schema() -> Value {
    draw::<RuleFile>("Tracebell rules")
}

/// The schema of a file whose top is `T`.
pub fn draw<T: JsonSchema>(title: &str) -> Value {
    let settings = SchemaSettings::draft07()
        .with_transform(RecursiveTransform(without_null))
        .with_transform(RecursiveTransform(with_whole_lines));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    schema.to_value()
}

/// A key that may be missing is not a key that may be empty: an empty one is left over from typing.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    let Some(Value::Array(choices)) = schema.get_mut("anyOf") else { return };
    let null = serde_json::json!({ "type": "null" });
    choices.retain(|choice| *choice != null);
    if choices.len() == 1 {
        let only = choices.remove(0);
        schema.remove("anyOf");
        // A reference alone on its level, so that the description beside it counts.
        schema.insert("allOf".into(), Value::Array(vec![only]));
    }
}

/// Comments break lines where the source does; a reader's window breaks them elsewhere.
fn with_whole_lines(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

/// Rules, the lists they share, and changes to rules of other files.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RuleFile {
    /// Named lists of values. A rule of any file uses one as `$name` wherever a value stands.
    pub lists: Option<std::collections::BTreeMap<String, Vec<condition::Scalar>>>,
    /// What is worth ringing for, one item for each rule.
    pub rules: Option<Vec<Rule>>,
    /// Changes to rules and lists of other files, so that packaged files stay as they came.
    pub overlays: Option<Vec<Overlay>>,
}

/// What is worth ringing for.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend("anyOf" = [{ "required": ["match"] }, { "required": ["when"] }]))]
pub struct Rule {
    /// Lower-case words and digits joined by `-`, at most 64 characters, unique over all files. Alerts, metrics and
    /// overlays know the rule by it.
    #[schemars(regex(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"), length(max = 64))]
    pub id: String,
    /// One sentence for people, with `{{ field }}` and `{{ this or that }}` filled in from the trace; `{{ key.field }}`
    /// is a value the alert is folded by. Shown up to 200 characters.
    #[schemars(length(min = 1))]
    pub title: String,
    /// How bad you judge it. The cloud's own word is the `rating`.
    pub severity: Severity,
    /// Why it matters, for the reader of the alert.
    pub why: Option<String>,
    /// What to do: a link, or a few words.
    #[schemars(length(min = 1, max = 600))]
    pub runbook: Option<String>,
    /// Where it is published; who hears a topic stands in `tracebell.yaml`. Default: `default`.
    pub topics: Option<Topics>,
    /// `live`, `shadow` or `off`. Default: `live`.
    pub mode: Option<Mode>,
    /// The condition on a trace: all keys must hold. May be missing if `when` is a `sequence`.
    #[schemars(rename = "match")]
    pub condition: Option<Group>,
    /// Traces the rule leaves alone, and why.
    pub except: Option<Vec<Exception>>,
    /// What has to come together before the rule fires: one of `count`, `distinct`, `first_seen`, `absent`,
    /// `sequence`. Without it each match fires.
    pub when: Option<when::When>,
    /// A later trace that makes the alert worse. It escalates; no second alert opens.
    pub then: Option<when::Then>,
    /// Which matches are the same trouble, and for how long. Default: by what `when` counts by, else by
    /// `actor.name`; for 10m or the window of `when`, whichever is longer.
    pub dedup: Option<Dedup>,
    /// How many alerts a day its author expects at most. A backtest tells when there are more.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub noise_budget: Option<u32>,
    /// Examples with their expected verdict, run by `tracebell test`.
    pub cases: Option<Vec<case::Case>>,
}

/// Severity: how bad the author of the rule judges it.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know, nothing to do.
    Info,
    /// Look at it when there is time.
    Low,
    /// Look at it today.
    Medium,
    /// Look at it now.
    High,
    /// Drop everything.
    Critical,
}

/// Whether the rule rings.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Mode {
    /// Rings.
    Live,
    /// Recorded and counted, not sent: a rule on trial.
    Shadow,
    /// Not asked at all.
    Off,
}

/// One topic, or several.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Topics {
    One(Topic),
    Many(#[schemars(length(min = 1))] Vec<Topic>),
}

/// A topic of `tracebell.yaml`.
#[derive(Debug, JsonSchema)]
pub struct Topic(#[schemars(length(min = 1))] pub String);

/// Traces a rule leaves alone.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Exception {
    /// Why the rule leaves these traces alone, and who decided. Shown wherever one is left out.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// The traces.
    #[schemars(rename = "match")]
    pub condition: Group,
    /// The last day it holds, through its end in UTC, or a time: `2027-03-31`, `2027-03-31T18:00:00Z`.
    #[schemars(regex(pattern = "^\\d{4}-\\d{2}-\\d{2}"))]
    pub until: Option<String>,
}

/// Which matches are the same trouble, and for how long they fold into one alert.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Dedup {
    /// Fields whose values make a new alert; `[]` folds all matches into one.
    pub by: Option<FieldNames>,
    /// How long matches fold after the first.
    #[schemars(rename = "for")]
    pub window: Option<Duration>,
}

/// A number and a unit, largest first: `30s`, `10m`, `1h30m`, `7d`, `2w`.
#[derive(Debug, JsonSchema)]
pub struct Duration(
    #[schemars(regex(pattern = "^([0-9]+(ms|s|m|h|d|w))+$"), extend("examples" = ["30s", "5m", "10m", "1h", "1d", "7d"]))]
    pub String,
);

/// A change to a rule or a list of another file.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Overlay {
    Rule(Box<RuleOverlay>),
    List(ListOverlay),
}

/// Changes one rule, known by its id. What is not named stays.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RuleOverlay {
    /// The rule to change.
    pub id: String,
    /// In place of the rule's own severity.
    pub severity: Option<Severity>,
    /// In place of the rule's own mode.
    pub mode: Option<Mode>,
    /// In place of the rule's own topics.
    pub topics: Option<Topics>,
    /// In place of the rule's own folding.
    pub dedup: Option<Dedup>,
    /// In place of the rule's own budget.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub noise_budget: Option<u32>,
    /// Added to the rule's own exceptions.
    pub except: Option<Vec<Exception>>,
}

/// Replaces one list.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ListOverlay {
    /// The list to replace.
    pub list: String,
    /// What it holds from now on.
    pub items: Vec<condition::Scalar>,
}
