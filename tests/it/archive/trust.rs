//! Digests while the archive is read: files that are not what the tracker wrote are named, and read all the same.

use super::{signer::Previous, *};

/// A gap with a file in each of its first six hours, digests of them, and who signed those.
struct Trust {
    scene: Scene,
    signer: Signer,
    files: Vec<String>,
    digests: Vec<String>,
}

impl Trust {
    async fn new() -> Self {
        let signer = Signer::new();
        let key = format!("public_key: {}, secret_key: {{", signer.public_key().display());
        let scene = Scene::with(world::RULES, |config, _| config.replace("secret_key: {", &key)).await;
        let begin = scene.at(HOUR);
        let begin = Timestamp::from_second(begin.as_second() / 3600 * 3600 + 3600).unwrap();
        let (mut files, mut digests, mut previous) = (Vec::new(), Vec::new(), Previous::default());
        for hour in 0..6u32 {
            let start = clock::plus(begin, HOUR * hour);
            let at = clock::plus(start, Duration::from_secs(60));
            let body = moto::file(&[world::trace(&format!("s-{hour}"), "deleteServer", at)]);
            let key = moto::key(clock::plus(at, Duration::from_secs(60)), "ECS", hour);
            scene.moto.put(BUCKET, &key, body.clone()).await;
            previous = signer.digest(&scene.moto, start, &[(key.clone(), body)], &previous).await;
            files.push(key);
            digests.push(previous.object.clone());
        }
        let mut trust = Self { scene, signer, files, digests };
        trust.scene.told().await;
        trust
    }

    /// Puts another trace into a file, after its digest was written.
    async fn change(&self, hour: usize) {
        let at = Scene::at(&self.scene, HOUR * u32::try_from(hour + 3).unwrap());
        let body = moto::file(&[world::trace(&format!("forged-{hour}"), "deleteServer", at)]);
        self.scene.moto.put(BUCKET, &self.files[hour], body).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_too_long_is_named_and_stops_nothing() {
    let trust = Trust::new().await;
    trust.scene.moto.put(BUCKET, &trust.digests[2], vec![b' '; (64 << 20) + 1]).await;
    trust.scene.run(&["fill-gap", "--yes"], 1, &["6 traces read", "it is longer than 64 MB"]);
}

const NOTICE: &str = "Archive of source prod: files are not what the tracker wrote";

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_with_files_as_the_tracker_wrote_them_has_nothing_to_tell() {
    let mut trust = Trust::new().await;
    let text = trust.scene.run(&["fill-gap", "--yes"], 0, &["6 traces read", "6 alerts opened"]);
    assert!(!text.contains("tracker wrote"), "{text}");
    let status = trust.scene.run(&["status"], 0, &["filled"]);
    assert!(!status.contains("tracker wrote"), "{status}");
    assert_eq!(trust.scene.notices().await, []);
    // With the key that the trace service documents, none of them is believed.
    let mine = std::fs::read_to_string(trust.scene.bridge.path("tracebell.yaml")).unwrap();
    let named = format!("public_key: {}, ", trust.signer.public_key().display());
    let without = mine.replace(&named, "");
    assert_ne!(mine, without);
    world::write(&trust.scene.bridge.path("tracebell.yaml"), &without);
    let digest = &trust.digests[0];
    trust.scene.run(
        &["fill-gap", "--yes", "--again"],
        1,
        &["6 files of the archive are not what the tracker wrote", digest, "signature is wrong"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_named_its_traces_are_judged_and_people_hear_of_it_once() {
    let mut trust = Trust::new().await;
    trust.change(1).await;
    trust.change(4).await;
    let dry = trust.scene.run(&["fill-gap", "--dry-run"], 0, &["2 files are not what the tracker wrote"]);
    assert!(dry.contains("6 alerts"), "{dry}");
    let found = [
        "6 traces read",
        "6 alerts opened",
        "2 files of the archive are not what the tracker wrote",
        &trust.files[1],
        &trust.files[4],
        "file was changed: its MD5 is",
        "tracebell archive verify --source prod --from",
    ];
    trust.scene.run(&["fill-gap", "--yes"], 1, &found);
    let told = trust.scene.received().await;
    let alerts = told.iter().filter(|(_, told)| told["alert"].is_object()).count();
    let notices: Vec<_> = told.iter().filter(|(_, told)| told["title"] == NOTICE).collect();
    assert_eq!((alerts, notices.len()), (6, 1), "{told:#?}");
    assert!(notices[0].1.to_string().contains(&trust.files[1]));
    trust.scene.run(&["status"], 0, &["filled", "2 files not what the tracker wrote"]);
    trust.scene.run(&["fill-gap"], 0, &["Every gap is filled"]);
    trust.scene.run(&["fill-gap", "--yes", "--again"], 1, &["0 of them new", "2 files of the archive"]);
    trust.scene.run(&["status"], 0, &["2 files not what the tracker wrote"]);
    assert_eq!(trust.scene.notices().await, [], "it was told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_taken_away_leaves_the_gap_open() {
    let trust = Trust::new().await;
    let body = trust.scene.moto.get(BUCKET, &trust.files[2]).await;
    trust.scene.moto.delete(BUCKET, &trust.files[2]).await;
    let expected = ["5 alerts opened", "1 file could not be read", &trust.files[2], "a digest names it", "stays open"];
    trust.scene.run(&["fill-gap", "--yes"], 1, &expected);
    trust.scene.run(&["fill-gap", "--yes"], 1, &["0 of them new", "1 file could not be read"]);
    trust.scene.run(&["status"], 0, &["open, filled in part", "1 file unreadable"]);
    // It is found again in a backup.
    trust.scene.moto.put(BUCKET, &trust.files[2], body).await;
    trust.scene.run(&["fill-gap", "--yes"], 0, &["1 of them new", "1 alert opened"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_names_them_too() {
    let trust = Trust::new().await;
    trust.change(3).await;
    trust.scene.moto.delete(BUCKET, &trust.files[5]).await;
    let args = ["backtest", "--archive=all", "--since", "11d"];
    let text = trust.scene.run(&args, 0, &["5 traces read", "not what the tracker wrote", "not read"]);
    let text: String = text.split_whitespace().collect();
    for file in [&trust.files[3], &trust.files[5]] {
        assert!(text.contains(file.as_str()), "{file} is missing: {text}");
    }
    let args = [&args[..], &["--output", "json"]].concat();
    let report: serde_json::Value = serde_json::from_str(&trust.scene.run(&args, 0, &[])).unwrap();
    let read = &report["read"];
    assert_eq!((read["suspects"].as_array().unwrap().len(), read["gaps"].as_array().unwrap().len()), (1, 1), "{read}");
}
