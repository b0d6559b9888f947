//! The source against a scripted cloud: real HTTP, one answer after the other.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod command;
mod signed;
mod traces;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracebell::{
    clock::{self, SignedDuration, Timestamp},
    cloud::{
        auth::{Credentials, Method as Login, NameOrId},
        budget::{Allowance, Budget},
    },
    secret::Secret,
    source::{PageNext, Pass, Record, Settings, SourceError, Walk, Window, cts::Cts, plan::Polling},
};

/// What the cloud answers to one request for anything but a token.
#[derive(Clone)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply { status, headers: vec![("content-type", "application/json".to_owned())], body: body.into() }
}

impl Reply {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

#[derive(Default)]
struct Script {
    replies: VecDeque<Reply>,
    /// `METHOD path?query` and the token, with the body behind it.
    requests: Vec<String>,
    logins: usize,
    password: &'static str,
    catalogue: Vec<Value>,
}

/// A cloud on loopback that answers what it is told, in order.
struct Cloud {
    url: String,
    script: Arc<Mutex<Script>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Cloud {
    async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script {
            replies: replies.into_iter().collect(),
            password: "pw",
            catalogue: vec![json!({ "type": "cts", "endpoints": [{
                "interface": "public", "region": "eu-de", "region_id": "eu-de", "url": format!("{url}/v1.0/p0") }] })],
            ..Script::default()
        }));
        let app = Router::new().fallback(answer).with_state(script.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, script, server }
    }

    fn requests(&self) -> Vec<String> {
        self.script.lock().unwrap().requests.clone()
    }

    fn logins(&self) -> usize {
        self.script.lock().unwrap().logins
    }

    fn unanswered(&self) -> usize {
        self.script.lock().unwrap().replies.len()
    }

    fn credentials(&self, password: &str) -> Credentials {
        Credentials {
            project: Some(NameOrId::Name("eu-de".to_owned())),
            region: Some("eu-de".to_owned()),
            ..Credentials::new(
                format!("{}/v3", self.url),
                Login::Password {
                    user: NameOrId::Name("alice".to_owned()),
                    domain: Some(NameOrId::Name("OTC1".to_owned())),
                    password: Secret::new(password),
                },
            )
        }
    }

    fn cts(&self) -> Cts {
        cts(self.credentials("pw"))
    }
}

fn cts(credentials: Credentials) -> Cts {
    let polling = Polling::default();
    Cts::new(&Settings { name: "prod".to_owned(), credentials, tracker: "system".to_owned(), polling }).unwrap()
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut script = script.lock().unwrap();
    if uri.path() == "/v3/auth/tokens" {
        script.logins += 1;
        let asked: Value = serde_json::from_slice(&body).unwrap();
        if asked["auth"]["identity"]["password"]["user"]["password"] != json!(script.password) {
            let error = json!({ "error": { "code": 401, "message": "wrong password", "title": "Unauthorized" } });
            return (StatusCode::UNAUTHORIZED, error.to_string()).into_response();
        }
        let token = json!({ "token": {
            "issued_at": "2026-01-15T08:30:00.000000Z", "expires_at": "2026-01-16T08:30:00.000000Z",
            "project": { "id": "p0", "name": "eu-de" }, "catalog": script.catalogue } });
        let header = [("x-subject-token", format!("token-{}", script.logins))];
        return (StatusCode::CREATED, header, token.to_string()).into_response();
    }
    let token = headers.get("x-auth-token").map(|token| token.to_str().unwrap()).unwrap_or("no token");
    let request = format!("{method} {uri} {token} {}", String::from_utf8_lossy(&body));
    script.requests.push(request.trim_end().to_owned());
    let Some(reply) = script.replies.pop_front() else {
        return (StatusCode::IM_A_TEAPOT, "the script is over").into_response();
    };
    let mut response = (StatusCode::from_u16(reply.status).unwrap(), reply.body).into_response();
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

fn now() -> Timestamp {
    "2026-01-15T09:00:00Z".parse().unwrap()
}

fn walk() -> Walk {
    Walk::new(Window { from: "2026-01-15T08:00:00Z".parse().unwrap(), to: now(), pass: Pass::Hot })
}

fn trace(id: usize) -> Value {
    let time = 1_768_465_800_000_u64 - id as u64;
    json!({ "trace_id": format!("t{id}"), "trace_name": "deleteUser", "service_type": "IAM",
        "trace_rating": "normal", "time": time, "record_time": time })
}

fn page(ids: std::ops::Range<usize>, marker: Option<&str>) -> Reply {
    list(ids.map(trace).collect(), marker)
}

fn list(traces: Vec<Value>, marker: Option<&str>) -> Reply {
    let meta = json!({ "count": traces.len(), "marker": marker });
    reply(200, json!({ "meta_data": meta, "traces": traces }).to_string())
}

/// Reads a window to its end; the ids in the order they came.
async fn read(cts: &mut Cts) -> Result<Vec<String>, SourceError> {
    let (mut walk, mut ids) = (walk(), Vec::new());
    loop {
        let page = cts.page(&mut walk, now()).await?;
        ids.extend(page.records.iter().map(|record| match record {
            Record::Trace(trace) => trace.id.clone(),
            Record::Undecodable { id, .. } => format!("?{id}"),
        }));
        match page.next {
            PageNext::More => {}
            PageNext::Complete => return Ok(ids),
            other => panic!("{other:?}"),
        }
    }
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|id| format!("t{id}")).collect()
}

#[track_caller]
fn transient(error: SourceError) -> (String, Option<Duration>) {
    match error {
        SourceError::Transient { reason, retry_after } => (reason, retry_after),
        refused => panic!("expected a transient fault, got {refused:?}"),
    }
}

#[track_caller]
fn refused(error: SourceError) -> (String, String) {
    match error {
        SourceError::Refused { reason, fix } => (reason, fix),
        transient => panic!("expected a refusal, got {transient:?}"),
    }
}

#[tokio::test]
async fn a_window_is_paged_by_marker_with_one_login() {
    let cloud = Cloud::start([page(0..200, Some("t199")), page(200..400, Some("t399")), page(400..401, None)]).await;
    let mut cts = cloud.cts();
    assert_eq!(read(&mut cts).await.unwrap(), ids(0..401));
    assert_eq!(cloud.logins(), 1);
    let window = "limit=200&from=1768463999999&to=1768467600001";
    let asked = |next: &str| format!("GET /v3/p0/traces?trace_type=system&{window}{next} token-1");
    assert_eq!(cloud.requests(), [asked(""), asked("&next=t199"), asked("&next=t399")]);
}

#[tokio::test]
async fn traces_know_their_region_and_project_and_the_clouds_clock_is_learnt() {
    let late = "Thu, 15 Jan 2026 09:10:00 GMT";
    let cloud = Cloud::start([page(0..1, None).with("date", late)]).await;
    let page = cloud.cts().page(&mut walk(), now()).await.unwrap();
    assert_eq!(page.clock_offset, SignedDuration::from_mins(10));
    let Record::Trace(trace) = &page.records[0] else { panic!() };
    assert_eq!(trace.region.as_deref(), Some("eu-de"));
    assert_eq!(trace.project_id.as_deref(), Some("p0"));
    assert_eq!(trace.project_name.as_deref(), Some("eu-de"));
}

#[tokio::test]
async fn where_v3_is_not_offered_v2_is_read_and_remembered() {
    let none = reply(404, r#"{"error_code":"APIG.0101","error_msg":"The API does not exist"}"#);
    let cloud = Cloud::start([none, page(0..2, None), page(2..3, None)]).await;
    let mut cts = cloud.cts();
    assert_eq!(read(&mut cts).await.unwrap(), ids(0..2));
    assert_eq!(read(&mut cts).await.unwrap(), ids(2..3));
    let paths: Vec<String> = cloud.requests().iter().map(|r| r[..r.find('?').unwrap()].to_owned()).collect();
    assert_eq!(paths, ["GET /v3/p0/traces", "GET /v2.0/p0/system/trace", "GET /v2.0/p0/system/trace"]);
}

#[tokio::test]
async fn where_neither_version_is_offered_a_person_must_look() {
    let cloud = Cloud::start([reply(404, "no such page"), reply(404, "no such page")]).await;
    let (reason, fix) = refused(read(&mut cloud.cts()).await.unwrap_err());
    assert!(reason.contains("404") && fix.contains("cts_endpoint_override"), "{reason} {fix}");
}

#[tokio::test]
async fn nothing_found_is_an_empty_window_but_a_missing_tracker_is_not() {
    let none = reply(404, r#"{"error_code":"CTS.0300","error_msg":"requested trace does not exist"}"#);
    let cloud = Cloud::start([none]).await;
    assert_eq!(read(&mut cloud.cts()).await.unwrap(), ids(0..0));
    let cloud = Cloud::start([reply(404, r#"{"error_code":"CTS.0214","error_msg":"no tracker"}"#)]).await;
    let (reason, fix) = refused(read(&mut cloud.cts()).await.unwrap_err());
    assert!(reason.contains("CTS.0214") && fix.contains("tracker create"), "{reason} {fix}");
}

#[tokio::test]
async fn a_token_that_expires_between_pages_is_renewed_once_and_the_same_page_asked_again() {
    let expired = reply(401, r#"{"error_code":"IAM.0066","error_msg":"The token must be updated"}"#);
    let cloud = Cloud::start([page(0..200, Some("t199")), expired, page(200..201, None)]).await;
    assert_eq!(read(&mut cloud.cts()).await.unwrap(), ids(0..201));
    assert_eq!(cloud.logins(), 2);
    let requests = cloud.requests();
    assert_eq!(requests[1].replace("token-1", "token-2"), requests[2]);
}

#[tokio::test]
async fn a_503_makes_only_the_one_wait_who_got_it_and_a_429_all_who_ask_there() {
    for (status, patience, expected) in [(503, 20, 0..10_000), (429, 3, 1500..60_000)] {
        let refused = reply(status, "{}").with("retry-after", &patience.to_string());
        let cloud = Cloud::start([refused, page(0..1, None)]).await;
        let budget = Budget::new(Allowance::default());
        let (mut one, mut other) = (cloud.cts().within(Arc::clone(&budget)), cloud.cts().within(budget));
        let (_, wish) = transient(one.page(&mut walk(), now()).await.unwrap_err());
        assert_eq!(wish, Some(Duration::from_secs(patience)), "{status}");
        let begun = clock::now();
        other.page(&mut walk(), now()).await.unwrap();
        let waited = clock::since(begun, clock::now()).as_millis();
        assert!(expected.contains(&waited), "{status}: {waited} ms");
    }
}

#[tokio::test]
async fn a_cloud_that_refuses_every_token_is_not_flooded_with_logins() {
    let no = || reply(401, r#"{"error_code":"IAM.0067","error_msg":"invalid"}"#);
    let cloud = Cloud::start([no(), no(), page(0..1, None)]).await;
    let mut cts = cloud.cts();
    for _ in 0..5 {
        let (reason, _) = refused(read(&mut cts).await.unwrap_err());
        assert!(reason.contains("IAM.0067"), "{reason}");
    }
    assert_eq!((cloud.logins(), cloud.requests().len()), (2, 2));
    let later = "2026-01-15T09:01:01Z".parse().unwrap();
    assert_eq!(cts.page(&mut walk(), later).await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_a_refusal_asked_at_most_once_a_minute() {
    let cloud = Cloud::start([page(0..1, None)]).await;
    let mut cts = cts(cloud.credentials("wrong"));
    for _ in 0..10 {
        let (reason, fix) = refused(cts.page(&mut walk(), now()).await.unwrap_err());
        assert!(reason.contains("wrong password") && fix.contains("user_domain_name"), "{reason} {fix}");
        assert!(!format!("{reason}{fix}").contains("`wrong`"), "the password is shown");
    }
    assert_eq!(cloud.logins(), 1);
    cloud.script.lock().unwrap().password = "wrong";
    let later = "2026-01-15T09:01:00Z".parse().unwrap();
    assert_eq!(cts.page(&mut walk(), later).await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn faults_say_whether_to_wait_or_to_call_a_person_and_leave_the_walk_where_it_was() {
    let html = "<html><body>Service unavailable</body></html>";
    let again = [
        (reply(429, "{}").with("retry-after", "17"), "429", Some(17)),
        (reply(503, "{}").with("retry-after", "Thu, 15 Jan 2026 09:00:20 GMT"), "503", Some(20)),
        (reply(500, r#"{"error_code":"CTS.0005","error_msg":"read failed"}"#), "CTS.0005: read failed", None),
        (reply(502, html), "502", None),
        (reply(408, ""), "408", None),
        (reply(400, r#"{"error_code":"CTS.0001","error_msg":"IAM trouble"}"#), "CTS.0001", None),
        (reply(200, html), "HTML", None),
        (reply(200, ""), "empty body", None),
        (reply(200, "{}"), "without `traces`", None),
        (reply(200, r#"{"traces":null}"#), "`traces`", None),
        (reply(200, r#"{"traces":[{"trace_id":"a""#), "broken", None),
    ];
    let person = [
        (reply(403, r#"{"error_code":"CTS.0013","error_msg":"role check failed"}"#), "CTS.0013", "CTS ReadOnlyAccess"),
        (reply(400, r#"{"error_code":"CTS.0003","error_msg":"bad"}"#), "CTS.0003", "parameters"),
        (reply(302, "").with("location", "http://127.0.0.1:1/"), "302", "elsewhere"),
    ];
    let faults = again.iter().map(|fault| fault.0.clone()).chain(person.iter().map(|fault| fault.0.clone()));
    let replies = [page(0..200, Some("t199"))].into_iter().chain(faults).chain([page(200..201, None)]);
    let cloud = Cloud::start(replies).await;
    let (mut cts, mut walk) = (cloud.cts(), walk());
    assert_eq!(cts.page(&mut walk, now()).await.unwrap().next, PageNext::More);
    for (_, expected, seconds) in again {
        let (reason, retry_after) = transient(cts.page(&mut walk, now()).await.unwrap_err());
        assert!(reason.contains(expected), "{reason}, expected {expected}");
        assert_eq!(retry_after, seconds.map(Duration::from_secs), "{reason}");
    }
    for (_, expected, what) in person {
        let (reason, fix) = refused(cts.page(&mut walk, now()).await.unwrap_err());
        assert!(reason.contains(expected) && fix.contains(what), "{reason}: {fix}");
    }
    let last = cts.page(&mut walk, now()).await.unwrap();
    assert_eq!((last.records.len(), last.next), (1, PageNext::Complete));
    assert!(cloud.requests()[1..].iter().all(|request| request.contains("next=t199")));
    assert_eq!(cloud.logins(), 1);
}

/// A server that reads one request per connection and answers these bytes, then closes.
async fn raw(bytes: &'static [u8]) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1.0/%(project_id)s", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(bytes).await;
        }
    });
    (url, server)
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_fault_and_not_a_short_page() {
    let cloud = Cloud::start([]).await;
    let halves: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"traces\":[]}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nd\r\n{\"traces\":[]}\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 12\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\xff\xab\x56",
        b"",
    ];
    for bytes in halves {
        let (url, server) = raw(bytes).await;
        let mut cts = cts(Credentials { cts_endpoint_override: Some(url), ..cloud.credentials("pw") });
        let (reason, _) = transient(cts.page(&mut walk(), now()).await.unwrap_err());
        assert!(reason.contains("the trace list"), "{reason}");
        server.abort();
    }
}

#[tokio::test]
async fn an_unreachable_cloud_is_a_fault_that_names_the_place() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let cloud = Cloud::start([]).await;
    let credentials = Credentials { auth_url: format!("http://{closed}/v3"), ..cloud.credentials("pw") };
    let (reason, _) = transient(cts(credentials).page(&mut walk(), now()).await.unwrap_err());
    assert!(reason.contains(&closed.to_string()) && reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn markers_that_lead_in_a_circle_fail_the_window_after_few_requests() {
    let one = || page(0..200, Some("a"));
    let other = || page(200..400, Some("b"));
    for script in [vec![one(), one(), one(), one()], vec![one(), other(), one(), other(), one()]] {
        let cloud = Cloud::start(script).await;
        let (reason, _) = transient(read(&mut cloud.cts()).await.unwrap_err());
        assert!(reason.contains("marker loop"), "{reason}");
        assert!(cloud.requests().len() <= 4 && cloud.unanswered() > 0);
    }
}

#[tokio::test]
async fn more_traces_in_one_millisecond_than_can_be_paged_are_read_apart_and_then_told() {
    let crowd = || {
        let at = |id: usize| {
            let mut trace = trace(id);
            (trace["time"], trace["record_time"]) = (json!(1_768_465_800_000_u64), json!(1_768_465_800_000_u64));
            trace
        };
        list((0..200).map(at).collect(), Some("m"))
    };
    let cloud = Cloud::start([crowd(), crowd(), crowd(), crowd()]).await;
    let (mut cts, mut whole) = (cloud.cts(), walk());
    assert_eq!(cts.page(&mut whole, now()).await.unwrap().next, PageNext::More);
    let page = cts.page(&mut whole, now()).await.unwrap();
    let PageNext::Split(parts) = page.next else { panic!("{:?}", page.next) };
    assert_eq!((page.records.len(), parts.len()), (200, 3));
    let mut single = Walk::new(parts[1].clone());
    assert_eq!(cts.page(&mut single, now()).await.unwrap().next, PageNext::More);
    let end = cts.page(&mut single, now()).await.unwrap().next;
    assert!(matches!(end, PageNext::Unreadable { .. }), "{end:?}");
    assert!(cloud.requests()[2].contains("from=1768465799999&to=1768465800001"), "{:?}", cloud.requests()[2]);
}

#[tokio::test]
async fn one_unreadable_record_does_not_cost_its_page() {
    let (first, last) = (trace(1), trace(2));
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let mut body =
        format!(r#"{{"meta_data":{{"marker":null}},"traces":[{first},{{"a":"\ud800"}},1e999,{deep},"x",null,{last},"#)
            .into_bytes();
    body.extend_from_slice(b"{\"trace_id\":\"bytes\",\"trace_name\":\"a\xff\xfe\"}]}");
    let cloud = Cloud::start([reply(200, body)]).await;
    let page = cloud.cts().page(&mut walk(), now()).await.unwrap();
    let good: Vec<&str> = page
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Trace(trace) => Some(trace.id.as_str()),
            Record::Undecodable { id, raw, reason } => {
                assert!(id.starts_with("fp-") && !raw.is_empty() && raw.len() <= 65_536 && !reason.is_empty());
                None
            }
        })
        .collect();
    assert_eq!(good, ["t1", "t2", "bytes"]);
    assert_eq!((page.records.len(), page.next), (8, PageNext::Complete));
}

#[tokio::test]
async fn a_trace_of_twenty_megabytes_is_read_and_cut() {
    let mut large = trace(1);
    large["request"] = json!("x".repeat(20 << 20));
    let cloud = Cloud::start([list(vec![trace(0), large, trace(2)], None)]).await;
    let page = cloud.cts().page(&mut walk(), now()).await.unwrap();
    let Record::Trace(large) = &page.records[1] else { panic!() };
    assert!(large.truncated && large.request.as_ref().unwrap().len() == 65_536);
    assert_eq!(page.records.len(), 3);
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let cloud = Cloud::start([reply(200, vec![b' '; 65 << 20])]).await;
    let (reason, _) = transient(cloud.cts().page(&mut walk(), now()).await.unwrap_err());
    assert!(reason.contains("longer than 64 MB"), "{reason}");
}

#[tokio::test]
async fn a_region_the_catalogue_does_not_list_is_a_refusal_with_the_choice() {
    let cloud = Cloud::start([]).await;
    let mut elsewhere = cts(Credentials { region: Some("eu-nl".to_owned()), ..cloud.credentials("pw") });
    let (reason, fix) = refused(elsewhere.page(&mut walk(), now()).await.unwrap_err());
    assert!(reason.contains("eu-nl") && fix.contains("eu-de"), "{reason} {fix}");
}
