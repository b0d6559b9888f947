//! `tracebell traces list` and `show` against the scripted cloud: versions, filters, formats.

use serde_json::{Value, json};

use super::{Cloud, command::tracebell, list, reply, trace};

#[tokio::test]
async fn each_version_is_asked_in_its_own_words() {
    for (flags, expected) in [
        ("--api v1", "GET /v1.0/p0/system/trace?trace_rating=warning&limit=50&from="),
        ("--api v1 --tracker mine", "GET /v1.0/p0/mine/trace?trace_rating=warning&"),
        ("--api v2", "GET /v2.0/p0/system/trace?trace_rating=warning&limit=50&from="),
        ("--api v3", "GET /v3/p0/traces?trace_type=system&trace_rating=warning&"),
        ("--tracker mine", "GET /v3/p0/traces?trace_type=system&tracker_name=mine&trace_rating=warning&"),
        (
            "--trace-type data --tracker objects",
            "GET /v3/p0/traces?tracker_name=objects&trace_rating=warning&trace_type=data&",
        ),
    ] {
        let cloud = Cloud::start([list(vec![trace(1)], None)]).await;
        let (code, out, errors) = tracebell(&cloud, &format!("traces list --rating warning {flags}")).await;
        assert!(code == 0 && out.contains("t1"), "{flags}: {errors}");
        let asked = &cloud.requests()[0];
        assert!(asked.starts_with(expected), "{flags}: {asked}");
        assert_eq!(asked.contains("trace_status=warning"), flags.contains("v2"), "{asked}");
    }
    // Only v3 knows types of traces: v1 must not be asked without.
    let cloud = Cloud::start([reply(404, "gone")]).await;
    let (code, _, errors) = tracebell(&cloud, "traces list --trace-type system").await;
    assert!(code == 3 && cloud.requests().len() == 1, "{errors}");
    let (code, _, errors) = tracebell(&cloud, "traces list --trace-type system --api v1 --tracker a/b").await;
    assert!(code == 2 && errors.contains("--api v3") && errors.contains("`/`"), "{errors}");
}

#[tokio::test]
async fn programs_get_one_object_a_line_or_rows_without_formulas() {
    let mut formula = trace(1);
    formula["user"] = json!({ "name": "=HYPERLINK(\"http://evil\")" });
    formula["event_type"] = json!("global");
    let two = || list(vec![trace(0), formula.clone()], None);
    let cloud = Cloud::start([two(), two()]).await;
    let (code, out, errors) = tracebell(&cloud, "traces list --output ndjson").await;
    assert_eq!(code, 0, "{errors}");
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), &rows[1]["id"], &rows[1]["extra"]["event_type"]), (2, &json!("t1"), &json!("global")));
    let (_, out, _) = tracebell(&cloud, "traces list --format csv").await;
    let rows: Vec<&str> = out.split("\r\n").collect();
    assert!(rows[0].starts_with("time,record_time,rating,service,operation,actor.name,"), "{out}");
    assert!(rows[2].contains(",\"'=HYPERLINK(\"\"http://evil\"\")\","), "{out}");
    assert!(rows[2].ends_with("\"{\"\"event_type\"\":\"\"global\"\"}\""), "{out}");
}

#[tokio::test]
async fn times_are_said_in_words_and_shown_in_their_zone() {
    let cloud = Cloud::start([list(vec![trace(0)], None)]).await;
    let arguments =
        ["traces", "list", "--from", "yesterday 08:00", "--to", "yesterday 09:00", "--timezone", "Europe/Berlin"];
    let (code, out, errors) = super::command::tracebell_of(&cloud, &arguments).await;
    assert!(code == 0 && out.contains("2026-01-15 09:30:00+01:00"), "{out}{errors}");
    let asked = cloud.requests()[0].clone();
    let number = |name: &str| {
        let at = asked.find(&format!("{name}=")).unwrap() + name.len() + 1;
        asked[at..].chars().take_while(char::is_ascii_digit).collect::<String>().parse::<i64>().unwrap()
    };
    // Both ends are asked for a millisecond wider.
    assert_eq!(number("to") - number("from"), 3_600_002, "{asked}");
    assert_eq!((number("from") + 1) % 3_600_000, 0);
}

#[tokio::test]
async fn one_trace_is_a_page_and_one_that_is_not_there_is_said_so() {
    let mut one = trace(7);
    one["request"] = json!("{\"a\":{\"b\":1}}");
    one["read_only"] = json!(false);
    let cloud = Cloud::start([list(vec![one.clone()], None), list(vec![one], None), list(vec![], None)]).await;
    let (code, out, errors) = tracebell(&cloud, "traces show t7").await;
    assert_eq!(code, 0, "{errors}");
    for line in ["IAM deleteUser: succeeded (rating normal)", "  id       t7", "    \"a\": {", "  read_only  false"] {
        assert!(out.lines().any(|found| found == line), "`{line}` is missing in\n{out}");
    }
    assert!(cloud.requests()[0].contains("trace_id=t7&"), "{:?}", cloud.requests());
    let (_, out, _) = tracebell(&cloud, "traces show t7 --output json").await;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["id"], json!("t7"));
    let (code, out, errors) = tracebell(&cloud, "traces show t8").await;
    assert!(code == 1 && out.is_empty() && errors.contains("`t8`") && errors.contains("7 days"), "{errors}");
}
