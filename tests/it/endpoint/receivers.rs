//! What the endpoints talk to: HTTP by script, TCP with bad manners, an SMTP inbox, and judges in Python.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Stdio},
    sync::{Arc, Mutex, mpsc},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::world;

#[derive(Debug)]
pub struct Request {
    pub method: Method,
    pub headers: HeaderMap,
    pub path: String,
    pub body: Bytes,
}

/// An HTTP receiver that answers by script, `200 ok` after its end.
pub struct Receiver {
    pub url: String,
    pub requests: Log,
}

/// Status, headers and body of one answer.
pub type Reply = (u16, Headers, &'static str);
pub type Headers = &'static [(&'static str, &'static str)];
pub type Log = Arc<Mutex<Vec<Request>>>;

pub async fn receiver(script: Vec<Reply>) -> Receiver {
    let script = Arc::new(Mutex::new(VecDeque::from(script)));
    let requests = Log::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook/SECRETPATH?key=SECRETKEY", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer_by_script).with_state((script, requests.clone()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Receiver { url, requests }
}

async fn answer_by_script(
    State((script, requests)): State<(Arc<Mutex<VecDeque<Reply>>>, Log)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    requests.lock().unwrap().push(Request { method, headers, path: uri.to_string(), body });
    let (status, headers, body) = script.lock().unwrap().pop_front().unwrap_or((200, &[], "ok"));
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    for (name, value) in headers {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

/// A TCP server below HTTP: reads the request's beginning, then does as told.
#[derive(Clone, Copy)]
pub enum Manner {
    Reset,
    Silent,
    Say(&'static str),
    /// Says so, then drips a body without end.
    Endless(&'static str),
}

pub async fn rude(manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook/SECRETPATH", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 64];
                let _ = stream.read(&mut buffer).await;
                match manner {
                    // Closing with unread bytes resets the connection.
                    Manner::Reset => drop(stream),
                    Manner::Silent => while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {},
                    Manner::Say(text) => {
                        let _ = stream.write_all(text.as_bytes()).await;
                        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                    }
                    Manner::Endless(head) => {
                        let _ = stream.write_all(head.as_bytes()).await;
                        while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
                    }
                }
            });
        }
    });
    url
}

/// `tests/python/smtp_inbox.py`; ends with its stdin.
pub struct Inbox {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub port: u16,
    folder: tempfile::TempDir,
}

impl Inbox {
    pub fn start(mode: &str, login: &str, replies: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = world::python()
            .arg(script("smtp_inbox.py"))
            .arg(folder.path())
            .args([mode, login, replies])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = told(child.stdout.take().unwrap());
        let mut inbox = Self { child, lines, port: 0, folder };
        inbox.port = u16::try_from(inbox.next()["port"].as_u64().unwrap()).unwrap();
        inbox
    }

    pub fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.recv().expect("the inbox ended")).unwrap()
    }

    pub fn ca(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// What a script says, read at once: a long mail would fill the pipe and stop it before it answers the sender.
fn told(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(1000);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `tests/python/postfix.py`; ends with its stdin.
pub struct Postfix {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    pub starttls: u16,
    pub tls: u16,
    folder: tempfile::TempDir,
}

impl Postfix {
    pub fn start(login: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = world::python()
            .arg(script("postfix.py"))
            .arg(folder.path())
            .arg(login)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ports: Value = serde_json::from_str(&lines.next().expect("postfix did not start").unwrap()).unwrap();
        let port = |name: &str| u16::try_from(ports[name].as_u64().unwrap()).unwrap();
        Self { child, lines, starttls: port("starttls"), tls: port("tls"), folder }
    }

    /// The next mail of `ops@example.org`, waited for.
    pub fn next(&mut self) -> Value {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        serde_json::from_str(&self.lines.next().expect("postfix ended").unwrap()).unwrap()
    }

    pub fn ca(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // The end of its input lets the script end what it started.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn script(name: &str) -> String {
    format!("{}/tests/python/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Lines in, lines out.
pub fn ask(name: &str, lines: Vec<String>) -> Vec<String> {
    let mut child = world::python().arg(script(name)).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all((lines.join("\n") + "\n").as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{name} failed");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
