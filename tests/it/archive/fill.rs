//! `tracebell fill-gap` after an outage of ten days. The emulated cloud answers while the command is waited for.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_ten_days_is_filled_and_rings_once() {
    let mut scene = Scene::new(world::RULES).await;
    scene.run(&["status"], 0, &["Gaps", "open", "tracebell fill-gap"]);
    for n in 0..30u32 {
        let at = scene.at(HOUR * (2 * n + 1));
        let traces =
            [world::trace(&format!("d-{n}"), "deleteServer", at), world::trace(&format!("c-{n}"), "createServer", at)];
        scene.deliver(n, &traces).await;
    }
    scene.told().await;
    let dry = scene.run(&["fill-gap", "--dry-run"], 0, &["Gap of prod", "60 traces", "server-deleted", "30 alerts"]);
    assert!(!dry.contains("Filled"), "{dry}");
    // Nobody to ask.
    scene.run(&["fill-gap"], 2, &["nothing was filled", "--digest"]);
    scene.run(&["fill-gap", "--yes"], 0, &["60 traces read", "60 of them new", "30 alerts opened", "late"]);
    let told = scene.told().await;
    let late = told.iter().filter(|told| told["kind"] == "late").count();
    assert_eq!((told.len(), late), (30, 30), "{told:?}");
    scene.run(&["fill-gap"], 0, &["Every gap is filled"]);
    let status = scene.run(&["status"], 0, &["filled", "60 new traces, 30 alerts"]);
    assert!(!status.contains("DOES NOT HOLD"), "{status}");
    let metrics = world::get(&format!("{}/metrics", scene.bridge.address().await)).await.1;
    assert!(metrics.contains("tracebell_source_gaps_filled{source=\"prod\"} 1"), "{metrics}");
    assert!(metrics.contains("tracebell_source_gaps{source=\"prod\"} 0"), "{metrics}");
    assert!(scene.told().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_already_and_what_comes_twice_is_a_duplicate() {
    let mut scene = Scene::new(world::RULES).await;
    let at = scene.at(HOUR * 5);
    let traces = [world::trace("d-1", "deleteServer", at), world::trace("d-2", "deleteServer", at)];
    scene.deliver(1, &traces).await;
    scene.deliver(2, &traces).await;
    // The tracker went on delivering, so an empty stretch is known to be one.
    scene.deliver(3, &[world::trace("after", "createServer", clock::minus(scene.now, DAY))]).await;
    scene.told().await;
    scene.run(
        &["fill-gap", "--from", &scene.at(HOUR).to_string(), "--to", &scene.at(HOUR * 6).to_string()],
        0,
        &["4 traces read", "2 of them new"],
    );
    assert_eq!(scene.told().await.len(), 2);
    scene.run(&["status"], 0, &["open, filled in part"]);
    scene.run(&["fill-gap"], 0, &["0 traces read"]);
    assert_eq!(scene.told().await.len(), 0);
    scene.run(&["fill-gap"], 0, &["Every gap is filled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_of_which_not_all_was_read_stays_open_and_says_why() {
    let mut scene = Scene::new(world::RULES).await;
    scene.deliver(1, &[world::trace("other", "deleteServer", scene.at(HOUR))]).await;
    let good = std::fs::read_to_string(scene.bridge.path("tracebell.yaml")).unwrap();
    let wrong = good.replace("bucket: audit-bucket", "bucket: audit-bucket, prefix: q-");
    assert_ne!(good, wrong);
    scene.told().await;
    world::write(&scene.bridge.path("tracebell.yaml"), &wrong);
    scene.run(&["fill-gap", "--yes"], 1, &["stays open: 1 file of that time", "check `prefix`", "`q-`"]);
    world::write(&scene.bridge.path("tracebell.yaml"), &good);
    // A file that is broken today may be mended.
    let broken = moto::key(scene.at(HOUR * 3), "ECS", 2);
    scene.moto.put(BUCKET, &broken, "[\n{").await;
    scene.run(&["fill-gap", "--yes"], 1, &["1 of them new", "1 file could not be read", "stays open: files of it"]);
    scene.run(&["status"], 0, &["open, filled in part"]);
    let mended = world::trace("mended", "deleteServer", scene.at(HOUR * 2));
    scene.moto.put(BUCKET, &broken, moto::file(&[mended])).await;
    scene.run(&["fill-gap", "--yes"], 0, &["1 of them new"]);
    scene.run(&["fill-gap"], 0, &["Every gap is filled"]);
    // Delivered three days late, after it was closed.
    let late = moto::key(scene.at(DAY * 6), "ECS", 9);
    scene.moto.put(BUCKET, &late, moto::file(&[world::trace("late", "deleteServer", scene.at(DAY * 2))])).await;
    scene.run(&["fill-gap", "--again", "--yes"], 0, &["1 of them new"]);
    assert_eq!(scene.told().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_on_the_project_match_what_comes_from_the_archive() {
    let mut scene = Scene::new(PROJECT).await;
    scene.deliver(1, &[world::trace("d-1", "deleteServer", scene.at(HOUR))]).await;
    scene.told().await;
    scene.run(&["fill-gap", "--yes"], 0, &["1 alert opened"]);
    assert_eq!(scene.told().await.len(), 1);
}

/// Counts over two files, far apart from what is read now.
const GUESSING: &str = r#"
rules:
  - id: guessing
    title: "Password guessing from {{ key.source_ip }}"
    severity: critical
    match: { operation: loginFailed }
    when: { count: { at_least: 6, within: 30m, by: [source_ip] } }
    topics: [security]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_count_do_so_over_files() {
    let mut scene = Scene::new(GUESSING).await;
    for n in 0..6u32 {
        let at = scene.at(HOUR * 7 + Duration::from_secs(u64::from(n) * 240));
        scene.deliver(n, &[world::trace(&format!("f-{n}"), "loginFailed", at)]).await;
    }
    scene.told().await;
    scene.run(&["fill-gap"], 0, &["guessing", "1 alert opened"]);
    let told = scene.told().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["kind"], "late");
}

/// Kills a fill with these arguments up to three times on its way; how often it was.
async fn kill(scene: &Scene, args: &[&str]) -> u32 {
    let store = scene.bridge.store().await;
    let mut reached = scene.at(HOUR);
    let mut kills = 0;
    for _ in 0..3 {
        // Far enough for some of it to be behind it for good.
        reached = clock::plus(reached, HOUR * 6);
        let mut child = scene
            .command(args)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let moved = world::until("it to get on", Duration::from_secs(30), async || {
            if child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let fills = store.fills("prod").await.unwrap();
            let at = fills.iter().map(|fill| fill.part.reached).max()?;
            (at > reached).then(|| {
                reached = at;
                true
            })
        })
        .await;
        child.kill().unwrap();
        child.wait().unwrap();
        kills += u32::from(moved && !store.fills("prod").await.unwrap()[0].done);
    }
    store.close().await;
    assert!(kills > 0, "it was never killed on the way");
    kills
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_loses_and_repeats_nothing() {
    check_killed(|_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_records_without_a_time_loses_and_repeats_nothing() {
    // Such a record is of its file's time.
    check_killed(|trace| {
        let trace = trace.as_object_mut().unwrap();
        trace.remove("time");
        trace.remove("record_time");
    })
    .await;
}

/// Fills a gap of sixty files, of each of which `change` changes every other trace, and is killed meanwhile.
async fn check_killed(change: impl Fn(&mut serde_json::Value)) {
    let mut scene = Scene::new(world::RULES).await;
    const FILES: u32 = 60;
    for n in 0..FILES {
        let at = scene.at(HOUR * (n + 1));
        let mut traces: Vec<_> = (0..20)
            .map(|i| world::trace(&format!("k-{n}-{i}"), "deleteServer", clock::plus(at, Duration::from_secs(i))))
            .collect();
        let uploaded = clock::plus(at, Duration::from_secs(320));
        traces.iter_mut().skip(1).step_by(2).for_each(&change);
        scene.moto.put(BUCKET, &moto::key(uploaded, "ECS", n), moto::file(&traces)).await;
    }
    scene.told().await;
    kill(&scene, &["fill-gap", "--yes"]).await;
    let store = scene.bridge.store().await;
    scene.run(&["fill-gap", "--yes"], 0, &["read from the archive"]);
    let told = scene.told().await;
    let mut servers: Vec<&str> =
        told.iter().map(|told| told["alert"]["key"]["resource.id"].as_str().unwrap()).collect();
    let all = servers.len();
    servers.sort_unstable();
    servers.dedup();
    assert_eq!((servers.len(), all), (FILES as usize * 20, FILES as usize * 20));
    let accounting = store.accounting().await.unwrap();
    assert!(accounting.sources.iter().all(|source| source.balanced()));
    assert!(accounting.subscriptions.iter().all(|account| account.balanced()), "{accounting:?}");
    assert_eq!(accounting.sources[0].counts.matched, u64::from(FILES) * 20);
    scene.run(&["fill-gap"], 0, &["Every gap is filled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_all_of_it_in_one_message_if_wanted() {
    let mut scene = Scene::with(world::RULES, chat).await;
    for n in 0..25u32 {
        let at = scene.at(HOUR * (n + 1));
        scene.deliver(n, &[world::trace(&format!("g-{n}"), "deleteServer", at)]).await;
    }
    scene.told().await;
    scene.run(&["fill-gap", "--digest"], 0, &["25 alerts opened", "in one message for each subscription"]);
    let told = scene.told().await;
    assert_eq!(told.len(), 1, "{told:#?}");
    let text = told[0].to_string();
    assert!(text.contains("Gap filled for security: 25 alerts from 20") && text.contains("They come late"), "{text}");
    let store = scene.bridge.store().await;
    let accounting = store.accounting().await.unwrap();
    assert!(accounting.subscriptions.iter().all(|account| account.balanced()), "{accounting:?}");
    assert_eq!(accounting.subscriptions[0].summarised, 25, "{accounting:?}");
}

/// The webhook becomes a chat.
fn chat(config: String, url: &str) -> String {
    config.replace(&format!("webhook: {{ url: \"{url}\" }}"), "slack: { webhook_url: { file: url } }")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_tells_all_of_it_though_it_was_killed() {
    let mut scene = Scene::with(world::RULES, chat).await;
    const FILES: u32 = 60;
    for n in 0..FILES {
        let at = scene.at(HOUR * (n + 1));
        let traces: Vec<_> = (0..5)
            .map(|i| world::trace(&format!("k-{n}-{i}"), "deleteServer", clock::plus(at, Duration::from_secs(i))))
            .collect();
        scene.deliver(n, &traces).await;
    }
    scene.told().await;
    kill(&scene, &["fill-gap", "--digest", "--yes"]).await;
    let store = scene.bridge.store().await;
    let held = store.accounting().await.unwrap().subscriptions[0].pending;
    assert!(0 < held && held < 5 * u64::from(FILES), "{held} wait for the rest");
    scene.run(&["fill-gap", "--digest", "--yes"], 0, &["in one message for each subscription"]);
    let told = scene.told().await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].to_string().contains(&format!("Gap filled for security: {} alerts", 5 * FILES)), "{told:#?}");
    let accounting = store.accounting().await.unwrap();
    assert!(accounting.subscriptions.iter().all(|account| account.balanced()), "{accounting:?}");
    assert_eq!(accounting.subscriptions[0].summarised, 5 * u64::from(FILES), "{accounting:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_people_can_read_are_read_too() {
    let mut scene = Scene::new(world::RULES).await;
    for (n, ending) in [".json", ".json.gz"].into_iter().enumerate() {
        let n = u32::try_from(n).unwrap();
        let at = scene.at(HOUR * (n + 1));
        let traces = [world::trace(&format!("p-{n}"), "deleteServer", at), world::trace(&format!("q-{n}"), "x", at)];
        let text = serde_json::to_string_pretty(&traces).unwrap();
        let key = moto::key(clock::plus(at, Duration::from_secs(300)), "ECS", n).replace(".json.gz", ending);
        let body = if ending == ".json" { text.into_bytes() } else { moto::packed(&text) };
        scene.moto.put(BUCKET, &key, body).await;
    }
    scene.told().await;
    scene.run(&["fill-gap", "--yes"], 0, &["4 traces read", "4 of them new", "2 alerts opened"]);
    assert_eq!(scene.told().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_whose_files_may_still_come_stays_open_until_somebody_closes_it() {
    let mut scene = Scene::new(world::RULES).await;
    // Another gap, of this morning; the old one is closed first.
    scene.deliver(1, &[world::trace("old", "deleteServer", scene.at(HOUR))]).await;
    scene.run(&["fill-gap", "--yes"], 0, &["1 of them new"]);
    scene.bridge.kill();
    let (from, to) = (clock::minus(scene.now, HOUR * 5), clock::minus(scene.now, HOUR * 3));
    let store = tracebell::store::Sqlite::open(&scene.bridge.path("tracebell.db"), scene.now).await.unwrap();
    let gap = tracebell::checkpoint::Gap { source: "prod".into(), from, to, reason: "a test".into() };
    let batch =
        tracebell::store::IngestBatch { source: "prod".into(), now: scene.now, gaps: vec![gap], ..Default::default() };
    store.commit_ingest(batch).await.unwrap();
    store.close().await;
    scene.start().await;
    let young = clock::plus(from, HOUR);
    let key = |serial| moto::key(clock::plus(young, Duration::from_secs(300)), "ECS", serial);
    scene.moto.put(BUCKET, &key(2), moto::file(&[world::trace("young", "deleteServer", young)])).await;
    let until = tracebell::render::facts::when(clock::plus(to, DAY));
    let hint = format!("give the same command again after {until}");
    scene.run(&["fill-gap", "--yes"], 1, &["1 of them new", "stays open: files of it may still be delivered", &hint]);
    scene.run(&["status"], 0, &["open, filled in part"]);
    // What was there is not read again, what came meanwhile is.
    let late = moto::key(clock::minus(scene.now, HOUR), "ECS", 3);
    scene.moto.put(BUCKET, &late, moto::file(&[world::trace("late", "deleteServer", young)])).await;
    scene.run(&["fill-gap", "--yes"], 1, &["1 trace read", "1 of them new", "stays open"]);
    scene.run(&["fill-gap", "--yes", "--close"], 0, &["0 of them new"]);
    scene.run(&["fill-gap"], 0, &["Every gap is filled"]);
    let status = scene.run(&["status"], 0, &["filled"]);
    assert!(!status.contains("open, filled"), "{status}");
    assert_eq!(scene.told().await.iter().filter(|told| told["alert"].is_object()).count(), 3);
}

/// A second endpoint hears of nothing but notices.
fn with_ops(config: String, url: &str) -> String {
    config
        .replace(
            "endpoints:\n",
            &format!("notices: ops\nendpoints:\n  desk: {{ webhook: {{ url: \"{url}/ops\" }} }}\n"),
        )
        .replace("topics:\n", "topics:\n  ops: [ { endpoint: desk } ]\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fill_has_to_say_is_told_once_and_to_those_who_mend_it() {
    let mut scene = Scene::with(world::RULES, with_ops).await;
    let gap = scene.notices().await;
    assert_eq!(gap.len(), 2, "everybody hears of the gap: {gap:?}");
    for n in 0..6u32 {
        let at = scene.at(HOUR * (n + 1));
        // No trace at all, and one that is no JSON object.
        let file = serde_json::json!([{ "hello": n }, world::trace(&format!("d-{n}"), "deleteServer", at), n]);
        let key = moto::key(clock::plus(at, Duration::from_secs(300)), "ECS", n);
        scene.moto.put(BUCKET, &key, moto::packed(&file.to_string())).await;
    }
    scene.run(&["fill-gap", "--yes"], 0, &["18 traces read", "12 records could not be decoded and lie in quarantine"]);
    let told = scene.notices().await;
    assert_eq!(told, [("hook/ops".to_owned(), "Source prod sent a record that could not be decoded".to_owned())]);
    scene.run(&["fill-gap", "--yes", "--again"], 0, &["0 of them new"]);
    assert_eq!(scene.notices().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_archive_or_a_gap_it_says_so() {
    let mut scene = Scene::new(world::RULES).await;
    scene.told().await;
    scene.run(&["fill-gap", "--source", "nobody"], 2, &["no source `nobody`", "prod"]);
    scene.run(&["fill-gap"], 3, &["holds no trace files"]);
    world::write(&scene.bridge.path("tracebell.yaml"), &world::config("soar", "http://127.0.0.1:9/hook"));
    scene.run(&["fill-gap"], 2, &["no `archive` is configured for prod"]);
}
