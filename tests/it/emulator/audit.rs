//! What is done to SMN is in the audit log, so that rules on it can be tried.

use super::*;
use crate::world::{self, Bridge, until};

const TOPIC: &str = "urn:smn:eu-de:0123456789abcdef0123456789abcdef:alerts";

/// The traces of SMN, sorted: operation, resource type and name, rating, code. Those of one millisecond have no order.
async fn left(cloud: &Cloud) -> Vec<String> {
    // Both ends are exclusive, and the last trace is of this moment.
    let window = format!("from={}&to={}", now_ms() - 60_000, now_ms() + 60_000);
    let page = cloud.page(&format!("limit=200&service_type=SMN&{window}")).await;
    let traces = page["traces"].as_array().unwrap();
    let word = |trace: &Value, key: &str| trace[key].as_str().unwrap().to_owned();
    let keys = ["trace_name", "resource_type", "resource_name", "trace_rating", "code"];
    let mut left: Vec<String> = traces.iter().map(|trace| keys.map(|key| word(trace, key)).join(" ")).collect();
    left.sort();
    left
}

#[tokio::test]
async fn each_operation_on_smn_leaves_the_trace_that_is_documented() {
    let cloud = Cloud::empty().await;
    let at =
        |path: &str| format!("/smn/v2/{{project}}{path}").replace("TOPIC", &format!("/notifications/topics/{TOPIC}"));
    let mut expected = Vec::new();
    let mail = json!({"protocol": "email", "endpoint": "ops@example.org"});
    let template = json!({"message_template_name": "alert", "content": "{what}"});
    let tags = |action: &str| json!({"action": action, "tags": [{"key": "team", "value": "blue"}]});
    let (mut subscription, mut made) = (String::new(), String::new());
    for (method, path, body, trace) in [
        ("POST", "/notifications/topics", json!({"name": "alerts"}), "createTopic topic alerts normal 201"),
        ("POST", "/notifications/topics", json!({"name": "no spaces"}), "createTopic topic no spaces warning 400"),
        ("PUT", "TOPIC", json!({"display_name": "d"}), "updateTopic topic alerts normal 200"),
        ("PUT", "TOPIC/attributes/introduction", json!({"value": "v"}), "updateTopicAttribute topic alerts normal 200"),
        ("DELETE", "TOPIC/attributes/introduction", Value::Null, "updateTopicAttribute topic alerts normal 200"),
        ("DELETE", "TOPIC/attributes", Value::Null, "updateTopicAttribute topic alerts normal 200"),
        ("POST", "TOPIC/subscriptions", mail, "subscribe subscription alerts normal 201"),
        ("POST", "TOPIC/subscriptions", json!({"protocol": "pigeon"}), "subscribe subscription alerts warning 400"),
        (
            "DELETE",
            "/notifications/subscriptions/SUBSCRIPTION",
            Value::Null,
            "delsubscribe subscription alerts normal 200",
        ),
        (
            "POST",
            "/notifications/message_template",
            template,
            "createMessageTemplate message_template alert normal 201",
        ),
        (
            "PUT",
            "/notifications/message_template/MADE",
            json!({"content": "c"}),
            "updateMessageTemplate message_template alert normal 200",
        ),
        (
            "DELETE",
            "/notifications/message_template/MADE",
            Value::Null,
            "deleteMessageTemplate message_template alert normal 200",
        ),
        (
            "POST",
            "/smn_topic/URN/tags",
            json!({"tag": {"key": "k", "value": "v"}}),
            "batchCreateTag tag alerts normal 204",
        ),
        ("DELETE", "/smn_topic/URN/tags/k", Value::Null, "deleteTag tag alerts normal 204"),
        ("POST", "/smn_topic/URN/tags/action", tags("create"), "batchCreateTag tag alerts normal 204"),
        ("POST", "/smn_topic/URN/tags/action", tags("delete"), "deleteTag tag alerts normal 204"),
        // These leave none.
        ("POST", "TOPIC/publish", json!({"message": "m"}), ""),
        ("GET", "TOPIC", Value::Null, ""),
        ("POST", "/smn_topic/resource_instances/action", json!({"action": "count"}), ""),
        ("POST", "/smn_topic/URN/tags/action", tags("rename"), ""),
        ("DELETE", "TOPIC", Value::Null, "deleteTopic topic alerts normal 200"),
        ("DELETE", "TOPIC", Value::Null, "deleteTopic topic alerts warning 404"),
    ] {
        let path = path.replace("SUBSCRIPTION", &subscription).replace("MADE", &made).replace("URN", TOPIC);
        let (_, answer) = cloud.send(method, &at(&path), body).await;
        let word = |key: &str, known: &str| answer[key].as_str().unwrap_or(known).to_owned();
        (subscription, made) = (word("subscription_urn", &subscription), word("message_template_id", &made));
        expected.extend((!trace.is_empty()).then(|| trace.to_owned()));
        expected.sort();
        assert_eq!(left(&cloud).await, expected, "{method} {path}");
    }
    let page = cloud.page("limit=1&service_type=SMN&trace_name=subscribe&trace_rating=normal").await;
    let trace = &page["traces"][0];
    assert_eq!(
        (trace["resource_id"].as_str().unwrap(), trace["api_version"].as_str().unwrap()),
        (&*subscription, "v2")
    );
    assert_eq!(trace["request"], json!({"protocol": "email", "endpoint": "ops@example.org"}).to_string());
    assert!(trace["response"].as_str().unwrap().contains(&subscription), "{trace}");
}

#[tokio::test]
async fn strangers_leave_none_and_neither_does_anybody_while_nothing_is_recorded() {
    let cloud = Cloud::empty().await;
    let topics = "/smn/v2/{project}/notifications/topics";
    let url = format!("{}{}", cloud.emulator.url(), topics.replace("{project}", PROJECT));
    let refused = cloud.http.post(&url).header("x-auth-token", "guessed").json(&json!({"name": "x"})).send().await;
    assert_eq!(refused.unwrap().status(), 401);
    assert_eq!(cloud.send("POST", &topics.replace("{project}", "another"), json!({"name": "x"})).await.0, 403);
    let tracker = json!({"tracker_type": "system", "tracker_name": "system"});
    assert_eq!(cloud.send("POST", "/v3/{project}/tracker", tracker.clone()).await.0, 201);
    let mut off = tracker;
    off["status"] = "disabled".into();
    assert_eq!(cloud.send("PUT", "/v3/{project}/tracker", off).await.0, 200);
    assert_eq!(cloud.send("POST", topics, json!({"name": "alerts"})).await.0, 201);
    assert_eq!(left(&cloud).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_rings() {
    let cloud = Cloud::empty().await;
    let (inbox, mut received) = tracebell::emulator::inbox::Inbox::start().await.unwrap();
    let rules = include_str!("../../../rules/smn.yaml");
    let config = world::config("soar", &format!("http://{}/hook", inbox.http));
    let mut bridge = Bridge::new(&cloud.emulator.url(), &config, rules);
    bridge.start();
    let topics = "/smn/v2/{project}/notifications/topics";
    assert_eq!(cloud.send("POST", topics, json!({"name": "alerts"})).await.0, 201);
    assert_eq!(cloud.send("DELETE", &format!("{topics}/{TOPIC}"), Value::Null).await.0, 200);
    let told = until("the alert", Duration::from_secs(20), async || received.recv().await).await;
    let tracebell::emulator::inbox::Received::Http { body, .. } = told else { panic!("{told:?}") };
    let told = String::from_utf8_lossy(&body);
    assert!(told.contains("alice removed or changed a way that alarms take: alerts (deleteTopic)"), "{told}");
}
