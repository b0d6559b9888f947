//! Another configuration in a running process: all of it or nothing, and nothing is forgotten.

use std::time::Duration;

use tracebell::{
    clock,
    emulator::{
        Emulator,
        inbox::{Inbox, Received},
    },
    store::Store,
};

use crate::world::{self, Bridge, until};

const RULES: &str = r#"
rules:
  - id: server-deleted
    title: "{{ actor.name }} deleted server {{ resource.name }}"
    severity: high
    match: { operation: deleteServer }
    topics: [security]
"#;

/// A bridge whose one endpoint `soar` answers nothing.
async fn scene() -> (Emulator, Bridge) {
    let cloud = world::cloud().await;
    let bridge = Bridge::new(&cloud.url(), &world::config("soar", "http://127.0.0.1:9/hook"), RULES);
    (cloud, bridge)
}

/// Waits until `/readyz` is as wanted, and gives what it says.
async fn ready(bridge: &mut Bridge, what: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
    let url = format!("{}/readyz", bridge.address().await);
    until(what, Duration::from_secs(20), async || {
        let (status, body) = world::get(&url).await;
        wanted(status, &body).then_some(body)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_to_an_endpoint_that_is_gone_is_said_aloud() {
    let (cloud, mut bridge) = scene().await;
    let (inbox, mut received) = Inbox::start().await.unwrap();
    bridge.start();
    ready(&mut bridge, "a start", |status, _| status == 200).await;
    cloud.handle().add([world::trace("x", "deleteServer", clock::now())]);
    until("an attempt", Duration::from_secs(20), async || bridge.log().contains("did not take it").then_some(())).await;
    world::write(&bridge.path("tracebell.yaml"), &world::config("siem", &format!("http://{}/hook", inbox.http)));
    bridge.signal("HUP");
    // The new worker is there before the store was asked what is owed to the old one.
    let waits = "endpoint soar: the configuration does not name it, and deliveries wait";
    ready(&mut bridge, "the reload", |_, body| body.contains("endpoint siem") && body.contains(waits)).await;
    let told = tokio::time::timeout(Duration::from_secs(20), received.recv()).await.unwrap();
    let Some(Received::Http { body, .. }) = told else { panic!("the new endpoint heard {told:?}") };
    assert!(String::from_utf8_lossy(&body).contains("soar is gone from the configuration"), "{body:?}");
    // With its worker back, it is a worker's business again.
    world::write(&bridge.path("tracebell.yaml"), &world::config("soar", "http://127.0.0.1:9/hook"));
    bridge.signal("HUP");
    let back =
        |_, body: &str| body.contains("endpoint soar") && !body.contains("endpoint siem") && !body.contains(waits);
    ready(&mut bridge, "the way back", back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_cannot_work_is_refused_whole() {
    let (_cloud, mut bridge) = scene().await;
    bridge.start();
    ready(&mut bridge, "a start", |status, _| status == 200).await;
    let clouds = std::fs::read_to_string(bridge.path("clouds.yaml")).unwrap();
    world::write(&bridge.path("clouds.yaml"), &format!("{clouds}    cacert: nowhere.pem\n"));
    bridge.signal("HUP");
    let refused = |_, body: &str| body.contains("reload refused") && body.contains("nowhere.pem");
    ready(&mut bridge, "the refusal", refused).await;
    assert!(bridge.ended().is_none(), "{}", bridge.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_of_the_cloud_takes_effect() {
    let (cloud, mut bridge) = scene().await;
    cloud.handle().add([world::trace("x", "deleteServer", clock::now())]);
    let clouds = std::fs::read_to_string(bridge.path("clouds.yaml")).unwrap();
    world::write(&bridge.path("clouds.yaml"), &clouds.replace("password: secret", "password: wrong"));
    bridge.start();
    ready(&mut bridge, "the refusal", |status, _| status == 503).await;
    world::write(&bridge.path("clouds.yaml"), &clouds);
    bridge.signal("HUP");
    until("the trace to be read", Duration::from_secs(20), async || {
        let accounting = Store::accounting(&bridge.store().await).await.ok()?;
        accounting.sources.first().filter(|source| source.counts.matched == 1).map(|_| ())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_rule_file_keeps_its_last_good_version_and_the_others_take_effect() {
    let cloud = world::cloud().await;
    let (inbox, mut received) = Inbox::start().await.unwrap();
    let mut bridge = Bridge::new(&cloud.url(), &world::config("siem", &format!("http://{}/hook", inbox.http)), RULES);
    let other = |operation: &str| {
        format!(
            "rules:\n  - id: other\n    title: \"{{{{ actor.name }}}} used {operation}\"\n    severity: high\n    \
             match: {{ operation: {operation} }}\n    topics: [security]\n"
        )
    };
    world::write(&bridge.path("rules/other.yaml"), &other("stopServer"));
    bridge.start();
    ready(&mut bridge, "a start", |status, _| status == 200).await;

    world::write(&bridge.path("rules/test.yaml"), &RULES.replace("operation:", "oparation:"));
    world::write(&bridge.path("rules/other.yaml"), &other("rebootServer"));
    bridge.signal("HUP");
    let said = ready(&mut bridge, "the reload", |_, body| body.contains("its last good version is in force")).await;
    assert!(said.contains("test.yaml: its last good version is in force since 20"), "{said}");
    assert!(said.contains("`oparation` is not a field of a trace (did you mean `operation`?)"), "{said}");
    assert!(!said.contains("other.yaml"), "{said}");
    let mut heard = async |what: &str| loop {
        let told = tokio::time::timeout(Duration::from_secs(20), received.recv()).await.expect(what).unwrap();
        let Received::Http { body, .. } = told else { continue };
        let body = String::from_utf8_lossy(&body).into_owned();
        if body.contains(what) {
            return body;
        }
    };
    let notice = heard("has problems: its last good version is in force").await;
    assert!(notice.contains("All other files took effect") && notice.contains("oparation"), "{notice}");
    // The kept file still rings, and the changed one rings by its new text.
    cloud.handle().add([world::trace("kept", "deleteServer", clock::now())]);
    heard("deleted server server-kept").await;
    cloud.handle().add([world::trace("changed", "rebootServer", clock::now())]);
    heard("used rebootServer").await;

    world::write(&bridge.path("rules/test.yaml"), RULES);
    bridge.signal("HUP");
    let said = ready(&mut bridge, "the way back", |_, body| !body.contains("last good version")).await;
    assert!(!said.contains("oparation"), "{said}");
    assert!(bridge.log().contains("the rule file is good again"), "{}", bridge.log());
    // A start knows nothing good, so it refuses.
    bridge.kill();
    world::write(&bridge.path("rules/test.yaml"), "rules: [\n");
    bridge.start();
    let code = until("the refusal", Duration::from_secs(20), async || bridge.ended()).await.code();
    assert_eq!(code, Some(2), "{}", bridge.log());
}
