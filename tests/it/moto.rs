//! An S3 server (moto) in a process of its own, on a free port, killed on drop; and trace files in it.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Stdio},
};

use tracebell::clock::Timestamp;

use crate::world;

/// It lets nobody read who has not signed, and looks no closer.
const SIGNED: reqwest::header::HeaderValue = reqwest::header::HeaderValue::from_static(
    "AWS4-HMAC-SHA256 Credential=test/20260101/eu-de/s3/aws4_request, SignedHeaders=host, Signature=0",
);

pub struct Moto {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    client: reqwest::Client,
}

impl Moto {
    /// Starts it with one bucket. It takes whatever key signs.
    pub async fn start(bucket: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/s3.py");
        let mut child = world::python()
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let first = lines.next().expect("a first line").expect("a line");
        let first: serde_json::Value = serde_json::from_str(&first).expect("JSON");
        std::thread::spawn(move || lines.for_each(drop));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let headers = reqwest::header::HeaderMap::from_iter([(reqwest::header::AUTHORIZATION, SIGNED)]);
        let client = reqwest::Client::builder().no_proxy().default_headers(headers).build().expect("a client");
        let moto = Self { child, url: format!("http://127.0.0.1:{}", first["port"]), client };
        // Elsewhere than in its first region, a bucket is made only with the place named.
        let place =
            "<CreateBucketConfiguration><LocationConstraint>eu-de</LocationConstraint></CreateBucketConfiguration>";
        moto.send(moto.client.put(format!("{}/{bucket}", moto.url)).body(place)).await;
        moto
    }

    pub async fn put(&self, bucket: &str, key: &str, body: impl Into<reqwest::Body>) {
        self.put_with(bucket, key, body, &[]).await;
    }

    /// With headers, for example what a signature says in the object's metadata.
    pub async fn put_with(&self, bucket: &str, key: &str, body: impl Into<reqwest::Body>, headers: &[(&str, &str)]) {
        let mut request = self.client.put(format!("{}/{bucket}/{key}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await;
    }

    pub async fn delete(&self, bucket: &str, key: &str) {
        self.send(self.client.delete(format!("{}/{bucket}/{key}", self.url))).await;
    }

    pub async fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        let answer = self.client.get(format!("{}/{bucket}/{key}", self.url)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{key}: {}", answer.status());
        answer.bytes().await.expect("a body").to_vec()
    }

    /// With its headers.
    pub async fn get_with(&self, bucket: &str, key: &str) -> (Vec<u8>, std::collections::BTreeMap<String, String>) {
        let answer = self.client.get(format!("{}/{bucket}/{key}", self.url)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{key}: {}", answer.status());
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
        let headers = headers.collect();
        (answer.bytes().await.expect("a body").to_vec(), headers)
    }

    pub async fn delete_bucket(&self, bucket: &str) {
        self.send(self.client.delete(format!("{}/{bucket}", self.url))).await;
    }

    /// The first thousand keys.
    pub async fn keys(&self, bucket: &str) -> Vec<String> {
        let answer = self.client.get(format!("{}/{bucket}", self.url)).send().await.expect("an answer");
        let list = answer.text().await.expect("a text");
        let keys = list.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        keys.map(str::to_owned).collect()
    }

    async fn send(&self, request: reqwest::RequestBuilder) {
        let answer = request.send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("a text"));
        assert!(status.is_success(), "{status}: {text}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The key that the tracker gives a file which it uploads then, sorted by service.
pub fn key(uploaded: Timestamp, service: &str, serial: u32) -> String {
    let day = uploaded.strftime("%Y/%m/%d");
    let stamp = uploaded.strftime("%Y-%m-%dT%H-%M-%SZ");
    format!("CloudTraces/eu-de/{day}/system/{service}/file_CloudTrace_eu-de_{stamp}_{serial:016x}.json.gz")
}

/// A trace file: one list, compressed.
pub fn file(traces: &[serde_json::Value]) -> Vec<u8> {
    packed(&serde_json::Value::from(traces).to_string())
}

pub fn packed(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).expect("memory can be written");
    packed.finish().expect("memory can be written")
}

#[tokio::test]
async fn what_is_put_is_listed_and_got() {
    let moto = Moto::start("audit").await;
    let key = key("2026-11-02T03:04:05Z".parse().unwrap(), "ECS", 7);
    assert_eq!(
        key,
        "CloudTraces/eu-de/2026/11/02/system/ECS/file_CloudTrace_eu-de_2026-11-02T03-04-05Z_0000000000000007.json.gz"
    );
    let body = file(&[serde_json::json!({ "trace_id": "t-1" })]);
    moto.put("audit", &key, body.clone()).await;
    assert_eq!(moto.keys("audit").await, std::slice::from_ref(&key));
    assert_eq!(moto.get("audit", &key).await, body);
    moto.delete("audit", &key).await;
    assert!(moto.keys("audit").await.is_empty());
}
