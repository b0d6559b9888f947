//! Loading rule sets: how long it takes, what it leaves in memory, and how it is swapped in.

use std::{fs, process::Command, sync::Arc, time::Instant};

use tokio::sync::watch;

use super::{
    engines,
    measure::cpu,
    rules::{self, Kind},
    table::thousands,
};

pub fn table(only: Option<usize>, quick: bool) {
    println!("\nloading from YAML, each in a process of its own");
    println!("{:<6} {:>8} {:>12} {:>12} {:>12} {:>14}", "rules", "", "load, ms", "peak, MB", "kept, MB", "swap, µs");
    for kind in Kind::ALL {
        for count in [1_000, 10_000, 100_000] {
            if only.is_some_and(|only| only != count) || quick && count > 10_000 {
                continue;
            }
            let me = std::env::current_exe().expect("it runs");
            let out =
                Command::new(me).args(["--load", &format!("{}:{count}", kind.name())]).output().expect("it starts");
            let text = String::from_utf8_lossy(&out.stdout);
            let fields: Vec<&str> = text.split_whitespace().collect();
            if let [load, peak, kept, swap] = fields[..] {
                println!(
                    "{:<6} {:>8} {load:>12} {peak:>12} {kept:>12} {swap:>14}",
                    kind.name(),
                    thousands(count as f64)
                );
            } else {
                println!(
                    "{:<6} {:>8} failed: {}",
                    kind.name(),
                    thousands(count as f64),
                    String::from_utf8_lossy(&out.stderr)
                );
            }
        }
    }
}

/// Loads one rule set and prints CPU milliseconds, the peak and the rest in MB, and how long
/// a reader of the running set was held up while this one took its place, in microseconds.
pub fn child(what: &str) {
    let (kind, count) = what.split_once(':').expect("kind:count");
    let kind = Kind::ALL.into_iter().find(|known| known.name() == kind).expect("a kind");
    let text = rules::ours(&rules::make(kind, count.parse().expect("a number")));
    let files = engines::split(&text);
    drop(text);
    let before = resident("VmRSS");
    let begun = cpu();
    let set = engines::load_files(&files);
    let load = (cpu() - begun) * 1000.0;
    let (peak, kept) = (resident("VmHWM") - before, resident("VmRSS") - before);
    println!("{load:.0} {peak:.1} {kept:.1} {:.1}", swap(set) * 1e6);
}

/// The longest a reader of the watched set waits while sets are swapped by another thread.
fn swap(set: tracebell::rule::RuleSet) -> f64 {
    let (sender, receiver) = watch::channel(Arc::new(set.clone()));
    let writer = std::thread::spawn(move || {
        for _ in 0..3 {
            let next = Arc::new(set.clone());
            let begun = Instant::now();
            drop(sender.send_replace(next));
            if sender.is_closed() {
                break;
            }
            std::hint::black_box(begun.elapsed());
        }
    });
    let mut worst = 0.0_f64;
    while !writer.is_finished() {
        let begun = cpu();
        std::hint::black_box(receiver.borrow().clone());
        worst = worst.max(cpu() - begun);
    }
    writer.join().expect("it ends");
    worst
}

fn resident(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    let kib: f64 =
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}
