//! SMN delivers for real: signed, to those who agreed, again after a failure.

use std::{
    collections::VecDeque,
    io::Write,
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use tracebell::emulator::smn::{self, Delivery, Outcome};

use super::*;
use crate::{login::beside::Beside, world};

const TOPIC: &str = "urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts";
const BELOW: &str = "/smn/v2/{project}/notifications";

/// Notes what it gets and answers as it is told, then 200; a status of 0 is no answer at all.
#[derive(Clone, Default)]
struct Subscriber {
    script: Arc<Mutex<VecDeque<u16>>>,
    got: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    url: String,
}

impl Subscriber {
    async fn start(script: &[u16]) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/ingest", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(script.iter().copied().collect()));
        let subscriber = Self { script, got: Arc::default(), url };
        let router = Router::new().route("/ingest", post(take)).with_state(subscriber.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        subscriber
    }

    fn answers(&self, script: &[u16]) {
        self.script.lock().unwrap().extend(script);
    }

    async fn got(&self, count: usize) -> Vec<(HeaderMap, Value)> {
        world::until("the subscriber to hear", Duration::from_secs(20), async || {
            let got = self.got.lock().unwrap();
            (got.len() >= count).then(|| got.clone())
        })
        .await
    }
}

async fn take(State(subscriber): State<Subscriber>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let answer = subscriber.script.lock().unwrap().pop_front();
    subscriber.got.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
    match answer {
        Some(0) => std::future::pending().await,
        status => StatusCode::from_u16(status.unwrap_or(200)).unwrap(),
    }
}

/// With pauses that a test can wait for, and a topic.
async fn cloud(change: impl FnOnce(&mut smn::Settings)) -> Cloud {
    let mut settings = Settings::default();
    settings.smn.pauses = vec![Duration::from_millis(5); 6];
    change(&mut settings.smn);
    let cloud = Cloud::start(settings).await;
    cloud.ask("POST", "/topics", json!({"name": "alerts"}), 201).await;
    cloud
}

impl Cloud {
    async fn ask(&self, method: &str, path: &str, body: Value, expected: u16) -> Value {
        let (status, answer) = self.send(method, &format!("{BELOW}{path}"), body.clone()).await;
        assert_eq!(status, expected, "{method} {path} {body}: {answer}");
        answer
    }

    async fn subscribe(&self, subscriber: &Subscriber) -> String {
        let body = json!({"protocol": "http", "endpoint": subscriber.url, "remark": "a test",
            "extension": {"header": {"x-zone": "eu"}}});
        let answer = self.ask("POST", &format!("/topics/{TOPIC}/subscriptions"), body, 201).await;
        answer["subscription_urn"].as_str().unwrap().to_owned()
    }

    /// Opens the invitation that the subscriber got first.
    async fn confirm(&self, subscriber: &Subscriber) {
        let invitation = subscriber.got(1).await.remove(0).1;
        let answer = self.http.get(invitation["subscribe_url"].as_str().unwrap()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    async fn publish(&self, body: Value) -> String {
        let answer = self.ask("POST", &format!("/topics/{TOPIC}/publish"), body, 200).await;
        answer["message_id"].as_str().unwrap().to_owned()
    }

    async fn statuses(&self) -> Vec<u64> {
        let listed = self.ask("GET", "/subscriptions", Value::Null, 200).await;
        listed["subscriptions"].as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap()).collect()
    }

    /// The last delivery, once it has come to an end.
    async fn ended(&self, message_id: &str) -> Delivery {
        world::until("a delivery to end", Duration::from_secs(20), async || {
            let found = self.handle().deliveries().into_iter().find(|one| one.message_id == message_id);
            found.filter(|one| one.outcome != Outcome::Waiting)
        })
        .await
    }
}

/// What `cryptography` and openssl say of each body.
fn judged(bodies: &[&Value]) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/smn_subscriber.py");
    let mut python = world::python().arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = python.stdin.take().unwrap();
    for body in bodies {
        writeln!(stdin, "{}", json!({"body": body.to_string()})).unwrap();
    }
    drop(stdin);
    let output = python.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_is_invited_hears_leaves_and_comes_back() {
    let (cloud, subscriber) = (cloud(|_| {}).await, Subscriber::start(&[]).await);
    let urn = cloud.subscribe(&subscriber).await;
    cloud.publish(json!({"message": "nobody agreed to hear this"})).await;
    assert_eq!(cloud.statuses().await, [0]);
    cloud.confirm(&subscriber).await;
    assert_eq!(cloud.statuses().await, [1]);
    let id = cloud.publish(json!({"subject": "Größe", "message": "a \"text\"\n\u{1f514}"})).await;
    let with = cloud
        .publish(json!({"subject": "", "message_structure":
        json!({"default": "all", "http": "ours", "https": "theirs"}).to_string()}))
        .await;
    let got = subscriber.got(3).await;
    let (headers, invitation) = &got[0];
    assert_eq!(
        (&invitation["type"], &headers["x-smn-message-type"]),
        (&json!("SubscriptionConfirmation"), &"SubscriptionConfirmation".parse().unwrap())
    );
    let of = |id: &str| got.iter().find(|(_, body)| body["message_id"] == id).unwrap();
    let (headers, body) = of(&id);
    assert_eq!(headers["x-smn-message-id"], id.as_str());
    assert_eq!((&headers["x-smn-topic-urn"], &headers["x-zone"]), (&TOPIC.parse().unwrap(), &"eu".parse().unwrap()));
    assert_eq!(headers["content-type"], "application/json;charset=utf-8");
    assert_eq!((&body["message"], &body["subject"]), (&json!("a \"text\"\n\u{1f514}"), &json!("Größe")));
    assert_eq!((&body["signature_version"], body["timestamp"].as_str().unwrap().len()), (&json!("v1"), 20));
    let (_, structured) = of(&with);
    assert_eq!((&structured["message"], structured.get("subject")), (&json!("ours"), None));
    assert!(!got.iter().any(|(_, body)| body["message"] == "nobody agreed to hear this"));

    let leave = body["unsubscribe_url"].as_str().unwrap();
    assert!(leave.ends_with(&urn), "{leave}");
    assert_eq!(cloud.http.get(leave).send().await.unwrap().status(), 200);
    assert_eq!(cloud.statuses().await, [3]);
    let farewell = subscriber.got(4).await.remove(3).1;
    assert_eq!(farewell["type"], "UnsubscribeConfirmation");
    cloud.publish(json!({"message": "to nobody"})).await;
    let back = cloud.http.get(farewell["subscribe_url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!((back.status().as_u16(), cloud.statuses().await), (200, vec![1]));

    let bodies = [invitation, body, structured, &farewell];
    for (body, verdict) in bodies.iter().zip(judged(&bodies)) {
        assert_eq!((&verdict["verified"], &verdict["openssl"]), (&json!(true), &json!("Verified OK")), "{body}");
    }
    let mut forged = body.clone();
    forged["message"] = json!("another text");
    assert_eq!(judged(&[&forged])[0]["verified"], "InvalidSignature");
    assert!(
        cloud.http.get(cloud.handle().smn_certificate_url()).send().await.unwrap().text().await.unwrap()
            == cloud.handle().smn_certificate()
    );
}

#[tokio::test]
async fn only_a_failing_server_is_tried_again() {
    let (cloud, subscriber) =
        (cloud(|settings| settings.patience = Duration::from_millis(300)).await, Subscriber::start(&[]).await);
    cloud.subscribe(&subscriber).await;
    cloud.confirm(&subscriber).await;
    let cases: [(&[u16], &[u16], &str); 6] = [
        (&[204], &[204], "delivered"),
        (&[500, 503, 200], &[500, 503, 200], "delivered"),
        (&[0, 200], &[0, 200], "delivered"),
        (&[404], &[404], "the subscriber answered 404"),
        (&[302], &[302], "the subscriber answered 302"),
        (&[500; 7], &[500; 7], "given up, at last: 500"),
    ];
    for (script, attempts, outcome) in cases {
        subscriber.answers(script);
        let id = cloud.publish(json!({"message": "m"})).await;
        let delivery = cloud.ended(&id).await;
        let tried: Vec<u16> = delivery.attempts.iter().map(|attempt| attempt.status.unwrap_or(0)).collect();
        assert_eq!(tried, attempts, "{delivery:?}");
        let told = match delivery.outcome {
            Outcome::Dropped(reason) => reason,
            other => json!(other).as_str().unwrap().to_owned(),
        };
        assert_eq!(told, outcome);
    }
    // The same message each time.
    let got = subscriber.got(1).await;
    let repeats: BTreeSet<String> = got[got.len() - 7..].iter().map(|(_, body)| body.to_string()).collect();
    assert_eq!(repeats.len(), 1);
}

/// `push_policy` 1: what fails is not queued.
#[tokio::test]
async fn a_topic_that_drops_what_fails_tries_once() {
    let (cloud, subscriber) = (cloud(|_| {}).await, Subscriber::start(&[]).await);
    cloud.subscribe(&subscriber).await;
    cloud.confirm(&subscriber).await;
    let policy = async || cloud.ask("GET", &format!("/topics/{TOPIC}"), Value::Null, 200).await["push_policy"].clone();
    assert_eq!(policy().await, 0);
    let set = async |urn: &str, policy: u8| {
        let body = json!({"topic_urn": urn, "push_policy": policy});
        cloud.send("POST", "/emulator/smn/push_policy", body).await.0
    };
    assert_eq!([set(TOPIC, 2).await, set(&format!("{TOPIC}x"), 1).await], [400, 404]);
    assert_eq!((set(TOPIC, 1).await, policy().await), (204, json!(1)));
    for (script, outcome) in
        [(&[503, 200][..], Outcome::Dropped("the topic drops what fails".to_owned())), (&[][..], Outcome::Delivered)]
    {
        subscriber.script.lock().unwrap().clear();
        subscriber.answers(script);
        let id = cloud.publish(json!({"message": "m"})).await;
        let delivery = cloud.ended(&id).await;
        assert_eq!((delivery.attempts.len(), delivery.outcome), (1, outcome));
    }
    subscriber.script.lock().unwrap().clear();
    assert_eq!((set(TOPIC, 0).await, policy().await), (204, json!(0)));
    subscriber.answers(&[503, 200]);
    let id = cloud.publish(json!({"message": "m"})).await;
    assert_eq!(cloud.ended(&id).await.attempts.len(), 2, "what was queued is tried again");
}

/// One whose certificate a private CA gave out.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_over_https_is_heard_if_its_authority_is_trusted() {
    let (folder, subscriber) = (tempfile::tempdir().unwrap(), Subscriber::start(&[]).await);
    let behind = subscriber.url.trim_start_matches("http://").split('/').next().unwrap();
    let front = Beside::tls(behind, folder.path(), "good");
    let ca = std::fs::read_to_string(folder.path().join("ca.pem")).unwrap();
    let endpoint = format!("https://127.0.0.1:{}/ingest", front.port);
    let subscribe = json!({"protocol": "https", "endpoint": endpoint});
    let path = format!("/topics/{TOPIC}/subscriptions");

    let trusting = cloud(|settings| settings.ca = Some(ca)).await;
    trusting.ask("POST", &path, json!({"protocol": "http", "endpoint": endpoint}), 400).await;
    trusting.ask("POST", &path, subscribe.clone(), 201).await;
    trusting.confirm(&subscriber).await;
    let texts = json!({"default": "all", "http": "plain", "https": "over TLS"}).to_string();
    let id = trusting.publish(json!({"message_structure": texts})).await;
    assert_eq!(trusting.ended(&id).await.outcome, Outcome::Delivered);
    assert_eq!(subscriber.got(2).await[1].1["message"], "over TLS");

    let strict = cloud(|_| {}).await;
    strict.ask("POST", &path, subscribe, 201).await;
    let invitation = strict.handle().deliveries().remove(0);
    let delivery = strict.ended(&invitation.message_id).await;
    let reason = delivery.attempts[0].reason.clone().unwrap();
    assert!(reason.contains("certificate") && delivery.attempts.len() == 7, "{delivery:?}");
    assert_eq!(subscriber.got(2).await.len(), 2, "nothing went to whom is not trusted");
}

#[tokio::test]
async fn what_is_over_or_unwanted_is_not_sent() {
    let subscriber = Subscriber::start(&[]).await;
    let slow = |settings: &mut smn::Settings| settings.pauses = vec![Duration::from_millis(1100); 6];
    let cloud = cloud(slow).await;
    let urn = cloud.subscribe(&subscriber).await;
    cloud.confirm(&subscriber).await;
    subscriber.answers(&[503]);
    let expiring = cloud.publish(json!({"message": "m", "time_to_live": "1"})).await;
    let delivery = cloud.ended(&expiring).await;
    assert_eq!(
        (delivery.attempts.len(), delivery.outcome),
        (1, Outcome::Dropped("its time to live is over".to_owned()))
    );
    subscriber.answers(&[503]);
    let lost = cloud.publish(json!({"message": "m"})).await;
    subscriber.got(3).await;
    cloud.ask("DELETE", &format!("/subscriptions/{urn}"), Value::Null, 200).await;
    let delivery = cloud.ended(&lost).await;
    assert_eq!(delivery.outcome, Outcome::Dropped("the subscription is gone".to_owned()));
}

#[tokio::test]
async fn an_address_that_always_fails_is_left_alone_for_a_while() {
    let subscriber = Subscriber::start(&[]).await;
    let cloud = cloud(|settings| settings.block_after = 3).await;
    cloud.subscribe(&subscriber).await;
    cloud.confirm(&subscriber).await;
    subscriber.answers(&[500; 3]);
    let id = cloud.publish(json!({"message": "m"})).await;
    let delivery = cloud.ended(&id).await;
    let tried: Vec<Option<u16>> = delivery.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(tried, [Some(500), Some(500), Some(500), None, None, None, None]);
    assert_eq!(subscriber.got(4).await.len(), 4, "the invitation and three attempts");
    assert!(delivery.attempts[3].reason.as_ref().unwrap().contains("blocked"), "{delivery:?}");
}

#[tokio::test]
async fn an_invitation_is_for_who_got_it_and_not_for_ever() {
    let subscriber = Subscriber::start(&[]).await;
    let cloud = cloud(|settings| settings.invitation = Duration::ZERO).await;
    cloud.subscribe(&subscriber).await;
    let delivered = cloud.handle().deliveries().remove(0);
    let open = async |url: String| {
        let answer = cloud.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["code"].clone())
    };
    assert_eq!(open(delivered.link).await, (403, json!("SMN.0022")));
    let guessed = format!("{}/smn/subscription/confirm?token=1", cloud.emulator.url());
    assert_eq!(open(guessed).await, (403, json!("SMN.0022")));
    assert_eq!(cloud.statuses().await, [0]);
}

#[tokio::test]
async fn mails_are_kept_and_confirmed_by_whom_plays_their_reader() {
    let cloud = cloud(|settings| settings.site = Some("https://console.example.org".to_owned())).await;
    let body = json!({"protocol": "email", "endpoint": "ops@example.org"});
    let subscribed = cloud.ask("POST", &format!("/topics/{TOPIC}/subscriptions"), body, 201).await;
    let urn = json!({"subscription_urn": subscribed["subscription_urn"]});
    assert_eq!(cloud.send("POST", "/emulator/smn/confirm", urn).await.0, 204);
    let structure = json!({"default": "all", "email": "for mail"}).to_string();
    let id = cloud.publish(json!({"subject": "s", "message": "m", "message_structure": structure})).await;
    let (_, deliveries) = cloud.get("/emulator/smn/deliveries").await;
    let kept = deliveries.as_array().unwrap().iter().find(|one| one["message_id"] == id.as_str()).unwrap();
    assert_eq!(
        (&kept["outcome"], &kept["message"], &kept["subject"]),
        (&json!("kept"), &json!("for mail"), &json!("s"))
    );
    assert!(kept["link"].as_str().unwrap().starts_with("https://console.example.org/smn/subscription/unsubscribe?"));
}
