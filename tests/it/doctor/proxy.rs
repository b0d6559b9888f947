//! The doctor, through a proxy that others wrote, before a cloud over HTTPS.

use super::run;
use crate::login::proxy::Way;

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_behind_a_proxy_is_examined() {
    let way = Way::open().await;
    let path = way.folder.path().to_owned();
    for (login, trust, code, expected) in [
        (
            "bell:hunter2",
            way.trusting(),
            1,
            [
                format!("the proxy `{}` answers after ", way.address()),
                "; the proxy looks up `127.0.0.1`".to_owned(),
                "✓ TLS the certificate is trusted (`cacert` is trusted too)".to_owned(),
                "a page can be read; the newest trace is 10 min".to_owned(),
                // All is well but this.
                "there is no tracker in this project".to_owned(),
            ],
        ),
        (
            "bell:hunter2",
            String::new(),
            3,
            [
                "✗ TLS the certificate of `127.0.0.1` is issued by a CA, whom this machine does not trust".to_owned(),
                "give the PEM file of this CA as `cacert`".to_owned(),
                "not tried".to_owned(),
                "`TLS` comes first".to_owned(),
                String::new(),
            ],
        ),
        (
            "bell:hunter3",
            way.trusting(),
            3,
            [
                "the proxy wants a login: write `proxy: http://user:password@host:port`".to_owned(),
                "✗ TLS the proxy lets nobody through without a login, or does not accept this one".to_owned(),
                "not tried".to_owned(),
                "`TLS` comes first".to_owned(),
                String::new(),
            ],
        ),
    ] {
        std::fs::write(
            path.join("clouds.yaml"),
            format!("clouds: {{ c: {{ region_name: eu-de, {} }} }}", way.entry(login, &trust)),
        )
        .unwrap();
        let folder = path.clone();
        let output = tokio::task::spawn_blocking(move || run(&folder, "doctor --cloud c")).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        println!("{text}");
        // Lines are wrapped where the words are long.
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(code), "{text}");
        for expected in expected {
            assert!(words.contains(&expected), "no `{expected}` in:\n{text}");
        }
        assert!(!text.contains("hunter"), "{text}");
    }
}
