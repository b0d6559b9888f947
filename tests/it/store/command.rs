//! The commands that look into the state, as a person runs them.

use std::process::Output;

use super::*;
use crate::world;
use tracebell::{
    delivery::{Pause, Trouble},
    notification::Evidence,
    ring::{Memory, Slot},
    store::Remembered,
};

fn run(home: &Home, words: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        world::tracebell().args(words).arg("--state-file").arg(home.path()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[track_caller]
pub fn check(home: &Home, words: &[&str], code: i32, expected: &[&str]) {
    let (found, stdout, stderr) = run(home, words);
    for text in expected {
        assert!(stdout.contains(text) || stderr.contains(text), "no `{text}` in:\n{stdout}{stderr}");
    }
    assert_eq!(found, code, "{stdout}{stderr}");
    assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "colour outside a terminal:\n{stdout}{stderr}");
    if std::env::var_os("SHOW").is_some() {
        println!("$ tracebell {}\n{stdout}{stderr}", words.join(" "));
    }
}

/// Beside a store that stays open, as `run` keeps it.
#[tokio::test]
async fn the_state_is_shown_and_the_dead_retried_beside_the_owner() {
    let (store, home) = fresh_sqlite().await;
    let mut hostile = alert("b", Severity::High, 1, clock::now());
    hostile.title = "mallory\u{1b}[2J deleted\nb".into();
    let alerts = [alert("a", Severity::Critical, 3, clock::now()), hostile];
    store.commit_ingest(page(&["t1", "t2"], &alerts, "slack", clock::now())).await.unwrap();
    let leased = store.claim_deliveries(claim("slack", clock::now())).await.unwrap().deliveries;
    let now = clock::now();
    let mut refused = failure(&leased[0], Next::Dead, now);
    refused.hold_endpoint_until = Some(clock::plus(now, HOUR));
    store.record_attempts(vec![refused, failure(&leased[1], Next::At(clock::plus(now, HOUR)), now)]).await.unwrap();

    check(
        &home,
        &["status"],
        0,
        &["prod", "no complete read yet", ": holds", "security/slack", "held, again in 59 min"],
    );
    check(&home, &["status", "--output", "json"], 0, &["\"holds\": true", "\"pending\": 3"]);
    let preview = &["preview", "--format", "slack", "--alert"][..];
    check(&home, &[preview, &["alr_a"]].concat(), 0, &["critical  alice deleted a\n3 times", "Rule user-deleted"]);
    check(&home, &[preview, &["alr"]].concat(), 1, &["no alert begins with `alr`, or more than one does"]);
    check(&home, &["delivery", "list"], 0, &["msg_alr_a.slack", "critical", "503", "mallory [2J deleted b"]);
    let (_, dead, _) = run(&home, &["delivery", "list", "--state", "dead"]);
    assert!(dead.contains("msg_alr_a") && !dead.contains("msg_alr_b"), "{dead}");
    check(&home, &["delivery", "list", "--state", "undead"], 2, &["expected one of ready, leased"]);
    check(&home, &["delivery", "list", "--limit", "1"], 0, &["more than 1"]);
    check(
        &home,
        &["delivery", "show", "alr_a"],
        0,
        &["dead, ", "alice deleted a", "user-deleted", "Attempts", "retry"],
    );
    check(&home, &["delivery", "show", "alr_a", "--output", "json"], 0, &["\"log\"", "\"state\": \"dead\""]);
    check(&home, &["delivery", "show", "alr"], 1, &["or more than one does"]);
    check(&home, &["delivery", "retry"], 2, &["--all"]);
    check(&home, &["delivery", "retry", "alr_b"], 1, &["is ready, only a dead or cancelled one"]);
    check(&home, &["delivery", "retry", "--all"], 0, &["1 delivery is ready again"]);
    check(&home, &["delivery", "retry", "--all"], 0, &["no such dead deliveries"]);
    check(&home, &["delivery", "cancel", "alr_b"], 2, &["nothing was cancelled; `--yes` cancels 1 delivery"]);
    check(&home, &["delivery", "cancel", "--all", "--since", "1h", "--until", "soon"], 2, &["`soon` is no time"]);
    check(&home, &["delivery", "cancel", "--endpoint", "slack", "--until", "1d"], 0, &["no such deliveries"]);
    check(&home, &["delivery", "cancel", "--endpoint", "slack", "--yes"], 0, &["2 deliveries for slack cancelled"]);
    check(&home, &["delivery", "cancel", "alr_b", "--yes"], 1, &["is cancelled, only a ready, held or dead"]);
    check(&home, &["delivery", "list", "--state", "cancelled", "--since", "1h"], 0, &["msg_alr_b"]);
    check(&home, &["delivery", "list", "--held"], 0, &["No such deliveries"]);
    check(&home, &["delivery", "show", "alr_b"], 0, &["cancelled by a person"]);
    check(&home, &["delivery", "retry", "alr_b"], 0, &["1 delivery is ready again"]);
    check(&home, &["status"], 0, &[": holds"]);
}

#[tokio::test]
async fn what_rules_remember_is_shown() {
    let (store, home) = fresh_sqlite().await;
    let remembered = |rule: &str, key: &str| Remembered {
        slot: Slot { rule: rule.into(), key: key.into() },
        memory: Some(Memory { expires_at: at(9), ..Memory::default() }),
        limit: 2,
    };
    let memories = ["a", "b", "c"].map(|key| remembered("guessing", key)).into_iter();
    let memories = memories.chain([remembered("guessing/then", "a")]).collect();
    store.commit_ingest(IngestBatch { source: "prod".into(), memories, ..IngestBatch::default() }).await.unwrap();
    check(&home, &["status"], 0, &["What rules remember", "guessing     3        1", "evicted keys gave way"]);
    check(&home, &["status", "--output", "json"], 0, &["\"rule\": \"guessing\"", "\"keys\": 3", "\"evicted\": 1"]);
}

#[tokio::test]
async fn accounts_that_do_not_hold_are_said_to() {
    let (store, home) = fresh_sqlite().await;
    let mut batch = page(&["t1"], &[alert("a", Severity::Low, 1, at(0))], "slack", at(0));
    batch.owed[0].count = 2;
    store.commit_ingest(batch).await.unwrap();
    check(&home, &["status"], 1, &["DOES NOT HOLD"]);
}

#[test]
fn without_a_state_there_is_a_word_of_advice() {
    check(&Home::new(), &["status"], 2, &["there is no state at", "`tracebell run` makes it"]);
    check(&Home::new(), &["delivery", "list"], 2, &["there is no state at"]);
}

/// How an endpoint stands, told by another process than the one that delivers.
#[tokio::test]
async fn how_an_endpoint_stands_is_told_in_words_and_a_pause_lifted() {
    let (store, home) = fresh_sqlite().await;
    let now = clock::now();
    store.commit_ingest(page(&["t"], &[alert("a", Severity::High, 1, now)], "slack", now)).await.unwrap();
    let leased = store.claim_deliveries(claim("slack", now)).await.unwrap().deliveries.remove(0);
    let pause = Pause { reason: "answered 404 `no_service`".into(), fix: "create a new webhook".into() };
    let trouble = Trouble { since: clock::minus(now, HOUR), paused: Some(pause), told_at: Some(now) };
    let hold = Some(clock::plus(now, HOUR / 4));
    let paused = failure(&leased, Next::At(clock::plus(now, HOUR / 4)), now);
    store
        .record_attempts(vec![AttemptRecord { trouble: Some(trouble), hold_endpoint_until: hold, ..paused }])
        .await
        .unwrap();
    check(&home, &["endpoint", "list"], 0, &["slack", "paused", "in 14 min"]);
    let (_, list, _) = run(&home, &["endpoint", "list"]);
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    let words = list.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in ["slack: paused since 1 h ago", ": answered 404", "What to do: create a new webhook."] {
        assert!(words.contains(told), "no `{told}` in {words}");
    }
    check(&home, &["endpoint", "show", "slack"], 0, &["waiting  1, the oldest made", "people told"]);
    check(&home, &["endpoint", "show", "slak"], 1, &["no endpoint `slak`; there are: slack"]);
    check(&home, &["endpoint", "list", "--output", "json"], 0, &["\"state\": \"paused\"", "\"waiting\": 1"]);
    check(&home, &["status"], 0, &["paused: answered 404"]);
    check(&home, &["endpoint", "resume", "slack"], 0, &["slack goes on: 1 delivery is tried now."]);
    check(&home, &["endpoint", "resume", "slack"], 0, &["was not paused or held"]);
    assert_eq!(store.claim_deliveries(claim("slack", clock::now())).await.unwrap().deliveries.len(), 1);
}

#[tokio::test]
async fn a_stored_alert_is_shown_as_it_was_told() {
    let (store, home) = fresh_sqlite().await;
    let now = clock::now();
    // It grew since, and told so: what rang is shown all the same.
    let grown = alert("a", Severity::High, 3, now);
    let mut batch = page(&["t1"], std::slice::from_ref(&grown), "slack", now);
    let rang = &mut batch.deliveries[0];
    rang.cause = Cause::Alert(grown.id.clone());
    let told = Notification {
        evidence: vec![Evidence { field: "operation".into(), value: "deleteUser".into() }],
        context: vec!["first time alice used IAM in 30 days".into()],
        ..Notification::opened(&Alert { count: 1, ..grown.clone() }, now)
    };
    rang.notification = told.into();
    let elsewhere = Notification {
        lines: vec!["Sent here because slack cannot take it now.".into()],
        ..Notification::summary(&grown, now)
    };
    let copy = delivery("copy", "mail", elsewhere, 0, Cause::Fallback(rang.id.clone()));
    batch.deliveries.push(copy);
    store.commit_ingest(batch).await.unwrap();
    check(
        &home,
        &["preview", "--format", "slack", "--alert", "alr_a"],
        0,
        &["high  alice deleted a\n\n", "Why it fired", "operation: deleteUser", "first time alice used IAM"],
    );
}
