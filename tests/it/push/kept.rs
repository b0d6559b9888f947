//! By which certificate SMN was believed outlives a restart: who forges gains nothing by one.

use std::time::Duration;

use serde_json::json;
use tracebell::{
    clock::{self, Timestamp},
    metrics::Metrics,
    source::push::{Gate, Kept},
    store::Store,
};

use super::{Forge, TOPIC, notification, post, posted, text};
use crate::world;

fn gate(forge: &Forge) -> Gate {
    Gate::new(&forge.settings(), Metrics::new().0).unwrap()
}

/// What is kept of a message that was believed; else why it was not.
async fn genuine(gate: &Gate, forge: &Forge, now: Timestamp) -> Result<Kept, &'static str> {
    let body = forge.seal(&notification(1, "x", now)).to_string();
    let found = gate.message(Some("Notification"), body.as_bytes(), now).await;
    found.map(|found| found.certificate.unwrap()).map_err(|refusal| refusal.reason.as_str())
}

/// Signed by nobody, with an address at SMN's host that is made up.
fn made_up(forge: &Forge, number: u32, now: Timestamp) -> String {
    let mut fields = notification(number, "x", now);
    fields["signing_cert_url"] = format!("https://{}/smn/SMN_eu-de_{number:032x}.pem", forge.host()).into();
    forge.seal_with(&fields, "other", "sha256").to_string()
}

async fn forge_some(gate: &Gate, forge: &Forge, now: Timestamp) {
    for number in 1..=3 {
        let refused = gate.message(Some("Notification"), made_up(forge, number, now).as_bytes(), now).await;
        assert_eq!(refused.unwrap_err().reason.as_str(), "certificate");
    }
}

#[tokio::test]
async fn smns_own_address_is_good_after_a_restart_whatever_was_forged_before() {
    let (forge, now) = (Forge::start(), clock::now());
    let kept = genuine(&gate(&forge), &forge, now).await.unwrap();
    assert_eq!((kept.url.as_str(), kept.fetched_at), (forge.certificate("good").as_str(), now));
    assert_eq!(forge.served().len(), 1);

    let restarted = gate(&forge);
    restarted.recall(TOPIC, kept.clone(), now);
    forge_some(&restarted, &forge, now).await;
    assert_eq!(forge.served().len(), 2, "one of those that are made up: {:?}", forge.served());
    assert_eq!(genuine(&restarted, &forge, now).await, Ok(kept.clone()));
    assert_eq!(forge.served().len(), 2, "what was kept is not fetched");

    // Without what was kept the stranger that came first would keep SMN out.
    let forgetful = gate(&forge);
    forge_some(&forgetful, &forge, now).await;
    assert_eq!(genuine(&forgetful, &forge, now).await, Err("certificate"));

    // What is kept may be damaged; its address is no stranger's all the same.
    let damaged = gate(&forge);
    damaged.recall(TOPIC, Kept { pem: b"damaged".to_vec(), ..kept.clone() }, now);
    forge_some(&damaged, &forge, now).await;
    let before = forge.served().len();
    assert_eq!(genuine(&damaged, &forge, now).await, Ok(kept.clone()));
    assert_eq!(forge.served().len(), before + 1);

    // And SMN need not be there; an old one is asked for in the background.
    forge.ask(&json!({ "down": true }));
    let (served, later) = (forge.served().len(), clock::plus(now, Duration::from_secs(25 * 3600)));
    let alone = gate(&forge);
    alone.recall(TOPIC, kept.clone(), later);
    assert_eq!(genuine(&alone, &forge, later).await, Ok(kept));
    world::until("the fetch in the background", Duration::from_secs(10), async || {
        (forge.served().len() == served + 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_kept_is_held_against_the_settings_of_today() {
    let (forge, now) = (Forge::start(), clock::now());
    forge.ask(&json!({ "down": true }));
    let good = forge.certificate("good");
    let elsewhere = good.replace(&forge.host(), "evil.example");
    for (url, file, expected) in [
        (&good, "good.pem", "taken"),
        // No authority vouches for it any more, or it is for another name.
        (&good, "self.pem", "certificate"),
        (&good, "wrongname.pem", "certificate"),
        (&good, "expired.pem", "certificate"),
        (&elsewhere, "good.pem", "certificate"),
    ] {
        let gate = gate(&forge);
        let pem = std::fs::read(forge.file(file)).unwrap();
        gate.recall(TOPIC, Kept { url: url.clone(), pem, fetched_at: now }, now);
        let found = genuine(&gate, &forge, now).await.map_or_else(|reason| reason, |_| "taken");
        assert_eq!(found, expected, "{url} {file}");
    }
}

#[tokio::test]
async fn where_smn_is_known_a_stranger_waits_for_an_hour_whatever_the_fetch_failed_by() {
    let (forge, now) = (Forge::start(), clock::now());
    let gate = gate(&forge);
    genuine(&gate, &forge, now).await.unwrap();
    forge.ask(&json!({ "down": true }));
    for minute in 0..120 {
        forge_some(&gate, &forge, clock::plus(now, Duration::from_secs(60 * minute))).await;
    }
    assert_eq!(forge.served().len(), 3, "one each hour: {:?}", forge.served());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_tracebell_knows_smn_again() {
    let (forge, cloud) = (Forge::start(), world::cloud().await);
    let mut bridge = posted::bridge(&forge, &cloud.url(), "http://127.0.0.1:9/hook");
    let send = async |site: &str, body: String| post(&format!("{site}/ingest/smn/prod"), "Notification", body).await;
    let seal = |number: u32| {
        forge.seal(&notification(number, &text(&format!("t{number}"), "listServers"), clock::now())).to_string()
    };
    bridge.start();
    let site = bridge.address().await;
    assert_eq!(send(&site, seal(10)).await.0, 200);
    bridge.kill();
    bridge.start();
    let site = bridge.address().await;
    for number in 1..=3 {
        assert_eq!(send(&site, made_up(&forge, number, clock::now())).await.0, 401);
    }
    assert_eq!(send(&site, seal(11)).await, (200, "stored: 1 new, 0 known, 0 unreadable\n".to_owned()));
    let good = forge.paths["good"].as_str().unwrap();
    let served = forge.served();
    assert_eq!((served.len(), served.iter().filter(|path| *path == good).count()), (2, 1), "{served:?}");
    let kept = bridge.store().await.certificates("prod").await.unwrap();
    assert_eq!(
        (kept.len(), kept[0].0.as_str(), kept[0].1.url.as_str()),
        (1, TOPIC, forge.certificate("good").as_str())
    );
}
