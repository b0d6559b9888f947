//! A receiver that costs as little as it can: raw HTTP/1.1, always `200`, the same for every program.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What stands before the number of a trace or an alert in a body.
pub const MARK: &str = "bench-";

#[derive(Clone)]
pub struct Receiver {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    count: AtomicUsize,
    /// The one who waits wants to hear of this many, not of each.
    wanted: AtomicUsize,
    /// Number and arrival of each request since the last reset.
    arrivals: Mutex<Vec<(usize, Instant)>>,
    arrived: Notify,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared::default());
        let inner = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, inner.clone()));
            }
        });
        Self { port, shared }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub fn reset(&self) {
        self.shared.count.store(0, Ordering::SeqCst);
        self.shared.arrivals.lock().expect("no panic").clear();
    }

    pub fn arrivals(&self) -> Vec<(usize, Instant)> {
        self.shared.arrivals.lock().expect("no panic").clone()
    }

    /// Requests a second, from the first to the last since the reset.
    pub fn rate(&self) -> f64 {
        let arrivals = self.shared.arrivals.lock().expect("no panic");
        let (Some((_, first)), Some((_, last))) = (arrivals.first(), arrivals.last()) else { return 0.0 };
        arrivals.len() as f64 / last.saturating_duration_since(*first).as_secs_f64()
    }

    /// Waits until `count` requests came since the reset.
    pub async fn wait(&self, count: usize) {
        self.shared.wanted.store(count, Ordering::SeqCst);
        loop {
            let arrived = self.shared.arrived.notified();
            if self.shared.count.load(Ordering::SeqCst) >= count {
                return;
            }
            let before = self.shared.count.load(Ordering::SeqCst);
            let found = tokio::time::timeout(Duration::from_secs(60), arrived).await;
            let so_far = self.shared.count.load(Ordering::SeqCst);
            assert!(found.is_ok() || so_far > before, "{so_far} of {count} requests came, then none for a minute");
        }
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let Some(length) = request(&mut stream, &mut buffer).await else { return };
        let now = Instant::now();
        let number = number(&buffer[..length]);
        shared.arrivals.lock().expect("no panic").push((number, now));
        if shared.count.fetch_add(1, Ordering::SeqCst) + 1 >= shared.wanted.load(Ordering::SeqCst) {
            shared.arrived.notify_waiters();
        }
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
            return;
        }
        buffer.drain(..length);
    }
}

/// Reads one whole request; returns how long it is.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(end) = memmem::find(buffer, b"\r\n\r\n") {
            let whole = end + 4 + content_length(&buffer[..end]);
            if buffer.len() >= whole {
                return Some(whole);
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let named = |line: &&[u8]| line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:");
    let line = head.split(|byte| *byte == b'\n').find(named);
    line.and_then(|line| std::str::from_utf8(&line[15..]).ok()?.trim().parse().ok()).unwrap_or(0)
}

/// The digits after the first mark; 0 without one.
fn number(request: &[u8]) -> usize {
    let at = memmem::find(request, MARK.as_bytes());
    let digits = at.map_or(&request[..0], |at| &request[at + MARK.len()..]);
    digits.iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0'))
}
