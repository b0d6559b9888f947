//! Whatever is written as an endpoint's address, nothing on this machine is connected to unless it is allowed.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{Method, Url, header::HeaderMap};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tracebell::{
    clock,
    delivery::Outcome,
    endpoint::{
        answer,
        client::{self, Client, Lookup, Outbound, Tls},
    },
    secret::Secret,
};

use super::assert_said;
use crate::world::Bridge;

/// Counts who connects, and answers each once with `200`.
#[derive(Clone, Default)]
struct Door(Arc<AtomicUsize>);

impl Door {
    async fn open(&self, address: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind(address).await.unwrap();
        let bound = listener.local_addr().unwrap();
        let Self(count) = self.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                let _ = stream.write_all(answer).await;
            }
        });
        bound
    }

    fn connections(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// One door on both loopback addresses, at one port.
async fn doors() -> (Door, u16) {
    let door = Door::default();
    let port = door.open(([127, 0, 0, 1], 0).into()).await.port();
    door.open((IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), port).into()).await;
    (door, port)
}

fn answering(addresses: impl Fn() -> Vec<&'static str> + Send + Sync + 'static) -> Lookup {
    Arc::new(move |_name| {
        let addresses = addresses().into_iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
        Box::pin(async move { Ok(addresses) })
    })
}

async fn post(client: &Client, url: &str) -> Outcome {
    let url = Url::parse(url).unwrap();
    let (headers, timeout, now) = (HeaderMap::new(), Duration::from_secs(5), clock::now());
    let request = client::Request { method: Method::POST, url: &url, headers, body: b"{}", timeout, now };
    client::send(client, request, answer::webhook).await
}

/// `{port}` is where the doors are; `true` if the door opens once loopback is allowed.
const HOSTILE: &[(&str, bool)] = &[
    ("http://127.0.0.1:{port}/", true),
    ("http://[::ffff:127.0.0.1]:{port}/", true),
    ("http://2130706433:{port}/", true),
    ("http://0x7f.1:{port}/", true),
    ("http://0177.0.0.1:{port}/", true),
    ("http://127.1:{port}/", true),
    ("http://127。0。0。1:{port}/", true),
    ("http://①②⑦.0.0.1:{port}/", true),
    ("http://0x7f000001:{port}/", true),
    ("http://127.0.0.1.:{port}/", true),
    ("http://[::1]:{port}/", true),
    ("http://[0:0:0:0:0:0:0:1]:{port}/", true),
    ("http://localhost:{port}/", true),
    ("http://LOCALHOST.:{port}/", true),
    ("http://127.0.0.1.nip.io:{port}/", true),
    ("http://metadata.google.internal:{port}/", true),
    ("http://0:{port}/", false),
    ("http://0.0.0.0:{port}/", false),
    ("http://[::]:{port}/", false),
    ("http://[::127.0.0.1]:{port}/", false),
    ("http://[::ffff:a9fe:a9fe]:{port}/", false),
    ("http://[64:ff9b::7f00:1]:{port}/", false),
    ("http://[2002:7f00:1::]:{port}/", false),
    ("http://[fe80::1%25eth0]:{port}/", false),
    ("http://169.254.169.254/", false),
    ("http://100.100.100.200/", false),
    ("http://100.125.0.5/", false),
    ("https://ok@127.0.0.1:{port}/", false),
    ("https://ok#@127.0.0.1:{port}/", false),
    ("file:///etc/passwd", false),
    ("gopher://127.0.0.1:{port}/", false),
    ("unix:/run/docker.sock", false),
    ("http://hooks.example.org:22/", false),
    ("http://hooks.example.org:6379/", false),
];

#[tokio::test]
async fn no_spelling_reaches_this_machine() {
    let (door, port) = doors().await;
    let lookup = || answering(|| vec!["127.0.0.1", "::1"]);
    let strict = client::with_lookup(&Outbound::default(), &Tls::default(), lookup()).unwrap();
    assert!(HOSTILE.len() >= 30);
    for (text, _) in HOSTILE {
        let text = text.replace("{port}", &port.to_string());
        let checked = client::url("url", &Secret::new(text.clone()), &Outbound::default());
        let name = ["nip.io", "google.internal"].iter().any(|name| text.contains(name));
        assert!(checked.is_err(), "{text}");
        // As if the check had been passed, with a name's port allowed too.
        if Url::parse(&text).is_ok_and(|url| url.scheme().starts_with("http") && url.username().is_empty())
            && !text.contains('#')
        {
            assert_said(&post(&strict, &text).await, "paused", "forbidden");
        }
        if name {
            let ports = Outbound { ports: vec![port], ..Outbound::default() };
            let client = client::with_lookup(&ports, &Tls::default(), lookup()).unwrap();
            assert!(client::url("url", &Secret::new(text.clone()), &ports).is_ok());
            assert_said(&post(&client, &text).await, "paused", "forbidden");
        }
    }
    assert_eq!(door.connections(), 0);

    // The same spellings do reach it once its networks are allowed: the count above can fail.
    let open = client::with_lookup(&Outbound::loopback(), &Tls::default(), lookup()).unwrap();
    let mut expected = 0;
    for (text, reaches) in HOSTILE {
        if *reaches {
            let text = text.replace("{port}", &port.to_string());
            assert_said(&post(&open, &text).await, "delivered", "http_2xx");
            expected += 1;
        }
    }
    assert_eq!(door.connections(), expected);
}

#[tokio::test]
async fn all_answers_of_a_name_must_be_allowed() {
    let inside = Door::default();
    let allowed = inside.open(([127, 0, 0, 2], 0).into()).await;
    let port = allowed.port();
    let forbidden = Door::default();
    forbidden.open(([127, 0, 0, 1], port).into()).await;
    forbidden.open((IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), port).into()).await;
    let outbound = Outbound { allow: vec!["127.0.0.2/32".parse().unwrap()], ..Outbound::default() };
    let url = format!("http://hooks.example.org:{port}/");

    for answers in
        [vec!["127.0.0.2", "127.0.0.1"], vec!["127.0.0.2", "::1"], vec!["127.0.0.1"], vec!["::ffff:127.0.0.1"]]
    {
        let client = client::with_lookup(&outbound, &Tls::default(), answering(move || answers.clone())).unwrap();
        assert_said(&post(&client, &url).await, "paused", "forbidden");
    }
    assert_eq!((inside.connections(), forbidden.connections()), (0, 0));

    // A name that is somewhere else each time it is asked for.
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let rebinding = answering(move || vec![["127.0.0.2", "127.0.0.1"][counter.fetch_add(1, Ordering::SeqCst) % 2]]);
    let client = client::with_lookup(&outbound, &Tls::default(), rebinding).unwrap();
    for said in ["delivered", "paused", "delivered", "paused"] {
        assert_eq!(post(&client, &url).await.as_str(), said);
    }
    assert_eq!((asked.load(Ordering::SeqCst), inside.connections(), forbidden.connections()), (4, 2, 0));

    let nowhere = client::with_lookup(&outbound, &Tls::default(), answering(Vec::new)).unwrap();
    assert_said(&post(&nowhere, &url).await, "retry", "dns");
}

#[tokio::test]
async fn redirects_lead_nowhere() {
    let (door, port) = doors().await;
    for location in ["http://127.0.0.1:{port}/", "http://[::1]:{port}/", "//0x7f.1:{port}/", "http://localhost:{port}/"]
    {
        let location: &'static str = location.replace("{port}", &port.to_string()).leak();
        let headers: &'static [(&str, &str)] = vec![("location", location)].leak();
        let receiver = super::receiver(vec![(302, headers, ""), (307, headers, ""), (308, headers, "")]).await;
        let client = client::new(&Outbound::loopback(), &Tls::default()).unwrap();
        for _ in 0..3 {
            assert_said(&post(&client, &receiver.url).await, "paused", "http_3xx");
        }
    }
    assert_eq!(door.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_names_no_proxy() {
    let (proxy, port) = doors().await;
    let receiver = super::receiver(Vec::new()).await;
    let config = |url: &str| {
        format!(
            "sources:\n  prod: {{ cts: {{ cloud: otc }} }}\nendpoints:\n  soar: {{ webhook: {{ url: \"{url}\" }} }}\n\
             topics:\n  ops: [ {{ endpoint: soar }} ]\noutbound: {{ allow: [127.0.0.0/8] }}\n"
        )
    };
    let test = |url: &str| {
        let bridge = Bridge::new("http://127.0.0.1:9", &config(url), "rules: []\n");
        let mut command = bridge.command(&["endpoint", "test", "soar"]);
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env(name, format!("http://127.0.0.1:{port}"));
        }
        command.env_remove("no_proxy").env_remove("NO_PROXY");
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, text) = test(&receiver.url);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(receiver.requests.lock().unwrap().len(), 1);
    // Nobody has this name, so only a proxy could answer for it.
    for url in ["http://hooks.tracebell.invalid/", "https://hooks.tracebell.invalid/"] {
        let (code, text) = test(url);
        assert_eq!(code, Some(3), "{text}");
    }
    let (code, text) = test("http://[::1]:9/hook");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("add ::1/128 to `outbound.allow` if this receiver is yours"), "{text}");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn a_configured_proxy_is_used() {
    let (proxy, port) = doors().await;
    let outbound = Outbound { proxy: Some(Secret::new(format!("http://127.0.0.1:{port}"))), ..Outbound::default() };
    let client = client::new(&outbound, &Tls::default()).unwrap();
    assert_said(&post(&client, "http://hooks.tracebell.invalid/").await, "delivered", "http_2xx");
    assert_said(&post(&client, &format!("http://127.0.0.1:{port}/")).await, "paused", "forbidden");
    assert_eq!(proxy.connections(), 1);
    let broken = Outbound { proxy: Some(Secret::new("SECRET")), ..Outbound::default() };
    let error = client::new(&broken, &Tls::default()).err().unwrap();
    assert!(error.contains("`outbound.proxy` is not an address") && !error.contains("SECRET"), "{error}");
}
