//! What the page of the demo's inbox shows of what was sent.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    process::Stdio,
};

use serde_json::{Value, json};
use tracebell::emulator::inbox::{Inbox, SLACK_CHANNEL, SLACK_TOKEN};

use crate::world;

const HOSTILE: &str = "</pre></span><script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}";

fn client() -> reqwest::Client {
    // Another test of this process may have done so already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The page as a browser reads it.
async fn page(inbox: &Inbox) -> Value {
    let html = client().get(format!("http://{}/", inbox.http)).send().await.unwrap().text().await.unwrap();
    let mut reader = world::python()
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/page_inert.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(html.as_bytes()).unwrap();
    serde_json::from_slice(&reader.wait_with_output().unwrap().stdout).unwrap()
}

async fn slack(inbox: &Inbox, method: &str, arguments: Value) -> Value {
    let request = client().post(format!("{}/{method}", inbox.slack.url())).bearer_auth(SLACK_TOKEN);
    let said: Value = request.json(&arguments).send().await.unwrap().json().await.unwrap();
    assert_eq!(said["ok"], true, "{said}");
    said
}

fn rich(text: &str) -> Value {
    let elements = json!([
        { "type": "emoji", "name": HOSTILE },
        { "type": "text", "text": text },
        { "type": "link", "url": "javascript:alert(3)", "text": text },
    ]);
    json!([
        { "type": "rich_text", "elements": [{ "type": "rich_text_section", "elements": elements }] },
        { "type": "actions", "elements": [{ "text": { "text": text }, "url": "data:text/html,x" }] },
        { "type": "context", "elements": [{ "text": text }] },
    ])
}

fn mail(to: SocketAddr, message: &str) {
    let mut stream = TcpStream::connect(to).unwrap();
    let talk = format!(
        "EHLO me\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n{message}\r\n.\r\nQUIT\r\n"
    );
    stream.write_all(talk.as_bytes()).unwrap();
    // The end of the answers: all was taken.
    std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
}

#[tokio::test]
async fn the_inbox_holds_what_was_sent_and_nothing_of_it_runs() {
    let (inbox, _received) = Inbox::start().await.unwrap();
    let channel = format!("#{SLACK_CHANNEL}");
    let first = json!({ "channel": channel, "text": "t", "blocks": rich("first words") });
    let said = slack(&inbox, "chat.postMessage", first).await;
    let (id, ts) = (&said["channel"], &said["ts"]);
    let reply = json!({ "channel": id, "thread_ts": ts, "text": "t", "blocks": rich(&format!("reply {HOSTILE}")) });
    slack(&inbox, "chat.postMessage", reply).await;
    let second = json!({ "channel": id, "text": "t", "blocks": rich("another alert") });
    slack(&inbox, "chat.postMessage", second).await;
    let edit = json!({ "channel": id, "ts": ts, "text": "t", "blocks": rich("words as edited") });
    slack(&inbox, "chat.update", edit).await;
    slack(&inbox, "reactions.add", json!({ "channel": id, "timestamp": ts, "name": "zzz" })).await;
    let body = json!({ "title": HOSTILE, "kind": HOSTILE, "trace": HOSTILE }).to_string();
    client().post(format!("http://{}/soar", inbox.http)).body(body).send().await.unwrap();
    let smtp = inbox.smtp;
    let html = format!("Subject: {HOSTILE}\r\nContent-Type: text/html\r\n\r\n<p>the mail</p>{HOSTILE}");
    tokio::task::spawn_blocking(move || mail(smtp, &html)).await.unwrap();

    let page = world::until("all that was said", std::time::Duration::from_secs(20), async || {
        let page = page(&inbox).await;
        page["text"].as_str().is_some_and(|text| text.contains("💤 1")).then_some(page)
    })
    .await;
    assert_eq!(page["problems"], json!([]), "{page}");
    let text = page["text"].as_str().unwrap();
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("`{words}` is missing in {text}"));
    // The newest first, and a reply below what it answers.
    assert!(place("another alert") < place("words as edited"));
    assert!(place("words as edited") < place("💤 1") && place("💤 1") < place("reply </pre>"));
    assert!(!text.contains("first words"), "what was edited stands there still");
    assert!(text.contains(HOSTILE), "shown as it came: {text}");
    assert!(page["mails"][0].as_str().unwrap().contains("<p>the mail</p>"));
}
