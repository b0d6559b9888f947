//! Names and contents of trace files, as a real bucket shows them.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use super::{
    super::{tracker::Tracker, world::World},
    stamp,
};
use crate::clock::Timestamp;

/// What the keys of one cycle have in common.
pub struct Name {
    /// `CloudTraces/eu-de/2026/01/15/system`
    folder: String,
    prefix: String,
    /// The region, and the project if it is not the region's own.
    place: String,
    stamp: String,
    ending: &'static str,
}

impl Name {
    pub fn new(world: &World, at: usize, tracker: &Tracker, now: Timestamp) -> Self {
        let (region, project) = (&world.settings.region, &world.projects[at].name);
        Self {
            folder: format!("CloudTraces/{region}/{}/{}", now.strftime("%Y/%m/%d"), tracker.name),
            prefix: match tracker.file_prefix_name.as_str() {
                "" => String::new(),
                prefix => format!("{prefix}_"),
            },
            place: if region == project { region.clone() } else { format!("{region}-{project}") },
            stamp: stamp(now),
            ending: if tracker.compress_type == "json" { "json" } else { "json.gz" },
        }
    }

    /// Without a service files of all services are mixed.
    pub fn of_traces(&self, service: &str, serial: u64) -> String {
        let Self { folder, prefix, place, stamp, ending } = self;
        let folder = if service.is_empty() { folder.clone() } else { format!("{folder}/{service}") };
        format!("{folder}/{prefix}CloudTrace_{place}_{stamp}_{serial:016x}.{ending}")
    }

    /// Always compressed.
    pub fn of_digest(&self, service: &str, end: Timestamp) -> String {
        let Self { folder, prefix, place, .. } = self;
        let folder = if service.is_empty() { format!("{folder}/Digest") } else { format!("{folder}/Digest/{service}") };
        format!("{folder}/{prefix}CloudTrace-Digest_{place}_{}.json.gz", stamp(end))
    }
}

/// As in files: the user as text, the code as a number.
pub fn shape(trace: &Value) -> Value {
    let mut trace = trace.clone();
    if trace["user"].is_object() {
        trace["user"] = trace["user"].to_string().into();
    }
    if let Some(code) = trace["code"].as_str().and_then(|code| code.parse::<i64>().ok()) {
        trace["code"] = code.into();
    }
    for (key, usual) in [("tracker_name", "system"), ("event_type", "system")] {
        if trace[key].is_null() {
            trace[key] = usual.into();
        }
    }
    trace
}

/// One list of traces.
pub fn body(traces: &[Value], compress_type: &str) -> Vec<u8> {
    let text = Value::from(traces).to_string().into_bytes();
    if compress_type == "json" { text } else { packed(&text) }
}

pub fn packed(text: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text).expect("memory can be written");
    packed.finish().expect("memory can be written")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn traces_in_files_have_their_own_shape() {
        let trace = shape(&json!({"code": "204", "user": {"name": "bob"}, "time": 5}));
        assert_eq!(
            trace,
            json!({"code": 204, "user": "{\"name\":\"bob\"}", "time": 5, "tracker_name": "system", "event_type": "system"})
        );
        assert_eq!(shape(&json!({"code": "none"}))["code"], "none");
    }
}
