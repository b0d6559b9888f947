//! What telling costs: `cargo bench --bench delivery [-- --alerts 10000 --rounds 3]`.
//!
//! Side by side in one run, on the same receiver: Tracebell's durable outbox being drained to a loopback
//! webhook, and Debian's Alertmanager fed with as many alerts that each make a group of their own. Then what
//! Tracebell alone does from end to end: traces read, matched, stored, delivered; the memory of it; and the
//! time from a trace's becoming visible to the request's being received, at a poll interval of 500 ms.
//!
//! Figures, not assertions: machines are noisy, so the median of the rounds and every round are shown. The
//! goals: 4 times Alertmanager's rate, at most a fifth of its CPU per notification, 99 % within a second.
//! Alertmanager is looked for in `TRACEBELL_ALERTMANAGER`, on the PATH and where `tests/run` unpacks it.

use std::time::Duration;

mod delivery {
    pub mod alertmanager;
    pub mod bell;
    pub mod process;
    pub mod receiver;
}

use delivery::{
    alertmanager,
    bell::{self, Bell},
    receiver::Receiver,
};

/// One round of one program.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// From the first request to the last.
    per_second: f64,
    /// CPU of the program for each notification, from its start on.
    cpu: Duration,
    /// Most resident memory, in MB.
    peak: f64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (alerts, rounds) = (option("--alerts", 10_000), option("--rounds", 3));
    let receiver = Receiver::start().await;
    let manager = alertmanager::find();
    if manager.is_none() {
        println!("no Alertmanager found: set TRACEBELL_ALERTMANAGER; Tracebell runs alone");
    }
    println!("{alerts} alerts, {} attempts under way at once", bell::CONCURRENCY);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let figures = Bell::with_outbox(alerts, &receiver).await.drain(alerts, &receiver).await;
        show(&format!("tracebell {round}"), figures);
        ours.push(figures);
        if let Some(manager) = &manager {
            let figures = alertmanager::round(manager, alerts, &receiver).await;
            show(&format!("alertmanager {round}"), figures);
            theirs.push(figures);
        }
    }
    let ours = median(&ours);
    show("tracebell, median", ours);
    if !theirs.is_empty() {
        let theirs = median(&theirs);
        show("alertmanager, median", theirs);
        println!(
            "ratio                    {:.1} times the rate, {:.2} of the CPU per notification",
            ours.per_second / theirs.per_second,
            ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64()
        );
    }
    bell::end_to_end(alerts, &receiver).await;
    bell::latency(&receiver).await;
}

fn show(what: &str, figures: Figures) {
    println!(
        "{what:24} {:8.0} notifications a second, {:.3} ms CPU each, {:.0} MB at the peak",
        figures.per_second,
        figures.cpu.as_secs_f64() * 1e3,
        figures.peak
    );
}

/// The round with the median rate.
fn median(rounds: &[Figures]) -> Figures {
    let mut rounds = rounds.to_vec();
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rounds[rounds.len() / 2]
}

fn option(name: &str, default: usize) -> usize {
    let args: Vec<String> = std::env::args().collect();
    let at = args.iter().position(|arg| arg == name);
    at.and_then(|at| args.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
}
