//! `tracebell backtest --archive`.

use super::*;

/// A folder with a configuration whose source has an archive at `moto`; nobody else answers.
fn place(moto: &Moto) -> Bridge {
    let bridge = Bridge::new("http://127.0.0.1:9", &config(&moto.url, "http://127.0.0.1:9/hook"), world::RULES);
    for name in ["ak", "sk"] {
        world::write(&bridge.path(name), "test");
    }
    bridge
}

#[track_caller]
fn run(bridge: &Bridge, args: &[&str], code: i32, expected: &[&str]) -> String {
    let output = bridge.command(args).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{text}");
    for part in expected {
        assert!(text.contains(part), "`{part}` is missing after {args:?}:\n{text}");
    }
    if args.contains(&"json") { report } else { text }
}

#[tokio::test]
async fn rules_are_tried_on_months_of_files_and_what_came_twice_counts_once() {
    let moto = Moto::start(BUCKET).await;
    let bridge = place(&moto);
    let now = clock::now();
    for (n, days) in [60, 45, 30, 9].into_iter().enumerate() {
        let n = u32::try_from(n).unwrap();
        let at = clock::minus(now, DAY * days);
        let traces =
            [world::trace(&format!("b-{n}"), "deleteServer", at), world::trace(&format!("c-{n}"), "createServer", at)];
        let uploaded = clock::plus(at, Duration::from_secs(300));
        moto.put(BUCKET, &moto::key(uploaded, "ECS", n), moto::file(&traces)).await;
        moto.put(BUCKET, &moto::key(uploaded, "ECS", 100 + n), moto::file(&traces)).await;
    }
    run(
        &bridge,
        &["backtest", "--archive=all", "--since", "90d"],
        0,
        &["8 traces read", "seen before", "server-deleted"],
    );
    let json = run(&bridge, &["backtest", "--archive=all", "--since", "50d", "--output", "json"], 0, &[]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&report["traces"], &report["alerts"], &report["read"]["duplicates"]),
        (&6.into(), &3.into(), &6.into())
    );
    let (from, to) = (clock::minus(now, DAY * 46).to_string(), clock::minus(now, DAY * 29).to_string());
    let json = run(&bridge, &["backtest", "--archive", "--from", &from, "--to", &to, "--output", "json"], 0, &[]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["alerts"], 2);
    run(&bridge, &["backtest", "--since", "90d"], 2, &["add `--archive`"]);
    run(&bridge, &["backtest", "--archive", "--from", &to, "--to", &from], 2, &["the span is empty"]);
    world::write(&bridge.path("tracebell.yaml"), &world::config("soar", "http://127.0.0.1:9/hook"));
    run(&bridge, &["backtest", "--archive", "--since", "90d"], 2, &["source `prod` has no archive", "docs/archive.md"]);
}

// The emulated cloud answers while the command is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn the_archive_leads_up_to_where_the_trace_list_begins() {
    let (moto, cloud) = (Moto::start(BUCKET).await, world::cloud().await);
    let bridge = Bridge::new(&cloud.url(), &config(&moto.url, "http://127.0.0.1:9/hook"), world::RULES);
    for name in ["ak", "sk"] {
        world::write(&bridge.path(name), "test");
    }
    let now = clock::now();
    for days in 1..20u32 {
        let at = clock::minus(now, DAY * days + HOUR);
        let trace = world::trace(&format!("both-{days}"), "deleteServer", at);
        moto.put(
            BUCKET,
            &moto::key(clock::plus(at, Duration::from_secs(300)), "ECS", days),
            moto::file(std::slice::from_ref(&trace)),
        )
        .await;
        if days < 7 {
            cloud.handle().add([trace]);
        }
    }
    let json = run(&bridge, &["backtest", "--archive", "--since", "30d", "--output", "json"], 0, &[]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["traces"], &report["alerts"]), (&19.into(), &19.into()), "{json}");
    let from = report["read"]["from"].as_str().unwrap();
    assert!(from.contains("archive") && from.contains("trace list"), "{from}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_on_the_project_match_what_comes_from_the_archive() {
    let (moto, cloud) = (Moto::start(BUCKET).await, world::cloud().await);
    let bridge = Bridge::new(&cloud.url(), &config(&moto.url, "http://127.0.0.1:9/hook"), PROJECT);
    for name in ["ak", "sk"] {
        world::write(&bridge.path(name), "test");
    }
    // The configuration names the project by its id: its name only the cloud knows.
    let clouds = std::fs::read_to_string(bridge.path("clouds.yaml")).unwrap();
    let id = cloud.handle().projects()[0].1.clone();
    let by_id = clouds.replace("project_name: eu-de", &format!("project_id: {id}"));
    assert_ne!(clouds, by_id);
    world::write(&bridge.path("clouds.yaml"), &by_id);
    let at = clock::minus(clock::now(), DAY * 20);
    let key = moto::key(clock::plus(at, Duration::from_secs(300)), "ECS", 1);
    moto.put(BUCKET, &key, moto::file(&[world::trace("d-1", "deleteServer", at)])).await;
    let args = ["backtest", "--archive=all", "--since", "30d"];
    let text = run(&bridge, &args, 0, &["1 trace read", "1 matched"]);
    assert!(!text.contains("warning"), "{text}");
    // A cloud that does not answer costs no backtest, and it is said what that means.
    drop(cloud);
    run(&bridge, &args, 0, &["1 trace read", "0 matched", "does not say which project", "`project.name`"]);
}

/// Peak of the resident memory of a process, in MB, as long as it runs.
fn peak(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[tokio::test]
async fn memory_does_not_grow_with_the_length_of_the_past() {
    const FILES: u32 = 200;
    const TRACES: u32 = 500;
    let moto = Moto::start(BUCKET).await;
    let bridge = place(&moto);
    let begin: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    for file in 0..FILES {
        let at = clock::plus(begin, Duration::from_secs(u64::from(file) * 300));
        let of_file = |n: u32| {
            let time = clock::plus(at, Duration::from_millis(u64::from(n) * 600));
            let mut trace = world::trace(&format!("m-{file}-{n}"), "createServer", time);
            trace["request"] = format!("{{\"name\":\"{}\"}}", "x".repeat(600)).into();
            trace
        };
        let traces: Vec<_> = (0..TRACES).map(of_file).collect();
        moto.put(BUCKET, &moto::key(clock::plus(at, Duration::from_secs(400)), "ECS", file), moto::file(&traces)).await;
    }
    let end = clock::plus(begin, Duration::from_secs(u64::from(FILES) * 300)).to_string();
    let args = ["backtest", "--archive=all", "--from", "2026-03-01T00:00:00Z", "--to", &end, "--output", "json"];
    let out = std::fs::File::create(bridge.path("report.json")).unwrap();
    let started = std::time::Instant::now();
    let mut child = bridge.command(&args).stdout(out).spawn().unwrap();
    let mut most = 0;
    world::until("the report", Duration::from_secs(600), async || {
        most = most.max(peak(child.id()).unwrap_or(0));
        child.try_wait().unwrap()
    })
    .await;
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(bridge.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["traces"], u64::from(FILES * TRACES));
    let raw = u64::from(FILES * TRACES) * 1100 / 1_000_000;
    println!(
        "{} traces (about {raw} MB) in {FILES} files: {most} MB resident at most, {:?}",
        FILES * TRACES,
        started.elapsed()
    );
    assert!(most < 160, "{most} MB");
}
