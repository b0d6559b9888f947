//! `tracebell traces list` and `show` against the scripted cloud: versions, filters, formats.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};

use super::{
    Cloud,
    command::{command, tracebell, tracebell_of},
    list, page, reply, trace,
};

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
    let (code, out, errors) = tracebell_of(&cloud, &arguments).await;
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

#[tokio::test]
async fn a_trace_that_was_not_asked_for_is_no_answer() {
    let cloud = Cloud::start([list(vec![trace(7)], None), list(vec![trace(7)], None)]).await;
    let (code, out, errors) = tracebell(&cloud, "traces show t8").await;
    assert!(code == 1 && out.is_empty() && errors.contains("no trace of the last 7 days is called `t8`"), "{errors}");
    let (code, out, errors) = tracebell(&cloud, "explain t8 --shipped").await;
    assert!(code == 1 && out.is_empty() && errors.contains("is called `t8`"), "{code} {out}{errors}");
}

#[tokio::test]
async fn markers_that_lead_in_a_circle_are_told_and_others_are_followed() {
    let circle = [
        // The cloud ignores the marker.
        (vec![page(0..200, Some("t199")), page(0..200, Some("t199"))], 200),
        (vec![page(0..200, Some("t199")), page(200..400, Some("t399")), page(0..200, Some("t199"))], 400),
        // Each time another marker, and never anything new.
        (vec![page(0..200, Some("a")), page(0..200, Some("b")), page(0..200, Some("c")), page(0..200, Some("d"))], 200),
    ];
    let good = [
        // The last page holds the trace of the marker alone.
        (vec![page(0..200, Some("t199")), page(199..200, Some("t199"))], 200),
        (vec![page(0..200, Some("t199")), page(0..0, Some("t199"))], 200),
        // A page of repeats in between.
        (vec![page(0..200, Some("a")), page(0..200, Some("b")), page(200..210, None)], 210),
    ];
    for (pages, count, expected) in circle
        .into_iter()
        .map(|(pages, count)| (pages, count, 1))
        .chain(good.into_iter().map(|(pages, count)| (pages, count, 0)))
    {
        let cloud = Cloud::start(pages).await;
        let (code, out, errors) = tracebell(&cloud, "traces list --limit 1000 --output ndjson").await;
        assert_eq!((code, out.lines().count()), (expected, count), "{errors}");
        let told = errors.contains("warning: the cloud's markers lead in a circle") && errors.contains("--from");
        assert_eq!(told, expected == 1, "{errors}");
        assert_eq!(cloud.unanswered(), 0);
    }
}

/// The first trace of a page may be the last one of the page before: a page of one would bring nothing new.
#[tokio::test]
async fn a_limit_is_reached_with_inclusive_markers_too() {
    let pages = [page(0..200, Some("t199")), page(199..249, Some("t248")), page(248..250, Some("t249"))];
    let cloud = Cloud::start(pages).await;
    let (code, out, errors) = tracebell(&cloud, "traces list --limit 250 --output ndjson").await;
    assert_eq!((code, out.lines().count()), (0, 250), "{errors}");
    let asked: Vec<bool> = ["limit=200", "limit=50", "limit=2&"]
        .iter()
        .zip(cloud.requests())
        .map(|(limit, asked)| asked.contains(limit))
        .collect();
    assert_eq!(asked, [true; 3], "{:?}", cloud.requests());
}

#[tokio::test]
async fn programs_get_the_same_bytes_everywhere_and_a_terminal_nothing_to_obey() {
    let nasty = "al\u{1b}[2J\u{9b}31m\u{7f}\u{85}\u{202e}ice\u{2066}\u{200f}\u{61c}";
    let mut hostile = trace(1);
    hostile["user"] = json!({ "name": nasty });
    hostile["resource_name"] = json!("＝cmd()");
    hostile[nasty] = json!(nasty);
    for format in ["json", "ndjson", "csv"] {
        let answer = || list(vec![hostile.clone()], None);
        let cloud = Cloud::start([answer(), answer()]).await;
        let (code, out, errors) = tracebell(&cloud, &format!("traces list --output {format}")).await;
        assert_eq!(code, 0, "{errors}");
        let obeyed =
            |c: &char| c.is_control() && !"\r\n".contains(*c) || "\u{202e}\u{2066}\u{200f}\u{61c}".contains(*c);
        assert_eq!(out.chars().find(obeyed), None, "{format}: {out:?}");
        // As if it were a terminal.
        let arguments = ["traces", "list", "--output", format];
        let mut command = command(&cloud, &arguments);
        command.env("CLICOLOR_FORCE", "1");
        let forced = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert_eq!(out.as_bytes(), forced.stdout, "{format}");
        let read = match format {
            "json" => serde_json::from_str::<Value>(&out).unwrap()[0].clone(),
            "ndjson" => serde_json::from_str(&out).unwrap(),
            _ => {
                assert!(out.contains("al\\u{1b}[2J\\u{9b}31m") && out.contains(",'＝cmd(),"), "{out}");
                continue;
            }
        };
        assert_eq!((&read["actor"]["name"], &read["extra"][nasty]), (&json!(nasty), &json!(nasty)), "{out}");
    }
    let cloud = Cloud::start([list(vec![hostile.clone()], None)]).await;
    let (_, out, _) = tracebell(&cloud, "traces show t1 --output json").await;
    assert!(!out.contains(['\u{9b}', '\u{202e}']) && out.contains("\\u202e"), "{out}");
    // What the tracker is called passes through the same door.
    let tracker = json!({ "tracker_name": "system", "status": "enabled", "bucket_name": nasty });
    let cloud = Cloud::start([reply(200, tracker.to_string())]).await;
    let (_, out, _) = tracebell(&cloud, "tracker show --output json").await;
    assert!(!out.contains(['\u{9b}', '\u{202e}']), "{out}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()[0]["bucket_name"], json!(nasty));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_a_closed_pipe_is_not() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for format in ["ndjson", "csv", "json", "table"] {
        let cloud = Cloud::start([list(vec![trace(0)], None), page(0..200, None)]).await;
        let arguments = ["traces", "list", "--limit", "200", "--output", format];
        let mut one = command(&cloud, &arguments);
        one.stdout(full());
        let output = tokio::task::spawn_blocking(move || one.output()).await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{format}: {told}");
        assert!(told.contains("cannot write to standard output: No space left"), "{format}: {told}");

        // As `| head -1`.
        let mut child = command(&cloud, &arguments);
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            (line, child.wait_with_output().unwrap())
        });
        let (line, output) = output.await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!line.is_empty() && output.status.code() == Some(0) && told.is_empty(), "{format}: {told}");
    }
}
