//! Alertmanager, PagerDuty, Opsgenie, Teams and Telegram: what they are sent, and what their answers mean.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tracebell::{
    clock,
    delivery::{Leased, Outcome},
    endpoint::{Endpoint, KindSettings, Settings, alertmanager, client::Tls, opsgenie, pagerduty, teams, telegram},
    notification::Notification,
    render::{Address, Format},
    secret::Secret,
};

use super::{
    assert_said, body, delivery,
    receivers::{Headers, Receiver, ask, receiver},
    samples::{escalated, opened, samples, summary},
    send, settings,
};
use crate::world;

const TOKEN: &str = "4711:SECRETTOKEN";

fn base(receiver: &Receiver) -> Secret {
    Secret::new(receiver.url.split("/hook").next().unwrap())
}

fn to_pagerduty(receiver: &Receiver) -> Settings {
    let url = Some(Secret::new(receiver.url.clone()));
    settings(KindSettings::PagerDuty(pagerduty::Settings { routing_key: Secret::new("SECRETKEY1"), url }))
}

fn to_opsgenie(receiver: &Receiver) -> Settings {
    let api_key = Secret::new("SECRETKEY2");
    settings(KindSettings::Opsgenie(opsgenie::Settings { api_key, url: Some(base(receiver)) }))
}

fn to_teams(receiver: &Receiver) -> Settings {
    settings(KindSettings::Teams(teams::Settings { webhook_url: Secret::new(receiver.url.clone()) }))
}

fn to_telegram(receiver: &Receiver) -> Settings {
    let (token, api_url) = (Secret::new(TOKEN), Some(base(receiver)));
    settings(KindSettings::Telegram(telegram::Settings { token, chat: "-100123".into(), api_url }))
}

fn to_alertmanager(url: Secret) -> Settings {
    let login = Some(alertmanager::Login::Basic { username: "bell".into(), password: Secret::new("SECRET") });
    settings(KindSettings::Alertmanager(alertmanager::Settings { url, login, tls: Tls::default() }))
}

fn sent(receiver: &Receiver) -> (String, Value) {
    let request = receiver.requests.lock().unwrap().pop().unwrap();
    (request.path, serde_json::from_slice(&request.body).unwrap())
}

#[test]
fn every_body_is_what_the_service_documents_and_inert() {
    let kinds = [
        ("pagerduty", Format::PagerDuty),
        ("opsgenie", Format::Opsgenie),
        ("teams", Format::Teams),
        ("telegram", Format::Telegram),
        ("alertmanager", Format::Alertmanager),
    ];
    let mut lines = Vec::new();
    for (kind, format) in &kinds {
        for sample in samples() {
            let body = String::from_utf8(body(format, &sample, "msg_x")).unwrap();
            assert!(!body.contains('\u{202e}') && !body.contains("\\u001b"), "{kind}: {body}");
            lines.push(json!({ "kind": kind, "body": body }).to_string());
        }
    }
    let verdicts = ask("service_bodies.py", lines.clone());
    assert_eq!(verdicts.len(), lines.len());
    for (verdict, line) in verdicts.iter().zip(&lines) {
        assert_eq!(verdict, "good", "{}", line.chars().take(3000).collect::<String>());
    }
    // The judge does judge.
    let active = json!({ "text": "see @everyone", "entities": [], "link_preview_options": { "is_disabled": true } });
    let bad = [("telegram", active.to_string()), ("opsgenie", r#"{"message":"<b>"}"#.into()), ("teams", "{}".into())];
    for verdict in
        ask("service_bodies.py", bad.map(|(kind, body)| json!({ "kind": kind, "body": body }).to_string()).into())
    {
        assert_ne!(verdict, "good");
    }
}

#[tokio::test]
async fn one_trouble_has_one_key() {
    let receiver = receiver(vec![(202, &[], "{}"), (202, &[], "{}"), (202, &[], "{}"), (202, &[], "{}")]).await;
    let with = |mut notification: Notification| {
        notification.alert.as_mut().unwrap().fingerprint = "fp1".into();
        notification
    };
    let mut keys = Vec::new();
    for notification in [with(opened()), with(escalated())] {
        assert_said(&send(&to_pagerduty(&receiver), notification.clone()).await, "delivered", "http_2xx");
        let (_, event) = sent(&receiver);
        assert_eq!(event["routing_key"], "SECRETKEY1");
        assert_eq!(event["payload"]["severity"], "critical");
        keys.push(event["dedup_key"].clone());
        assert_said(&send(&to_opsgenie(&receiver), notification).await, "delivered", "http_2xx");
        let (path, alert) = sent(&receiver);
        assert_eq!(path, "/v2/alerts");
        assert_eq!(alert["priority"], "P1");
        keys.push(alert["alias"].clone());
    }
    assert!(keys.iter().all(|key| key == "fp1"), "{keys:?}");
    let stored = delivery(&Address::plain(Format::PagerDuty), opened());
    assert!(!String::from_utf8_lossy(&stored.body).contains("SECRET"), "keys are not stored");
    assert!(String::from_utf8_lossy(&stored.body).contains("alr_"), "what was stored without a fingerprint has its id");
}

#[tokio::test]
async fn answers_decide() {
    let waits = r#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":17}}"#;
    let moved = r#"{"ok":false,"description":"Bad Request: group chat was upgraded","parameters":{"migrate_to_chat_id":-1007}}"#;
    let nobody = r#"{"ok":false,"description":"Bad Request: chat not found"}"#;
    let long = r#"{"ok":false,"description":"Bad Request: message is too long"}"#;
    let routing = r#"{"status":"invalid event","errors":["Invalid routing key"]}"#;
    let failed = "Webhook message delivery failed with error: HTTP error 429";
    type Maker = fn(&Receiver) -> Settings;
    let cases: &[(Maker, u16, Headers, &str, &str, &str)] = &[
        (to_pagerduty, 202, &[], "{}", "delivered", "http_2xx"),
        (to_pagerduty, 200, &[], "<html>", "retry", "http_other"),
        (to_pagerduty, 400, &[], routing, "paused", "http_400"),
        (to_pagerduty, 400, &[], "{}", "refused", "http_400"),
        (to_pagerduty, 429, &[], "", "retry", "http_429"),
        (to_pagerduty, 500, &[], "", "retry", "http_5xx"),
        (to_opsgenie, 202, &[], "{}", "delivered", "http_2xx"),
        (to_opsgenie, 200, &[], "", "retry", "http_other"),
        (to_opsgenie, 403, &[], "", "paused", "http_403"),
        (to_opsgenie, 422, &[], "", "refused", "http_422"),
        (to_opsgenie, 429, &[("retry-after", "17")], "", "retry", "http_429"),
        (to_teams, 202, &[], "", "delivered", "http_2xx"),
        (to_teams, 200, &[], "1", "delivered", "http_2xx"),
        (to_teams, 200, &[], failed, "retry", "http_other"),
        (to_teams, 200, &[], "<html>Sign in</html>", "retry", "http_other"),
        (to_teams, 404, &[], "", "paused", "http_404"),
        (to_teams, 413, &[], "", "refused", "http_413"),
        (to_telegram, 200, &[], r#"{"ok":true,"result":{"message_id":7}}"#, "delivered", "http_2xx"),
        (to_telegram, 200, &[], "ok", "retry", "http_other"),
        (to_telegram, 400, &[], nobody, "paused", "http_400"),
        (to_telegram, 400, &[], moved, "paused", "http_400"),
        (to_telegram, 400, &[], long, "refused", "http_400"),
        (to_telegram, 401, &[], "", "paused", "http_401"),
        (to_telegram, 403, &[], "", "paused", "http_403"),
        (to_telegram, 429, &[], waits, "retry", "http_429"),
    ];
    for (to, status, headers, reply, said, class) in cases {
        let receiver = receiver(vec![(*status, headers, reply.to_string().leak())]).await;
        let outcome = send(&to(&receiver), opened()).await;
        assert_said(&outcome, said, class);
        assert!(!format!("{outcome:?}").contains("SECRET"), "{outcome:?}");
        match outcome {
            Outcome::Retry { retry_after, .. } if reply == &waits || !headers.is_empty() => {
                assert_eq!(retry_after, Some(Duration::from_secs(17)));
            }
            Outcome::Paused { fix, .. } if reply == &moved => assert!(fix.contains("chat: -1007"), "{fix}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn telegram_replies_to_its_first_message() {
    let done = r#"{"ok":true,"result":{"message_id":7}}"#;
    let receiver = receiver(vec![(200, &[], done), (200, &[], done)]).await;
    let settings = to_telegram(&receiver);
    let endpoint = Endpoint::new(&settings).unwrap();
    let first = delivery(&settings.address(None), opened());
    let Outcome::Delivered { receipt, .. } =
        endpoint.send(&Leased::once(first.clone(), clock::now()), clock::now()).await
    else {
        panic!("not delivered")
    };
    let (path, message) = sent(&receiver);
    assert_eq!(path, format!("/bot{TOKEN}/sendMessage"));
    assert_eq!((&message["chat_id"], &message["reply_parameters"]), (&json!(-100_123), &Value::Null));
    let mut later = delivery(&settings.address(None), summary());
    later.thread = first.id;
    let leased = Leased { thread_receipt: receipt, ..Leased::once(later, clock::now()) };
    assert_eq!(endpoint.send(&leased, clock::now()).await.as_str(), "delivered");
    assert_eq!(sent(&receiver).1["reply_parameters"]["message_id"], 7);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let telegram = |token: &str, chat: &str| {
        let (token, chat) = (Secret::new(token), chat.to_owned());
        settings(KindSettings::Telegram(telegram::Settings { token, chat, api_url: None }))
    };
    assert!(Endpoint::new(&telegram(TOKEN, "@ops")).is_ok());
    for (settings, expected) in [
        (telegram("SECRET/../x", "@ops"), "`token` is not a bot's token"),
        (telegram(TOKEN, "ops"), "`chat` is neither"),
        (to_alertmanager(Secret::new("http://10.0.0.7:9093")), "add 10.0.0.0/8 to `outbound.allow`"),
    ] {
        let error = Endpoint::new(&settings).err().unwrap().to_string();
        assert!(error.contains(expected) && !error.contains("SECRET"), "{error}");
    }
}

/// Debian's Alertmanager on a port of its own choosing.
struct Alertmanager {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Alertmanager {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        world::write(&config, "route: { receiver: none }\nreceivers: [ { name: none } ]\n");
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().display()))
            .args([&format!("--web.listen-address=127.0.0.1:{port}"), "--cluster.listen-address="])
            .stderr(Stdio::null())
            .spawn()
            .expect("the Debian package prometheus-alertmanager is installed");
        let started = Self { child, url, _folder: folder };
        let client = client();
        world::until("Alertmanager to be ready", Duration::from_secs(20), async || {
            client
                .get(format!("{}/-/ready", started.url))
                .send()
                .await
                .is_ok_and(|said| said.status() == 200)
                .then_some(())
        })
        .await;
        started
    }

    fn alerts(&self) -> Vec<Value> {
        let output = Command::new("amtool")
            .args(["--alertmanager.url", &self.url, "alert", "query", "--output", "json"])
            .output()
            .expect("amtool runs");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn alertmanager_shows_what_it_was_sent() {
    let alertmanager = Alertmanager::start().await;
    let settings = to_alertmanager(Secret::new(alertmanager.url.clone()));
    let until = clock::plus(clock::now(), Duration::from_secs(3600));
    let mut first = opened();
    first.alert.as_mut().unwrap().open_until = Some(until);
    let mut later = summary();
    later.alert.as_mut().unwrap().open_until = Some(until);
    for notification in [first, later] {
        assert_said(&send(&settings, notification).await, "delivered", "http_2xx");
    }
    let alerts = alertmanager.alerts();
    assert_eq!(alerts.len(), 1, "a follow-up is the same alert: {alerts:#?}");
    let (labels, annotations) = (&alerts[0]["labels"], &alerts[0]["annotations"]);
    assert_eq!(
        labels,
        &json!({
            "alertname": "kms-key-destruction", "severity": "critical", "source": "prod", "service": "KMS",
            "actor": "alice", "actor_name": "alice",
        })
    );
    assert!(annotations["summary"].as_str().unwrap().contains("14 times"), "{annotations}");
    assert_eq!(annotations["runbook_url"], "https://wiki.example.org/kms-deletion");
    let ends: clock::Timestamp = alerts[0]["endsAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(ends.as_second(), until.as_second());

    // Whatever strangers wrote, Alertmanager takes it, and an old alert still rings.
    let mut count = 1;
    for sample in samples() {
        assert_said(&send(&settings, sample).await, "delivered", "http_2xx");
        count += 1;
    }
    let alerts = alertmanager.alerts();
    assert!(alerts.len() > 8 && alerts.len() <= count, "{}", alerts.len());
}
