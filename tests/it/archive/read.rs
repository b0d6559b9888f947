//! Listing, reading and refusing.

use super::*;

/// Everything between two times, and the files that could not be read.
async fn read(settings: Settings, from: Timestamp, to: Timestamp) -> Result<(Vec<Record>, Vec<String>), SourceError> {
    let now = clock::now();
    let mut reading = Reading::new(Bucket::new(settings)?, from, to, now);
    let (mut found, mut bad) = (Vec::new(), Vec::new());
    loop {
        match reading.next(now).await? {
            Step::On => {}
            Step::Records { records, until } => {
                let late = |record: &&Record| matches!(record, Record::Trace(trace) if trace.time >= until);
                assert!(
                    records.iter().find(late).is_none(),
                    "a trace comes after the quarter of an hour that it is in"
                );
                found.extend(records);
            }
            Step::Unreadable { key, reason } | Step::Suspect { key, reason } => bad.push(format!("{key}: {reason}")),
            Step::End => return Ok((found, bad)),
        }
    }
}

fn ids(records: &[Record]) -> Vec<&str> {
    fn id(record: &Record) -> &str {
        match record {
            Record::Trace(trace) => trace.id.as_str(),
            Record::Undecodable { .. } => "-",
        }
    }
    records.iter().map(id).collect()
}

fn trace(id: &str, time: Timestamp) -> serde_json::Value {
    world::trace(id, "deleteServer", time)
}

#[tokio::test]
async fn every_shape_of_a_trace_and_of_a_key_is_read() {
    let moto = Moto::start(BUCKET).await;
    let shapes = include_str!("../../fixtures/archive/shapes.json");
    let stamp = "2026-01-15T08-35-12Z_d22ef9d12629392c";
    moto.put(
        BUCKET,
        &format!("CloudTraces/eu-de/2026/1/15/system/ECS/file_CloudTrace_eu-de_{stamp}.json.gz"),
        moto::packed(shapes),
    )
    .await;
    let time: Timestamp = "2026-01-15T08:31:00Z".parse().unwrap();
    let one = |id: &str| serde_json::Value::from(vec![trace(id, time)]).to_string();
    // Padded and plain, without the folder of the service, of another cycle.
    moto.put(
        BUCKET,
        "CloudTraces/eu-de/2026/01/15/system/file_CloudTrace_eu-de_2026-01-15T08-40-12Z_1.json",
        one("plain"),
    )
    .await;
    moto.put(BUCKET, "CloudTraces/eu-de/2026/01/15/file_CloudTrace_eu-de_2026-01-15T08-41-12Z_2.json", one("old"))
        .await;
    // Not ours: another tracker, another region, no trace file, not of these hours.
    moto.put(
        BUCKET,
        "CloudTraces/eu-de/2026/01/15/data/OBS/file_CloudTrace_eu-de_2026-01-15T08-40-12Z_3.json",
        one("data"),
    )
    .await;
    moto.put(
        BUCKET,
        "CloudTraces/eu-nl/2026/01/15/system/ECS/file_CloudTrace_eu-nl_2026-01-15T08-40-12Z_4.json",
        one("nl"),
    )
    .await;
    moto.put(BUCKET, "CloudTraces/eu-de/2026/01/15/readme.txt", "hello").await;
    moto.put(
        BUCKET,
        "CloudTraces/eu-de/2026/01/15/system/ECS/file_CloudTrace_eu-de_2026-01-15T19-40-12Z_5.json",
        one("later"),
    )
    .await;
    let (from, to) = ("2026-01-15T08:00:00Z".parse().unwrap(), "2026-01-15T10:00:00Z".parse().unwrap());
    let (found, bad) = read(settings(&moto.url), from, to).await.unwrap();
    assert_eq!(bad, Vec::<String>::new());
    let mut told = ids(&found);
    told.sort_unstable();
    let anonymous = told.iter().filter(|id| id.starts_with("fp-")).count();
    let known: Vec<&str> = told.iter().copied().filter(|id| !id.starts_with("fp-")).collect();
    assert_eq!((known, anonymous), (vec!["-", "-", "-", "-", "a-1", "a-2", "a-3", "old", "plain"], 1), "{told:?}");
    let of = |id: &str| {
        let wanted = |record: &&Record| matches!(record, Record::Trace(trace) if trace.id == id);
        let Some(Record::Trace(trace)) = found.iter().find(wanted) else { panic!("{id} is missing") };
        (trace.actor.name.clone().unwrap_or_default(), trace.code.clone(), trace.time.as_millisecond())
    };
    assert_eq!(of("a-1"), ("alice".into(), Some("204".into()), 1_768_465_800_123));
    assert_eq!(of("a-2"), ("bob".into(), Some("409".into()), 1_768_465_860_123));
}

#[tokio::test]
async fn only_the_files_that_can_hold_the_span_are_read_and_in_the_order_of_time() {
    let moto = Moto::start(BUCKET).await;
    let begin: Timestamp = "2026-01-30T21:00:00Z".parse().unwrap();
    // Six hours over midnight; each file holds traces of the hour before, the last first.
    for hour in 0..6u32 {
        let at = |minute: u32| clock::plus(begin, HOUR * hour + Duration::from_secs(u64::from(minute) * 60));
        let traces: Vec<_> = (0..60).rev().map(|minute| trace(&format!("{hour}-{minute:02}"), at(minute))).collect();
        moto.put(BUCKET, &moto::key(at(62), "ECS", hour), moto::file(&traces)).await;
        // Delivered at least once.
        moto.put(BUCKET, &moto::key(at(70), "ECS", 100 + hour), moto::file(&traces[..5])).await;
    }
    let (from, to) = (clock::plus(begin, HOUR), clock::plus(begin, HOUR * 4));
    let (found, _) = read(settings(&moto.url), from, to).await.unwrap();
    let mut times: Vec<i64> = found
        .iter()
        .map(|record| match record {
            Record::Trace(trace) => trace.time.as_second(),
            Record::Undecodable { .. } => panic!("all are good"),
        })
        .collect();
    assert!(times.is_sorted());
    times.dedup();
    assert_eq!(times.len(), 181, "three hours, both ends included");
    assert_eq!(found.len(), 181 + 15);
}

#[tokio::test]
async fn a_file_that_is_broken_does_not_hold_up_the_others() {
    let moto = Moto::start(BUCKET).await;
    let at: Timestamp = "2026-01-15T08:00:00Z".parse().unwrap();
    let whole = moto::file(&(0..200).map(|n| trace(&format!("t-{n}"), at)).collect::<Vec<_>>());
    let uploaded = clock::plus(at, Duration::from_secs(300));
    moto.put(BUCKET, &moto::key(uploaded, "ECS", 1), whole[..whole.len() / 2].to_vec()).await;
    moto.put(BUCKET, &moto::key(uploaded, "ECS", 2), "[\n{").await;
    moto.put(BUCKET, &moto::key(uploaded, "ECS", 3), moto::file(&[trace("good", at)])).await;
    moto.put(BUCKET, &moto::key(uploaded, "ECS", 4), moto::file(&[])).await;
    let (found, bad) = read(settings(&moto.url), at, clock::plus(at, HOUR)).await.unwrap();
    assert_eq!(ids(&found), ["good"]);
    assert_eq!(bad.len(), 2, "{bad:?}");
}

#[tokio::test]
async fn a_list_of_thousands_is_read_page_by_page() {
    let moto = Moto::start(BUCKET).await;
    for n in 0..1003 {
        moto.put(BUCKET, &format!("CloudTraces/eu-de/a/{n:04}"), "x").await;
    }
    let bucket = Bucket::new(settings(&moto.url)).unwrap();
    assert_eq!(bucket.list("CloudTraces/").await.unwrap().len(), 1003);
    assert_eq!(bucket.folders("CloudTraces/").await.unwrap(), ["CloudTraces/eu-de/"]);
    assert_eq!(bucket.list("Other/").await.unwrap(), []);
}

/// A bucket of these keys, two a page, as a server tells of it which answers `mark` where there is more.
async fn paged(keys: Vec<String>, mark: fn(&[String]) -> String) -> String {
    let answer = move |query: axum::extract::Query<std::collections::HashMap<String, String>>| async move {
        let after = query.get("marker").cloned().unwrap_or_default();
        let rest: Vec<String> = keys.iter().filter(|key| **key > after).cloned().collect();
        let page = &rest[..rest.len().min(2)];
        let objects: String = page.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
        let more = if rest.len() > 2 { mark(page) } else { "<IsTruncated>false</IsTruncated>".to_owned() };
        format!("<ListBucketResult>{more}{objects}</ListBucketResult>")
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    url
}

#[tokio::test]
async fn a_list_goes_on_however_a_server_says_that_there_is_more() {
    let marks: [fn(&[String]) -> String; 4] = [
        |page| format!("<IsTruncated>true</IsTruncated><NextMarker>{}</NextMarker>", page.last().unwrap()),
        // The key that comes last is where it goes on: so the first form of the request has it.
        |_| "<IsTruncated>true</IsTruncated>".to_owned(),
        |_| "<IsTruncated>true</IsTruncated><NextMarker/>".to_owned(),
        // Of the second form, which nobody asked for.
        |_| "<IsTruncated>true</IsTruncated><NextContinuationToken>abc=</NextContinuationToken>".to_owned(),
    ];
    let keys: Vec<String> = (0..7).map(|n| format!("CloudTraces/{n}")).collect();
    for mark in marks {
        let bucket = Bucket::new(settings(&paged(keys.clone(), mark).await)).unwrap();
        let found = bucket.list("CloudTraces/").await.unwrap();
        assert_eq!(found.into_iter().map(|object| object.key).collect::<Vec<_>>(), keys);
    }
}

#[tokio::test]
async fn a_list_that_does_not_get_on_or_never_ends_is_no_list() {
    let key = "<Contents><Key>CloudTraces/a</Key></Contents>";
    let folder = "<CommonPrefixes><Prefix>CloudTraces/a/</Prefix></CommonPrefixes>";
    let there_is_more = "<IsTruncated>true</IsTruncated>";
    for inside in [
        // The same page again and again, one without anything, and one whose mark stands still.
        format!("{there_is_more}{key}{folder}"),
        there_is_more.to_owned(),
        format!("{there_is_more}<NextMarker>CloudTraces/a</NextMarker>{key}{folder}"),
        format!("{there_is_more}<NextContinuationToken>abc</NextContinuationToken>{key}{folder}"),
    ] {
        let body: &'static str = Box::leak(format!("<ListBucketResult>{inside}</ListBucketResult>").into_boxed_str());
        let bucket = Bucket::new(settings(&server(200, &[], body).await)).unwrap();
        for refused in [bucket.list("CloudTraces/").await.map(drop), bucket.folders("CloudTraces/").await.map(drop)] {
            let Err(SourceError::Refused { reason, .. }) = refused else { panic!("{inside} is a list") };
            assert!(reason.contains("says that there is more and does not tell where"), "{reason}");
        }
    }
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let answer = move || async move {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>CloudTraces/{n:09}</Key></Contents></ListBucketResult>"
        )
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    let Err(SourceError::Refused { reason, fix }) = Bucket::new(settings(&url)).unwrap().list("CloudTraces/").await
    else {
        panic!("it ended")
    };
    assert!(reason.contains("more than 1000000 keys") && fix.contains("endpoint"), "{reason} / {fix}");
}

/// Answers everything with one status and body.
async fn server(status: u16, headers: &'static [(&'static str, &'static str)], body: &'static str) -> String {
    let answer = move || async move {
        let mut answer = axum::http::Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        answer.body(axum::body::Body::from(body)).unwrap()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn check(status: u16, headers: &'static [(&'static str, &'static str)], body: &'static str, expected: [&str; 2]) {
    let url = server(status, headers, body).await;
    let bucket = Bucket::new(settings(&url)).unwrap();
    let Err(SourceError::Refused { reason, fix }) = bucket.list("CloudTraces/").await else {
        panic!("{status} {body} is no refusal")
    };
    assert!(reason.contains(expected[0]) && fix.contains(expected[1]), "{body}: {reason} / {fix}");
    assert!(!format!("{reason}{fix}").contains("X-Amz"), "{reason}");
}

#[tokio::test]
async fn what_a_person_has_to_mend_is_said_in_words() {
    check(404, &[], "<Error><Code>NoSuchBucket</Code></Error>", ["no bucket `audit-bucket`", "correct `bucket`"]).await;
    check(403, &[], "<Error><Code>AccessDenied</Code></Error>", ["`test` list the bucket", "obs:bucket:ListBucket"])
        .await;
    check(403, &[], "", ["does not let access key `test`", "obs:bucket:ListBucket"]).await;
    check(
        403,
        &[],
        "<Error><Code>InvalidAccessKeyId</Code></Error>",
        ["does not know access key `test`", "access_key"],
    )
    .await;
    check(403, &[], "<Error><Code>SignatureDoesNotMatch</Code></Error>", ["signature", "secret_key"]).await;
    check(400, &[], "<Error><Code>ExpiredToken</Code></Error>", ["security token", "security_token"]).await;
    check(403, &[], "<Error><Code>RequestTimeTooSkewed</Code></Error>", ["clock is wrong", "NTP"]).await;
    let past: &[(&str, &str)] = &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
    check(403, past, "<Error><Code>AccessDenied</Code></Error>", ["clock is wrong by", "NTP"]).await;
    check(301, &[], "<Error><Code>PermanentRedirect</Code></Error>", ["not in region `eu-de`", "set `region`"]).await;
    check(307, &[], "", ["not in region `eu-de`", "set `region`"]).await;
    check(200, &[], "<html>Welcome</html>", ["no list of a bucket", "endpoint"]).await;
    check(
        405,
        &[],
        "<Error><Code>MethodNotAllowed</Code><Message>No.</Message></Error>",
        ["405 MethodNotAllowed: No.", "endpoint"],
    )
    .await;
    let moto = Moto::start("other-bucket").await;
    let Err(SourceError::Refused { reason, .. }) = Bucket::new(settings(&moto.url)).unwrap().list("x").await else {
        panic!()
    };
    assert!(reason.contains("no bucket `audit-bucket`"), "{reason}");
    let moto = Moto::start(BUCKET).await;
    let empty = read(settings(&moto.url), clock::minus(clock::now(), DAY), clock::now()).await;
    assert!(empty.is_err_and(|error| error.to_string().contains("holds no trace files")));
    moto.put(BUCKET, "CloudTraces/eu-nl/2026/01/15/x", "x").await;
    let other = read(settings(&moto.url), clock::minus(clock::now(), DAY), clock::now()).await;
    assert!(
        matches!(other, Err(SourceError::Refused { reason, fix }) if reason.contains("`eu-de`") && fix.contains("eu-nl"))
    );
}

/// Keeps what it is asked for, and lists nothing.
async fn listener() -> (String, std::sync::mpsc::Receiver<String>) {
    let (asked, targets) = std::sync::mpsc::sync_channel(100);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let answer = move |request: axum::extract::Request| async move {
        asked.send(request.uri().to_string()).unwrap();
        "<ListBucketResult/>"
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    (host, targets)
}

#[tokio::test]
async fn requests_are_signed_as_botocore_signs_them() {
    let (host, targets) = listener().await;
    let mut settings = settings(&format!("http://{host}"));
    settings.key.secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let mut lines = String::new();
    for token in [None, Some("a token/with+odd=characters")] {
        settings.key.security_token = token.map(Secret::new);
        let bucket = Bucket::new(settings.clone()).unwrap();
        for text in ["CloudTraces/eu-de/2026/01/15/", "a b+c&d=e/ü~(*)'!", "plain"] {
            bucket.list(text).await.unwrap();
            bucket.get(text).await.unwrap();
        }
        bucket.folders("CloudTraces/").await.unwrap();
    }
    while let Ok(target) = targets.try_recv() {
        let secret = settings.key.secret.expose();
        let line = serde_json::json!({ "host": host, "target": target, "secret": secret, "region": "eu-de" });
        lines.push_str(&format!("{line}\n"));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/s3_signature.py");
    let mut child = world::python()
        .arg(script)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "good\n".repeat(14));
}
