//! What is sent to make a tracker, or to change one.

use serde_json::{Value, json};

use super::{
    NAME, Tracker, Wish,
    settings::{self, ALL, LTS, LTS_GROUP, LTS_TOPIC, PREFIX, STATUS, is_empty},
};
use crate::source::cts::Api;

/// Names that v1 wants beside `is_lts_enabled`, and that the cloud chooses by itself.
const CHOSEN: [(&str, &str); 2] = [(LTS_GROUP, "CTS"), (LTS_TOPIC, "system-trace")];

pub fn creation(api: Api, name: &str, wish: &Wish) -> Value {
    let mut body = head(api, name, wish.kind.as_deref());
    for setting in ALL {
        // v3 knows no status at creation.
        let kept = if setting.name == STATUS && api == Api::V3 { None } else { wish.values.get(setting.name) };
        if let (Some(place), Some(value)) = (setting.place(api), kept) {
            settings::put(&mut body, place, value.clone());
        }
    }
    if api == Api::V1 {
        body["tracker_name"] = json!(name);
    }
    finish(api, &mut body, wish);
    body
}

/// The whole object, since an update with one field was seen to wipe the others.
pub fn update(api: Api, before: &Tracker, wish: &Wish) -> Value {
    let mut body = head(api, &before.name, before.kind.as_deref());
    let after = before.merged(wish);
    let has_bucket = after.get(settings::BUCKET).is_some_and(|bucket| !is_empty(bucket));
    for setting in ALL {
        let (Some(place), Some(value)) = (setting.place(api), after.get(setting.name)) else { continue };
        let wished = wish.values.contains_key(setting.name);
        let sent = match setting.name {
            // `error` is something that the cloud says and nobody may ask for.
            STATUS => matches!(value.as_str(), Some("enabled" | "disabled")),
            // An empty prefix is a wish too.
            PREFIX => has_bucket,
            _ => wished || !is_empty(value),
        };
        if sent {
            settings::put(&mut body, place, value.clone());
        }
    }
    // The notification block of old trackers, which v1 echoes.
    if let (Api::V1, Some(smn)) = (api, before.raw.get("smn").filter(|smn| smn.is_object())) {
        body["smn"] = smn.clone();
    }
    finish(api, &mut body, wish);
    body
}

fn head(api: Api, name: &str, kind: Option<&str>) -> Value {
    match api {
        Api::V3 => json!({ "tracker_type": kind.unwrap_or(NAME), "tracker_name": name }),
        _ => json!({}),
    }
}

fn finish(api: Api, body: &mut Value, wish: &Wish) {
    // True asks for a new bucket, so the stored value must not be sent back.
    if wish.create_bucket {
        let place = if api == Api::V3 { "/obs_info/is_obs_created" } else { "/is_obs_created" };
        settings::put(body, place, json!(true));
    }
    let lts = settings::Setting::of(LTS).place(Api::V1).expect("v1 can switch the log service");
    if api != Api::V3 && body.pointer(lts).is_some() {
        for (name, chosen) in CHOSEN {
            let place = settings::Setting::of(name).place(Api::V1).expect("v1 names group and topic");
            if body.pointer(place).is_none() {
                settings::put(body, place, json!(chosen));
            }
        }
    }
}
