//! What was measured, for people, with the goals beside it.

use std::fs;

#[derive(Default)]
pub struct Table {
    pub rows: Vec<Row>,
}

pub struct Row {
    pub kind: &'static str,
    pub rules: usize,
    /// Rules satisfied by one record, on average.
    pub matches: f64,
    pub ours: f64,
    pub decoded: f64,
    pub plain: f64,
    pub decoding: f64,
    pub quamina: Option<f64>,
    pub sigma: Option<f64>,
}

/// At least so many times what `quamina` and `rsigma-eval` do.
const GOALS: [(&str, usize, f64, f64); 7] = [
    ("mixed", 10, 0.5, 4.0),
    ("mixed", 1_000, 2.0, 7.0),
    ("mixed", 10_000, 50.0, 100.0),
    ("mixed", 100_000, 1_000.0, 2_000.0),
    ("exact", 100_000, 8.0, 2_000.0),
    ("glob", 10_000, 200.0, 400.0),
    ("regex", 10_000, 1.0, 200.0),
];

pub fn machine() {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(": unknown")
        .trim_start_matches(['\t', ' ', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rustc = std::process::Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default();
    println!("{model}, {cores} cores, {rustc}");
}

impl Row {
    pub fn print(&self, first: bool) {
        if first {
            println!("records per second of CPU time on one thread, JSON decoding included");
            println!(
                "{:<6} {:>8} {:>9} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11}",
                "rules", "", "matches", "tracebell", "decoded", "plain loop", "quamina", "rsigma", "serde alone"
            );
        }
        println!(
            "{:<6} {:>8} {:>9.3} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11}",
            self.kind,
            thousands(self.rules as f64),
            self.matches,
            thousands(self.ours),
            thousands(self.decoded),
            thousands(self.plain),
            self.quamina.map_or("-".into(), thousands),
            self.sigma.map_or("-".into(), thousands),
            thousands(self.decoding),
        );
    }
}

impl Table {
    pub fn goals(&self) {
        println!("\nas a multiple of the others, and the goals");
        println!("{:<6} {:>8} {:>12} {:>9} {:>12} {:>9}", "rules", "", "quamina", "goal", "rsigma-eval", "goal");
        for (kind, rules, quamina, sigma) in GOALS {
            let Some(row) = self.rows.iter().find(|row| row.kind == kind && row.rules == rules) else { continue };
            let times = |other: Option<f64>, goal: f64| match other {
                Some(other) => (format!("{:.1}", row.ours / other), if row.ours / other >= goal { ' ' } else { '!' }),
                None => ("-".to_owned(), ' '),
            };
            let ((by_quamina, mark_quamina), (by_sigma, mark_sigma)) =
                (times(row.quamina, quamina), times(row.sigma, sigma));
            println!(
                "{kind:<6} {:>8} {by_quamina:>11}{mark_quamina} {quamina:>9} {by_sigma:>11}{mark_sigma} {sigma:>9}",
                thousands(rules as f64)
            );
        }
    }

    pub fn slope(&self) {
        println!("\nas a part of what 10 rules of the kind reach, and of decoding alone");
        println!("{:<6} {:>8} {:>10} {:>10}", "rules", "", "of 10", "of serde");
        for row in &self.rows {
            let ten = self.rows.iter().find(|first| first.kind == row.kind && first.rules == 10);
            println!(
                "{:<6} {:>8} {:>10} {:>10.2}",
                row.kind,
                thousands(row.rules as f64),
                ten.map_or("-".into(), |ten| format!("{:.2}", row.ours / ten.ours)),
                row.ours / row.decoding
            );
        }
    }
}

/// `1,234,567`.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}
