//! CPU time of several engines over the same records, in turns.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

use super::engines::Engine;

/// Each engine runs so often; its best time counts, because what disturbs only ever adds.
const TURNS: usize = 4;

pub struct Lane {
    pub name: &'static str,
    pub engine: Engine,
    /// Rules satisfied by the records it was given.
    pub matches: usize,
    /// The first so many: a slow engine gets fewer.
    pub records: usize,
    best: f64,
}

impl Lane {
    pub fn new(name: &'static str, load: impl FnOnce() -> Engine, first: &str) -> Self {
        let engine = load();
        // Some build on the first record what they need for all.
        black_box(engine(first));
        Self { name, engine, matches: 0, records: 0, best: f64::MAX }
    }

    pub fn per_second(&self) -> f64 {
        self.records as f64 / self.best
    }
}

/// Gives each engine records for `seconds`, or all of them, and then all engines their turns.
pub fn run(lanes: &mut [Lane], records: &[String], seconds: f64) {
    for lane in lanes.iter_mut() {
        let begun = cpu();
        for chunk in records.chunks(16) {
            lane.matches += chunk.iter().map(|record| (lane.engine)(record)).sum::<usize>();
            lane.records += chunk.len();
            if cpu() - begun > seconds {
                break;
            }
        }
    }
    for _ in 0..TURNS {
        for lane in lanes.iter_mut() {
            let begun = cpu();
            for record in &records[..lane.records] {
                black_box((lane.engine)(black_box(record)));
            }
            lane.best = lane.best.min(cpu() - begun);
        }
    }
}

/// CPU seconds of this thread.
pub fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
