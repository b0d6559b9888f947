//! A receiver that costs as little as it can: raw HTTP/1.1, always `200`, the same for every program.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

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

    /// Waits until `count` requests came since the reset.
    pub async fn wait(&self, count: usize) {
        loop {
            let arrived = self.shared.arrived.notified();
            if self.shared.count.load(Ordering::SeqCst) >= count {
                return;
            }
            let found = tokio::time::timeout(Duration::from_secs(120), arrived).await;
            let so_far = self.shared.count.load(Ordering::SeqCst);
            assert!(found.is_ok(), "{so_far} of {count} requests came, then none for two minutes");
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
        shared.count.fetch_add(1, Ordering::SeqCst);
        shared.arrived.notify_waiters();
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
            return;
        }
        buffer.drain(..length);
    }
}

/// Reads one whole request; returns how long it is.
async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length =
                head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
            let whole = end + 4 + length.unwrap_or(0usize);
            if buffer.len() >= whole {
                return Some(whole);
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// The digits after the first mark; 0 without one.
fn number(request: &[u8]) -> usize {
    let at = request.windows(MARK.len()).position(|window| window == MARK.as_bytes());
    let digits = at.map_or(&request[..0], |at| &request[at + MARK.len()..]);
    digits.iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0'))
}
