use super::*;

fn wish(bucket: &str) -> Wish {
    Wish { bucket: Some(bucket.to_owned()), ..Wish::default() }
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
        let found = problems(NAME, &wish(bucket));
        assert!(found.len() == 1 && found[0].contains(expected), "{bucket}: {found:?}");
    }
    for good in ["abc", "0-audit.bucket", &"b".repeat(63)] {
        assert!(problems(NAME, &wish(good)).is_empty(), "{good}");
    }
    let prefix = |prefix: &str| problems(NAME, &Wish { prefix: Some(prefix.to_owned()), ..Wish::default() });
    assert!(prefix("").is_empty() && prefix(&"p".repeat(64)).is_empty() && prefix("A-z_0.").is_empty());
    assert!(prefix(&"p".repeat(65))[0].contains("65") && prefix("a/b")[0].contains("`/`"));
    assert!(problems("mine", &Wish::default())[0].contains("`system`"));
    let status = Wish { status: Some("error".to_owned()), ..Wish::default() };
    assert!(problems(NAME, &status)[0].contains("`enabled`"));
}

#[test]
fn flat_and_nested_answers_read_alike() {
    let flat = json!({ "id": "i", "tracker_name": "system", "status": "enabled", "bucket_name": "b", "file_prefix_name": "p",
        "lts": { "is_lts_enabled": true, "log_group_name": "CTS", "log_topic_name": "system-trace" } });
    let nested = json!({ "id": "i", "tracker_name": "system", "status": "enabled", "detail": "",
        "obs_info": { "bucket_name": "b", "file_prefix_name": "p" },
        "lts": { "is_lts_enabled": true, "log_group_name": "CTS", "log_topic_name": "system-trace" } });
    let (flat, nested) = (Tracker::read(flat).unwrap(), Tracker::read(nested).unwrap());
    assert_eq!(flat.settings(), nested.settings());
    assert_eq!(Tracker::read(json!({})), None);
}

#[test]
fn an_update_sends_the_whole_object() {
    let before =
        Tracker::read(json!({ "id": "i", "tracker_name": "system", "status": "enabled", "is_support_validate": true,
        "lts": { "is_lts_enabled": false },
        "obs_info": { "bucket_name": "b", "file_prefix_name": "p", "is_obs_created": true, "compress_type": "gzip",
            "is_sort_by_service": true, "bucket_lifecycle": 0 } }))
        .unwrap();
    let disable = Wish { status: Some("disabled".to_owned()), ..Wish::default() };
    assert_eq!(
        update(Api::V3, &before, &disable),
        json!({ "tracker_type": "system", "tracker_name": "system", "status": "disabled", "is_lts_enabled": false,
            "is_support_validate": true, "obs_info": { "bucket_name": "b", "file_prefix_name": "p",
                "compress_type": "gzip", "is_sort_by_service": true } })
    );
    assert_eq!(
        update(Api::V1, &before, &disable),
        json!({ "bucket_name": "b", "file_prefix_name": "p", "status": "disabled", "lts": {
            "is_lts_enabled": false, "log_group_name": "CTS", "log_topic_name": "system-trace" } })
    );
    let broken = Tracker { status: Some("error".to_owned()), ..before };
    assert_eq!(update(Api::V3, &broken, &wish("c")).get("status"), None);
}
