//! A gap that is filled while the poller goes on: what waits for it, and for how long.

use tracebell::{
    checkpoint::{Fill as Filled, Part},
    ingest::fill::{self, Closing, Fill, Telling},
    source::archive::{Bucket, Reading},
};

use super::*;
use crate::{
    archive,
    moto::{self, Moto},
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// What comes each day, and is missed when it does not.
const BACKUPS: &str = r#"
rules:
  - id: backup-missing
    title: "No backup of {{ resource.name }}"
    severity: high
    match: { operation: createBackup }
    when: { absent: { for: 24h, by: [resource.name] } }
    topics: [security]
"#;

/// A poller that was down for ten days and reads again, and an archive that knows the three that the cloud forgot.
struct Gap {
    scene: Scene,
    moto: Moto,
    now: Timestamp,
    part: Part,
}

impl Gap {
    async fn new(format: Format, recent: impl IntoIterator<Item = Value>) -> Self {
        let (rules, problems) = rule::load(
            &[("backups.yaml", BACKUPS), ("servers.yaml", world::RULES)]
                .map(|(name, text)| File { name: name.into(), text: text.into() }),
        );
        assert!(problems.is_empty(), "{problems:?}");
        let mut generation = Generation { rules, ..generation() };
        generation.topics.addresses = [("soar".to_owned(), Address::plain(format))].into();
        let moto = Moto::start(archive::BUCKET).await;
        let mut scene = Scene::with(generation, "secret").await;
        scene.cloud.handle().add(recent);
        let now = clock::now();
        scene.left_off(clock::minus(now, DAY * 10)).await;
        scene.read_all(now).await;
        let gap = scene.store.gaps("prod").await.unwrap().remove(0);
        let part = Part { from: gap.from, to: gap.to, reached: gap.from };
        Self { scene, moto, now, part }
    }

    /// In the gap: this long after it began.
    fn at(&self, after: Duration) -> Timestamp {
        clock::plus(self.part.from, after)
    }

    async fn deliver(&self, serial: u32, traces: &[Value]) {
        let last = traces.iter().map(|trace| trace["time"].as_i64().unwrap()).max().unwrap();
        let uploaded = clock::plus(Timestamp::from_millisecond(last).unwrap(), Duration::from_secs(300));
        self.moto.put(archive::BUCKET, &moto::key(uploaded, "ECS", serial), moto::file(traces)).await;
    }

    fn fill(&self, part: Part, telling: Telling) -> Fill<Sqlite> {
        let bucket = Bucket::new(archive::settings(&self.moto.url)).unwrap();
        let reading = Reading::new(bucket, part.from, part.to, self.now).late_by(DAY * 7).uploaded_since(part.reached);
        let generation = self.scene.generation.borrow().clone();
        let (store, by) = (self.scene.store.clone(), "anna".to_owned());
        Fill::new("prod".into(), part, reading, store, generation, telling, by, Closing::Whole)
    }

    async fn fills(&self) -> Vec<Filled> {
        self.scene.store.fills("prod").await.unwrap()
    }

    /// The resources whose backup is missed, as told.
    async fn missed(&self) -> Vec<String> {
        let rows = self.scene.deliveries().await;
        let alerts = rows.iter().filter_map(|row| row.delivery.notification.alert.as_ref());
        alerts.filter_map(|alert| alert.trace.resource.name.clone()).collect()
    }
}

fn backup(of: &str, at: Timestamp) -> Value {
    let mut trace = world::trace(&format!("{of}-{}", at.as_second()), "createBackup", at);
    trace["resource_name"] = of.into();
    trace
}

/// Of `daily` there was a backup every twenty hours, in the gap and after it. Of `once` there was one at the gap's
/// beginning.
async fn backups() -> Gap {
    let now = clock::now();
    let recent = (0..9u32).map(|n| backup("daily", clock::minus(now, HOUR * (20 * n) + Duration::from_secs(60))));
    let gap = Gap::new(Format::Webhook, recent).await;
    assert_eq!(gap.missed().await, Vec::<String>::new());
    for n in 0..4u32 {
        let at = gap.at(HOUR * (20 * n + 1));
        let mut traces = vec![backup("daily", at)];
        if n == 0 {
            traces.push(backup("once", at));
        }
        gap.deliver(n, &traces).await;
    }
    gap
}

/// Steps until the first backups of the gap are stored.
async fn begin(gap: &Gap, fill: &mut Fill<Sqlite>) {
    while gap.fills().await.first().is_none_or(|fill| fill.fresh == 0) {
        assert_eq!(fill.step(gap.now).await.unwrap(), fill::Step::On);
    }
    let reached = gap.fills().await[0].part.reached;
    assert!(reached < gap.at(HOUR * 25), "it is not where the silence of `once` is over: {reached}");
}

#[tokio::test]
async fn silences_wait_for_a_fill_that_may_explain_them_and_are_told_after_it() {
    let mut gap = backups().await;
    let mut fill = gap.fill(gap.part, Telling::Each);
    begin(&gap, &mut fill).await;
    let now = gap.now;
    gap.scene.read_all(after(now, 2)).await;
    assert_eq!(gap.missed().await, Vec::<String>::new(), "the fill may yet bring what is missed");
    while fill.step(now).await.unwrap() == fill::Step::On {}
    assert!(gap.fills().await[0].done);
    gap.scene.read_all(after(now, 4)).await;
    gap.scene.read_all(after(now, 6)).await;
    assert_eq!(gap.missed().await, ["once"]);
    assert_eq!(gap.scene.told("what is missed may lie in a gap").await, 0);
}

#[tokio::test]
async fn silences_do_not_wait_for_ever_for_a_fill_that_stands_still() {
    let mut gap = backups().await;
    let mut fill = gap.fill(gap.part, Telling::Each);
    begin(&gap, &mut fill).await;
    drop(fill);
    let now = gap.now;
    gap.scene.read_all(after(now, 2)).await;
    assert_eq!(gap.missed().await, Vec::<String>::new());
    gap.scene.sql("UPDATE fills SET touched_at = touched_at - 3600000000").await;
    for seconds in [4, 6, 8] {
        gap.scene.read_all(after(now, seconds)).await;
    }
    let mut missed = gap.missed().await;
    missed.sort_unstable();
    assert_eq!(missed, ["daily", "once"], "one of them is wrong, and so people are told");
    assert_eq!(gap.scene.told("what is missed may lie in a gap").await, 1);
}

#[tokio::test]
async fn one_that_left_a_part_open_because_it_is_young_is_not_waited_for() {
    let gap = backups().await;
    let young = Part { to: clock::minus(gap.now, HOUR * 20), ..gap.part };
    let mut fill = gap.fill(young, Telling::Each);
    while fill.step(gap.now).await.unwrap() == fill::Step::On {}
    let fill = gap.fills().await.remove(0);
    assert!(!fill.done && fill.part.reached == fill.part.to && !fill.is_waited_for(gap.now), "{fill:?}");
}

#[tokio::test]
async fn one_message_tells_all_parts_however_long_they_take() {
    let gap = Gap::new(Format::Slack, []).await;
    for n in 0..6u32 {
        let at = gap.at(HOUR * (10 * n + 1));
        gap.deliver(n, &[world::trace(&format!("d-{n}"), "deleteServer", at)]).await;
    }
    let middle = gap.at(HOUR * 30);
    let parts = [Part { to: middle, ..gap.part }, Part { from: middle, reached: middle, ..gap.part }];
    let mut now = gap.now;
    let mut sweep = gap.scene.sweep();
    let digests = async || gap.scene.told("Gap filled").await;
    for (at, part) in parts.into_iter().enumerate() {
        let mut fill = gap.fill(part, Telling::InOne);
        if at == 0 {
            fill = fill.followed();
        }
        loop {
            let step = fill.step(now).await.unwrap();
            if at == 1 && step != fill::Step::On {
                break;
            }
            // Files come slowly: each takes longer than a minute.
            now = after(now, 70);
            sweep.step(now).await.unwrap();
            assert_eq!(digests().await, 0, "part {at}, {:?} after the beginning", clock::since(gap.now, now));
            if step != fill::Step::On {
                break;
            }
        }
    }
    assert!(clock::since(gap.now, now) > Duration::from_secs(600));
    sweep.step(after(now, 1)).await.unwrap();
    assert_eq!(digests().await, 1);
    let rows = gap.scene.deliveries().await;
    let told = rows.iter().find(|row| row.delivery.notification.title.contains("Gap filled")).unwrap();
    assert!(told.delivery.notification.title.contains("6 alerts"), "{}", told.delivery.notification.title);
    gap.scene.accounting().await;
}

#[tokio::test]
async fn how_far_it_is_is_stored_each_minute_also_where_nothing_is() {
    let gap = Gap::new(Format::Webhook, []).await;
    for n in 0..12u32 {
        // Of another time than the gap's: nothing of them is stored.
        let mut file = gap.at(HOUR * n);
        file = clock::plus(file, Duration::from_secs(60));
        let early = world::trace(&format!("e-{n}"), "deleteServer", clock::minus(gap.part.from, HOUR));
        gap.moto.put(archive::BUCKET, &moto::key(file, "ECS", n), moto::file(&[early])).await;
    }
    let mut fill = gap.fill(gap.part, Telling::Each);
    let mut now = gap.now;
    for _ in 0..15 {
        fill.step(now).await.unwrap();
        assert_eq!(gap.fills().await[0].at, now);
        now = after(now, 61);
    }
    let fills = gap.fills().await;
    assert!(fills[0].part.reached >= gap.at(HOUR * 5), "{fills:?}");
    assert_eq!((fills[0].traces, fills[0].done), (0, false));
}
