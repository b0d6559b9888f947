//! `tracebell tracker` and `tracebell traces` against the scripted cloud.

use serde_json::{Value, json};

use super::{Cloud, Reply, list, page, reply, trace};

/// Runs `tracebell` with this cloud in the `OS_*` variables: exit code, output, errors.
pub async fn tracebell(cloud: &Cloud, arguments: &str) -> (i32, String, String) {
    tracebell_of(cloud, &arguments.split_whitespace().collect::<Vec<_>>()).await
}

/// As [`tracebell`], for arguments with blanks in them.
pub async fn tracebell_of(cloud: &Cloud, arguments: &[&str]) -> (i32, String, String) {
    run(cloud, arguments, &[]).await
}

async fn tracebell_with(cloud: &Cloud, arguments: &str, more: &[(&str, String)]) -> (i32, String, String) {
    run(cloud, &arguments.split_whitespace().collect::<Vec<_>>(), more).await
}

async fn run(cloud: &Cloud, arguments: &[&str], more: &[(&str, String)]) -> (i32, String, String) {
    let mut command = command(cloud, arguments);
    command.envs(more.iter().cloned());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The same, not yet started.
pub fn command(cloud: &Cloud, arguments: &[&str]) -> std::process::Command {
    let variables = [
        ("OS_AUTH_URL", format!("{}/v3", cloud.url)),
        ("OS_USERNAME", "alice".to_owned()),
        ("OS_PASSWORD", "pw".to_owned()),
        ("OS_USER_DOMAIN_NAME", "OTC1".to_owned()),
        ("OS_PROJECT_NAME", "eu-de".to_owned()),
        ("OS_REGION_NAME", "eu-de".to_owned()),
    ];
    let mut command = crate::world::tracebell();
    command.args(arguments).env_clear().envs(variables).stdin(std::process::Stdio::null());
    command
}

fn tracker(status: &str, bucket: &str) -> Value {
    json!({ "id": "2d7c", "tracker_name": "system", "tracker_type": "system", "status": status, "detail": "",
        "lts": { "is_lts_enabled": true, "log_group_name": "CTS", "log_topic_name": "system-trace" },
        "obs_info": { "bucket_name": bucket, "file_prefix_name": "p-", "is_obs_created": false, "compress_type": "gzip" } })
}

fn trackers(list: &[Value]) -> Reply {
    reply(200, json!({ "trackers": list }).to_string())
}

/// The last part of the n-th request: its body.
fn body(cloud: &Cloud, at: usize) -> Value {
    let request = cloud.requests()[at].clone();
    serde_json::from_str(request.splitn(4, ' ').nth(3).unwrap()).unwrap()
}

#[tokio::test]
async fn a_tracker_is_created_with_everything_asked_for() {
    let made = tracker("enabled", "audit-bucket");
    let cloud = Cloud::start([reply(201, made.to_string()), trackers(&[made])]).await;
    let (code, out, errors) =
        tracebell(&cloud, "tracker create --bucket audit-bucket --prefix p- --lts --status enabled --create-bucket")
            .await;
    assert_eq!(code, 0, "{errors}");
    for line in
        ["name       system", "status     enabled", "bucket     audit-bucket", "lts        on", "compress   gzip"]
    {
        assert!(out.contains(line), "{out}");
    }
    assert!(cloud.requests()[0].starts_with("POST /v3/p0/tracker token-1"), "{:?}", cloud.requests());
    assert_eq!(
        body(&cloud, 0),
        json!({ "tracker_type": "system", "tracker_name": "system", "is_lts_enabled": true, "obs_info": {
            "bucket_name": "audit-bucket", "file_prefix_name": "p-", "is_obs_created": true } })
    );
}

#[tokio::test]
async fn v1_says_what_only_v1_can_say() {
    let flat = json!({ "id": "2d7c", "tracker_name": "system", "status": "disabled", "bucket_name": "audit-bucket" });
    let cloud = Cloud::start([reply(201, flat.to_string()), reply(200, flat.to_string())]).await;
    let (code, _, errors) = tracebell(
        &cloud,
        "tracker create --bucket audit-bucket --lts --lts-group G --lts-topic T --status disabled --output json",
    )
    .await;
    assert_eq!(code, 0, "{errors}");
    assert!(cloud.requests()[0].starts_with("POST /v1.0/p0/tracker "), "{:?}", cloud.requests());
    assert_eq!(
        body(&cloud, 0),
        json!({ "bucket_name": "audit-bucket", "tracker_name": "system", "status": "disabled",
            "lts": { "is_lts_enabled": true, "log_group_name": "G", "log_topic_name": "T" } })
    );
}

#[tokio::test]
async fn an_update_reads_merges_writes_and_tells_what_changed() {
    let (before, after) = (tracker("enabled", "one-bucket"), tracker("disabled", "one-bucket"));
    let cloud = Cloud::start([trackers(std::slice::from_ref(&before)), reply(200, ""), trackers(&[after])]).await;
    let (code, out, errors) = tracebell(&cloud, "tracker update 2d7c --status disabled").await;
    assert_eq!((code, out.as_str()), (0, "status  enabled  ->  disabled\n"), "{errors}");
    assert!(cloud.requests()[1].starts_with("PUT /v3/p0/tracker "));
    assert_eq!(
        body(&cloud, 1),
        json!({ "tracker_type": "system", "tracker_name": "system", "status": "disabled", "is_lts_enabled": true,
            "obs_info": { "bucket_name": "one-bucket", "file_prefix_name": "p-", "compress_type": "gzip" } })
    );
    let cloud = Cloud::start([trackers(&[before])]).await;
    let (code, out, _) = tracebell(&cloud, "tracker update --status enabled").await;
    assert!(code == 0 && out.contains("nothing changed"), "{out}");
    assert_eq!(cloud.requests().len(), 1);
}

#[tokio::test]
async fn a_tracker_is_shown_by_name_or_id_and_from_v1_where_v3_is_missing() {
    for name in ["system", "2d7c"] {
        let cloud = Cloud::start([trackers(&[tracker("enabled", "b-1")])]).await;
        let (code, out, _) = tracebell(&cloud, &format!("tracker show {name} --output json")).await;
        let shown: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &shown["id"]), (0, &json!("2d7c")));
    }
    let cloud = Cloud::start([reply(404, "gone"), reply(200, json!([tracker("enabled", "b-1")]).to_string())]).await;
    let (code, out, errors) = tracebell(&cloud, "tracker show").await;
    assert!(code == 0 && out.contains("b-1"), "{errors}");
    assert!(cloud.requests()[1].starts_with("GET /v1.0/p0/tracker "), "{:?}", cloud.requests());
    let cloud = Cloud::start([trackers(&[])]).await;
    let (code, out, _) = tracebell(&cloud, "tracker show").await;
    assert!(code == 0 && out.contains("no tracker"), "{out}");
    let cloud = Cloud::start([trackers(&[tracker("enabled", "b-1")])]).await;
    let (code, _, errors) = tracebell(&cloud, "tracker show mine").await;
    assert!(code == 3 && errors.contains("`mine`") && errors.contains("`system`"), "{errors}");
}

#[tokio::test]
async fn a_changed_flag_keeps_every_other_and_what_did_not_happen_is_said() {
    let full = |compress: &str| {
        let mut full = tracker("enabled", "one-bucket");
        full["is_support_validate"] = json!(true);
        full["is_support_trace_files_encryption"] = json!(true);
        full["kms_id"] = json!("k-1");
        full["agency_name"] = json!("cts_admin_trust");
        full["obs_info"]["compress_type"] = json!(compress);
        full["obs_info"]["is_sort_by_service"] = json!(false);
        full["obs_info"]["bucket_lifecycle"] = json!(30);
        full
    };
    let cloud = Cloud::start([trackers(&[full("gzip")]), reply(200, "{}"), trackers(&[full("gzip")])]).await;
    let (code, out, errors) = tracebell(&cloud, "tracker update --compress json").await;
    assert_eq!(
        body(&cloud, 1),
        json!({ "tracker_type": "system", "tracker_name": "system", "status": "enabled", "is_lts_enabled": true,
            "is_support_validate": true, "is_support_trace_files_encryption": true, "kms_id": "k-1",
            "agency_name": "cts_admin_trust", "obs_info": { "bucket_name": "one-bucket", "file_prefix_name": "p-",
                "compress_type": "json", "is_sort_by_service": false, "bucket_lifecycle": 30 } })
    );
    assert!(code == 1 && out.is_empty(), "{out}");
    assert!(errors.contains("`compress` is still `gzip`") && errors.contains("`json`"), "{errors}");
    let cloud = Cloud::start([trackers(&[full("gzip")]), reply(200, "{}"), trackers(&[full("json")])]).await;
    let (code, out, errors) = tracebell(&cloud, "tracker update --compress json").await;
    assert_eq!((code, out.as_str()), (0, "compress  gzip  ->  json\n"), "{errors}");
}

#[tokio::test]
async fn the_log_service_is_not_switched_while_the_tracker_is_disabled() {
    let cloud = Cloud::start([trackers(&[tracker("disabled", "b-1")])]).await;
    let (code, _, errors) = tracebell(&cloud, "tracker update --no-lts").await;
    assert!(code == 3 && errors.contains("disabled") && errors.contains("--status enabled"), "{errors}");
    assert_eq!(cloud.requests().len(), 1);
}

#[tokio::test]
async fn a_data_tracker_is_asked_for_and_the_refusal_explained() {
    let no = reply(400, r#"{"error_code":"CTS.0202","error_msg":"tracker_type must be system"}"#);
    let cloud = Cloud::start([no]).await;
    let create = "tracker create --type data --name objects --data-bucket my-objects --data-event read,write";
    let (code, _, errors) = tracebell(&cloud, create).await;
    assert!(code == 3 && errors.contains("CTS.0202") && errors.contains("no data trackers"), "{errors}");
    assert_eq!(
        body(&cloud, 0),
        json!({ "tracker_type": "data", "tracker_name": "objects",
            "data_bucket": { "data_bucket_name": "my-objects", "data_event": ["READ", "WRITE"] } })
    );
}

#[tokio::test]
async fn trackers_are_listed_with_their_quotas() {
    let quotas = json!({ "resources": [{ "type": "system_tracker", "used": 1, "quota": 1 }] });
    let cloud = Cloud::start([trackers(&[tracker("enabled", "b-1")]), reply(200, quotas.to_string())]).await;
    let (code, out, errors) = tracebell(&cloud, "tracker list").await;
    assert!(code == 0 && errors.contains("system tracker: 1 of 1"), "{errors}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines,
        ["NAME    TYPE    STATUS   BUCKET  PREFIX  LTS  ID", "system  system  enabled  b-1     p-      on   2d7c"]
    );
}

#[tokio::test]
async fn a_look_says_whether_the_tracker_records() {
    let mut error = tracker("error", "b-1");
    error["detail"] = json!("arrears");
    let no = reply(403, r#"{"error_code":"CTS.0013","error_msg":"role check failed"}"#);
    for (answer, expected, words) in [
        (trackers(&[tracker("enabled", "b-1")]), 0, "is enabled: the cloud records"),
        (trackers(&[tracker("disabled", "b-1")]), 1, "is disabled: the cloud records nothing"),
        (trackers(&[error]), 1, "in trouble: the account is in arrears"),
        (trackers(&[]), 1, "there is no tracker `system`"),
        (no, 3, "CTS ReadOnlyAccess"),
    ] {
        let cloud = Cloud::start([answer]).await;
        let (code, out, errors) = tracebell(&cloud, "tracker watch").await;
        assert!(code == expected && format!("{out}{errors}").contains(words), "{words}: {code} {out}{errors}");
        assert_eq!(code != 0, errors.contains("help: "), "{errors}");
    }
}

#[tokio::test]
async fn only_the_cloud_itself_can_say_that_there_is_no_tracker() {
    let gone = |code: &str| reply(404, format!(r#"{{"error_code":"{code}","error_msg":"no"}}"#));
    let shown = || reply(200, json!([tracker("enabled", "b-1")]).to_string());
    for (answers, expected, words) in [
        (vec![gone("CTS.0214")], 1, "there is no tracker `system`"),
        (vec![reply(200, "{}")], 1, "there is no tracker `system`"),
        (vec![reply(200, "[]")], 1, "there is no tracker `system`"),
        // This version of the API is not there: v1 is.
        (vec![gone("CTS.0100"), shown()], 0, "is enabled"),
        (vec![gone("CTS.0100"), gone("CTS.0100")], 3, "no such path"),
        (vec![gone("CTS.0403")], 3, "CTS.0403"),
        (vec![reply(200, r#"{"error":{"message":"upstream"}}"#)], 3, "no tracker"),
        (vec![reply(200, r#"{"trackers":[{"error":"upstream"}]}"#)], 3, "no tracker"),
        (vec![reply(200, r#"{"trackers":"none"}"#)], 3, "no tracker"),
        (vec![reply(200, r#"{"tracker_name":""}"#)], 3, "no tracker"),
    ] {
        let cloud = Cloud::start(answers).await;
        let (code, out, errors) = tracebell(&cloud, "tracker watch").await;
        assert!(code == expected && format!("{out}{errors}").contains(words), "{words}: {code} {out}{errors}");
    }
}

#[tokio::test]
async fn deleting_is_confirmed_and_always_names_the_tracker() {
    let cloud = Cloud::start([trackers(&[tracker("enabled", "b-1")]), reply(204, "")]).await;
    let (code, _, errors) = tracebell(&cloud, "tracker delete").await;
    assert!(code == 2 && errors.contains("--yes"), "{errors}");
    assert!(cloud.requests().is_empty());
    let (code, out, errors) = tracebell(&cloud, "tracker delete 2d7c --yes").await;
    assert!(code == 0 && out.contains("deleted"), "{errors}");
    assert!(cloud.requests()[1].starts_with("DELETE /v3/p0/trackers?tracker_name=system "), "{:?}", cloud.requests());
    let gone = reply(404, r#"{"error_code":"CTS.0214","error_msg":"no tracker"}"#);
    let cloud = Cloud::start([trackers(&[tracker("enabled", "b-1")]), gone]).await;
    let (code, _, errors) = tracebell(&cloud, "tracker delete --yes").await;
    assert!(code == 3 && errors.contains("CTS.0214"), "{errors}");
}

#[tokio::test]
async fn documented_limits_are_checked_before_anything_is_sent() {
    let long = "p".repeat(65);
    let prefix = format!("tracker create --bucket abc --prefix {long}");
    let cases = [
        ("tracker create", "--bucket"),
        ("tracker create --bucket UPPER", "`U`"),
        ("tracker create --bucket ab", "3 to 63"),
        ("tracker create --bucket abc --name mine", "only `system`"),
        ("tracker create --bucket abc --status on", "`enabled` or `disabled`"),
        (prefix.as_str(), "at most 64"),
        ("tracker update", "nothing to change"),
        ("tracker update --lts --no-lts", "--no-lts"),
        ("tracker create --bucket abc --lts --lts-group G --api v3", "--api v1"),
        ("traces list --since soon", "--since"),
        ("traces list --since 8d", "7 days"),
        ("traces list --from 2026-01-15T08:00:00Z --to 2026-01-15T07:00:00Z", "begin before the end"),
        ("traces list --rating red", "warning"),
        ("traces list --limit 0", "--limit"),
    ];
    let cloud = Cloud::start([]).await;
    for (arguments, expected) in cases {
        let (code, _, errors) = tracebell(&cloud, arguments).await;
        assert!(code == 2 && errors.contains(expected), "{arguments}: {code} {errors}");
    }
    assert_eq!((cloud.logins(), cloud.requests().len()), (0, 0));
}

#[tokio::test]
async fn traces_are_listed_with_filters_page_by_page_up_to_the_limit() {
    let cloud = Cloud::start([page(0..200, Some("t199")), page(200..240, Some("t239"))]).await;
    let filters = "--rating warning --service IAM --operation login --user bob --resource-type user \
                   --resource-name n --resource-id 1 --since 2h --limit 220 --output json";
    let (code, out, errors) = tracebell(&cloud, &format!("traces list {filters}")).await;
    assert!(code == 0 && errors.contains("there are more"), "{errors}");
    let listed: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert_eq!((listed.len(), &listed[219]["id"]), (220, &json!("t219")));
    let requests = cloud.requests();
    let wanted = "GET /v3/p0/traces?trace_type=system&trace_rating=warning&service_type=IAM&trace_name=login&user=bob\
                  &resource_type=user&resource_name=n&resource_id=1&limit=";
    assert!(requests[0].starts_with(&format!("{wanted}200&from=")), "{}", requests[0]);
    assert!(
        requests[1].starts_with(&format!("{wanted}20&from=")) && requests[1].contains("&next=t199 "),
        "{}",
        requests[1]
    );
}

#[tokio::test]
async fn the_table_of_traces_is_aligned_inert_and_without_null() {
    let mut hostile = trace(1);
    hostile["user"] = json!({ "name": "al\u{1b}[2Jice" });
    hostile["resource_name"] = Value::Null;
    let cloud = Cloud::start([list(vec![trace(0), hostile, json!("broken")], None)]).await;
    let (code, out, errors) = tracebell(&cloud, "traces list").await;
    assert_eq!(code, 0, "{errors}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("TIME                  RATING"), "{out}");
    assert!(lines[1].starts_with("2026-01-15 08:30:00Z  normal"), "{out}");
    let column = lines[0].find("TRACE ID").unwrap();
    assert_eq!(&lines[1][column..], "t0");
    assert!(!out.contains("null") && !out.contains('\u{1b}') && out.contains("\\u{1b}") && out.contains("unreadable"));
    let cloud = Cloud::start([list(vec![], None)]).await;
    assert_eq!(tracebell(&cloud, "traces list --trace-id x").await.1, "no traces\n");
}

#[tokio::test]
async fn a_machine_without_certificates_can_still_ask_over_plain_http() {
    let cloud = Cloud::start([list(vec![], None)]).await;
    let nowhere = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| (name, "/nonexistent".to_owned()));
    let (code, _, errors) = tracebell_with(&cloud, "traces list", &nowhere).await;
    assert_eq!(code, 0, "{errors}");
    let ca = [("OS_CACERT", "/nonexistent/ca.pem".to_owned())];
    let (code, _, errors) = tracebell_with(&cloud, "traces list", &ca).await;
    assert!(code == 3 && errors.contains("`/nonexistent/ca.pem`") && errors.contains("cacert"), "{errors}");
}

#[tokio::test]
async fn the_command_line_tells_usage_from_the_outside_world() {
    let cloud = Cloud::start([reply(403, r#"{"error_code":"CTS.0013","error_msg":"role check failed"}"#)]).await;
    let (code, _, errors) = tracebell(&cloud, "traces list").await;
    assert!(code == 3 && errors.contains("CTS.0013") && errors.contains("CTS ReadOnlyAccess"), "{errors}");
    let (code, _, errors) = tracebell(&cloud, "traces list --cloud nowhere").await;
    assert!(code == 2 && errors.contains("clouds.yaml"), "{errors}");
}
