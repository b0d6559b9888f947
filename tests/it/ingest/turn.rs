//! A source that waits for its turn at a host which many ask.

use tracebell::cloud::budget::Host;

use super::*;

/// A source that shares its host within this allowance.
async fn shared(allowance: Allowance, poll_every: Duration) -> (Scene, Arc<Host>) {
    let mut scene = Scene::new().await;
    let budget = Budget::new(allowance);
    scene.ingest =
        source_within(Some(&budget), &scene.cloud, &scene.store, &scene.generation, scene.password, poll_every);
    let host = budget.host(&scene.cloud.url());
    (scene, host)
}

#[tokio::test]
async fn what_happens_while_a_poll_waits_is_read_with_it_and_the_interval_counts_from_then() {
    let poll_every = Duration::from_secs(30);
    let (mut scene, host) = shared(Allowance { per_second: 1000, at_once: 1 }, poll_every).await;
    // One request at once, and somebody else has it.
    let somebody = host.turn(clock::now()).await;
    let planned = clock::now();
    let mut step = Box::pin(scene.ingest.step(planned));
    let mut happens = None;
    let happened = loop {
        tokio::select! {
            step = &mut step => panic!("it asked out of turn: {step:?}"),
            () = clock::sleep(Duration::from_millis(5)) => {}
        }
        let now = clock::now();
        match happens {
            None if scene.cloud.handle().stats().count("/v3/auth/tokens", 201) == 1 => {
                scene.cloud.handle().add([world::trace("t1", "deleteServer", now)]);
                happens = Some(now);
            }
            // It waits for longer than the trace came after the plan.
            Some(happens) if clock::since(happens, now) > clock::since(planned, happens) => break happens,
            _ => {}
        }
    };
    drop(somebody);
    assert_eq!(step.await, Step::Page { fetched: 1, fresh: 1, complete: true });
    let Step::Idle { until } = scene.ingest.step(after(planned, 1)).await else { panic!("something is due") };
    assert!(until >= clock::plus(happened, poll_every), "{until}, happened {happened}");
}

#[tokio::test]
async fn a_source_that_waits_long_for_its_turn_is_told_once() {
    let (mut scene, host) = shared(Allowance { per_second: 1000, at_once: 1 }, Duration::from_secs(1)).await;
    let somebody = host.turn(clock::now()).await;
    let (beat_every, longest_turn) = (Duration::from_millis(5), Duration::from_millis(50));
    scene.ingest = scene.ingest.patient(Patience { beat_every, longest_turn });
    let (store, begun) = (scene.store.clone(), clock::now());
    let mut step = Box::pin(scene.ingest.step(begun));
    let late = async || {
        let rows = store.deliveries(DeliveryFilter { limit: 1000, ..DeliveryFilter::default() }).await.unwrap();
        let title = "Source prod is late: alerts from it ring late";
        let (told, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.delivery.notification.title == title);
        assert!(rest.is_empty(), "{rest:?}");
        told
    };
    let mut after_it = 0;
    // A hundred more chances to tell it again.
    while after_it < 100 {
        tokio::select! {
            step = &mut step => panic!("it asked out of turn: {step:?}"),
            () = clock::sleep(beat_every) => {}
        }
        let told = late().await;
        assert!(told.is_empty() || clock::since(begun, clock::now()) >= longest_turn, "too soon");
        after_it += usize::from(!told.is_empty());
    }
    drop(somebody);
    assert!(matches!(step.await, Step::Page { .. }));
    let subscriptions: Vec<String> = late().await.into_iter().map(|row| row.delivery.subscription).collect();
    assert_eq!(subscriptions.len(), subscriptions.iter().collect::<std::collections::BTreeSet<_>>().len());
    assert!(!subscriptions.is_empty());
}

/// The parts of a window that is too full end where they end, however long each of them waits for its turn.
#[tokio::test]
async fn a_crowded_millisecond_is_told_on_a_busy_host_too() {
    let (mut scene, _) = shared(Allowance { per_second: 20, at_once: 1 }, Duration::from_secs(1)).await;
    scene.cloud.handle().plan(Plan { path: "/traces".into(), ..Plan::new(Fault::MarkerLoop) });
    let now = clock::now();
    let at = clock::minus(now, Duration::from_secs(10));
    let crowd = (0..1000).map(|number| world::trace(&format!("t{number}"), "startServer", at));
    scene.cloud.handle().add(crowd.collect::<Vec<_>>());
    let mut steps = 0;
    while let Step::Page { .. } = scene.ingest.step(now).await {
        steps += 1;
        assert!(steps < 50, "it never came to an end");
    }
    let accounting = scene.accounting().await;
    assert_eq!((accounting.sources[0].gaps, accounting.sources[0].counts.evaluated), (1, 200));
}
