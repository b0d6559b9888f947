//! JSON in the operator's own shape: a tree whose texts are templates in the language of rule titles.
//!
//! The tree is ours, so whatever a trace holds stays inside its text: it opens no
//! quote, adds no key and is not read as a template itself.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::{
    document::did_you_mean,
    notification::Notification,
    render::{Letter, inert::cut},
    rule::template::{
        nearest_field,
        parts::{self, Flaw, Part, Term},
    },
    trace::{Field, Trace},
};

/// A template, checked when loaded: it cannot fail when a notification is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    Bool(bool),
    Number(Number),
    /// Of one name alone a number stays a number.
    Text(Leaf),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// A text with `{{ name }}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf(Vec<Part<Name>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Own(Own),
    Field(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    DeliveryId,
    Subscription,
    Kind,
    Severity,
    Title,
    Why,
    Runbook,
    Source,
    CreatedAt,
    AlertId,
    Rule,
    Count,
    SpanSeconds,
    Url,
    SilenceUrl,
    Evidence,
    Context,
    Lines,
}

/// What a leaf may name beside the fields of the trace, and what it is.
const OWN: &[(&str, Own)] = &[
    ("delivery.id", Own::DeliveryId),
    ("subscription", Own::Subscription),
    ("kind", Own::Kind),
    ("severity", Own::Severity),
    ("title", Own::Title),
    ("why", Own::Why),
    ("runbook", Own::Runbook),
    ("source", Own::Source),
    ("created_at", Own::CreatedAt),
    ("alert.id", Own::AlertId),
    ("rule", Own::Rule),
    ("count", Own::Count),
    ("span_seconds", Own::SpanSeconds),
    ("url", Own::Url),
    ("silence_url", Own::SilenceUrl),
    ("evidence", Own::Evidence),
    ("context", Own::Context),
    ("lines", Own::Lines),
];

/// Names beside the fields of the trace.
pub fn names() -> impl Iterator<Item = &'static str> {
    OWN.iter().map(|(name, _)| *name)
}

/// A template of more is a program.
pub const MOST_LEAVES: usize = 500;
// Receivers commonly take 256 KiB.
const LARGEST: usize = 256 * 1024;
/// Longest value of one name, in characters; the next one counts if the whole became too large.
const VALUE: [usize; 4] = [4_000, 500, 60, 10];

impl Leaf {
    /// Reads one text; unknown names are flaws.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        Ok(Self(parts::parse(text, "a template", &name)?))
    }
}

fn name(word: &str, place: std::ops::Range<usize>) -> Result<Name, Flaw> {
    if let Some((_, own)) = OWN.iter().find(|(known, _)| *known == word) {
        return Ok(Name::Own(*own));
    }
    if let Some(field) = Field::parse(word) {
        return Ok(Name::Field(field));
    }
    parts::no_calculation(word, &place, "a template")?;
    let near = did_you_mean(word, names()).or_else(|| nearest_field(word));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are the fields of a trace and {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(Flaw::new(place, format!("`{word}` is not a name that a template knows"), Some(&hint)))
}

pub fn body(tree: &Tree, letter: &Letter<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    for limit in VALUE {
        body = serde_json::to_vec(&value(tree, letter, limit)).expect("texts and numbers always become JSON");
        if body.len() <= LARGEST {
            break;
        }
    }
    body
}

fn value(tree: &Tree, letter: &Letter<'_>, limit: usize) -> Value {
    match tree {
        Tree::Bool(value) => Value::Bool(*value),
        Tree::Number(number) => Value::Number(number.clone()),
        Tree::Text(leaf) => text(leaf, letter, limit),
        Tree::List(items) => items.iter().map(|item| value(item, letter, limit)).collect(),
        Tree::Map(entries) => Value::Object(
            entries.iter().map(|(key, tree)| (key.clone(), value(tree, letter, limit))).collect::<Map<_, _>>(),
        ),
    }
}

fn text(leaf: &Leaf, letter: &Letter<'_>, limit: usize) -> Value {
    if let [Part::Or(terms)] = leaf.0.as_slice() {
        return match first(terms, letter) {
            Found::Number(number) => Value::Number(number.into()),
            Found::Text(text) => Value::String(cut(&text, limit)),
        };
    }
    let mut whole = String::new();
    for part in &leaf.0 {
        match part {
            Part::Text(text) => whole.push_str(text),
            Part::Or(terms) => match first(terms, letter) {
                Found::Number(number) => whole.push_str(&number.to_string()),
                Found::Text(text) => whole.push_str(&cut(&text, limit)),
            },
        }
    }
    Value::String(whole)
}

enum Found<'a> {
    Text(Cow<'a, str>),
    Number(u64),
}

/// The first term that yields something, `-` if none does, as in titles.
fn first<'a>(terms: &'a [Term<Name>], letter: &Letter<'a>) -> Found<'a> {
    let mut found = terms.iter().filter_map(|term| match term {
        Term::Text(text) => Some(Found::Text(text.into())),
        Term::Name(Name::Own(name)) => own(*name, letter),
        Term::Name(Name::Field(field)) => trace(letter.notification)?.get(field).map(Found::Text),
    });
    found.next().unwrap_or(Found::Text("-".into()))
}

/// The trace that made the alert worse, if one did, else the one that opened it.
fn trace(notification: &Notification) -> Option<&Trace> {
    let opening = notification.alert.as_ref().map(|alert| &alert.trace);
    notification.worse.as_ref().map(|worse| &worse.trace).or(opening)
}

fn own<'a>(name: Own, letter: &Letter<'a>) -> Option<Found<'a>> {
    let Letter { address, notification, id, subscription, .. } = *letter;
    let alert = notification.alert.as_ref();
    let gathered = notification.gathered.as_ref();
    let text = |text: &'a str| (!text.is_empty()).then_some(Found::Text(Cow::Borrowed(text)));
    let lines = |lines: Vec<String>| (!lines.is_empty()).then(|| Found::Text(lines.join("\n").into()));
    let page = address.links.as_ref().zip(alert);
    match name {
        Own::DeliveryId => text(id),
        Own::Subscription => text(subscription),
        Own::Kind => text(notification.kind.as_str()),
        Own::Severity => text(notification.severity.as_str()),
        Own::Title => text(&notification.title),
        Own::Why => text(notification.why.as_deref()?),
        Own::Runbook => text(notification.runbook.as_deref()?),
        Own::Source => text(&notification.source),
        Own::CreatedAt => Some(Found::Text(notification.created_at.to_string().into())),
        Own::AlertId => text(&alert?.id),
        Own::Rule => text(&alert?.rule),
        Own::Count => {
            Some(Found::Number(alert.map(|alert| alert.count).or(gathered.map(|all| all.total)).unwrap_or(1)))
        }
        Own::SpanSeconds => Some(Found::Number(alert.map_or(0, |alert| alert.span.as_secs()))),
        Own::Url => page.map(|(links, alert)| Found::Text(links.view(&alert.id, notification.created_at).into())),
        Own::SilenceUrl => {
            page.map(|(links, alert)| Found::Text(links.silence(&alert.id, notification.created_at).into()))
        }
        Own::Evidence => lines(
            notification.evidence.iter().map(|evidence| format!("{}: {}", evidence.field, evidence.value)).collect(),
        ),
        Own::Context => lines(notification.context.clone()),
        Own::Lines => lines(notification.lines.clone()),
    }
}
