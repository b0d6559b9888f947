//! What a request asks of a tracker, read and checked as documented.

use axum::http::StatusCode;
use serde_json::Value;

use super::{
    super::{answer::Refusal, cts::refusal},
    DataBucket, Kind,
};

/// Wanted values; none: unchanged, or the default on creation.
#[derive(Debug, Default)]
pub struct Change {
    pub enabled: Option<bool>,
    pub bucket_name: Option<String>,
    pub file_prefix_name: Option<String>,
    pub is_obs_created: Option<bool>,
    pub bucket_lifecycle: Option<u64>,
    pub lts_enabled: Option<bool>,
    pub is_support_validate: Option<bool>,
    pub compress_type: Option<String>,
    pub is_sort_by_service: Option<bool>,
    pub is_encrypted: Option<bool>,
    /// v1 can ask for encryption and has no place for a key.
    pub needs_key: bool,
    pub kms_id: Option<String>,
    pub agency_name: Option<String>,
    pub is_organization_tracker: Option<bool>,
    pub exclude_service: Option<Vec<String>>,
    pub data_bucket: Option<DataBucket>,
    pub smn: Option<Value>,
}

impl Change {
    /// What v1 and v3 have in common; `obs` is where the bucket fields are.
    fn read(body: &Value, obs: &Value) -> Result<Self, Refusal> {
        let change = Self {
            enabled: status(&body["status"])?,
            bucket_name: text(obs, "bucket_name")?,
            file_prefix_name: text(obs, "file_prefix_name")?,
            is_obs_created: flag(obs, "is_obs_created")?,
            is_encrypted: flag(body, "is_support_trace_files_encryption")?,
            ..Self::default()
        };
        if let Some(name) = &change.bucket_name {
            check_bucket_name(name)?;
        }
        if let Some(prefix) = &change.file_prefix_name {
            let good = prefix.len() <= 64 && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            if !good {
                return Err(refusal("CTS.0218"));
            }
        }
        Ok(change)
    }

    pub fn v1(body: &Value) -> Result<Self, Refusal> {
        let mut change = Self::read(body, body)?;
        change.lts_enabled = flag(&body["lts"], "is_lts_enabled")?;
        change.is_support_validate = flag(&body["log_file_validate"], "is_support_validate")?;
        change.smn = Some(body["smn"].clone()).filter(Value::is_object);
        Ok(change)
    }

    pub fn v3(body: &Value, kind: Kind) -> Result<Self, Refusal> {
        let obs = &body["obs_info"];
        let mut change = Self::read(body, obs)?;
        change.lts_enabled = flag(body, "is_lts_enabled")?;
        change.is_support_validate = flag(body, "is_support_validate")?;
        change.is_sort_by_service = flag(obs, "is_sort_by_service")?;
        change.bucket_lifecycle = match &obs["bucket_lifecycle"] {
            Value::Null => None,
            days => Some(days.as_u64().ok_or_else(|| wrong("bucket_lifecycle must be a number of days."))?),
        };
        change.compress_type = text(obs, "compress_type")?;
        if change.compress_type.as_deref().is_some_and(|kind| !["gzip", "json"].contains(&kind)) {
            return Err(wrong("compress_type must be gzip or json."));
        }
        change.kms(body, kind)?;
        change.agency_name = text(body, "agency_name")?;
        change.is_organization_tracker = flag(body, "is_organization_tracker")?;
        if change.is_organization_tracker == Some(true) {
            // There is no organization here that could trust CTS.
            return Err(refusal("CTS.0228"));
        }
        change.exclude_service = texts(&body["management_event_selector"]["exclude_service"])
            .map_err(|()| wrong("exclude_service must be a list of services."))?;
        if change.exclude_service.iter().flatten().any(|service| service != "KMS") {
            return Err(wrong("exclude_service can hold KMS only."));
        }
        change.data_bucket = data_bucket(&body["data_bucket"], kind)?;
        Ok(change)
    }

    fn kms(&mut self, body: &Value, kind: Kind) -> Result<(), Refusal> {
        self.needs_key = true;
        self.kms_id = text(body, "kms_id")?;
        if kind == Kind::Data && self.is_encrypted == Some(true) {
            return Err(refusal("CTS.0220"));
        }
        let is_id = |key: &str| key.len() == 36 && key.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        match &self.kms_id {
            // Keys are not emulated: whatever looks like the id of one is one.
            Some(key) if !key.is_empty() && !is_id(key) => Err(refusal("CTS.0222")),
            _ => Ok(()),
        }
    }
}

fn data_bucket(value: &Value, kind: Kind) -> Result<Option<DataBucket>, Refusal> {
    match (kind, value) {
        (_, Value::Null) => return Ok(None),
        (Kind::System, _) => return Err(refusal("CTS.0206")),
        (Kind::Data, _) => {}
    }
    let name = text(value, "data_bucket_name")?.unwrap_or_default();
    if name.is_empty() {
        return Err(refusal("CTS.0210"));
    }
    check_bucket_name(&name)?;
    let operations = texts(&value["data_event"]).map_err(|()| refusal("CTS.0225"))?.unwrap_or_default();
    if operations.is_empty() {
        return Err(refusal("CTS.0219"));
    }
    if operations.iter().any(|operation| operation != "READ" && operation != "WRITE") {
        return Err(refusal("CTS.0225"));
    }
    Ok(Some(DataBucket { name, operations }))
}

/// Type and name, as they are in the body of v3.
pub fn check_name(body: &Value) -> Result<(Kind, String), Refusal> {
    let kind = match text(body, "tracker_type")?.as_deref() {
        Some("system") => Kind::System,
        Some("data") => Kind::Data,
        _ => return Err(refusal("CTS.0202")),
    };
    let name = text(body, "tracker_name")?.unwrap_or_default();
    let good = (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && !name.starts_with(['-', '_']);
    match (kind, name.as_str()) {
        _ if !good => Err(refusal("CTS.0203")),
        (Kind::System, "system") => Ok((kind, name)),
        (Kind::System, _) => Err(refusal("CTS.0204")),
        (Kind::Data, "system") => Err(refusal("CTS.0207")),
        (Kind::Data, _) => Ok((kind, name)),
    }
}

fn status(value: &Value) -> Result<Option<bool>, Refusal> {
    match value {
        Value::Null => Ok(None),
        Value::String(status) if status == "enabled" => Ok(Some(true)),
        Value::String(status) if status == "disabled" => Ok(Some(false)),
        _ => Err(refusal("CTS.0205")),
    }
}

fn wrong(text: &str) -> Refusal {
    Refusal::bad_request("CTS.0003", text)
}

pub fn text(object: &Value, key: &str) -> Result<Option<String>, Refusal> {
    match &object[key] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(wrong(&format!("{key} must be a string."))),
    }
}

pub fn flag(object: &Value, key: &str) -> Result<Option<bool>, Refusal> {
    match &object[key] {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        _ => Err(wrong(&format!("{key} must be a boolean."))),
    }
}

fn texts(value: &Value) -> Result<Option<Vec<String>>, ()> {
    match value {
        Value::Null => Ok(None),
        other => serde_json::from_value(other.clone()).map(Some).map_err(|_| ()),
    }
}

fn check_bucket_name(name: &str) -> Result<(), Refusal> {
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let pairs = ["..", ".-", "-."].iter().any(|pair| name.contains(pair));
    let is_address = name.split('.').count() == 4 && name.split('.').all(|part| part.parse::<u8>().is_ok());
    if (3..=63).contains(&name.len()) && letters && starts && !pairs && !is_address {
        // Where no OBS is given, a name of this form stands for a missing bucket.
        if name.starts_with("no-such-") {
            let text = format!("The bucket {name} does not exist.");
            return Err(Refusal::coded(StatusCode::NOT_FOUND, "CTS.0211", text));
        }
        return Ok(());
    }
    Err(refusal("CTS.0231"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: Value, code: Option<&str>) {
        let refusal = Change::v1(&body).err().map(|refusal| refusal.text());
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
        check(json!({"bucket_name": "192.168.0.1"}), Some("CTS.0231"));
        check(json!({"bucket_name": 7}), Some("CTS.0003"));
        check(json!({"bucket_name": "no-such-bucket"}), Some("CTS.0211"));
        check(json!({"file_prefix_name": "a/b"}), Some("CTS.0218"));
        check(json!({"file_prefix_name": "x".repeat(65)}), Some("CTS.0218"));
        check(json!({"status": "on"}), Some("CTS.0205"));
    }
}
