//! Ten thousand alerts in ten seconds into a channel that takes one a second.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use tracebell::{clock, store::Store};

use crate::world::{self, Bridge};

const ALERTS: usize = 10_000;

const RULES: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted server {{ resource.name }}"
    severity: high
    match: { service: ECS, operation: deleteServer }
    dedup: { by: [resource.id], for: 1h }
    topics: [security]
  - id: key-destroyed
    title: "{{ actor.name }} destroyed a key"
    severity: critical
    match: { operation: scheduleKeyDeletion }
    dedup: { by: [resource.id], for: 1h }
    topics: [security]
"#;

/// Takes one message a second; the rest gets 429 and `Retry-After: 1`.
#[derive(Default)]
struct Channel {
    taken: Vec<(Instant, String)>,
    refused: usize,
    /// Requests that came although a Retry-After was running.
    inside_retry_after: usize,
    closed_until: Option<Instant>,
}

type Shared = Arc<Mutex<Channel>>;

async fn take(State(channel): State<Shared>, body: Bytes) -> impl IntoResponse {
    let now = Instant::now();
    let mut channel = channel.lock().unwrap();
    if channel.closed_until.is_some_and(|until| now < until) {
        channel.inside_retry_after += 1;
    }
    let early = channel.taken.last().is_some_and(|(last, _)| now.duration_since(*last) < Duration::from_secs(1));
    if early {
        channel.refused += 1;
        channel.closed_until = Some(now + Duration::from_secs(1));
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "rate_limited").into_response();
    }
    channel.taken.push((now, String::from_utf8_lossy(&body).into_owned()));
    "ok".into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alert_of_a_storm_is_accounted_for() {
    // No rate limit of ours is told, so the default for Slack applies.
    let (channel, accounting) = storm("").await;
    report("default limit", &channel, &accounting);
}

/// A limit that is set too high makes the channel answer 429; its Retry-After must be kept.
#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_kept_in_a_storm() {
    let (channel, accounting) = storm("rate_limit: { per_second: 3, burst: 3 }, ").await;
    assert!(channel.refused > 0, "the channel never had to refuse, so nothing was shown");
    report("limit set too high", &channel, &accounting);
}

fn report(name: &str, channel: &Channel, accounting: &tracebell::store::SubscriptionAccount) {
    println!(
        "{name}: {} owed, {} delivered, {} summarised, {} messages, {} refused with 429, {} requests inside a Retry-After",
        accounting.owed,
        accounting.delivered,
        accounting.summarised,
        channel.taken.len(),
        channel.refused,
        channel.inside_retry_after,
    );
    assert_eq!(accounting.owed as usize, ALERTS);
    assert_eq!(accounting.delivered + accounting.summarised, accounting.owed);
    assert!(channel.taken.len() <= 60, "{} messages", channel.taken.len());
    assert_eq!(channel.inside_retry_after, 0);
    // What people were told adds up: single messages and the totals of the summaries.
    let told: u64 = channel.taken.iter().map(|(_, body)| stands_for(body)).sum();
    assert_eq!(told as usize, ALERTS, "what the messages say does not add up");
}

/// How many alerts a message speaks of: the number before `alerts summed up` of an overflow summary, or
/// before `alerts since` of the digest in which the storm guard tells what it held back.
fn stands_for(body: &str) -> u64 {
    let payload: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let text = payload["text"].as_str().expect("a text");
    match text
        .split_once(" alerts summed up")
        .or_else(|| text.split_once(" alerts since "))
        .or_else(|| text.split_once(" alert since "))
    {
        Some((before, _)) => {
            let number: String = before.chars().rev().take_while(char::is_ascii_digit).collect();
            number.chars().rev().collect::<String>().parse().expect("a number")
        }
        // What Tracebell says of itself stands for none.
        None => u64::from(text.contains(" deleted server ") || text.contains(" destroyed a key")),
    }
}

async fn storm(limit: &str) -> (Channel, tracebell::store::SubscriptionAccount) {
    let channel = Shared::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/slack", listener.local_addr().unwrap());
    let router = Router::new().route("/slack", post(take)).with_state(channel.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let cloud = world::cloud().await;
    let config = format!(
        "sources:\n  prod: {{ cts: {{ cloud: otc, poll_every: 1s, overlap: 30m }} }}\n\
         endpoints:\n  chat: {{ {limit}slack: {{ webhook_url: {{ file: url }} }} }}\n\
         topics:\n  security: [ {{ endpoint: chat }} ]\n\
         http: {{ listen: \"127.0.0.1:0\" }}\n\
         outbound: {{ allow: [127.0.0.0/8] }}\n"
    );
    let mut bridge = Bridge::new(&cloud.url(), &config, RULES);
    world::write(&bridge.path("url"), &url);
    bridge.start();
    bridge.address().await;

    let begun = Instant::now();
    for second in 0..10 {
        let now = clock::now();
        let trace = |i: usize| {
            let critical = i == 500 && second % 2 == 0;
            let operation = if critical { "scheduleKeyDeletion" } else { "deleteServer" };
            world::trace(&format!("s{second}-{i}"), operation, now)
        };
        cloud.handle().add((0..ALERTS / 10).map(trace));
        until_second(begun, second + 1).await;
    }
    let store = bridge.store().await;
    let account = world::until("every alert to be accounted for", Duration::from_secs(110), async || {
        let accounting = store.accounting().await.ok()?;
        let account = accounting.subscriptions.into_iter().find(|account| account.subscription == "security/chat")?;
        (account.owed as usize == ALERTS && account.pending == 0).then_some(account)
    })
    .await;
    println!("all accounted for {:?} after the first trace", begun.elapsed());
    let first = channel.lock().unwrap().taken.first().expect("a message").0;
    assert!(
        first.duration_since(begun) < Duration::from_secs(5),
        "first message after {:?}",
        first.duration_since(begun)
    );
    let critical = channel.lock().unwrap().taken.iter().filter(|(_, body)| body.contains("destroyed a key")).count();
    assert!(critical >= 5, "critical alerts are told one by one, {critical} of 5 were");
    let peak = bridge.peak();
    println!("{peak} MB resident at the peak");
    assert!(peak < 256, "{peak} MB");
    bridge.kill();
    server.abort();
    let channel = std::mem::take(&mut *channel.lock().unwrap());
    (channel, account)
}

#[expect(clippy::disallowed_methods, reason = "a storm has a pace")]
async fn until_second(begun: Instant, second: u64) {
    tokio::time::sleep_until((begun + Duration::from_secs(second)).into()).await;
}
