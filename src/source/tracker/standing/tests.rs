use serde_json::json;

use super::*;

fn tracker(change: &[(&str, Value)]) -> Look {
    let mut raw = json!({ "id": "i-1", "tracker_name": "system", "status": "enabled", "detail": "",
        "is_support_validate": true, "lts": { "is_lts_enabled": true, "log_group_name": "" },
        "obs_info": { "bucket_name": "b-1", "file_prefix_name": "", "compress_type": "", "bucket_lifecycle": 0 } });
    for (place, value) in change {
        super::super::settings::put(&mut raw, place, value.clone());
    }
    Look::Tracker(Box::new(Tracker::read(raw).unwrap()), Api::V3)
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_768_465_800 + 60 * minutes).unwrap()
}

/// Looks one after the other, a minute apart; what each tells: what about, how bad, to whom.
#[track_caller]
fn check(looks: Vec<Look>, expected: &[&str]) {
    let mut memory: Option<Memory> = None;
    let mut told = Vec::new();
    for (minute, look) in looks.iter().enumerate() {
        let (after, findings) = Memory::after(memory.as_ref(), look, "prod", true, at(6 * minute as i64));
        for finding in findings {
            let to = if finding.everybody { "all" } else { "notices" };
            told.push(format!("{minute} {} {} {to}", finding.about, finding.severity.as_str()));
        }
        // As after a restart.
        let kept = serde_json::to_string(&after).unwrap();
        memory = Some(serde_json::from_str(&kept).unwrap());
        assert_eq!(memory.as_ref(), Some(&after));
    }
    assert_eq!(told, expected);
}

#[test]
fn switching_off_is_told_once_and_so_is_mending() {
    let off = || tracker(&[("/status", json!("disabled"))]);
    let looks = vec![tracker(&[]), tracker(&[]), off(), off(), tracker(&[]), tracker(&[])];
    check(looks, &["2 disabled critical all", "4 mended info all"]);
    check(vec![off(), off()], &["0 disabled critical all"]);
    check(
        vec![tracker(&[]), Look::Absent, Look::Absent, tracker(&[])],
        &["1 deleted critical all", "3 mended info all"],
    );
}

#[test]
fn trouble_with_the_bucket_is_told_with_its_reason() {
    let error = |detail: &str| tracker(&[("/status", json!("error")), ("/detail", json!(detail))]);
    let looks = vec![tracker(&[]), error("noBucket"), error("noBucket"), error("arrears"), tracker(&[])];
    check(looks, &["1 error high all", "3 error high all", "4 mended info all"]);
}

#[test]
fn what_was_changed_is_told_from_before_to_after() {
    let (memory, _) = Memory::after(None, &tracker(&[]), "prod", false, at(0));
    let changed = tracker(&[("/obs_info/bucket_name", json!("evil")), ("/is_support_validate", json!(false))]);
    let (memory, findings) = Memory::after(Some(&memory), &changed, "prod", false, at(1));
    assert_eq!(findings[0].lines[..2], ["bucket: b-1 -> evil", "validate: on -> off"]);
    assert_eq!((findings[0].severity, findings[0].about), (Severity::High, "changed"));
    assert!(Memory::after(Some(&memory), &changed, "prod", false, at(2)).1.is_empty());
    check(vec![tracker(&[]), tracker(&[("/obs_info/file_prefix_name", json!("p"))])], &["1 changed medium all"]);
    check(vec![tracker(&[]), tracker(&[("/id", json!("i-2"))])], &["1 changed high all"]);
}

#[test]
fn what_the_cloud_fills_in_or_leaves_out_is_no_change() {
    let filled = || {
        tracker(&[
            ("/obs_info/compress_type", json!("gzip")),
            ("/obs_info/is_sort_by_service", json!(true)),
            ("/obs_info/bucket_lifecycle", json!(30)),
            ("/obs_info/is_authorized_bucket", json!(true)),
            ("/lts/log_group_name", json!("CTS")),
            ("/group_id", json!("g")),
        ])
    };
    let flat = json!({ "id": "i-1", "tracker_name": "system", "status": "enabled", "bucket_name": "b-1" });
    let v1 = || Look::Tracker(Box::new(Tracker::read(flat.clone()).unwrap()), Api::V1);
    check(vec![tracker(&[]), filled(), v1(), v1(), filled()], &[]);
    // The other way round v3 says more than was known, and nothing that changed.
    let excluded = || tracker(&[("/management_event_selector/exclude_service", json!(["KMS"]))]);
    check(vec![v1(), excluded(), v1(), v1(), excluded()], &[]);
    // Off and not said are the same.
    check(
        vec![tracker(&[("/is_support_validate", json!(false))]), tracker(&[("/is_support_validate", json!(null))])],
        &[],
    );
}

#[test]
fn a_setting_that_appears_or_disappears_is_told() {
    let excluded = || tracker(&[("/management_event_selector/exclude_service", json!(["KMS"]))]);
    let (memory, _) = Memory::after(None, &tracker(&[]), "prod", false, at(0));
    let (memory, findings) = Memory::after(Some(&memory), &excluded(), "prod", false, at(1));
    assert_eq!(findings[0].lines[0], "exclude-service: - -> KMS");
    let (_, findings) = Memory::after(Some(&memory), &tracker(&[]), "prod", false, at(2));
    assert_eq!(findings[0].lines[0], "exclude-service: KMS -> -");
    check(vec![tracker(&[]), excluded(), excluded(), tracker(&[])], &["1 changed high all", "3 changed high all"]);
    let without = || tracker(&[("/obs_info", json!(null))]);
    check(vec![tracker(&[]), without(), without()], &["1 changed high all"]);
    // A look by v1 in between hides nothing, and makes nothing up.
    let flat = json!({ "id": "i-1", "tracker_name": "system", "status": "enabled", "bucket_name": "b-1" });
    let v1 = || Look::Tracker(Box::new(Tracker::read(flat.clone()).unwrap()), Api::V1);
    check(vec![tracker(&[]), v1(), excluded(), v1(), tracker(&[])], &["2 changed high all", "4 changed high all"]);
    check(vec![tracker(&[]), v1(), without()], &["2 changed high all"]);
}

#[test]
fn a_source_without_a_tracker_is_told_of_late_and_quietly() {
    check(vec![Look::Absent, Look::Absent, Look::Absent, Look::Absent], &["2 never low notices"]);
    check(vec![Look::Absent, tracker(&[])], &["1 mended info notices"]);
    let (memory, _) = Memory::after(None, &Look::Absent, "prod", false, at(0));
    assert!(Memory::after(Some(&memory), &Look::Absent, "prod", false, at(99)).1.is_empty(), "traces are read");
}

/// Steps six minutes apart: a look, or none where it failed; what each tells.
#[track_caller]
fn check_failing(steps: Vec<Option<Look>>, expected: &[&str]) {
    let mut memory: Option<Memory> = None;
    let mut told = Vec::new();
    for (step, look) in steps.iter().enumerate() {
        let now = at(6 * step as i64);
        let (after, findings) = match look {
            Some(look) => Memory::after(memory.as_ref(), look, "prod", false, now),
            None => {
                let (after, finding) = Memory::after_failure(memory.as_ref(), "503", None, "prod", now);
                (after, finding.into_iter().collect())
            }
        };
        told.extend(findings.iter().map(|finding| format!("{step} {} {}", finding.about, finding.severity.as_str())));
        // As after a restart.
        memory = Some(serde_json::from_str(&serde_json::to_string(&after).unwrap()).unwrap());
    }
    assert_eq!(told, expected);
}

#[test]
fn looks_that_fail_for_an_hour_are_told_once_and_so_is_their_end() {
    let fails = |count: usize| (0..count).map(|_| None);
    let good = || Some(tracker(&[]));
    let off = || Some(tracker(&[("/status", json!("disabled"))]));
    let no = || Some(Look::Forbidden { reason: "403".to_owned(), fix: "grant it".to_owned() });
    let steps = |parts: Vec<Vec<Option<Look>>>| parts.into_iter().flatten().collect::<Vec<_>>();
    let some = |count| fails(count).collect::<Vec<_>>();
    // The eleventh failure comes an hour after the first.
    check_failing(steps(vec![vec![good()], some(10), vec![good()], some(10), vec![good()]]), &[]);
    check_failing(
        steps(vec![vec![good()], some(30), vec![good(), good()], some(11), vec![good()]]),
        &["11 failing medium", "31 answered info", "43 failing medium", "44 answered info"],
    );
    // Also if none ever succeeded, and what was changed meanwhile is told.
    check_failing(steps(vec![some(20), vec![good(), good()]]), &["10 failing medium", "20 answered info"]);
    check_failing(
        steps(vec![vec![good()], some(11), vec![off(), off()]]),
        &["11 failing medium", "12 answered info", "12 disabled critical"],
    );
    // What fails no more and is forbidden now cannot be looked at again.
    check_failing(
        steps(vec![vec![good()], some(11), vec![no(), no(), good(), good()]]),
        &["11 failing medium", "12 forbidden low", "14 allowed info"],
    );
    check_failing(
        steps(vec![vec![no()], some(11), vec![good(), good()]]),
        &["0 forbidden low", "11 failing medium", "12 allowed info"],
    );
    // A clock that is set back neither tells early nor waits for ever.
    let (memory, _) = Memory::after_failure(None, "503", None, "prod", at(600));
    let (memory, finding) = Memory::after_failure(Some(&memory), "503", None, "prod", at(0));
    assert!(finding.is_none());
    assert!(Memory::after_failure(Some(&memory), "503", None, "prod", at(60)).1.is_some());
}

#[test]
fn what_was_kept_by_an_older_version_is_read() {
    let kept = r#"{"tracker":null,"ever":false,"off_since":null,"forbidden":true,"told_absent":false}"#;
    assert!(serde_json::from_str::<Memory>(kept).is_ok_and(|memory| memory.forbidden));
}

#[test]
fn a_missing_permission_is_told_once_and_hides_no_change() {
    let no = || Look::Forbidden { reason: "403".to_owned(), fix: "grant it".to_owned() };
    check(vec![no(), no(), tracker(&[])], &["0 forbidden low notices", "2 allowed info notices"]);
    let off = tracker(&[("/status", json!("disabled"))]);
    check(
        vec![tracker(&[]), no(), off],
        &["1 forbidden low notices", "2 allowed info notices", "2 disabled critical all"],
    );
}
