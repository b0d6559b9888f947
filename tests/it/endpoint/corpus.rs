//! What receivers may answer, from sane to hostile, each over a real socket: one line of data per answer.
//!
//! What mail servers may answer is in `mail`, where endpoints may be at all is in `guard`.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use super::*;

/// What a receiver does after it read the request.
#[derive(Clone)]
enum Conduct {
    Say(String),
    /// Says the first once, and the second again and again.
    Repeat(&'static str, &'static str),
    /// Closes the connection, so that nobody knows whether it took the request.
    Close,
}

use self::Conduct::{Close, Repeat};

const DAY: Option<u64> = Some(24 * 3600);

fn say(text: &str) -> Conduct {
    Conduct::Say(text.to_owned())
}

/// An answer without a body that ends the connection.
fn status(status: u16, headers: &str) -> Conduct {
    Conduct::Say(format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n"))
}

fn wait(value: &str) -> Conduct {
    status(429, &format!("retry-after: {value}\r\n"))
}

#[tokio::test]
async fn whatever_a_receiver_answers_has_a_defined_meaning() {
    let megabyte = "9".repeat(1 << 20);
    let cases = [
        ("1xx without end", Repeat("", "HTTP/1.1 102 Processing\r\n\r\n"), "retry", "timeout", None),
        ("100 and nothing more", say("HTTP/1.1 100 Continue\r\n\r\n"), "retry", "timeout", None),
        ("nothing", say(""), "retry", "timeout", None),
        ("half a header", say("HTTP/1.1 200 OK\r\ncontent-le"), "retry", "timeout", None),
        ("closes", Close, "retry", "io", None),
        ("no HTTP", say("SSH-2.0-OpenSSH_9.2\r\n"), "retry", "io", None),
        ("200", status(200, ""), "delivered", "http_2xx", None),
        ("204", say("HTTP/1.1 204 No Content\r\n\r\n"), "delivered", "http_2xx", None),
        ("202", status(202, ""), "delivered", "http_2xx", None),
        ("299", status(299, ""), "delivered", "http_2xx", None),
        ("endless body", Repeat("HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxxxxxxxx"), "delivered", "http_2xx", None),
        ("body that never comes", say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"), "delivered", "http_2xx", None),
        ("a gigabyte", say("HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\nab"), "delivered", "http_2xx", None),
        ("no chunk", say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), "delivered", "http_2xx", None),
        ("500 that drips", say("HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\noo"), "retry", "http_5xx", None),
        ("-1", wait("-1"), "retry", "http_429", None),
        ("abc", wait("abc"), "retry", "http_429", None),
        ("1e9", wait("1e9"), "retry", "http_429", None),
        ("1.5", wait("1.5"), "retry", "http_429", None),
        ("empty", wait(""), "retry", "http_429", None),
        ("0", wait("0"), "retry", "http_429", Some(0)),
        ("30", wait("30"), "retry", "http_429", Some(30)),
        ("30 years", wait("1000000000"), "retry", "http_429", DAY),
        ("more digits than fit", wait("99999999999999999999999"), "retry", "http_429", DAY),
        ("IMF-fixdate, over", wait("Sun, 06 Nov 1994 08:49:37 GMT"), "retry", "http_429", Some(0)),
        ("RFC 850, over", wait("Sunday, 06-Nov-94 08:49:37 GMT"), "retry", "http_429", Some(0)),
        ("RFC 850, far off", wait("Monday, 31-Dec-68 23:59:59 GMT"), "retry", "http_429", DAY),
        ("asctime, over", wait("Sun Nov  6 08:49:37 1994"), "retry", "http_429", Some(0)),
        ("two headers", status(503, "retry-after: 7\r\nretry-after: 90\r\n"), "retry", "http_5xx", Some(90)),
        ("one of two", status(503, "retry-after: soon\r\nretry-after: 7\r\n"), "retry", "http_5xx", Some(7)),
        ("a megabyte", wait(&megabyte), "retry", "io", None),
        ("more than a date", wait(&"9".repeat(300)), "retry", "http_429", None),
        ("to inside", status(302, "location: http://127.0.0.1:1/\r\n"), "paused", "http_3xx", None),
        ("to a file", status(301, "location: file:///etc/passwd\r\n"), "paused", "http_3xx", None),
        ("410", status(410, ""), "paused", "http_410", None),
        ("404", status(404, ""), "paused", "http_404", None),
        ("401", status(401, ""), "paused", "http_401", None),
        ("403", status(403, ""), "paused", "http_403", None),
        ("413", status(413, ""), "refused", "http_413", None),
        ("400", status(400, ""), "refused", "http_400", None),
        ("422", status(422, ""), "refused", "http_422", None),
        ("408", status(408, ""), "retry", "http_408", None),
        ("425", status(425, ""), "retry", "http_425", None),
        ("503", status(503, ""), "retry", "http_5xx", None),
    ];
    for (what, conduct, said, class, wait) in cases {
        let receiver = Scripted::start(conduct).await;
        // Short where nothing comes, or comes without end.
        let timeout = Duration::from_millis(if class == "io" { 15_000 } else { 400 });
        let settings = Settings { timeout, ..webhook_to(&receiver.url) };
        let outcome = send(&settings, opened()).await;
        assert_eq!((outcome.as_str(), answer::class(&outcome).as_str()), (said, class), "{what}: {outcome:?}");
        if let Outcome::Retry { retry_after, .. } = outcome {
            assert_eq!(retry_after.map(|wait| wait.as_secs()), wait, "{what}");
        }
        assert_eq!(receiver.ids.lock().unwrap().len(), 1, "{what}: one request per attempt");
    }
}

#[tokio::test]
async fn who_does_not_say_whether_it_took_it_gets_the_same_id_again() {
    let receiver = Scripted::start(Close).await;
    let settings = webhook_to(&receiver.url);
    let endpoint = Endpoint::new(&settings).unwrap();
    let delivery = delivery(&settings.address(None), opened());
    for attempt in 1..=3 {
        assert_said(&endpoint.send(&tried(&delivery, attempt), clock::now()).await, "retry", "io");
    }
    assert_eq!(*receiver.ids.lock().unwrap(), vec![delivery.id; 3]);
}

/// A receiver below HTTP, and the `webhook-id` of each request that it read to its end.
struct Scripted {
    url: String,
    ids: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn start(conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let ids = Arc::<Mutex<Vec<String>>>::default();
        let seen = ids.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let id = request(&mut stream).await;
                seen.lock().unwrap().push(id);
                match &conduct {
                    Close => continue,
                    Conduct::Say(text) => {
                        let _ = stream.write_all(text.as_bytes()).await;
                        // Until the other side gives up.
                        while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                    }
                    Repeat(first, again) => {
                        let _ = stream.write_all(first.as_bytes()).await;
                        while stream.write_all(again.as_bytes()).await.is_ok() {}
                    }
                }
            }
        });
        Self { url, ids }
    }
}

/// Reads one request and returns its id.
async fn request(stream: &mut tokio::net::TcpStream) -> String {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&heard).to_lowercase();
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let (Some((head, body)), Some(length)) = (text.split_once("\r\n\r\n"), value("content-length:"))
            && body.len() >= length.parse().unwrap()
        {
            assert!(!head.contains("expect:"), "nobody is asked for 100 Continue");
            return value("webhook-id:").unwrap_or_default().to_owned();
        }
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the request broke off: {text}");
        heard.extend_from_slice(&buffer[..read]);
    }
}

#[tokio::test]
async fn a_receiver_whose_tls_is_not_right_is_told_nothing() {
    // It makes a certificate authority, and certificates of it: one that is good and one of last week.
    let made = Inbox::start("plain", "", "");
    let folder = made.ca().parent().unwrap().to_owned();
    let other = folder.join("other.pem");
    let subject = ["-subj", "/CN=other", "-addext", "subjectAltName=DNS:other.example"];
    let openssl = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout"])
        .args([&other, Path::new("-out"), &folder.join("cert.pem")])
        .args(subject)
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .output()
        .unwrap();
    assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stderr));
    let mut both = std::fs::read(&other).unwrap();
    both.extend(std::fs::read(folder.join("cert.pem")).unwrap());
    std::fs::write(&other, both).unwrap();

    let (good, expired, ca) = (folder.join("leaf.pem"), folder.join("expired.pem"), made.ca());
    let old: &[&str] = &["-tls1", "-cipher", "ALL:@SECLEVEL=0"];
    // What is presented, whom we trust, what the server speaks; and why the request ends.
    let cases = [
        ("good", &good, Some(&ca), &[][..], "timeout"),
        ("expired", &expired, Some(&ca), &[], "tls"),
        ("wrong name", &other, Some(&folder.join("cert.pem")), &[], "tls"),
        ("self-signed", &other, None, &[], "tls"),
        ("unknown authority", &good, None, &[], "tls"),
        ("TLS 1.0 alone", &good, Some(&ca), old, "tls"),
    ];
    for (what, certificate, ca, options, class) in cases {
        let server = Server::start(certificate, options);
        let KindSettings::Webhook(webhook) = webhook_to(&server.url).kind else { unreachable!() };
        let tls = client::Tls { ca: ca.cloned(), identity: None };
        let mut settings = settings(KindSettings::Webhook(webhook::Settings { tls, ..webhook }));
        // A server with a good certificate hears the request, and this one has no answer to it.
        settings.timeout = Duration::from_millis(1500);
        let outcome = send(&settings, opened()).await;
        assert_eq!((outcome.as_str(), answer::class(&outcome).as_str()), ("retry", class), "{what}: {outcome:?}");
    }
}

/// `openssl s_server`, which reads requests and answers none.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(certificate: &Path, options: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert"])
            .arg(certificate)
            .arg("-key")
            .arg(certificate)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:").map(str::to_owned)).unwrap();
        // It must not wait for somebody to read what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("https://127.0.0.1:{port}/hook") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
