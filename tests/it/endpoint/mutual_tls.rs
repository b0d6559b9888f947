//! Receivers that want to know us, as we want to know them, by certificates.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tracebell::{
    endpoint::{KindSettings, Settings, client::Tls, webhook},
    secret::Secret,
};

use super::{assert_said, samples::opened, send, settings};
use crate::world;

fn openssl(folder: &Path, line: &str) {
    let made = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&made.stderr));
}

/// Two authorities, the receiver's certificate by the first, and one of ours by each.
fn certificates(folder: &Path) {
    std::fs::write(folder.join("names.txt"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
    for ca in ["ca", "stranger"] {
        openssl(
            folder,
            &format!("req -x509 -newkey rsa:2048 -nodes -subj /CN={ca} -days 2 -keyout {ca}.key -out {ca}.pem"),
        );
    }
    for (name, ca) in [("receiver", "ca"), ("bell", "ca"), ("impostor", "stranger")] {
        openssl(folder, &format!("req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days 2 -extfile names.txt -out {name}.pem"
            ),
        );
    }
}

struct Receiver {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    url: String,
}

impl Receiver {
    fn start(folder: &Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/tls_receiver.py");
        let mut command = world::python();
        command.arg(script).args(["ca.pem", "receiver.pem", "receiver.key"]).current_dir(folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("the receiver ended").unwrap();
        Self { child, lines, url: format!("https://127.0.0.1:{port}/hook") }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_show_a_certificate_the_other_knows() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let mut receiver = Receiver::start(folder.path());
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    let to = |ca: Option<&str>, us: Option<&str>| -> Settings {
        let identity = us.map(|us| (file(&format!("{us}.pem")), file(&format!("{us}.key"))));
        let tls = Tls { ca: ca.map(|ca| file(&format!("{ca}.pem"))), identity };
        settings(KindSettings::Webhook(webhook::Settings {
            tls,
            ..webhook::Settings::new(Secret::new(&*receiver.url))
        }))
    };
    for (ca, us, why) in [
        (Some("ca"), None, "without a certificate"),
        (Some("ca"), Some("impostor"), "with one of an authority that the receiver does not know"),
        (Some("stranger"), Some("bell"), "to a receiver of an unknown authority"),
        (None, Some("bell"), "to a receiver that no authority of the system knows"),
    ] {
        let outcome = send(&to(ca, us), opened()).await;
        assert_ne!(outcome.as_str(), "delivered", "{why}");
        assert!(
            !outcome.reason().starts_with("timeout") && !outcome.reason().starts_with("http_"),
            "{why}: {outcome:?}"
        );
    }
    let good = to(Some("ca"), Some("bell"));
    assert_said(&send(&good, opened()).await, "delivered", "http_2xx");
    // The first that got through, and by the name in its certificate.
    assert_eq!(receiver.lines.next().unwrap().unwrap(), "bell");
}
