//! Every field of every fixture, whole and damaged, reads as it does after decoding.

use fastrand::Rng;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;
use crate::trace::field::NAMES;

#[derive(Deserialize)]
struct Fixture {
    record: Box<RawValue>,
}

fn fixtures() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/traces");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let fixture: Fixture = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), fixture.record.get().to_owned())
    };
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

fn fields() -> Vec<Field> {
    let paths =
        ["request", "response", "request.name", "request.a.b", "request.server.name", "request.0", "response.job_id"];
    NAMES.iter().map(|(_, field)| field.clone()).chain(paths.iter().filter_map(|name| Field::parse(name))).collect()
}

/// True if the record is a trace.
#[track_caller]
fn check(name: &str, record: &str, fields: &[Field]) -> bool {
    let text = |text: &str| Some(text.to_owned());
    let context = Context {
        region: text("eu-de"),
        project_id: text("p0"),
        project_name: text("eu-de_prod"),
        console: text("https://console.example.org"),
    };
    let now = "2026-01-15T12:00:00Z".parse().unwrap();
    match (Raw::read(record, &context, now), decode(record, &context, now)) {
        (Ok(raw), Ok(trace)) => {
            for field in fields {
                assert_eq!(raw.get(field), trace.get(field), "{name}: {} of {record}", field.name());
            }
            assert_eq!(raw.decode(), &trace, "{name}");
            true
        }
        (Err(raw), Err(decoded)) => {
            assert_eq!(raw, decoded, "{name}");
            false
        }
        (raw, decoded) => panic!("{name}: {:?} but {decoded:?} of {record}", raw.map(|raw| raw.decode().clone())),
    }
}

#[test]
fn every_fixture_reads_as_it_decodes() {
    let fixtures = fixtures();
    let traces = fixtures.iter().filter(|(name, record)| check(name, record, &fields())).count();
    assert!(traces >= 60, "{traces} of {}", fixtures.len());
}

/// Values are taken from other fixtures, members doubled, dropped and put in another order: what
/// remains is JSON, as it is after a page was split.
#[test]
fn mixed_up_records_read_as_they_decode() {
    let odd = [
        "null",
        "\"\"",
        "\"-\"",
        "{}",
        "[]",
        "{ }",
        "true",
        "-0",
        "1.50",
        "1e400",
        "12345678901234567890123",
        r#""a\u0000b""#,
        r#""\ud800""#,
        r#""{\"name\":\"x\"}""#,
        r#""{\"a\":{\"b\":[1]}}""#,
        r#"" normal ""#,
        r#"{"name":1,"id":-5,"domain":"\"q\""}"#,
        r#"{"a":{"b":1e400},"name":"\u0041","0":"z"}"#,
        r#"["x",{"y":2}]"#,
        r#"{"na\u006de":"x","name":"y"}"#,
        r#"{"name":"x","name":null}"#,
        r#""\"\\\"twice\\\"\"""#,
        "\"Gr\u{fc}\u{df}e\"",
        r#"{"name":"n","domain":{"name":"n"},"assumedBy":null,"user_name":"u"}"#,
        r#"{"user_name":"u","assumedBy":{"user":{"name":"b"}}}"#,
    ];
    let keys = [
        "trace_id",
        "trace_name",
        "trace_rating",
        "trace_status",
        "trace_type",
        "service_type",
        "resource_type",
        "resource_name",
        "user",
        "source_ip",
        "code",
        "project_id",
        "project_name",
        "time",
        "record_time",
        "request",
        "response",
        "message",
        "other",
        "trace_n\\u0061me",
    ];
    let mut members: Vec<(String, String)> = Vec::new();
    for (_, record) in fixtures() {
        scan::members(&record, |key, value| members.push((key.to_owned(), value.to_owned())));
    }
    let fields = fields();
    let mut rng = Rng::with_seed(3);
    let mut traces = 0;
    for _ in 0..6_000 {
        let pick = |rng: &mut Rng| match rng.u8(..3) {
            0 => (keys[rng.usize(..keys.len())].to_owned(), odd[rng.usize(..odd.len())].to_owned()),
            1 => (keys[rng.usize(..keys.len())].to_owned(), members[rng.usize(..members.len())].1.clone()),
            _ => members[rng.usize(..members.len())].clone(),
        };
        let count = rng.usize(1..14);
        let space = ["", " ", "\n"][rng.usize(..3)];
        let record: Vec<String> =
            (0..count).map(|_| pick(&mut rng)).map(|(k, v)| format!("\"{k}\"{space}:{space}{v}")).collect();
        let record = format!("{space}{{{}}}{space}", record.join(&format!("{space},")));
        traces += usize::from(check("mixed up", &record, &fields));
    }
    assert!(traces > 2_000, "{traces}");
}

#[test]
fn a_broken_record_is_refused_as_decoding_refuses_it() {
    for record in
        ["", "[]", "null", "{", "{\"trace_name\":\"a\"} x", "{\"trace_name\":\"a\",}", "{\"a\":1}", "{\"trace_name\":}"]
    {
        assert!(!check("broken", record, &fields()), "{record}");
    }
}
