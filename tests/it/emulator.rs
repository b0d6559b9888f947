//! The emulated cloud, spoken to as any HTTP client would.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where by panicking")]

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tracebell::{
    clock,
    emulator::{
        Emulator, Handle, Settings, TraceClock,
        fault::{Break, Fault, Plan, Shape},
        scenario::{self, Kind, Pace},
    },
};

mod audit;
mod codes;
mod key_event;
mod smn;
mod tag;
mod trace_file;

const PROJECT: &str = "0123456789abcdef0123456789abcdef";

/// An emulator, a client, and a token that the one gave the other.
struct Cloud {
    emulator: Emulator,
    http: reqwest::Client,
    token: String,
}

impl Cloud {
    async fn start(settings: Settings) -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let emulator = Emulator::start(settings).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut cloud = Self { emulator, http, token: String::new() };
        cloud.login().await;
        cloud
    }

    async fn empty() -> Self {
        Self::start(Settings::default()).await
    }

    fn handle(&self) -> Handle {
        self.emulator.handle()
    }

    async fn login(&mut self) {
        let response = self.tokens(password("secret")).await;
        assert_eq!(response.status(), 201);
        self.token = response.headers()["x-subject-token"].to_str().unwrap().to_owned();
    }

    async fn tokens(&self, identity: Value) -> reqwest::Response {
        let body = json!({"auth": {"identity": identity, "scope": {"project": {"name": "eu-de"}}}});
        self.http.post(format!("{}/v3/auth/tokens", self.emulator.url())).json(&body).send().await.unwrap()
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        let url = format!("{}{}", self.emulator.url(), path.replace("{project}", PROJECT));
        self.http.request(method, url).header("x-auth-token", &self.token)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.request("GET", path).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let response = self.request(method, path).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    async fn page(&self, query: &str) -> Value {
        let (status, page) = self.get(&format!("/v3/{{project}}/traces?{query}")).await;
        assert_eq!(status, 200, "{page}");
        assert_eq!(page["meta_data"]["count"], page["traces"].as_array().unwrap().len());
        page
    }

    async fn ids(&self, query: &str) -> Vec<String> {
        ids(&self.page(query).await)
    }

    /// Reads a window to its end.
    async fn walk(&self, query: &str) -> Vec<String> {
        let mut seen = Vec::new();
        let mut next = String::new();
        for _ in 0..1000 {
            let page = self.page(&format!("{query}{next}")).await;
            seen.extend(ids(&page));
            match page["meta_data"]["marker"].as_str() {
                Some(marker) => next = format!("&next={marker}"),
                None => return seen,
            }
        }
        panic!("the walk does not end");
    }
}

fn password(password: &str) -> Value {
    let user = json!({"name": "alice", "password": password, "domain": {"name": "OTC00000000001000000001"}});
    json!({"methods": ["password"], "password": {"user": user}})
}

fn ids(page: &Value) -> Vec<String> {
    page["traces"].as_array().unwrap().iter().map(|trace| trace["trace_id"].as_str().unwrap().to_owned()).collect()
}

fn now_ms() -> i64 {
    clock::now().as_millisecond()
}

fn trace(id: &str, record_time: i64) -> Value {
    json!({"trace_id": id, "time": record_time - 5, "record_time": record_time, "trace_name": "deleteServer",
           "trace_rating": "warning", "trace_type": "ApiCall", "service_type": "ECS", "resource_type": "ecs",
           "resource_name": "web", "resource_id": "r1", "source_ip": "192.0.2.1", "code": "204",
           "request": "{\"a\":1}", "response": "", "user": {"name": "bob", "id": "u1", "domain": {"name": "d"}}})
}

#[tokio::test]
async fn a_window_is_paged_newest_first_to_its_end() {
    let cloud = Cloud::empty().await;
    let base = now_ms() - 60_000;
    // Several in each millisecond: the id decides, and pages end within one.
    cloud.handle().add((0..450).map(|n| trace(&format!("id-{n:03}"), base + n / 7)));
    let seen = cloud.walk("limit=200").await;
    let mut expected: Vec<(i64, String)> = (0..450).map(|n| (base + n / 7, format!("id-{n:03}"))).collect();
    expected.sort();
    assert_eq!(seen, expected.into_iter().rev().map(|(_, id)| id).collect::<Vec<_>>());
    // Exactly full: the last page says so.
    cloud.handle().forget_traces();
    cloud.handle().add((0..200).map(|n| trace(&format!("id-{n:03}"), base + n)));
    assert_eq!(cloud.page("limit=200").await["meta_data"]["marker"], Value::Null);
}

#[tokio::test]
async fn both_ends_and_the_marker_are_exclusive() {
    let (cloud, base) = (Cloud::empty().await, now_ms() - 60_000);
    cloud.handle().add([trace("a", base), trace("b", base + 1), trace("c", base + 2)]);
    assert_eq!(cloud.ids(&format!("from={base}&to={}", base + 2)).await, ["b"]);
    assert_eq!(cloud.ids(&format!("from={}&to={}", base - 1, base + 3)).await, ["c", "b", "a"]);
    assert_eq!(cloud.ids(&format!("from={base}&to={}&next=c", base + 9)).await, ["b"]);
    // The last hour is the default.
    cloud.handle().add([trace("old", now_ms() - 3_700_000)]);
    assert_eq!(cloud.ids("limit=200").await, ["c", "b", "a"]);
}

#[tokio::test]
async fn the_clock_of_a_window_is_a_setting() {
    let cloud = Cloud::start(Settings { clock: TraceClock::Time, ..Settings::default() }).await;
    let base = now_ms() - 60_000;
    cloud.handle().add([trace("a", base + 5), trace("b", base + 6), trace("c", base + 7)]);
    assert_eq!(cloud.ids(&format!("from={base}&to={}", base + 2)).await, ["b"]);
}

#[tokio::test]
async fn limits_and_parameters_are_checked() {
    let cloud = Cloud::empty().await;
    let now = now_ms();
    cloud.handle().add((0..300).map(|n| trace(&format!("id-{n}"), now - 1000 - n)));
    assert_eq!(cloud.ids("").await.len(), 10);
    assert_eq!(cloud.ids("limit=200").await.len(), 200);
    for query in ["limit=201", "limit=0", "limit=x", "from=1", "trace_rating=bad", "trace_type=data"] {
        let (status, body) = cloud.get(&format!("/v3/{{project}}/traces?{query}")).await;
        assert_eq!((status, &body["error_code"]), (400, &json!("CTS.0300")), "{query}");
    }
    let (status, body) = cloud.get("/v1.0/{project}/other/trace").await;
    assert_eq!((status, &body["error_code"]), (404, &json!("CTS.0214")));
}

#[tokio::test]
async fn filters_narrow_and_an_id_overrides_them() {
    let cloud = Cloud::empty().await;
    let mut other = trace("other", now_ms() - 2000);
    other["service_type"] = "IAM".into();
    other["trace_rating"] = "incident".into();
    other["user"]["name"] = "carol".into();
    cloud.handle().add([trace("usual", now_ms() - 1000), other]);
    for (query, expected) in [
        ("service_type=IAM", "other"),
        ("trace_rating=incident", "other"),
        ("user=carol", "other"),
        ("service_type=ECS&trace_name=deleteServer&resource_type=ecs&resource_id=r1&resource_name=web", "usual"),
        ("trace_id=usual&user=carol&from=1700000000000&to=1700000000001", "usual"),
    ] {
        assert_eq!(cloud.ids(query).await, [expected], "{query}");
    }
    assert!(cloud.ids("service_type=iam").await.is_empty(), "filters are exact");
    let (_, page) = cloud.get("/v2.0/{project}/system/trace?trace_status=incident").await;
    assert_eq!(ids(&page), ["other"]);
}

#[tokio::test]
async fn seven_days_can_be_queried() {
    let (cloud, day) = (Cloud::empty().await, 24 * 60 * 60 * 1000);
    cloud.handle().add([trace("kept", now_ms() - 7 * day + 60_000), trace("gone", now_ms() - 7 * day - 1)]);
    assert_eq!(cloud.ids("from=1700000000000").await, ["kept"]);
    assert!(cloud.ids("trace_id=gone").await.is_empty());
}

#[tokio::test]
async fn each_version_has_its_shape() {
    let cloud = Cloud::empty().await;
    cloud.handle().add([trace("a", now_ms() - 1000)]);
    let v1 = cloud.get("/v1.0/{project}/system/trace").await.1["traces"][0].take();
    let v2 = cloud.get("/v2.0/{project}/system/trace").await.1["traces"][0].take();
    let v3 = cloud.get("/v3/{project}/traces").await.1["traces"][0].take();
    assert_eq!(serde_json::from_str::<Value>(v1["user"].as_str().unwrap()).unwrap(), v3["user"]);
    assert_eq!((&v2["user"]["name"], &v2["trace_status"]), (&json!("bob"), &json!("warning")));
    assert_eq!((&v3["code"], v3["time"].is_number(), v3.get("trace_status")), (&json!("204"), true, None));
    assert_eq!(v3["request"], "{\"a\":1}");
}

#[tokio::test]
async fn nobody_reads_without_a_good_token() {
    let mut cloud = Cloud::empty().await;
    let wrong = cloud.tokens(password("wrong")).await;
    assert_eq!(wrong.status(), 401);
    assert_eq!(wrong.json::<Value>().await.unwrap()["error"]["title"], "Unauthorized");
    assert_eq!(cloud.get("/v3/ffff/traces").await.0, 403);

    let again = cloud.tokens(json!({"methods": ["token"], "token": {"id": cloud.token}})).await;
    assert_eq!(again.status(), 201);
    let body: Value = again.json().await.unwrap();
    let types: BTreeSet<&str> =
        body["token"]["catalog"].as_array().unwrap().iter().map(|service| service["type"].as_str().unwrap()).collect();
    assert_eq!(types, BTreeSet::from(["cts", "ctsv2", "ctsv3", "identity", "smn", "smnv2"]));

    let check = cloud.request("HEAD", "/v3/auth/tokens").header("x-subject-token", &cloud.token);
    assert_eq!(check.send().await.unwrap().status(), 200);
    let named = cloud.request("GET", "/v3/auth/catalog").header("host", "cloud.test:80").send().await.unwrap();
    assert!(named.text().await.unwrap().contains(&format!("http://cloud.test:80/v1.0/{PROJECT}")));

    cloud.handle().expire_tokens();
    let (status, body) = cloud.get("/v3/{project}/traces").await;
    assert_eq!((status, &body["error_code"]), (401, &json!("IAM.0066")));
    assert_eq!(cloud.tokens(json!({"methods": ["token"], "token": {"id": cloud.token}})).await.status(), 401);
    cloud.token = "none".to_owned();
    let (status, body) = cloud.get("/v1.0/{project}/tracker").await;
    assert_eq!((status, &body["error_code"]), (401, &json!("IAM.0067")));
    cloud.login().await;
    assert_eq!(cloud.get("/v3/{project}/traces").await.0, 200);
    let (_, projects) = cloud.get("/v3/projects?name=eu-de").await;
    assert_eq!(projects["projects"][0]["id"], PROJECT);
    assert_eq!(cloud.get("/v3/projects?name=eu-nl").await.1["projects"], json!([]));
}

#[tokio::test]
async fn logins_by_name_and_by_id_get_what_they_ask_for() {
    let cloud = Cloud::empty().await;
    let token = cloud.tokens(password("secret")).await.json::<Value>().await.unwrap()["token"].take();
    let (user_id, domain_id) = (&token["user"]["id"], &token["user"]["domain"]["id"]);
    let by_name = password("secret");
    let by_id = json!({"methods": ["password"], "password": {"user": {"id": user_id, "password": "secret"}}});
    let user = json!({"name": "alice", "password": "secret", "domain": {"id": domain_id}});
    let by_domain_id = json!({"methods": ["password"], "password": {"user": user}});
    let user = json!({"name": "alice", "password": "secret", "domain": {"name": "other"}});
    let elsewhere = json!({"methods": ["password"], "password": {"user": user}});
    let project = json!({"project": {"id": PROJECT}});
    let domain = json!({"domain": {"name": "OTC00000000001000000001"}});
    // The login's status, then that of a trace list with its token.
    let cases = [
        (&by_name, &project, 201, 200),
        (&by_id, &json!({"project": {"name": "eu-de"}}), 201, 200),
        (&by_domain_id, &json!({"project": {"id": PROJECT}, "domain": {"id": domain_id}}), 201, 200),
        (&by_name, &domain, 201, 403),
        (&by_name, &Value::Null, 201, 403),
        (&by_name, &json!({"project": {"name": "eu-nl"}}), 401, 401),
        (&elsewhere, &project, 401, 401),
        (&json!({"methods": ["totp"]}), &project, 400, 401),
        (&json!({}), &project, 400, 401),
    ];
    for (identity, scope, login, list) in cases {
        let url = format!("{}/v3/auth/tokens?nocatalog=1", cloud.emulator.url());
        let body = json!({"auth": {"identity": identity, "scope": scope}});
        let response = cloud.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(response.status(), login, "{body}");
        let token = response.headers().get("x-subject-token").map(|token| token.to_str().unwrap().to_owned());
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["token"].get("catalog"), None);
        let url = format!("{}/v3/{PROJECT}/traces", cloud.emulator.url());
        let listed = cloud.http.get(url).header("x-auth-token", token.unwrap_or_default()).send().await.unwrap();
        assert_eq!(listed.status(), list, "{body}");
    }
}

#[tokio::test]
async fn tracker_mistakes_have_their_codes() {
    let cloud = Cloud::empty().await;
    let v3 = |status: &str| {
        json!({"tracker_type": "system", "tracker_name": "system", "status": status,
               "obs_info": {"bucket_name": "bucket-1"}, "is_lts_enabled": true})
    };
    let cases = [
        ("GET", "/v1.0/{project}/tracker?tracker_name=system", json!({}), 404, "CTS.0214"),
        ("POST", "/v1.0/{project}/tracker", json!([]), 400, "CTS.0003"),
        ("POST", "/v1.0/{project}/tracker", json!({"bucket_name": "no-such-one"}), 404, "CTS.0211"),
        ("POST", "/v1.0/{project}/tracker", json!({"bucket_name": "abc", "tracker_name": "x"}), 400, "CTS.0204"),
        ("POST", "/v3/{project}/tracker", json!({"tracker_type": "other"}), 400, "CTS.0202"),
        ("POST", "/v3/{project}/tracker", json!({"tracker_type": "system"}), 400, "CTS.0203"),
        ("PUT", "/v3/{project}/tracker", v3("enabled"), 404, "CTS.0214"),
        ("POST", "/v3/{project}/tracker", v3("enabled"), 201, ""),
        ("POST", "/v1.0/{project}/tracker", json!({"bucket_name": "abc"}), 400, "CTS.0201"),
        ("PUT", "/v3/{project}/tracker", v3("on"), 400, "CTS.0205"),
        ("PUT", "/v3/{project}/tracker", v3("disabled"), 200, ""),
        ("PUT", "/v1.0/{project}/tracker/system", json!({"lts": {"is_lts_enabled": false}}), 400, "CTS.0056"),
        ("DELETE", "/v3/{project}/trackers?tracker_name=x", json!({}), 404, "CTS.0214"),
        ("DELETE", "/v3/{project}/trackers", json!({}), 204, ""),
    ];
    for (method, path, body, status, code) in cases {
        let answer = cloud.send(method, path, body.clone()).await;
        assert_eq!(
            (answer.0, answer.1["error_code"].as_str().unwrap_or_default()),
            (status, code),
            "{method} {path} {body}"
        );
    }
    let own = cloud.page("limit=200&service_type=CTS&resource_type=tracker").await;
    let names: BTreeSet<(&str, &str)> = own["traces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trace| (trace["trace_name"].as_str().unwrap(), trace["trace_rating"].as_str().unwrap()))
        .collect();
    for name in ["createTracker", "updateTracker", "deleteTracker"] {
        assert!(names.contains(&(name, "normal")) && names.contains(&(name, "warning")), "{names:?}");
    }
}

#[tokio::test]
async fn an_update_keeps_what_it_does_not_name() {
    let cloud = Cloud::empty().await;
    let body = json!({"bucket_name": "bucket-1", "file_prefix_name": "p-", "lts": {"is_lts_enabled": true}});
    let (status, created) = cloud.send("POST", "/v1.0/{project}/tracker", body).await;
    assert_eq!(status, 201);
    let path = format!("/v1.0/{{project}}/tracker/{}", created["id"].as_str().unwrap());
    let (status, updated) = cloud.send("PUT", &path, json!({"status": "disabled"})).await;
    assert_eq!((status, &updated["status"], &updated["bucket_name"]), (200, &json!("disabled"), &json!("bucket-1")));
    let shown = cloud.get("/v3/{project}/trackers").await.1["trackers"][0].take();
    assert_eq!(shown["obs_info"]["file_prefix_name"], "p-");
    assert_eq!(
        shown["lts"],
        json!({"is_lts_enabled": true, "log_group_name": "CTS", "log_topic_name": "system-trace"})
    );
}

#[tokio::test]
async fn notifications_are_kept_and_checked() {
    let cloud = Cloud::empty().await;
    let path = "/v3/{project}/notifications";
    let body = json!({"notification_name": "guard", "operation_type": "complete"});
    let (status, created) = cloud.send("POST", path, body.clone()).await;
    assert_eq!((status, &created["status"], &created["operations"]), (201, &json!("disabled"), &json!([])));
    let id = created["notification_id"].clone();
    let with = |key: &str, value: Value| {
        let mut body = body.clone();
        body["notification_id"] = id.clone();
        body[key] = value;
        body
    };
    let cases = [
        ("POST", body.clone(), 400, "CTS.0400"),
        ("POST", with("notification_name", json!("a b")), 400, "CTS.0411"),
        ("POST", json!({"notification_name": "x", "operation_type": "customized"}), 400, "CTS.0401"),
        ("PUT", with("status", json!("enabled")), 400, "CTS.0404"),
        ("PUT", with("status", json!("disabled")), 200, ""),
        ("PUT", json!({"notification_name": "x", "operation_type": "complete", "status": "disabled"}), 404, "CTS.0403"),
    ];
    for (method, body, status, code) in cases {
        let answer = cloud.send(method, path, body.clone()).await;
        assert_eq!((answer.0, answer.1["error_code"].as_str().unwrap_or_default()), (status, code), "{method} {body}");
    }
    let deletion = format!("{path}?notification_id={}", id.as_str().unwrap());
    assert_eq!(cloud.send("DELETE", &deletion, json!({})).await.0, 204);
    assert_eq!(cloud.get("/v3/{project}/notifications/smn").await.1["notifications"], json!([]));
}

#[tokio::test]
async fn refusals_strike_as_planned() {
    let cloud = Cloud::empty().await;
    let plan = |fault| cloud.handle().plan(Plan::new(fault).times(1).path("/traces"));
    plan(Fault::Throttle { retry_after: Some("7".to_owned()) });
    let throttled = cloud.request("GET", "/v3/{project}/traces").send().await.unwrap();
    assert_eq!((throttled.status().as_u16(), throttled.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    for status in [500, 503] {
        plan(Fault::Status(status));
        assert_eq!(cloud.get("/v3/{project}/traces").await.0, status);
    }
    plan(Fault::DateSeconds(-3600));
    let dated = cloud.request("GET", "/v3/{project}/traces").send().await.unwrap();
    let date = jiff::fmt::rfc2822::parse(dated.headers()["date"].to_str().unwrap()).unwrap().timestamp();
    assert!((3590..3610).contains(&clock::since(date, clock::now()).as_secs()), "{date}");
    plan(Fault::Html);
    let html = cloud.request("GET", "/v3/{project}/traces").send().await.unwrap();
    assert!(html.text().await.unwrap().starts_with("<!doctype html>"));
    assert_eq!(cloud.get("/v3/{project}/traces").await.0, 200);
    assert_eq!((cloud.handle().stats().count("/traces", 500), cloud.handle().stats().count("/traces", 200)), (1, 3));
}

#[tokio::test]
async fn answers_are_cut_and_delayed() {
    let cloud = Cloud::empty().await;
    cloud.handle().add([trace("a", now_ms() - 1000)]);
    let get = || cloud.request("GET", "/v3/{project}/traces").send();
    cloud.handle().plan(Plan::new(Fault::Reset).times(1));
    let cut = match get().await {
        Ok(response) => response.bytes().await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(cut.is_err());
    cloud.handle().plan(Plan::new(Fault::Truncate).times(1));
    let text = get().await.unwrap().text().await.unwrap();
    assert!(!text.is_empty() && serde_json::from_str::<Value>(&text).is_err(), "{text}");
    cloud.handle().plan(Plan::new(Fault::LatencyMs(60)).times(1));
    let start = std::time::Instant::now();
    assert_eq!(get().await.unwrap().status(), 200);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn the_token_dies_between_two_pages() {
    let mut cloud = Cloud::empty().await;
    let now = now_ms();
    cloud.handle().add((0..4).map(|n| trace(&format!("id-{n}"), now - 1000 - n)));
    cloud.handle().plan(Plan::new(Fault::ExpireTokens).times(1).skip(1).path("/traces"));
    let first = cloud.page("limit=2").await;
    let next = format!("/v3/{{project}}/traces?limit=2&next={}", first["meta_data"]["marker"].as_str().unwrap());
    assert_eq!(cloud.get(&next).await.0, 401);
    cloud.login().await;
    assert_eq!(ids(&cloud.get(&next).await.1), ["id-2", "id-3"]);
}

#[tokio::test]
async fn pages_loop_and_repeat_traces() {
    let cloud = Cloud::empty().await;
    let now = now_ms();
    cloud.handle().add((0..5).map(|n| trace(&format!("id-{n}"), now - 1000 - n)));
    cloud.handle().plan(Plan::new(Fault::MarkerLoop).times(2));
    let first = cloud.page("limit=2").await;
    assert_eq!(first["meta_data"]["marker"], "id-1");
    assert_eq!(cloud.page("limit=2&next=id-1").await, first);
    cloud.handle().plan(Plan::new(Fault::Duplicates).times(1));
    assert_eq!(cloud.ids("limit=2&next=id-1").await, ["id-1", "id-2", "id-3", "id-1"]);
    assert_eq!(cloud.ids("limit=2&next=id-1").await, ["id-2", "id-3"]);
}

#[tokio::test]
async fn a_late_trace_appears_under_its_old_time() {
    let cloud = Cloud::empty().await;
    cloud.handle().plan(Plan::new(Fault::LateMs(3_600_000)).times(1));
    cloud.handle().add([trace("late", now_ms() - 1000), trace("usual", now_ms() - 2000)]);
    assert_eq!(cloud.ids("limit=9").await, ["usual"]);
    cloud.handle().plan(Plan::new(Fault::LateMs(40)).times(1));
    let recorded = now_ms() - 30_000;
    cloud.handle().add([trace("soon", recorded)]);
    let shown = async {
        while cloud.ids("limit=9").await.len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), shown).await.unwrap();
    assert_eq!(cloud.page("limit=9").await["traces"][1]["record_time"], recorded);
}

#[tokio::test]
async fn odd_and_broken_elements_are_in_good_pages() {
    let cloud = Cloud::empty().await;
    let now = now_ms();
    cloud.handle().add([trace("a", now - 1000), trace("b", now - 1001)]);
    cloud.handle().plan(Plan::new(Fault::Odd(Shape::UserText)).times(1));
    assert!(cloud.page("").await["traces"][0]["user"].is_string());
    cloud.handle().plan(Plan::new(Fault::Odd(Shape::CodeNumber)).times(1));
    assert_eq!(cloud.page("").await["traces"][0]["code"], 204);
    cloud.handle().plan(Plan::new(Fault::HugeTrace(20_000_000)).times(1));
    let huge = cloud.request("GET", "/v3/{project}/traces").send().await.unwrap().bytes().await.unwrap();
    assert!(huge.len() > 20_000_000);
    for (kind, mark) in
        [(Break::LoneSurrogate, r#""\ud800""#), (Break::HugeNumber, "1e999"), (Break::BareNumber, ",17,")]
    {
        cloud.handle().plan(Plan::new(Fault::Broken(kind)).times(1));
        let text = cloud.request("GET", "/v3/{project}/traces").send().await.unwrap().text().await.unwrap();
        assert!(text.contains(mark) && text.contains(r#""trace_id":"a""#), "{text}");
    }
}

#[tokio::test]
async fn another_process_prepares_the_world_over_http() {
    let cloud = Cloud::empty().await;
    let base = now_ms() - 60_000;
    let traces: Vec<Value> = (0..10_000).map(|n| trace(&format!("id-{n:05}"), base + n)).collect();
    let (status, answer) = cloud.send("POST", "/emulator/traces", json!(traces)).await;
    assert_eq!((status, &answer["added"]), (200, &json!(10_000)));
    assert_eq!(cloud.walk("limit=200").await.len(), 10_000);
    let broken = r#"[{"trace_id":"x","message":"\ud800"}, 1e999]"#;
    let response = cloud.request("POST", "/emulator/traces").body(broken).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let text = cloud.request("GET", "/v3/{project}/traces?limit=2").send().await.unwrap().text().await.unwrap();
    assert!(text.contains(r#"{"trace_id":"x","message":"\ud800"}"#) && text.contains("1e999"), "{text}");

    let plan = json!({"fault": {"status": 503}, "times": 1, "path": "/traces"});
    assert_eq!(cloud.send("POST", "/emulator/faults", plan).await.0, 200);
    assert_eq!(cloud.get("/v3/{project}/traces").await.0, 503);
    assert_eq!(cloud.send("POST", "/emulator/faults", json!({"fault": "nonsense"})).await.0, 400);
    let (_, stats) = cloud.get("/emulator/stats").await;
    assert_eq!(stats["answered"][format!("GET /v3/{PROJECT}/traces 503")], 1);
    assert_eq!((&stats["traces"], &stats["faults_planned"]), (&json!(10_002), &json!(0)));
    assert_eq!(cloud.send("POST", "/emulator/tokens/expire", json!({})).await.0, 204);
    assert_eq!(cloud.get("/v3/{project}/traces").await.0, 401);
}

#[tokio::test]
async fn a_scenario_plays_by_itself() {
    let script = scenario::Settings { kind: Kind::Incidents, per_minute: 6000.0, pace: Pace::Demo };
    let cloud = Cloud::start(Settings { scenario: Some(script), ..Settings::default() }).await;
    let logged_in = async {
        while cloud.ids("trace_name=login&limit=200&resource_type=user").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), logged_in).await.unwrap();
    let failed = cloud.page("trace_name=loginfailed&limit=200").await;
    let failed = &failed["traces"][0];
    assert_eq!((&failed["trace_rating"], &failed["service_type"]), (&json!("warning"), &json!("IAM")));
    assert!(failed["time"].as_i64() <= failed["record_time"].as_i64());
}

#[tokio::test]
async fn shutdown_closes_the_port() {
    let cloud = Cloud::empty().await;
    let addr = cloud.emulator.addr();
    cloud.emulator.shutdown().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn projects_have_a_trace_list_each_and_a_token_opens_one() {
    let mut cloud = Cloud::start(Settings { more_projects: 2, ..Settings::default() }).await;
    let projects = cloud.handle().projects();
    let names: Vec<&str> = projects.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["eu-de", "eu-de_0001", "eu-de_0002"]);
    for (number, (_, id)) in projects.iter().enumerate() {
        let mut trace = trace(&format!("of-{number}"), now_ms() - 1000);
        trace["project_id"] = id.as_str().into();
        cloud.handle().add([trace]);
    }
    for (number, (name, id)) in projects.iter().enumerate() {
        let user = json!({"name": "alice", "password": "secret", "domain": {"name": "OTC00000000001000000001"}});
        let identity = json!({"methods": ["password"], "password": {"user": user}});
        let body = json!({"auth": {"identity": identity, "scope": {"project": {"name": name}}}});
        let url = format!("{}/v3/auth/tokens", cloud.emulator.url());
        let answer = cloud.http.post(url).json(&body).send().await.unwrap();
        cloud.token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
        let token: Value = answer.json().await.unwrap();
        let v3 = token["token"]["catalog"][2]["endpoints"][0]["url"].as_str().unwrap().to_owned();
        assert!(v3.ends_with(&format!("/v3/{id}")), "{v3}");
        let (status, page) = cloud.get(&format!("/v3/{id}/traces?limit=200")).await;
        assert_eq!((status, ids(&page)), (200, vec![format!("of-{number}")]));
        let other = &projects[(number + 1) % 3].1;
        assert_eq!(cloud.get(&format!("/v3/{other}/traces")).await.0, 403);
    }
    let (_, found) = cloud.get("/v3/projects?name=eu-de_0002").await;
    assert_eq!(found["projects"][0]["id"], projects[2].1.as_str());
}
