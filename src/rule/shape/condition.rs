//! The shape of a condition: fields from the trace, values from the catalogue.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::{
    catalog,
    trace::{
        Field,
        field::{ALIASES, NAMES},
        meaning,
    },
};

/// Keys into bodies: an open set.
const BODIES: &str = "^(request|response)(\\.[^.]+)*$";

/// Text, a number, or true or false: compared as it stands in the file.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Scalar {
    Text(#[schemars(length(min = 1))] String),
    Number(f64),
    Bool(bool),
}

/// One value, or several of which one must hold.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Scalars {
    One(Scalar),
    Many(#[schemars(length(min = 1))] Vec<Scalar>),
}

/// Text or several texts.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Texts {
    One(#[schemars(length(min = 1))] String),
    Many(#[schemars(length(min = 1))] Vec<String>),
}

/// A number, or a time as text.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Bound {
    Number(f64),
    Text(String),
}

/// A value, several, or another operator.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Operand {
    Values(Scalars),
    Operator(Box<Operator>),
}

/// One operator.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Operator {
    /// Is not this value, none of this list, or does not satisfy this operator. True if the field is missing.
    pub not: Option<Operand>,
    /// Is none of these. True if the field is missing.
    pub not_in: Option<Scalars>,
    /// Begins with this text, or with one of a list.
    pub prefix: Option<Scalars>,
    /// Ends with this text, or with one of a list.
    pub suffix: Option<Scalars>,
    /// Holds this text, or one of a list.
    pub contains: Option<Scalars>,
    /// Matches this regular expression: linear time, no look-around, no back-references.
    pub regex: Option<Texts>,
    /// Is an address in this network: `10.0.0.0/8`, `2001:db8::/32`.
    pub cidr: Option<Texts>,
    /// Is no address in this network. True if the field is missing.
    pub not_cidr: Option<Texts>,
    /// Is a number greater, or a time later, than this.
    pub gt: Option<Bound>,
    /// Is a number at least, or a time not before, this.
    pub gte: Option<Bound>,
    /// Is a number less, or a time earlier, than this.
    pub lt: Option<Bound>,
    /// Is a number at most, or a time not after, this.
    pub lte: Option<Bound>,
    /// Of `rating` only: this one or a worse one.
    pub at_least: Option<Rating>,
    /// `true`: the field is there; `false`: it is missing.
    pub exists: Option<bool>,
    /// Equals another field of the same trace.
    pub same_as: Option<FieldName>,
}

/// The cloud's own verdict.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Rating {
    Normal,
    Warning,
    Incident,
}

/// Conditions on a trace, all of which must hold.
#[derive(Debug)]
pub struct Group;

/// A service of the catalogue, or another word.
#[derive(Debug)]
pub struct Service;

/// An operation of the catalogue, or another word.
#[derive(Debug)]
pub struct Operation;

/// The name of one field.
#[derive(Debug)]
pub struct FieldName;

/// One field or several.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum FieldNames {
    One(FieldName),
    Many(Vec<FieldName>),
}

/// A trace in short, by field names: `actor.name: alice` or `actor: { name: alice }`.
#[derive(Debug)]
pub struct Sample;

impl JsonSchema for Group {
    fn schema_name() -> Cow<'static, str> {
        "Group".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (group, operator) = (generator.subschema_for::<Self>(), generator.subschema_for::<Operator>());
        let scalar = generator.subschema_for::<Scalar>();
        generator.subschema_for::<Service>();
        generator.subschema_for::<Operation>();
        let mut properties = Map::new();
        for (name, field) in names() {
            properties.insert(name.to_owned(), value(name, &field, &scalar, &operator));
        }
        for (name, words, shape) in [
            ("any", "At least one of these groups holds.", json!({ "type": "array", "items": group, "minItems": 1 })),
            ("all", "Each of these groups holds.", json!({ "type": "array", "items": group, "minItems": 1 })),
            ("not", "This group does not hold.", json!({ "allOf": [group] })),
        ] {
            let mut shape = shape;
            shape["description"] = words.into();
            properties.insert(name.to_owned(), shape);
        }
        let body = value("request.*", &Field::Request(Vec::new()), &scalar, &operator);
        json_schema!({
            "type": "object",
            "description": "Conditions on a trace, all of which must hold.",
            "properties": properties,
            "patternProperties": { BODIES: body },
            "additionalProperties": false,
            "minProperties": 1,
        })
    }
}

/// What may stand behind a field: a value, several, or an operator. Known words are offered, others not refused
/// where the set is the cloud's.
fn value(name: &str, field: &Field, scalar: &Schema, operator: &Schema) -> Value {
    let words = meaning::words(field);
    let closed = matches!(field, Field::Outcome | Field::Origin | Field::ActorKind);
    // Globs, lists and other spellings of a known word.
    let other = if closed { json!({ "type": "string", "pattern": "[*$A-Z]" }) } else { json!(scalar) };
    let one = match field {
        Field::Service | Field::Operation => cloud_word(field),
        _ if words.is_empty() => json!(scalar),
        _ => json!({ "anyOf": [{ "enum": words }, other] }),
    };
    json!({
        "description": described(name, field),
        "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }, operator],
    })
}

/// Where the long lists stand once for all that refer to them.
fn cloud_word(field: &Field) -> Value {
    let name = if *field == Field::Service { "Service" } else { "Operation" };
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn described(name: &str, field: &Field) -> String {
    let meaning = meaning::of(field);
    if field.name() == name || matches!(field, Field::Request(_) | Field::Response(_)) {
        return meaning.to_owned();
    }
    format!("CTS's own name for `{}`. {meaning}", field.name())
}

/// Every fixed name and alias with its field.
fn names() -> impl Iterator<Item = (&'static str, Field)> {
    let own = NAMES.iter().map(|(name, field)| (*name, field.clone()));
    own.chain(ALIASES.iter().filter_map(|(alias, _)| Some((*alias, Field::parse(alias)?))))
}

impl JsonSchema for Service {
    fn schema_name() -> Cow<'static, str> {
        "Service".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "enum": catalog::services() }, generator.subschema_for::<Scalar>()] })
    }
}

impl JsonSchema for Operation {
    fn schema_name() -> Cow<'static, str> {
        "Operation".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "enum": catalog::operations(None) }, generator.subschema_for::<Scalar>()] })
    }
}

impl JsonSchema for FieldName {
    fn schema_name() -> Cow<'static, str> {
        "FieldName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let own = NAMES.iter().map(|(name, field)| json!({ "const": name, "description": meaning::of(field) }));
        let aliases: Vec<&str> = ALIASES.iter().map(|(alias, _)| *alias).collect();
        let mut choices: Vec<Value> = own.collect();
        choices.push(json!({ "enum": aliases, "description": "CTS's own names." }));
        choices.push(json!({ "type": "string", "pattern": BODIES }));
        json_schema!({ "description": "The name of a field of a trace.", "anyOf": choices })
    }
}

impl JsonSchema for Sample {
    fn schema_name() -> Cow<'static, str> {
        "Sample".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({
            "type": "object",
            "description": "A trace in short, by field names: `actor.name: alice` or `actor: { name: alice }`.",
            "properties": {},
        });
        with_sample_fields(&mut schema);
        with_lists(&mut schema);
        schema
    }
}

/// In a short case a list stands for one trace each.
fn with_lists(schema: &mut Schema) {
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for choices in properties.values_mut().filter_map(|property| property.get_mut("anyOf")?.as_array_mut()) {
        let one = choices[0].clone();
        choices.push(json!({ "type": "array", "items": one, "minItems": 1 }));
    }
}

/// Adds the fields that a case may give a trace: all but those that are derived from others.
pub fn with_sample_fields(schema: &mut Schema) {
    let mut fields = Map::new();
    for (name, field) in names().filter(|(_, field)| !derived(field)) {
        let words = meaning::words(&field);
        let any = json!({ "type": ["string", "number", "boolean"] });
        let one = match field {
            Field::Service | Field::Operation => cloud_word(&field),
            Field::Outcome => json!({ "enum": ["succeeded", "failed", "incident"] }),
            _ if words.is_empty() => any,
            _ => json!({ "anyOf": [{ "enum": words }, any] }),
        };
        // `null` keeps a field out that would be filled in.
        let mut shape = json!({ "anyOf": [one, { "const": null }] });
        shape["description"] = described(name, &field).into();
        // `actor: { name: alice }` says the same as `actor.name: alice`.
        if let Some((head, _)) = name.split_once('.') {
            fields.entry(head).or_insert_with(
                || json!({ "type": "object", "description": format!("Fields that begin with `{head}.`") }),
            );
        }
        fields.insert(name.to_owned(), shape);
    }
    for (name, field) in [("request", Field::Request(Vec::new())), ("response", Field::Response(Vec::new()))] {
        fields.insert(name.to_owned(), json!({ "description": meaning::of(&field) }));
    }
    schema.insert("additionalProperties".into(), false.into());
    schema.insert("patternProperties".into(), json!({ BODIES: {} }));
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.extend(fields);
    }
}

/// What is read from other fields cannot be given.
fn derived(field: &Field) -> bool {
    matches!(field, Field::Action | Field::ActorKind | Field::SourceNetwork | Field::TimeHour | Field::TimeWeekday)
}
