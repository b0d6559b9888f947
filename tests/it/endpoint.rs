//! Each kind of endpoint against a real receiver; every output judged by somebody else's parser.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tracebell::{
    clock,
    delivery::{Cause, Delivery, Leased, Outcome},
    endpoint::{Endpoint, KindSettings, Settings, answer, client, email, slack, webhook},
    notification::Notification,
    render::{self, Address, Format, Letter, Letterhead},
    secret::Secret,
};

use receivers::{Headers, Inbox, Manner, ask, receiver, rude};
use samples::{escalated, opened, samples};

mod chat;
mod corpus;
mod guard;
mod mail;
mod mutual_tls;
mod receivers;
mod samples;
mod services;
mod smn;
mod smn_topic;
mod webhooks;

fn body(format: &Format, notification: &Notification, id: &str) -> Vec<u8> {
    let address = Address::plain(format.clone());
    render::body(&Letter { address: &address, notification, id, thread: id, subscription: "security/here" })
}

fn delivery(address: &Address, notification: Notification) -> Delivery {
    in_thread(address, notification, "")
}

/// Below the delivery `thread`, or one of its own if that is empty.
fn in_thread(address: &Address, notification: Notification, thread: &str) -> Delivery {
    let id = Delivery::id(notification.kind, "a cause", "security/here");
    let thread = if thread.is_empty() { &id } else { thread };
    let letter = Letter { address, notification: &notification, id: &id, thread, subscription: "security/here" };
    Delivery {
        body: render::body(&letter),
        subscription: "security/here".into(),
        endpoint: "here".into(),
        notification: notification.into(),
        covers: 1,
        cause: Cause::Test,
        created_at: clock::now(),
        thread: thread.to_owned(),
        hold: None,
        id,
    }
}

fn tried(delivery: &Delivery, attempt: u32) -> Leased {
    Leased { attempt, ..Leased::once(delivery.clone(), clock::now()) }
}

fn settings(kind: KindSettings) -> Settings {
    Settings { outbound: Arc::new(client::Outbound::loopback()), ..Settings::new("here", kind) }
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn webhook_to(url: &str) -> Settings {
    settings(KindSettings::Webhook(webhook::Settings {
        sign: Some(webhook::Sign { secret: Secret::new(SECRET), previous: None }),
        headers: vec![("Authorization".into(), Secret::new("Bearer canary"))],
        ..webhook::Settings::new(Secret::new(url))
    }))
}

fn slack_to(url: &str) -> Settings {
    settings(KindSettings::Slack(slack::Settings { webhook_url: Secret::new(url) }))
}

fn mail_to(port: u16, tls: email::Tls, login: Option<(&str, &str)>, ca: Option<&Path>) -> Settings {
    settings(KindSettings::Email(email::Settings {
        host: "localhost".into(),
        port: Some(port),
        tls,
        username: login.map(|(name, _)| name.to_owned()),
        password: login.map(|(_, password)| Secret::new(password)),
        oauth2_token: None,
        ca: ca.map(Path::to_owned),
        from: "Tracebell <bell@example.org>".into(),
        to: vec!["ops@example.org".into(), "\"Röder, On Call\" <oncall@example.org>".into()],
    }))
}

/// One attempt with a body made for this endpoint.
async fn send(settings: &Settings, notification: Notification) -> Outcome {
    let delivery = delivery(&settings.address(None), notification);
    Endpoint::new(settings).unwrap().send(&tried(&delivery, 1), clock::now()).await
}

#[track_caller]
fn assert_said(outcome: &Outcome, said: &str, class: &str) {
    assert_eq!((outcome.as_str(), answer::class(outcome).as_str()), (said, class), "{outcome:?}");
}

#[tokio::test]
async fn webhooks_are_signed_as_the_reference_implementation_wants() {
    let receiver = receiver(vec![(503, &[], "later")]).await;
    let delivery = delivery(&Address::plain(Format::Webhook), opened());
    let mut checks = Vec::new();
    for (secret, wrong) in [(SECRET, false), ("plain text as a key", false), (SECRET, true)] {
        let KindSettings::Webhook(settings_) = webhook_to(&receiver.url).kind else { unreachable!() };
        let signed = webhook::Settings {
            sign: Some(webhook::Sign { secret: Secret::new(secret), previous: None }),
            ..settings_
        };
        let endpoint = Endpoint::new(&settings(KindSettings::Webhook(signed))).unwrap();
        endpoint.send(&tried(&delivery, 7), clock::now()).await;
        let request = receiver.requests.lock().unwrap().pop().unwrap();
        let headers: serde_json::Map<String, Value> =
            request.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
        assert_eq!(request.path, "/hook/SECRETPATH?key=SECRETKEY");
        assert_eq!(headers["webhook-id"], delivery.id);
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["authorization"], "Bearer canary");
        assert_eq!(headers["user-agent"], concat!("tracebell/", env!("CARGO_PKG_VERSION")));
        assert_eq!(headers["tracebell-attempt"], "7");
        assert_eq!(request.body, delivery.body);
        let mut body = String::from_utf8(request.body.to_vec()).unwrap();
        if wrong {
            body.push(' ');
        }
        checks.push(json!({ "secret": secret, "headers": headers, "body": body }).to_string());
    }
    let verdicts = ask("webhook_verify.py", checks);
    assert_eq!(verdicts[..2], ["valid", "valid"]);
    assert!(verdicts[2].starts_with("WebhookVerificationError"), "{verdicts:?}");
}

#[tokio::test]
async fn answers_decide_what_happens_next() {
    let page: &'static str = "<html>/hook/SECRETPATH?key=SECRETKEY was not found</html>";
    let cases: [(u16, Headers, &str, &str, &str); 9] = [
        (200, &[], "", "delivered", "http_2xx"),
        (204, &[], "", "delivered", "http_2xx"),
        (500, &[], "oops", "retry", "http_5xx"),
        (429, &[("retry-after", "30")], "", "retry", "http_429"),
        (429, &[("retry-after", "x"), ("retry-after", "30")], "", "retry", "http_429"),
        (302, &[("location", "http://127.0.0.1:1/")], "", "paused", "http_3xx"),
        (404, &[], page, "paused", "http_404"),
        (410, &[], "", "paused", "http_410"),
        (422, &[], "no", "refused", "http_422"),
    ];
    let script = cases.iter().map(|(status, headers, body, ..)| (*status, *headers, *body)).collect();
    let receiver = receiver(script).await;
    for (status, _, _, said, class) in cases {
        let outcome = send(&webhook_to(&receiver.url), opened()).await;
        assert_said(&outcome, said, class);
        assert!(!format!("{outcome:?}").contains("SECRET"), "{outcome:?}");
        if status == 429 {
            assert!(matches!(outcome, Outcome::Retry { retry_after: Some(wait), .. } if wait.as_secs() == 30));
        }
    }
    assert_eq!(receiver.requests.lock().unwrap().len(), cases.len(), "one request per attempt, no redirect followed");
}

#[tokio::test]
async fn slack_is_believed_only_when_it_says_ok() {
    let receiver = receiver(vec![
        (200, &[], "ok"),
        (200, &[], "<html>Sign in</html>"),
        (404, &[], "no_service"),
        (400, &[], "invalid_blocks"),
        (429, &[("retry-after", "1")], "rate_limited"),
    ])
    .await;
    for (said, class) in [
        ("delivered", "http_2xx"),
        ("retry", "slack_not_ok"),
        ("paused", "http_404"),
        ("refused", "http_400"),
        ("retry", "http_429"),
    ] {
        assert_said(&send(&slack_to(&receiver.url), opened()).await, said, class);
    }
}

#[tokio::test]
async fn broken_exchanges_are_repeated_and_name_no_address() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/hook/SECRETPATH", listener.local_addr().unwrap())
    };
    let not_tls = rude(Manner::Say("HTTP/1.1 400 Bad Request\r\n\r\n")).await.replace("http:", "https:");
    for (url, said, class) in [
        (nobody, "retry", "connect"),
        (not_tls, "retry", "tls"),
        (rude(Manner::Reset).await, "retry", "io"),
        (rude(Manner::Say("SSH-2.0-OpenSSH_9.2\r\n")).await, "retry", "io"),
        (rude(Manner::Silent).await, "retry", "timeout"),
        (rude(Manner::Say("HTTP/1.1 200 OK\r\ncontent-le")).await, "retry", "timeout"),
        (rude(Manner::Endless("HTTP/1.1 200 OK\r\n\r\n")).await, "delivered", "http_2xx"),
        (rude(Manner::Endless("HTTP/1.1 200 OK\r\nx-long: ")).await, "retry", "io"),
    ] {
        let mut settings = webhook_to(&url);
        settings.timeout = Duration::from_millis(if class == "timeout" { 300 } else { 15_000 });
        let outcome = send(&settings, opened()).await;
        assert_said(&outcome, said, class);
        let shown = format!("{outcome:?}");
        assert!(!shown.contains("SECRETPATH") && !shown.contains("127.0.0.1"), "{shown}");
    }
}

fn header<'a>(mail: &'a Value, name: &str) -> &'a str {
    let headers = mail["headers"].as_array().unwrap();
    let found: Vec<_> = headers.iter().filter(|header| header[0] == name).collect();
    assert_eq!(found.len(), 1, "{name} in {headers:?}");
    found[0][1].as_str().unwrap()
}

#[tokio::test]
async fn mail_goes_through_starttls_and_login() {
    let mut inbox = Inbox::start("starttls", "bell:s3cret", "");
    let settings = mail_to(inbox.port, email::Tls::Starttls, Some(("bell", "s3cret")), Some(&inbox.ca()));
    let delivery = delivery(&settings.address(None), opened());
    let endpoint = Endpoint::new(&settings).unwrap();
    assert_said(&endpoint.send(&tried(&delivery, 1), clock::now()).await, "delivered", "smtp_2xx");
    let mail = inbox.next();
    assert_eq!((&mail["encrypted"], &mail["logged_in"]), (&json!(true), &json!(true)));
    assert_eq!(mail["from"], "bell@example.org");
    assert_eq!(mail["to"], json!(["ops@example.org", "oncall@example.org"]));
    assert_eq!(header(&mail, "From"), "Tracebell <bell@example.org>");
    assert_eq!(header(&mail, "To"), "ops@example.org, \"Röder, On Call\" <oncall@example.org>");
    assert_eq!(header(&mail, "Subject"), "[critical] alice scheduled deletion of key prod-db");
    assert_eq!(header(&mail, "Date"), "Thu, 15 Jan 2026 08:30:04 +0000");
    assert_eq!(header(&mail, "Message-ID"), format!("<{}@example.org>", delivery.id));
    assert_eq!(header(&mail, "X-Tracebell-Delivery"), delivery.id);
    assert_eq!(header(&mail, "X-Tracebell-Alert"), "alr_abcdefghijklmnopqrstuvwxyz");
    assert_eq!(header(&mail, "Auto-Submitted"), "auto-generated");
    assert_eq!((&mail["type"], &mail["defects"]), (&json!("multipart/alternative"), &json!([])));
    for part in ["text", "html"] {
        let part = mail[part].as_str().unwrap();
        for told in ["alice", "prod-db", "203.0.113.7", "Thu 15 Jan 2026, 08:30 UTC", "cannot be read again"] {
            assert!(part.contains(told), "{told} in {part}");
        }
        assert!(
            part.contains("https:&#x2f;&#x2f;wiki.example.org") || part.contains("https://wiki.example.org"),
            "{part}"
        );
    }

    // A repeat is the same mail, on the same connection.
    assert_said(&endpoint.send(&tried(&delivery, 2), clock::now()).await, "delivered", "smtp_2xx");
    let repeat = inbox.next();
    assert_eq!((&repeat["raw"], &repeat["peer"]), (&mail["raw"], &mail["peer"]));
}

#[tokio::test]
async fn mail_goes_through_tls_and_in_the_clear() {
    let mut inbox = Inbox::start("tls", "", "");
    let settings = mail_to(inbox.port, email::Tls::Tls, None, Some(&inbox.ca()));
    assert_said(&send(&settings, opened()).await, "delivered", "smtp_2xx");
    assert_eq!(inbox.next()["encrypted"], true);

    // Without the private CA the certificate is not trusted.
    assert_said(&send(&mail_to(inbox.port, email::Tls::Tls, None, None), opened()).await, "retry", "tls");

    let mut inbox = Inbox::start("plain", "", "");
    assert_said(&send(&mail_to(inbox.port, email::Tls::None, None, None), opened()).await, "delivered", "smtp_2xx");
    assert_eq!(inbox.next()["encrypted"], false);
}

#[tokio::test]
async fn mail_servers_answers_decide_what_happens_next() {
    // Hung up after the mail: nobody knows whether it was taken, so it is repeated under the same id.
    let mut inbox = Inbox::start("plain", "", "451,550,drop");
    let settings = mail_to(inbox.port, email::Tls::None, None, None);
    let mut ids = Vec::new();
    for (said, class) in [("retry", "smtp_4xx"), ("refused", "smtp_5xx"), ("retry", "io"), ("delivered", "smtp_2xx")] {
        assert_said(&send(&settings, opened()).await, said, class);
        ids.push(header(&inbox.next(), "Message-ID").to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);

    // No STARTTLS on offer: nothing goes out in the clear.
    let starttls = mail_to(inbox.port, email::Tls::Starttls, None, Some(&inbox.ca()));
    assert_said(&send(&starttls, opened()).await, "paused", "smtp_starttls");
    // No login on offer.
    let login = mail_to(inbox.port, email::Tls::None, Some(("bell", "SECRET")), None);
    assert_said(&send(&login, opened()).await, "paused", "smtp_auth");

    let guarded = Inbox::start("starttls", "bell:right", "");
    for login in [Some(("bell", "SECRET")), None] {
        let settings = mail_to(guarded.port, email::Tls::Starttls, login, Some(&guarded.ca()));
        let outcome = send(&settings, opened()).await;
        assert_said(&outcome, "paused", "smtp_auth");
        assert!(!format!("{outcome:?}").contains("SECRET"));
    }
    let wrong_ca = mail_to(guarded.port, email::Tls::Starttls, None, Some(&inbox.ca()));
    assert_said(&send(&wrong_ca, opened()).await, "retry", "tls");

    let port = guarded.port;
    drop(guarded);
    assert_said(&send(&mail_to(port, email::Tls::None, None, None), opened()).await, "retry", "connect");
}

#[tokio::test]
async fn one_address_that_is_gone_does_not_silence_the_others() {
    let mut inbox = Inbox::start("plain", "", "");
    let to = |addresses: &[&str]| {
        let mut settings = mail_to(inbox.port, email::Tls::None, None, None);
        let KindSettings::Email(email) = &mut settings.kind else { unreachable!() };
        email.to = addresses.iter().map(|&address| address.to_owned()).collect();
        settings
    };
    let some = to(&["550@example.org", "ops@example.org"]);
    let (none, later) = (to(&["550@example.org"]), to(&["ops@example.org", "450@example.org"]));
    let outcome = send(&some, opened()).await;
    assert_said(&outcome, "delivered", "smtp_2xx");
    assert!(outcome.reason().contains("1 of 2 recipients refused"), "{outcome:?}");
    assert_eq!(inbox.next()["to"], json!(["ops@example.org"]));
    assert_said(&send(&none, opened()).await, "refused", "smtp_5xx");
    assert_said(&send(&later, opened()).await, "retry", "smtp_4xx");
}

#[tokio::test]
async fn an_attempt_cut_off_by_its_timeout_leaves_no_connection_behind() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = mail_to(listener.local_addr().unwrap().port(), email::Tls::None, None, None);
    settings.timeout = Duration::from_millis(300);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        stream.write_all(b"220 slow\r\n").await.unwrap();
        stream.read_to_end(&mut seen).await.unwrap();
        seen
    });
    assert_said(&send(&settings, opened()).await, "retry", "timeout");
    assert!(server.await.unwrap().starts_with(b"EHLO"));
}

/// Nothing of these may reach a person's eyes or terminal.
fn assert_harmless(text: &str) {
    let bad = |c: char| {
        (c.is_control() && c != '\n' && c != '\r')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    assert!(!text.contains(bad), "{text:?}");
    assert!(!text.contains("null"), "{text}");
}

#[test]
fn every_slack_payload_is_valid_and_inert() {
    let samples = samples();
    let lines =
        samples.iter().map(|sample| String::from_utf8(body(&Format::Slack, sample, "msg_x")).unwrap()).collect();
    let seen: Vec<Value> =
        ask("slack_blocks.py", lines).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(seen.len(), samples.len());
    for (sample, seen) in samples.iter().zip(&seen) {
        assert_eq!(seen["problems"], json!([]), "{seen}");
        assert_harmless(seen["text"].as_str().unwrap());
        assert_harmless(seen["fallback"].as_str().unwrap());
        assert_eq!(seen["emoji"].as_array().unwrap().len(), 1, "{seen}");
        for link in seen["links"].as_array().unwrap() {
            let known =
                ["https://wiki.example.org/kms-deletion", "https://console.otc.t-systems.com/dew/?region=eu-de#/kms"];
            assert!(known.contains(&link.as_str().unwrap()), "{link}");
        }
        assert!(seen["text"].as_str().unwrap().contains(sample.severity.as_str()));
    }
    let text = |at: usize| seen[at]["text"].as_str().unwrap();
    assert_eq!(seen[0]["fallback"], "[critical] alice scheduled deletion of key prod-db");
    for told in ["Who  alice (user, account OTC00000000001)", "KMS scheduleKeyDeletion, succeeded", "msg_x"] {
        assert!(text(0).contains(told), "{told} in {}", text(0));
    }
    assert!(text(1).contains("14 times in 12 min 5 s"));
    for told in ["412 alerts and repeats", "300 × kms-key-destruction", "+12 more", "+402 more", "web-10"] {
        assert!(text(4).contains(told), "{told} in {}", text(4));
    }
    let worse = "This alert got worse, medium before and critical now: KMS disableKey, succeeded, by bob";
    assert_eq!(text(2).lines().nth(1).map(str::trim), Some(worse), "what is worse comes first: {}", text(2));
    assert_eq!(
        seen[2]["fallback"],
        "[critical, was medium] alice scheduled deletion of key prod-db (14 times in 12 min 5 s)"
    );
    assert!(
        text(3).contains("This alert got worse: KMS scheduleKeyDeletion, incident, by the platform"),
        "{}",
        text(3)
    );
    assert!(text(5).contains("check the credentials of `prod`"));
}

#[test]
fn every_webhook_body_holds_the_texts_as_they_came() {
    for sample in samples() {
        let body = body(&Format::Webhook, &sample, "msg_x");
        assert!(body.len() < 256 * 1024, "{}", body.len());
        let read: Value = serde_json::from_slice(&body).unwrap();
        assert_no_null(&read);
        assert_eq!((&read["version"], &read["id"], &read["kind"]), (&json!(1), &json!("msg_x"), &json!(sample.kind)));
        if sample.title.len() < 1000 {
            assert_eq!(read["title"], sample.title);
        }
        if let Some(alert) = sample.alert.filter(|alert| alert.trace.service.len() < 1000) {
            assert_eq!(read["trace"]["actor"]["name"], alert.trace.actor.name.unwrap());
        }
    }
}

#[test]
fn the_documented_example_is_what_is_sent() {
    let page = include_str!("../../docs/webhook.md");
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let id = example["id"].as_str().unwrap();
    let sent: Value = serde_json::from_slice(&body(&Format::Webhook, &opened(), id)).unwrap();
    assert_eq!(sent, example);
    let worse: Value = serde_json::from_slice(&body(&Format::Webhook, &escalated(), id)).unwrap();
    assert_eq!((&worse["kind"], &worse["worse"]["was"]), (&json!("escalated"), &json!("medium")));
    assert_eq!(worse["worse"]["trace"]["operation"], "disableKey");
    assert_eq!(worse["trace"], Value::Object(sent["trace"].as_object().unwrap().clone()));
    // Every key is explained, those of the parts by their path.
    for (key, value) in sent.as_object().unwrap().iter().chain(worse.as_object().unwrap()) {
        assert!(page.contains(&format!("| `{key}` |")), "{key}");
        for part in value.as_object().into_iter().flat_map(|part| part.keys()) {
            let told = page.contains(&format!("`{key}.{part}`")) || page.contains(&format!("`{key}.{part}."));
            assert!(told, "{key}.{part}");
        }
    }
}

fn assert_no_null(value: &Value) {
    match value {
        Value::Null => panic!("a null"),
        Value::Array(items) => items.iter().for_each(assert_no_null),
        Value::Object(fields) => fields.values().for_each(assert_no_null),
        _ => {}
    }
}

#[tokio::test]
async fn hostile_text_adds_no_header_recipient_or_tag_to_a_mail() {
    let mut inbox = Inbox::start("plain", "", "");
    let settings = mail_to(inbox.port, email::Tls::None, None, None);
    let endpoint = Endpoint::new(&settings).unwrap();
    let mut shapes = None;
    for sample in samples().into_iter().filter(|sample| sample.alert.is_some()) {
        let delivery = delivery(&settings.address(None), sample);
        assert_said(&endpoint.send(&tried(&delivery, 1), clock::now()).await, "delivered", "smtp_2xx");
        let mail = inbox.next();
        assert_eq!(mail["to"], json!(["ops@example.org", "oncall@example.org"]));
        assert_eq!(mail["defects"], json!([]));
        // The same headers and tags whatever the trace holds.
        let names = mail["names"].clone();
        assert_eq!(*shapes.get_or_insert_with(|| names.clone()), names);
        assert!(header(&mail, "Subject").chars().count() <= 200);
        let (text, html) = (mail["text"].as_str().unwrap(), mail["html"].as_str().unwrap());
        assert_harmless(text);
        assert_harmless(html);
        let mut tags: Vec<_> = html.split('<').skip(1).filter_map(|tag| tag.split([' ', '>']).next()).collect();
        tags.sort_unstable();
        tags.dedup();
        for tag in tags {
            let known = "!doctype a body br div h1 head html li meta p span style table td title tr ul";
            let name = tag.trim_start_matches('/').trim();
            assert!(known.split(' ').any(|known| known == name), "<{tag}> in {html}");
        }
        for attribute in html.split("href=\"").skip(1) {
            assert!(attribute.starts_with("https:"), "{attribute}");
        }
    }
}

#[test]
fn a_mail_says_first_that_an_alert_got_worse() {
    let format = Format::Email(Letterhead { from: "bell@example.org".into(), to: vec!["ops@example.org".into()] });
    let mail = String::from_utf8(body(&format, &escalated(), "msg_x")).unwrap();
    let mail = mail.replace("=\r\n", "");
    let text = mail.split("\r\n\r\n").nth(2).unwrap();
    let expected =
        "This alert got worse, medium before and critical now: KMS disableKey,\r\n  succeeded, by bob\r\nalice";
    assert!(text.starts_with(expected), "{text}");
    assert!(mail.contains("Subject: [critical, was medium] alice scheduled"), "{mail}");
}

#[test]
fn no_letterhead_makes_rendering_fail() {
    for c in ('\0'..'\u{200}').filter(|c| *c != 'x') {
        let from = format!("a{c}b{c} <be{c}ll@example.org>");
        let format = Format::Email(Letterhead { to: vec![format!("{c}<ops@example.org>")], from });
        let mail = body(&format, &opened(), "msg_x");
        assert!(mail.starts_with(b"From: "), "{c:?}");
    }
    for (from, to) in [
        ("nobody", vec!["ops@example.org".to_owned()]),
        ("a\r\nBcc: x <a@example.org>", vec!["ops@example.org".to_owned()]),
        ("bell@example.org", vec![]),
        ("bell@example.org", vec!["\u{0}".to_owned()]),
        ("Böll <bell@exämple.org>", vec!["a@b, c@d".to_owned()]),
    ] {
        let format = Format::Email(Letterhead { from: from.into(), to });
        for sample in samples() {
            let mail = body(&format, &sample, "msg_x");
            assert!(mail.len() > 100);
            assert!(!mail.windows(6).any(|window| window == b"\r\nBcc:"), "{}", String::from_utf8_lossy(&mail));
        }
    }
}
