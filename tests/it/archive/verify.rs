//! `tracebell archive verify`: a chain of digests that openssl signed, and everything that may be done to it.

use tracebell::emulator::{
    self,
    obs::{self, Digests},
};

use super::{
    signer::{Previous, md5},
    *,
};

const HOURS: u32 = 6;

/// An archive with a file and a digest for each of six hours, and the key that signed them.
struct Archive {
    moto: Moto,
    bridge: Bridge,
    signer: Signer,
    begin: Timestamp,
    files: Vec<String>,
    digests: Vec<String>,
}

impl Archive {
    async fn new() -> Self {
        let moto = Moto::start(BUCKET).await;
        let bridge = Bridge::new("http://127.0.0.1:9", &config(&moto.url, "http://127.0.0.1:9/hook"), world::RULES);
        for name in ["ak", "sk"] {
            world::write(&bridge.path(name), "test");
        }
        let begin = "2026-01-15T21:00:00Z".parse().unwrap();
        let signer = Signer::new();
        std::fs::copy(signer.public_key(), bridge.path("public.pem")).unwrap();
        let mut archive = Self { moto, bridge, signer, begin, files: Vec::new(), digests: Vec::new() };
        archive.deliver().await;
        archive
    }

    async fn deliver(&mut self) {
        let mut previous = Previous::default();
        for hour in 0..HOURS {
            let start = clock::plus(self.begin, HOUR * hour);
            let at = clock::plus(start, Duration::from_secs(600));
            let file = moto::file(&[world::trace(&format!("v-{hour}"), "deleteServer", at)]);
            let key = moto::key(clock::plus(at, Duration::from_secs(300)), "ECS", hour);
            self.moto.put(BUCKET, &key, file.clone()).await;
            self.files.push(key.clone());
            previous = self.signer.digest(&self.moto, start, &[(key, file)], &previous).await;
            self.digests.push(previous.object.clone());
        }
    }

    async fn put_digest(&self, key: &str, body: Vec<u8>, signature: &str) {
        signer::put_digest(&self.moto, key, body, signature).await;
    }

    #[track_caller]
    fn check(&self, code: i32, expected: &[&str]) -> String {
        let to = clock::plus(self.begin, HOUR * HOURS).to_string();
        let args = ["archive", "verify", "--from", &self.begin.to_string(), "--to", &to, "--public-key", "public.pem"];
        let output = self.bridge.command(&args).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        for part in expected {
            assert!(text.contains(part), "`{part}` is missing:\n{text}");
        }
        text
    }
}

#[tokio::test]
async fn an_archive_that_nobody_touched_is_good() {
    let archive = Archive::new().await;
    archive
        .check(0, &["all 6 digests are signed", "all 6 files that they name", "Nothing is missing, changed or added"]);
    // The key that the trace service documents is another.
    let output = archive.bridge.command(&[
        "archive",
        "verify",
        "--from",
        "2026-01-15T21:00:00Z",
        "--to",
        "2026-01-16T03:00:00Z",
    ]);
    let output = { output }.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("0 of 6 digests") && text.contains("signature is wrong"), "{text}");
}

#[tokio::test]
async fn whatever_is_done_to_it_is_found() {
    let archive = Archive::new().await;
    let (files, digests, moto) = (&archive.files, &archive.digests, &archive.moto);
    // A file that is gone, one that is another, and one that was added.
    let whole = moto.get(BUCKET, &files[1]).await;
    moto.delete(BUCKET, &files[1]).await;
    archive.check(1, &["5 of 6 files", "file is missing", &files[1], "1 thing is off"]);
    moto.put(BUCKET, &files[1], moto::file(&[])).await;
    archive.check(1, &["file was changed", "its MD5 is"]);
    moto.put(BUCKET, &files[1], whole).await;
    let added = moto::key(clock::plus(archive.begin, HOUR * 2), "ECS", 99);
    moto.put(BUCKET, &added, moto::file(&[])).await;
    archive.check(1, &["file is in no digest", &added]);
    moto.delete(BUCKET, &added).await;
    archive.check(0, &["Nothing is missing"]);

    // A digest in which a file was left out, signed as it was: neither it nor the one after it holds any more.
    let body = moto.get(BUCKET, &digests[2]).await;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&body[..]), &mut text).unwrap();
    let mut digest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let next: serde_json::Value = {
        let body = moto.get(BUCKET, &digests[3]).await;
        serde_json::from_reader(flate2::read::GzDecoder::new(&body[..])).unwrap()
    };
    let signature = next["previous_digest_signature"].as_str().unwrap();
    digest["log_files"] = serde_json::json!([]);
    archive.put_digest(&digests[2], moto::packed(&digest.to_string()), signature).await;
    archive.check(
        1,
        &[
            "5 of 6 digests",
            "signature is wrong",
            "chain is broken",
            "is not the file that it was",
            "file is in no digest",
        ],
    );
    // Signed anew by the same key, it is still not the one that was written.
    let forged = moto::packed(&digest.to_string());
    let previous = digest["previous_digest_signature"].as_str().unwrap();
    let text = format!("{}{}{}{previous}", digest["digest_end_time"].as_str().unwrap(), digests[2], md5(&forged));
    archive.put_digest(&digests[2], forged, &archive.signer.sign(&text)).await;
    archive.check(1, &["all 6 digests are signed", "chain is broken", "file is in no digest"]);
    archive.put_digest(&digests[2], body, signature).await;
    archive.check(0, &["Nothing is missing"]);

    // An hour that is gone, and a digest that is none.
    let body = moto.get(BUCKET, &digests[4]).await;
    moto.delete(BUCKET, &digests[4]).await;
    archive.check(
        1,
        &["hours are missing", "no digest from 2026-01-16 01:00 UTC to 2026-01-16 02:00 UTC, 1 h", "chain is broken"],
    );
    archive.put_digest(&digests[4], b"hello".to_vec(), "00").await;
    archive.check(1, &["digest is unreadable"]);
    moto.delete(BUCKET, &digests[4]).await;

    // The end and the beginning of the time, wiped.
    let last = moto.get(BUCKET, &digests[5]).await;
    moto.delete(BUCKET, &digests[5]).await;
    archive.check(1, &["no digest from 2026-01-16 01:00 UTC to 2026-01-16 03:00 UTC, 2 h", "file is not covered"]);
    moto.delete(BUCKET, &digests[0]).await;
    archive.check(1, &["no digest from 2026-01-15 21:00 UTC to 2026-01-15 22:00 UTC, 1 h"]);
    // One that says that it is of another time is not believed without a signature.
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&last[..]), &mut text).unwrap();
    let mut digest: serde_json::Value = serde_json::from_str(&text).unwrap();
    digest["digest_start_time"] = "2036-01-16T02-00-00Z".into();
    archive.put_digest(&digests[5], moto::packed(&digest.to_string()), "00ff").await;
    archive.check(1, &["signature is wrong", &digests[5]]);
    drop(body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_emulated_tracker_writes_is_good() {
    let moto = Moto::start(BUCKET).await;
    let obs = Some(obs::Settings::new(&moto.url, "AK", "SK"));
    let cloud = Emulator::start(emulator::Settings { obs, ..emulator::Settings::default() }).await.unwrap();
    let with_key = |config: String| config.replace("secret_key: {", "public_key: emulator.pem, secret_key: {");
    let bridge = Bridge::new(&cloud.url(), &with_key(config(&moto.url, "http://127.0.0.1:9/hook")), world::RULES);
    for name in ["ak", "sk"] {
        world::write(&bridge.path(name), "test");
    }
    let (status, key) = world::get(&format!("{}/emulator/obs/public_key.pem", cloud.url())).await;
    assert_eq!(status, 200, "{key}");
    world::write(&bridge.path("emulator.pem"), &key);
    let begin = clock::now();
    let run = |args: &[&str], code: i32| {
        let output = bridge.command(args).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{text}");
        text
    };
    run(&["tracker", "create", "--cloud", "otc", "--bucket", BUCKET, "--prefix", "p-", "--validate", "on"], 0);
    let mut written = Vec::new();
    for n in 0..3 {
        cloud.handle().add([world::trace(&format!("e-{n}"), "deleteServer", clock::now())]);
        written.extend(cloud.handle().deliver_traces(Digests::Now).await);
    }
    let to = clock::plus(clock::now(), Duration::from_secs(60)).to_string();
    let begin = clock::minus(begin, Duration::from_secs(60)).to_string();
    let verify = ["archive", "verify", "--from", &begin, "--to", &to];
    let text = run(&verify, 0);
    let digests = written.iter().filter(|key| key.contains("/Digest/")).count();
    let files = written.len() - digests;
    assert!(digests >= 3 && files >= 3, "{written:?}");
    assert!(text.contains(&format!("all {digests} digests are signed")), "{text}");
    assert!(text.contains(&format!("all {files} files that they name")), "{text}");
    // They are what the tracker wrote, so a file that is another is found.
    let file = written.iter().find(|key| key.contains("/ECS/") && !key.contains("/Digest/")).unwrap();
    moto.put(BUCKET, file, moto::file(&[])).await;
    assert!(run(&verify, 1).contains("file was changed"));
}
