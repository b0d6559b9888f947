//! Digests: each hour, for each service, a signed list of the files that were delivered, chained to the one before.

use std::time::Duration;

use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::{
    super::{
        tracker::{Tracker, Trouble},
        world::World,
    },
    Digests, Store,
    file::{Name, packed},
    stamp,
};
use crate::clock::{self, Timestamp};

/// What the next digest of a service will say.
pub struct Chain {
    start: Timestamp,
    files: Vec<Value>,
    previous: Option<Previous>,
}

#[derive(Clone)]
struct Previous {
    bucket: String,
    object: String,
    md5: String,
    signature: String,
}

impl Chain {
    pub fn new(start: Timestamp) -> Self {
        Self { start, files: Vec::new(), previous: None }
    }

    pub fn add(&mut self, bucket: String, object: String, md5: String) {
        self.files
            .push(json!({"bucket": bucket, "object": object, "log_hash_value": md5, "log_hash_algorithm": "MD5"}));
    }
}

/// The beginning of the hour, where that is how much a digest covers.
pub fn start(now: Timestamp, every: Duration) -> Timestamp {
    let every = i64::try_from(every.as_secs()).unwrap_or(3600).max(1);
    Timestamp::from_second(now.as_second() / every * every).unwrap_or(now)
}

pub fn md5(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// Writes the digest of a service if its time has come; its key.
pub async fn write(
    world: &World,
    store: &Store,
    (at, service): (usize, &str),
    tracker: &Tracker,
    name: &Name,
    digests: Digests,
) -> Result<Option<String>, Option<Trouble>> {
    let now = clock::now();
    let (start, files, previous) = {
        let state = world.state();
        let Some(chain) = state.outgoing[at].chains.get(service) else { return Ok(None) };
        if digests == Digests::WhenDue && clock::since(chain.start, now) < store.digest_every {
            return Ok(None);
        }
        (chain.start, chain.files.clone(), chain.previous.clone())
    };
    let end = match digests {
        Digests::WhenDue => clock::plus(start, store.digest_every),
        // Two in one second would have one name.
        Digests::Now => now.max(clock::plus(start, Duration::from_secs(1))),
    };
    let object = name.of_digest(service, end);
    let before = |of: fn(&Previous) -> &String| previous.as_ref().map(of).cloned().unwrap_or_default();
    let previous_signature = before(|previous| &previous.signature);
    let count = files.len();
    let digest = json!({
        "project_id": world.projects[at].id,
        "digest_start_time": stamp(start), "digest_end_time": stamp(end),
        "digest_bucket": tracker.bucket_name, "digest_object": object,
        "digest_signature_algorithm": "SHA256withRSA", "digest_end": false,
        "previous_digest_bucket": before(|previous| &previous.bucket),
        "previous_digest_object": before(|previous| &previous.object),
        "previous_digest_hash_value": before(|previous| &previous.md5),
        "previous_digest_hash_algorithm": if previous.is_some() { "MD5" } else { "" },
        "previous_digest_signature": previous_signature, "previous_digest_end": false,
        "log_files": files,
    });
    let body = packed(digest.to_string().as_bytes());
    let md5 = md5(&body);
    let signed = format!("{}{object}{md5}{previous_signature}", stamp(end));
    let signature = hex::encode(world.signer.sign(signed.as_bytes()));
    let metadata = [("meta-signature", signature.as_str()), ("meta-signature-algorithm", "SHA256withRSA")];
    store.put(&tracker.bucket_name, &object, body, &metadata).await?;
    if let Some(chain) = world.state().outgoing[at].chains.get_mut(service) {
        // What came meanwhile is for the next one.
        chain.files.drain(..count);
        chain.start = end;
        let bucket = tracker.bucket_name.clone();
        chain.previous = Some(Previous { bucket, object: object.clone(), md5, signature });
    }
    Ok(Some(object))
}
