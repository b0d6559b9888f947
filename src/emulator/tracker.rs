//! The account's one tracker: what it holds, which changes CTS allows.

use serde_json::{Value, json};

use super::{
    answer::Refusal,
    world::{State, World, uuid},
};
use crate::clock;

#[derive(Debug, Clone)]
pub struct Tracker {
    pub id: String,
    create_time: i64,
    enabled: bool,
    bucket_name: String,
    file_prefix_name: String,
    is_obs_created: bool,
    lts_enabled: bool,
    is_support_validate: bool,
    compress_type: String,
    is_sort_by_service: bool,
    /// The removed notification block of v1; old clients expect it back.
    smn: Option<Value>,
}

/// Wanted values; none: unchanged, or the default on creation.
#[derive(Debug, Default)]
pub struct Change {
    pub enabled: Option<bool>,
    pub bucket_name: Option<String>,
    pub file_prefix_name: Option<String>,
    pub is_obs_created: Option<bool>,
    pub lts_enabled: Option<bool>,
    pub is_support_validate: Option<bool>,
    pub compress_type: Option<String>,
    pub is_sort_by_service: Option<bool>,
    pub smn: Option<Value>,
}

impl Change {
    /// What v1 and v3 have in common; `obs` is where the bucket fields are.
    pub fn read(body: &Value, obs: &Value) -> Result<Self, Refusal> {
        let change = Self {
            enabled: status(&body["status"])?,
            bucket_name: text(obs, "bucket_name")?,
            file_prefix_name: text(obs, "file_prefix_name")?,
            is_obs_created: flag(obs, "is_obs_created")?,
            ..Self::default()
        };
        if let Some(name) = &change.bucket_name {
            check_bucket_name(name)?;
        }
        if let Some(prefix) = &change.file_prefix_name {
            let good = prefix.len() <= 64 && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if !good {
                return Err(Refusal::bad_request("CTS.0218", "file_prefix_name is malformed."));
            }
        }
        Ok(change)
    }
}

impl Tracker {
    fn new(id: String) -> Self {
        Self {
            id,
            create_time: clock::now().as_millisecond(),
            enabled: true,
            bucket_name: String::new(),
            file_prefix_name: String::new(),
            is_obs_created: false,
            lts_enabled: false,
            is_support_validate: false,
            compress_type: "gzip".to_owned(),
            is_sort_by_service: true,
            smn: None,
        }
    }

    fn apply(&mut self, change: Change) -> Result<(), Refusal> {
        let stays_disabled = !self.enabled && change.enabled != Some(true);
        if stays_disabled && change.lts_enabled.is_some_and(|lts| lts != self.lts_enabled) {
            return Err(Refusal::bad_request("CTS.0056", "LTS cannot be changed while the tracker is disabled."));
        }
        let Self { enabled, bucket_name, file_prefix_name, is_obs_created, lts_enabled, .. } = self;
        set(enabled, change.enabled);
        set(bucket_name, change.bucket_name);
        set(file_prefix_name, change.file_prefix_name);
        set(is_obs_created, change.is_obs_created);
        set(lts_enabled, change.lts_enabled);
        set(&mut self.is_support_validate, change.is_support_validate);
        set(&mut self.compress_type, change.compress_type);
        set(&mut self.is_sort_by_service, change.is_sort_by_service);
        if change.smn.is_some() {
            self.smn = change.smn;
        }
        Ok(())
    }

    /// Flat as clients read it and nested as the documentation shows it.
    pub fn v1(&self, world: &World) -> Value {
        let mut value = self.v3(world);
        for key in ["bucket_name", "file_prefix_name", "is_obs_created"] {
            value[key] = value["obs_info"][key].clone();
        }
        if let Some(smn) = &self.smn {
            value["smn"] = smn.clone();
        }
        value
    }

    pub fn v3(&self, world: &World) -> Value {
        let lts = |text: &str| if self.lts_enabled { text.to_owned() } else { String::new() };
        json!({
            "id": self.id, "create_time": self.create_time,
            "domain_id": world.domain_id(), "project_id": world.settings.project_id,
            "tracker_name": "system", "tracker_type": "system",
            "status": if self.enabled { "enabled" } else { "disabled" }, "detail": "",
            "is_support_validate": self.is_support_validate,
            "group_id": lts("6f2e0d0a-0000-4000-8000-00000000c750"),
            "stream_id": lts("6f2e0d0a-0000-4000-8000-00000000c751"),
            // The names that a caller wishes for are ignored: CTS makes its own.
            "lts": {"is_lts_enabled": self.lts_enabled, "log_group_name": lts("CTS"),
                    "log_topic_name": lts("system-trace")},
            "obs_info": {
                "bucket_name": self.bucket_name, "file_prefix_name": self.file_prefix_name,
                "is_obs_created": self.is_obs_created, "is_authorized_bucket": !self.bucket_name.is_empty(),
                "bucket_lifecycle": 0, "bucket_location": world.settings.region,
                "compress_type": self.compress_type, "is_sort_by_service": self.is_sort_by_service,
            },
        })
    }
}

impl State {
    pub fn create_tracker(&mut self, change: Change) -> Result<&Tracker, Refusal> {
        if self.tracker.is_some() {
            return Err(Refusal::bad_request("CTS.0201", "A management tracker has been created."));
        }
        let mut tracker = Tracker::new(uuid(&mut self.rng));
        tracker.apply(change)?;
        self.recording = tracker.enabled;
        Ok(self.tracker.insert(tracker))
    }

    pub fn update_tracker(&mut self, name: &str, change: Change) -> Result<&Tracker, Refusal> {
        self.find_tracker(name)?;
        let Some(tracker) = &mut self.tracker else { return Err(Refusal::no_tracker(name)) };
        tracker.apply(change)?;
        self.recording = tracker.enabled;
        Ok(tracker)
    }

    pub fn find_tracker(&self, name: &str) -> Result<&Tracker, Refusal> {
        let found = self.tracker.as_ref().filter(|tracker| name == "system" || name == tracker.id);
        found.ok_or_else(|| Refusal::no_tracker(name))
    }

    /// Traces stay; none are added until there is a tracker again.
    pub fn delete_tracker(&mut self, name: Option<&str>) -> Result<String, Refusal> {
        let id = self.find_tracker(name.unwrap_or("system"))?.id.clone();
        self.tracker = None;
        self.recording = false;
        Ok(id)
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn status(value: &Value) -> Result<Option<bool>, Refusal> {
    match value {
        Value::Null => Ok(None),
        Value::String(status) if status == "enabled" => Ok(Some(true)),
        Value::String(status) if status == "disabled" => Ok(Some(false)),
        _ => Err(Refusal::bad_request("CTS.0205", "status must be enabled or disabled.")),
    }
}

pub fn text(object: &Value, key: &str) -> Result<Option<String>, Refusal> {
    match &object[key] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(Refusal::bad_request("CTS.0003", format!("{key} must be a string."))),
    }
}

pub fn flag(object: &Value, key: &str) -> Result<Option<bool>, Refusal> {
    match &object[key] {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        _ => Err(Refusal::bad_request("CTS.0003", format!("{key} must be a boolean."))),
    }
}

fn check_bucket_name(name: &str) -> Result<(), Refusal> {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let pairs = ["..", ".-", "-."].iter().any(|pair| name.contains(pair));
    if (3..=63).contains(&name.len()) && letters && starts && !pairs {
        // OBS is not emulated; a name of this form stands for a missing bucket.
        if name.starts_with("no-such-") {
            return Err(Refusal::coded(
                axum::http::StatusCode::NOT_FOUND,
                "CTS.0211",
                format!("The bucket {name} does not exist."),
            ));
        }
        return Ok(());
    }
    Err(Refusal::bad_request("CTS.0231", "The bucket name is malformed."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: Value, code: Option<&str>) {
        let refusal = Change::read(&body, &body).err().map(|refusal| refusal.text());
        match (code, refusal) {
            (None, None) => {}
            (Some(code), Some(text)) => assert!(text.contains(code), "{text}"),
            (expected, found) => panic!("{body}: expected {expected:?}, found {found:?}"),
        }
    }

    #[test]
    fn names_are_checked_as_documented() {
        check(json!({"bucket_name": "audit-bucket.1", "file_prefix_name": "p_-."}), None);
        check(json!({"bucket_name": "ab"}), Some("CTS.0231"));
        check(json!({"bucket_name": "Audit"}), Some("CTS.0231"));
        check(json!({"bucket_name": "a..b"}), Some("CTS.0231"));
        check(json!({"bucket_name": "-abc"}), Some("CTS.0231"));
        check(json!({"bucket_name": 7}), Some("CTS.0003"));
        check(json!({"bucket_name": "no-such-bucket"}), Some("CTS.0211"));
        check(json!({"file_prefix_name": "a/b"}), Some("CTS.0218"));
        check(json!({"file_prefix_name": "x".repeat(65)}), Some("CTS.0218"));
        check(json!({"status": "on"}), Some("CTS.0205"));
    }
}
