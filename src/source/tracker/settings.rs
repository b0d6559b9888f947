//! Every setting of a tracker: its name, where either version of the API writes it, where it is read.
//!
//! One table for reading, merging and writing, so that an update cannot forget one. What only the
//! cloud says (ids, location, whether it may write into the bucket) is no setting.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::source::cts::Api;

/// One setting. Paths are JSON pointers.
#[derive(Debug)]
pub struct Setting {
    /// As in the flags of the command line.
    pub name: &'static str,
    /// Where answers hold it: nested in v3, flat in v1, both in some.
    read: &'static [&'static str],
    v3: Option<&'static str>,
    v1: Option<&'static str>,
}

/// Values by the names of their settings. One that is not there was not said.
pub type Values = BTreeMap<&'static str, Value>;

const fn setting(
    name: &'static str,
    read: &'static [&'static str],
    v3: Option<&'static str>,
    v1: Option<&'static str>,
) -> Setting {
    Setting { name, read, v3, v1 }
}

pub const STATUS: &str = "status";
pub const BUCKET: &str = "bucket";
pub const PREFIX: &str = "prefix";
pub const LTS: &str = "lts";
pub const LTS_GROUP: &str = "lts-group";
pub const LTS_TOPIC: &str = "lts-topic";
pub const VALIDATE: &str = "validate";
pub const COMPRESS: &str = "compress";
pub const SORT: &str = "sort-by-service";
pub const ENCRYPT: &str = "encrypt";
pub const KMS_KEY: &str = "kms-key";
pub const AGENCY: &str = "agency";
pub const LIFECYCLE: &str = "lifecycle";
pub const ORGANIZATION: &str = "organization";
pub const EXCLUDE: &str = "exclude-service";
pub const DATA_BUCKET: &str = "data-bucket";
pub const DATA_EVENTS: &str = "data-event";

/// Few choose these.
pub const RARE: [&str; 7] = [LIFECYCLE, KMS_KEY, AGENCY, ORGANIZATION, EXCLUDE, DATA_BUCKET, DATA_EVENTS];

/// In the order in which they are shown.
pub const ALL: &[Setting] = &[
    setting(STATUS, &["/status"], Some("/status"), Some("/status")),
    setting(BUCKET, &["/obs_info/bucket_name", "/bucket_name"], Some("/obs_info/bucket_name"), Some("/bucket_name")),
    setting(
        PREFIX,
        &["/obs_info/file_prefix_name", "/file_prefix_name"],
        Some("/obs_info/file_prefix_name"),
        Some("/file_prefix_name"),
    ),
    setting(COMPRESS, &["/obs_info/compress_type"], Some("/obs_info/compress_type"), None),
    setting(SORT, &["/obs_info/is_sort_by_service"], Some("/obs_info/is_sort_by_service"), None),
    setting(LIFECYCLE, &["/obs_info/bucket_lifecycle", "/bucket_lifecycle"], Some("/obs_info/bucket_lifecycle"), None),
    setting(
        VALIDATE,
        &["/is_support_validate", "/log_file_validate/is_support_validate"],
        Some("/is_support_validate"),
        Some("/log_file_validate/is_support_validate"),
    ),
    setting(
        ENCRYPT,
        &["/is_support_trace_files_encryption"],
        Some("/is_support_trace_files_encryption"),
        Some("/is_support_trace_files_encryption"),
    ),
    setting(KMS_KEY, &["/kms_id"], Some("/kms_id"), None),
    setting(LTS, &["/lts/is_lts_enabled", "/is_lts_enabled"], Some("/is_lts_enabled"), Some("/lts/is_lts_enabled")),
    setting(LTS_GROUP, &["/lts/log_group_name"], None, Some("/lts/log_group_name")),
    setting(LTS_TOPIC, &["/lts/log_topic_name"], None, Some("/lts/log_topic_name")),
    setting(AGENCY, &["/agency_name"], Some("/agency_name"), None),
    setting(ORGANIZATION, &["/is_organization_tracker"], Some("/is_organization_tracker"), None),
    setting(
        EXCLUDE,
        &["/management_event_selector/exclude_service"],
        Some("/management_event_selector/exclude_service"),
        None,
    ),
    setting(DATA_BUCKET, &["/data_bucket/data_bucket_name"], Some("/data_bucket/data_bucket_name"), None),
    setting(DATA_EVENTS, &["/data_bucket/data_event"], Some("/data_bucket/data_event"), None),
];

impl Setting {
    pub fn of(name: &str) -> &'static Setting {
        ALL.iter().find(|setting| setting.name == name).expect("settings are named by the constants of this file")
    }

    /// Where this version of the API wants it; `None` if it cannot be said there.
    pub fn place(&self, api: Api) -> Option<&'static str> {
        if api == Api::V3 { self.v3 } else { self.v1 }
    }
}

/// What an answer says of the settings. A text in the place of a number, or the other way round, is read too.
pub fn read(raw: &Value) -> Values {
    let said = |setting: &Setting| {
        let found = setting.read.iter().filter_map(|place| raw.pointer(place)).filter(|value| !value.is_null());
        // Of two places the one that says something counts.
        let mut found = found.peekable();
        let first = found.peek().copied();
        found.find(|value| !is_empty(value)).or(first).map(|value| (setting.name, plain(setting.name, value)))
    };
    ALL.iter().filter_map(said).collect()
}

/// Puts a value where its pointer says.
pub fn put(body: &mut Value, place: &str, value: Value) {
    let mut at = body;
    for key in place.split('/').skip(1) {
        if !at[key].is_object() && !at[key].is_null() {
            at[key] = json!({});
        }
        at = &mut at[key];
    }
    *at = value;
}

/// Nothing chosen: the cloud says `""` for texts and 0 for days.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Number(number) => number.as_u64() == Some(0),
        _ => false,
    }
}

/// Whether somebody chose this.
pub fn is_chosen(value: &Value) -> bool {
    !is_empty(value) && *value != Value::Bool(false)
}

/// A value as people read it.
pub fn words(name: &str, value: Option<&Value>) -> String {
    match value.filter(|value| !is_empty(value)) {
        None => "-".to_owned(),
        Some(Value::Bool(on)) => if *on { "on" } else { "off" }.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => list
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(", "),
        Some(days) if name == LIFECYCLE => format!("{days} days"),
        Some(other) => other.to_string(),
    }
}

fn plain(name: &str, value: &Value) -> Value {
    match (name, value) {
        (LIFECYCLE, Value::String(text)) => text.trim().parse::<u64>().map_or(json!(0), Value::from),
        (_, Value::String(text)) if text == "true" => json!(true),
        (_, Value::String(text)) if text == "false" => json!(false),
        _ => value.clone(),
    }
}
