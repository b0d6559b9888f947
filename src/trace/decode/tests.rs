//! Every shape of `tests/fixtures/traces`, and what is too large to be a file.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    why: String,
    record: Box<RawValue>,
    /// JSON pointers into the decoded trace; null means absent, `fp-` any fingerprint.
    #[serde(default)]
    expected: BTreeMap<String, Value>,
    undecodable: Option<String>,
}

fn context() -> Context {
    let text = |text: &str| Some(text.to_owned());
    Context {
        region: text("eu-de"),
        project_id: text("p0"),
        project_name: text("eu-de_prod"),
        console: text("https://console.example.org"),
    }
}

fn now() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

fn read(raw: &str) -> Trace {
    decode(raw, &context(), now()).unwrap()
}

#[test]
fn every_shape_of_a_record_reads_as_expected() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/traces");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let fixture: Fixture = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let decoded = decode(fixture.record.get(), &context(), now());
        match (decoded, fixture.undecodable) {
            (Ok(trace), None) => {
                let trace = serde_json::to_value(&trace).unwrap();
                assert!(!fixture.expected.is_empty(), "{name} expects nothing");
                for (pointer, expected) in fixture.expected {
                    let found = trace.pointer(&pointer).unwrap_or(&Value::Null);
                    let fits = match expected.as_str() {
                        Some("fp-") => found.as_str().is_some_and(|id| id.starts_with("fp-") && id.len() == 29),
                        _ => *found == expected,
                    };
                    assert!(fits, "{name} ({}): {pointer} is {found}, expected {expected}", fixture.why);
                }
            }
            (Err(error), Some(reason)) => assert!(error.reason.contains(&reason), "{name}: {error}"),
            (Ok(trace), Some(reason)) => panic!("{name}: expected `{reason}`, got {trace:?}"),
            (Err(error), None) => panic!("{name}: {error}"),
        }
        count += 1;
    }
    assert!(count >= 60, "only {count} fixtures found");
}

#[test]
fn a_record_without_id_has_the_same_one_however_its_keys_are_ordered() {
    let one = read(r#"{"trace_name":"a","service_type":"b","user":{"id":"1","name":"n"}}"#);
    let two = read(r#"{"user":{"name":"n","id":"1"}, "service_type":"b","trace_name":"a"}"#);
    let other = read(r#"{"user":{"name":"m","id":"1"}, "service_type":"b","trace_name":"a"}"#);
    assert_eq!(one.id, two.id);
    assert_ne!(one.id, other.id);
}

#[test]
fn a_body_of_many_megabytes_is_cut_and_says_so() {
    for body in ["\"é@@\"".to_owned(), "{\"a\":\"é@@\"}".to_owned()] {
        let raw = format!(r#"{{"trace_name":"a","request":{}}}"#, body.replace("@@", &"é".repeat(10 << 20)));
        let trace = read(&raw);
        let request = trace.request.unwrap();
        assert!(trace.truncated && request.len() <= BODY_LIMIT && request.len() > BODY_LIMIT - 4);
    }
    let extra = read(&format!(r#"{{"trace_name":"a","huge":[{}1]}}"#, "1,".repeat(1 << 20)));
    assert!(extra.truncated && extra.extra["huge"].as_str().unwrap().len() == BODY_LIMIT);
    assert!(!read(r#"{"trace_name":"a","request":"short"}"#).truncated);
}

#[test]
fn bottomless_nesting_is_text_and_not_a_crash() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let trace = read(&format!(r#"{{"trace_name":"a","user":{deep},"time":{deep},"response":{deep},"x":{deep}}}"#));
    assert_eq!(trace.actor.name, None);
    assert_eq!(trace.time, now());
    assert_eq!(trace.response.unwrap().len(), BODY_LIMIT);
    assert!(decode(&deep, &context(), now()).is_err());
}

#[test]
fn no_cut_or_changed_byte_makes_decoding_panic() {
    let whole =
        r#"{"trace_id":"i","time":"1768465800","user":"{\"name\":\"\ud800\"}","code":1e999,"trace_name":"é\u0000"}"#;
    for end in 0..whole.len() {
        let start = String::from_utf8_lossy(&whole.as_bytes()[..end]);
        let _ = decode(&start, &context(), now());
        for byte in [b'"', b'\\', b'{', 0, b'9', b'u'] {
            let mut changed = whole.as_bytes().to_vec();
            changed[end] = byte;
            let _ = decode(&String::from_utf8_lossy(&changed), &context(), now());
        }
    }
}

#[test]
fn a_million_unknown_fields_do_not_fill_the_state() {
    let fields: Vec<String> = (0..1_000_000).map(|i| format!("\"field-{i}\":{i}")).collect();
    let trace = read(&format!(r#"{{"trace_name":"a",{}}}"#, fields.join(",")));
    assert!(trace.truncated);
    let kept = serde_json::to_string(&trace.extra).unwrap().len();
    assert!(kept < 4 * BODY_LIMIT, "{kept} bytes kept");
}
