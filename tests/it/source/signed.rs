//! A source that signs with an access key instead of logging in, against the emulator, which checks signatures
//! by itself; and our signatures beside those of the cloud's own SDK.

use std::{io::Write, process::Stdio};

use tracebell::{
    clock,
    cloud::sign::{AccessKey, Signable},
    emulator::{Emulator, Key, Settings as Emulated},
    source::SourceError,
};

use super::*;
use crate::world;

fn key(access: &str, secret: &str, security_token: Option<&str>) -> AccessKey {
    AccessKey { access: access.into(), secret: Secret::new(secret), security_token: security_token.map(Secret::new) }
}

/// What the source reads in the last hour of a cloud that has one trace.
async fn read_with(key: AccessKey, project: Option<NameOrId>) -> Result<Vec<String>, SourceError> {
    let temporary = Key { access: "AKWHILE".into(), secret: "SKWHILE".into(), security_token: Some("TOKEN==".into()) };
    let mut settings = Emulated::default();
    settings.keys.push(temporary);
    let cloud = Emulator::start(settings).await.unwrap();
    let now = clock::now();
    cloud.handle().add([world::trace("t1", "deleteUser", clock::minus(now, Duration::from_secs(600)))]);
    let credentials = Credentials {
        project,
        region: Some("eu-de".to_owned()),
        ..Credentials::new(format!("{}/v3", cloud.url()), Login::Key(key))
    };
    let mut walk = Walk::new(Window { from: clock::minus(now, Duration::from_secs(3600)), to: now, pass: Pass::Hot });
    let page = cts(credentials).page(&mut walk, now).await?;
    let id = |record: &Record| match record {
        Record::Trace(trace) => trace.id.clone(),
        Record::Undecodable { id, .. } => id.clone(),
    };
    Ok(page.records.iter().map(id).collect())
}

fn named(name: &str) -> Option<NameOrId> {
    Some(NameOrId::Name(name.to_owned()))
}

#[tokio::test]
async fn an_access_key_reads_without_a_login() {
    let permanent = || key("AKEMULATOR", "SKEMULATOR", None);
    for project in [named("eu-de"), Some(NameOrId::Id("0123456789abcdef0123456789abcdef".to_owned()))] {
        assert_eq!(read_with(permanent(), project).await.unwrap(), ["t1"]);
    }
    assert_eq!(read_with(key("AKWHILE", "SKWHILE", Some("TOKEN==")), named("eu-de")).await.unwrap(), ["t1"]);
    for (key, project, found, to_do) in [
        (key("AKEMULATOR", "SECRET", None), named("eu-de"), "verify aksk signature fail", "check `ak` and `sk`"),
        (key("AKNONE", "SECRET", None), named("eu-de"), "the AK does not exist", "check `ak` and `sk`"),
        (key("AKWHILE", "SKWHILE", Some("SECRET")), named("eu-de"), "security token", "which expire together"),
        (permanent(), named("eu-nl"), "sees no project `eu-nl`", "check `project_name`"),
        (permanent(), None, "for all projects of its user", "give `project_name` or `project_id`"),
    ] {
        let (reason, fix) = refused(read_with(key, project).await.unwrap_err());
        assert!(reason.contains(found) && fix.contains(to_do), "{reason}: {fix}");
        assert!(!reason.contains("SECRET"), "{reason}");
    }
}

/// Anything that may stand in a path or a query.
fn odd(rng: &mut fastrand::Rng, most: usize) -> String {
    const LETTERS: &[char] =
        &['a', 'Z', '0', '-', '_', '.', '~', ' ', '+', '%', '&', '=', '/', ':', '*', '(', '\'', 'ß', '€', '😀', '"'];
    (0..rng.usize(..=most)).map(|_| LETTERS[rng.usize(..LETTERS.len())]).collect()
}

/// The SDK prints one signature for each line it reads.
#[test]
fn ten_thousand_requests_are_signed_as_the_clouds_own_sdk_signs_them() {
    const REQUESTS: usize = 10_000;
    let mut rng = fastrand::Rng::with_seed(7);
    let key = key("AKIDEXAMPLE0000000001", "SKEXAMPLEsecretKeyForTestVectors00000001", Some("TOKEN=="));
    let (mut lines, mut ours) = (String::new(), Vec::with_capacity(REQUESTS));
    for _ in 0..REQUESTS {
        let method = ["GET", "POST", "PUT", "DELETE"][rng.usize(..4)];
        let pairs: Vec<(String, String)> = (0..rng.usize(..5)).map(|_| (odd(&mut rng, 3), odd(&mut rng, 12))).collect();
        let path = format!("/v3/p/{}", odd(&mut rng, 12).replace('%', ""));
        let mut url = reqwest::Url::parse("https://cts.eu-de.otc.t-systems.com").unwrap();
        url.set_path(&path);
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(&pairs);
        }
        let body = if method == "GET" { String::new() } else { odd(&mut rng, 40) };
        let at: Timestamp = Timestamp::from_second(1_768_465_800 + rng.i64(0..1_000_000)).unwrap();
        let date = tracebell::cloud::sign::date(at);
        let headers = [
            ("content-type", "application/json"),
            ("host", "cts.eu-de.otc.t-systems.com"),
            ("x-project-id", "p"),
            ("x-sdk-date", date.as_str()),
            ("x-security-token", "TOKEN=="),
        ];
        let (path, query) = (url.path(), url.query().unwrap_or_default());
        ours.push(key.authorization(Signable { method, path, query, headers: &headers, body: body.as_bytes() }, &date));
        let headers: serde_json::Map<String, Value> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let line = json!({ "method": method, "path": path, "query": pairs, "headers": headers, "body": body });
        lines.push_str(&format!("{line}\n"));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/sign.py");
    let mut child =
        world::python().arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let theirs: Vec<&str> = std::str::from_utf8(&output.stdout).unwrap().lines().collect();
    assert_eq!(theirs.len(), REQUESTS, "{}", String::from_utf8_lossy(&output.stderr));
    let different: Vec<_> = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).take(3).collect();
    assert!(different.is_empty(), "{different:#?}");
}
