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
    let said = ready(&mut bridge, "the reload", |_, body| body.contains("endpoint siem")).await;
    assert!(said.contains("endpoint soar: the configuration does not name it, and deliveries wait"), "{said}");
    let told = tokio::time::timeout(Duration::from_secs(20), received.recv()).await.unwrap();
    let Some(Received::Http { body, .. }) = told else { panic!("the new endpoint heard {told:?}") };
    assert!(String::from_utf8_lossy(&body).contains("soar is gone from the configuration"), "{body:?}");
    // With its worker back, it is a worker's business again.
    world::write(&bridge.path("tracebell.yaml"), &world::config("soar", "http://127.0.0.1:9/hook"));
    bridge.signal("HUP");
    let said = ready(&mut bridge, "the way back", |_, body| !body.contains("endpoint siem")).await;
    assert!(!said.contains("does not name it"), "{said}");
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
