//! What many sources and a long past cost: `cargo bench --bench scale [-- --projects 1000 --minutes 5 --traces 1000000]`.
//!
//! First so many projects of one account in one process, on the release binary as an operator runs it: in a tenth of
//! them something happens all the time, in the others nothing. Printed are requests and CPU, memory, logins, and the
//! time from a trace's becoming visible to the request's being received, with all polled alike and with quiet ones
//! polled less often. Then a backlog: traces of seven days that were not read, one in a thousand rings.
//!
//! Figures, not assertions: machines are noisy. The goals: what a poll interval promises, and 256 MB.

#[path = "scale/account.rs"]
mod account;
#[path = "scale/backlog.rs"]
mod backlog;
#[path = "delivery/process.rs"]
mod process;
#[path = "scale/projects.rs"]
mod projects;
#[path = "delivery/receiver.rs"]
mod receiver;

use receiver::Receiver;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (count, minutes) = (option("--projects", 1000), option("--minutes", 5));
    let receiver = Receiver::start().await;
    let (alike, by_silence) = ("poll_every: 30s", "poll_every: 10s, poll_quiet_every: 2m");
    for (polling, settle) in [(alike, projects::SETTLE), (by_silence, projects::QUIET)] {
        projects::run(count, minutes, polling, settle, &receiver).await;
    }
    backlog::run(option("--traces", 1_000_000), &receiver).await;
}

fn option(name: &str, default: usize) -> usize {
    let args: Vec<String> = std::env::args().collect();
    let at = args.iter().position(|arg| arg == name);
    at.and_then(|at| args.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
}
