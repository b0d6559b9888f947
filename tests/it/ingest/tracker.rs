//! The tracker of a source is watched: switched off, deleted, changed, and mended.

use serde_json::json;
use tracebell::{
    alert::Severity,
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

    fn enabled(&self) -> i64 {
        let label = tracebell::metrics::SourceLabel { source: "prod".into() };
        self.metrics.tracker_enabled.get_or_create(&label).get()
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
    let trackers = Trackers::new(&credentials(&scene.cloud, "secret"), None).unwrap();
    let (committed, _) = watch::channel(());
    let (generation, every) = (scene.generation.subscribe(), Duration::from_secs(300));
    let (name, tracker) = ("prod".to_owned(), "system".to_owned());
    let (store, metrics, board) = (scene.store.clone(), metrics.clone(), Board::default());
    TrackerWatch::new(name, tracker, every, trackers, store, generation, committed, metrics, board)
}

#[tokio::test]
async fn a_tracker_that_is_switched_off_is_told_once_and_so_is_its_return() {
    let mut watched = Watched::new().await;
    watched.create().await;
    assert_eq!((watched.look().await, watched.enabled()), (0, 1));
    assert!(matches!(watched.watch.step(watched.now).await, Step::Idle { .. }));
    watched.change(&[("status", json!("disabled"))]).await;
    assert_eq!((watched.look().await, watched.enabled()), (1, 0));
    let (severity, title, text) = watched.newest().await;
    assert_eq!(
        (severity, title.as_str()),
        (Severity::Critical, "The tracker of source prod is disabled: nothing is recorded")
    );
    assert!(text.contains("status: enabled -> disabled") && text.contains("--status enabled"), "{text}");
    assert_eq!(watched.look().await + watched.look().await, 0);
    watched.change(&[("status", json!("enabled"))]).await;
    assert_eq!((watched.look().await, watched.enabled()), (1, 1));
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
    watched.scene.restart().await;
    watched.watch = watch_of(&watched.scene, &watched.metrics);
    assert_eq!(watched.look().await, 1);
    let (severity, title, text) = watched.newest().await;
    assert_eq!((severity, title.as_str()), (Severity::High, "The tracker of source prod was changed"));
    assert!(text.contains("bucket: audit-bucket -> evil-bucket") && text.contains("validate: off -> on"), "{text}");
    watched.person.delete("system", clock::now()).await.unwrap();
    watched.scene.restart().await;
    watched.watch = watch_of(&watched.scene, &watched.metrics);
    assert_eq!((watched.look().await, watched.enabled()), (1, 0));
    assert!(watched.newest().await.2.contains("tracker create --bucket evil-bucket"));
    watched.scene.restart().await;
    watched.watch = watch_of(&watched.scene, &watched.metrics);
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
        watched.scene.cloud.handle().clear_faults();
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
    let forbidden = Plan { path: "/trackers".into(), ..Plan::new(Fault::Status(403)) };
    watched.scene.cloud.handle().plan(forbidden);
    assert_eq!((watched.look().await, watched.look().await), (1, 0));
    let (severity, title, text) = watched.newest().await;
    assert_eq!((severity, title.as_str()), (Severity::Low, "The tracker of source prod cannot be looked at"));
    assert!(text.contains("CTS ReadOnlyAccess") && text.contains("watch_tracker: off"), "{text}");
    watched.scene.cloud.handle().clear_faults();
    assert_eq!((watched.look().await, watched.look().await), (1, 0));
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
