//! What every database must do.

use tracebell::{
    checkpoint::{Checkpoint, Gap},
    delivery::{Rate, State},
    ring::{Entry, Memory, Slot},
    store::{DeliveryFilter, Fold, Lane, LedgerRow, Pick, Quarantined, Remembered, StoreError, Verdict},
};

use super::*;

mod hold;

pub use hold::{
    a_group_is_opened_by_one, a_grown_alert_is_shown_where_it_was_told, a_hold_by_a_clock_set_back_is_over,
    alerts_of_late_are_counted_by_rule_and_in_all, what_a_schedule_drops_is_suppressed,
    what_is_held_is_told_in_one_and_fares_as_that,
};

fn checkpoint(seconds: i64) -> Checkpoint {
    Checkpoint { watermark: at(seconds), warm_at: at(1), cold_at: at(2), deep_at: at(3) }
}

pub async fn a_page_is_whole_or_not_at_all<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let opened = alert("a", Severity::High, 3, at(0));
    let mut batch = page(&["t1", "t2", "t3"], std::slice::from_ref(&opened), "slack", at(0));
    batch.checkpoint = Some(checkpoint(100));
    batch.gaps = vec![Gap { source: "prod".into(), from: at(-9), to: at(-5), reason: "seven days".into() }];
    batch.ledger = vec![LedgerRow {
        trace: "t1".into(),
        time: at(0),
        rule: "r".into(),
        verdict: Verdict::Opened,
        alert: "a".into(),
        reason: None,
    }];
    batch.quarantine =
        vec![Quarantined { source: "prod".into(), id: "q".into(), reason: "no id".into(), raw: "{".into(), at: at(0) }];
    store.commit_ingest(batch).await.unwrap();

    let seen = store.seen("prod", &["t1".into(), "t2".into(), "t9".into()]).await.unwrap();
    assert_eq!(seen, ["t1".to_owned(), "t2".to_owned()].into());
    assert!(store.seen("other", &["t1".into()]).await.unwrap().is_empty());
    assert_eq!(store.checkpoint("prod").await.unwrap(), Some(checkpoint(100)));
    let open = store.open_alerts(std::slice::from_ref(&opened.fingerprint)).await.unwrap();
    assert_eq!(open.iter().map(|open| &open.alert).collect::<Vec<_>>(), [&opened]);
    assert_eq!(store.gaps("prod").await.unwrap().len(), 1);
    let accounting = store.accounting().await.unwrap();
    let source = &accounting.sources[0];
    assert_eq!((source.counts.matched, source.gaps, accounting.quarantined), (3, 1, 1));
    assert!(source.balanced());
    assert_eq!(account(&store, "slack").await, [3, 0, 0, 0, 3, 0]);

    // The second page fails at its last alert: nothing of it may be there.
    let mut batch = page(
        &["t4", "t5"],
        &[alert("b", Severity::Low, 1, at(9)), alert("a", Severity::High, 2, at(0))],
        "slack",
        at(9),
    );
    batch.checkpoint = Some(checkpoint(200));
    assert!(matches!(store.commit_ingest(batch).await, Err(StoreError::Conflict)));
    assert!(store.seen("prod", &["t4".into()]).await.unwrap().is_empty());
    assert_eq!(store.checkpoint("prod").await.unwrap(), Some(checkpoint(100)));
    assert_eq!(account(&store, "slack").await, [3, 0, 0, 0, 3, 0]);
    assert_eq!(store.deliveries(DeliveryFilter { limit: 9, ..DeliveryFilter::default() }).await.unwrap().len(), 1);
}

/// More than are written at once, and no round number of them.
pub async fn a_page_of_many_alerts_is_as_one_of_few<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let alerts: Vec<Alert> = (0..207).map(|number| alert(&format!("n{number}"), Severity::Low, 1, at(0))).collect();
    store.commit_ingest(page(&["t0"], &alerts[100..101], "slack", at(0))).await.unwrap();
    assert_eq!(deliver_all(&store, "slack", at(1)).await, 1);
    let ledger = |alert: &Alert| LedgerRow {
        trace: alert.first.id.clone(),
        time: at(0),
        rule: alert.rule.clone(),
        verdict: Verdict::Opened,
        alert: alert.id.clone(),
        reason: None,
    };
    let batch = page(&["t1"], &alerts, "slack", at(2));
    store.commit_ingest(IngestBatch { ledger: alerts.iter().map(ledger).collect(), ..batch }).await.unwrap();
    assert_eq!(account(&store, "slack").await, [207, 1, 0, 0, 206, 0], "the first was told, and is owed once");
    let prints: Vec<String> = alerts.iter().map(|alert| alert.fingerprint.clone()).collect();
    let found = store.open_alerts(&prints).await.unwrap();
    assert_eq!(found.iter().filter(|found| found.subscribers.len() == 1).count(), 207);
    let listed = store.deliveries(DeliveryFilter { limit: 300, ..DeliveryFilter::default() }).await.unwrap();
    assert_eq!(listed.len(), 207);
    for row in &listed {
        assert!(alerts.iter().any(|alert| row.delivery == opened(alert, "slack")), "{row:?}");
    }

    // One in the middle cannot be written: nothing of the page is.
    let mut more: Vec<Alert> = (300..400).map(|number| alert(&format!("n{number}"), Severity::Low, 1, at(0))).collect();
    store.commit_ingest(page(&["t2"], &[alert("n150", Severity::Low, 9, at(0))], "slack", at(3))).await.unwrap();
    more.insert(80, alerts[150].clone());
    let refused = store.commit_ingest(page(&["t3"], &more, "slack", at(4))).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert!(store.open_alerts(std::slice::from_ref(&more[0].fingerprint)).await.unwrap().is_empty());
    assert!(store.seen("prod", &["t3".into()]).await.unwrap().is_empty());
}

pub async fn a_known_trace_is_a_conflict<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    // The cloud may list a trace twice on one page; that is no conflict.
    store.commit_ingest(page(&["t1", "t1"], &[], "slack", at(0))).await.unwrap();
    let batch = page(&["t2", "t1"], &[alert("a", Severity::Low, 1, at(1))], "slack", at(1));
    assert!(matches!(store.commit_ingest(batch).await, Err(StoreError::Conflict)));
    assert_eq!(account(&store, "slack").await, [0; 6]);
    assert_eq!(deliver_all(&store, "slack", at(2)).await, 0);
}

pub async fn an_alert_opened_again_is_not_owed_twice<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    store.commit_ingest(page(&["t1"], &[alert("a", Severity::Low, 1, at(0))], "slack", at(0))).await.unwrap();
    deliver_all(&store, "slack", at(1)).await;
    assert_eq!(close_windows(&store, at(1000)).await, 1);
    // The ids were forgotten, so the same trace opens the same alert again, with a repeat this time.
    store
        .commit_ingest(page(&["x1", "x2"], &[alert("a", Severity::Low, 2, at(2000))], "slack", at(2000)))
        .await
        .unwrap();
    assert_eq!(account(&store, "slack").await, [2, 1, 0, 0, 1, 0]);
    assert_eq!(close_windows(&store, at(3000)).await, 1);
    assert_eq!(deliver_all(&store, "slack", at(3001)).await, 1);
    assert_eq!(account(&store, "slack").await, [2, 1, 1, 0, 0, 0]);
    // And once more: now its summary is known too.
    store
        .commit_ingest(page(&["y1", "y2"], &[alert("a", Severity::Low, 2, at(4000))], "slack", at(4000)))
        .await
        .unwrap();
    assert_eq!(close_windows(&store, at(5000)).await, 1);
    assert_eq!(account(&store, "slack").await, [3, 1, 1, 1, 0, 0]);
}

pub async fn a_window_that_closed_meanwhile_is_a_conflict<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    store.commit_ingest(page(&["t1"], &[alert("a", Severity::Low, 1, at(0))], "slack", at(0))).await.unwrap();
    close_windows(&store, at(600)).await;
    let mut repeat = page(&["t2"], &[alert("a", Severity::Low, 2, at(0))], "slack", at(601));
    repeat.deliveries.clear();
    assert!(matches!(store.commit_ingest(repeat).await, Err(StoreError::Conflict)));
    assert_eq!(account(&store, "slack").await, [1, 0, 0, 0, 1, 0]);
}

pub async fn what_opens_a_conversation_is_claimed_before_what_follows<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let alerts = [alert("a", Severity::Low, 1, at(0)), alert("b", Severity::High, 1, at(0))];
    let mut batch = page(&[], &alerts, "slack", at(0));
    let worse = Notification::opened(&alert("a", Severity::Critical, 2, at(0)), at(0));
    let worse = delivery("worse", "slack", worse, 0, Cause::Alert("alr_a".into()));
    batch.deliveries.push(Delivery { thread: "msg_alr_a.slack".into(), ..worse });
    store.commit_ingest(batch).await.unwrap();

    let one = Claim { limit: 1, ..claim("slack", at(1)) };
    let first = store.claim_deliveries(one.clone()).await.unwrap().deliveries;
    assert_eq!(order(&first), ["msg_alr_a.slack"], "what follows it is critical, and waits its turn");
    store.record_attempts(vec![success(&first[0], at(1))]).await.unwrap();
    let second = store.claim_deliveries(one).await.unwrap().deliveries;
    assert_eq!(order(&second), ["msg_worse"]);
    let rest = store.claim_deliveries(claim("slack", at(1))).await.unwrap().deliveries;
    assert_eq!(order(&rest), ["msg_alr_b.slack"]);
}

pub async fn claims_go_critical_first_then_oldest<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let severities = [Severity::Low, Severity::Critical, Severity::High, Severity::Critical, Severity::Low];
    let names = ["a", "b", "c", "d", "e"];
    let alerts: Vec<_> = names.iter().zip(severities).map(|(name, severity)| alert(name, severity, 1, at(0))).collect();
    store.commit_ingest(page(&[], &alerts, "slack", at(0))).await.unwrap();
    store.commit_ingest(page(&[], &[alert("z", Severity::Critical, 1, at(0))], "mail", at(0))).await.unwrap();

    let one = Claim { limit: 1, ..claim("slack", at(1)) };
    let first = store.claim_deliveries(one).await.unwrap();
    assert_eq!(order(&first.deliveries), ["msg_alr_b.slack"]);
    assert_eq!(first.deliveries[0].delivery, opened(&alerts[1], "slack"));
    assert_eq!((first.deliveries[0].token, first.deliveries[0].attempt), (1, 1));
    let rest = store.claim_deliveries(claim("slack", at(1))).await.unwrap();
    assert_eq!(order(&rest.deliveries), ["msg_alr_d.slack", "msg_alr_c.slack", "msg_alr_a.slack", "msg_alr_e.slack"]);
    let none = store.claim_deliveries(claim("slack", at(1))).await.unwrap();
    assert_eq!((none.deliveries.len(), none.next), (0, None));

    store.record_attempts(vec![failure(&rest.deliveries[2], Next::At(at(30)), at(1))]).await.unwrap();
    assert_eq!(store.claim_deliveries(claim("slack", at(29))).await.unwrap().next, Some(at(30)));
    let again = store.claim_deliveries(claim("slack", at(30))).await.unwrap().deliveries;
    assert_eq!((again[0].token, again[0].attempt), (2, 2));
}

fn order(leased: &[Leased]) -> Vec<&str> {
    leased.iter().map(|leased| leased.delivery.id.as_str()).collect()
}

pub async fn the_rate_limit_holds_across_claims<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let alerts: Vec<_> = (0..9).map(|n| alert(&n.to_string(), Severity::Low, 1, at(0))).collect();
    store.commit_ingest(page(&[], &alerts, "slack", at(0))).await.unwrap();
    let limited = |seconds| Claim {
        rate: Some(Rate { interval: Duration::from_secs(10), burst: 3 }),
        ..claim("slack", at(seconds))
    };
    assert_eq!(store.claim_deliveries(limited(0)).await.unwrap().deliveries.len(), 3);
    let wait = store.claim_deliveries(limited(1)).await.unwrap();
    assert_eq!((wait.deliveries.len(), wait.next), (0, Some(at(10))));
    assert_eq!(store.claim_deliveries(limited(10)).await.unwrap().deliveries.len(), 1);
    assert_eq!(store.claim_deliveries(limited(30)).await.unwrap().deliveries.len(), 2);
    assert_eq!(store.claim_deliveries(limited(900)).await.unwrap().deliveries.len(), 3);
    assert_eq!(store.claim_deliveries(limited(900)).await.unwrap().next, None);
}

pub async fn a_hold_binds_the_endpoint<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let alerts = [alert("a", Severity::Critical, 1, at(0)), alert("b", Severity::Low, 1, at(0))];
    store.commit_ingest(page(&[], &alerts, "slack", at(0))).await.unwrap();
    let one = store.claim_deliveries(Claim { limit: 1, ..claim("slack", at(0)) }).await.unwrap().deliveries;
    let mut refused = failure(&one[0], Next::At(at(5)), at(0));
    refused.hold_endpoint_until = Some(at(50));
    store.record_attempts(vec![refused]).await.unwrap();

    let held = store.claim_deliveries(claim("slack", at(49))).await.unwrap();
    assert_eq!((held.deliveries.len(), held.next), (0, Some(at(50))));
    let state = store.endpoints().await.unwrap().remove(0);
    assert_eq!((state.ready, state.failures, state.hold_until), (2, 1, Some(at(50))));
    assert_eq!(state.last_reason.as_deref(), Some("503"));
    assert_eq!(deliver_all(&store, "slack", at(50)).await, 2);
    let state = store.endpoints().await.unwrap().remove(0);
    assert_eq!((state.ready, state.failures, state.hold_until, state.last_reason), (0, 0, None, None));
}

async fn one_leased<S: Store>(store: &S) -> Leased {
    store.commit_ingest(page(&[], &[alert("a", Severity::Low, 1, at(0))], "slack", at(0))).await.unwrap();
    store.claim_deliveries(claim("slack", at(0))).await.unwrap().deliveries.remove(0)
}

pub async fn a_stale_failure_changes_nothing<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let stale = one_leased(&store).await;
    assert_eq!(store.release_expired(at(100)).await.unwrap(), 1);
    let current = store.claim_deliveries(claim("slack", at(100))).await.unwrap().deliveries.remove(0);
    let mut late = failure(&stale, Next::Dead, at(100));
    late.deliveries = vec![overflow("extra", "mail", at(100))];
    store.record_attempts(vec![late]).await.unwrap();
    let (row, attempts) = store.delivery("msg_alr_a.slack").await.unwrap().unwrap();
    assert_eq!((row.state, attempts.len()), (State::Leased, 1));
    assert_eq!(store.endpoints().await.unwrap().len(), 1, "no copy for the fallback");
    store.record_attempts(vec![failure(&current, Next::Dead, at(101))]).await.unwrap();
    assert_eq!(account(&store, "slack").await, [1, 0, 0, 0, 0, 1]);
}

pub async fn a_late_success_counts<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let stale = one_leased(&store).await;
    store.release_expired(at(100)).await.unwrap();
    let current = store.claim_deliveries(claim("slack", at(100))).await.unwrap().deliveries.remove(0);
    store.record_attempts(vec![success(&stale, at(101))]).await.unwrap();
    assert_eq!(account(&store, "slack").await, [1, 1, 0, 0, 0, 0]);
    store
        .record_attempts(vec![failure(&current, Next::At(at(200)), at(102)), success(&current, at(103))])
        .await
        .unwrap();
    assert_eq!(account(&store, "slack").await, [1, 1, 0, 0, 0, 0]);
    assert_eq!(deliver_all(&store, "slack", at(300)).await, 0);
    // Even one given up.
    store.commit_ingest(page(&[], &[alert("b", Severity::Low, 1, at(0))], "mail", at(0))).await.unwrap();
    let given_up = store.claim_deliveries(claim("mail", at(300))).await.unwrap().deliveries.remove(0);
    store.record_attempts(vec![failure(&given_up, Next::Dead, at(300))]).await.unwrap();
    store.record_attempts(vec![success(&given_up, at(301))]).await.unwrap();
    assert_eq!(account(&store, "mail").await, [1, 1, 0, 0, 0, 0]);
}

pub async fn a_success_lifts_only_an_older_hold<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let alerts = ["a", "b", "c"].map(|name| alert(name, Severity::Low, 1, at(0)));
    store.commit_ingest(page(&[], &alerts, "hook", at(0))).await.unwrap();
    let leased = store.claim_deliveries(Claim { limit: 2, ..claim("hook", at(0)) }).await.unwrap().deliveries;
    let mut refused = failure(&leased[0], Next::At(at(1)), at(0));
    refused.hold_endpoint_until = Some(at(60));
    // The other one was under way when the endpoint asked to be left alone.
    store.record_attempts(vec![refused, success(&leased[1], at(0))]).await.unwrap();
    assert_eq!(store.claim_deliveries(claim("hook", at(10))).await.unwrap().next, Some(at(60)));
}

pub async fn expired_leases_come_back<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    one_leased(&store).await;
    assert_eq!(store.release_expired(at(60)).await.unwrap(), 0);
    assert_eq!(account(&store, "slack").await, [1, 0, 0, 0, 1, 0]);
    assert_eq!(store.release_expired(at(61)).await.unwrap(), 1);
    let again = store.claim_deliveries(claim("slack", at(61))).await.unwrap().deliveries;
    assert_eq!((again[0].token, again[0].attempt), (2, 2));
}

pub async fn a_delivery_that_keeps_crashing_dies<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    one_leased(&store).await;
    for round in 1..20 {
        assert_eq!(store.release_expired(at(round * 100)).await.unwrap(), 1);
        assert_eq!(store.claim_deliveries(claim("slack", at(round * 100))).await.unwrap().deliveries.len(), 1);
    }
    store.release_expired(at(9000)).await.unwrap();
    let (row, _) = store.delivery("alr_a").await.unwrap().unwrap();
    assert_eq!((row.state, row.last_reason.as_deref()), (State::Dead, Some("attempts kept crashing")));
    assert_eq!(account(&store, "slack").await, [1, 0, 0, 0, 0, 1]);
}

pub async fn unused_leases_are_given_back_uncounted<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let leased = one_leased(&store).await;
    store.release(&[(leased.delivery.id.clone(), leased.token + 1)]).await.unwrap();
    assert_eq!(store.claim_deliveries(claim("slack", at(1))).await.unwrap().deliveries.len(), 0);
    store.release(&[(leased.delivery.id.clone(), leased.token)]).await.unwrap();
    let again = store.claim_deliveries(claim("slack", at(1))).await.unwrap().deliveries;
    assert_eq!((again[0].token, again[0].attempt), (2, 1));
}

pub async fn a_clock_stepped_back_freezes_nothing<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let month = 30 * 86_400;
    let alerts = ["a", "b"].map(|name| alert(name, Severity::Low, 1, at(month)));
    store.commit_ingest(page(&[], &alerts, "slack", at(month))).await.unwrap();
    let limited = |seconds| Claim {
        rate: Some(Rate { interval: Duration::from_secs(10), burst: 2 }),
        ..claim("slack", at(seconds))
    };
    let leased = store.claim_deliveries(limited(month)).await.unwrap().deliveries;
    let mut refused = failure(&leased[0], Next::At(at(month + 60)), at(month));
    refused.hold_endpoint_until = Some(at(month + 60));
    store.record_attempts(vec![refused]).await.unwrap();
    // Now the clock says it is a month ago.
    assert_eq!(store.release_expired(at(0)).await.unwrap(), 1);
    assert_eq!(store.claim_deliveries(limited(0)).await.unwrap().next, Some(at(10)));
    let leased = store.claim_deliveries(claim("slack", at(0))).await.unwrap().deliveries;
    assert_eq!(leased.len(), 2);
    // A wish to wait, said by today's clock, holds; the month-old one does not hide it.
    let mut refused = failure(&leased[0], Next::At(at(1)), at(0));
    refused.hold_endpoint_until = Some(at(90));
    store.record_attempts(vec![refused]).await.unwrap();
    assert_eq!(store.claim_deliveries(claim("slack", at(5))).await.unwrap().next, Some(at(90)));
}

pub async fn folding_spares_critical_and_notices<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let mut alerts = vec![alert("c", Severity::Critical, 1, at(0)), alert("h", Severity::High, 4, at(0))];
    alerts.extend((0..12).map(|n| alert(&n.to_string(), Severity::Low, 1, at(0))));
    alerts[5].rule = "other".into();
    store.commit_ingest(page(&[], &alerts, "slack", at(0))).await.unwrap();
    let notice = Notification::notice(Severity::High, "blind", vec![], at(0));
    store.publish(vec![delivery("n", "slack", notice, 0, Cause::Notice)]).await.unwrap();

    let backlog = store.backlog("slack", Lane::Normal).await.unwrap();
    assert_eq!((backlog.deliveries, backlog.covers, backlog.worst), (13, 13, Some(Severity::High)));
    assert_eq!(backlog.by_rule, [("user-deleted".to_owned(), 12), ("other".to_owned(), 1)]);
    assert_eq!(backlog.by_actor, [("alice".to_owned(), 13)]);
    assert_eq!((backlog.titles.len(), backlog.titles[0].as_str()), (10, "alice deleted h"));

    store.commit_ingest(page(&[], &[alert("newer", Severity::Low, 1, at(1))], "slack", at(1))).await.unwrap();
    let fold = Fold {
        endpoint: "slack".into(),
        lane: Lane::Normal,
        up_to: backlog.up_to,
        summary: overflow("sum", "slack", at(2)),
    };
    // A summary that tells of fewer than wait, because one came back meanwhile, folds nothing.
    let mut fewer = fold.clone();
    let mut told = (*fewer.summary.notification).clone();
    told.gathered.as_mut().unwrap().total = 12;
    fewer.summary.notification = told.into();
    assert_eq!(store.fold(fewer).await.unwrap(), 0);
    assert_eq!(store.fold(fold.clone()).await.unwrap(), 13);
    assert_eq!(store.endpoints().await.unwrap()[0].overflow_at, Some(at(2)));
    let left = store.claim_deliveries(claim("slack", at(3))).await.unwrap().deliveries;
    assert_eq!(order(&left), ["msg_alr_c.slack", "msg_n", "msg_sum", "msg_alr_newer.slack"]);
    assert!(matches!(store.fold(fold.clone()).await, Err(StoreError::Conflict)));
    let nothing = Fold { summary: overflow("more", "slack", at(3)), ..fold };
    assert_eq!(store.fold(nothing).await.unwrap(), 0);
    assert!(store.delivery("msg_more").await.unwrap().is_none());
}

pub async fn a_folded_delivery_fares_as_its_summary<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let alerts = ["a", "b"].map(|name| alert(name, Severity::Low, 1, at(0)));
    store.commit_ingest(page(&[], &alerts, "slack", at(0))).await.unwrap();
    let up_to = store.backlog("slack", Lane::Normal).await.unwrap().up_to;
    let summary = overflow("sum", "slack", at(1));
    store.fold(Fold { endpoint: "slack".into(), lane: Lane::Normal, up_to, summary }).await.unwrap();
    assert_eq!(account(&store, "slack").await, [2, 0, 0, 0, 2, 0]);
    let carrier = store.claim_deliveries(claim("slack", at(2))).await.unwrap().deliveries.remove(0);
    assert_eq!(account(&store, "slack").await, [2, 0, 0, 0, 2, 0]);
    store.record_attempts(vec![failure(&carrier, Next::Dead, at(2))]).await.unwrap();
    assert_eq!(account(&store, "slack").await, [2, 0, 0, 0, 0, 2]);
    assert_eq!(store.retry(Pick::of("slack"), at(3)).await.unwrap(), 1);
    assert_eq!(account(&store, "slack").await, [2, 0, 0, 0, 2, 0]);
    assert_eq!(deliver_all(&store, "slack", at(3)).await, 1);
    assert_eq!(account(&store, "slack").await, [2, 0, 2, 0, 0, 0]);
    let (row, _) = store.delivery("alr_a").await.unwrap().unwrap();
    assert_eq!((row.state, row.folded_into.as_deref()), (State::Folded, Some("msg_sum")));
}

pub async fn a_window_closes_with_its_summary<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let mut quiet = alert("shadow", Severity::Low, 5, at(0));
    quiet.shadow = true;
    let mut batch =
        page(&[], &[alert("a", Severity::Low, 4, at(0)), alert("b", Severity::Low, 1, at(0))], "slack", at(0));
    batch.subscribers.push(subscriber(&quiet, "slack"));
    batch.alerts.push(quiet);
    batch.owed.push(Owed { subscription: "security/slack".into(), count: 5, suppressed: Some("shadow") });
    // Somebody who is gone from the configuration when the window closes.
    batch.subscribers.push(Subscriber {
        alert: "alr_a".into(),
        subscription: "security/gone".into(),
        endpoint: "gone".into(),
        thread: "msg_gone".into(),
    });
    batch.owed.push(Owed { subscription: "security/gone".into(), count: 3, suppressed: None });
    store.commit_ingest(batch).await.unwrap();
    assert_eq!(account(&store, "slack").await, [10, 0, 0, 5, 5, 0]);
    assert_eq!(account(&store, "gone").await, [3, 0, 0, 0, 3, 0]);

    assert!(store.closing(at(599), 10).await.unwrap().is_empty());
    assert_eq!(store.closing(at(600), 2).await.unwrap().len(), 2);
    let closing = store.closing(at(600), 10).await.unwrap();
    assert_eq!(closing.len(), 3);
    let first = closing.iter().find(|closing| closing.alert.id == "alr_a").unwrap();
    assert_eq!(first.subscribers.len(), 2);
    let batch = SweepBatch {
        now: at(600),
        closed: closing.iter().map(|closing| closing.alert.id.clone()).collect(),
        deliveries: vec![summary(&first.alert, "slack", at(600))],
        muted: vec![],
        prune_before: None,
    };
    store.commit_sweep(batch.clone()).await.unwrap();
    store.commit_sweep(batch).await.unwrap();
    assert!(store.closing(at(9999), 10).await.unwrap().is_empty());
    assert!(store.open_alerts(&["print-a".into()]).await.unwrap().is_empty());
    assert_eq!(account(&store, "slack").await, [10, 0, 0, 5, 5, 0]);
    assert_eq!(account(&store, "gone").await, [3, 0, 0, 3, 0, 0]);
    assert_eq!(deliver_all(&store, "slack", at(601)).await, 3);
    assert_eq!(account(&store, "slack").await, [10, 2, 3, 5, 0, 0]);
}

pub async fn a_window_that_grew_meanwhile_stays_open<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    store.commit_ingest(page(&["t1"], &[alert("a", Severity::Low, 2, at(0))], "slack", at(0))).await.unwrap();
    let stale = store.closing(at(600), 10).await.unwrap().remove(0);
    let mut repeat = page(&["t3"], &[alert("a", Severity::Low, 3, at(0))], "slack", at(600));
    repeat.deliveries.clear();
    repeat.owed[0].count = 1;
    store.commit_ingest(repeat).await.unwrap();
    let batch = SweepBatch {
        now: at(600),
        closed: vec!["alr_a".into()],
        deliveries: vec![summary(&stale.alert, "slack", at(600))],
        muted: vec![],
        prune_before: None,
    };
    store.commit_sweep(batch).await.unwrap();
    assert_eq!(account(&store, "slack").await, [3, 0, 0, 0, 3, 0]);
    assert!(store.delivery("alr_a.slack.summary").await.unwrap().is_none());
    assert_eq!(close_windows(&store, at(601)).await, 1);
    deliver_all(&store, "slack", at(602)).await;
    assert_eq!(account(&store, "slack").await, [3, 1, 2, 0, 0, 0]);
}

pub async fn forgetting_keeps_the_accounts<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let alerts: Vec<_> = names.iter().map(|name| alert(name, Severity::Low, 2, at(0))).collect();
    let seen: Vec<&str> = names.iter().map(String::as_str).collect();
    store.commit_ingest(page(&seen, &alerts, "slack", at(0))).await.unwrap();
    // Of the first messages: ten told one by one, one dead, the rest in a summary; then the windows close.
    let leased = store.claim_deliveries(Claim { limit: 11, ..claim("slack", at(1)) }).await.unwrap().deliveries;
    let mut records: Vec<_> = leased[1..].iter().map(|leased| success(leased, at(1))).collect();
    records.push(failure(&leased[0], Next::Dead, at(1)));
    store.record_attempts(records).await.unwrap();
    let up_to = store.backlog("slack", Lane::Normal).await.unwrap().up_to;
    let summary = overflow("sum", "slack", at(2));
    store.fold(Fold { endpoint: "slack".into(), lane: Lane::Normal, up_to, summary }).await.unwrap();
    deliver_all(&store, "slack", at(3)).await;
    assert_eq!(account(&store, "slack").await, [80, 10, 29, 0, 40, 1]);
    close_windows(&store, at(700)).await;
    deliver_all(&store, "slack", at(86_400)).await;

    let prune = |now, before| SweepBatch { now, prune_before: Some(before), ..SweepBatch::default() };
    store.commit_sweep(prune(at(1000), at(1000))).await.unwrap();
    let all = DeliveryFilter { limit: 100, ..DeliveryFilter::default() };
    assert_eq!(store.deliveries(all.clone()).await.unwrap().len(), 41, "summaries of windows, and the dead one");
    assert_eq!(account(&store, "slack").await, [80, 10, 69, 0, 0, 1]);
    assert_eq!(store.seen("prod", &names).await.unwrap().len(), 40);
    store.commit_sweep(prune(at(10 * 86_400), at(10 * 86_400))).await.unwrap();
    assert_eq!(store.deliveries(all).await.unwrap().len(), 1, "what is owed is never forgotten");
    assert_eq!(account(&store, "slack").await, [80, 10, 69, 0, 0, 1]);
    assert!(store.seen("prod", &names).await.unwrap().is_empty());
}

pub async fn dead_deliveries_are_retried_unchanged<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let first = one_leased(&store).await;
    store.record_attempts(vec![failure(&first, Next::Dead, at(1))]).await.unwrap();
    assert_eq!(store.retry(Pick::of("mail"), at(2)).await.unwrap(), 0);
    assert_eq!(store.retry(Pick::one("msg_alr_a"), at(2)).await.unwrap(), 1);
    assert_eq!(store.retry(Pick::default(), at(2)).await.unwrap(), 0);
    let again = store.claim_deliveries(claim("slack", at(2))).await.unwrap().deliveries.remove(0);
    assert_eq!((again.delivery, again.token, again.attempt), (first.delivery, 2, 1));
}

pub async fn deliveries_are_found_by_the_start_of_their_id<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let alerts = ["ab", "abc", "x"].map(|name| alert(name, Severity::Low, 1, at(0)));
    store.commit_ingest(page(&[], &alerts, "s", at(0))).await.unwrap();
    let found = async |id: &str| store.delivery(id).await.unwrap().map(|(row, _)| row.delivery.id);
    assert_eq!(found("msg_alr_x").await.as_deref(), Some("msg_alr_x.s"));
    assert_eq!(found("alr_abc").await.as_deref(), Some("msg_alr_abc.s"));
    assert_eq!(found("msg_alr_ab").await, None, "two begin like this");
    assert_eq!(found("msg_alr_ab.s").await.as_deref(), Some("msg_alr_ab.s"));
    assert_eq!(found("%").await, None);
}

pub async fn what_got_worse_is_told_and_summed_up_once<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    // Eight traces open it and are told together, two more are repeats.
    let mut bad = Alert { told: 8, ..alert("a", Severity::Low, 8, at(0)) };
    store.commit_ingest(page(&[], std::slice::from_ref(&bad), "slack", at(0))).await.unwrap();
    assert_eq!(account(&store, "slack").await, [8, 0, 0, 0, 8, 0]);
    assert_eq!(deliver_all(&store, "slack", at(1)).await, 1);
    bad.count = 10;
    store.commit_ingest(later(&bad, "slack", 2, at(2))).await.unwrap();
    assert_eq!(account(&store, "slack").await, [10, 8, 0, 0, 2, 0]);

    // It gets worse: those two and the eleventh are told, and somebody new hears of all.
    (bad.count, bad.told, bad.severity, bad.escalated) = (11, 11, Severity::Critical, true);
    let mut worse = later(&bad, "slack", 1, at(3));
    worse.deliveries = vec![escalated(&bad, "slack", 3, at(3)), escalated(&bad, "mail", 11, at(3))];
    worse.subscribers = vec![subscriber(&bad, "mail")];
    worse.owed.push(Owed { subscription: "security/mail".into(), count: 11, suppressed: None });
    store.commit_ingest(worse).await.unwrap();
    assert_eq!(account(&store, "slack").await, [11, 8, 0, 0, 3, 0]);
    assert_eq!(account(&store, "mail").await, [11, 0, 0, 0, 11, 0]);
    assert_eq!(store.backlog("slack", Lane::Critical).await.unwrap().covers, 3);
    deliver_all(&store, "slack", at(4)).await;
    deliver_all(&store, "mail", at(4)).await;
    assert_eq!(account(&store, "mail").await, [11, 11, 0, 0, 0, 0]);

    // What comes then is summed up for both.
    bad.count = 15;
    let mut more = later(&bad, "slack", 4, at(5));
    more.owed.push(Owed { subscription: "security/mail".into(), count: 4, suppressed: None });
    store.commit_ingest(more).await.unwrap();
    assert_eq!(close_windows(&store, at(1000)).await, 1);
    deliver_all(&store, "slack", at(1001)).await;
    assert_eq!(account(&store, "slack").await, [15, 11, 4, 0, 0, 0]);
    assert_eq!(account(&store, "mail").await, [15, 11, 0, 0, 4, 0]);
}

/// A page that adds `repeats` to an open alert.
fn later(alert: &Alert, endpoint: &str, repeats: u64, now: Timestamp) -> IngestBatch {
    let mut batch = page(&[], &[], endpoint, now);
    batch.alerts = vec![alert.clone()];
    batch.owed = vec![Owed { subscription: format!("security/{endpoint}"), count: repeats, suppressed: None }];
    batch
}

fn slot(rule: &str, key: &str) -> Slot {
    Slot { rule: rule.into(), key: key.into() }
}

/// A memory whose newest trace is that old.
fn memory(seconds: i64) -> Memory {
    let (id, time) = (format!("t{seconds}"), at(seconds));
    let whole = Some(Box::new(trace(&id, time)));
    let entry = Entry { time, trace: id, word: "w".into(), rang: false, whole };
    Memory { entries: vec![entry], sightings: 1, expires_at: at(seconds + 600), ..Memory::default() }
}

fn remembering(source: &str, memories: &[(&str, &str, Option<Memory>)], limit: u64) -> IngestBatch {
    let remembered = |(rule, key, memory): &(&str, &str, Option<Memory>)| Remembered {
        slot: slot(rule, key),
        memory: memory.clone(),
        limit,
    };
    IngestBatch { source: source.into(), memories: memories.iter().map(remembered).collect(), ..IngestBatch::default() }
}

/// The keys that a rule remembers, of those asked for.
async fn keys(store: &impl Store, source: &str, rule: &str, asked: &[&str]) -> Vec<String> {
    let slots: Vec<Slot> = asked.iter().map(|key| slot(rule, key)).collect();
    store.memories(source, &slots).await.unwrap().into_keys().map(|slot| slot.key).collect()
}

pub async fn memories_go_with_their_page<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    // Whatever a key holds, it is the same key.
    let odd = "a\u{0}b\"'\u{1f514}";
    let batch = [("r", odd, Some(memory(1))), ("r", "b", Some(memory(2))), ("s", "b", Some(memory(3)))];
    store.commit_ingest(remembering("prod", &batch, 10)).await.unwrap();
    let slots = [slot("r", odd), slot("r", "b"), slot("r", "c"), slot("s", "b")];
    let found = store.memories("prod", &slots).await.unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!((&found[&slots[0]], &found[&slots[3]]), (&Ok(memory(1)), &Ok(memory(3))));
    assert!(store.memories("test", &slots).await.unwrap().is_empty(), "another source remembers for itself");

    let batch = [("r", odd, Some(memory(9))), ("r", "b", None)];
    store.commit_ingest(remembering("prod", &batch, 10)).await.unwrap();
    let found = store.memories("prod", &slots).await.unwrap();
    assert_eq!(found, [(slots[0].clone(), Ok(memory(9))), (slots[3].clone(), Ok(memory(3)))].into());

    // A page that is not stored leaves what is remembered as it was.
    store.commit_ingest(page(&["t1"], &[], "slack", at(0))).await.unwrap();
    let mut refused = remembering("prod", &[("r", odd, None), ("r", "new", Some(memory(10)))], 10);
    refused.seen = vec!["t1".into()];
    assert!(matches!(store.commit_ingest(refused).await, Err(StoreError::Conflict)));
    assert_eq!(store.memories("prod", &slots).await.unwrap(), found);
    assert_eq!(keys(&store, "prod", "r", &["new"]).await, Vec::<String>::new());
}

pub async fn due_memories_come_longest_silence_first<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let due = |seconds: i64| Some(Memory { due_at: Some(at(seconds)), ..memory(0) });
    let batch = [("r", "c", due(30)), ("r", "a", due(20)), ("s", "b", due(10)), ("r", "never", Some(memory(0)))];
    store.commit_ingest(remembering("prod", &batch, 10)).await.unwrap();
    store.commit_ingest(remembering("test", &[("r", "x", due(5))], 10)).await.unwrap();
    let asked = async |watermark: i64, limit: usize| {
        let due = store.due_memories("prod", at(watermark), limit).await.unwrap();
        due.into_iter().map(|(slot, _)| slot.key).collect::<Vec<_>>()
    };
    assert_eq!(asked(10, 9).await, Vec::<String>::new());
    assert_eq!(asked(21, 9).await, ["b", "a"]);
    assert_eq!(asked(99, 2).await, ["b", "a"]);
    store.commit_ingest(remembering("prod", &[("s", "b", Some(memory(11)))], 10)).await.unwrap();
    assert_eq!(asked(99, 9).await, ["a", "c"]);
}

pub async fn too_many_keys_push_out_the_oldest<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let batch = [("r", "a", Some(memory(5))), ("r", "b", Some(memory(1))), ("r", "c", Some(memory(9)))];
    store.commit_ingest(remembering("prod", &batch, 3)).await.unwrap();
    store.commit_ingest(remembering("test", &batch, 3)).await.unwrap();
    assert_eq!(store.accounting().await.unwrap().windows[0].evicted, 0);
    store.commit_ingest(remembering("prod", &[("r", "d", Some(memory(7)))], 3)).await.unwrap();
    assert_eq!(keys(&store, "prod", "r", &["a", "b", "c", "d"]).await, ["a", "c", "d"]);
    assert_eq!(keys(&store, "test", "r", &["a", "b", "c"]).await.len(), 3, "each source has its own room");
    // Even the newcomer gives way if it is the oldest.
    store.commit_ingest(remembering("prod", &[("r", "e", Some(memory(2)))], 3)).await.unwrap();
    assert_eq!(keys(&store, "prod", "r", &["a", "c", "d", "e"]).await, ["a", "c", "d"]);
    let windows = store.accounting().await.unwrap().windows;
    assert_eq!(windows.iter().map(|w| (w.rule.as_str(), w.keys, w.evicted)).collect::<Vec<_>>(), [("r", 6, 2)]);
    assert!(store.accounting().await.unwrap().subscriptions.is_empty(), "an evicted key is not owed to anybody");
}

pub async fn memories_expire_with_the_watermark<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let overdue = Memory { due_at: Some(at(300)), ..memory(0) };
    let batch = [("r", "old", Some(memory(0))), ("r", "young", Some(memory(100))), ("r", "due", Some(overdue))];
    store.commit_ingest(remembering("prod", &batch, 10)).await.unwrap();
    let all = ["due", "old", "young"];
    let reading = |source: &str, seconds: i64| IngestBatch {
        source: source.into(),
        checkpoint: Some(checkpoint(seconds)),
        ..IngestBatch::default()
    };
    store.commit_ingest(reading("prod", 600)).await.unwrap();
    store.commit_ingest(reading("test", 9000)).await.unwrap();
    assert_eq!(keys(&store, "prod", "r", &all).await, all, "nothing is past its time yet");
    store.commit_ingest(reading("prod", 650)).await.unwrap();
    assert_eq!(keys(&store, "prod", "r", &all).await, ["due", "young"]);
    // A silence that nobody was told of yet is kept.
    store.commit_ingest(reading("prod", 5000)).await.unwrap();
    assert_eq!(keys(&store, "prod", "r", &all).await, ["due"]);
}

pub async fn rules_watch_since_their_first_page<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    assert!(store.watches("prod").await.unwrap().is_empty());
    let watching = |rules: &[(&str, i64)]| IngestBatch {
        source: "prod".into(),
        watches: rules.iter().map(|(rule, seconds)| ((*rule).to_owned(), at(*seconds))).collect(),
        ..IngestBatch::default()
    };
    store.commit_ingest(watching(&[("r", 1)])).await.unwrap();
    store.commit_ingest(watching(&[("r", 9), ("s", 9)])).await.unwrap();
    assert_eq!(store.watches("prod").await.unwrap(), [("r".to_owned(), at(1)), ("s".to_owned(), at(9))].into());
    assert!(store.watches("test").await.unwrap().is_empty());
    store.commit_ingest(watching(&[("s", 5)])).await.unwrap();
    assert_eq!(store.watches("prod").await.unwrap()["s"], at(5), "the clock was ahead");
}

pub async fn habits_keep_their_newest_time_and_are_forgotten<S: Store>(open: impl AsyncFn() -> (S, Home)) {
    let (store, _home) = open().await;
    let key = |number: u16| {
        let [high, low] = number.to_be_bytes();
        [high, low, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]
    };
    let note = async |habits: Vec<([u8; 16], Timestamp)>| {
        let batch = IngestBatch { source: "prod".into(), now: at(0), habits, ..IngestBatch::default() };
        store.commit_ingest(batch).await.unwrap();
    };
    note(vec![(key(1), at(100)), (key(2), at(100))]).await;
    note(vec![(key(1), at(50)), (key(2), at(200))]).await;
    let known = store.habits(&[key(1), key(2), key(3)]).await.unwrap();
    assert_eq!(known, [(key(1), at(100)), (key(2), at(200))].into());

    // As many as a page of two hundred traces can show, and what they cost.
    let keys: Vec<_> = (0..401).map(key).collect();
    let begun = std::time::Instant::now();
    note(Vec::new()).await;
    let without = begun.elapsed();
    note(keys.iter().map(|key| (*key, at(300))).collect()).await;
    let with = begun.elapsed() - without;
    assert_eq!(store.habits(&keys).await.unwrap().len(), 401);
    let looked = begun.elapsed() - without - with;
    println!("a page's commit: {without:?} without habits, {with:?} with 401 new ones; their look-up: {looked:?}");

    let days = |days: i64| at(300 + days * 86_400);
    for (day, left) in [(59, 401), (61, 0)] {
        let batch = SweepBatch { now: days(day), prune_before: Some(at(0)), ..SweepBatch::default() };
        store.commit_sweep(batch).await.unwrap();
        assert_eq!(store.habits(&keys).await.unwrap().len(), left, "after {day} days");
    }
}
