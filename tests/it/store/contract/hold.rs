//! What is held back: until when, into what, and that it is counted all the while.

use tracebell::{
    alert::{Mute, MuteKind},
    delivery::{Hold, HoldKind},
    store::{Flush, Held, Muted, Shown},
    topic::Group,
};

use super::*;

/// `opened`, written to wait until `until` with all others of `hold`.
fn held(alert: &Alert, hold: &str, kind: HoldKind, until: Timestamp) -> Delivery {
    Delivery { hold: Some(Hold { id: hold.into(), kind, until }), ..opened(alert, "slack") }
}

fn digest(id: &str, now: Timestamp) -> Delivery {
    let mut notification = Notification::notice(Severity::High, "digest", vec![], now);
    notification.kind = Kind::Digest;
    delivery(id, "slack", notification, 0, Cause::Held(HoldKind::Digest))
}

/// A page whose alerts all wait in `hold`.
fn held_page(names: &[&str], hold: &str, until: Timestamp, now: Timestamp) -> IngestBatch {
    let severity = |at: usize| if at == 0 { Severity::High } else { Severity::Low };
    let alerts: Vec<Alert> = names.iter().enumerate().map(|(at, name)| alert(name, severity(at), 1, now)).collect();
    let deliveries = alerts.iter().map(|alert| held(alert, hold, HoldKind::Digest, until)).collect();
    IngestBatch { deliveries, ..page(names, &alerts, "slack", now) }
}

async fn due<S: Store>(store: &S, now: Timestamp) -> Vec<Held> {
    store.due_holds(now, 10).await.unwrap()
}

pub async fn what_is_held_is_told_in_one_and_fares_as_that<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    store.commit_ingest(held_page(&["a", "b", "c"], "h", at(100), at(0))).await.unwrap();
    assert_eq!(account(&store, "slack").await, [3, 0, 0, 0, 3, 0]);
    assert_eq!(deliver_all(&store, "slack", at(99)).await, 0, "nothing goes before its time");
    assert!(due(&store, at(99)).await.is_empty());
    let found = due(&store, at(100)).await.remove(0);
    assert_eq!((found.hold.as_str(), found.kind, found.deliveries), ("h", HoldKind::Digest, 3));
    assert_eq!((found.worst, found.gathered.total, found.until), (Severity::High, 3, at(100)));
    assert_eq!(found.gathered.by_actor, [("alice".to_owned(), 3)]);

    // One more comes between looking and telling: it waits on.
    store.commit_ingest(held_page(&["d"], "h", at(100), at(100))).await.unwrap();
    let flush = Flush { hold: "h".into(), up_to: found.up_to, into: Some(digest("one", at(100))), now: at(100) };
    assert_eq!(store.flush(flush.clone()).await.unwrap(), 3);
    assert!(matches!(store.flush(flush).await, Err(StoreError::Conflict)), "what is told is not told again");
    assert_eq!(account(&store, "slack").await, [4, 0, 0, 0, 4, 0]);
    let leased = store.claim_deliveries(claim("slack", at(101))).await.unwrap().deliveries.remove(0);
    assert_eq!(account(&store, "slack").await, [4, 0, 0, 0, 4, 0]);
    store.record_attempts(vec![failure(&leased, Next::Dead, at(101))]).await.unwrap();
    assert_eq!(account(&store, "slack").await, [4, 0, 0, 0, 1, 3]);
    store.record_attempts(vec![success(&leased, at(102))]).await.unwrap();
    assert_eq!(account(&store, "slack").await, [4, 0, 3, 0, 1, 0]);

    // What waited alone goes as it is.
    let rest = due(&store, at(103)).await.remove(0);
    let release = Flush { hold: "h".into(), up_to: rest.up_to, into: None, now: at(103) };
    assert_eq!(store.flush(release.clone()).await.unwrap(), 1);
    assert_eq!(store.flush(release).await.unwrap(), 0);
    assert!(due(&store, at(104)).await.is_empty());
    assert_eq!(deliver_all(&store, "slack", at(104)).await, 1);
    assert_eq!(account(&store, "slack").await, [4, 1, 3, 0, 0, 0]);
}

pub async fn a_hold_by_a_clock_set_back_is_over<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let ahead = 90 * 86_400;
    store.commit_ingest(held_page(&["a"], "h", at(ahead + 100), at(ahead))).await.unwrap();
    assert_eq!(due(&store, at(0)).await.len(), 1);
}

pub async fn a_group_is_opened_by_one<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let group = |thread: &str, from: i64| Group {
        subscription: "security/slack".into(),
        key: "actor alice".into(),
        thread: thread.into(),
        opened_at: at(from),
        closes_at: at(from + 600),
    };
    let wanted = [("security/slack".to_owned(), "actor alice".to_owned())];
    let page = |id: &str, group: Group| IngestBatch { groups: vec![group], ..page(&[id], &[], "slack", at(0)) };
    store.commit_ingest(page("t1", group("first", 0))).await.unwrap();
    assert!(matches!(store.commit_ingest(page("t2", group("second", 300))).await, Err(StoreError::Conflict)));
    assert_eq!(store.groups(&wanted, at(599)).await.unwrap(), [group("first", 0)]);
    assert!(store.groups(&wanted, at(600)).await.unwrap().is_empty());
    assert!(store.groups(&[("security/slack".into(), "actor bob".into())], at(1)).await.unwrap().is_empty());
    store.commit_ingest(page("t3", group("third", 600))).await.unwrap();
    assert_eq!(store.groups(&wanted, at(601)).await.unwrap(), [group("third", 600)]);
}

pub async fn what_a_schedule_drops_is_suppressed<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let opened = alert("a", Severity::Low, 2, at(0));
    let by = Mute { kind: MuteKind::Schedule, by: "security/slack".into(), reason: "quiet".into() };
    let muted = Muted { subscription: Some("security/slack".into()), ..Muted::of(&opened, by, 1, at(0)) };
    let batch = IngestBatch { deliveries: vec![], muted: vec![muted], ..page(&["t1"], &[opened], "slack", at(0)) };
    store.commit_ingest(batch).await.unwrap();
    assert_eq!(account(&store, "slack").await, [2, 0, 0, 1, 1, 0], "its repeat waits for the end of the window");
    close_windows(&store, at(600)).await;
    deliver_all(&store, "slack", at(601)).await;
    assert_eq!(account(&store, "slack").await, [2, 0, 1, 1, 0, 0]);
}

pub async fn alerts_of_late_are_counted_by_rule_and_in_all<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let other = Alert { rule: "other".into(), ..alert("b", Severity::Low, 1, at(10)) };
    let shadow = Alert { shadow: true, ..alert("c", Severity::Low, 1, at(10)) };
    let alerts = [alert("a", Severity::Low, 1, at(0)), other, shadow];
    store.commit_ingest(page(&["t1"], &alerts, "slack", at(10))).await.unwrap();
    let rules = ["user-deleted".to_owned(), "other".to_owned(), "silent".to_owned()];
    let counts = store.opened(&rules, at(-1), 9).await.unwrap();
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [1, 0, 1], "{counts:?}");
    assert_eq!(store.opened_in_all(at(-1), 9).await.unwrap(), 2);
    assert_eq!(store.opened_in_all(at(5), 9).await.unwrap(), 1);
    assert_eq!(store.opened_in_all(at(-1), 1).await.unwrap(), 1, "no more than asked for");
    let counts = store.opened(&rules, at(-1), 0).await.unwrap();
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [0, 0, 0], "no more than asked for");
    assert_eq!(store.last_held(HoldKind::Storm).await.unwrap(), None);
    let one = alert("d", Severity::Low, 1, at(20));
    let deliveries = vec![held(&one, "s", HoldKind::Storm, at(60))];
    store.commit_ingest(IngestBatch { deliveries, ..page(&["t2"], &[one], "slack", at(20)) }).await.unwrap();
    assert_eq!(store.last_held(HoldKind::Storm).await.unwrap(), Some(at(20)));
}

pub async fn a_grown_alert_is_shown_where_it_was_told<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    store.commit_ingest(page(&["t1"], &[alert("a", Severity::Low, 1, at(0))], "slack", at(0))).await.unwrap();
    let leased = store.claim_deliveries(claim("slack", at(1))).await.unwrap().deliveries.remove(0);
    let mut answer = success(&leased, at(1));
    answer.outcome = Outcome::Delivered { answer: "ok".into(), receipt: Some("C1/17".into()) };
    store.record_attempts(vec![answer]).await.unwrap();
    assert!(store.grown(at(999), 10).await.unwrap().is_empty(), "it did not grow");

    let mut repeat = page(&["t2"], &[alert("a", Severity::Low, 5, at(0))], "slack", at(2));
    repeat.deliveries.clear();
    repeat.owed[0].count = 4;
    store.commit_ingest(repeat).await.unwrap();
    assert!(store.grown(at(-1), 10).await.unwrap().is_empty(), "not within a minute of the first message");
    let grown = store.grown(at(60), 10).await.unwrap().remove(0);
    assert_eq!((grown.alert.unwrap().count, grown.subscribers.len()), (5, 1));
    let repeated = delivery(
        "again",
        "slack",
        Notification::repeated(&alert("a", Severity::Low, 5, at(0)), at(60)),
        0,
        Cause::Repeated("alr_a".into()),
    );
    let shown = Shown { alerts: vec![("alr_a".into(), Some(5))], deliveries: vec![repeated], now: at(60) };
    store.show(shown).await.unwrap();
    assert!(store.grown(at(999), 10).await.unwrap().is_empty(), "it is shown");
    assert_eq!(deliver_all(&store, "slack", at(61)).await, 1);
    assert_eq!(account(&store, "slack").await, [5, 1, 0, 0, 4, 0], "showing a count tells of nothing");
}
