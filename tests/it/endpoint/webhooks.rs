//! Webhooks: what is sent, how it is proven, and what other people's parsers read.

use std::path::Path;

use serde_json::{Value, json};
use tracebell::{
    clock,
    delivery::Outcome,
    endpoint::{Endpoint, KindSettings, Settings, client::Outbound, webhook},
    notification::{Kind, Notification},
    render::{Address, Format, template, webhook as own},
    secret::Secret,
};

use super::{
    body, delivery,
    receivers::{ask, receiver},
    samples::{opened, samples},
    send, settings, tried,
};

fn to(url: &str, change: impl FnOnce(&mut webhook::Settings)) -> Settings {
    let mut webhook = webhook::Settings::new(Secret::new(url));
    change(&mut webhook);
    Settings { outbound: Outbound::loopback().into(), ..settings(KindSettings::Webhook(webhook)) }
}

#[tokio::test]
async fn while_a_secret_is_replaced_receivers_find_the_one_they_know() {
    let receiver = receiver(vec![]).await;
    let (new, old) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "the old one, as text");
    let sign = webhook::Sign { secret: Secret::new(new), previous: Some(Secret::new(old)) };
    let endpoint = Endpoint::new(&to(&receiver.url, |webhook| webhook.sign = Some(sign))).unwrap();
    endpoint.send(&tried(&delivery(&Address::plain(Format::Webhook), opened()), 1), clock::now()).await;
    let request = receiver.requests.lock().unwrap().pop().unwrap();
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    let checks = [new, old, "neither of them"]
        .map(|secret| json!({ "secret": secret, "headers": headers, "body": body }).to_string());
    let verdicts = ask("webhook_verify.py", checks.into());
    assert_eq!(verdicts[..2], ["valid", "valid"]);
    assert!(verdicts[2].starts_with("WebhookVerificationError"), "{verdicts:?}");
}

#[tokio::test]
async fn methods_and_logins_are_as_configured() {
    let basic = webhook::Login::Basic { username: "bell".into(), password: Secret::new("s3cret") };
    let bearer = webhook::Login::Bearer(Secret::new("t0ken"));
    for (method, login, verb, authorization) in [
        (webhook::Verb::Post, None, "POST", None),
        (webhook::Verb::Put, Some(basic), "PUT", Some("Basic YmVsbDpzM2NyZXQ=")),
        (webhook::Verb::Patch, Some(bearer), "PATCH", Some("Bearer t0ken")),
    ] {
        let receiver = receiver(vec![]).await;
        let settings = to(&receiver.url, |webhook| (webhook.method, webhook.login) = (method, login));
        assert!(matches!(send(&settings, opened()).await, Outcome::Delivered { .. }));
        let request = receiver.requests.lock().unwrap().pop().unwrap();
        assert_eq!(request.method, verb);
        assert_eq!(request.headers.get("authorization").map(|value| value.to_str().unwrap()), authorization);
        assert!(!format!("{settings:?}").contains("s3cret") && !format!("{settings:?}").contains("t0ken"));
    }
}

/// What `webhook_formats.py` read of each sample.
fn read(format: &Format, name: &str, kind: &str, samples: &[Notification]) -> Vec<Value> {
    let mut lines = vec![own::schema().to_string()];
    lines.extend(samples.iter().map(|sample| {
        let body = String::from_utf8(body(format, sample, "msg_x")).unwrap();
        json!({ "format": name, "type": kind, "body": body }).to_string()
    }));
    let found: Vec<Value> =
        ask("webhook_formats.py", lines).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), samples.len());
    for found in &found {
        assert_eq!(found["problems"], json!([]), "{found}");
    }
    found
}

/// Every text that stands in the title, the actor and the reason, as it came.
fn assert_equal_texts(read: &Value, sample: &Notification) {
    if sample.title.chars().count() < 1000 {
        assert_eq!(read["title"], sample.title);
    }
    let Some(alert) = sample.alert.as_ref().filter(|alert| alert.trace.service.chars().count() < 1000) else { return };
    let trace = &alert.trace;
    assert_eq!(read["trace"]["actor"]["name"], json!(trace.actor.name));
    assert_eq!(read["trace"]["resource"]["name"], json!(trace.resource.name));
    assert_eq!(read["trace"]["service"], trace.service);
    assert_eq!(read["why"], json!(sample.why));
}

/// As many kinds as there are, each with the parts it may have.
fn every_kind() -> Vec<Notification> {
    let mut all = samples();
    for kind in [Kind::Late, Kind::Repeated, Kind::Group, Kind::Digest] {
        all.push(Notification { kind, ..opened() });
    }
    all
}

#[test]
fn every_body_is_what_the_published_schema_says() {
    let samples = every_kind();
    for (sample, found) in samples.iter().zip(read(&Format::Webhook, "tracebell", "application/json", &samples)) {
        assert_equal_texts(&found["read"], sample);
    }
}

#[test]
fn the_published_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/webhook.schema.json");
    let published: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(published, own::schema(), "write it anew: tracebell schema webhook > docs/webhook.schema.json");
}

#[test]
fn cloudevents_are_read_by_their_own_library() {
    let samples = every_kind();
    let kind = "application/cloudevents+json; charset=utf-8";
    for (sample, found) in samples.iter().zip(read(&Format::Cloudevents, "cloudevents", kind, &samples)) {
        assert_equal_texts(&found["read"], sample);
        let about = &found["attributes"];
        assert_eq!((&about["specversion"], &about["id"]), (&json!("1.0"), &json!("msg_x")));
        assert_eq!(about["severity"], sample.severity.as_str());
        let kind = about["type"].as_str().unwrap().strip_prefix("io.tracebell.").unwrap();
        assert_eq!(kind.trim_start_matches("alert."), sample.kind.as_str());
        let subject = sample.alert.as_ref().map(|_| "kms-key-destruction/alr_abcdefghijklmnopqrstuvwxyz");
        assert_eq!(about.get("subject").and_then(Value::as_str), subject);
    }
}

#[tokio::test]
async fn cloudevents_say_so_in_their_content_type() {
    let receiver = receiver(vec![]).await;
    let settings = to(&receiver.url, |webhook| webhook.format = Format::Cloudevents);
    assert!(matches!(send(&settings, opened()).await, Outcome::Delivered { .. }));
    let request = receiver.requests.lock().unwrap().pop().unwrap();
    assert_eq!(request.headers["content-type"], "application/cloudevents+json; charset=utf-8");
    let read: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&read["source"], &read["time"]), (&json!("urn:tracebell:prod"), &json!("2026-01-15T08:30:04Z")));
}

fn template(yaml: &str) -> Result<template::Tree, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tracebell.yaml");
    let text = format!(
        "sources: {{}}\ntopics: {{}}\nendpoints:\n  a:\n    webhook:\n      url: https://x.example\n      format: template\n      template: {yaml}\n"
    );
    std::fs::write(&path, text).unwrap();
    let loaded = tracebell::config::load(&path);
    let problems: Vec<String> = loaded
        .problems
        .iter()
        .filter(|problem| problem.path.starts_with("endpoints.a"))
        .map(|problem| format!("{}: {} {}", problem.path, problem.text, problem.hint.clone().unwrap_or_default()))
        .collect();
    if problems.is_empty() { Ok(template::Tree::Bool(true)) } else { Err(problems) }
}

#[test]
fn templates_are_checked_where_they_stand() {
    assert!(template(r#"{ text: "{{ title }}", n: [ 1, true, "{{ count }}" ] }"#).is_ok());
    for (yaml, place, words) in [
        (r#"{ text: "{{ titel }}" }"#, "endpoints.a.webhook.template.text", "did you mean `title`?"),
        (r#"{ a: [ x, "{{ title | upper }}" ] }"#, "endpoints.a.webhook.template.a[1]", "filters are not read"),
        (r#"{ "{{ title }}": x }"#, "endpoints.a.webhook.template", "not read as a template"),
        ("words", "endpoints.a.webhook.template", "expected a map or a list"),
    ] {
        let problems = template(yaml).unwrap_err();
        assert!(problems.iter().any(|problem| problem.starts_with(place) && problem.contains(words)), "{problems:?}");
    }
}

#[test]
fn nothing_breaks_out_of_a_template() {
    let leaf = |text: &str| template::Tree::Text(template::Leaf::parse(text).unwrap());
    let tree = template::Tree::Map(vec![
        ("title".into(), leaf("{{ title }}")),
        ("who".into(), leaf("by {{ actor.name or 'nobody' }}.")),
        ("count".into(), leaf("{{ count }}")),
        ("id".into(), leaf("{{ delivery.id }}")),
        ("list".into(), template::Tree::List(vec![leaf("{{ resource.name }}"), leaf("plain")])),
    ]);
    let samples = every_kind();
    let format = Format::Template(tree.into());
    for (sample, found) in samples.iter().zip(read(&format, "template", "application/json", &samples)) {
        let read = &found["read"];
        let keys: Vec<&String> = read.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["count", "id", "list", "title", "who"]);
        assert!(read["count"].is_u64() && read["id"] == "msg_x" && read["list"][1] == "plain", "{read}");
        if (1..1000).contains(&sample.title.chars().count()) {
            assert_eq!(read["title"], sample.title);
        }
        let trace = sample.worse.as_ref().map(|worse| &worse.trace);
        let trace = trace.or(sample.alert.as_ref().map(|alert| &alert.trace));
        if let Some(name) = trace.and_then(|trace| trace.actor.name.as_ref()).filter(|name| name.len() < 1000) {
            assert_eq!(read["who"], format!("by {name}."));
        }
    }
}
