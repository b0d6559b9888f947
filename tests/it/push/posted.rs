//! What is posted to a running Tracebell, one by one, and what becomes of it.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tracebell::{
    clock,
    emulator::inbox::{Inbox, Received},
    store::{Standing, Store},
};

use super::{Forge, TOPIC, client, invitation, notification, post, rewrite, text};
use crate::world::{self, Bridge, RULES, until};

const TOKEN: &str = "0f9e8d7c6b5a49382716";

/// A bridge whose source is pushed to and polled seldom.
pub fn bridge(forge: &Forge, cloud: &str, hook: &str) -> Bridge {
    let bridge = Bridge::new(cloud, &world::config("soar", hook), RULES);
    fs::write(bridge.path("token"), TOKEN).unwrap();
    let smn = format!(
        "cts: {{ cloud: otc, poll_every: 1h }}, smn: {{ topic_urn: \"{TOPIC}\", certificate_host: \"{}\", \
         ca: {}, function_token: {{ file: token }} }}",
        forge.host(),
        forge.file("ca.pem").display()
    );
    rewrite(&bridge.path("tracebell.yaml"), "cts: { cloud: otc, poll_every: 1s }", &smn);
    bridge
}

/// The number behind a name in `/metrics`.
async fn metric(site: &str, line: &str) -> f64 {
    let (_, page) = world::get(&format!("{site}/metrics")).await;
    let found = page.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_forged_post_gets_the_answer_that_is_its_own() {
    let (forge, cloud) = (Forge::start(), world::cloud().await);
    let mut bridge = bridge(&forge, &cloud.url(), "http://127.0.0.1:9/hook");
    bridge.start();
    let site = bridge.address().await;
    let url = format!("{site}/ingest/smn/prod");
    let now = clock::now();
    let sealed = |fields: &Value| forge.seal(fields).to_string();
    let with = |fields: &Value, name: &str, value: &str| {
        let mut changed = fields.clone();
        changed[name] = value.into();
        changed
    };
    let good = notification(100, &text("good", "listServers"), now);

    // 77 and its kin are in `forged`, with 72 to 74: each needs a gate of its own.
    let wrong_signature = forge.seal_with(&notification(70, "x", now), "other", "sha256").to_string();
    let elsewhere = |address: &str| sealed(&with(&notification(71, "x", now), "signing_cert_url", address));
    let other_topic = sealed(&with(&notification(75, "x", now), "topic_urn", &TOPIC.replace("prod", "evil")));
    let old = sealed(&notification(79, "x", clock::minus(now, Duration::from_secs(3700))));
    let inside = format!("https://{}{}", forge.host(), forge.paths["named"].as_str().unwrap());
    let twice = sealed(&good).replacen('{', "{\"message\":\"{}\",", 1);
    let path = forge.paths["good"].as_str().unwrap();
    let cases: Vec<(u32, &str, &str, String, u16)> = vec![
        (68, "as text, genuine", "Notification", sealed(&good), 200),
        (69, "longer than SMN posts", "Notification", "x".repeat(256 * 1024 + 1), 413),
        (70, "another key's signature", "Notification", wrong_signature, 401),
        (71, "certificate of another host", "Notification", elsewhere("https://evil.example/smn/x.pem"), 401),
        (71, "over http", "Notification", elsewhere(&format!("http://{}{path}", forge.host())), 401),
        (
            71,
            "a host that ends otherwise",
            "Notification",
            elsewhere(&format!("https://{}.evil{path}", forge.host())),
            401,
        ),
        (71, "a user name", "Notification", elsewhere(&format!("https://{}@evil.example{path}", forge.host())), 401),
        (71, "a backslash", "Notification", elsewhere(&format!("https://evil.example\\{}{path}", forge.host())), 401),
        (71, "another port", "Notification", elsewhere(&format!("https://127.0.0.1:1{path}")), 401),
        (71, "SMN's name", "Notification", elsewhere(&format!("https://smn.eu-de.otc.t-systems.com{path}")), 401),
        (75, "another topic", "Notification", other_topic, 403),
        (76, "another type in the header", "SubscriptionConfirmation", sealed(&good), 400),
        (77, "fields cut otherwise", "Notification", sealed(&with(&good, "message_id", "a\nsubject\nb")), 400),
        (78, "the same again", "Notification", sealed(&good), 200),
        (79, "an old one", "Notification", old, 401),
        (80, "an address inside", "SubscriptionConfirmation", sealed(&invitation(80, &inside)), 200),
        (81, "no trace in it", "Notification", sealed(&notification(81, "CPU is at 99 %", now)), 200),
        (83, "a key twice", "Notification", twice, 400),
    ];
    for (number, what, kind, body, expected) in cases {
        let (status, said) = post(&url, kind, body).await;
        println!("{number}  {status}  {what}: {}", said.trim());
        assert_eq!(status, expected, "{number} {what}: {said}");
    }
    assert_eq!(post(&format!("{site}/ingest/smn/other"), "Notification", sealed(&good)).await.0, 404);
    assert_eq!(client().get(&url).send().await.unwrap().status().as_u16(), 405);

    // 84: a body that does not end.
    let begun = std::time::Instant::now();
    let mut slow = TcpStream::connect(site.trim_start_matches("http://")).await.unwrap();
    let head = "POST /ingest/smn/prod HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"typ\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 64];
    let read = slow.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408") && begun.elapsed() < Duration::from_secs(8), "{answer}");

    // 82: nothing is acknowledged that is not stored.
    let late = sealed(&notification(82, &text("late", "listServers"), now));
    fs::rename(bridge.path("tracebell.db"), bridge.path("away.db")).unwrap();
    assert_eq!(post(&url, "Notification", late.clone()).await.0, 503);
    fs::rename(bridge.path("away.db"), bridge.path("tracebell.db")).unwrap();
    let (status, said) = post(&url, "Notification", late).await;
    assert_eq!((status, said.trim()), (200, "stored: 1 new, 0 known, 0 unreadable"));

    assert_eq!(forge.served(), [path], "one certificate was fetched, and no address of a message");
    assert!(
        (metric(&site, "tracebell_push_certificate_fetches_total{source=\"prod\",outcome=\"good\"}").await - 1.0).abs()
            < 0.1
    );
    for (reason, least) in [
        ("malformed", 3.0),
        ("topic", 1.0),
        ("time", 1.0),
        ("certificate", 7.0),
        ("signature", 1.0),
        ("size", 1.0),
        ("slow", 1.0),
    ] {
        let counted =
            metric(&site, &format!("tracebell_push_refused_total{{source=\"prod\",reason=\"{reason}\"}}")).await;
        assert!(counted >= least, "{reason}: {counted}");
    }
    let store = bridge.store().await;
    let accounting = Store::accounting(&store).await.unwrap();
    let account = accounting.sources.iter().find(|source| source.source == "prod").unwrap();
    assert!(account.balanced(), "{account:?}");
    assert_eq!((account.counts.fetched, account.counts.evaluated, account.counts.undecodable), (3, 2, 1));
    assert_eq!(accounting.quarantined, 1);
    let pushes = store.pushes().await.unwrap();
    assert_eq!((pushes.len(), pushes[0].topic_urn.as_str()), (1, TOPIC));
    assert!(pushes[0].heard_at.is_some(), "{pushes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_in_part_neither_hides_nor_repeats_the_whole() {
    let (forge, cloud) = (Forge::start(), world::cloud().await);
    let (inbox, mut received) = Inbox::start().await.unwrap();
    let mut bridge = bridge(&forge, &cloud.url(), &format!("http://{}/hook", inbox.http));
    rewrite(&bridge.path("tracebell.yaml"), "poll_every: 1h", "poll_every: 1s");
    bridge.start();
    let url = format!("{}/ingest/smn/prod", bridge.address().await);
    let push = async |number: u32, trace: &Value| {
        let body = forge.seal(&notification(number, &trace.to_string(), clock::now())).to_string();
        assert_eq!(post(&url, "Notification", body).await.1, "stored: 0 new, 0 known, 1 unreadable\n", "{trace}");
    };
    let mut rings = async |id: &str| {
        loop {
            let told = tokio::time::timeout(Duration::from_secs(20), received.recv()).await;
            let Ok(Some(Received::Http { body, .. })) = told else { panic!("nothing rang for {id}: {told:?}") };
            let told = String::from_utf8_lossy(&body).into_owned();
            // Once a day it is told that something could not be read.
            if !told.contains("\"kind\":\"notice\"") {
                assert!(told.contains(&format!("server-{id}\"")), "{id}: {told}");
                break;
            }
        }
    };
    let cases: [(&str, &[&str]); 3] =
        [("unnamed", &["trace_name", "service_type"]), ("timeless", &["time"]), ("nameless", &["trace_id"])];
    for (number, (id, without)) in (1..).zip(cases) {
        for (order, id) in [format!("{id}-before"), format!("{id}-after")].into_iter().enumerate() {
            let whole = world::trace(&id, "deleteServer", clock::now());
            let mut part = whole.clone();
            without.iter().for_each(|name| drop(part.as_object_mut().unwrap().remove(*name)));
            // What has no id is no fuller in the list.
            let listed = if without == ["trace_id"] { part.clone() } else { whole };
            if order == 0 {
                push(2 * number, &part).await;
            }
            cloud.handle().add([listed]);
            // The next ring is this one: neither is it missing, nor did an earlier one ring again.
            rings(&id).await;
            if order == 1 {
                push(2 * number + 1, &part).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_needs_its_token_and_floods_end() {
    let (forge, cloud) = (Forge::start(), world::cloud().await);
    let mut bridge = bridge(&forge, &cloud.url(), "http://127.0.0.1:9/hook");
    bridge.start();
    let url = format!("{}/ingest/smn/prod", bridge.address().await);
    let event = format!("{{\"cts\":{}}}", text("f", "listServers"));
    let show = async |token: Option<&str>, body: &str| {
        let request = client().post(&url).body(body.to_owned());
        let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap().trim().to_owned())
    };
    assert_eq!(show(None, &event).await.0, 401);
    assert_eq!(show(Some("0f9e8d7c6b5a49382717"), &event).await.0, 401);
    assert_eq!(show(Some(TOKEN), &event).await, (200, "stored: 1 new, 0 known, 0 unreadable".to_owned()));
    assert_eq!(show(Some(TOKEN), &event).await, (200, "stored: 0 new, 1 known, 0 unreadable".to_owned()));
    let record = json!({ "record": [{ "smn": { "topic_urn": TOPIC, "message": text("g", "listServers") } }] });
    assert_eq!(show(Some(TOKEN), &record.to_string()).await.1, "stored: 1 new, 0 known, 0 unreadable");
    // The token opens only what it is for.
    assert_eq!(post(&url, "Notification", event.clone()).await.0, 401);
    let let_in = flood(&url).await;
    assert!(let_in > 100, "who posts a hundred is let in: {let_in}");
}

/// How many posts are answered before the first that is one too many. All are on their way before the first answer is
/// read, so how fast they come is the server's own doing; they end only when it says so.
async fn flood(url: &str) -> usize {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let stream = TcpStream::connect(host).await.unwrap();
    let (from, mut to) = stream.into_split();
    let post = format!("POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\n{{}}").repeat(100);
    let posting = tokio::spawn(async move { while to.write_all(post.as_bytes()).await.is_ok() {} });
    let mut lines = tokio::io::BufReader::new(from).lines();
    let mut let_in = 0;
    let refused = tokio::time::timeout(Duration::from_secs(60), async {
        while let Some(line) = lines.next_line().await.unwrap() {
            match line.strip_prefix("HTTP/1.1 ") {
                Some(status) if status.starts_with("429") => return,
                Some(_) => let_in += 1,
                None => {}
            }
        }
        panic!("the connection ended after {let_in} posts");
    });
    refused.await.expect("a flood is refused at last");
    posting.abort();
    let_in
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ends_a_subscription_is_told_and_a_reload_takes_a_push_away() {
    let (forge, cloud) = (Forge::start(), world::cloud().await);
    let (inbox, mut received) = Inbox::start().await.unwrap();
    let mut bridge = bridge(&forge, &cloud.url(), &format!("http://{}/hook", inbox.http));
    rewrite(&bridge.path("tracebell.yaml"), "topics:", "notices: security\ntopics:");
    bridge.start();
    let url = format!("{}/ingest/smn/prod", bridge.address().await);
    let mut farewell = invitation(1, "https://console.example.org/again");
    farewell["type"] = "UnsubscribeConfirmation".into();
    let farewell = forge.seal(&farewell).to_string();
    assert_eq!(post(&url, "UnsubscribeConfirmation", farewell.clone()).await, (200, "noted\n".to_owned()));
    assert_eq!(post(&url, "UnsubscribeConfirmation", farewell).await, (200, "known\n".to_owned()));
    let told = tokio::time::timeout(Duration::from_secs(20), received.recv()).await.unwrap();
    let Some(Received::Http { body, .. }) = told else { panic!("{told:?}") };
    let told = String::from_utf8_lossy(&body);
    assert!(told.contains("does not push traces of source prod any more"), "{told}");
    let row = bridge.store().await.pushes().await.unwrap().remove(0);
    assert_eq!(
        (row.standing, row.subscribe_url.as_deref()),
        (Standing::Left, Some("https://console.example.org/again"))
    );

    let config = fs::read_to_string(bridge.path("tracebell.yaml")).unwrap();
    let (before, rest) = config.split_once(", smn:").unwrap();
    let without = before.to_owned() + rest.split_once("} }").unwrap().1;
    world::write(&bridge.path("tracebell.yaml"), &without);
    bridge.signal("HUP");
    until("the push to be gone", Duration::from_secs(20), async || {
        let body = forge.seal(&notification(2, "x", clock::now())).to_string();
        (post(&url, "Notification", body).await.0 == 404).then_some(())
    })
    .await;
}
