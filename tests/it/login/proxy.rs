//! A cloud over HTTPS, behind a proxy that others wrote, with the certificate of a private CA.

use std::path::Path;

use tracebell::{clock, emulator::Emulator};

use super::{
    beside::Beside,
    ways::{PASSWORD, cloud, credentials, in_words, read, source},
};
use crate::world;

/// A cloud, TLS before it, and the proxy that leads there.
pub struct Way {
    pub cloud: Emulator,
    pub folder: tempfile::TempDir,
    front: Beside,
    proxy: Beside,
}

impl Way {
    pub async fn open() -> Self {
        let (cloud, folder) = (cloud(|_| {}).await, tempfile::tempdir().unwrap());
        let front = Beside::tls(&cloud.addr().to_string(), folder.path(), "good");
        let proxy = Beside::proxy_program("bell:hunter2", &folder.path().join("proxy.log"));
        Self { cloud, folder, front, proxy }
    }

    /// An entry of clouds.yaml, with these credentials for the proxy; `more` says whom to trust.
    pub fn entry(&self, login: &str, more: &str) -> String {
        let url = format!("https://127.0.0.1:{}", self.front.port);
        format!(
            "auth: {{ auth_url: {url}/v3, {PASSWORD}, project_name: eu-de }}, \
             cts_endpoint_override: '{url}/v1.0/%(project_id)s', proxy: 'http://{login}@{}'{more}",
            self.address()
        )
    }

    pub fn trusting(&self) -> String {
        format!(", cacert: {}", self.folder.path().join("ca.pem").display())
    }

    /// Of the proxy.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.proxy.port)
    }

    /// How often the proxy was asked to connect, and let through.
    pub fn connected(&self) -> usize {
        let log = std::fs::read_to_string(Path::new(self.folder.path()).join("proxy.log")).unwrap_or_default();
        log.matches(&format!("CONNECT 127.0.0.1:{}", self.front.port)).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_over_https_is_reached_through_a_proxy_of_others() {
    let way = Way::open().await;
    let asked = || way.cloud.handle().stats().recent.len();
    let found = async |entry: String| {
        let read = read(&mut source(credentials(&entry, &way.cloud)), clock::now()).await;
        read.map_err(|error| in_words(&error))
    };
    let strange = found(way.entry("bell:hunter2", "")).await.unwrap_err();
    assert!(strange.contains("certificate"), "{strange}");
    let refused = found(way.entry("bell:hunter3", &way.trusting())).await.unwrap_err();
    assert!(refused.to_lowercase().contains("proxy auth") && !refused.contains("hunter"), "{refused}");
    assert_eq!(asked(), 0, "nothing went to whom is not trusted, nor past the proxy");
    assert_eq!(found(way.entry("bell:hunter2", &way.trusting())).await, Ok(vec!["t1".to_owned()]));
    assert_eq!(asked(), 2, "the login and the traces");
    world::until("the proxy to have noted it", std::time::Duration::from_secs(20), async || {
        (way.connected() >= 1).then_some(())
    })
    .await;
}
