//! Trace files: what the tracker delivers to a bucket, on an S3 server that stands for OBS.
//!
//! In cycles, one file per service, gzip or not as the tracker says, and a signed digest of them each hour if it
//! says so. At least once: what the server did not take is sent again in the next cycle. Without a server nothing
//! is delivered, and buckets are names.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::http::StatusCode;
use reqwest::{Client, Method, RequestBuilder};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use serde_json::Value;

use super::{
    answer::Refusal,
    cts::refusal,
    tracker::{Change, Tracker, Trouble},
    world::World,
};
use crate::clock::{self, Timestamp};

mod digest;
mod file;

/// More than this many traces of a service in a cycle make another file.
const MOST: usize = 1000;
/// How long a signed request may be on its way.
const VALID: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(30);

/// The server that stands for OBS, and how often the tracker delivers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `http://127.0.0.1:9000`; buckets are the first part of the path.
    pub endpoint: String,
    pub access_key: String,
    pub secret_key: String,
    pub cycle: Duration,
    pub digest_every: Duration,
}

impl Settings {
    /// The cloud's pace: a cycle takes some minutes, a digest covers an hour.
    pub fn new(endpoint: &str, access_key: &str, secret_key: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            cycle: Duration::from_secs(300),
            digest_every: Duration::from_secs(3600),
        }
    }
}

/// What waits to be delivered for one project, and what the digests say of it.
#[derive(Default)]
pub struct Outgoing {
    /// Service and trace, oldest first.
    waiting: Vec<(String, Value)>,
    /// By service; one without a name where files are not sorted.
    chains: BTreeMap<String, digest::Chain>,
}

impl Outgoing {
    pub fn take(&mut self, trace: &Value) {
        let service = trace["service_type"].as_str().unwrap_or("Unknown");
        // A service names a folder.
        let service: String =
            service.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
        self.waiting.push((service, file::shape(trace)));
    }
}

/// Whether to make digests in this round, due or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    WhenDue,
    Now,
}

/// Delivers each cycle until the emulator stops.
pub async fn deliver(world: Arc<World>) {
    let Some(settings) = &world.settings.obs else { return };
    // Without a pause there would be nothing but rounds.
    let cycle = settings.cycle.max(Duration::from_millis(100));
    while world.stop.run_until_cancelled(clock::sleep(cycle)).await.is_some() {
        round(&world, Digests::WhenDue).await;
    }
}

/// One cycle: the keys of what was written.
pub async fn round(world: &World, digests: Digests) -> Vec<String> {
    let mut written = Vec::new();
    let Some(store) = &world.store else { return written };
    let _alone = world.delivering.lock().await;
    for at in 0..world.projects.len() {
        let tracker = world.state().cts[at].management().filter(|tracker| tracker.delivers()).cloned();
        if let Some(tracker) = tracker {
            let done = of_project(world, store, at, &tracker, digests, &mut written).await;
            if let Err(trouble) = done {
                // Without a tracker by now nobody is there to be told.
                let _ = world.state().cts[at].trouble(trouble);
            }
        }
    }
    written
}

/// An error says what is wrong with the tracker; none: the server did not answer, which passes.
async fn of_project(
    world: &World,
    store: &Store,
    at: usize,
    tracker: &Tracker,
    digests: Digests,
    written: &mut Vec<String>,
) -> Result<(), Option<Trouble>> {
    let waiting = std::mem::take(&mut world.state().outgoing[at].waiting);
    let mut by_service: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (service, trace) in waiting {
        let service = if tracker.is_sort_by_service { service } else { String::new() };
        by_service.entry(service).or_default().push(trace);
    }
    let name = file::Name::new(world, at, tracker, clock::now());
    let mut files = by_service
        .into_iter()
        .flat_map(|(service, traces)| {
            let parts: Vec<Vec<Value>> = traces.chunks(MOST).map(<[Value]>::to_vec).collect();
            parts.into_iter().map(move |part| (service.clone(), part))
        })
        .collect::<Vec<_>>()
        .into_iter();
    while let Some((service, traces)) = files.next() {
        let serial = world.state().rng.u64(..);
        let key = name.of_traces(&service, serial);
        let body = file::body(&traces, &tracker.compress_type);
        let md5 = digest::md5(&body);
        if let Err(trouble) = store.put(&tracker.bucket_name, &key, body, &[]).await {
            let mut state = world.state();
            let rest = std::iter::once((service, traces)).chain(files);
            let rest = rest.flat_map(|(service, traces)| traces.into_iter().map(move |trace| (service.clone(), trace)));
            let fresh = std::mem::take(&mut state.outgoing[at].waiting);
            state.outgoing[at].waiting = rest.chain(fresh).collect();
            return Err(trouble);
        }
        let start = digest::start(clock::now(), store.digest_every);
        let mut state = world.state();
        let chain = state.outgoing[at].chains.entry(service).or_insert_with(|| digest::Chain::new(start));
        chain.add(tracker.bucket_name.clone(), key.clone(), md5);
        written.push(key);
    }
    if tracker.is_support_validate {
        let services: Vec<String> = world.state().outgoing[at].chains.keys().cloned().collect();
        for service in services {
            let key = digest::write(world, store, (at, &service), tracker, &name, digests).await?;
            written.extend(key);
        }
    }
    Ok(())
}

/// Before a tracker is made or changed: is its bucket there, or can it be made?
pub async fn prepare(world: &World, change: &Change) -> Result<(), Refusal> {
    let (Some(store), Some(bucket)) = (&world.store, &change.bucket_name) else { return Ok(()) };
    let creates = change.is_obs_created == Some(true);
    let answer = if creates { store.create(bucket).await } else { store.look(bucket).await };
    match (creates, answer) {
        (_, Some(StatusCode::OK | StatusCode::NO_CONTENT)) => Ok(()),
        (true, Some(StatusCode::CONFLICT)) => Err(refusal("CTS.0215")),
        (true, _) => Err(refusal("CTS.0216")),
        (false, Some(StatusCode::NOT_FOUND)) => Err(refusal("CTS.0211")),
        (false, _) => Err(refusal("CTS.0001")),
    }
}

/// The server that stands for OBS.
pub struct Store {
    endpoint: url::Url,
    credentials: Credentials,
    region: String,
    pub digest_every: Duration,
    client: Client,
}

impl Store {
    /// An error says what is wrong with the settings.
    pub fn new(settings: &Settings, region: &str) -> Result<Self, String> {
        // A second installation is refused and harmless: the first one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = settings.endpoint.parse().map_err(|error| format!("`{}`: {error}", settings.endpoint))?;
        let client = Client::builder().timeout(PATIENCE).no_proxy().build().map_err(|error| error.to_string())?;
        let credentials = Credentials::new(settings.access_key.clone(), settings.secret_key.clone());
        let digest_every = settings.digest_every.max(Duration::from_secs(1));
        let store = Self { endpoint, credentials, region: region.to_owned(), digest_every, client };
        store.bucket("any").map(|_| store).ok_or_else(|| format!("`{}` is no address of a server", settings.endpoint))
    }

    fn bucket(&self, name: &str) -> Option<Bucket> {
        Bucket::new(self.endpoint.clone(), UrlStyle::Path, name.to_owned(), self.region.clone()).ok()
    }

    async fn look(&self, bucket: &str) -> Option<StatusCode> {
        let bucket = self.bucket(bucket)?;
        let url = bucket.head_bucket(Some(&self.credentials)).sign(VALID);
        status(self.client.request(Method::HEAD, url)).await
    }

    async fn create(&self, bucket: &str) -> Option<StatusCode> {
        let bucket = self.bucket(bucket)?;
        let url = bucket.create_bucket(&self.credentials).sign(VALID);
        let body = format!(
            "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
            self.region
        );
        status(self.client.put(url).body(body)).await
    }

    /// The headers are metadata, by their names without `x-amz-meta-`.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        body: Vec<u8>,
        metadata: &[(&str, &str)],
    ) -> Result<(), Option<Trouble>> {
        let bucket = self.bucket(bucket).ok_or(Some(Trouble::NoBucket))?;
        let mut action = bucket.put_object(Some(&self.credentials), key);
        let metadata: Vec<(String, &str)> =
            metadata.iter().map(|(name, value)| (format!("x-amz-meta-{name}"), *value)).collect();
        for (name, value) in &metadata {
            action.headers_mut().insert(name.clone(), *value);
        }
        let mut request = self.client.put(action.sign(VALID));
        for (name, value) in &metadata {
            request = request.header(name, *value);
        }
        match status(request.body(body)).await {
            Some(status) if status.is_success() => Ok(()),
            Some(StatusCode::NOT_FOUND) => Err(Some(Trouble::NoBucket)),
            Some(StatusCode::FORBIDDEN) => Err(Some(Trouble::BucketPolicyError)),
            _ => Err(None),
        }
    }
}

async fn status(request: RequestBuilder) -> Option<StatusCode> {
    match request.send().await {
        Ok(answer) => Some(answer.status()),
        Err(error) => {
            tracing::warn!("the S3 server of the emulator did not answer: {}", error.without_url());
            None
        }
    }
}

/// `2026-01-15T08-30-00Z`
fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H-%M-%SZ").to_string()
}
