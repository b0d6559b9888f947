//! `tracebell healthcheck`: asks a running Tracebell whether it is well.
//!
//! For container probes and people. Exit 0 ready, 1 not ready, 3 no answer.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use anyhow::Context;

use super::{BAD, CONFIG, OUTSIDE, USAGE};
use crate::{config, document, endpoint::answer::in_words};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to ask; without it, `http.listen` of the configuration
    #[arg(long)]
    url: Option<String>,
    /// Configuration whose `http.listen` is asked; without it, tracebell.yaml if it is here, else port 8080 of this machine
    #[arg(long, short, value_name = "FILE", env = "TRACEBELL_CONFIG")]
    config: Option<PathBuf>,
}

const DEFAULT_URL: &str = "http://127.0.0.1:8080/readyz";
/// Shorter than the server's own limit would keep us waiting; container probes are often cut at 5 s.
const TIMEOUT: Duration = Duration::from_secs(4);
/// A longer answer does not come from Tracebell.
const ANSWER_LIMIT: usize = 64 * 1024;

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let url = match (args.url, &args.config) {
        (Some(url), _) => url,
        (None, Some(path)) => match configured(path) {
            Ok(address) => format!("http://{}/readyz", reachable(address)),
            Err(problems) => {
                anstream::eprintln!("{problems}");
                return Ok(ExitCode::from(USAGE));
            }
        },
        // Not named, so what is wrong in it is not this command's to tell.
        (None, None) => match config::load(Path::new(CONFIG)).listen {
            Some(address) => format!("http://{}/readyz", reachable(address)),
            None => DEFAULT_URL.to_owned(),
        },
    };
    let Ok(url) = reqwest::Url::parse(&url) else {
        anstream::eprintln!("error: `{url}` is not an address, expected one like {DEFAULT_URL}");
        return Ok(ExitCode::from(USAGE));
    };
    match ask(url.clone()).await {
        Ok(Answer { status: 200, text }) => {
            print(&text);
            Ok(ExitCode::SUCCESS)
        }
        Ok(Answer { status: 503, text }) => {
            print(&text);
            Ok(ExitCode::from(BAD))
        }
        Ok(Answer { status, .. }) => {
            anstream::eprintln!("error: {url} answered HTTP {status}, expected 200 or 503: is that a Tracebell?");
            Ok(ExitCode::from(OUTSIDE))
        }
        Err(error) => {
            // What lies between is the library's.
            let reason = error.root_cause().to_string();
            let reason = in_words(&reason);
            anstream::eprintln!("error: no answer from {url}: {reason}; is Tracebell running there?");
            Ok(ExitCode::from(OUTSIDE))
        }
    }
}

/// Where the configured Tracebell listens, or every problem of its configuration.
fn configured(path: &Path) -> Result<SocketAddr, String> {
    let loaded = config::load(path);
    match loaded.listen {
        Some(address) => Ok(address),
        None => {
            let lines = loaded.problems.iter().map(|problem| document::draw::line(problem, &loaded.files));
            Err(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

/// `0.0.0.0` means every interface to a server and nothing to a client.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

struct Answer {
    status: u16,
    text: String,
}

async fn ask(url: reqwest::Url) -> anyhow::Result<Answer> {
    // Someone may have installed it already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build()
        .context("cannot set up a client")?;
    let mut response = client.get(url).send().await.map_err(reqwest::Error::without_url)?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        body.extend(part);
        anyhow::ensure!(body.len() <= ANSWER_LIMIT, "the answer is larger than {ANSWER_LIMIT} bytes");
    }
    Ok(Answer { status, text: String::from_utf8_lossy(&body).into_owned() })
}

/// The report with its verdicts in colour. Control characters are dropped: the answer came over a network.
fn print(text: &str) {
    let (red, green) = (AnsiColor::Red.on_default().bold(), AnsiColor::Green.on_default());
    for line in text.lines() {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        let style = match line.split_whitespace().next() {
            Some("BAD" | "not") => red,
            Some("ok" | "ready") => green,
            _ => Style::new(),
        };
        let (word, rest) = line.split_at(line.find([' ', ':']).unwrap_or(line.len()));
        say!("{style}{word}{style:#}{rest}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{clock, health::Board, http, metrics::Metrics};

    #[track_caller]
    fn check(address: &str, expected: &str) {
        assert_eq!(reachable(address.parse().unwrap()).to_string(), expected);
    }

    #[test]
    fn every_interface_is_asked_on_loopback() {
        check("0.0.0.0:80", "127.0.0.1:80");
        check("[::]:80", "[::1]:80");
        check("192.0.2.1:80", "192.0.2.1:80");
    }

    #[tokio::test]
    async fn the_exit_code_says_how_it_is() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (board, stop) = (Board::default(), CancellationToken::new());
        let (_, registry) = Metrics::new();
        let router = http::router(board.clone(), Arc::new(registry), http::refresh(|| async {}), axum::Router::new());
        let server = tokio::spawn(http::serve(listener, router, stop.clone()));
        let healthcheck =
            |url: String| async { format!("{:?}", run(Args { url: Some(url), config: None }).await.unwrap()) };
        let code = |number: u8| format!("{:?}", ExitCode::from(number));

        assert_eq!(healthcheck(format!("{base}/readyz")).await, code(0));
        board.trouble("store", "disk is full", clock::now());
        assert_eq!(healthcheck(format!("{base}/readyz")).await, code(BAD));
        assert_eq!(healthcheck(format!("{base}/elsewhere")).await, code(OUTSIDE));
        assert_eq!(healthcheck("not an address".into()).await, code(USAGE));
        stop.cancel();
        server.await.unwrap();
        assert_eq!(healthcheck(format!("{base}/readyz")).await, code(OUTSIDE));
    }
}
