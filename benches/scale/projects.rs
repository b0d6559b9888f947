//! Many projects, most of them quiet.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tracebell::clock;

use crate::{
    account::{Account, trace},
    receiver::Receiver,
};

/// One project in so many is busy.
const BUSY: usize = 10;
/// How long nothing happens: each project is polled for the first time, and quiet ones are known to be quiet.
pub const SETTLE: Duration = Duration::from_secs(60);
pub const QUIET: Duration = Duration::from_secs(300);

pub async fn run(projects: usize, minutes: usize, polling: &str, settle: Duration, receiver: &Receiver) {
    let account = Account::new(projects, polling, receiver).await;
    let handle = account.cloud.handle();
    receiver.reset();
    let begun = Instant::now();
    let process = account.start();
    let ready = begun.elapsed();
    clock::sleep(settle).await;
    let (cpu, asked) = (process.cpu(), requests(&account));
    let ids: Vec<String> = handle.projects().into_iter().map(|(_, id)| id).collect();
    let mut visible = HashMap::new();
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while begun.elapsed() < Duration::from_secs(60 * minutes as u64) {
        ticks.tick().await;
        let number = visible.len() + 1;
        let project = &ids[(number * 7919 % (projects / BUSY).max(1)) * BUSY % projects];
        handle.add([trace(number, clock::now(), project, "deleteServer")]);
        visible.insert(number, Instant::now());
    }
    let took = begun.elapsed();
    let (cpu, asked) = (process.cpu() - cpu, requests(&account) - asked);
    receiver.wait(visible.len()).await;
    let mut delays: Vec<Duration> =
        receiver.arrivals().iter().map(|(number, at)| at.saturating_duration_since(visible[number])).collect();
    delays.sort();
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize].as_secs_f64();
    let stats = handle.stats();
    println!("{projects} projects, {polling}: ready after {} ms", ready.as_millis());
    println!(
        "  {:.1} requests a second, {:.1} % of one core, {:.0} MB at the peak; {} logins, {} traces lost",
        asked as f64 / took.as_secs_f64(),
        100.0 * cpu.as_secs_f64() / took.as_secs_f64(),
        process.peak(),
        stats.count("/v3/auth/tokens", 201),
        visible.len() - delays.len()
    );
    println!(
        "  visible to received: {:.1} s median, {:.1} s for 99 %, {:.1} s slowest of {}",
        at(0.5),
        at(0.99),
        at(1.0),
        delays.len()
    );
}

fn requests(account: &Account) -> u64 {
    account.cloud.handle().stats().count("/traces", 200)
}
