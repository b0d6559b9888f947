//! Seven days that nobody read.

use std::time::{Duration, Instant};

use tracebell::{
    checkpoint::Checkpoint,
    clock,
    store::{IngestBatch, Sqlite, Store},
};

use crate::{
    account::{Account, trace},
    receiver::Receiver,
};

/// One trace in so many rings.
const RINGS: usize = 1000;
/// Of seven days: the oldest quarter of an hour may be forgotten before it is read.
const SPAN: Duration = Duration::from_secs(7 * 24 * 3600 - 15 * 60);

pub async fn run(traces: usize, receiver: &Receiver) {
    let account = Account::new(1, "poll_every: 30s", receiver).await;
    let now = clock::now();
    let begin = clock::minus(now, SPAN);
    let project = account.cloud.handle().projects()[0].1.clone();
    let spacing = SPAN / u32::try_from(traces).expect("fewer traces");
    let made = (1..=traces).map(|number| {
        let operation = if number % RINGS == 0 { "deleteServer" } else { "createServer" };
        trace(number, clock::plus(begin, spacing * number as u32), &project, operation)
    });
    account.cloud.handle().add(made);
    let store = Sqlite::open(&account.state(), now).await.expect("a store");
    let checkpoint = Checkpoint { watermark: begin, warm_at: now, cold_at: now, deep_at: now };
    let batch = IngestBatch { source: "prod".into(), now, checkpoint: Some(checkpoint), ..IngestBatch::default() };
    store.commit_ingest(batch).await.expect("written");
    store.close().await;

    receiver.reset();
    let process = account.start();
    let begun = Instant::now();
    let (alerts, cpu) = (traces / RINGS, process.cpu());
    for tenth in 1..=10 {
        receiver.wait(alerts * tenth / 10).await;
        println!(
            "  backlog {:3} %: {:.0} MB resident, {} after {:.0} s",
            tenth * 10,
            process.resident(),
            alerts * tenth / 10,
            begun.elapsed().as_secs_f64()
        );
    }
    let took = begun.elapsed();
    println!(
        "backlog of {traces} traces: {:.0} a second, {:.3} ms CPU each, {:.0} MB at the peak; {:.1} alerts told a second",
        traces as f64 / took.as_secs_f64(),
        (process.cpu() - cpu).as_secs_f64() * 1e3 / traces as f64,
        process.peak(),
        receiver.rate()
    );
}
