//! Many sources: several are examined at once, and told in their order.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::sync::{Barrier, watch};

use super::{USER, run};

/// As many as are examined beside the one that takes its time.
const BESIDE: usize = 7;
const OTHERS: usize = 2 * BESIDE;

struct Iam {
    /// Greetings that wait for an answer, and the most there ever were.
    waiting: Mutex<(usize, usize)>,
    together: Barrier,
    answered: watch::Sender<usize>,
}

impl Iam {
    fn arrive(&self) {
        let mut waiting = self.waiting.lock().unwrap();
        waiting.0 += 1;
        waiting.1 = waiting.1.max(waiting.0);
    }

    fn leave(&self) {
        self.waiting.lock().unwrap().0 -= 1;
    }
}

/// Answers once all others were answered.
async fn slow(State(iam): State<Arc<Iam>>) -> &'static str {
    iam.arrive();
    iam.answered.subscribe().wait_for(|count| *count == OTHERS).await.unwrap();
    iam.leave();
    "{}"
}

/// Answers as soon as enough ask at once.
async fn quick(State(iam): State<Arc<Iam>>) -> &'static str {
    iam.arrive();
    iam.together.wait().await;
    iam.leave();
    iam.answered.send_modify(|count| *count += 1);
    "{}"
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_sources_are_examined_at_once_and_told_in_their_order() {
    let (together, answered) = (Barrier::new(BESIDE), watch::channel(0).0);
    let iam = Arc::new(Iam { waiting: Mutex::default(), together, answered });
    let refused = async || StatusCode::UNAUTHORIZED;
    let app = Router::new()
        .route("/slow/v3", get(slow))
        .route("/v3", get(quick))
        .fallback(refused)
        .with_state(Arc::clone(&iam));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let names: Vec<String> = (0..=OTHERS).map(|number| format!("s{number:02}")).collect();
    let (mut sources, mut clouds) = (String::new(), String::new());
    for name in &names {
        let way = if name == "s00" { "/slow" } else { "" };
        // Each has a user of its own: of one user's the first is examined alone.
        let user = USER.replace("alice", name);
        write!(clouds, "{name}: {{ auth: {{ auth_url: {url}{way}/v3, {user} }}, region_name: eu-de }}, ").unwrap();
        write!(sources, "{name}: {{ cts: {{ cloud: {name} }} }}, ").unwrap();
    }
    std::fs::write(path.join("clouds.yaml"), format!("clouds: {{ {clouds} }}")).unwrap();
    let bridge = format!(
        "sources: {{ {sources} }}\nendpoints: {{ hook: {{ webhook: {{ url: 'https://example.org/' }} }} }}\n\
         topics: {{ default: [{{ endpoint: hook }}] }}\n"
    );
    std::fs::write(path.join("tracebell.yaml"), bridge).unwrap();
    std::fs::create_dir(path.join("rules")).unwrap();
    let output = tokio::task::spawn_blocking(move || run(&path, "doctor")).await.unwrap();
    server.abort();
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let told: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("source ")).collect();
    assert_eq!(told, names, "{text}{said}");
    // Where nobody is at a terminal there is no progress either.
    assert_eq!((output.status.code(), said.as_ref()), (Some(1), ""), "{text}");
    assert!(!text.contains("does not answer") && !text.contains("timed out"), "{text}");
    let last = text.lines().last().unwrap();
    let ill = names[..10].iter().map(|name| format!("source {name}")).collect::<Vec<_>>().join(", ");
    assert_eq!(last, format!("0 of {} are well; not: {ill}, and {} more", OTHERS + 1, OTHERS + 1 - 10));
    assert_eq!(iam.waiting.lock().unwrap().1, BESIDE + 1, "at once");
}
