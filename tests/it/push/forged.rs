//! Signatures and certificates, good and forged, before the gate alone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracebell::{
    clock::{self, Timestamp},
    metrics::Metrics,
    source::push::{Gate, Message, Settings, Trust},
};

use super::{Forge, TOPIC, invitation, notification, text};
use crate::world;

fn gate(settings: &Settings) -> Gate {
    Gate::new(settings, Metrics::new().0).unwrap()
}

/// `taken`, or why not.
async fn judge(gate: &Gate, body: &Value, now: Timestamp) -> &'static str {
    let kind = body["type"].as_str();
    match gate.message(kind, body.to_string().as_bytes(), now).await {
        Ok(_) => "taken",
        Err(refusal) => refusal.reason.as_str(),
    }
}

#[tokio::test]
async fn no_certificate_is_believed_that_an_authority_does_not_vouch_for() {
    let (forge, now) = (Forge::start(), clock::now());
    let cases = [
        // Where the certificate is, whose key signs, and with what.
        ("good", "good", "sha256", "taken"),
        ("named", "good", "sha256", "taken"),
        ("good", "other", "sha256", "signature"),
        ("good", "good", "sha1", "signature"),
        ("good", "good", "md5", "signature"),
        ("good", "good", "sha512", "signature"),
        ("good", "good", "sha256-pss", "signature"),
        ("self", "good", "sha256", "certificate"),
        ("stranger", "good", "sha256", "certificate"),
        ("expired", "good", "sha256", "certificate"),
        ("early", "good", "sha256", "certificate"),
        ("wrongname", "good", "sha256", "certificate"),
        ("mail", "good", "sha256", "certificate"),
        ("short", "short", "sha256", "certificate"),
        ("curve", "curve", "sha256", "certificate"),
        ("garbage", "good", "sha256", "certificate"),
        ("huge", "good", "sha256", "certificate"),
        ("missing", "good", "sha256", "certificate"),
    ];
    for (certificate, key, hash, expected) in cases {
        let mut fields = notification(1, &text("a", "deleteServer"), now);
        fields["signing_cert_url"] = forge.certificate(certificate).into();
        let body = forge.seal_with(&fields, key, hash);
        let found = judge(&gate(&forge.settings()), &body, now).await;
        assert_eq!(found, expected, "{certificate} {key} {hash}");
    }
    // A redirect is not followed, and who answers slowly is not waited for.
    let before = forge.served().len();
    let judged = ["redirect", "slow", "drip"].map(|certificate| {
        let mut fields = notification(1, &text("a", "deleteServer"), now);
        fields["signing_cert_url"] = forge.certificate(certificate).into();
        (gate(&forge.settings()), forge.seal(&fields))
    });
    let begun = Instant::now();
    let [one, two, three] = &judged;
    let found = tokio::join!(judge(&one.0, &one.1, now), judge(&two.0, &two.1, now), judge(&three.0, &three.1, now));
    assert_eq!(found, ("certificate", "certificate", "certificate"));
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    assert_eq!(forge.served().len() - before, 3, "one request each: {:?}", forge.served());
}

#[tokio::test]
async fn a_certificate_is_fetched_once_whatever_is_posted() {
    let (forge, now) = (Forge::start(), clock::now());
    let gate = gate(&forge.settings());
    let post = async |number: u32, certificate: &str, key: &str, now: Timestamp| {
        let mut fields = notification(number, &text("a", "deleteServer"), now);
        fields["signing_cert_url"] = forge.certificate(certificate).into();
        judge(&gate, &forge.seal_with(&fields, key, "sha256"), now).await
    };
    for number in 0..5 {
        assert_eq!(post(number, "good", "good", now).await, "taken");
        assert_eq!(post(number, "good", "other", now).await, "signature");
        assert_eq!(post(number, "missing", "good", now).await, "certificate");
    }
    assert_eq!(forge.served().len(), 2, "{:?}", forge.served());
    let minutes = |minutes: u64| clock::plus(now, Duration::from_secs(60 * minutes));
    assert_eq!(post(9, "missing", "good", minutes(59)).await, "certificate");
    assert_eq!(forge.served().len(), 2, "a failure is remembered for an hour");
    assert_eq!(post(9, "missing", "good", minutes(61)).await, "certificate");
    assert_eq!(forge.served().len(), 3);
    assert_eq!(post(9, "good", "good", minutes(61)).await, "taken");
    assert_eq!(forge.served().len(), 3, "a good one is kept for longer");
    // Whoever makes up addresses at the right host causes no more than that one in an hour.
    for number in 0..50_u32 {
        let mut fields = notification(number, "x", minutes(61));
        fields["signing_cert_url"] = format!("https://{}/smn/SMN_eu-de_{number:032x}.pem", forge.host()).into();
        assert_eq!(judge(&gate, &forge.seal(&fields), minutes(61)).await, "certificate");
    }
    assert_eq!(forge.served().len(), 3, "{:?}", forge.served());
    assert_eq!(post(9, "good", "good", minutes(61)).await, "taken", "what is known goes on");
}

#[tokio::test]
async fn an_smn_that_is_down_for_a_moment_costs_a_moment() {
    let (forge, now) = (Forge::start(), clock::now());
    let gate = gate(&forge.settings());
    let down = |down: bool| drop(forge.ask(&json!({ "down": down })));
    let after = |seconds: u64| clock::plus(now, Duration::from_secs(seconds));
    let post =
        async |seconds: u64| judge(&gate, &forge.seal(&notification(1, "x", after(seconds))), after(seconds)).await;
    let hours = |hours: u64| hours * 3600;
    down(true);
    assert_eq!(post(0).await, "certificate");
    down(false);
    assert_eq!((post(4).await, forge.served().len()), ("certificate", 1));
    assert_eq!((post(6).await, forge.served().len()), ("taken", 2));

    // A good one is used while its successor cannot be fetched, and asked for once an hour.
    down(true);
    for (second, served) in [(hours(25), 3), (hours(25) + 600, 3), (hours(26) + 1, 4), (hours(26) + 2, 4)] {
        assert_eq!(post(second).await, "taken");
        world::until("the fetch in the background", Duration::from_secs(10), async || {
            (forge.served().len() == served).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn while_smn_is_down_it_is_not_flooded() {
    let (forge, now) = (Forge::start(), clock::now());
    let gate = gate(&forge.settings());
    forge.ask(&json!({ "down": true }));
    for second in 0..600 {
        let now = clock::plus(now, Duration::from_secs(second));
        assert_eq!(judge(&gate, &forge.seal(&notification(1, "x", now)), now).await, "certificate");
    }
    let served = forge.served().len();
    assert!((5..=16).contains(&served), "{served} fetches in ten minutes");
}

#[tokio::test]
async fn forged_addresses_leave_a_try_for_the_good_one() {
    let (forge, now) = (Forge::start(), clock::now());
    let gate = gate(&forge.settings());
    assert_eq!(judge(&gate, &forge.seal(&notification(1, "x", now)), now).await, "taken");
    let later = clock::plus(now, Duration::from_secs(25 * 3600));
    for number in 0..9_u32 {
        let mut fields = notification(number, "x", later);
        fields["signing_cert_url"] = format!("https://{}/smn/SMN_eu-de_{number:032x}.pem", forge.host()).into();
        assert_eq!(judge(&gate, &forge.seal(&fields), later).await, "certificate");
    }
    assert_eq!(forge.served().len(), 2, "{:?}", forge.served());
    assert_eq!(judge(&gate, &forge.seal(&notification(1, "x", later)), later).await, "taken");
    let good = forge.paths["good"].as_str().unwrap();
    world::until("the good one to be fetched again", Duration::from_secs(10), async || {
        (forge.served().iter().filter(|path| *path == good).count() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn at_once_is_once_too() {
    let (forge, now) = (Forge::start(), clock::now());
    let gate = gate(&forge.settings());
    let body = forge.seal(&notification(1, "x", now));
    let all = std::iter::repeat_with(|| judge(&gate, &body, now)).take(4).collect::<Vec<_>>();
    let [a, b, c, d] = all.try_into().ok().unwrap();
    assert_eq!(tokio::join!(a, b, c, d), ("taken", "taken", "taken", "taken"));
    assert_eq!(forge.served().len(), 1);
}

#[tokio::test]
async fn nothing_is_fetched_from_elsewhere_or_for_others() {
    let (forge, now) = (Forge::start(), clock::now());
    let gate = gate(&forge.settings());
    let (host, path) = (forge.host(), forge.paths["good"].as_str().unwrap().to_owned());
    for url in [
        format!("http://{host}{path}"),
        format!("https://{host}@{host}{path}"),
        format!("https://{host}.evil.example{path}"),
        format!("https://evil.example\\{host}{path}"),
        format!("https://localhost:{}{path}", forge.port),
        format!("https://127.0.0.1{path}"),
        format!("https://{host}{path}?x=1"),
        format!("https://{host}{path}#x"),
        format!("https://{host}/smn/../smn{}", path.trim_start_matches("/smn")),
        format!("https://smn.eu-de.otc.t-systems.com{path}"),
        "file:///etc/passwd".to_owned(),
    ] {
        let mut fields = notification(1, "x", now);
        fields["signing_cert_url"] = url.as_str().into();
        assert_eq!(judge(&gate, &forge.seal(&fields), now).await, "certificate", "{url}");
    }
    let other = |name: &str| {
        let mut fields = notification(1, "x", now);
        fields["topic_urn"] = TOPIC.replace("tracebell_prod", name).into();
        forge.seal(&fields)
    };
    assert_eq!(judge(&gate, &other("attacker"), now).await, "topic");
    for (seconds, expected) in [(-3590, "taken"), (-3610, "time"), (290, "taken"), (310, "time")] {
        let at = now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
        let found = judge(&gate, &forge.seal(&notification(1, "x", at)), now).await;
        assert_eq!(found, expected, "{seconds}");
    }
    assert_eq!(forge.served().len(), 1, "the one certificate of those that were taken");
}

/// What one text is that is signed can be cut into fields in more ways than one.
#[tokio::test]
async fn a_signature_is_good_for_one_message_only() {
    let (forge, now) = (Forge::start(), clock::now());
    let gate = gate(&forge.settings());
    let [mine, yours] = [format!("{:032x}", 1), format!("{:032x}", 2)];
    // SMN signs what somebody published on a topic of its own, made to look like ours.
    let ours = notification(1, "x", now);
    let message = format!(
        "{}\nmessage_id\n{mine}\nsubject\nCTS\ntimestamp\n{}\ntopic_urn\n{TOPIC}\ntype\nNotification\nx",
        text("forged", "deleteServer"),
        ours["timestamp"].as_str().unwrap()
    );
    let mut theirs = notification(3, &message, now);
    theirs["topic_urn"] = TOPIC.replace("tracebell_prod", "attacker").into();
    let sealed = forge.seal(&theirs);
    assert_eq!(judge(&gate, &sealed, now).await, "topic");
    let mut cut = sealed.clone();
    cut["message"] = text("forged", "deleteServer").into();
    cut["message_id"] = mine.as_str().into();
    cut["topic_urn"] = TOPIC.into();
    assert_eq!(judge(&gate, &cut, now).await, "signature");
    // One of ours, cut so that it has another id: then it would be no replay.
    let honest = forge.seal(&notification(2, &format!("a\nmessage_id\n{mine}\nsubject\nb"), now));
    assert_eq!(judge(&gate, &honest, now).await, "taken");
    let mut cut = honest.clone();
    cut["message"] = "a".into();
    cut["message_id"] = mine.as_str().into();
    cut["subject"] = format!("b\nmessage_id\n{yours}\nsubject\nCTS").into();
    assert_eq!(judge(&gate, &cut, now).await, "malformed");
    let mut cut = honest.clone();
    cut["message"] = format!("a\nmessage_id\n{mine}\nsubject\nb\nmessage_id\n{yours}").into();
    cut["message_id"] = "subject\nCTS".into();
    assert_eq!(judge(&gate, &cut, now).await, "malformed");
    // An invitation is no notification.
    let mut turned = forge.seal(&invitation(4, "https://example.org/"));
    turned["type"] = "Notification".into();
    assert_eq!(judge(&gate, &turned, now).await, "signature");
}

#[tokio::test]
async fn a_pinned_certificate_is_the_only_one_and_is_never_fetched() {
    let (forge, now) = (Forge::start(), clock::now());
    let pinned = |file: &str| Settings { trust: Trust::Pinned(forge.file(file)), ..forge.settings() };
    let body = forge.seal(&notification(1, &text("a", "deleteServer"), now));
    // Its own word counts for nothing: the operator vouches for it.
    for (file, expected) in [("good.pem", "taken"), ("self.pem", "taken"), ("expired.pem", "certificate")] {
        assert_eq!(judge(&gate(&pinned(file)), &body, now).await, expected, "{file}");
    }
    let forged = forge.seal_with(&notification(1, "x", now), "other", "sha256");
    assert_eq!(judge(&gate(&pinned("good.pem")), &forged, now).await, "signature");
    assert_eq!(forge.served(), Vec::<String>::new());
    for (file, expected) in [
        ("short.pem", "a key of 1024 bits"),
        ("curve.pem", "no RSA key"),
        ("tls.pem", "holds a private key"),
        ("nowhere.pem", "cannot read"),
    ] {
        let found = Gate::new(&pinned(file), Metrics::new().0).err().unwrap();
        assert!(found.contains(expected), "{file}: {found}");
    }
}

#[tokio::test]
async fn what_smn_signs_is_read() {
    let (forge, now) = (Forge::start(), clock::now());
    let gate = gate(&forge.settings());
    let body = forge.seal(&notification(7, &text("a", "deleteServer"), now)).to_string();
    let found = gate.message(Some("Notification"), body.as_bytes(), now).await.unwrap();
    let Message::Notification { id, records, .. } = found.message else { panic!("{found:?}") };
    assert_eq!((id, records.len()), (format!("{:032x}", 7), 1));
    let tracebell::source::Record::Trace(trace) = &records[0] else { panic!("{records:?}") };
    assert_eq!((trace.id.as_str(), trace.region.as_deref()), ("a", Some("eu-de")));
    assert_eq!(trace.project_id.as_deref(), Some("0123456789abcdef0123456789abcdef"));
    // The documentation says both of an empty subject.
    let mut empty = notification(8, "x", now);
    empty["subject"] = "".into();
    assert_eq!(judge(&gate, &forge.seal(&empty), now).await, "taken");
    let mut bare = empty.clone();
    bare.as_object_mut().unwrap().remove("subject");
    let mut without = forge.seal(&bare);
    without["subject"] = "".into();
    assert_eq!(judge(&gate, &without, now).await, "taken");
    let mut farewell = invitation(9, "https://example.org/");
    farewell["type"] = json!("UnsubscribeConfirmation");
    let body = forge.seal(&farewell).to_string();
    let found = gate.message(Some("UnsubscribeConfirmation"), body.as_bytes(), now).await.unwrap();
    assert!(matches!(found.message, Message::Farewell { .. }));
}
