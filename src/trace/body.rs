//! A value inside the body of a call: `request.*` and `response.*`.
//!
//! A body is walked, not parsed: only what the path passes is looked at. A value
//! that is written in an unusual way is parsed, and so is a body whose shape is.

use std::borrow::Cow;

use serde_json::Value;

use super::{decode::mend, scan};

/// The scalar at `path` in a JSON text; numbers index arrays. The whole text if
/// the path is empty. Objects and arrays come back as compact JSON.
pub fn at<'a>(body: &'a str, path: &[String]) -> Option<Cow<'a, str>> {
    if path.is_empty() {
        return Some(Cow::Borrowed(body));
    }
    let mut at = body.trim();
    for step in path {
        let inner = match at.as_bytes().first()? {
            b'{' => {
                let mut found = None;
                let whole = scan::members(at, |key, value| {
                    // The last of several keys counts, as for every JSON library here.
                    if key == step {
                        found = Some(value);
                    }
                });
                whole.map(|()| found)
            }
            b'[' => match step.parse() {
                Ok(index) => scan::element(at, index),
                Err(_) => return None,
            },
            _ => return None,
        };
        match inner {
            Some(inner) => at = inner?,
            None => return parsed(body, path),
        }
    }
    scalar(at)
}

/// The scalar at `path` below a value that stands in a body; the value itself if the path is empty.
pub fn below<'a>(value: &'a str, path: &[String]) -> Option<Cow<'a, str>> {
    if path.is_empty() { scalar(value) } else { at(value, path) }
}

fn scalar(value: &str) -> Option<Cow<'_, str>> {
    if let Some(plain) = scan::plain(value) {
        return Some(Cow::Borrowed(plain));
    }
    let short_number = value.len() < 18 && value.bytes().all(|byte| byte.is_ascii_digit());
    if short_number || matches!(value, "true" | "false") {
        return Some(Cow::Borrowed(value));
    }
    text(&serde_json::from_str(&mend(value)).ok()?)
}

fn parsed(body: &str, path: &[String]) -> Option<Cow<'static, str>> {
    let root: Value = serde_json::from_str(&mend(body)).ok()?;
    let mut at = &root;
    for step in path {
        at = match at {
            Value::Object(map) => map.get(step)?,
            Value::Array(list) => list.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    text(at)
}

fn text(value: &Value) -> Option<Cow<'static, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Owned(text.clone())),
        other => Some(Cow::Owned(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walking_finds_what_parsing_finds() {
        let bodies = [
            r#"{"a":{"b":["x",{"c":1.0}]},"n":null,"t":true,"big":12345678901234567890,"e":1e2,"s":"q\"\u00e9","a.b":3,"z":-0}"#,
            r#"{"a":1,"a":{"b":[2]}}"#,
            r#" {"a" : "x" } "#,
            r#"{"\u0061":{"b":7}}"#,
            r#"[{"a":5},[6]]"#,
            r#"{"a":"#,
            "plain text",
            "",
            "7",
            "{}",
        ];
        let paths = [
            "a", "a.b", "a.b.0", "a.b.1", "a.b.1.c", "a.b.7", "a.b.x", "n", "t", "big", "e", "s", "z", "0", "0.a",
            "1.0", "1",
        ];
        let mut some = 0;
        for body in bodies {
            for path in paths {
                let path: Vec<String> = path.split('.').map(str::to_owned).collect();
                let expected = parsed(body, &path);
                some += usize::from(expected.is_some());
                assert_eq!(at(body, &path), expected, "{body} {path:?}");
            }
        }
        assert!(some > 15, "{some}");
        assert_eq!(at("text", &[]).as_deref(), Some("text"));
    }
}
