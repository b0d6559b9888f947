//! Topics of the cloud: what is published is read back, and what SMN's answers mean.

use std::time::Duration;

use serde_json::{Value, json};
use tracebell::{
    clock,
    cloud::auth::{Credentials, Method, NameOrId},
    delivery::Outcome,
    emulator::{
        Emulator,
        fault::{Fault, Plan},
        smn::Publication,
    },
    endpoint::{Endpoint, KindSettings, Settings, smn},
    render::{
        gsm,
        publication::{LONGEST, SMS, Style, TAG},
    },
    secret::Secret,
};

use super::{
    assert_said, delivery,
    receivers::{Headers, receiver},
    samples::{hostile, opened, samples},
    send, settings, tried,
};

const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const TOPIC: &str = "urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts";

fn topic(cloud: &Emulator, style: Style, url: Option<String>) -> smn::Settings {
    let credentials = Credentials {
        project: Some(NameOrId::Name("eu-de".into())),
        ..Credentials::new(
            format!("{}/v3", cloud.url()),
            Method::Password {
                user: NameOrId::Name("alice".into()),
                domain: Some(NameOrId::Name("OTC00000000001000000001".into())),
                password: Secret::new("secret"),
            },
        )
    };
    smn::Settings { credentials, topic_urn: TOPIC.into(), style, url }
}

fn to(topic: smn::Settings) -> Settings {
    settings(KindSettings::Smn(topic))
}

/// An account in which the topic exists, and a template.
async fn cloud() -> Emulator {
    let cloud = Emulator::start(tracebell::emulator::Settings::default()).await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let scope = json!({ "project": { "name": "eu-de" } });
    let user = json!({ "name": "alice", "password": "secret", "domain": { "name": "OTC00000000001000000001" } });
    let login =
        json!({ "auth": { "identity": { "methods": ["password"], "password": { "user": user } }, "scope": scope } });
    let answer = http.post(format!("{}/v3/auth/tokens", cloud.url())).json(&login).send().await.unwrap();
    let token = answer.headers()["x-subject-token"].clone();
    let template = json!({ "message_template_name": "alert", "content": "{severity}: {title} by {actor}, {url}" });
    for (path, body) in [("topics", json!({ "name": "alerts" })), ("message_template", template)] {
        let url = format!("{}/smn/v2/{PROJECT}/notifications/{path}", cloud.url());
        let made = http.post(url).header("x-auth-token", token.clone()).json(&body).send().await.unwrap();
        assert_eq!(made.status(), 201, "{path}");
    }
    cloud
}

fn last(cloud: &Emulator) -> Publication {
    cloud.handle().publications().pop().expect("something was published")
}

fn one_line(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}'))
}

#[tokio::test]
async fn what_is_published_is_read_back_as_inert_text() {
    let cloud = cloud().await;
    let corpus = samples().into_iter().chain([hostile("eve\nsubject\nforged\r\n\u{202e}\"}")]);
    for notification in corpus {
        let text = to(topic(&cloud, Style::Text, None));
        let outcome = send(&text, notification.clone()).await;
        let Outcome::Delivered { receipt: Some(receipt), .. } = &outcome else { panic!("{outcome:?}") };
        let published = last(&cloud);
        assert_eq!(published.topic_urn, TOPIC);
        assert_eq!(*receipt, json!({ "message_id": published.message_id }).to_string());
        let subject = published.subject.unwrap();
        assert!(one_line(&subject) && subject.len() <= 512, "{subject}");
        let frozen: Value = serde_json::from_slice(&delivery(&text.address(None), notification.clone()).body).unwrap();
        assert_eq!(published.texts["default"], frozen["message"].as_str().unwrap());
        assert!(published.texts["default"].lines().all(one_line), "{}", published.texts["default"]);

        assert_eq!(send(&to(topic(&cloud, Style::Structure, None)), notification.clone()).await.as_str(), "delivered");
        let published = last(&cloud).texts;
        assert_eq!(published.keys().collect::<Vec<_>>(), ["default", "email", "functionstage", "http", "https", "sms"]);
        assert!(gsm::length(&published["sms"]) <= SMS && gsm::text(&published["sms"], SMS) == published["sms"]);
        assert!(published["sms"].starts_with(&format!("[{}", notification.severity)), "{}", published["sms"]);
        let own: Value = serde_json::from_str(&published["https"]).unwrap();
        assert_eq!((&own["version"], &own["severity"]), (&json!(1), &json!(notification.severity.to_string())));

        let style = Style::Template("alert".into());
        assert_eq!(send(&to(topic(&cloud, style, None)), notification.clone()).await.as_str(), "delivered");
        let published = last(&cloud);
        assert!(published.tags.values().all(|value| one_line(value) && (1..=TAG).contains(&value.len())));
        assert!(!published.texts["default"].contains("{severity}"), "{:?}", published.texts);
    }
}

#[tokio::test]
async fn the_longest_structure_fits() {
    let cloud = cloud().await;
    let mut long = opened();
    let trace = &mut long.alert.as_mut().unwrap().trace;
    trace.request = Some("\u{1f514}\"\\".repeat(20_000));
    trace.response = trace.request.clone();
    trace.extra = (0..500).map(|n| (format!("key{n}"), "\u{1}\"".repeat(2000).into())).collect();
    long.lines = vec!["\u{1}\"\\".repeat(400); 400];
    long.why = Some("世".repeat(60_000));
    for style in [Style::Text, Style::Structure, Style::Template("alert".into())] {
        assert_eq!(send(&to(topic(&cloud, style, None)), long.clone()).await.as_str(), "delivered");
    }
    let body = delivery(&to(topic(&cloud, Style::Structure, None)).address(None), long).body;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert!(body["message_structure"].as_str().unwrap().len() <= LONGEST);
}

#[tokio::test]
async fn the_login_lasts_and_is_renewed_once() {
    let cloud = cloud().await;
    let settings = to(topic(&cloud, Style::Text, None));
    let endpoint = Endpoint::new(&settings).unwrap();
    let leased = tried(&delivery(&settings.address(None), opened()), 1);
    let logins = || cloud.handle().stats().count("/v3/auth/tokens", 201);
    let before = logins();
    for _ in 0..3 {
        assert_eq!(endpoint.send(&leased, clock::now()).await.as_str(), "delivered");
    }
    assert_eq!(logins(), before + 1);
    cloud.handle().expire_tokens();
    assert_eq!(endpoint.send(&leased, clock::now()).await.as_str(), "delivered");
    assert_eq!(logins(), before + 2);
    cloud.handle().plan(Plan { fault: Fault::ExpireTokens, times: Some(2), skip: 0, path: "/publish".into() });
    let outcome = endpoint.send(&leased, clock::now()).await;
    assert_said(&outcome, "paused", "http_401");
    assert_eq!(logins(), before + 3, "a token that is refused at once is renewed once");
}

#[tokio::test]
async fn a_login_that_fails_waits_or_calls_a_person() {
    let cloud = cloud().await;
    let mut wrong = topic(&cloud, Style::Text, None);
    wrong.credentials.method = Method::Token(Secret::new("nobody's"));
    assert_said(&send(&to(wrong), opened()).await, "paused", "login");
    let mut elsewhere = topic(&cloud, Style::Text, None);
    elsewhere.topic_urn = TOPIC.replace("eu-de", "eu-nl");
    let outcome = send(&to(elsewhere), opened()).await;
    assert_said(&outcome, "paused", "login");
    let Outcome::Paused { reason, fix } = outcome else { unreachable!() };
    assert!(reason.contains("`eu-nl`") && fix.contains("`topic_urn`"), "{reason} {fix}");
    let missing = smn::Settings { topic_urn: format!("{TOPIC}2"), ..topic(&cloud, Style::Text, None) };
    assert_said(&send(&to(missing), opened()).await, "paused", "http_404");
    let style = Style::Template("nobody-made-it".into());
    assert_said(&send(&to(topic(&cloud, style, None)), opened()).await, "paused", "http_404");
    cloud.handle().plan(Plan { fault: Fault::Status(503), times: None, skip: 0, path: "/auth/tokens".into() });
    assert_said(&send(&to(topic(&cloud, Style::Text, None)), opened()).await, "retry", "login");
    assert!(cloud.handle().publications().is_empty());
}

#[tokio::test]
async fn answers_decide() {
    let cloud = cloud().await;
    let code = |code: &str| -> &'static str {
        json!({ "request_id": "r", "code": code, "message": "Words." }).to_string().leak()
    };
    let taken = r#"{"request_id":"r","message_id":"m"}"#;
    let throttled = r#"{"error_code":"APIG.0308","error_msg":"The throttling threshold has been reached."}"#;
    let wait: Headers = &[("retry-after", "17")];
    let cases: &[(u16, Headers, &'static str, &str, &str, &str)] = &[
        (200, &[], taken, "delivered", "http_2xx", ""),
        (201, &[], taken, "delivered", "http_2xx", ""),
        (200, &[], "<html>", "retry", "http_other", ""),
        (403, &[], code("SMN.0008"), "refused", "http_403", ""),
        (403, &[], code("SMN.0009"), "refused", "http_403", ""),
        (400, &[], code("SMN.0021"), "refused", "http_400", ""),
        (400, &[], code("SMN.0038"), "refused", "http_400", ""),
        (403, &[], code("SMN.0075"), "refused", "http_403", ""),
        (413, &[], "", "refused", "http_413", ""),
        (403, &[], code("SMN.0001"), "paused", "http_403", "SMN:Publish"),
        (403, &[], code("SMN.0057"), "paused", "http_403", "quota"),
        (403, &[], code("SMN.0065"), "paused", "http_403", "quota"),
        (403, &[], code("SMN.0069"), "paused", "http_403", "SMN:Publish"),
        (400, &[], code("SMN.0005"), "paused", "http_400", "`topic_urn`"),
        (404, &[], code("SMN.0006"), "paused", "http_404", "`topic_urn`"),
        (400, &[], code("SMN.0032"), "paused", "http_400", "`template`"),
        (404, &[], code("SMN.0076"), "paused", "http_404", "`template`"),
        (404, &[], "<html>", "paused", "http_404", "`url`"),
        (302, &[("location", "http://127.0.0.1:1/")], "", "paused", "http_3xx", "`url`"),
        (429, wait, throttled, "retry", "http_429", ""),
        (500, wait, code("SMN.0016"), "retry", "http_5xx", ""),
        (503, wait, "", "retry", "http_5xx", ""),
    ];
    for (status, headers, body, said, class, fix) in cases {
        let receiver = receiver(vec![(*status, *headers, *body)]).await;
        let url = receiver.url.split("/hook").next().unwrap().to_owned();
        let outcome = send(&to(topic(&cloud, Style::Text, Some(url))), opened()).await;
        assert_said(&outcome, said, class);
        let request = receiver.requests.lock().unwrap().pop().unwrap();
        assert_eq!(request.path, format!("/v2/{PROJECT}/notifications/topics/{TOPIC}/publish"));
        assert!(request.headers.contains_key("x-auth-token"));
        match outcome {
            Outcome::Refused { shorter_may_help, .. } => assert!(shorter_may_help),
            Outcome::Paused { fix: words, reason } => {
                assert!(words.contains(fix), "{words}");
                assert!(!reason.contains("request_id"), "{reason}");
            }
            Outcome::Retry { retry_after, .. } if !headers.is_empty() => {
                assert_eq!(retry_after, Some(Duration::from_secs(17)));
            }
            _ => {}
        }
    }
    // A login that is refused is renewed once, whatever it is called.
    let expired = r#"{"error_code":"IAM.1108","error_msg":"The access key has expired."}"#;
    for (status, body) in [(401, ""), (403, code("SMN.0022")), (400, expired)] {
        for (second, said, class) in [((200, taken), "delivered", "http_2xx"), ((status, body), "paused", "http_4")] {
            let receiver = receiver(vec![(status, &[], body), (second.0, &[], second.1)]).await;
            let url = receiver.url.split("/hook").next().unwrap().to_owned();
            let outcome = send(&to(topic(&cloud, Style::Text, Some(url))), opened()).await;
            assert_eq!(outcome.as_str(), said, "{outcome:?}");
            assert!(outcome.reason().starts_with(class), "{outcome:?}");
            assert_eq!(receiver.requests.lock().unwrap().len(), 2);
            if let Outcome::Paused { fix, .. } = outcome {
                assert!(fix.contains("does not accept a login of this moment"), "{fix}");
            }
        }
    }
}
