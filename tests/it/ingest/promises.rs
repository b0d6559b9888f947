//! What is promised of late, repeated, crowded and broken trace lists: each trace owed rings once, none is lost.
//!
//! The cloud knows the truth, days pass in seconds, and a judge compares what was owed with what was told.

use std::collections::BTreeMap;

use serde_json::Value;
use tracebell::{
    emulator::{self, TraceClock},
    topic::Topics,
};

use super::*;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

const RULE: &str = r#"
rules:
  - id: server-deleted
    title: "{{ resource.id }}"
    severity: high
    match: { operation: deleteServer }
    dedup: { by: [resource.id], for: 1m }
    topics: [security]
    noise_budget: 100000
"#;

/// A cloud and a source whose clocks stand at `now`.
struct Days {
    scene: Scene,
    now: Timestamp,
    /// Put on every request beside the shifted clock.
    faults: Vec<Plan>,
}

impl Days {
    async fn new(clock: TraceClock, poll_every: u64) -> Self {
        let settings =
            emulator::Settings { clock, token_lifetime: Duration::from_secs(365 * DAY), ..Default::default() };
        let cloud = Emulator::start(settings).await.unwrap();
        let (rules, problems) = rule::load(&[File { name: "test.yaml".into(), text: RULE.into() }]);
        assert!(problems.is_empty(), "{problems:?}");
        let topics = Topics { storm: None, ..generation().topics };
        let generation = Generation { rules, topics, ..Generation::default() };
        let scene = Scene::at(cloud, generation, "secret", Duration::from_secs(poll_every)).await;
        let now = clock::now();
        scene.left_off(now).await;
        Self { scene, now, faults: Vec::new() }
    }

    /// What the cloud answers, its `Date` included, is of this moment.
    fn shift(&self) {
        let handle = self.scene.cloud.handle();
        handle.clear_faults();
        let ahead = self.now.duration_since(clock::now()).as_secs();
        handle.plan(Plan::new(Fault::DateSeconds(ahead)));
        self.faults.iter().for_each(|fault| handle.plan(fault.clone()));
    }

    /// Lets time pass; what is shown meanwhile is shown when its time comes. Returns how many steps failed.
    async fn pass(&mut self, seconds: u64, mut shown: Vec<(Timestamp, Value)>) -> usize {
        shown.sort_by_key(|(at, _)| *at);
        let mut shown = shown.into_iter().peekable();
        let (end, mut failed) = (after(self.now, seconds), 0);
        while self.now < end {
            self.shift();
            while let Some((_, trace)) = shown.next_if(|(at, _)| *at <= self.now) {
                self.scene.cloud.handle().add([trace]);
            }
            self.now = match self.scene.ingest.step(self.now).await {
                Step::Page { .. } => continue,
                Step::Idle { until } => until,
                Step::Failed { until } => {
                    failed += 1;
                    until
                }
            }
            .max(after(self.now, 1));
        }
        assert!(shown.next().is_none(), "the days are too short");
        failed
    }

    async fn watermark(&self) -> Timestamp {
        self.scene.store.checkpoint("prod").await.unwrap().unwrap().watermark
    }

    /// When each trace was told. Panics if one was told twice.
    async fn told(&self) -> BTreeMap<String, Timestamp> {
        let filter = DeliveryFilter { limit: 100_000, ..DeliveryFilter::default() };
        let rows = self.scene.store.deliveries(filter).await.unwrap();
        let mut told = BTreeMap::new();
        for row in rows {
            let about = row.delivery.notification.title.clone();
            if !about.starts_with("owed-") {
                continue;
            }
            let before = told.insert(about, row.delivery.created_at);
            assert!(before.is_none(), "{} was told twice", row.delivery.notification.title);
        }
        self.scene.accounting().await;
        told
    }

    /// Holds what was told against what was owed, and says so.
    async fn judge(&self, what: &str, owed: usize) -> BTreeMap<String, Timestamp> {
        let told = self.told().await;
        println!("{what}: {owed} owed, {} told once, {} lost", told.len(), owed - told.len());
        assert_eq!(told.len(), owed, "{what}");
        told
    }
}

fn owed(number: usize, at: Timestamp) -> Value {
    world::trace(&format!("owed-{number}"), "deleteServer", at)
}

/// R3: however late, in any order, up to five times over.
#[tokio::test]
async fn late_and_repeated_traces_ring_once_each() {
    // Recorded so long before it is shown, and told at the latest so long after.
    const CLASSES: [(u64, u64); 8] = [
        (0, 21 * MINUTE),
        (5, 21 * MINUTE),
        (MINUTE, 21 * MINUTE),
        (14 * MINUTE, 21 * MINUTE),
        (59 * MINUTE, 32 * MINUTE),
        (6 * HOUR, 6 * HOUR + 21 * MINUTE),
        (23 * HOUR, 6 * HOUR + 21 * MINUTE),
        (69 * DAY / 10, 2 * HOUR + 21 * MINUTE),
    ];
    const EACH: usize = 25;
    for trace_clock in [TraceClock::RecordTime, TraceClock::Time] {
        let mut days = Days::new(trace_clock, 20 * MINUTE).await;
        let mut random = fastrand::Rng::with_seed(17);
        let (mut shown, mut when) = (Vec::new(), BTreeMap::new());
        for (number, (late, most)) in CLASSES.iter().flat_map(|class| [class; EACH]).enumerate() {
            let recorded = after(days.now, random.u64(HOUR..30 * HOUR));
            let first = after(recorded, *late);
            when.insert(format!("owed-{number}"), (first, *most));
            for copy in 0..random.u64(1..=5) {
                // A copy has a record of its own a little later, as documented of the cloud.
                let mut trace = owed(number, after(recorded, copy * 7));
                trace["time"] = (recorded.as_millisecond() - random.i64(0..1000)).into();
                shown.push((after(first, copy * random.u64(0..2 * HOUR)), trace));
            }
        }
        let failed = days.pass(9 * DAY, shown).await;
        assert_eq!(failed, 0);
        let told = days.judge(&format!("late and repeated, {trace_clock:?}"), CLASSES.len() * EACH).await;
        for (name, at) in &told {
            let (first, most) = when[name];
            let delay = clock::since(first, *at);
            assert!(delay <= Duration::from_secs(most), "{name}: shown at {first}, told after {delay:?}");
        }
    }
}

/// R4: full pages, one millisecond with many traces, markers that repeat, and a list that grows while it is read.
#[tokio::test]
async fn page_boundaries_and_crowded_milliseconds_lose_nothing() {
    for (what, faults) in [("strict markers", vec![]), ("inclusive markers", vec![Plan::new(Fault::Duplicates)])] {
        let mut days = Days::new(TraceClock::RecordTime, 30).await;
        days.faults = faults;
        let mut number = 0;
        for crowd in [1, 199, 200, 201, 400, 1000] {
            let at = clock::minus(days.now, Duration::from_secs(20));
            days.scene.cloud.handle().add((number..number + crowd).map(|number| owed(number, at)));
            number += crowd;
            // While its pages are read, another one comes between any two of them.
            for _ in 0..7 {
                days.shift();
                days.scene.ingest.step(days.now).await;
                days.scene.cloud.handle().add([owed(number, clock::minus(days.now, Duration::from_secs(3)))]);
                number += 1;
            }
            assert_eq!(days.pass(2 * MINUTE, Vec::new()).await, 0, "{what}");
        }
        days.judge(what, number).await;
    }
}

/// R5: a list that leads in a circle moves nothing, is told, and costs few requests.
#[tokio::test]
async fn a_marker_loop_moves_nothing_and_is_told() {
    let mut days = Days::new(TraceClock::RecordTime, 30).await;
    let begun = days.now;
    let began = clock::minus(begun, Duration::from_secs(850));
    days.scene.left_off(began).await;
    days.faults = vec![Plan::new(Fault::MarkerLoop)];
    let traces = (0..500).map(|number| owed(number, clock::minus(begun, Duration::from_millis(number as u64 * 1690))));
    days.scene.cloud.handle().add(traces);
    let asked = days.scene.cloud.handle().stats().count("/traces", 200);
    let failed = days.pass(20 * MINUTE, Vec::new()).await;
    assert!(failed > 10, "{failed}");
    assert_eq!(days.watermark().await, began, "the watermark moved over what was not read");
    let asked = days.scene.cloud.handle().stats().count("/traces", 200) - asked;
    assert!(asked <= failed as u64 * 3 + 3, "{asked} requests for {failed} failures");
    assert_eq!(days.scene.told("Source prod is blind").await, 1);
    days.faults.clear();
    days.pass(5 * MINUTE, Vec::new()).await;
    days.judge("after a marker loop", 500).await;

    // More in one millisecond than a page, and no way to page through them: said, not passed over.
    let mut days = Days::new(TraceClock::RecordTime, 30).await;
    days.faults = vec![Plan::new(Fault::MarkerLoop)];
    let at = clock::minus(days.now, Duration::from_secs(10));
    days.scene.cloud.handle().add((0..1000).map(|number| owed(number, at)));
    days.pass(5 * MINUTE, Vec::new()).await;
    assert!(days.told().await.len() >= 200);
    assert_eq!(days.scene.told("cannot be read").await + days.scene.told("could not be read").await, 1);
}

/// A re-read that never ends while polls go well: told, and in nobody's way.
#[tokio::test]
async fn a_re_read_that_fails_while_polls_go_well_is_told() {
    let mut days = Days::new(TraceClock::RecordTime, 60).await;
    let begun = days.now;
    days.faults = vec![Plan::new(Fault::MarkerLoop)];
    // Too old for the poll, and more than a page for the wider re-read.
    let late = |number: usize| clock::minus(begun, Duration::from_secs(35 * MINUTE + number as u64 % 180));
    days.scene.cloud.handle().add((0..500).map(|number| owed(number, late(number))));
    let fresh = (500..560).map(|number| {
        let at = after(begun, (number as u64 - 499) * MINUTE);
        (at, owed(number, at))
    });
    days.pass(75 * MINUTE, fresh.collect()).await;
    let told = days.told().await;
    assert!((500..560).all(|number| told.contains_key(&format!("owed-{number}"))), "polls go on");
    assert_eq!(days.scene.told("traces that come late are not read").await, 1);
    days.faults.clear();
    days.pass(9 * MINUTE, Vec::new()).await;
    days.judge("after a re-read that failed for an hour", 560).await;
}

/// R6: whatever the cloud answers in the middle of a window, and for however long.
#[tokio::test]
async fn faults_of_the_cloud_cost_time_and_no_trace() {
    let throttle = |text: &str| Fault::Throttle { retry_after: Some(text.to_owned()) };
    let faults = [
        (Fault::Status(500), 5),
        (Fault::Status(502), 5),
        (Fault::Status(503), 40),
        (Fault::Throttle { retry_after: None }, 5),
        (throttle("7"), 3),
        (throttle("Sun, 06 Nov 1994 08:49:37 GMT"), 3),
        (throttle("garbage"), 3),
        (throttle("-5"), 3),
        (throttle("1000000000"), 1),
        (Fault::Reset, 5),
        (Fault::Truncate, 5),
        (Fault::Html, 5),
        (Fault::HugeTrace(1_000_000), 2),
    ];
    let mut days = Days::new(TraceClock::RecordTime, 30).await;
    let mut number = 0;
    for (fault, times) in faults {
        let name = format!("{fault:?}");
        let (begun, mut before) = (days.now, days.watermark().await);
        let traces =
            (number..number + 300).map(|of| owed(of, clock::minus(begun, Duration::from_millis(of as u64 % 997))));
        days.scene.cloud.handle().add(traces);
        number += 300;
        // The second page of the window and those after it.
        days.shift();
        days.scene.cloud.handle().plan(Plan {
            times: Some(times),
            skip: 1,
            path: "/traces".into(),
            ..Plan::new(fault)
        });
        let mut failures = 0;
        loop {
            match days.scene.ingest.step(days.now).await {
                Step::Page { complete: false, .. } => assert_eq!(days.watermark().await, before, "{name}"),
                // What was read to its end was read: a catch-up goes on from there.
                Step::Page { .. } => before = days.watermark().await,
                Step::Failed { until } => {
                    failures += 1;
                    assert_eq!(days.watermark().await, before, "{name}: moved over what was not read");
                    days.now = until;
                    // Only the clock moves: what is planned goes on.
                    let ahead = days.now.duration_since(clock::now()).as_secs();
                    days.scene.cloud.handle().plan(Plan::new(Fault::DateSeconds(ahead)));
                }
                Step::Idle { until } if failures >= times as usize || name.contains("Huge") => {
                    days.now = until;
                    break;
                }
                Step::Idle { until } => days.now = until,
            }
        }
        days.pass(3 * MINUTE, Vec::new()).await;
        println!(
            "{name}: failed {failures} times, {} later all is read",
            clock::in_words(clock::since(begun, days.now))
        );
        days.judge(&name, number).await;
    }
}

/// R7: tokens that die between two pages, and an IAM that is away for an hour.
#[tokio::test]
async fn logins_that_break_off_cost_no_trace_and_no_storm() {
    let mut days = Days::new(TraceClock::RecordTime, 30).await;
    let handle = days.scene.cloud.handle();
    days.pass(MINUTE, Vec::new()).await;
    let logins = || handle.stats().count("/v3/auth/tokens", 201);
    let before = logins();
    let traces = |from: usize, now: Timestamp| {
        (from..from + 1400).map(move |of| owed(of, clock::minus(now, Duration::from_millis(of as u64 % 997))))
    };
    handle.add(traces(0, days.now));
    handle.plan(Plan { times: Some(1), skip: 2, path: "/traces".into(), ..Plan::new(Fault::ExpireTokens) });
    let mut pages = 0;
    while let Step::Page { .. } = days.scene.ingest.step(days.now).await {
        pages += 1;
    }
    assert!(pages >= 7, "{pages}");
    assert_eq!(logins() - before, 1, "one login for the token that died on the third page");
    days.judge("a token that dies on page 3 of 7", 1400).await;

    let tries = |status| handle.stats().count("/v3/auth/tokens", status);
    handle.add(traces(1400, days.now));
    handle.expire_tokens();
    days.faults = vec![Plan { path: "/auth/tokens".into(), ..Plan::new(Fault::Status(503)) }];
    let failed = days.pass(HOUR, Vec::new()).await;
    assert!(failed > 30 && tries(503) <= 200, "{failed} failures, {} logins in an hour", tries(503));
    assert_eq!(days.scene.told("Source prod is blind").await, 1);
    days.faults.clear();
    days.pass(5 * MINUTE, Vec::new()).await;
    days.judge("IAM away for an hour", 2800).await;
}
