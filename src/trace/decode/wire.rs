//! Values of a record in the shapes the cloud writes them.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::super::Actor;

/// Repairs what JSON allows to be written but no text can hold: lone
/// surrogates become U+FFFD, NUL is dropped (databases refuse it), numbers
/// beyond a float become strings. Text that is fine is not copied.
pub fn mend(raw: &str) -> Cow<'_, str> {
    let bytes = raw.as_bytes();
    let mut fixed = String::new();
    let (mut kept, mut at) = (0, 0);
    let mut replace = |from: usize, to: usize, text: &str| {
        fixed.push_str(&raw[kept..from]);
        fixed.push_str(text);
        kept = to;
    };
    let mut in_string = false;
    while at < bytes.len() {
        let byte = bytes[at];
        if in_string {
            match byte {
                b'"' => in_string = false,
                b'\\' if bytes.get(at + 1) == Some(&b'u') => {
                    match (escape(bytes, at), escape(bytes, at + 6)) {
                        (Some(0), _) => replace(at, at + 6, ""),
                        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 6,
                        (Some(0xd800..=0xdfff), _) => replace(at, at + 6, "\\ufffd"),
                        _ => {}
                    }
                    at += 6;
                    continue;
                }
                b'\\' => at += 1,
                0 => replace(at, at + 1, ""),
                _ => {}
            }
        } else if byte == b'"' {
            in_string = true;
        } else if byte == b'-' || byte.is_ascii_digit() {
            let length = bytes[at..].iter().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
            let number = &raw[at..at + length];
            if number.parse::<f64>().is_ok_and(f64::is_infinite) {
                replace(at, at + length, &format!("\"{number}\""));
            }
            at += length;
            continue;
        }
        at += 1;
    }
    if kept == 0 {
        return Cow::Borrowed(raw);
    }
    fixed.push_str(&raw[kept..]);
    Cow::Owned(fixed)
}

/// The code unit of the `\uXXXX` at this place, if one stands there.
fn escape(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// The value of a JSON text; `None` if it nests too deep to be walked.
pub fn value(raw: &str) -> Option<Value> {
    serde_json::from_str(raw).ok()
}

/// A scalar as text. `""`, `"-"`, null, `{}` and `[]` are how the cloud says nothing.
pub fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text).filter(|text| said(text)),
        Value::Object(map) if map.is_empty() => None,
        Value::Array(list) if list.is_empty() => None,
        other => Some(other.to_string()),
    }
}

/// A body as text: an object as its JSON, a string as what it holds.
pub fn body(raw: &str) -> Option<String> {
    if !raw.starts_with('"') {
        return match raw {
            "null" => None,
            object => Some(object.to_owned()).filter(|text| said(text) && text != "{}" && text != "[]"),
        };
    }
    let mut text = serde_json::from_str::<String>(raw).ok()?;
    if matches!(text.trim_start().bytes().next(), Some(b'{' | b'[' | b'"')) {
        // JSON in a string has escapes of its own.
        if let Cow::Owned(mended) = mend(&text) {
            text = mended;
        }
        // And may have been quoted twice.
        if let Ok(inner) = serde_json::from_str::<String>(&text) {
            text = inner;
        }
    }
    Some(text).filter(|text| said(text) && text != "{}" && text != "null")
}

/// False for a text by which the cloud says nothing.
pub fn said(text: &str) -> bool {
    !matches!(text.trim(), "" | "-")
}

/// At most `limit` bytes, cut between characters; tells whether it was longer.
pub fn cut(mut text: String, limit: usize) -> (String, bool) {
    if text.len() <= limit {
        return (text, false);
    }
    text.truncate(text.floor_char_boundary(limit));
    text.shrink_to_fit();
    (text, true)
}

/// Who did it, and what else stood in the user object.
pub fn actor(user: Value) -> (Actor, Map<String, Value>) {
    let mut user = match unquote(user) {
        Value::Object(user) => user,
        other => return (Actor { name: text(other), ..Actor::default() }, Map::new()),
    };
    let mut take = |name: &str| user.remove(name);
    let mut actor = Actor {
        name: take("name").and_then(text),
        id: take("id").and_then(text),
        assumed_by: take("assumedBy").or_else(|| take("assumed_by")).and_then(assumed_by),
        ..Actor::default()
    };
    match take("domain").map(unquote) {
        Some(Value::Object(mut domain)) => {
            actor.domain = domain.remove("name").and_then(text);
            actor.domain_id = domain.remove("id").and_then(text);
        }
        Some(other) => actor.domain = text(other),
        None => {}
    }
    // A sister cloud's names for the same parts.
    actor.name = actor.name.or_else(|| take("user_name").and_then(text));
    actor.domain_id = actor.domain_id.or_else(|| take("account_id").and_then(text));
    user.retain(|_, value| !value.is_null());
    (actor, user)
}

/// The user behind an agency: `{"user":{...}}`, or the user at once, or a name.
fn assumed_by(value: Value) -> Option<String> {
    match unquote(value) {
        Value::Object(mut map) => match map.remove("user").map(unquote) {
            Some(Value::Object(user)) => named(user),
            Some(other) => text(other),
            None => named(map),
        },
        other => text(other),
    }
}

fn named(mut user: Map<String, Value>) -> Option<String> {
    user.remove("name").and_then(text).or_else(|| user.remove("id").and_then(text))
}

/// JSON inside a string, as v1 sends a user; at most twice.
fn unquote(mut value: Value) -> Value {
    for _ in 0..2 {
        match &value {
            Value::String(text) if text.trim_start().starts_with(['{', '"']) => {
                let Ok(inner) = serde_json::from_str(&mend(text)) else { return value };
                value = inner;
            }
            _ => return value,
        }
    }
    value
}
