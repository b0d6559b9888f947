//! The pages that messages link to, and the API, through real sockets: who may do what, and what is shown.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracebell::{
    alert::{Alert, Key, Mute, MuteKind, Severity},
    clock::{self, Timestamp},
    delivery::{Cause, Delivery, Outcome},
    health::Board,
    http::{
        self,
        access::{Access, Role, Settings, Token},
        site::{self, Site},
    },
    metrics::Metrics,
    notification::Notification,
    render::Links,
    secret::Secret,
    silence::{Draft, Matcher, Silence, like},
    store::{
        AttemptRecord, Claim, IngestBatch, LedgerRow, Muted, Next, SilenceFilter, Sqlite, Store, Subscriber, Verdict,
    },
    trace::Trace,
};

use crate::world;

const PATIENCE: Duration = Duration::from_secs(20);
const OPERATOR: &str = "Bearer operator-secret-0123456789";
const VIEWER: &str = "Bearer viewer-secret-0123456789";
const DAY: Duration = Duration::from_secs(86_400);
const FORM: &str = "content-type: application/x-www-form-urlencoded";

/// A site over a store with two alerts.
struct Scene {
    address: std::net::SocketAddr,
    store: Sqlite,
    alert: Alert,
    other: Alert,
    folder: tempfile::TempDir,
    _shutdown: tokio_util::sync::DropGuard,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn tokens() -> Vec<Token> {
    [("ops", Role::Operator, OPERATOR), ("eye", Role::Viewer, VIEWER)]
        .map(|(name, role, line)| Token { name: name.into(), role, secret: Secret::new(&line["Bearer ".len()..]) })
        .into()
}

fn links() -> Links {
    Links::new("", Secret::new("key"))
}

fn alert(name: &str, title: &str) -> Alert {
    let now = clock::minus(clock::now(), Duration::from_secs(600));
    let mut first = Trace::blank(format!("trace-{name}"), now);
    first.service = "KMS".into();
    first.operation = "scheduleKeyDeletion".into();
    first.actor.name = Some("alice".into());
    first.resource.name = Some("prod-db".into());
    first.source_ip = Some("198.51.100.7".into());
    first.console_url = Some("https://console.example.org/kms".into());
    let window = Duration::from_secs(3600);
    Alert {
        id: format!("alr_{name}"),
        source: "prod".into(),
        rule: "kms-key-destruction".into(),
        fingerprint: format!("print-{name}"),
        key: Key::from([("actor.name".into(), "alice".into())]),
        severity: Severity::Critical,
        title: title.into(),
        why: Some("Data under a deleted key cannot be read again.".into()),
        runbook: Some("https://wiki.example.org/kms-deletion".into()),
        first,
        first_time: None,
        last_time: now,
        count: 1,
        told: 1,
        opened_at: now,
        closes_at: clock::plus(now, window),
        window,
        shadow: false,
        escalated: false,
        muted: None,
        swallowed: 0,
    }
}

fn opened(alert: &Alert, endpoint: &str) -> Delivery {
    let notification = Notification::opened(alert, alert.opened_at);
    let id = format!("msg_{}.{endpoint}", alert.id);
    Delivery {
        subscription: format!("security/{endpoint}"),
        endpoint: endpoint.into(),
        body: b"{}".to_vec(),
        covers: 1,
        cause: Cause::Alert(alert.id.clone()),
        created_at: alert.opened_at,
        thread: id.clone(),
        hold: None,
        notification: notification.into(),
        id,
    }
}

impl Scene {
    async fn start(tokens: Vec<Token>) -> Self {
        Self::titled(tokens, "alice scheduled deletion of key prod-db").await
    }

    async fn titled(tokens: Vec<Token>, title: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("state.db"), clock::now()).await.unwrap();
        let (alert, other) = (alert("one", title), alert("two", "bob did it too"));
        write(&store, &alert, "slack").await;
        write(&store, &other, "soar").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let access = Access::new(Settings { tokens, ..Settings::default() }, Secret::new("key"));
        let site = Site { store: store.clone(), access: watch::channel(Arc::new(access)).1 };
        let (_, registry) = Metrics::new();
        let refresh = http::refresh(|| async {});
        let router = http::router(Board::default(), Arc::new(registry), refresh, site::router(site));
        let shutdown = CancellationToken::new();
        tokio::spawn(http::serve(listener, router, shutdown.clone()));
        Self { address, store, alert, other, folder, _shutdown: shutdown.drop_guard() }
    }

    /// Asks with these header lines.
    async fn ask(&self, method: &str, path: &str, head: &[&str], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut request = format!("{method} /{} HTTP/1.1\r\nconnection: close\r\n", path.trim_start_matches('/'));
        if !head.iter().any(|line| line.starts_with("host:")) {
            request += &format!("host: {}\r\n", self.address);
        }
        head.iter().for_each(|line| request += &format!("{line}\r\n"));
        request += &format!("content-length: {}\r\n\r\n{body}", body.len());
        // A server that has answered already may not take the rest.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes the connection");
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str, head: &[&str]) -> Answer {
        self.ask("GET", path, head, "").await
    }

    async fn silence(&self) -> String {
        static NUMBER: OnceLock<std::sync::atomic::AtomicU32> = OnceLock::new();
        let number = NUMBER.get_or_init(Default::default).fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let now = clock::now();
        let draft = Draft {
            matchers: vec![Matcher::parse("rule=kms-key-destruction").unwrap()],
            starts_at: now,
            ends_at: clock::plus(now, DAY),
            author: "anna".into(),
            comment: format!("rotation {number}"),
        };
        let silence = Silence::new(draft, now).unwrap();
        let id = silence.id.clone();
        self.store.put_silence(silence).await.unwrap();
        id
    }

    async fn silences(&self) -> Vec<Silence> {
        let rows = self.store.silences(SilenceFilter { limit: 100, ..SilenceFilter::default() }).await.unwrap();
        rows.into_iter().map(|row| row.silence).collect()
    }
}

async fn write(store: &Sqlite, alert: &Alert, endpoint: &str) {
    let delivery = opened(alert, endpoint);
    let ledger = |trace: &str, verdict, reason: Option<&str>| LedgerRow {
        trace: trace.into(),
        time: alert.first.time,
        rule: alert.rule.clone(),
        verdict,
        alert: alert.id.clone(),
        reason: reason.map(str::to_owned),
    };
    let by = Mute { kind: MuteKind::Silence, by: "sil_abc".into(), reason: "silence sil_abc by anna: rotation".into() };
    let batch = IngestBatch {
        source: "prod".into(),
        now: alert.opened_at,
        alerts: vec![alert.clone()],
        subscribers: vec![Subscriber {
            alert: alert.id.clone(),
            subscription: delivery.subscription.clone(),
            endpoint: endpoint.into(),
            thread: delivery.id.clone(),
        }],
        ledger: vec![
            ledger(&alert.first.id, Verdict::Opened, None),
            ledger("trace-more", Verdict::Muted, Some("silence sil_abc by anna: rotation")),
        ],
        muted: vec![Muted::of(alert, by, 1, alert.opened_at)],
        deliveries: vec![delivery],
        ..IngestBatch::default()
    };
    store.commit_ingest(batch).await.unwrap();
}

#[tokio::test]
async fn each_may_do_what_it_may() {
    let scene = Scene::start(tokens()).await;
    let id = scene.alert.id.clone();
    let old = clock::minus(clock::now(), DAY * 40);
    let query = |address: String| address.split_once('?').map(|(_, query)| query.to_owned()).unwrap();
    let now = clock::now();
    // Who asks: header lines, and what stands behind the `?`.
    let none: &[&str] = &[];
    let askers: [(&str, &[&str], String); 10] = [
        ("nobody", none, String::new()),
        ("viewer", &[line_of(VIEWER)], String::new()),
        ("operator", &[line_of(OPERATOR)], String::new()),
        ("wrong token", &["authorization: Bearer viewer-secret-0123456780"], String::new()),
        ("view link", none, query(links().view(&id, now))),
        ("silence link", none, query(links().silence(&id, now))),
        ("old link", none, query(links().silence(&id, old))),
        ("another's link", none, query(links().silence(&scene.other.id, now))),
        ("operator from another site", &[line_of(OPERATOR), "origin: https://evil.example"], String::new()),
        ("link from another site", &["sec-fetch-site: cross-site"], query(links().silence(&id, now))),
    ];
    let form = "lasts=4h&comment=rotation&author=anna&keep=0&keep=1";
    let json = r#"{"matchers":["rule=kms-key-destruction"],"for":"1h","comment":"rotation"}"#;
    #[rustfmt::skip]
    let routes: [(&str, String, &str, [u16; 10]); 9] = [
        ("GET", format!("alerts/{id}"), "",              [401, 200, 200, 401, 200, 200, 401, 401, 200, 200]),
        ("GET", format!("alerts/{id}/silence"), "",      [401, 403, 200, 401, 401, 200, 401, 401, 200, 200]),
        ("POST", format!("alerts/{id}/silence"), form,   [401, 403, 303, 401, 401, 303, 401, 401, 403, 403]),
        ("GET", "silences/SILENCE".into(), "",           [401, 200, 200, 401, 401, 401, 401, 401, 200, 401]),
        ("POST", "silences/SILENCE".into(), "",          [401, 403, 303, 401, 401, 401, 401, 401, 403, 403]),
        ("GET", format!("api/v1/alerts/{id}"), "",       [401, 200, 200, 401, 200, 200, 401, 401, 200, 200]),
        ("GET", "api/v1/silences".into(), "",            [401, 200, 200, 401, 401, 401, 401, 401, 200, 401]),
        ("POST", "api/v1/silences".into(), json,         [401, 403, 201, 401, 401, 401, 401, 401, 403, 403]),
        ("DELETE", "api/v1/silences/SILENCE".into(), "", [401, 403, 200, 401, 401, 401, 401, 401, 403, 403]),
    ];
    for (method, path, body, expected) in routes {
        for ((asker, head, query), expected) in askers.iter().zip(expected) {
            let before = scene.silences().await.len();
            let path = path.replace("SILENCE", &scene.silence().await);
            let mut head = head.to_vec();
            if body == form {
                head.push(FORM);
            }
            let answer = scene.ask(method, &format!("{path}?{query}"), &head, body).await;
            assert_eq!(answer.status, expected, "{method} {path} by {asker}: {}\n{}", answer.head, answer.body);
            let made = (scene.silences().await.len() - before - 1) as u16;
            assert_eq!(made == 1, method == "POST" && !body.is_empty() && expected < 400, "{method} {path} by {asker}");
            let told = answer.body.contains("prod-db") || answer.body.contains("rotation");
            assert!(expected < 400 || !told, "{method} {path} by {asker} tells: {}", answer.body);
            dressed(&answer, &path);
        }
    }
}

/// A header line that sends a token.
const fn line_of(token: &'static str) -> &'static str {
    match token.as_bytes()[7] {
        b'o' => "authorization: Bearer operator-secret-0123456789",
        _ => "authorization: Bearer viewer-secret-0123456789",
    }
}

#[track_caller]
fn dressed(answer: &Answer, path: &str) {
    let head = answer.head.to_ascii_lowercase();
    let referrer =
        if path.starts_with("api/") { "referrer-policy: no-referrer" } else { "referrer-policy: same-origin" };
    for line in [
        "content-security-policy: default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-anc",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        referrer,
    ] {
        assert!(head.contains(line), "{path}: no {line}: {head}");
    }
    if path.starts_with("api/") {
        assert!(head.contains("content-type: application/json"), "{path}: {head}");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.status >= 400, body["error"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn without_tokens_this_machine_reads_and_nobody_writes() {
    let scene = Scene::start(Vec::new()).await;
    let page = format!("alerts/{}", scene.alert.id);
    let form = format!("{page}/silence");
    assert_eq!(scene.get(&page, &[]).await.status, 200);
    assert_eq!(scene.get("api/v1/silences", &["host: localhost"]).await.status, 200);
    let answer = scene.get(&page, &["host: rebound.example"]).await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("on the machine where Tracebell runs") && !answer.body.contains("<form"));
    assert_eq!(scene.get(&page, &["x-forwarded-for: 203.0.113.7"]).await.status, 401);
    assert_eq!(scene.ask("POST", &form, &[FORM], "lasts=4h&comment=x&author=a").await.status, 403);
    let answer = scene.ask("POST", "api/v1/silences", &[], r#"{"matchers":["rule=x"],"for":"1h"}"#).await;
    assert_eq!(answer.status, 401);
    let signed = links().silence(&scene.alert.id, clock::now());
    let made = scene.ask("POST", &signed, &[FORM, "host: rebound.example"], "lasts=4h&comment=x&author=a").await;
    assert_eq!(made.status, 303, "the link alone is enough: {}", made.body);
}

#[tokio::test]
async fn a_link_silences_what_is_like_its_alert_and_lets_it_be_ended() {
    let scene = Scene::start(tokens()).await;
    let signed = links().silence(&scene.alert.id, clock::now());
    let page = scene.get(&signed, &[]).await;
    for text in ["rule=kms-key-destruction", "actor.name=alice", "7 days", "for=\"comment\"", "disabled"] {
        assert!(page.body.contains(text), "no {text}: {}", page.body);
    }
    // Nothing is kept, so that it would be wider: a link has no say in that.
    let answer = scene.ask("POST", &signed, &[FORM], "lasts=1d&comment=planned%20rotation&author=anna").await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let made = &scene.silences().await[0];
    assert_eq!(made.matchers, like(&scene.alert));
    assert_eq!((made.author.as_str(), made.comment.as_str()), ("anna (by a link)", "planned rotation"));
    assert_eq!(clock::since(made.starts_at, made.ends_at), DAY);

    let location = answer.head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
    let there = location.strip_prefix("../../").unwrap().to_owned();
    assert!(there.starts_with(&format!("silences/{}?until=", made.id)), "{there}");
    let page = scene.get(&there, &[]).await;
    for text in ["active", "recorded and not sent until", "planned rotation", "End it now", "tracebell silence expire"]
    {
        assert!(page.body.contains(text), "no {text}: {}", page.body);
    }
    let ended = scene.ask("POST", &there, &[FORM], "").await;
    assert_eq!((ended.status, ended.head.contains(&format!("location: ../{there}"))), (303, true), "{}", ended.head);
    let page = scene.get(&there, &[]).await;
    assert!(page.body.contains("It ended") && !page.body.contains("End it now"), "{}", page.body);
    assert!(scene.silences().await[0].expired_at.is_some());

    // Narrower is allowed; what cannot be read is said, and what was typed stays.
    let body = "lasts=1h&comment=c&author=a&more=source_ip%3D198.51.100.7%0D%0A";
    assert_eq!(scene.ask("POST", &signed, &[FORM], body).await.status, 303);
    let body = "lasts=1h&comment=&author=a%22b&more=sauce_ip%3D198.51.100.7";
    let answer = scene.ask("POST", &signed, &[FORM], body).await;
    assert_eq!(answer.status, 400);
    for text in ["`sauce_ip` is not a field", "value=\"a&quot;b\"", "sauce_ip=198.51.100.7</textarea>"] {
        assert!(answer.body.contains(text), "no {text}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_operator_may_silence_more() {
    let scene = Scene::start(tokens()).await;
    let form = format!("alerts/{}/silence", scene.alert.id);
    let head = [line_of(OPERATOR), FORM];
    let answer = scene.ask("POST", &form, &head, "lasts=4h&comment=c&author=&keep=0").await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let made = &scene.silences().await[0];
    assert_eq!(made.matchers.iter().map(Matcher::to_string).collect::<Vec<_>>(), ["rule=kms-key-destruction"]);
    assert_eq!(made.author, "ops");
    let answer = scene.ask("POST", &form, &head, "lasts=4h&comment=c&author=anna").await;
    assert!(answer.status == 400 && answer.body.contains("a silence needs a matcher"), "{}", answer.body);
}

#[tokio::test]
async fn a_token_typed_in_becomes_a_session() {
    let scene = Scene::start(tokens()).await;
    let page = format!("alerts/{}", scene.alert.id);
    let asked = scene.get(&page, &[]).await;
    assert!(asked.body.contains("type=\"password\"") && asked.body.contains(&page.replace('/', "&#x2f;")));
    let wrong = scene.ask("POST", "login", &[FORM], "token=guess&next=alerts/x").await;
    assert_eq!((wrong.status, wrong.head.contains("set-cookie")), (401, false));
    let body = format!("token={}&next={}", &OPERATOR[7..], page.replace('/', "%2F"));
    let right = scene.ask("POST", "login", &[FORM], &body).await;
    assert!(right.status == 303 && right.head.contains(&format!("location: {page}")), "{}", right.head);
    let cookie = right.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains(&OPERATOR[7..]), "{cookie}");
    let cookie = format!("cookie: {}", cookie.split(';').next().unwrap());
    let seen = scene.get(&page, &[&cookie]).await;
    assert!(seen.status == 200 && seen.body.contains("Sign out") && seen.body.contains("Silence this"));
    let form = format!("{page}/silence");
    let filled = "lasts=4h&comment=c&author=a&keep=0";
    for foreign in ["origin: https://evil.example", "origin: null", "sec-fetch-site: same-site"] {
        assert_eq!(scene.ask("POST", &form, &[FORM, &cookie, foreign], filled).await.status, 403, "{foreign}");
    }
    let own = format!("origin: http://{}", scene.address);
    assert_eq!(scene.ask("POST", &form, &[FORM, &cookie, &own], filled).await.status, 303);
    let elsewhere = scene.ask("POST", "login", &[FORM], &format!("token={}&next=//evil.example", &OPERATOR[7..])).await;
    assert_eq!((elsewhere.status, elsewhere.head.contains("location")), (200, false));
    let out = scene.ask("POST", "logout", &[FORM, &cookie], "").await;
    assert!(out.head.contains("tracebell=; Max-Age=0"), "{}", out.head);
}

#[tokio::test]
async fn guessing_tokens_ends() {
    let scene = Scene::start(tokens()).await;
    for _ in 0..5 {
        assert_eq!(scene.get("api/v1/silences", &["authorization: Bearer guess"]).await.status, 401);
        assert_eq!(scene.ask("POST", "login", &[FORM], "token=guess").await.status, 401);
    }
    let answer = scene.get("api/v1/silences", &["authorization: Bearer guess"]).await;
    assert!(answer.status == 429 && answer.head.contains("retry-after: "), "{}", answer.head);
    assert_eq!(scene.ask("POST", "login", &[FORM], "token=guess").await.status, 429);
    assert_eq!(scene.get("api/v1/silences", &[line_of(OPERATOR)]).await.status, 200, "a right one works on");
    assert_eq!(scene.ask("POST", "login", &[FORM], &format!("token={}", &OPERATOR[7..])).await.status, 200);
    let signed = links().view(&scene.alert.id, clock::now());
    assert_eq!(scene.get(&signed, &[]).await.status, 200, "links work on");
}

#[tokio::test]
async fn the_api_says_what_it_expects() {
    let scene = Scene::start(tokens()).await;
    let check = async |method: &str, path: &str, body: &str, status: u16, text: &str| {
        let answer = scene.ask(method, path, &[line_of(OPERATOR)], body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.body);
        assert!(answer.body.contains(text), "{method} {path} {body}: no {text}: {}", answer.body);
        dressed(&answer, path);
    };
    let post = async |body: &str, status, text: &str| check("POST", "api/v1/silences", body, status, text).await;
    post("", 400, "expected `{ ").await;
    post("[]", 400, "expected `{ ").await;
    post(r#"{"matchers":[],"for":"1h","comment":"c"}"#, 400, "a silence needs a matcher").await;
    post(r#"{"matchers":["rule=*"],"for":"1h","comment":"c"}"#, 400, "would swallow every alert").await;
    post(r#"{"matchers":["ruel=x"],"for":"1h","comment":"c"}"#, 400, "did you mean `rule`?").await;
    post(r#"{"matchers":["rule=x"],"for":"1 fortnight","comment":"c"}"#, 400, "expected `for` such as").await;
    post(r#"{"matchers":["rule=x"],"comment":"c"}"#, 400, "exactly one of `ends_at` and `for`").await;
    post(r#"{"matchers":["rule=x"],"for":"1h"}"#, 400, "a silence needs a comment").await;
    post(r#"{"matchers":["rule=x"],"for":"1h","comment":"c","end":1}"#, 400, "unknown field `end`").await;
    post(r#"{"matchers":["rule=x"],"ends_at":"2001-01-01T00:00:00Z","comment":"c"}"#, 400, "after its start").await;
    post(&format!("{{\"comment\":\"{}\"}}", "x".repeat(70_000)), 413, "too large").await;
    post(
        r#"{"matchers":["rule=x","actor.name!=bob"],"for":"2d","comment":"c","author":"anna"}"#,
        201,
        "anna (token ops)",
    )
    .await;
    check("GET", "api/v1/silences?standing=active", "", 200, "actor.name!=bob").await;
    check("GET", "api/v1/silences?standing=expired", "", 200, "{\"silences\":[]}").await;
    check("GET", "api/v1/silences?standing=gone", "", 400, "found `gone`").await;
    let id = scene.silences().await[0].id.clone();
    check("DELETE", &format!("api/v1/silences/{id}"), "", 200, "\"standing\":\"expired\"").await;
    check("DELETE", &format!("api/v1/silences/{id}"), "", 409, "over already").await;
    check("DELETE", "api/v1/silences/sil_none", "", 404, "no silence `sil_none`").await;
    check("GET", "api/v1/alerts/alr_none", "", 404, "no alert `alr_none`").await;
    check("GET", "api/v1/alerts/alr_", "", 404, "no alert").await;
    check("GET", "api/v2/silences", "", 404, "ask /api/v1/silences").await;
    check("PUT", "api/v1/silences", "", 405, "`Allow` header").await;

    let answer = scene.get(&format!("api/v1/alerts/{}", scene.alert.id), &[line_of(VIEWER)]).await;
    let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(told["trace"]["actor"]["name"], "alice");
    assert_eq!(told["traces"][0]["verdict"], "opened");
    assert_eq!(told["deliveries"][0]["id"], "msg_alr_one.slack");
    assert_eq!(told["muted"][0]["by"], "sil_abc");
}

/// One failed attempt, with that answer.
async fn fail(scene: &Scene, reason: &str, now: Timestamp) {
    let claim = Claim { endpoint: "slack".into(), now, lease_until: clock::plus(now, DAY), limit: 1, rate: None };
    let leased = scene.store.claim_deliveries(claim).await.unwrap().deliveries.remove(0);
    let attempt = AttemptRecord {
        delivery: leased.delivery.id,
        endpoint: "slack".into(),
        token: leased.token,
        attempt: leased.attempt,
        started_at: now,
        took: Duration::from_millis(120),
        outcome: Outcome::Refused { reason: reason.into(), shorter_may_help: false },
        next: Next::Dead,
        ..attempt_defaults()
    };
    scene.store.record_attempts(vec![attempt]).await.unwrap();
}

#[tokio::test]
async fn the_page_tells_what_became_of_it() {
    let scene = Scene::start(tokens()).await;
    fail(&scene, "HTTP 400: invalid_blocks", clock::now()).await;
    let page = scene.get(&links().view(&scene.alert.id, clock::now()), &[]).await;
    for text in [
        "alice scheduled deletion of key prod-db",
        "Data under a deleted key cannot be read again.",
        "KMS scheduleKeyDeletion, succeeded",
        "198.51.100.7",
        "Open: more of the same is counted here until",
        "https:&#x2f;&#x2f;wiki.example.org&#x2f;kms-deletion",
        "console.example.org",
        "given up",
        "invalid_blocks",
        "opened the alert",
        "kept from people: silence sil_abc by anna: rotation",
        "trace-one",
    ] {
        assert!(page.body.contains(text), "no {text}: {}", page.body);
    }
    assert!(!page.body.contains("Silence this"), "a link for viewing offers no form: {}", page.body);
    assert!(!page.body.contains("null") && !page.body.contains("None"), "{}", page.body);
    let style = scene.get("pages.css", &[]).await;
    assert!(style.status == 200 && style.head.contains("content-type: text/css"), "{}", style.head);
}

/// What a trace, an endpoint or a person wrote is text on every page.
#[tokio::test]
async fn hostile_text_is_inert() {
    let hostile =
        "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7 * 7 }} \u{202e}gpj.exe\u{0}\u{1b}[2J";
    let mut scene = Scene::titled(tokens(), hostile).await;
    let mut nasty = alert("nasty", hostile);
    nasty.key = Key::from([("actor.name".into(), hostile.into()), ("resource.name".into(), "a\nb*".into())]);
    nasty.first.actor.name = Some(hostile.into());
    nasty.first.resource.name = Some(hostile.into());
    nasty.first.console_url = Some("https://evil.example/\"><script>alert(1)</script>".into());
    nasty.why = Some(hostile.into());
    write(&scene.store, &nasty, "nasty").await;
    scene.alert = nasty;
    let now = clock::now();
    let claim = Claim { endpoint: "nasty".into(), now, lease_until: clock::plus(now, DAY), limit: 1, rate: None };
    let leased = scene.store.claim_deliveries(claim).await.unwrap().deliveries.remove(0);
    let answered = AttemptRecord {
        delivery: leased.delivery.id,
        endpoint: "nasty".into(),
        token: leased.token,
        outcome: Outcome::Refused { reason: hostile.into(), shorter_may_help: false },
        next: Next::Dead,
        ..attempt_defaults()
    };
    scene.store.record_attempts(vec![answered]).await.unwrap();

    let form = links().silence(&scene.alert.id, now);
    let view = links().view(&scene.alert.id, now);
    let typed = urlencoded(hostile);
    let made = scene.ask("POST", &form, &[FORM], &format!("lasts=1h&author={typed}&comment={typed}")).await;
    assert_eq!(made.status, 303, "{}", made.body);
    assert_eq!(scene.silences().await[0].matchers, like(&scene.alert), "the key is kept to the letter");
    let location = made.head.lines().find_map(|line| line.strip_prefix("location: ../../")).unwrap().to_owned();
    let refused =
        scene.ask("POST", &form, &[FORM], &format!("lasts=x&more={typed}&author={typed}&comment={typed}")).await;
    let unknown = scene.get("alerts/%3Cscript%3Ealert(1)%3C%2Fscript%3E", &[line_of(VIEWER)]).await;
    for (name, page) in [
        ("view", scene.get(&view, &[]).await),
        ("form", scene.get(&form, &[]).await),
        ("silence", scene.get(&location, &[]).await),
        ("refused", refused),
        ("unknown", unknown),
    ] {
        let body = page.body.to_lowercase();
        for bad in ["<script", "<img", "\u{202e}", "\u{1b}", "\u{0}", "49"] {
            // A typed text comes back as typed in its own field, where the browser shows it as such.
            let kept = name == "refused" && ["\u{202e}", "\u{1b}", "\u{0}", "49"].contains(&bad);
            assert!(kept || bad == "49" || !body.contains(bad), "{name} holds {bad:?}: {body}");
        }
        assert!(!body.contains(" 49 "), "{name} computed: {body}");
        for tag in body.split('<').skip(1).map(|rest| rest.split(['>', ' ', '\n']).next().unwrap()) {
            let known = "!doctype html head meta title link body header span form button main section p h1 h2 dl div \
                dt dd a article strong details summary table thead tbody tr th td ul li code fieldset legend label \
                input textarea br";
            assert!(known.split_whitespace().any(|word| word == tag.trim_start_matches('/')), "{name}: <{tag}");
        }
    }
}

fn urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn attempt_defaults() -> AttemptRecord {
    AttemptRecord {
        delivery: String::new(),
        endpoint: String::new(),
        token: 0,
        attempt: 1,
        started_at: clock::now(),
        took: Duration::ZERO,
        outcome: Outcome::Refused { reason: String::new(), shorter_may_help: false },
        next: Next::Dead,
        hold_endpoint_until: None,
        deliveries: Vec::new(),
        trouble: None,
    }
}

#[tokio::test]
async fn alerts_are_listed_and_shown_on_the_command_line() {
    let scene = Scene::titled(Vec::new(), "alice\u{1b}[2J scheduled\ndeletion").await;
    fail(&scene, "HTTP 400: invalid_blocks", clock::now()).await;
    let file = scene.folder.path().join("state.db");
    let run = |words: &[&str]| {
        let output = world::tracebell().args(words).arg("--state-file").arg(&file).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(!text.contains('\u{1b}'), "{text:?}");
        (output.status.code().unwrap(), text)
    };
    #[track_caller]
    fn check((code, text): (i32, String), expected: i32, words: &[&str]) {
        assert_eq!(code, expected, "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "no {word}: {text}"));
    }
    check(run(&["alert", "list"]), 0, &["alr_one", "critical", "open", "kms-key-destruction", "bob did it too"]);
    check(run(&["alert", "list", "--limit", "1"]), 0, &["more than 1"]);
    check(run(&["alert", "list", "--rule", "other"]), 0, &["No such alerts."]);
    check(run(&["alert", "list", "--at-least", "dire"]), 2, &["expected one of info, low"]);
    check(run(&["alert", "list", "--output", "json"]), 0, &["\"rule\": \"kms-key-destruction\""]);
    check(
        run(&["alert", "show", "one"]),
        0,
        &[
            "alr_one",
            "KMS scheduleKeyDeletion, succeeded",
            "Who was told",
            "dead",
            "invalid_blocks",
            "sil_abc",
            "trace-one",
        ],
    );
    check(
        run(&["alert", "show", "alr_one", "--output", "json"]),
        0,
        &["\"verdict\": \"opened\"", "\"state\": \"dead\""],
    );
    check(run(&["alert", "show", "three"]), 1, &["no alert begins with `three`", "tracebell alert list"]);
}

#[tokio::test]
async fn behind_a_proxy_one_guesser_does_not_hold_up_the_others() {
    let scene = Scene::start(tokens()).await;
    let wrong = "authorization: Bearer guess";
    // What the client wrote itself stands before what the proxy, on this machine, added.
    for number in 0..10 {
        let forwarded = format!("x-forwarded-for: 198.51.100.{number}, 203.0.113.7");
        assert_eq!(scene.get("api/v1/silences", &[wrong, &forwarded]).await.status, 401);
    }
    let guesser = "x-forwarded-for: 203.0.113.7";
    assert_eq!(scene.get("api/v1/silences", &[wrong, guesser]).await.status, 429);
    assert_eq!(scene.ask("POST", "login", &[FORM, guesser], "token=guess").await.status, 429);
    for other in ["x-forwarded-for: 203.0.113.8", "x-forwarded-for: 198.51.100.1", "accept: */*"] {
        assert_eq!(scene.get("api/v1/silences", &[wrong, other]).await.status, 401, "{other}");
        assert_eq!(scene.ask("POST", "login", &[FORM, other], "token=guess").await.status, 401, "{other}");
    }
}
