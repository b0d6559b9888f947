//! Every documented error code can be met, with its status; what no request can bring about, by a fault.

use super::*;

const TOPIC: &str = "urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts";
const V1: &str = "/v1.0/{project}/tracker";
const V3: &str = "/v3/{project}/tracker";
const EVENTS: &str = "/v3/{project}/notifications";
const SMN: &str = "/smn/v2/{project}/notifications";

/// As the reference lists them.
const DOCUMENTED: &str = "
    CTS.0001 CTS.0002 CTS.0003 CTS.0004 CTS.0005 CTS.0012 CTS.0013 CTS.0056 CTS.0100 CTS.0200 CTS.0201 CTS.0202 CTS.0203
    CTS.0204 CTS.0205 CTS.0206 CTS.0207 CTS.0208 CTS.0209 CTS.0210 CTS.0211 CTS.0212 CTS.0213 CTS.0214 CTS.0215 CTS.0216
    CTS.0217 CTS.0218 CTS.0219 CTS.0220 CTS.0221 CTS.0222 CTS.0225 CTS.0228 CTS.0229 CTS.0231 CTS.0300 CTS.0400 CTS.0401
    CTS.0402 CTS.0403 CTS.0404 CTS.0407 CTS.0410 CTS.0411
    SMN.0001 SMN.0002 SMN.0003 SMN.0004 SMN.0005 SMN.0006 SMN.0007 SMN.0008 SMN.0009 SMN.0011 SMN.0012 SMN.0013 SMN.0014
    SMN.0015 SMN.0016 SMN.0017 SMN.0018 SMN.0021 SMN.0022 SMN.0024 SMN.0025 SMN.0027 SMN.0031 SMN.0032 SMN.0038 SMN.0042
    SMN.0044 SMN.0045 SMN.0046 SMN.0047 SMN.0048 SMN.0049 SMN.0050 SMN.0051 SMN.0052 SMN.0053 SMN.0054 SMN.0055 SMN.0056
    SMN.0057 SMN.0065 SMN.0069 SMN.0075 SMN.0076 SMN.0078 SMN.0190";

/// Asks and notes what was answered.
struct Walk {
    cloud: Cloud,
    met: BTreeSet<String>,
}

impl Walk {
    /// No code: it works.
    async fn meet(&mut self, method: &str, path: &str, body: Value, status: u16, code: &str) -> Value {
        let (found, answer) = self.cloud.send(method, path, body.clone()).await;
        let said = answer["error_code"].as_str().or(answer["code"].as_str()).unwrap_or_default();
        let short = body.to_string().chars().take(200).collect::<String>();
        assert_eq!((found, said), (status, code), "{method} {path} {short}: {answer}");
        if !code.is_empty() {
            self.met.insert(code.to_owned());
        }
        answer
    }

    async fn good(&mut self, method: &str, path: &str, body: Value, status: u16) -> Value {
        self.meet(method, path, body, status, "").await
    }
}

#[tokio::test]
async fn every_documented_code_can_be_met() {
    let mut settings = Settings::default();
    assert_eq!((settings.smn.most_topics, settings.smn.most_subscriptions), (3000, 10_000), "as documented");
    (settings.smn.most_topics, settings.smn.most_subscriptions) = (30, 100);
    let mut walk = Walk { cloud: Cloud::start(settings).await, met: BTreeSet::new() };
    of_trackers(&mut walk).await;
    of_notifications(&mut walk).await;
    of_topics(&mut walk).await;
    of_subscriptions(&mut walk).await;
    of_messages(&mut walk).await;
    of_strangers(&mut walk).await;
    of_faults(&mut walk).await;
    let documented: BTreeSet<String> = DOCUMENTED.split_whitespace().map(str::to_owned).collect();
    assert_eq!(walk.met, documented);
}

async fn of_trackers(walk: &mut Walk) {
    let system = |more: Value| {
        let mut body =
            json!({"tracker_type": "system", "tracker_name": "system", "obs_info": {"bucket_name": "bucket-1"}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let data = |name: &str, bucket: Value| json!({"tracker_type": "data", "tracker_name": name, "obs_info": {"bucket_name": "bucket-1"}, "data_bucket": bucket});
    let objects = |name: &str| json!({"data_bucket_name": name, "data_event": ["READ", "WRITE"]});
    walk.meet("GET", "/v9", Value::Null, 404, "CTS.0100").await;
    walk.meet("GET", "/v3/{project}/traces?limit=201", Value::Null, 400, "CTS.0300").await;
    walk.meet("GET", V1, Value::Null, 404, "CTS.0214").await;
    walk.meet("POST", V1, json!([]), 400, "CTS.0003").await;
    walk.meet("POST", V1, json!({"bucket_name": "no-such-one"}), 404, "CTS.0211").await;
    walk.meet("POST", V1, json!({"bucket_name": "NO"}), 400, "CTS.0231").await;
    walk.meet("POST", V1, json!({"bucket_name": "abc", "file_prefix_name": "a/b"}), 400, "CTS.0218").await;
    walk.meet("POST", V1, json!({"bucket_name": "abc", "tracker_name": "x"}), 400, "CTS.0204").await;
    walk.meet("POST", V3, json!({"tracker_type": "global"}), 400, "CTS.0202").await;
    walk.meet("POST", V3, json!({"tracker_type": "system", "tracker_name": "_x"}), 400, "CTS.0203").await;
    walk.meet("POST", V3, system(json!({"status": "on"})), 400, "CTS.0205").await;
    walk.meet("POST", V3, system(json!({"data_bucket": objects("abc")})), 400, "CTS.0206").await;
    walk.meet("POST", V3, system(json!({"is_support_trace_files_encryption": true})), 400, "CTS.0221").await;
    walk.meet("POST", V3, system(json!({"kms_id": "no key"})), 400, "CTS.0222").await;
    walk.meet("POST", V3, system(json!({"is_organization_tracker": true})), 400, "CTS.0228").await;
    let made = json!({"obs_info": {"bucket_name": "made-1", "is_obs_created": true}, "is_lts_enabled": true});
    walk.good("POST", V3, system(made.clone()), 201).await;
    walk.meet("POST", V3, system(json!({})), 400, "CTS.0201").await;
    walk.good("DELETE", "/v3/{project}/trackers?tracker_name=system", Value::Null, 204).await;
    walk.meet("POST", V3, system(made), 400, "CTS.0215").await;
    walk.good("POST", V3, system(json!({"is_lts_enabled": true})), 201).await;
    walk.good("PUT", V3, system(json!({"status": "disabled"})), 200).await;
    walk.meet("PUT", V3, system(json!({"is_lts_enabled": false})), 400, "CTS.0056").await;

    walk.meet("POST", V3, data("system", objects("abc")), 400, "CTS.0207").await;
    walk.meet("POST", V3, data("d1", json!({"data_bucket_name": ""})), 400, "CTS.0210").await;
    walk.meet("POST", V3, data("d1", objects("no-such-one")), 404, "CTS.0211").await;
    walk.meet("POST", V3, data("d1", objects("bucket-1")), 400, "CTS.0213").await;
    walk.meet("POST", V3, data("d1", json!({"data_bucket_name": "abc", "data_event": []})), 400, "CTS.0219").await;
    walk.meet("POST", V3, data("d1", json!({"data_bucket_name": "abc", "data_event": ["LIST"]})), 400, "CTS.0225")
        .await;
    let mut encrypted = data("d1", objects("abc"));
    encrypted["is_support_trace_files_encryption"] = json!(true);
    walk.meet("POST", V3, encrypted, 400, "CTS.0220").await;
    walk.good("POST", V3, data("d1", objects("abc")), 201).await;
    walk.meet("POST", V3, data("d1", objects("abd")), 400, "CTS.0208").await;
    walk.meet("POST", V3, data("d2", objects("abc")), 400, "CTS.0209").await;
    walk.meet("PUT", V3, data("d1", objects("abd")), 400, "CTS.0212").await;
    for n in 2..=100 {
        walk.good("POST", V3, data(&format!("d{n}"), objects(&format!("tracked-{n}"))), 201).await;
    }
    walk.meet("POST", V3, data("d101", objects("tracked-101")), 400, "CTS.0200").await;
    walk.good("POST", "/emulator/tracker", json!({"detail": "arrears"}), 204).await;
    walk.meet("PUT", V3, system(json!({"status": "enabled"})), 403, "CTS.0002").await;
    walk.good("DELETE", "/v3/{project}/trackers", Value::Null, 204).await;
    assert_eq!(walk.good("GET", "/v3/{project}/trackers", Value::Null, 200).await["trackers"], json!([]));
}

async fn of_notifications(walk: &mut Walk) {
    let complete = |name: &str| json!({"notification_name": name, "operation_type": "complete"});
    let made = walk.good("POST", EVENTS, complete("n1"), 201).await;
    walk.meet("POST", EVENTS, complete("n1"), 400, "CTS.0400").await;
    walk.meet("POST", EVENTS, complete("n 1"), 400, "CTS.0411").await;
    walk.meet("POST", EVENTS, json!({"notification_name": "n2", "operation_type": "customized"}), 400, "CTS.0401")
        .await;
    let mut topical = complete("n2");
    topical["topic_id"] = json!(TOPIC);
    walk.meet("POST", EVENTS, topical, 400, "CTS.0402").await;
    let mut change = complete("n1");
    change["status"] = json!("enabled");
    walk.meet("PUT", EVENTS, change.clone(), 404, "CTS.0403").await;
    change["notification_id"] = made["notification_id"].clone();
    walk.meet("PUT", EVENTS, change, 400, "CTS.0404").await;
    for n in 2..=100 {
        walk.good("POST", EVENTS, complete(&format!("n{n}")), 201).await;
    }
    walk.meet("POST", EVENTS, complete("n101"), 400, "CTS.0407").await;
    walk.meet("GET", "/v3/{project}/notifications/fun", Value::Null, 400, "CTS.0410").await;
    let quotas = walk.good("GET", "/v3/{project}/quotas", Value::Null, 200).await;
    assert_eq!(quotas["resources"][1], json!({"type": "smn_notification", "used": 100, "quota": 100}));
}

async fn of_topics(walk: &mut Walk) {
    let topics = &format!("{SMN}/topics");
    let attribute = |name: &str| format!("{SMN}/topics/{TOPIC}/attributes/{name}");
    walk.meet("POST", topics, json!({"name": "-x"}), 400, "SMN.0002").await;
    walk.meet("POST", topics, json!({"name": "x", "display_name": "x".repeat(193)}), 400, "SMN.0003").await;
    walk.meet("GET", &format!("{SMN}/topics/urn:smn:eu-de:x"), Value::Null, 400, "SMN.0005").await;
    walk.meet("GET", &format!("{SMN}/topics/{TOPIC}"), Value::Null, 404, "SMN.0006").await;
    walk.meet("GET", &format!("{topics}?limit=101"), Value::Null, 400, "SMN.0015").await;
    walk.good("POST", topics, json!({"name": "alerts"}), 201).await;
    walk.meet("PUT", &attribute("colour"), json!({"value": "x"}), 400, "SMN.0046").await;
    walk.meet("DELETE", &attribute("introduction"), Value::Null, 404, "SMN.0045").await;
    walk.meet("PUT", &attribute("introduction"), json!({"value": "x".repeat(121)}), 403, "SMN.0047").await;
    let policy = json!({"Version": "2016-09-07", "Id": "p", "Statement": [{"Sid": "s", "Effect": "Allow",
        "Principal": {"Service": ["cts"]}, "Action": "SMN:Publish", "Resource": TOPIC}]});
    walk.meet("PUT", &attribute("access_policy"), json!({"value": "{"}), 400, "SMN.0048").await;
    let parts = [
        ("/Version", "SMN.0049"),
        ("/Id", "SMN.0050"),
        ("/Statement", "SMN.0051"),
        ("/Statement/0/Sid", "SMN.0052"),
        ("/Statement/0/Effect", "SMN.0053"),
        ("/Statement/0/Principal", "SMN.0054"),
        ("/Statement/0/Action", "SMN.0055"),
        ("/Statement/0/Resource", "SMN.0056"),
    ];
    for (part, code) in parts {
        let mut broken = policy.clone();
        *broken.pointer_mut(part).unwrap() = json!(7);
        walk.meet("PUT", &attribute("access_policy"), json!({"value": broken.to_string()}), 400, code).await;
    }
    walk.good("PUT", &attribute("access_policy"), json!({"value": policy.to_string()}), 200).await;
    for n in 2..=30 {
        walk.good("POST", topics, json!({"name": format!("t{n}")}), 201).await;
    }
    walk.meet("POST", topics, json!({"name": "one-more"}), 403, "SMN.0004").await;
}

async fn of_subscriptions(walk: &mut Walk) {
    let path = &format!("{SMN}/topics/{TOPIC}/subscriptions");
    let mail = |address: &str| json!({"protocol": "email", "endpoint": address});
    walk.meet("POST", path, json!({"protocol": "pigeon", "endpoint": "home"}), 400, "SMN.0011").await;
    walk.meet("POST", path, json!({"protocol": "https", "endpoint": "http://example.org"}), 400, "SMN.0012").await;
    walk.meet("POST", path, json!({"protocol": "http", "endpoint": "http://10.0.0.1/"}), 403, "SMN.0069").await;
    let mut remarked = mail("ops@example.org");
    remarked["remark"] = json!("x".repeat(129));
    walk.meet("POST", path, remarked, 400, "SMN.0017").await;
    let made = walk.good("POST", path, mail("ops@example.org"), 201).await;
    let again = walk.meet("POST", path, mail("ops@example.org"), 200, "SMN.0190").await;
    assert_eq!(again["subscription_urn"], made["subscription_urn"]);
    for _ in 2..20 {
        walk.meet("POST", path, mail("ops@example.org"), 200, "SMN.0190").await;
    }
    walk.meet("POST", path, mail("ops@example.org"), 403, "SMN.0065").await;
    walk.meet("POST", path, json!({"subscriptions": vec![mail("a@example.org"); 51]}), 403, "SMN.0078").await;
    for batch in 0..2 {
        let mails: Vec<Value> = (0..50).map(|n| mail(&format!("m{batch}-{n}@example.org"))).collect();
        let full = batch == 1;
        let (status, code) = if full { (403, "SMN.0007") } else { (201, "") };
        walk.meet("POST", path, json!({"subscriptions": mails}), status, code).await;
    }
    walk.meet("DELETE", &format!("{SMN}/subscriptions/x"), Value::Null, 400, "SMN.0014").await;
    walk.meet("DELETE", &format!("{SMN}/subscriptions/{TOPIC}:{PROJECT}"), Value::Null, 404, "SMN.0013").await;
    walk.meet("GET", "/smn/subscription/confirm?token=guessed", Value::Null, 403, "SMN.0022").await;
}

async fn of_messages(walk: &mut Walk) {
    let (publish, templates) = (&format!("{SMN}/topics/{TOPIC}/publish"), &format!("{SMN}/message_template"));
    let template = |name: &str, content: &str| json!({"message_template_name": name, "content": content});
    walk.meet("POST", publish, json!({"subject": "x".repeat(513), "message": "m"}), 403, "SMN.0008").await;
    walk.meet("POST", publish, json!({"message": "x".repeat(256 * 1024 + 1)}), 403, "SMN.0009").await;
    walk.meet("POST", publish, json!({"message_structure": "{\"sms\": \"no default\"}"}), 400, "SMN.0021").await;
    walk.meet("POST", publish, json!({"message_template_name": "none"}), 404, "SMN.0076").await;
    walk.meet("POST", publish, json!({"message_template_name": "none", "tags": {"-": "x"}}), 400, "SMN.0038").await;
    let tags: serde_json::Map<String, Value> = (0..91).map(|n| (format!("t{n}"), json!("x"))).collect();
    walk.meet("POST", publish, json!({"message_template_name": "none", "tags": tags}), 403, "SMN.0075").await;
    walk.meet("POST", templates, template("t", ""), 400, "SMN.0024").await;
    walk.meet("POST", templates, template("-t", "x"), 400, "SMN.0032").await;
    walk.meet("POST", templates, template("t", &"{a}".repeat(257)), 400, "SMN.0042").await;
    for n in 1..=100 {
        walk.good("POST", templates, template(&format!("t{n}"), "x"), 201).await;
    }
    walk.meet("POST", templates, template("t1", "x"), 400, "SMN.0025").await;
    walk.meet("POST", templates, template("t101", "x"), 400, "SMN.0044").await;
    walk.meet("GET", &format!("{templates}/x"), Value::Null, 400, "SMN.0031").await;
    walk.meet("GET", &format!("{templates}/{PROJECT}"), Value::Null, 404, "SMN.0027").await;
    let sms = json!({"endpoint": "+491701234567", "message": "m"});
    for _ in 0..60 {
        walk.good("POST", &format!("{SMN}/sms"), sms.clone(), 200).await;
    }
    walk.meet("POST", &format!("{SMN}/sms"), sms, 403, "SMN.0057").await;
}

async fn of_strangers(walk: &mut Walk) {
    walk.meet("GET", "/v3/ffff/traces", Value::Null, 403, "CTS.0012").await;
    walk.meet("GET", "/smn/v2/ffff/notifications/topics", Value::Null, 403, "SMN.0001").await;
}

/// What only the cloud's own trouble brings about.
async fn of_faults(walk: &mut Walk) {
    let cases = [
        ("CTS.0001", 400),
        ("CTS.0004", 500),
        ("CTS.0005", 500),
        ("CTS.0013", 403),
        ("CTS.0216", 400),
        ("CTS.0217", 400),
        ("CTS.0229", 400),
        ("SMN.0016", 500),
        ("SMN.0018", 500),
    ];
    for (code, status) in cases {
        let path = if code.starts_with("CTS") { EVENTS.to_owned() + "/smn" } else { format!("{SMN}/topics") };
        walk.good("POST", "/emulator/faults", json!({"fault": {"code": code}, "times": 1}), 200).await;
        walk.meet("GET", &path, Value::Null, status, code).await;
        walk.good("GET", &path, Value::Null, 200).await;
    }
}

/// What the reference finds contradictory: what is chosen here.
#[tokio::test]
async fn contradictions_are_decided() {
    let cloud = Cloud::empty().await;
    let now = now_ms();
    cloud.handle().add((0..30).map(|n| trace(&format!("id-{n:02}"), now - 60_000 - n)));
    assert_eq!(cloud.ids("").await.len(), 10, "the default limit is 10, not 50");
    assert_eq!(cloud.get("/v3/{project}/traces?limit=201").await.0, 400, "more than 200 is refused, not cut");
    assert_eq!(cloud.page("limit=30").await["meta_data"]["marker"], Value::Null, "no marker on the last page");
    assert_eq!(cloud.ids("limit=2&next=id-01").await, ["id-02", "id-03"], "`next` is exclusive, newest first");
    assert_eq!(cloud.ids(&format!("from={}&to={}", now - 60_002, now - 60_000)).await, ["id-01"], "ends are exclusive");
    assert_eq!(cloud.ids(&format!("limit=50&from={}", now - 60_003)).await.len(), 3, "a missing end has its default");
    let (status, body) = cloud.get("/v3/{project}/traces?trace_id=none").await;
    assert_eq!((status, &body["traces"]), (200, &json!([])), "nothing found is no 404");
    assert_eq!(cloud.get("/v1.0/{project}/other/trace").await.0, 404, "an unknown tracker is one");
    for (version, parameter) in [("v1.0", "trace_rating"), ("v2.0", "trace_rating"), ("v2.0", "trace_status")] {
        let (_, body) = cloud.get(&format!("/{version}/{{project}}/system/trace?{parameter}=warning")).await;
        assert_eq!(body["traces"].as_array().unwrap().len(), 10, "{version} {parameter}");
    }
    let (_, v2) = cloud.get("/v2.0/{project}/system/trace").await;
    assert_eq!(
        (&v2["traces"][0]["trace_rating"], &v2["traces"][0]["trace_status"]),
        (&json!("warning"), &json!("warning"))
    );
    assert!(v2["traces"][0]["code"].is_string() && v2["traces"][0]["time"].is_number());
    assert!(v2["traces"][0]["request"].is_string() && v2["traces"][0]["response"].is_string());

    assert_eq!(
        cloud.send("POST", V1, json!({"bucket_name": "no-such-bucket"})).await.0,
        404,
        "a missing bucket is 404"
    );
    let body = json!({"bucket_name": "bucket-1", "file_prefix_name": "p-", "lts": {"is_lts_enabled": true}});
    let (_, made) = cloud.send("POST", V1, body).await;
    assert_eq!(
        (&made["bucket_name"], &made["obs_info"]["bucket_name"]),
        (&json!("bucket-1"), &json!("bucket-1")),
        "both"
    );
    assert!(made["group_id"].is_string() && made["stream_id"].is_string());
    assert!(cloud.get(V1).await.1.is_object(), "one tracker, not a list of one");
    let (status, changed) = cloud.send("PUT", &format!("{V1}/system"), json!({"status": "disabled"})).await;
    assert_eq!((status, &changed["file_prefix_name"]), (200, &json!("p-")), "a body, and what is not named is kept");
}

#[tokio::test]
async fn an_update_may_forget_what_it_does_not_name() {
    let cloud = Cloud::start(Settings { updates_replace: true, ..Settings::default() }).await;
    let body = json!({"bucket_name": "bucket-1", "file_prefix_name": "p-", "lts": {"is_lts_enabled": true}});
    assert_eq!(cloud.send("POST", V1, body).await.0, 201);
    let (_, changed) = cloud.send("PUT", &format!("{V1}/system"), json!({"status": "disabled"})).await;
    assert_eq!((&changed["bucket_name"], &changed["lts"]["is_lts_enabled"]), (&json!(""), &json!(false)));
}

#[tokio::test]
async fn a_tracker_in_trouble_says_so_until_it_is_mended() {
    let cloud = Cloud::empty().await;
    assert_eq!(cloud.send("POST", "/emulator/tracker", json!({"detail": "noBucket"})).await.0, 404);
    assert_eq!(cloud.send("POST", V1, json!({"bucket_name": "bucket-1"})).await.0, 201);
    for detail in ["noBucket", "bucketPolicyError", "arrears"] {
        assert_eq!(cloud.send("POST", "/emulator/tracker", json!({"detail": detail})).await.0, 204);
        let shown = cloud.get(V1).await.1;
        assert_eq!((&shown["status"], &shown["detail"]), (&json!("error"), &json!(detail)));
    }
    assert_eq!(cloud.send("POST", "/emulator/tracker", json!({"detail": null})).await.0, 204);
    assert_eq!(cloud.get(V1).await.1["status"], "enabled");
    cloud.send("POST", "/emulator/tracker", json!({"detail": "noBucket"})).await;
    let (_, mended) = cloud.send("PUT", &format!("{V1}/system"), json!({"bucket_name": "bucket-2"})).await;
    assert_eq!((&mended["status"], &mended["detail"]), (&json!("enabled"), &json!("")));
}
