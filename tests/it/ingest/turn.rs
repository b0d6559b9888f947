//! A source that waits for its turn at a host which many ask.

use super::*;

#[tokio::test]
async fn what_happens_while_a_poll_waits_is_read_with_it_and_the_interval_counts_from_then() {
    let mut scene = Scene::new().await;
    // One request at once, and somebody else has it.
    let budget = Budget::new(Allowance { per_second: 1000, at_once: 1 });
    let host = budget.host(&scene.cloud.url());
    let somebody = host.turn(clock::now()).await;
    let poll_every = Duration::from_secs(30);
    scene.ingest = source_within(&budget, &scene.cloud, &scene.store, &scene.generation, scene.password, poll_every);
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
