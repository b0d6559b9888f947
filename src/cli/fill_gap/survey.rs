//! What filling would ring, before it does: the archive is read, the rules are tried, nothing is stored.

use std::{process::ExitCode, sync::Arc};

use super::{Task, reading};
use crate::{
    alert::Severity,
    backtest::{
        Read, Trial,
        text::{number, plural},
    },
    cli::{
        past::{Once, archive::show, bar},
        status::{failed, plain, print_table},
        tracker,
    },
    clock,
    rule::RuleSet,
    source::{Record, archive::reading::Step},
    store::{Sqlite, Store},
    trace::Trace,
};

/// What lies in the archive, and what rules would make of it.
#[derive(Debug, Default)]
pub(super) struct Survey {
    traces: u64,
    /// Seen before, or twice in the archive.
    known: u64,
    unreadable: u64,
    /// Not what the tracker wrote.
    suspect: u64,
    pub alerts: u64,
    shadows: u64,
    rules: Vec<(String, Severity, u64)>,
}

pub(super) async fn survey(tasks: &[Task<'_>], store: &Sqlite, rules: &RuleSet) -> Result<Survey, ExitCode> {
    let mut found = Survey::default();
    for task in tasks {
        let mut trial: Option<Trial<'_>> = None;
        let mut once = Once::default();
        for part in &task.parts {
            let mut reading = reading(&task.archive, part)?;
            let bar = bar(0, "{spinner} looking what would ring {wide_bar} {percent}%  {msg}  {eta} left");
            loop {
                let step = reading.next(clock::now()).await;
                show(&bar, &reading.progress, &plural(found.traces, "trace"));
                let records = match step {
                    Ok(Step::Records { records, .. }) => records,
                    Ok(Step::On) => continue,
                    Ok(Step::Unreadable { .. }) => {
                        found.unreadable += 1;
                        continue;
                    }
                    Ok(Step::Suspect { .. }) => {
                        found.suspect += 1;
                        continue;
                    }
                    Ok(Step::End) => break,
                    Err(error) => {
                        bar.finish_and_clear();
                        return Err(tracker::failed(&error));
                    }
                };
                found.traces += records.len() as u64;
                let traces: Vec<Arc<Trace>> = records
                    .into_iter()
                    .filter_map(|record| match record {
                        Record::Trace(trace) => Some(trace),
                        Record::Undecodable { .. } => None,
                    })
                    .collect();
                let before = traces.len();
                let ids: Vec<String> = traces.iter().map(|trace| trace.id.clone()).collect();
                let seen = store.seen(&task.gap.source, &ids).await.map_err(|error| failed(&error))?;
                let fresh: Vec<Arc<Trace>> =
                    traces.into_iter().filter(|trace| !seen.contains(&trace.id) && once.is_new(trace)).collect();
                found.known += (before - fresh.len()) as u64;
                if let Some(first) = fresh.first() {
                    trial.get_or_insert_with(|| Trial::new(rules, None, first.time)).feed(&fresh);
                }
            }
            bar.finish_and_clear();
        }
        if let Some(trial) = trial {
            found.add(trial);
        }
    }
    Ok(found)
}

impl Survey {
    fn add(&mut self, trial: Trial<'_>) {
        let report = trial.finish(None, Read::default(), None);
        self.alerts += report.alerts;
        self.shadows += report.shadow_alerts;
        for rule in report.rules.iter().filter(|rule| !rule.shadow && rule.alerts > 0) {
            match self.rules.iter_mut().find(|(id, ..)| *id == rule.rule) {
                Some((_, severity, alerts)) => {
                    *severity = (*severity).max(rule.severity);
                    *alerts += rule.alerts;
                }
                None => self.rules.push((rule.rule.clone(), rule.severity, rule.alerts)),
            }
        }
    }

    pub fn show(&self) {
        let Self { traces, known, unreadable, suspect, alerts, shadows, rules } = self;
        let known = match known {
            0 => String::new(),
            known => format!(", {} of them known already", number(*known)),
        };
        say!("\nThe archive holds {}{known}.", plural(*traces, "trace"));
        if *unreadable > 0 {
            say!("{} cannot be read.", plural(*unreadable, "file"));
        }
        match suspect {
            0 => {}
            1 => say!("1 file is not what the tracker wrote, as its digest tells."),
            many => say!("{many} files are not what the tracker wrote, as their digests tell."),
        }
        if rules.is_empty() {
            say!("Nothing in it would ring.\n");
            return;
        }
        let rows =
            rules.iter().map(|(rule, severity, alerts)| vec![plain(rule), severity.to_string(), alerts.to_string()]);
        print_table(&format!("Would ring: {}", plural(*alerts, "alert")), &["rule", "severity", "alerts"], 2..3, rows);
        if *shadows > 0 {
            say!("  and {} of rules in shadow mode, which are told nobody", plural(*shadows, "alert"));
        }
        say!();
    }
}
