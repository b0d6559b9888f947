//! `tracebell traces export` against the emulated cloud: whole, in order, each trace once, also after a kill.

use std::{
    collections::HashSet,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tracebell::{
    clock::{self, Timestamp},
    emulator::{
        Emulator,
        fault::{Fault, Plan},
    },
};

use crate::world::{self, until};

const MINUTE: u64 = 60;

/// A cloud with so many traces over the last days, one in ten recorded twice, and a folder for files.
struct Scene {
    cloud: Emulator,
    folder: tempfile::TempDir,
    count: usize,
}

impl Scene {
    async fn new(count: usize, days: u64) -> Self {
        let cloud = world::cloud().await;
        let (now, step) = (clock::now(), days * 24 * 3600 * 1000 / count as u64);
        let at = |ms: u64| clock::minus(now, Duration::from_millis(1 + ms));
        let traces = (0..count as u64).flat_map(|i| {
            let first = world::trace(&format!("t{i}"), "deleteServer", at(i * step));
            let again = (i % 10 == 0).then(|| world::trace(&format!("t{i}"), "deleteServer", at(i * step + 7_200_000)));
            std::iter::once(first).chain(again)
        });
        cloud.handle().add(traces);
        Self { cloud, folder: tempfile::tempdir().unwrap(), count }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = world::tracebell();
        command
            .current_dir(self.folder.path())
            .args(["traces", "export"])
            .args(arguments.split_whitespace())
            .env_clear()
            .envs([
                ("OS_AUTH_URL", format!("{}/v3", self.cloud.url())),
                ("OS_USERNAME", "alice".to_owned()),
                ("OS_PASSWORD", "secret".to_owned()),
                ("OS_USER_DOMAIN_NAME", "OTC00000000001000000001".to_owned()),
                ("OS_PROJECT_NAME", "eu-de".to_owned()),
                ("OS_REGION_NAME", "eu-de".to_owned()),
            ])
            .stdin(Stdio::null());
        command
    }

    /// Exit code, output, errors.
    async fn export(&self, arguments: &str) -> (i32, String, String) {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Every trace once, oldest first.
    #[track_caller]
    fn check_whole(&self, records: &[Value]) {
        let ids: HashSet<&str> = records.iter().map(|record| record["id"].as_str().unwrap()).collect();
        assert_eq!((records.len(), ids.len()), (self.count, self.count));
        let hours: Vec<Timestamp> =
            records.iter().map(|record| record["time"].as_str().unwrap().parse().unwrap()).collect();
        assert!(hours.is_sorted(), "oldest first");
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The most memory a running process ever held, in MiB.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_holds_every_trace_once() {
    let scene = Scene::new(600, 3).await;
    let (code, out, errors) = scene.export("--since 4d --out audit.ndjson.gz").await;
    assert!(code == 0 && out.contains("600 traces"), "{out}{errors}");
    scene.check_whole(&lines(&unpacked(&scene.path("audit.ndjson.gz"))));
    let (code, _, errors) = scene.export("--since 4d --out audit.json").await;
    assert_eq!(code, 0, "{errors}");
    let text = std::fs::read_to_string(scene.path("audit.json")).unwrap();
    scene.check_whole(&serde_json::from_str::<Vec<Value>>(&text).unwrap());
    let (code, _, errors) = scene.export("--since 4d --out audit.csv").await;
    assert_eq!(code, 0, "{errors}");
    let text = std::fs::read_to_string(scene.path("audit.csv")).unwrap();
    assert_eq!((text.split("\r\n").count(), text.starts_with("time,record_time,rating,")), (602, true));
    assert_eq!(scene.names(), ["audit.csv", "audit.json", "audit.ndjson.gz"], "nothing is left beside them");
    // Nothing fits: still a file, and a good one.
    let (code, out, _) = scene.export("--since 1h --user nobody --out none.json.gz").await;
    assert!(code == 0 && out.contains("0 traces"), "{out}");
    assert_eq!(serde_json::from_str::<Vec<Value>>(&unpacked(&scene.path("none.json.gz"))).unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_export_goes_on_where_it_was() {
    let scene = Scene::new(4000, 5).await;
    let wish = "--since 6d --out audit.ndjson.gz";
    let slow = Plan { path: "/traces".into(), ..Plan::new(Fault::LatencyMs(15)) };
    scene.cloud.handle().plan(slow);
    let state = scene.path("audit.ndjson.gz.part.state");
    for kill in 1..=4_u64 {
        let mut child = scene.command(wish).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let enough = 600 * kill;
        until("some traces", Duration::from_secs(60), async || {
            let state: Value = serde_json::from_slice(&std::fs::read(&state).ok()?).ok()?;
            (state["traces"].as_u64()? >= enough).then_some(())
        })
        .await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!scene.path("audit.ndjson.gz").exists(), "an unfinished file has no name");
        // What a start wrote without having noted it is not counted.
        let part = scene.path("audit.ndjson.gz.part");
        let mut bytes = std::fs::read(&part).unwrap();
        bytes.extend_from_slice(b"torn");
        std::fs::write(&part, bytes).unwrap();
    }
    scene.cloud.handle().clear_faults();
    let (code, _, errors) = scene.export("--since 6d --service IAM --out audit.ndjson.gz").await;
    assert!(code == 2 && errors.contains("belongs to another export"), "{errors}");
    let (code, out, errors) = scene.export(wish).await;
    assert!(code == 0 && errors.contains("going on at") && out.contains("4,000 traces"), "{out}{errors}");
    scene.check_whole(&lines(&unpacked(&scene.path("audit.ndjson.gz"))));
    assert_eq!(scene.names(), ["audit.ndjson.gz"]);
    let (code, _, errors) = scene.export(wish).await;
    assert!(code == 2 && errors.contains("is there already") && errors.contains("--overwrite"), "{errors}");
    assert_eq!(scene.names(), ["audit.ndjson.gz"]);
    assert_eq!(scene.export(&format!("{wish} --overwrite")).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_patient() {
    let scene = Scene::new(300, 2).await;
    let handle = scene.cloud.handle();
    let soon = || Fault::Throttle { retry_after: Some("0".to_owned()) };
    for (fault, skip) in [(soon(), 3), (Fault::Status(503), 9), (Fault::ExpireTokens, 14), (Fault::Truncate, 20)] {
        handle.plan(Plan { fault, times: Some(1), skip, path: "/traces".into() });
    }
    let (code, _, errors) = scene.export("--since 3d --out audit.ndjson").await;
    assert_eq!(code, 0, "{errors}");
    scene.check_whole(&lines(&std::fs::read_to_string(scene.path("audit.ndjson")).unwrap()));
    // A refusal is no matter of patience; what was written stays.
    handle.plan(Plan { fault: Fault::Status(403), times: None, skip: 5, path: "/traces".into() });
    let (code, _, errors) = scene.export("--since 3d --out refused.ndjson").await;
    assert!(code == 3 && errors.contains("CTS ReadOnlyAccess") && errors.contains("goes on from there"), "{errors}");
    handle.clear_faults();
    let (code, _, errors) = scene.export("--since 3d --out refused.ndjson").await;
    assert_eq!(code, 0, "{errors}");
    scene.check_whole(&lines(&std::fs::read_to_string(scene.path("refused.ndjson")).unwrap()));
}

/// An export that stopped after a few windows; its state.
async fn interrupted(scene: &Scene) -> Value {
    let handle = scene.cloud.handle();
    handle.plan(Plan { fault: Fault::Status(403), times: None, skip: 40, path: "/traces".into() });
    let (code, _, errors) = scene.export("--since 6d --out audit.ndjson").await;
    assert!(code == 3 && errors.contains("goes on from there"), "{errors}");
    handle.clear_faults();
    serde_json::from_slice(&std::fs::read(scene.path("audit.ndjson.part.state")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cloud_forgot_before_an_export_went_on_is_told_as_a_gap() {
    let scene = Scene::new(400, 5).await;
    let mut state = interrupted(&scene).await;
    // As if that had been a day and an hour and a half ago.
    let next = clock::minus(clock::now(), Duration::from_secs(7 * 24 * 3600 + 90 * MINUTE));
    state["next"] = serde_json::json!(next);
    state["asked"]["from"] = state["next"].clone();
    std::fs::write(scene.path("audit.ndjson.part.state"), state.to_string()).unwrap();
    let begun = clock::now();
    let (code, out, errors) = scene.export("--since 6d --out audit.ndjson").await;
    assert!(code == 1 && out.contains("400 traces"), "{code} {out}{errors}");
    let gaps: Vec<&str> = errors.lines().filter(|line| line.starts_with("warning: ")).collect();
    let (from, to) = gaps[0].strip_prefix("warning: not all traces are in it: ").unwrap().split_once(" to ").unwrap();
    let (to, why) = to.split_once(": ").unwrap();
    assert_eq!((gaps.len(), from, why), (1, next.to_string().as_str(), "the cloud has forgotten them by now"));
    let (to, oldest) = (to.parse::<Timestamp>().unwrap(), clock::minus(begun, Duration::from_secs(7 * 24 * 3600)));
    assert!(clock::since(oldest, to) < Duration::from_secs(60) && to >= clock::minus(oldest, Duration::from_secs(1)));
    scene.check_whole(&lines(&std::fs::read_to_string(scene.path("audit.ndjson")).unwrap()));
    // All of it was written long ago, but for its name.
    let written = clock::minus(clock::now(), Duration::from_secs(8 * 24 * 3600));
    state["next"] = serde_json::json!(clock::plus(written, Duration::from_millis(1)));
    state["asked"]["to"] = serde_json::json!(written);
    state["asked"]["from"] = serde_json::json!(clock::minus(written, Duration::from_secs(3600)));
    std::fs::rename(scene.path("audit.ndjson"), scene.path("audit.ndjson.part")).unwrap();
    std::fs::write(scene.path("audit.ndjson.part.state"), state.to_string()).unwrap();
    let (code, _, errors) = scene.export("--since 6d --out audit.ndjson").await;
    assert!(code == 0 && !errors.contains("forgotten"), "{code} {errors}");
    // To ask for all that the cloud keeps is no gap, however long the first answer takes.
    let slow = Plan { path: "/traces".into(), times: Some(1), ..Plan::new(Fault::LatencyMs(1500)) };
    scene.cloud.handle().plan(slow);
    let (code, _, errors) = scene.export("--since 7d --out whole.ndjson").await;
    assert_eq!(code, 0, "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_for_the_account_that_began_it_only() {
    let scene = Scene::new(400, 5).await;
    let state = interrupted(&scene).await.to_string();
    assert!(!state.contains("alice") && !state.contains("secret"), "{state}");
    let export = async |variables: &[(&str, &str)]| {
        let mut command = scene.command("--since 6d --out audit.ndjson");
        command.envs(variables.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for other in [
        &[("OS_USERNAME", "bob")][..],
        &[("OS_USER_DOMAIN_NAME", "OTC2")],
        &[("OS_AUTH_TYPE", "token"), ("OS_TOKEN", "t")],
        &[
            ("OS_AUTH_TYPE", "agency"),
            ("OS_TARGET_AGENCY_NAME", "audit"),
            ("OS_TARGET_DOMAIN_NAME", "OTC2"),
            ("OS_TARGET_PROJECT_NAME", "eu-de"),
        ],
    ] {
        let (code, errors) = export(other).await;
        assert!(code == 2 && errors.contains("begun by somebody else"), "{other:?}: {code} {errors}");
        assert!(errors.contains("audit.ndjson.part.state") && errors.contains("--overwrite"), "{errors}");
    }
    // A password is not who somebody is.
    let (code, errors) = export(&[("OS_PASSWORD", "wrong")]).await;
    assert!(code == 3 && errors.contains("going on at"), "{code} {errors}");
    assert_eq!(export(&[]).await.0, 0);
    scene.check_whole(&lines(&std::fs::read_to_string(scene.path("audit.ndjson")).unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_the_export_goes_on_when_there_is_room() {
    let scene = Scene::new(600, 3).await;
    let export = scene.command("--since 4d --out audit.ndjson");
    // No file may grow beyond 64 KiB.
    let mut full = Command::new("bash");
    full.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""])
        .arg(export.get_program())
        .args(export.get_args());
    full.current_dir(scene.folder.path()).envs(export.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = tokio::task::spawn_blocking(move || full.output()).await.unwrap().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("error: cannot write `audit.ndjson.part`: File too large"), "{errors}");
    assert!(errors.contains("goes on from there") && !errors.contains("panicked"), "{errors}");
    let (code, out, errors) = scene.export("--since 4d --out audit.ndjson").await;
    assert!(code == 0 && out.contains("600 traces") && errors.contains("going on at"), "{out}{errors}");
    scene.check_whole(&lines(&std::fs::read_to_string(scene.path("audit.ndjson")).unwrap()));
    assert_eq!(scene.names(), ["audit.ndjson"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn days_come_in_files_of_their_own() {
    let scene = Scene::new(500, 3).await;
    let (code, out, errors) = scene.export("--since 4d --split day --timezone Europe/Berlin --out audit.ndjson").await;
    assert!(code == 0 && out.contains("files"), "{out}{errors}");
    let names = scene.names();
    assert!(
        names.len() >= 4 && names.iter().all(|name| name.starts_with("audit-20") && name.ends_with(".ndjson")),
        "{names:?}"
    );
    let text: String = names.iter().map(|name| std::fs::read_to_string(scene.path(name)).unwrap()).collect();
    scene.check_whole(&lines(&text));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_that_holds_very_much_is_no_matter_of_memory() {
    let cloud = world::cloud().await;
    let now = clock::now();
    let at = |i: u64| clock::minus(now, Duration::from_secs(30 * MINUTE) + Duration::from_millis(i * 40));
    cloud.handle().add((0..30_000).map(|i| world::trace(&format!("t{i}"), "deleteServer", at(i))));
    let scene = Scene { cloud, folder: tempfile::tempdir().unwrap(), count: 30_000 };
    let mut child = scene.command("--since 2h --out audit.ndjson.gz").stdout(Stdio::null()).spawn().unwrap();
    let mut most = 0;
    let status = until("the export", Duration::from_secs(240), async || {
        most = most.max(peak(&child).unwrap_or_default());
        child.try_wait().unwrap()
    })
    .await;
    assert!(status.success());
    println!("30,000 traces within 20 minutes: {most} MiB at most");
    assert!((1..200).contains(&most), "{most} MiB");
    scene.check_whole(&lines(&unpacked(&scene.path("audit.ndjson.gz"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_cannot_be_is_refused_before_anything_is_asked() {
    let scene = Scene::new(1, 1).await;
    std::fs::create_dir(scene.path("folder")).unwrap();
    for (arguments, expected) in [
        ("--out audit.zst", "`.gz` or no compression"),
        ("--out folder", "the name of a file"),
        ("--since 9d --out a", "7 days only"),
        ("--since soon --out a.xz --trace-type ConsoleAction", "--since"),
        ("--since soon --out a.xz --trace-type ConsoleAction", "`.xz`"),
        ("--since soon --out a.xz --trace-type ConsoleAction", "`system` or `data`"),
        ("--out a --timezone Berlin", "Europe/Berlin"),
        ("--out nowhere/a", "nowhere/a"),
        ("", "--out"),
    ] {
        let (code, _, errors) = scene.export(arguments).await;
        let outside = arguments.contains("nowhere");
        assert!(code == if outside { 3 } else { 2 } && errors.contains(expected), "{arguments}: {code} {errors}");
    }
    assert_eq!(scene.names(), ["folder"]);
}
