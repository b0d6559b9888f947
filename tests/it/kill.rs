//! Killed at random moments: nothing owed is lost, nothing is invented, repeats are repeats.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tracebell::{
    clock,
    emulator::inbox::{Inbox, Received},
    store::Store,
};

use crate::world::{self, Bridge};

const TRACES: usize = 100_000;
const KILLS: usize = 50;
/// Traces per batch that appears in the cloud while the bridge runs and dies.
const BATCH: usize = 1000;

/// Beside the rule that rings for each trace, one that counts and escalates. Its windows are longer than the
/// test, so what they come to depends on nothing but the set of traces.
const GUESSING: &str = r#"
  - id: guessing
    title: "Password guessing from {{ key.source_ip }}"
    severity: medium
    match: { operation: loginFailed }
    when: { count: { at_least: 5, within: 1h, by: [source_ip] } }
    dedup: { by: [source_ip], for: 1h }
    then: { match: { operation: login }, within: 1h, same: [source_ip], severity: critical }
    topics: [security]
"#;

/// Failed and good logins from each address, by their times in milliseconds.
#[derive(Default)]
struct Logins {
    failed: BTreeMap<String, Vec<i64>>,
    good: BTreeMap<String, Vec<i64>>,
}

impl Logins {
    /// A login from one of a few hundred addresses, now and then a good one.
    fn one(&mut self, id: &str, random: &mut fastrand::Rng, time: clock::Timestamp) -> serde_json::Value {
        let address = format!("192.0.2.{} via {}", random.u8(..), random.u8(0..2));
        let good = random.u8(0..8) == 0;
        let (operation, times) = if good { ("login", &mut self.good) } else { ("loginFailed", &mut self.failed) };
        times.entry(address.clone()).or_default().push(time.as_millisecond());
        let mut trace = world::trace(id, operation, time);
        trace["source_ip"] = address.into();
        trace
    }

    /// What has to be told of them, and how many traces are owed for it: each address with enough failures
    /// rings; a good login that is not older than the first of them makes it worse, and is counted with them.
    fn owed(&self) -> (BTreeSet<String>, u64) {
        let (mut told, mut count) = (BTreeSet::new(), 0);
        for (address, failed) in self.failed.iter().filter(|(_, failed)| failed.len() >= 5) {
            let first = failed.iter().min().expect("five at least");
            let good = self.good.get(address).into_iter().flatten().filter(|time| *time >= first).count();
            told.insert(format!("guessing from {address}"));
            if good > 0 {
                told.insert(format!("worse from {address}"));
            }
            count += (failed.len() + good) as u64;
        }
        (told, count)
    }
}

/// What the webhook got: for each delivery id its bodies; for each thing told its ids.
#[derive(Default)]
struct Judge {
    bodies: BTreeMap<String, BTreeSet<Vec<u8>>>,
    ids: BTreeMap<String, BTreeSet<String>>,
    requests: usize,
}

impl Judge {
    fn take(&mut self, received: Received) {
        let Received::Http { headers, body, .. } = received else { panic!("only HTTP is configured") };
        let id = headers.iter().find(|(name, _)| name == "webhook-id").expect("an id").1.clone();
        let payload: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let key = &payload["alert"]["key"];
        let told = match (key["resource.id"].as_str(), key["source_ip"].as_str(), payload["kind"].as_str()) {
            (Some(resource), None, Some("opened")) => vec![resource.to_owned()],
            // A success that was read before the failures opens the alert as bad as it gets.
            (None, Some(address), Some("opened")) if payload["severity"] == "critical" => {
                vec![format!("guessing from {address}"), format!("worse from {address}")]
            }
            (None, Some(address), Some("opened")) => vec![format!("guessing from {address}")],
            (None, Some(address), Some("escalated")) => vec![format!("worse from {address}")],
            _ => vec![format!("unexpected: {payload}")],
        };
        self.requests += 1;
        self.bodies.entry(id.clone()).or_default().insert(body);
        for told in told {
            self.ids.entry(told).or_default().insert(id.clone());
        }
    }

    fn told(&self) -> BTreeSet<String> {
        self.ids.keys().cloned().collect()
    }
}

/// The outcome of one run, so that the sabotaged build can be held against the same judge.
struct Verdict {
    lost: usize,
    invented: usize,
    changed: usize,
    split: usize,
    repeats: usize,
    balanced: bool,
    /// Alerts and repeats that the accounting should owe, and does.
    sums: (u64, u64),
}

async fn run(program: &str, seed: u64) -> Verdict {
    let mut random = fastrand::Rng::with_seed(seed);
    let cloud = world::cloud().await;
    let (inbox, mut received) = Inbox::start().await.unwrap();
    let rules = format!("{}{}", world::RULES.trim_end(), GUESSING);
    let mut bridge = Bridge::new(&cloud.url(), &world::config("soar", &format!("http://{}/hook", inbox.http)), &rules)
        .program(program);
    let judge = tokio::spawn(async move {
        let mut judge = Judge::default();
        while let Some(one) = received.recv().await {
            judge.take(one);
        }
        judge
    });

    let mut owed = BTreeSet::new();
    let mut added = 0;
    let mut late = Vec::new();
    let mut logins = Logins::default();
    for _ in 0..KILLS {
        // More traces appear while it is down and while it runs.
        for _ in 0..2 {
            let now = clock::now();
            let mut batch = std::mem::take(&mut late);
            for _ in 0..BATCH {
                let id = format!("t-{added:06}");
                added += 1;
                if random.u32(0..100) < 2 {
                    let time = clock::minus(now, Duration::from_millis(random.u64(0..60_000)));
                    let trace = logins.one(&id, &mut random, time);
                    if random.u32(0..20) == 0 {
                        late.push(trace)
                    } else {
                        batch.push(trace)
                    }
                    continue;
                }
                let matching = random.u32(0..100) < 5;
                let operation = if matching { "deleteServer" } else { "startServer" };
                let record_time = clock::minus(now, Duration::from_millis(random.u64(0..60_000)));
                let trace = world::trace(&id, operation, record_time);
                if random.u32(0..100) < 1 {
                    // Served a second time, recorded a little later.
                    batch.push(world::trace(&id, operation, clock::plus(record_time, Duration::from_millis(7))));
                }
                if matching {
                    owed.insert(id);
                }
                if random.u32(0..100) < 1 { late.push(trace) } else { batch.push(trace) }
            }
            cloud.handle().add(batch);
            if bridge.runs() {
                pause(Duration::from_millis(random.u64(20..900))).await;
                bridge.kill();
            } else {
                bridge.start();
            }
        }
    }
    cloud.handle().add(late);
    assert_eq!(added, TRACES);
    bridge.start();
    bridge.address().await;
    let store = bridge.store().await;
    // Everything that can still come has come when the last read found nothing
    // new and nothing waits.
    let mut quiet = 0;
    let mut last = 0;
    world::until("the backlog to be read and delivered", Duration::from_secs(240), async || {
        pause(Duration::from_millis(500)).await;
        let accounting = store.accounting().await.ok()?;
        let source = accounting.sources.first()?;
        let evaluated = source.counts.evaluated;
        // Repeats wait in their open windows; deliveries must not.
        let ready: u64 = store.endpoints().await.ok()?.iter().map(|endpoint| endpoint.ready).sum();
        quiet = if evaluated == last && ready == 0 { quiet + 1 } else { 0 };
        last = evaluated;
        (quiet >= 8).then_some(())
    })
    .await;
    let accounting = store.accounting().await.unwrap();
    let balanced = accounting.sources.iter().all(|source| source.balanced())
        && accounting.subscriptions.iter().all(|subscription| subscription.balanced());
    bridge.kill();
    drop(inbox);
    let judge = judge.await.unwrap();
    let told = judge.told();
    let (guessed, counted) = logins.owed();
    assert!(guessed.len() > 100 && guessed.iter().any(|told| told.starts_with("worse")), "too tame: {guessed:?}");
    let sums = (owed.len() as u64 + counted, accounting.subscriptions.iter().map(|account| account.owed).sum());
    owed.extend(guessed);
    let verdict = Verdict {
        lost: owed.difference(&told).count(),
        invented: told.difference(&owed).count(),
        changed: judge.bodies.values().filter(|bodies| bodies.len() > 1).count(),
        split: judge.ids.values().filter(|ids| ids.len() > 1).count(),
        repeats: judge.requests - judge.bodies.len(),
        balanced,
        sums,
    };
    println!(
        "{TRACES} traces, {KILLS} kills, seed {seed}: {} owed, {} told, {} lost, {} invented, {} requests, \
         {} repeats, {} ids with two bodies, {} alerts with two ids, {} of {} traces owed, accounting {}",
        owed.len(),
        told.len(),
        verdict.lost,
        verdict.invented,
        judge.requests,
        verdict.repeats,
        verdict.changed,
        verdict.split,
        sums.1,
        sums.0,
        if balanced { "holds" } else { "does not hold" },
    );
    verdict
}

#[expect(clippy::disallowed_methods, reason = "the moment of a kill is random by design")]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_nothing_and_invent_nothing() {
    let verdict = run(env!("CARGO_BIN_EXE_tracebell"), 20_261_121).await;
    assert_eq!((verdict.lost, verdict.invented), (0, 0), "owed alerts lost, alerts invented");
    assert_eq!((verdict.changed, verdict.split), (0, 0), "ids with two bodies, alerts with two ids");
    assert!(verdict.balanced, "the accounting does not hold");
    assert_eq!(verdict.sums.0, verdict.sums.1, "traces that should be owed, and are");
}

/// The same test must fail a build that commits the checkpoint before its effects.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_commits_the_checkpoint_first_is_caught() {
    let program = std::env::var("TRACEBELL_SABOTAGED")
        .expect("TRACEBELL_SABOTAGED names the sabotaged binary; tests/run builds it");
    let verdict = run(&program, 20_261_121).await;
    assert!(verdict.lost > 0, "the sabotaged build lost nothing, so this test sees nothing");
}
