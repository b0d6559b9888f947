//! Key event notifications reach their topic as the trace is recorded.

use super::*;

const EVENTS: &str = "/v3/{project}/notifications";

async fn topic(cloud: &Cloud, name: &str) -> String {
    let (_, made) = cloud.send("POST", "/smn/v2/{project}/notifications/topics", json!({"name": name})).await;
    made["topic_urn"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_notification_fires_for_what_it_names() {
    let cloud = Cloud::empty().await;
    let (guarded, all) = (topic(&cloud, "guarded").await, topic(&cloud, "all").await);
    let body = json!({"notification_name": "guard", "operation_type": "customized", "topic_id": guarded,
        "operations": [{"service_type": "ECS", "resource_type": "ecs", "trace_names": ["deleteServer"]}],
        "notify_user_list": [{"user_group": "dev", "user_list": ["bob"]}],
        "filter": {"condition": "AND", "is_support_filter": true, "rule": ["trace_rating != normal", "code = 204"]}});
    let (status, made) = cloud.send("POST", EVENTS, body.clone()).await;
    assert_eq!((status, &made["status"]), (201, &json!("enabled")));
    let told = |urn: &str| -> Vec<Value> {
        let published = cloud.handle().publications().into_iter().filter(|one| one.topic_urn == urn);
        published.map(|one| serde_json::from_str(&one.texts["default"]).unwrap()).collect()
    };
    let with = |id: &str, key: &str, value: Value| {
        let mut trace = trace(id, now_ms() - 1000);
        trace[key] = value;
        trace
    };
    cloud.handle().add([
        with("fits", "resource_name", json!("web")),
        with("succeeded", "trace_rating", json!("normal")),
        with("other-code", "code", json!("403")),
        with("other-name", "trace_name", json!("createServer")),
        with("other-user", "user", json!({"name": "alice"})),
        with("other-kind", "resource_type", json!("server")),
    ]);
    let heard = told(&guarded);
    assert_eq!(heard.len(), 1, "{heard:#?}");
    // As the list has it.
    let listed = cloud.page("trace_id=fits").await["traces"][0].take();
    assert_eq!(heard[0], listed);
    let subject = cloud.handle().publications()[0].subject.clone();
    assert_eq!(subject.as_deref(), Some("CTS key event: ECS deleteServer"));

    let mut change = body.clone();
    change["notification_id"] = made["notification_id"].clone();
    change["status"] = json!("disabled");
    assert_eq!(cloud.send("PUT", EVENTS, change.clone()).await.0, 200);
    cloud.handle().add([trace("while-disabled", now_ms() - 900)]);
    assert_eq!(told(&guarded).len(), 1);
    change["status"] = json!("enabled");
    assert_eq!(cloud.send("PUT", EVENTS, change).await.0, 200);
    cloud.handle().add([trace("again", now_ms() - 800)]);
    assert_eq!(told(&guarded).len(), 2);
    let own = cloud.page("limit=50&service_type=CTS&resource_type=notification").await;
    let names: BTreeSet<&str> =
        own["traces"].as_array().unwrap().iter().map(|trace| trace["trace_name"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["createNotification", "updateNotificationStatus"]));

    let complete = json!({"notification_name": "all", "operation_type": "complete", "topic_id": all});
    assert_eq!(cloud.send("POST", EVENTS, complete).await.0, 201);
    // Its own creation is an operation, too.
    assert_eq!(told(&all)[0]["trace_name"], "createNotification");
    // Told before it can be listed: the list may be late.
    cloud.handle().plan(Plan::new(Fault::LateMs(3_600_000)).times(1));
    cloud.handle().add([trace("late", now_ms() - 700)]);
    assert_eq!((told(&all).len(), cloud.ids("trace_id=late").await.len()), (2, 0));
    assert_eq!(
        cloud.send("DELETE", &format!("/smn/v2/{{project}}/notifications/topics/{all}"), Value::Null).await.0,
        200
    );
    cloud.handle().add([trace("to-nobody", now_ms() - 600)]);
}

#[tokio::test]
async fn each_project_has_its_own_tracker_and_notifications() {
    let mut cloud = Cloud::start(Settings { more_projects: 1, ..Settings::default() }).await;
    assert_eq!(cloud.send("POST", "/v1.0/{project}/tracker", json!({"bucket_name": "bucket-1"})).await.0, 201);
    let complete = json!({"notification_name": "all", "operation_type": "complete"});
    assert_eq!(cloud.send("POST", EVENTS, complete.clone()).await.0, 201);
    let other = cloud.handle().projects()[1].clone();
    let scope = json!({"auth": {"identity": password("secret"), "scope": {"project": {"name": other.0}}}});
    let answer = cloud.http.post(format!("{}/v3/auth/tokens", cloud.emulator.url())).json(&scope).send().await.unwrap();
    cloud.token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
    let there = |path: &str| path.replace("{project}", &other.1);
    assert_eq!(cloud.get(&there("/v1.0/{project}/tracker")).await.0, 404);
    assert_eq!(cloud.send("POST", &there(EVENTS), complete).await.0, 201);
    let (_, made) = cloud
        .send("POST", &there("/v3/{project}/tracker"), json!({"tracker_type": "system", "tracker_name": "system"}))
        .await;
    assert_eq!(made["project_id"], other.1);
    let (_, own) = cloud.get(&there("/v3/{project}/traces?trace_name=createTracker&trace_rating=normal")).await;
    assert_eq!(own["traces"].as_array().unwrap().len(), 1, "{own}");
}
