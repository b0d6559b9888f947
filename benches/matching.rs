//! How many records a second go through how many rules, beside other matchers:
//! `cargo bench --features peers --bench matching [-- --quick] [--rules 10000] [--kind mixed] [--alone]`.
//!
//! Figures are records per second of CPU time on one thread, decoding of the JSON
//! included, all engines in turns over the same records and equal rules. Engines that
//! disagree on the number of matches end the run with exit code 1. Every set of a kind
//! holds the same eight rules that records satisfy, and near misses otherwise: a record
//! satisfies as many rules in a large set as in a small one (the table says how many).
//! Memory is that of a process which loads one rule set and does nothing else.

#[path = "matching/engines.rs"]
mod engines;
#[path = "matching/load.rs"]
mod load;
#[path = "matching/measure.rs"]
mod measure;
#[path = "matching/rules.rs"]
mod rules;
#[path = "matching/table.rs"]
mod table;
#[path = "matching/traces.rs"]
mod traces;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use measure::Lane;
use quamina::MatcherBuildMode::{self, BuiltForComfort, BuiltForSpeed};
use rules::{Kind, Rule};
use table::{Row, Table};

const COUNTS: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

struct Options {
    quick: bool,
    rules: Option<usize>,
    kind: Option<String>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)).cloned();
    if let Some(what) = value("--load") {
        load::child(&what);
        return ExitCode::SUCCESS;
    }
    let options = Options {
        quick: args.iter().any(|arg| arg == "--quick"),
        rules: value("--rules").and_then(|count| count.parse().ok()),
        kind: value("--kind"),
    };
    table::machine();
    let mut rng = fastrand::Rng::with_seed(1);
    let records: Vec<String> =
        (0..if options.quick { 10_000 } else { 40_000 }).map(|_| traces::make(&mut rng)).collect();
    let bytes: usize = records.iter().map(String::len).sum();
    println!("{} records of {} bytes on average, keys in random order\n", records.len(), bytes / records.len());
    let seconds = if options.quick { 0.15 } else { 0.4 };

    let mut table = Table::default();
    let mut agree = true;
    for kind in Kind::ALL.into_iter().filter(|kind| options.kind.as_deref().is_none_or(|name| name == kind.name())) {
        for count in COUNTS {
            if options.rules.is_some_and(|only| only != count)
                || options.quick && count > 1_000 && options.rules.is_none()
            {
                continue;
            }
            let (row, agreed) = measure(kind, count, &records, seconds);
            row.print(table.rows.is_empty());
            table.rows.push(row);
            agree &= agreed;
        }
    }
    table.goals();
    table.slope();
    load::table(options.rules, options.quick);
    if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(kind: Kind, count: usize, records: &[String], seconds: f64) -> (Row, bool) {
    let rules = rules::make(kind, count);
    let set = engines::load(&rules);
    let first = &records[0];
    let alone = std::env::args().any(|arg| arg == "--alone");
    let mut lanes = vec![Lane::new("tracebell", || engines::lazy(set.clone()), first)];
    if !alone {
        lanes.extend([
            Lane::new("decoded in full", || engines::decoded(set.clone()), first),
            Lane::new("plain loop", || engines::plain_loop(set.clone()), first),
            Lane::new("decoding alone", engines::decoding_alone, first),
            Lane::new("rsigma-eval", || engines::sigma(&rules), first),
        ]);
    }
    for mode in [BuiltForComfort, BuiltForSpeed] {
        // Its tables grow beyond any memory with many patterns of several kinds on one field.
        let explodes = mode == BuiltForSpeed && count > if kind == Kind::Regex { 10_000 } else { 1_000 };
        if !explodes && !alone {
            lanes.extend(quamina(&rules, mode, first));
        }
    }
    measure::run(&mut lanes, records, seconds);
    let mut agree = true;
    for lane in lanes.iter().filter(|lane| lane.name != "decoding alone") {
        let expected: usize = records[..lane.records].iter().map(|record| (lanes[0].engine)(record)).sum();
        if lane.matches != expected {
            eprintln!("{} {count}: {} finds {} matches, tracebell {expected}", kind.name(), lane.name, lane.matches);
            agree = false;
        }
    }
    let best = |name: &str| {
        let of_name = lanes.iter().filter(|lane| lane.name == name).map(Lane::per_second);
        of_name.fold(None, |best: Option<f64>, found| Some(best.map_or(found, |best| best.max(found))))
    };
    let row = Row {
        kind: kind.name(),
        rules: count,
        matches: lanes[0].matches as f64 / lanes[0].records as f64,
        ours: best("tracebell").unwrap_or_default(),
        decoded: best("decoded in full").unwrap_or_default(),
        plain: best("plain loop").unwrap_or_default(),
        decoding: best("decoding alone").unwrap_or_default(),
        quamina: best("quamina"),
        sigma: best("rsigma-eval"),
    };
    (row, agree)
}

/// In as few matchers as it takes: with many rules one breaks off, and then the rules are spread over more.
fn quamina(rules: &[Rule], mode: MatcherBuildMode, first: &str) -> Option<Lane> {
    for matchers in [1, 4, 16, 64, 512] {
        let build = AssertUnwindSafe(|| {
            engines::quamina(rules, mode, matchers).map(|engine| Lane::new("quamina", || engine, first))
        });
        match catch_unwind(build) {
            Ok(Ok(lane)) => return Some(lane),
            Ok(Err(error)) => eprintln!("quamina does not take {} rules: {error}", rules.len()),
            Err(_) => eprintln!("quamina breaks off on {} rules in {matchers} matchers", rules.len()),
        }
    }
    None
}
