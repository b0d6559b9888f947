//! Silences as the store keeps them, and as a person uses them.

use tracebell::{
    alert::{Mute, MuteKind},
    silence::{Draft, Matcher, Silence, Standing},
    store::{Muted, MutedFilter, SilenceFilter},
};

use super::{command::check, *};

fn silence(matcher: &str, from: Timestamp, to: Timestamp) -> Silence {
    let matchers = vec![Matcher::parse(matcher).unwrap(), Matcher::parse("severity!=critical").unwrap()];
    let draft = Draft { matchers, starts_at: from, ends_at: to, author: "anna".into(), comment: "rotation".into() };
    Silence::new(draft, from).unwrap()
}

fn muted(alert: &Alert, by: &Silence, count: u64, now: Timestamp) -> Muted {
    Muted::of(alert, Mute { kind: MuteKind::Silence, by: by.id.clone(), reason: "silence".into() }, count, now)
}

pub async fn silences_are_kept_listed_and_ended<S: Store, H>(open: impl AsyncFn() -> (S, H)) {
    let (store, _home) = open().await;
    let (active, pending) = (silence("rule=a*", at(0), at(100)), silence("title=~(a|b).*", at(50), at(200)));
    let over = silence("key.actor.name!=x=y", at(-100), at(-50));
    for silence in [&active, &pending, &over, &active] {
        store.put_silence(silence.clone()).await.unwrap();
    }
    for (standing, now, expected) in [
        (Standing::Active, 0, vec![&active]),
        (Standing::Pending, 0, vec![&pending]),
        (Standing::Expired, 0, vec![&over]),
        (Standing::Active, 60, vec![&pending, &active]),
        (Standing::Expired, 200, vec![&pending, &active, &over]),
    ] {
        let filter = SilenceFilter { standing: Some((standing, at(now))), limit: 9, ..SilenceFilter::default() };
        let found = store.silences(filter).await.unwrap();
        let found: Vec<&Silence> = found.iter().map(|row| &row.silence).collect();
        assert_eq!(found, expected, "{standing:?} at {now}");
    }
    assert_eq!(store.silences_between(at(-60), at(60)).await.unwrap().len(), 3);
    assert_eq!(store.silences_between(at(0), at(0)).await.unwrap(), std::slice::from_ref(&active));
    assert_eq!(store.silence(&active.id[4..10]).await.unwrap().unwrap().silence, active);
    assert_eq!(store.silence("sil").await.unwrap(), None, "more than one begins so");
    assert!(store.expire_silence(&active.id, at(20)).await.unwrap());
    assert!(!store.expire_silence(&active.id, at(30)).await.unwrap(), "it is over already");
    assert!(!store.expire_silence("sil_nobody", at(30)).await.unwrap());
    assert_eq!(store.silence(&active.id).await.unwrap().unwrap().silence.ended(), at(20));
    assert!(store.silences_between(at(0), at(30)).await.unwrap().is_empty());
}

pub async fn what_is_swallowed_goes_with_its_page<S: Store, H>(open: impl AsyncFn() -> (S, H)) {
    let (store, _home) = open().await;
    let silence = silence("rule=user-deleted", at(0), at(100));
    store.put_silence(silence.clone()).await.unwrap();
    let quiet = Alert { told: 2, ..alert("a", Severity::Low, 2, at(1)) };
    let mut batch = page(&["t1"], std::slice::from_ref(&quiet), "slack", at(1));
    batch.deliveries.clear();
    batch.owed[0].suppressed = Some("silenced");
    batch.muted = vec![muted(&quiet, &silence, 2, at(1))];
    store.commit_ingest(batch.clone()).await.unwrap();
    assert!(matches!(store.commit_ingest(batch).await, Err(tracebell::store::StoreError::Conflict)));
    assert_eq!(account(&store, "slack").await, [2, 0, 0, 2, 0, 0]);
    // One that rang, and whose summary is swallowed when its window closes.
    let loud = alert("b", Severity::Low, 4, at(2));
    store.commit_ingest(page(&["t2"], std::slice::from_ref(&loud), "slack", at(2))).await.unwrap();
    let closing = store.closing(at(700), 9).await.unwrap();
    let closed = closing.iter().map(|closing| closing.alert.id.clone()).collect();
    let muted = vec![muted(&loud, &silence, 3, at(700))];
    store.commit_sweep(SweepBatch { now: at(700), closed, muted, ..SweepBatch::default() }).await.unwrap();
    assert_eq!(account(&store, "slack").await, [6, 0, 0, 5, 1, 0]);
    let row = store.silence(&silence.id).await.unwrap().unwrap();
    assert_eq!((row.swallowed, row.alerts, row.last_at, row.warned_at), (5, 2, Some(at(700)), None));
    let by = |id: &str| MutedFilter { by: Some((MuteKind::Silence, id.into())), alert: None, limit: 9 };
    let rows = store.muted(by(&silence.id)).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.alert.as_str(), row.count)).collect::<Vec<_>>(),
        [("alr_b", 3), ("alr_a", 2)]
    );
    assert!(store.muted(by("sil_other")).await.unwrap().is_empty());
    let of = MutedFilter { alert: Some("alr_a".into()), limit: 9, by: None };
    assert_eq!(store.muted(of).await.unwrap().len(), 1);
}

pub async fn the_end_of_a_silence_is_told_once<S: Store, H>(open: impl AsyncFn() -> (S, H)) {
    let (store, _home) = open().await;
    let silence = silence("rule=x", at(0), at(100));
    store.put_silence(silence.clone()).await.unwrap();
    for (id, told) in [("n1", 1), ("n2", 1)] {
        let notice = Notification::notice(Severity::Info, "it ends", vec![], at(50));
        let notices = vec![delivery(id, "slack", notice, 0, Cause::Notice)];
        store.warn_of_silence(&silence.id, notices, at(50)).await.unwrap();
        let filter = tracebell::store::DeliveryFilter { limit: 9, ..Default::default() };
        assert_eq!(store.deliveries(filter).await.unwrap().len(), told);
    }
    assert_eq!(store.silence(&silence.id).await.unwrap().unwrap().warned_at, Some(at(50)));
}

#[tokio::test]
async fn a_silence_is_made_shown_and_ended_beside_the_owner() {
    let (store, home) = fresh_sqlite().await;
    let now = clock::now();
    let mut noisy = alert("noisy", Severity::Low, 7, clock::minus(now, HOUR));
    noisy.key.insert("actor.name".into(), "alice".into());
    store.commit_ingest(page(&["t1"], std::slice::from_ref(&noisy), "slack", now)).await.unwrap();
    let add = ["silence", "add", "--comment", "planned rotation", "--author", "anna"];
    let with = |more: &[&'static str]| -> Vec<&'static str> { add.iter().chain(more).copied().collect() };
    check(&home, &with(&["--for", "2h"]), 2, &["--match"]);
    check(
        &home,
        &with(&["--match", "ruel=x", "--match", "severity=hihg", "--for", "2x"]),
        2,
        &["did you mean `rule`?", "did you mean `high`?", "`2x` is not a duration"],
    );
    check(&home, &with(&["--match", "rule=*", "--for", "2h"]), 2, &["would swallow every alert"]);
    check(&home, &with(&["--match", "rule=x", "--until", "2020-01-01"]), 2, &["not after its start"]);
    check(&home, &with(&["--alert", "alr_nobody", "--for", "2h"]), 2, &["no alert begins with `alr_nobody`"]);
    check(
        &home,
        &with(&["--alert", "noisy", "--for", "2h"]),
        0,
        &["is in force from the next page on", "key.actor.name=alice", "1 of 1 alerts, 7 matches", "user-deleted"],
    );
    let found = store.silences(SilenceFilter { limit: 9, ..SilenceFilter::default() }).await.unwrap();
    let silence = &found[0].silence;
    assert_eq!((found.len(), silence.author.as_str()), (1, "anna"));
    let id: &'static str = silence.id.clone().leak();
    store
        .commit_ingest(IngestBatch { muted: vec![muted(&noisy, silence, 3, now)], ..IngestBatch::default() })
        .await
        .unwrap();
    check(&home, &["silence", "list"], 0, &[id, "active", "anna", "rule=user-deleted, key.actor.name=alice"]);
    check(&home, &["silence", "list", "--state", "expired"], 0, &["No such silences."]);
    check(&home, &["silence", "list", "--state", "over"], 2, &["expected one of active, pending, expired"]);
    check(&home, &["silence", "list", "--output", "json"], 0, &["\"swallowed\": 3"]);
    check(
        &home,
        &["silence", "show", id],
        0,
        &["3 alerts and repeats in 1 alert", "alice deleted noisy", "planned rotation"],
    );
    check(&home, &["silence", "show", id, "--output", "json"], 0, &["\"muted\"", "\"count\": 3"]);
    check(&home, &["silence", "show", "sil_nobody"], 1, &["no silence begins with"]);
    check(&home, &["silence", "report"], 1, &["ends within a day"]);
    check(&home, &["silence", "report", "--output", "json"], 1, &["\"ends_soon\""]);
    check(&home, &["silence", "expire", id], 0, &["is over; it swallowed 3"]);
    check(&home, &["silence", "expire", id], 1, &["is over since"]);
    check(&home, &["silence", "report"], 0, &["0 silences in force", "nothing to look at"]);
}
