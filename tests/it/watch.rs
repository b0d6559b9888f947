//! The tracker watch of `tracebell run`, through the real binary.

use std::time::Duration;

use tracebell::emulator::inbox::{Inbox, Received};

use crate::world::{self, Bridge, until};

/// Runs a command in the bridge's folder to its end.
fn tracker(bridge: &Bridge, arguments: &str, code: i32) -> String {
    let words: Vec<&str> = std::iter::once("tracker").chain(arguments.split_whitespace()).collect();
    let output = bridge.command(&[&words[..], &["--cloud", "otc"]].concat()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
    said
}

/// Waits until `/metrics` says so.
async fn measured(bridge: &mut Bridge, line: &str) {
    let url = format!("{}/metrics", bridge.address().await);
    until(line, Duration::from_secs(30), async || {
        let (_, page) = world::get(&url).await;
        page.lines().any(|found| found == line).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tracker_switched_off_while_nobody_ran_is_told_at_the_next_start_and_once() {
    let cloud = world::cloud().await;
    let (inbox, mut received) = Inbox::start().await.unwrap();
    let config = world::config("soar", &format!("http://{}/hook", inbox.http));
    let config = config.replace("poll_every: 1s", "poll_every: 1s, watch_tracker: 1s");
    let mut bridge = Bridge::new(&cloud.url(), &config, world::RULES);
    tracker(&bridge, "create --bucket audit-bucket", 0);
    tracker(&bridge, "watch", 0);
    bridge.start();
    measured(&mut bridge, "tracebell_tracker_enabled{source=\"prod\"} 1").await;
    bridge.kill();
    tracker(&bridge, "update --status disabled", 0);
    assert!(tracker(&bridge, "watch", 1).contains("is disabled: the cloud records nothing"));

    bridge.start();
    let mut next = async || match tokio::time::timeout(Duration::from_secs(30), received.recv()).await.unwrap() {
        Some(Received::Http { body, .. }) => String::from_utf8(body.to_vec()).unwrap(),
        other => panic!("expected a webhook, found {other:?}"),
    };
    let told = next().await;
    assert!(told.contains("The tracker of source prod is disabled: nothing is recorded"), "{told}");
    assert!(told.contains("status: enabled -> disabled") && told.contains("critical"), "{told}");
    measured(&mut bridge, "tracebell_tracker_enabled{source=\"prod\"} 0").await;
    // Once: after another start, what comes next is that it is mended.
    bridge.kill();
    bridge.start();
    measured(&mut bridge, "tracebell_tracker_enabled{source=\"prod\"} 0").await;
    tracker(&bridge, "update --status enabled", 0);
    let told = next().await;
    assert!(told.contains("The tracker of source prod is enabled again"), "{told}");
}
