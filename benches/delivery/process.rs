//! A program that runs beside the bench: what it costs, as the kernel counts it; killed on drop.

use std::{fs, process::Child, time::Duration};

pub struct Process(pub Child);

impl Process {
    /// CPU of all its threads since it started.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        // The name in brackets may hold anything; utime and stime are the 12th and 13th field after it.
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        let ticks = fields.get(10).unwrap_or(&0) + fields.get(11).unwrap_or(&0);
        // A tick is 10 ms wherever Linux runs by default.
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory now, in MB.
    pub fn resident(&self) -> f64 {
        self.status("VmRSS")
    }

    /// The most it ever had.
    pub fn peak(&self) -> f64 {
        self.status("VmHWM")
    }

    fn status(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(field));
        let kib: f64 =
            line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse().ok()).unwrap_or(0.0);
        kib / 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
