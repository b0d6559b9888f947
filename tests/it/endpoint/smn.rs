//! A webhook in SMN's format, before a subscriber written for SMN.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};
use tracebell::{
    clock,
    deliver::Deliver,
    delivery::Cause,
    endpoint::{Endpoint, KindSettings, Settings, client::Outbound, webhook},
    generation::Generation,
    health::Board,
    http,
    metrics::Metrics,
    render::Format,
    secret::Secret,
    store::{Confirmation, Sqlite, Store},
    topic::{Due, Topics},
};

use super::{
    receivers::{ask, receiver},
    samples::{hostile, opened},
    settings,
};
use crate::world;

const TOPIC: &str = "urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts";

/// Of a source that nobody asks.
pub(super) const LOGIN: [(&str, &str); 5] = [
    ("OS_AUTH_URL", "http://127.0.0.1:9/v3"),
    ("OS_USERNAME", "alice"),
    ("OS_PASSWORD", "secret"),
    ("OS_USER_DOMAIN_NAME", "OTC1"),
    ("OS_PROJECT_NAME", "eu-de"),
];

/// What the subscriber made of one request.
async fn judge(body: &[u8], open: Option<&str>) -> Value {
    let line = json!({ "body": String::from_utf8(body.to_vec()).unwrap(), "open": open }).to_string();
    let answer = tokio::task::spawn_blocking(move || ask("smn_subscriber.py", vec![line])).await.unwrap();
    serde_json::from_str(&answer[0]).unwrap()
}

/// What a person is told who asks beside the one that delivers.
#[track_caller]
fn listed(folder: &Path, url: &str, expected: &str) {
    asked(folder, url, &["endpoint", "list"], 0, expected);
}

/// Without a `public_url` of the webhook's own.
#[track_caller]
fn asked(folder: &Path, url: &str, args: &[&str], code: i32, expected: &str) {
    let config = format!(
        "state: {{ sqlite: {{ path: state.db }} }}\nhttp: {{ public_url: 'https://bell.example.org' }}\n\
         sources: {{ prod: {{ cts: {{}} }} }}\noutbound: {{ allow: [127.0.0.0/8] }}\n\
         topics: {{ default: [ {{ endpoint: here }} ] }}\nendpoints:\n  here:\n    webhook:\n      url: '{url}'\n      format: smn\n      \
         smn: {{ topic_urn: '{TOPIC}', key: {{ file: key.pem }}, cert: cert.pem }}\n"
    );
    std::fs::write(folder.join("tracebell.yaml"), config).unwrap();
    std::fs::create_dir_all(folder.join("rules")).unwrap();
    let rule = "rules: [ { id: one, title: One, severity: high, match: { service: KMS } } ]\n";
    std::fs::write(folder.join("rules/one.yaml"), rule).unwrap();
    let output = world::tracebell().args(args).current_dir(folder).envs(LOGIN).output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains(expected), "no `{expected}` in {words} {told}");
    assert_eq!(output.status.code(), Some(code), "{words} {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_of_smn_confirms_hears_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=smn", "-days", "2"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let subscriber = receiver(vec![]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smn = webhook::smn::Settings {
        topic_urn: TOPIC.into(),
        key: Secret::new(std::fs::read_to_string(folder.path().join("key.pem")).unwrap()),
        cert: folder.path().join("cert.pem"),
        site: format!("http://{}", listener.local_addr().unwrap()),
    };
    let hook = webhook::Settings {
        format: Format::Smn,
        smn: Some(smn),
        ..webhook::Settings::new(Secret::new(&*subscriber.url))
    };
    let settings = Settings { outbound: Outbound::loopback().into(), ..settings(KindSettings::Webhook(hook)) };
    let now = clock::now();
    let test = async |code, expected: &str, kind: &str| {
        asked(folder.path(), &subscriber.url, &["endpoint", "test", "here"], code, expected);
        let sent: Vec<_> = subscriber.requests.lock().unwrap().drain(..).collect();
        assert_eq!(sent.len(), 1, "{expected}");
        assert_eq!(sent[0].headers["x-smn-message-type"], kind, "{expected}");
    };
    // Before the first start.
    test(1, "here gets an invitation and no test: its subscriber has not confirmed", "SubscriptionConfirmation").await;
    let store = Sqlite::open(&folder.path().join("state.db"), now).await.unwrap();
    test(1, "open the `subscribe_url` of the invitation; then test again", "SubscriptionConfirmation").await;
    let endpoint = Endpoint::new(&settings).unwrap();
    let (rung, _) = watch::channel(());
    let subscriber_id = settings.subscriber().unwrap();
    assert!(!subscriber_id.contains("SECRET"), "the address is a secret");
    let publishers = Arc::new(vec![("here".to_owned(), endpoint.publisher().unwrap())]);
    let (_keep, publishers) = watch::channel(publishers);
    let router = http::smn::router(publishers, store.clone(), rung.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let topics = Topics { addresses: [("here".to_owned(), settings.address(None))].into(), ..Topics::default() };
    for (occasion, notification) in [("one", opened()), ("two", hostile("eve\nsubject\nforged\r\n\"}"))] {
        let due = Due::new(&notification, occasion, "security/here", "here", Cause::Alert(occasion.into()));
        store.publish(vec![topics.owed(Due { covers: 1, ..due })]).await.unwrap();
    }
    let (_generation, generation) = watch::channel(Arc::new(Generation { topics, ..Generation::default() }));
    let board = Board::default();
    let task = Deliver::<Sqlite>::task("here");
    board.expect(&task, Duration::from_secs(90), now);
    let mut worker = Deliver::new(settings, endpoint, store.clone(), generation, rung, Metrics::new().0, board.clone());
    let note = || board.check(now).lines.into_iter().find(|line| line.task == task).unwrap().text;

    // Nothing but one invitation, however often the worker looks.
    worker.step(now).await.unwrap();
    worker.step(now).await.unwrap();
    let invitation = subscriber.requests.lock().unwrap().remove(0);
    assert!(subscriber.requests.lock().unwrap().is_empty());
    assert_eq!(invitation.headers["x-smn-message-type"], "SubscriptionConfirmation");
    assert_eq!(invitation.headers["x-smn-topic-urn"], TOPIC);
    assert_eq!(note(), "waits for its subscriber to confirm");
    listed(folder.path(), &subscriber.url, "here: waits for its subscriber to confirm.");
    let seen = judge(&invitation.body, Some("subscribe_url")).await;
    let good = |kind: &str, opened: &str| json!({ "type": kind, "verified": true, "openssl": "Verified OK", "opened": opened });
    assert_eq!(seen, good("SubscriptionConfirmation", "You are subscribed.\n"));
    listed(folder.path(), &subscriber.url, "here working");
    test(0, "here took the test", "Notification").await;
    listed(folder.path(), &format!("{}&other", subscriber.url), "here unconfirmed");

    // What waited is sent, signed.
    while subscriber.requests.lock().unwrap().len() < 2 {
        worker.step(clock::now()).await.unwrap();
    }
    let sent: Vec<_> = subscriber.requests.lock().unwrap().drain(..).collect();
    for request in &sent {
        assert_eq!(request.headers["x-smn-message-type"], "Notification");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(request.headers["x-smn-message-id"], body["message_id"].as_str().unwrap());
        let subject = body["subject"].as_str().unwrap();
        assert!(!subject.contains(['\r', '\n']) && subject.len() <= 512, "{subject}");
        let own: Value = serde_json::from_str(body["message"].as_str().unwrap()).unwrap();
        assert_eq!(own["version"], 1);
        let seen = judge(&request.body, None).await;
        assert_eq!((&seen["verified"], &seen["openssl"]), (&json!(true), &json!("Verified OK")));
        let forged = String::from_utf8(request.body.to_vec()).unwrap().replacen("critical", "info", 1);
        assert_eq!(judge(forged.as_bytes(), None).await["verified"], "InvalidSignature");
    }

    // It leaves, hears of that once, and may come back.
    let seen = judge(&sent[0].body, Some("unsubscribe_url")).await;
    assert_eq!(seen, good("Notification", "You are unsubscribed.\n"));
    assert!(matches!(store.confirmation("here", &subscriber_id).await.unwrap(), Confirmation::Left(_)));
    listed(folder.path(), &subscriber.url, "here: its subscriber left at");
    test(1, "here gets an invitation and no test: its subscriber left at", "SubscriptionConfirmation").await;
    worker.step(clock::now()).await.unwrap();
    worker.step(clock::now()).await.unwrap();
    let farewell: Vec<_> = subscriber.requests.lock().unwrap().drain(..).collect();
    assert_eq!(farewell.len(), 1);
    let seen = judge(&farewell[0].body, Some("subscribe_url")).await;
    assert_eq!(seen, good("UnsubscribeConfirmation", "You are subscribed.\n"));
    assert!(matches!(store.confirmation("here", &subscriber_id).await.unwrap(), Confirmation::Confirmed(_)));

    // Who is at another address has not confirmed, and cannot with what the first one was sent.
    let other = webhook::smn::subscriber(&Secret::new(format!("{}&other", subscriber.url)));
    assert_eq!(store.confirmation("here", &other).await.unwrap(), Confirmation::Never);
}
