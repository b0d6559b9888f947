//! The tracker of a source is watched: switched off, deleted, changed, and mended.

use serde_json::json;
use tracebell::{
    alert::Severity,
    cloud::budget::{Allowance, Budget},
    ingest::tracker::{Step, TrackerWatch},
    source::tracker::{Trackers, Wish, settings::Values},
};

use super::*;

/// A scene, and a person who changes the tracker.
struct Watched {
    scene: Scene,
    watch: TrackerWatch<Sqlite>,
    person: Trackers,
    metrics: Metrics,
    now: Timestamp,
}

impl Watched {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let person = Trackers::new(&credentials(&scene.cloud, "secret"), None).unwrap();
        let (metrics, _) = Metrics::new();
        let watch = watch_of(&scene, &metrics);
        Self { scene, watch, person, metrics, now: clock::now() }
    }

    async fn create(&mut self) {
        self.person.create("system", &wish(&[("bucket", json!("audit-bucket"))]), clock::now()).await.unwrap();
    }

    async fn change(&mut self, values: &[(&'static str, serde_json::Value)]) {
        self.person.update("system", &wish(values), clock::now()).await.unwrap();
    }

    /// Looks until everything that is there to be found is told.
    async fn look(&mut self) -> usize {
        self.now = after(self.now, 300);
        match self.watch.step(self.now).await {
            Step::Looked { told } => told,
            Step::Suspected { until } => {
                self.now = until;
                match self.watch.step(until).await {
                    Step::Looked { told } => told,
                    step => panic!("expected the second look to confirm, found {step:?}"),
                }
            }
            step => panic!("expected a look, found {step:?}"),
        }
    }

    /// What `/metrics` says; nothing where it is not known.
    fn enabled(&self) -> Option<i64> {
        let label = tracebell::metrics::SourceLabel { source: "prod".into() };
        self.metrics.tracker_enabled.get(&label).map(|gauge| gauge.get())
    }

    /// Looks in vain until `minutes` have gone by.
    async fn look_in_vain(&mut self, minutes: u64) {
        let end = after(self.now, 60 * minutes);
        while self.now < end {
            match self.watch.step(self.now).await {
                Step::Failed { until } => self.now = until,
                Step::Idle { until } => self.now = until,
                step => panic!("expected a failure, found {step:?}"),
            }
        }
    }

    /// A new process with the same state.
    async fn restart(&mut self) {
        self.scene.restart().await;
        self.watch = watch_of(&self.scene, &self.metrics);
    }

    /// Severity, title and text of the newest notice.
    async fn newest(&self) -> (Severity, String, String) {
        let notification = self.scene.deliveries().await.last().unwrap().delivery.notification.clone();
        (notification.severity, notification.title.clone(), format!("{notification:?}"))
    }
}

fn wish(values: &[(&'static str, serde_json::Value)]) -> Wish {
    Wish { values: values.iter().cloned().collect::<Values>(), ..Wish::default() }
}

fn watch_of(scene: &Scene, metrics: &Metrics) -> TrackerWatch<Sqlite> {
    watch_with(scene, metrics, None, Duration::from_secs(300), &Board::default())
}

fn watch_with(
    scene: &Scene,
    metrics: &Metrics,
    budget: Option<&Arc<Budget>>,
    every: Duration,
    board: &Board,
) -> TrackerWatch<Sqlite> {
    let trackers = Trackers::new(&credentials(&scene.cloud, "secret"), None).unwrap();
    let trackers = match budget {
        Some(budget) => trackers.within(Arc::clone(budget)),
        None => trackers,
    };
    let (committed, _) = watch::channel(());
    let generation = scene.generation.subscribe();
    let (name, tracker) = ("prod".to_owned(), "system".to_owned());
    let (store, metrics, board) = (scene.store.clone(), metrics.clone(), board.clone());
    TrackerWatch::new(name, tracker, every, trackers, store, generation, committed, metrics, board)
}

#[tokio::test]
async fn a_tracker_that_is_switched_off_is_told_once_and_so_is_its_return() {
    let mut watched = Watched::new().await;
    watched.create().await;
    assert_eq!((watched.look().await, watched.enabled()), (0, Some(1)));
    assert!(matches!(watched.watch.step(watched.now).await, Step::Idle { .. }));
    watched.change(&[("status", json!("disabled"))]).await;
    assert_eq!((watched.look().await, watched.enabled()), (1, Some(0)));
    let (severity, title, text) = watched.newest().await;
    assert_eq!(
        (severity, title.as_str()),
        (Severity::Critical, "The tracker of source prod is disabled: nothing is recorded")
    );
    assert!(text.contains("status: enabled -> disabled") && text.contains("--status enabled"), "{text}");
    assert_eq!(watched.look().await + watched.look().await, 0);
    watched.change(&[("status", json!("enabled"))]).await;
    assert_eq!((watched.look().await, watched.enabled()), (1, Some(1)));
    assert_eq!(watched.newest().await.0, Severity::Info);
    watched.change(&[("status", json!("disabled"))]).await;
    assert_eq!(watched.look().await, 1, "the second time is told too");
    assert_eq!(watched.scene.told("is disabled").await, 2);
}

#[tokio::test]
async fn what_was_changed_while_nobody_looked_is_told_at_the_next_start() {
    let mut watched = Watched::new().await;
    watched.create().await;
    watched.look().await;
    watched.change(&[("bucket", json!("evil-bucket")), ("validate", json!(true))]).await;
    watched.restart().await;
    assert_eq!(watched.look().await, 1);
    let (severity, title, text) = watched.newest().await;
    assert_eq!((severity, title.as_str()), (Severity::High, "The tracker of source prod was changed"));
    assert!(text.contains("bucket: audit-bucket -> evil-bucket") && text.contains("validate: off -> on"), "{text}");
    watched.person.delete("system", clock::now()).await.unwrap();
    watched.restart().await;
    assert_eq!((watched.look().await, watched.enabled()), (1, Some(0)));
    assert!(watched.newest().await.2.contains("tracker create --bucket evil-bucket"));
    watched.restart().await;
    assert_eq!(watched.look().await, 0, "told once, also over a restart");
}

#[tokio::test]
async fn a_fault_that_passes_is_no_alarm() {
    let mut watched = Watched::new().await;
    watched.create().await;
    watched.look().await;
    for fault in [Fault::Status(503), Fault::Throttle { retry_after: None }, Fault::Html, Fault::Truncate, Fault::Reset]
    {
        watched.scene.cloud.handle().plan(Plan { times: Some(1), path: "/trackers".into(), ..Plan::new(fault) });
        watched.now = after(watched.now, 300);
        let step = watched.watch.step(watched.now).await;
        let Step::Failed { until } = step else { panic!("expected a failure, found {step:?}") };
        assert!(until > watched.now);
        assert_eq!(watched.enabled(), None, "what was seen last is not known any more");
        watched.scene.cloud.handle().clear_faults();
        assert_eq!((watched.look().await, watched.enabled()), (0, Some(1)));
    }
    // Off for a moment only: the second look does not find it.
    watched.change(&[("status", json!("disabled"))]).await;
    watched.now = after(watched.now, 300);
    let Step::Suspected { until } = watched.watch.step(watched.now).await else { panic!("expected a suspicion") };
    assert_eq!(watched.scene.deliveries().await.len(), 0);
    watched.change(&[("status", json!("enabled"))]).await;
    assert_eq!(watched.watch.step(until).await, Step::Looked { told: 0 });
    watched.now = until;
    assert_eq!((watched.look().await, watched.scene.deliveries().await.len()), (0, 0));
}

#[tokio::test]
async fn a_missing_permission_is_told_once() {
    let mut watched = Watched::new().await;
    watched.create().await;
    assert_eq!((watched.look().await, watched.enabled()), (0, Some(1)));
    let forbidden = Plan { path: "/trackers".into(), ..Plan::new(Fault::Status(403)) };
    watched.scene.cloud.handle().plan(forbidden);
    assert_eq!((watched.look().await, watched.look().await, watched.enabled()), (1, 0, None));
    let (severity, title, text) = watched.newest().await;
    assert_eq!((severity, title.as_str()), (Severity::Low, "The tracker of source prod cannot be looked at"));
    assert!(text.contains("CTS ReadOnlyAccess") && text.contains("watch_tracker: off"), "{text}");
    watched.scene.cloud.handle().clear_faults();
    assert_eq!((watched.look().await, watched.look().await, watched.enabled()), (1, 0, Some(1)));
}

#[tokio::test]
async fn looks_that_fail_for_an_hour_are_told_once_whatever_restarts() {
    let mut watched = Watched::new().await;
    watched.create().await;
    watched.look().await;
    let told = async |watched: &Watched| {
        (watched.scene.told("could not be looked at").await, watched.scene.told("can be looked at again").await)
    };
    let down = Plan { path: "/trackers".into(), ..Plan::new(Fault::Status(503)) };
    watched.scene.cloud.handle().plan(down);
    watched.now = after(watched.now, 300);
    // No start of the process lasts an hour.
    watched.look_in_vain(40).await;
    watched.restart().await;
    watched.look_in_vain(15).await;
    assert_eq!(told(&watched).await, (0, 0));
    watched.restart().await;
    watched.look_in_vain(15).await;
    assert_eq!(told(&watched).await, (1, 0));
    let (severity, title, text) = watched.newest().await;
    assert_eq!(
        (severity, title.as_str()),
        (Severity::Medium, "The tracker of source prod could not be looked at for an hour")
    );
    assert!(text.contains("answered 503") && text.contains("tracebell doctor"), "{text}");
    watched.look_in_vain(120).await;
    watched.restart().await;
    watched.look_in_vain(120).await;
    assert_eq!(told(&watched).await, (1, 0), "a second start does not repeat it");
    watched.restart().await;
    watched.scene.cloud.handle().clear_faults();
    watched.change(&[("bucket", json!("evil-bucket"))]).await;
    assert_eq!((watched.look().await, watched.enabled()), (2, Some(1)), "it is over, and what was changed meanwhile");
    assert_eq!(told(&watched).await, (1, 1));
    watched.restart().await;
    assert_eq!((watched.look().await, told(&watched).await), (0, (1, 1)));
}

#[tokio::test]
async fn a_watch_that_waits_for_its_turn_at_the_host_gives_signs_of_life() {
    let mut watched = Watched::new().await;
    watched.create().await;
    let budget = Budget::new(Allowance { per_second: 1000, at_once: 1 });
    let host = budget.host(&watched.scene.cloud.url());
    let taken = host.turn(clock::now()).await;
    let board = Board::default();
    let every = Duration::from_millis(10);
    let watch = watch_with(&watched.scene, &watched.metrics, Some(&budget), every, &board);
    let stop = CancellationToken::new();
    let running = tokio::spawn(watch.run(stop.clone()));
    let task = TrackerWatch::<Sqlite>::task("prod");
    // It gives one before its first look, too: only a beat while it waits clears all of them.
    for beat in 0..20 {
        board.trouble(&task, "no sign of life", clock::now());
        world::until(&format!("beat {beat}"), Duration::from_secs(20), async || {
            board.check(clock::now()).ready.then_some(())
        })
        .await;
    }
    assert_eq!(watched.enabled(), None, "it still waits");
    drop(taken);
    world::until("a look", Duration::from_secs(20), async || watched.enabled()).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn each_request_of_a_look_has_a_turn_of_its_own_and_patience_is_kept() {
    let mut watched = Watched::new().await;
    watched.create().await;
    let handle = watched.scene.cloud.handle();
    let budget = Budget::new(Allowance { per_second: 4, at_once: 1 });
    let mut trackers =
        Trackers::new(&credentials(&watched.scene.cloud, "secret"), None).unwrap().within(Arc::clone(&budget));
    // v3 is not there, so v1 is asked too: the second request waits for its turn.
    handle.plan(Plan { path: "/trackers".into(), ..Plan::new(Fault::Code("CTS.0100".into())) });
    let begun = clock::now();
    trackers.look("system", begun).await.unwrap();
    assert!(clock::since(begun, clock::now()) >= Duration::from_millis(250));
    handle.clear_faults();
    let throttle = Fault::Throttle { retry_after: Some("3".into()) };
    handle.plan(Plan { times: Some(1), path: "/tracker".into(), ..Plan::new(throttle) });
    trackers.look("system", clock::now()).await.unwrap_err();
    // Whoever asks there waits.
    let asked = clock::now();
    let host = budget.host(&watched.scene.cloud.url());
    let turn = host.turn(asked).await;
    assert!(clock::since(asked, turn.now) >= Duration::from_millis(1500), "{asked} {}", turn.now);
}

#[tokio::test]
async fn a_source_that_never_had_a_tracker_nor_a_trace_is_told_of_quietly() {
    let mut watched = Watched::new().await;
    let now = watched.now;
    watched.scene.read_all(now).await;
    assert_eq!(watched.look().await + watched.look().await, 0);
    assert_eq!(watched.look().await, 1);
    assert_eq!(watched.newest().await.0, Severity::Low);
    assert_eq!(watched.look().await, 0);

    let mut watched = Watched::new().await;
    let now = watched.now;
    watched.scene.cloud.handle().add([world::trace("t1", "startServer", now)]);
    watched.scene.read_all(after(now, 2)).await;
    assert_eq!(watched.look().await + watched.look().await + watched.look().await + watched.look().await, 0);
}
