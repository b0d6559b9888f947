//! The cloud's key event notifications (v3) into rules: create bodies, objects, and the answers of its list.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Converted, Draft, Verdict,
    operations::known,
    sample::samples,
    settle, slug,
    term::{Check, Notes, Term, Test},
};
use crate::{alert::Severity, document::File, trace::Field};

/// Converts every notification of a JSON text; the error says why it is not one.
pub fn key_event(file: &File) -> Result<Vec<Converted>, String> {
    let json: Value = serde_json::from_str(&file.text).map_err(|error| format!("{}: not JSON: {error}", file.name))?;
    let list = match (&json, json.get("notifications")) {
        (_, Some(Value::Array(list))) | (Value::Array(list), None) => list.clone(),
        (Value::Object(_), None) if json.get("operation_type").is_some() => vec![json],
        _ => {
            let hint = "expected a notification with `operation_type`, or `{\"notifications\": [...]}`";
            return Err(format!("{}: no key event notification found: {hint}", file.name));
        }
    };
    let mut converted: Vec<Converted> = list.iter().enumerate().map(|(at, one)| notification(file, at, one)).collect();
    settle(&mut converted);
    Ok(converted)
}

fn notification(file: &File, at: usize, json: &Value) -> Converted {
    let name = text(json, "notification_name").unwrap_or("unnamed").to_owned();
    let place = format!("{}#{}", file.name, at + 1);
    let mut notes = Notes::default();
    let term = match condition(json, &mut notes) {
        Ok(term) if term.is_never() => return Converted::refused(name, place, notes.reasons()),
        Ok(term) => term,
        Err(reason) => return Converted::refused(name, place, vec![reason]),
    };
    let told = notes.told();
    let off = text(json, "status") == Some("disabled");
    let verdict = if told.is_empty() { Verdict::Carried } else { Verdict::Partly };
    let mut comments = vec![format!("From the key event notification `{name}`")];
    let urn = text(json, "topic_id");
    comments.extend(urn.map(|urn| format!("It published to {urn}")));
    comments.extend(told.iter().map(|note| format!("  * {note}")));
    let (fires, silent) = samples(&term);
    let topic = urn.and_then(|urn| urn.rsplit(':').next()).filter(|topic| !topic.trim().is_empty());
    let draft = Draft {
        id: slug(&name),
        title: "{{ actor.name or 'someone' }}: {{ operation }} on {{ resource.name or resource.id or service }}".into(),
        severity: Severity::Medium,
        why: Some(format!("The cloud's key event notification {} told of it.", name.replace(['{', '}'], ""))),
        runbook: None,
        topics: topic.map(str::to_owned).into_iter().collect(),
        mode: if off { Some("off") } else { (verdict == Verdict::Partly).then_some("shadow") },
        condition: term,
        when: None,
        comments,
        fires,
        silent,
    };
    Converted { title: name, place, verdict, notes: told, draft: Some(draft) }
}

fn condition(json: &Value, notes: &mut Notes) -> Result<Term, String> {
    let mut parts = Vec::new();
    match text(json, "operation_type") {
        Some("complete") => {}
        Some("customized") => parts.push(operations(json, notes)?),
        found => {
            let found = found.map_or("nothing".to_owned(), |found| format!("`{found}`"));
            return Err(format!("`operation_type` is {found}, expected `complete` or `customized`"));
        }
    }
    parts.extend(users(json, notes));
    parts.extend(filter(json)?);
    Ok(Term::all(parts))
}

/// One alternative for each entry, with its resource type: two types can share a name.
fn operations(json: &Value, notes: &mut Notes) -> Result<Term, String> {
    let entries = list(json, "operations");
    if entries.is_empty() {
        return Err("it is `customized` and names no `operations`".into());
    }
    let mut alternatives = Vec::new();
    for entry in entries {
        let service = text(entry, "service_type").ok_or("an operation without `service_type`")?;
        let names: Vec<&str> = list(entry, "trace_names").iter().filter_map(Value::as_str).collect();
        let mut group = Vec::new();
        let pairs: Option<BTreeSet<_>> = names.iter().map(|name| known(service, name)).collect();
        match pairs {
            Some(pairs) if !pairs.is_empty() => group.push(Term::Operations(pairs)),
            _ => {
                // The cloud knows its names better than our catalogue.
                group.push(is(Field::Service, vec![service.to_owned()]));
                if names.is_empty() {
                    notes.guess(format!("no `trace_names` under `{service}`: every operation of it"));
                } else {
                    group.push(is(Field::Operation, names.iter().map(|name| (*name).to_owned()).collect()));
                }
            }
        }
        group.extend(text(entry, "resource_type").map(|kind| is(Field::ResourceType, vec![kind.to_owned()])));
        alternatives.push(Term::all(group));
    }
    Ok(Term::any(alternatives))
}

fn users(json: &Value, notes: &mut Notes) -> Option<Term> {
    let groups = list(json, "notify_user_list");
    let mut names: Vec<String> = Vec::new();
    for group in groups {
        let users: Vec<String> = list(group, "user_list").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if users.is_empty() {
            let group = text(group, "user_group").unwrap_or("unnamed");
            notes.lost(format!("the user group `{group}` without its users: a trace does not tell groups"));
        }
        names.extend(users.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
    }
    match (groups.is_empty(), names.is_empty()) {
        (true, _) => None,
        (false, true) => Some(Term::never()),
        (false, false) => Some(is(Field::ActorName, names)),
    }
}

fn filter(json: &Value) -> Result<Option<Term>, String> {
    let Some(filter) = json.get("filter").filter(|filter| filter.is_object()) else { return Ok(None) };
    if filter.get("is_support_filter").and_then(Value::as_bool) == Some(false) {
        return Ok(None);
    }
    let rules: Result<Vec<Term>, String> = list(filter, "rule").iter().filter_map(Value::as_str).map(rule).collect();
    let rules = rules?;
    match text(filter, "condition").unwrap_or("AND") {
        _ if rules.is_empty() => Ok(None),
        "AND" => Ok(Some(Term::all(rules))),
        "OR" => Ok(Some(Term::any(rules))),
        other => Err(format!("the filter joins its rules by `{other}`, expected `AND` or `OR`")),
    }
}

/// `code != 200`
fn rule(text: &str) -> Result<Term, String> {
    let mut words = text.splitn(3, ' ');
    let (name, sign, value) =
        (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let field = match name {
        "api_version" => Field::ApiVersion,
        "code" => Field::Code,
        "trace_rating" => Field::Rating,
        "trace_type" => Field::TraceType,
        "resource_id" => Field::ResourceId,
        "resource_name" => Field::ResourceName,
        _ => return Err(format!("the filter `{text}`: `{name}` is not a field that notifications filter by")),
    };
    let test = is(field, vec![value.trim().to_owned()]);
    match (sign, value.trim()) {
        (_, "") => Err(format!("the filter `{text}` has no value")),
        ("=", _) => Ok(test),
        ("!=", _) => Ok(test.not()),
        _ => Err(format!("the filter `{text}`: expected `=` or `!=`, found `{sign}`")),
    }
}

fn is(field: Field, words: Vec<String>) -> Term {
    // A star or a dollar sign would mean something else to a rule.
    let plain = |word: &String| !word.contains('*') && !word.starts_with('$');
    let example = words.first().cloned();
    let check = if words.iter().all(plain) {
        Check::Is(words)
    } else {
        Check::Operator("regex", words.iter().map(|word| format!("^{}$", regex_syntax::escape(word))).collect())
    };
    Term::Test(Test { field, check, example })
}

fn text<'a>(json: &'a Value, key: &str) -> Option<&'a str> {
    json.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
