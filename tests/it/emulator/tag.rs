//! Tags of topics, and which versions of SMN there are. No SDK of the customer has calls for tags, so these are raw; the
//! vendor's SDK makes them in `huawei_sdk.py`.

use super::*;

/// A cloud with two topics, and the id of the first.
async fn cloud() -> (Cloud, String) {
    let cloud = Cloud::empty().await;
    let topics = "/smn/v2/{project}/notifications/topics";
    for name in ["alerts", "other"] {
        assert_eq!(cloud.send("POST", topics, json!({"name": name})).await.0, 201);
    }
    let (_, listed) = cloud.get(topics).await;
    let id = listed["topics"][1]["topic_id"].as_str().unwrap().to_owned();
    (cloud, id)
}

#[tokio::test]
async fn tags_are_put_on_topics_and_topics_are_found_by_them() {
    let (cloud, id) = cloud().await;
    let other = "urn:smn:eu-de:0123456789abcdef0123456789abcdef:other";
    let tag = |key: &str, value: &str| json!({"key": key, "value": value});
    let batch = |action: &str, tags: &[Value]| json!({"action": action, "tags": tags});
    let long = "x".repeat(44);
    let full: Vec<Value> = (0..20).map(|n| tag(&format!("k{n}"), "")).collect();
    // Method, path below the project, body, status, and a part of the answer.
    let of = |id: &str| format!("/smn_topic/{id}/tags");
    let cases = [
        ("GET", of(&id), Value::Null, 200, json!({"tags": []})),
        ("POST", of(&id), json!({"tag": tag("team", "blue")}), 204, Value::Null),
        // The same key again changes its value.
        ("POST", of(&id), json!({"tag": tag("team", "red")}), 204, Value::Null),
        (
            "POST",
            format!("{}/action", of(&id)),
            batch("create", &[tag("cost", "17"), tag("zone", "")]),
            204,
            Value::Null,
        ),
        ("POST", format!("{}/action", of(other)), batch("create", &[tag("team", "green")]), 204, Value::Null),
        ("GET", of(&id), Value::Null, 200, json!({"tags": [tag("team", "red"), tag("cost", "17"), tag("zone", "")]})),
        ("DELETE", format!("{}/zone", of(&id)), Value::Null, 204, Value::Null),
        ("DELETE", format!("{}/zone", of(&id)), Value::Null, 404, json!({"code": "SMN.0038"})),
        ("POST", format!("{}/action", of(&id)), batch("delete", &[json!({"key": "cost"})]), 204, Value::Null),
        ("GET", of(&id), Value::Null, 200, json!({"tags": [tag("team", "red")]})),
        (
            "GET",
            "/smn_topic/tags".to_owned(),
            Value::Null,
            200,
            json!({"tags": [{"key": "team", "values": ["red", "green"]}]}),
        ),
        // All or none, and what is no tag.
        ("POST", format!("{}/action", of(&id)), batch("create", &full), 403, json!({"code": "SMN.0075"})),
        ("GET", of(&id), Value::Null, 200, json!({"tags": [tag("team", "red")]})),
        ("POST", of(&id), json!({"tag": tag("", "x")}), 400, json!({"code": "SMN.0038"})),
        ("POST", of(&id), json!({"tag": tag("a=b", "x")}), 400, json!({"code": "SMN.0038"})),
        ("POST", of(&id), json!({"tag": tag("a", &long)}), 400, json!({"code": "SMN.0038"})),
        ("POST", format!("{}/action", of(&id)), batch("rename", &[]), 400, json!({"code": "SMN.0038"})),
        ("POST", of("nobody"), json!({"tag": tag("a", "b")}), 404, json!({"code": "SMN.0006"})),
    ];
    for (method, path, body, status, part) in cases {
        // Below the name in the catalogue, and below the root for clients that know only hosts.
        let (found, answer) = cloud.send(method, &format!("/smn/v2/{{project}}{path}"), body.clone()).await;
        assert_eq!(found, status, "{method} {path} {body}: {answer}");
        for (key, expected) in part.as_object().into_iter().flatten() {
            assert_eq!(answer[key], *expected, "{method} {path}: {answer}");
        }
    }
    let search = |tags: Value, action: &str| json!({"action": action, "tags": tags});
    for (tags, expected) in [
        (json!([]), &["alerts", "other"][..]),
        (json!([{"key": "team", "values": ["red", "blue"]}]), &["alerts"]),
        (json!([{"key": "team", "values": []}]), &["alerts", "other"]),
        (json!([{"key": "cost", "values": []}]), &[]),
    ] {
        let path = "/v2/{project}/smn_topic/resource_instances/action";
        let (_, found) = cloud.send("POST", path, search(tags.clone(), "filter")).await;
        let names: Vec<&str> =
            found["resources"].as_array().unwrap().iter().map(|one| one["resource_name"].as_str().unwrap()).collect();
        assert_eq!(
            (names.as_slice(), found["total_count"].as_u64()),
            (expected, Some(expected.len() as u64)),
            "{tags}"
        );
        let (_, counted) = cloud.send("POST", path, search(tags, "count")).await;
        assert_eq!((&counted["total_count"], counted.get("resources")), (&json!(expected.len()), None));
    }
}

#[tokio::test]
async fn the_versions_of_smn_are_told_without_a_login() {
    let cloud = Cloud::empty().await;
    for (path, key) in [("/smn", "versions"), ("/smn/", "versions"), ("/smn/v2", "version"), ("/smn/v2/", "version")] {
        let answer = cloud.http.get(format!("{}{path}", cloud.emulator.url())).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let answer: Value = answer.json().await.unwrap();
        let version = if key == "versions" { &answer[key][0] } else { &answer[key] };
        let facts = ["id", "status", "updated"].map(|key| version[key].as_str().unwrap());
        assert_eq!(facts, ["v2", "CURRENT", "2018-09-19T00:00:00Z"], "{path}: {answer}");
        let link = version["links"][0]["href"].as_str().unwrap();
        assert_eq!(cloud.http.get(link).send().await.unwrap().status(), 200, "{link}");
    }
}
