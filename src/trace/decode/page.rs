//! One answer of the trace list, split into records without looking inside them.
//!
//! A record that no JSON library can read must not cost its neighbours: so the
//! envelope is parsed, and the records stay text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Longest marker believed; a trace id has 36 characters.
const MARKER_LIMIT: usize = 1024;

#[derive(Debug)]
pub struct RawPage<'a> {
    pub elements: Vec<&'a RawValue>,
    /// What to send as `next`; `None` if the cloud sent null, `""` or nothing.
    pub marker: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    traces: Option<&'a RawValue>,
    #[serde(borrow)]
    meta_data: Option<&'a RawValue>,
}

/// The bytes of an answer as text that [`page`] can split: bytes that are no
/// UTF-8 become U+FFFD, raw control characters (forbidden inside JSON strings)
/// become spaces.
pub fn readable(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if text.bytes().any(|b| b < b' ') { Cow::Owned(text.replace(|c| c < ' ', " ")) } else { text }
}

/// Splits a body (see [`readable`]). The error says what came instead.
pub fn page(body: &str) -> Result<RawPage<'_>, String> {
    let body = body.trim_start_matches('\u{feff}').trim();
    if !body.starts_with('{') {
        let start: String = body.chars().take(40).filter(|c| !c.is_control()).collect();
        return Err(match body {
            "" => "an empty body instead of a trace list".to_owned(),
            _ if body.starts_with('<') => "a web page (HTML) instead of a trace list".to_owned(),
            _ => format!("`{start}` instead of a trace list"),
        });
    }
    let envelope: Envelope = serde_json::from_str(body).map_err(|error| format!("a broken trace list ({error})"))?;
    let Some(traces) = envelope.traces else {
        return Err("JSON without `traces`".to_owned());
    };
    let elements = serde_json::from_str(traces.get()).map_err(|_| "`traces` that is not a list".to_owned())?;
    let marker = envelope
        .meta_data
        .and_then(|meta| serde_json::from_str::<Value>(meta.get()).ok())
        .and_then(|mut meta| super::wire::text(meta.get_mut("marker")?.take()));
    match marker {
        Some(marker) if marker.len() > MARKER_LIMIT => Err(format!("a marker of {} bytes", marker.len())),
        marker => Ok(RawPage { elements, marker }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_a_list_is_an_error_that_says_what_came() {
        let cases = [
            ("", "an empty body"),
            ("<html>", "HTML"),
            ("{}", "without `traces`"),
            (r#"{"traces":null}"#, "`traces`"),
            (r#"{"traces":{}}"#, "not a list"),
            (r#"{"traces":[{"a":1}"#, "broken"),
            ("[]", "`[]` instead"),
        ];
        for (body, expected) in cases {
            let error = page(body).unwrap_err();
            assert!(error.contains(expected), "{body}: {error}");
        }
    }

    #[test]
    fn a_broken_record_does_not_cost_its_neighbours() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let body = format!(r#"{{"meta_data":{{"marker":"m"}},"traces":[{{"a":"\ud800"}},1e999,{deep},{{"b":1}}]}}"#);
        let page = page(&body).unwrap();
        assert_eq!(page.elements.len(), 4);
        assert_eq!(page.marker.as_deref(), Some("m"));
        assert_eq!(page.elements[3].get(), r#"{"b":1}"#);
    }

    #[test]
    fn bytes_that_are_no_text_cost_one_character_each() {
        let body = b"{\n\"traces\":[{\"trace_name\":\"a\xff\xfe\0b\"}]}";
        assert_eq!(page(&readable(body)).unwrap().elements[0].get(), "{\"trace_name\":\"a\u{fffd}\u{fffd} b\"}");
    }

    #[test]
    fn markers_come_in_every_kind_of_nothing() {
        for meta in [
            "",
            r#""meta_data":null,"#,
            r#""meta_data":{},"#,
            r#""meta_data":{"marker":null},"#,
            r#""meta_data":{"marker":""},"#,
            r#""meta_data":[],"#,
        ] {
            assert_eq!(page(&format!(r#"{{{meta}"traces":[]}}"#)).unwrap().marker, None, "{meta}");
        }
        let long = format!(r#"{{"meta_data":{{"marker":"{}"}},"traces":[]}}"#, "m".repeat(1 << 20));
        assert!(page(&long).is_err());
    }
}
