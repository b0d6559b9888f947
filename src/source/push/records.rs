//! The traces in what was pushed. No documentation says what CTS publishes, so every shape that was seen is taken:
//! a trace, the event of a function (`{"cts": {...}}`), SMN's record in a function, and lists of them.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::value::RawValue;

use crate::{
    clock::Timestamp,
    source::Record,
    trace::decode::{self, BODY_LIMIT, Context},
};

/// A record in a record in a record.
const DEEPEST: usize = 4;

/// Never none: what holds no trace is kept as it came.
pub fn read(text: &str, context: &Context, now: Timestamp) -> Vec<Record> {
    let text = decode::readable(text.as_bytes());
    let mut records = Vec::new();
    unwrap(text.trim_start_matches('\u{feff}').trim(), DEEPEST, &mut |raw| records.push(record(raw, context, now)));
    if records.is_empty() {
        records.push(record(&text, context, now));
    }
    records
}

/// Whether a function wrote it.
pub fn is_event(text: &str) -> bool {
    serde_json::from_str::<BTreeMap<&str, &RawValue>>(text).is_ok_and(|fields| {
        !fields.contains_key("signature") && ["cts", "record"].iter().any(|key| fields.contains_key(key))
    })
}

fn unwrap(text: &str, deep: usize, each: &mut dyn FnMut(&str)) {
    if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text)
        && deep > 0
    {
        return elements.iter().for_each(|element| unwrap(element.get(), deep - 1, each));
    }
    let fields = serde_json::from_str::<BTreeMap<String, &RawValue>>(text).unwrap_or_default();
    let inner = |name: &str| fields.get(name).filter(|_| deep > 0 && !fields.contains_key("trace_name"));
    if let Some(inner) = inner("cts").or_else(|| inner("traces")).or_else(|| inner("record")).or_else(|| inner("smn")) {
        return unwrap(inner.get(), deep - 1, each);
    }
    // SMN's record in a function holds what was published as text.
    let published = inner("message").filter(|_| fields.contains_key("topic_urn"));
    match published.and_then(|text| serde_json::from_str::<String>(text.get()).ok()) {
        Some(text) => unwrap(text.trim(), deep - 1, each),
        None => each(text),
    }
}

/// What is only partly there must not pass for the trace: it has an id of its own, so the list's record is judged.
fn record(raw: &str, context: &Context, now: Timestamp) -> Record {
    let undecodable = |id: &str, reason: String| {
        let raw = &raw[..raw.floor_char_boundary(BODY_LIMIT)];
        // No trace has an id with a line break.
        Record::Undecodable { id: format!("pushed\n{id}"), raw: raw.to_owned(), reason }
    };
    let lacks = |what: &str| format!("it was pushed without a `{what}`, so it waits for the trace list");
    match decode::decode(raw, context, now) {
        // Only by its own id is it the same trace when the list is read.
        Ok(trace) if trace.id.starts_with("fp-") => undecodable(&trace.id, lacks("trace_id")),
        // Windows and the order of traces hang on it.
        Ok(trace) if !is_timed(raw) => undecodable(&trace.id, lacks("time")),
        Ok(trace) => Record::Trace(Arc::new(trace)),
        Err(error) => undecodable(&error.id, error.reason),
    }
}

fn is_timed(raw: &str) -> bool {
    let fields = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw).unwrap_or_default();
    fields.get("time").is_some_and(|time| decode::time_of(&format!("{{\"time\":{}}}", time.get())).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_found_in_every_shape() {
        let trace =
            |id: u32| format!(r#"{{"trace_id":"{id}","trace_name":"deleteBucket","service_type":"OBS","time":1}}"#);
        let [one, two] = [trace(1), trace(2)];
        let record = serde_json::json!({ "smn": { "topic_urn": "urn", "type": "notification", "message": one } });
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<String> = read(text, &Context::default(), Timestamp::UNIX_EPOCH)
                .into_iter()
                .map(|record| match record {
                    Record::Trace(trace) => trace.id.clone(),
                    Record::Undecodable { reason, .. } => reason,
                })
                .collect();
            assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
            let fits = |(found, expected): (&String, &&str)| {
                found == expected || (expected.len() > 1 && found.contains(expected))
            };
            assert!(found.iter().zip(expected).all(fits), "{text}: {found:?}");
        };
        check(&one, &["1"]);
        check(&format!("\u{feff} {one}\n"), &["1"]);
        check(&format!(r#"{{"cts":{one}}}"#), &["1"]);
        check(&format!("[{one},{{\"cts\":{two}}}]"), &["1", "2"]);
        check(&format!(r#"{{"traces":[{one},{two}]}}"#), &["1", "2"]);
        check(&format!(r#"{{"record":[{record}]}}"#), &["1"]);
        check(&format!("[{one},1e999,{two}]"), &["1", "not a JSON object", "2"]);
        check(r#"{"trace_name":"deleteBucket","service_type":"OBS"}"#, &["without a `trace_id`"]);
        check(r#"{"trace_id":"1","trace_name":"deleteBucket","time":""}"#, &["without a `time`"]);
        check(r#"{"trace_id":"1","trace_name":"deleteBucket","record_time":1}"#, &["without a `time`"]);
        check(r#"{"alarm":"CPU"}"#, &["says nothing"]);
        check("Dear user, ...", &["not a JSON object"]);
        check("[]", &["not a JSON object"]);
        check("", &["not a JSON object"]);
        check(&"[".repeat(100_000), &["not a JSON object"]);
        check(&format!("{}{one}{}", "[".repeat(9), "]".repeat(9)), &["not a JSON object"]);
        assert!(
            is_event(&format!(r#"{{"cts":{one}}}"#)) && !is_event(&one) && !is_event(r#"{"cts":1,"signature":""}"#)
        );
    }
    #[test]
    fn what_is_pushed_in_part_has_not_the_id_of_the_whole() {
        let parts = [
            r#"{"trace_id":"1","time":1}"#,
            r#"{"trace_id":"1","trace_name":"deleteBucket"}"#,
            r#"{"trace_name":"deleteBucket","time":1}"#,
        ];
        for part in parts {
            let found = read(part, &Context::default(), Timestamp::UNIX_EPOCH);
            let [Record::Undecodable { id, .. }] = found.as_slice() else { panic!("{part}: {found:?}") };
            let listed = match decode::decode(part, &Context::default(), Timestamp::UNIX_EPOCH) {
                Ok(trace) => trace.id,
                Err(error) => error.id,
            };
            assert_eq!(*id, format!("pushed\n{listed}"), "{part}");
        }
    }
}
