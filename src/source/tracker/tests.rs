use serde_json::json;

use super::*;

fn wish(values: &[(&'static str, Value)]) -> Wish {
    Wish { values: values.iter().cloned().collect(), ..Wish::default() }
}

fn of_type(kind: &str, values: &[(&'static str, Value)]) -> Wish {
    Wish { kind: Some(kind.to_owned()), ..wish(values) }
}

#[track_caller]
fn check(name: &str, wish: &Wish, api: Option<Api>, expected: &[&str]) {
    let found = problems(name, wish, api);
    let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(found, words)| found.contains(words));
    assert!(fits, "{wish:?}\nexpected {expected:?}, found {found:?}");
}

#[test]
fn documented_limits_are_checked() {
    let long = "b".repeat(64);
    let cases = [
        ("ab", "3 to 63"),
        (long.as_str(), "3 to 63"),
        ("Audit", "holds `A`"),
        ("au_dit", "holds `_`"),
        ("-audit", "begin"),
        (".audit", "begin"),
        ("au..dit", "`..`"),
        ("au.-dit", "`.-`"),
        ("au-.dit", "`-.`"),
        ("192.168.0.1", "IP address"),
    ];
    for (bucket, expected) in cases {
        check(NAME, &wish(&[("bucket", json!(bucket))]), None, &[expected]);
        let data = of_type(DATA, &[("data-bucket", json!(bucket)), ("data-event", json!(["READ"]))]);
        check("objects", &data, None, &[expected]);
    }
    for good in ["abc", "0-audit.bucket", &"b".repeat(63)] {
        check(NAME, &wish(&[("bucket", json!(good))]), None, &[]);
    }
    for (prefix, expected) in [("p".repeat(65), "65"), ("a/b".to_owned(), "`/`"), ("p q".to_owned(), "` `")] {
        check(NAME, &wish(&[("prefix", json!(prefix))]), None, &[expected]);
    }
    for good in [String::new(), "p".repeat(64), "A-z_0.".to_owned()] {
        check(NAME, &wish(&[("prefix", json!(good))]), None, &[]);
    }
    check(NAME, &wish(&[("status", json!("error"))]), None, &["`enabled`"]);
    check(NAME, &of_type(NAME, &[("encrypt", json!(true))]), None, &["`--kms-key ID`"]);
    check(NAME, &wish(&[("exclude-service", json!(["KMS", "ECS"]))]), None, &["`ECS`"]);
}

#[test]
fn names_and_types_belong_together() {
    let data = [("data-bucket", json!("abc")), ("data-event", json!(["READ", "WRITE"]))];
    check("objects", &of_type(DATA, &data), None, &[]);
    check(NAME, &of_type(DATA, &data), None, &["may not be named `system`"]);
    check("_x", &of_type(DATA, &data), None, &["begins with `_`"]);
    check(&"x".repeat(33), &of_type(DATA, &data), None, &["33 characters"]);
    check("objects", &of_type(DATA, &data[..1]), None, &["`--data-event READ`"]);
    check("objects", &of_type(DATA, &[data[0].clone(), ("data-event", json!(["LIST"]))]), None, &["`LIST`"]);
    check("mine", &Wish::default(), None, &["only `system`"]);
    check(NAME, &of_type("other", &[]), None, &["the type is `other`"]);
    check(NAME, &of_type(NAME, &data), None, &["belong to `--type data`"]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let all =
        [("bucket", json!("A")), ("prefix", json!("/".repeat(65))), ("status", json!("on")), ("lts-group", json!("G"))];
    check(
        "my tracker",
        &wish(&all),
        Some(Api::V3),
        &["only `system`", "holds ` `", "3 to 63", "65 characters", "holds `/`", "`enabled`", "`--lts-group`"],
    );
    let both = wish(&[("compress", json!("json")), ("agency", json!("cts_admin_trust"))]);
    check(NAME, &both, Some(Api::V1), &["`--compress`, `--agency`: leave it out, or use `--api v3`"]);
}

#[test]
fn flat_and_nested_answers_read_alike() {
    let flat = json!({ "id": "i", "tracker_name": "system", "status": "enabled", "bucket_name": "b", "file_prefix_name": "p",
        "lts": { "is_lts_enabled": true, "log_group_name": "CTS", "log_topic_name": "system-trace" },
        "log_file_validate": { "is_support_validate": true } });
    let nested = json!({ "id": "i", "tracker_name": "system", "status": "enabled", "detail": "", "is_support_validate": true,
        "obs_info": { "bucket_name": "b", "file_prefix_name": "p" },
        "lts": { "is_lts_enabled": true, "log_group_name": "CTS", "log_topic_name": "system-trace" } });
    let both = json!({ "id": "i", "tracker_name": "system", "status": "enabled", "bucket_name": "b", "file_prefix_name": "p",
        "is_lts_enabled": true, "is_support_validate": "true",
        "lts": { "is_lts_enabled": "true", "log_group_name": "CTS", "log_topic_name": "system-trace" },
        "obs_info": { "bucket_name": "", "file_prefix_name": null } });
    let shown = [flat, nested, both].map(|raw| Tracker::read(raw).unwrap().settings());
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[0], shown[2]);
    assert_eq!(Tracker::read(json!({})), None);
}

/// A tracker with everything set that may be set.
fn full() -> Tracker {
    Tracker::read(json!({ "id": "i", "tracker_name": "system", "tracker_type": "system", "status": "enabled",
        "is_support_validate": true, "is_support_trace_files_encryption": true, "kms_id": "k-1",
        "agency_name": "cts_admin_trust", "is_organization_tracker": false,
        "management_event_selector": { "exclude_service": ["KMS"] },
        "lts": { "is_lts_enabled": false, "log_group_name": "", "log_topic_name": "" },
        "group_id": "g", "streamId": "s", "domain_id": "d",
        "obs_info": { "bucket_name": "b-1", "file_prefix_name": "p", "is_obs_created": true, "compress_type": "gzip",
            "is_sort_by_service": false, "bucket_lifecycle": 30, "is_authorized_bucket": true, "bucket_location": "eu-de" } }))
    .unwrap()
}

/// What an update without any change sends: all that was set, and nothing that only the cloud says.
fn whole() -> Value {
    json!({ "tracker_type": "system", "tracker_name": "system", "status": "enabled", "is_lts_enabled": false,
        "is_support_validate": true, "is_support_trace_files_encryption": true, "kms_id": "k-1",
        "agency_name": "cts_admin_trust", "is_organization_tracker": false,
        "management_event_selector": { "exclude_service": ["KMS"] },
        "obs_info": { "bucket_name": "b-1", "file_prefix_name": "p", "compress_type": "gzip",
            "is_sort_by_service": false, "bucket_lifecycle": 30 } })
}

#[test]
fn a_changed_setting_keeps_every_other() {
    assert_eq!(body::update(Api::V3, &full(), &Wish::default()), whole());
    let changes = [
        ("status", json!("disabled"), "/status"),
        ("bucket", json!("b-2"), "/obs_info/bucket_name"),
        ("prefix", json!(""), "/obs_info/file_prefix_name"),
        ("compress", json!("json"), "/obs_info/compress_type"),
        ("sort-by-service", json!(true), "/obs_info/is_sort_by_service"),
        ("lifecycle", json!(90), "/obs_info/bucket_lifecycle"),
        ("validate", json!(false), "/is_support_validate"),
        ("encrypt", json!(false), "/is_support_trace_files_encryption"),
        ("kms-key", json!("k-2"), "/kms_id"),
        ("lts", json!(true), "/is_lts_enabled"),
        ("agency", json!("other"), "/agency_name"),
        ("organization", json!(true), "/is_organization_tracker"),
        ("exclude-service", json!([]), "/management_event_selector/exclude_service"),
    ];
    for (setting, value, place) in changes {
        let mut expected = whole();
        settings::put(&mut expected, place, value.clone());
        assert_eq!(body::update(Api::V3, &full(), &wish(&[(setting, value)])), expected, "{setting}");
    }
}

#[test]
fn v1_keeps_what_it_can_say() {
    let mut raw = full().raw;
    raw["smn"] = json!({ "is_support_smn": true, "topic_id": "urn:smn:eu-de:p:t" });
    let before = Tracker::read(raw).unwrap();
    let whole = json!({ "bucket_name": "b-1", "file_prefix_name": "p", "status": "disabled",
        "is_support_trace_files_encryption": true, "log_file_validate": { "is_support_validate": true },
        "lts": { "is_lts_enabled": false, "log_group_name": "CTS", "log_topic_name": "system-trace" },
        "smn": { "is_support_smn": true, "topic_id": "urn:smn:eu-de:p:t" } });
    assert_eq!(body::update(Api::V1, &before, &wish(&[("status", json!("disabled"))])), whole);
}

#[test]
fn what_nobody_may_ask_for_is_not_sent_back() {
    let mut broken = full();
    broken.values.insert("status", json!("error"));
    assert_eq!(body::update(Api::V3, &broken, &wish(&[("bucket", json!("b-2"))])).get("status"), None);
    let made = Wish { create_bucket: true, ..Wish::default() };
    assert_eq!(body::update(Api::V3, &full(), &made)["obs_info"]["is_obs_created"], json!(true));
}

#[test]
fn a_data_tracker_is_asked_for_as_one() {
    let data =
        of_type(DATA, &[("data-bucket", json!("objects")), ("data-event", json!(["READ"])), ("bucket", json!("b-1"))]);
    assert_eq!(
        body::creation(Api::V3, "watch", &data),
        json!({ "tracker_type": "data", "tracker_name": "watch", "obs_info": { "bucket_name": "b-1" },
            "data_bucket": { "data_bucket_name": "objects", "data_event": ["READ"] } })
    );
}

#[test]
fn what_was_asked_and_did_not_happen_is_seen() {
    let asked = wish(&[
        ("compress", json!("json")),
        ("prefix", json!("p")),
        ("lts-group", json!("G")),
        ("kms-key", json!("k-1")),
    ]);
    let ignored = full().ignored(&asked);
    assert_eq!(ignored.iter().map(|change| change.setting).collect::<Vec<_>>(), ["compress", "lts-group"]);
    assert_eq!((ignored[0].before.as_str(), ignored[0].after.as_str()), ("gzip", "json"));
}

#[test]
fn the_log_service_is_locked_while_disabled() {
    let mut off = full();
    off.values.insert("status", json!("disabled"));
    assert!(off.locked(&wish(&[("lts", json!(true))])).is_some());
    assert!(off.locked(&wish(&[("lts", json!(false))])).is_none());
    assert!(off.locked(&wish(&[("lts", json!(true)), ("status", json!("enabled"))])).is_none());
    assert!(full().locked(&wish(&[("lts", json!(true))])).is_none());
}
