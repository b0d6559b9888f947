//! What every database must do with refused bodies, called-off deliveries and endpoints in trouble.

use tracebell::{
    delivery::{Pause, State, Trouble},
    store::{DeliveryFilter, Pick},
};

use super::*;

fn refused(leased: &Leased, next: Next, now: Timestamp) -> AttemptRecord {
    record(leased, Outcome::Refused { reason: "http_413: too long".into(), shorter_may_help: true }, next, now)
}

async fn one_owed<S: Store>(store: &S, now: Timestamp) -> Leased {
    store.claim_deliveries(Claim { limit: 1, ..claim("slack", now) }).await.unwrap().deliveries.remove(0)
}

pub async fn a_refused_body_is_replaced_once_under_the_same_id<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    store.commit_ingest(page(&["t1"], &[alert("a", Severity::Low, 1, at(0))], "slack", at(0))).await.unwrap();
    let first = one_owed(&store, at(1)).await;
    assert!(!first.reduced);
    let stale = refused(&first, Next::Reduce { body: b"stale".to_vec() }, at(1));
    store.record_attempts(vec![refused(&first, Next::Reduce { body: b"short".to_vec() }, at(1))]).await.unwrap();
    let second = one_owed(&store, at(2)).await;
    assert_eq!((second.delivery.body.as_slice(), second.reduced), (b"short".as_slice(), true));
    assert_eq!((&second.delivery.id, second.attempt), (&first.delivery.id, 2));
    // Whoever lost the lease changes nothing, and the new body is sealed like the first.
    store.record_attempts(vec![stale]).await.unwrap();
    store.record_attempts(vec![refused(&second, Next::Dead, at(3))]).await.unwrap();
    let (row, log) = store.delivery(&first.delivery.id).await.unwrap().unwrap();
    assert_eq!((row.state, row.delivery.body.as_slice(), log.len()), (State::Dead, b"short".as_slice(), 3));
    assert_eq!(store.retry(Pick::default(), at(4)).await.unwrap(), 1);
    assert!(one_owed(&store, at(4)).await.reduced, "it would be shortened again");
    assert_eq!(account(&store, "slack").await, [1, 0, 0, 0, 1, 0]);
}

pub async fn what_is_cancelled_is_not_sent_and_counts_as_suppressed<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let alerts: Vec<_> = ["a", "b", "c", "d"].map(|name| alert(name, Severity::Low, 2, at(0))).into();
    store.commit_ingest(page(&["t"], &alerts, "slack", at(0))).await.unwrap();
    let late = alert("late", Severity::Low, 2, at(500));
    store.commit_ingest(page(&["t2"], &[late], "slack", at(500))).await.unwrap();
    close_windows(&store, at(2000)).await;
    let leased = one_owed(&store, at(2000)).await;
    assert_eq!(leased.delivery.id, "msg_alr_a.slack");
    // A copy at the fallback of what is called off, and one of what is not.
    let copy = |of: &str| {
        let notification = Notification::opened(&alerts[1], at(9));
        delivery(&format!("copy.{of}"), "mail", notification, 0, Cause::Fallback(format!("msg_alr_{of}.slack")))
    };
    store.publish(vec![copy("a"), copy("b")]).await.unwrap();

    let early = Pick { since: Some(at(0)), until: Some(at(400)), ..Pick::of("slack") };
    for (pick, count) in [
        (Pick::of("mail2"), 0),
        (Pick::one("msg_alr_a.slack"), 0),
        (Pick { state: Some(State::Held), ..early.clone() }, 0),
        (Pick { state: Some(State::Leased), ..early.clone() }, 0),
        (early.clone(), 3),
    ] {
        // The leased one is in the hands of a worker.
        let limit = if count == 3 { store.cancellable(pick.clone()).await.unwrap() } else { 0 };
        assert_eq!(store.cancel(pick, at(2001)).await.unwrap(), limit.max(count));
    }
    let state = async |id: &str| store.delivery(id).await.unwrap().unwrap().0.state;
    assert_eq!((state("msg_alr_b.slack").await, state("msg_copy.b").await), (State::Cancelled, State::Cancelled));
    assert_eq!((state("msg_alr_a.slack").await, state("msg_copy.a").await), (State::Leased, State::Ready));
    assert_eq!(state("msg_alr_late.slack").await, State::Ready);
    let [owed, delivered, summarised, suppressed, pending, dead] = account(&store, "slack").await;
    assert_eq!((owed, delivered + summarised, dead), (10, 0, 0));
    assert_eq!((suppressed, pending), (3, 7), "the opening messages of b, c and d told of one each");

    // Brought back, it goes out as if nothing had been.
    assert_eq!(store.retry(Pick::one("msg_alr_b.slack"), at(2002)).await.unwrap(), 1);
    assert_eq!(state("msg_alr_b.slack").await, State::Ready);
    assert_eq!(account(&store, "slack").await[3], 2);
    // What is forgotten stays in the accounts.
    let prune = SweepBatch { now: at(90_000), prune_before: Some(at(80_000)), ..SweepBatch::default() };
    store.commit_sweep(prune).await.unwrap();
    let cancelled = DeliveryFilter { state: Some(State::Cancelled), limit: 9, ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(cancelled).await.unwrap().len(), 0);
    assert_eq!(account(&store, "slack").await[3], 2);
}

pub async fn trouble_is_remembered_until_something_is_taken<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let names = ["a", "b"].map(|name| alert(name, Severity::Low, 1, at(0)));
    store.commit_ingest(page(&["t1"], &names, "slack", at(0))).await.unwrap();
    let state = async || store.endpoints().await.unwrap().remove(0);
    let leased = one_owed(&store, at(0)).await;
    let pause = Pause { reason: "answered 401".into(), fix: "check the token".into() };
    let trouble = Trouble { since: at(0), paused: Some(pause), told_at: Some(at(1)) };
    let paused = AttemptRecord {
        trouble: Some(trouble.clone()),
        hold_endpoint_until: Some(at(900)),
        ..failure(&leased, Next::At(at(900)), at(1))
    };
    store.record_attempts(vec![paused]).await.unwrap();
    assert_eq!(state().await.trouble, Some(trouble.clone()));
    assert!(store.claim_deliveries(claim("slack", at(10))).await.unwrap().deliveries.is_empty());

    // A person lifts it: what waits is due, and that people were told is still known.
    assert!(store.resume("slack", at(10)).await.unwrap());
    assert!(!store.resume("nobody", at(10)).await.unwrap());
    assert_eq!(state().await.trouble, Some(Trouble { paused: None, ..trouble }));
    assert_eq!(store.claim_deliveries(claim("slack", at(10))).await.unwrap().deliveries.len(), 2);
    store.release_expired(at(1000)).await.unwrap();

    // A refusal of one body ends the trouble, and so does a success; the first leaves its words behind.
    let leased = one_owed(&store, at(1000)).await;
    store.record_attempts(vec![refused(&leased, Next::Dead, at(1000))]).await.unwrap();
    let now = state().await;
    assert_eq!((now.trouble, now.failures, now.last_reason.as_deref()), (None, 0, Some("http_413: too long")));
    store.release_expired(at(2000)).await.unwrap();
    assert_eq!(deliver_all(&store, "slack", at(2000)).await, 1);
    let now = state().await;
    assert_eq!((now.trouble, now.failures, now.last_reason), (None, 0, None));
}
