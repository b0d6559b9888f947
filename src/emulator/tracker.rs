//! A tracker: what it holds, and how each version of the API shows it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer::Refusal, cts::refusal, world::World};
use crate::clock;

mod change;

pub use change::{Change, check_name, flag, text};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of operations; there is one.
    System,
    /// Of what happens to the objects of a bucket. Of an older documentation and of the error codes.
    Data,
}

/// Why a tracker's status is `error`, in the cloud's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trouble {
    BucketPolicyError,
    NoBucket,
    /// The account owes money: nothing is delivered, and trackers can only be deleted.
    Arrears,
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::BucketPolicyError => "bucketPolicyError",
            Self::NoBucket => "noBucket",
            Self::Arrears => "arrears",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Tracker {
    pub id: String,
    pub name: String,
    pub kind: Kind,
    pub enabled: bool,
    pub trouble: Option<Trouble>,
    pub bucket_name: String,
    pub file_prefix_name: String,
    pub is_support_validate: bool,
    pub compress_type: String,
    pub is_sort_by_service: bool,
    pub data_bucket: Option<DataBucket>,
    create_time: i64,
    is_obs_created: bool,
    bucket_lifecycle: u64,
    lts_enabled: bool,
    is_encrypted: bool,
    kms_id: String,
    agency_name: String,
    is_organization_tracker: bool,
    exclude_service: Vec<String>,
    /// The removed notification block of v1; old clients expect it back.
    smn: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataBucket {
    pub name: String,
    pub operations: Vec<String>,
}

impl Tracker {
    pub fn new(id: String, kind: Kind, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            kind,
            enabled: true,
            trouble: None,
            bucket_name: String::new(),
            file_prefix_name: String::new(),
            is_support_validate: false,
            compress_type: "gzip".to_owned(),
            is_sort_by_service: true,
            data_bucket: None,
            create_time: clock::now().as_millisecond(),
            is_obs_created: false,
            bucket_lifecycle: 0,
            lts_enabled: false,
            is_encrypted: false,
            kms_id: String::new(),
            agency_name: String::new(),
            is_organization_tracker: false,
            exclude_service: Vec::new(),
            smn: None,
        }
    }

    /// By name or id.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.id == name
    }

    /// Everything but who it is, as an update that replaces what it does not name.
    pub fn forget(&mut self) {
        let fresh = Self::new(self.id.clone(), self.kind, &self.name);
        *self = Self {
            create_time: self.create_time,
            data_bucket: self.data_bucket.take(),
            enabled: self.enabled,
            ..fresh
        };
    }

    pub fn apply(&mut self, change: Change) -> Result<(), Refusal> {
        let stays_disabled = !self.enabled && change.enabled != Some(true);
        if stays_disabled && change.lts_enabled.is_some_and(|lts| lts != self.lts_enabled) {
            return Err(refusal("CTS.0056"));
        }
        let transfer = change.bucket_name.as_ref().unwrap_or(&self.bucket_name);
        match (&change.data_bucket, &self.data_bucket) {
            (Some(wanted), Some(known)) if wanted.name != known.name => return Err(refusal("CTS.0212")),
            (Some(wanted), _) if wanted.name == *transfer => return Err(refusal("CTS.0213")),
            _ => {}
        }
        let encrypted = change.is_encrypted.unwrap_or(self.is_encrypted);
        let key = change.kms_id.as_ref().unwrap_or(&self.kms_id);
        if encrypted && key.is_empty() && change.needs_key {
            return Err(refusal("CTS.0221"));
        }
        // A bucket that is named anew mends what was wrong with it.
        if change.bucket_name.is_some() && self.trouble != Some(Trouble::Arrears) {
            self.trouble = None;
        }
        set(&mut self.enabled, change.enabled);
        set(&mut self.bucket_name, change.bucket_name);
        set(&mut self.file_prefix_name, change.file_prefix_name);
        set(&mut self.is_obs_created, change.is_obs_created);
        set(&mut self.bucket_lifecycle, change.bucket_lifecycle);
        set(&mut self.lts_enabled, change.lts_enabled);
        set(&mut self.is_support_validate, change.is_support_validate);
        set(&mut self.compress_type, change.compress_type);
        set(&mut self.is_sort_by_service, change.is_sort_by_service);
        set(&mut self.is_encrypted, change.is_encrypted);
        set(&mut self.kms_id, change.kms_id);
        set(&mut self.agency_name, change.agency_name);
        set(&mut self.is_organization_tracker, change.is_organization_tracker);
        set(&mut self.exclude_service, change.exclude_service);
        self.data_bucket = change.data_bucket.or(self.data_bucket.take());
        self.smn = change.smn.or(self.smn.take());
        Ok(())
    }

    /// Whether trace files are written.
    pub fn delivers(&self) -> bool {
        self.enabled && self.trouble.is_none() && !self.bucket_name.is_empty()
    }

    fn status(&self) -> &'static str {
        match (self.trouble, self.enabled) {
            (Some(_), true) => "error",
            (_, true) => "enabled",
            (_, false) => "disabled",
        }
    }

    /// Flat as clients read it and nested as the documentation shows it.
    pub fn v1(&self, world: &World, at: usize) -> Value {
        let mut value = self.v3(world, at);
        for key in ["bucket_name", "file_prefix_name", "is_obs_created"] {
            value[key] = value["obs_info"][key].clone();
        }
        if let Some(smn) = &self.smn {
            value["smn"] = smn.clone();
        }
        value
    }

    pub fn v3(&self, world: &World, at: usize) -> Value {
        let lts = |text: &str| if self.lts_enabled { text.to_owned() } else { String::new() };
        let mut value = json!({
            "id": self.id, "create_time": self.create_time,
            "domain_id": world.domain_id(), "project_id": world.projects[at].id,
            "tracker_name": self.name, "tracker_type": if self.kind == Kind::System { "system" } else { "data" },
            "status": self.status(), "detail": self.trouble.map_or("", Trouble::name),
            "is_support_validate": self.is_support_validate,
            "is_support_trace_files_encryption": self.is_encrypted, "kms_id": self.kms_id,
            "agency_name": self.agency_name, "is_organization_tracker": self.is_organization_tracker,
            "management_event_selector": {"exclude_service": self.exclude_service},
            "group_id": lts("6f2e0d0a-0000-4000-8000-00000000c750"),
            "stream_id": lts("6f2e0d0a-0000-4000-8000-00000000c751"),
            // The names that a caller wishes for are ignored: CTS makes its own.
            "lts": {"is_lts_enabled": self.lts_enabled, "log_group_name": lts("CTS"),
                    "log_topic_name": lts(&format!("{}-trace", self.name))},
            "obs_info": {
                "bucket_name": self.bucket_name, "file_prefix_name": self.file_prefix_name,
                "is_obs_created": self.is_obs_created,
                "is_authorized_bucket": !self.bucket_name.is_empty() && self.trouble.is_none(),
                "bucket_lifecycle": self.bucket_lifecycle, "bucket_location": world.settings.region,
                "compress_type": self.compress_type, "is_sort_by_service": self.is_sort_by_service,
            },
        });
        if let Some(bucket) = &self.data_bucket {
            value["data_bucket"] = json!({"data_bucket_name": bucket.name, "data_event": bucket.operations});
        }
        value
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
