//! The past that the cloud's trace list no longer holds: trace files of the sources' archives, oldest first.

use std::{process::ExitCode, sync::Arc};

use jiff::tz::TimeZone;

use super::{Once, Past, bar, undecodable};
use crate::{
    backtest::{Read, text::plural},
    cli::{
        status::plain,
        time,
        tracker::{failed, usage},
    },
    clock::{self, Timestamp},
    config::Config,
    source::{
        self, Record,
        archive::{Bucket, Reading, Settings, reading::Step},
    },
    trace::Trace,
};

/// A time in UTC as people write it, or how long ago.
pub(in crate::cli) fn moment(text: &str) -> Result<Timestamp, String> {
    let now = clock::now();
    match time::duration(text) {
        Ok(back) => Ok(clock::minus(now, back)),
        Err(_) => time::moment("the time", text, &TimeZone::UTC, now),
    }
}

/// What `--archive` is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// What is older than the trace list keeps
    Older,
    /// Everything, and the trace list is not asked
    All,
}

/// One archive, and what of it comes next.
struct Lane {
    reading: Reading,
    next: Option<(Timestamp, Vec<Record>)>,
}

/// The archive of a source, and who asks the cloud which project's it is.
pub(super) struct Archive<'s> {
    settings: Settings,
    source: &'s source::Settings,
}

/// The archives of these sources; each needs one.
pub(super) fn of<'s>(config: Option<&Config>, sources: &'s [source::Settings]) -> Result<Vec<Archive<'s>>, ExitCode> {
    let hint =
        "name the tracker's bucket in the configuration: `archive: { bucket: NAME }` beside `cts`; see docs/archive.md";
    let Some(config) = config else {
        return Err(usage(&[format!("`--archive` needs a configuration; {hint}")]));
    };
    let found = sources.iter().map(|source| {
        let settings = config.archives.get(&source.name).ok_or(&source.name)?;
        Ok(Archive { settings: settings.clone(), source })
    });
    let found: Result<_, &String> = found.collect();
    found.map_err(|name| usage(&[format!("source `{name}` has no archive; {hint}")]))
}

impl Archive<'_> {
    /// With what rules may ask of the project. It is not needed to read a bucket: a cloud that does not answer, or a
    /// login that is over, costs no backtest.
    async fn of_project(self) -> Settings {
        let Self { settings, source } = self;
        match settings.clone().of_project(&source.credentials, clock::now()).await {
            Ok(known) => known,
            Err(error) => {
                let why = plain(&error.to_string());
                anstream::eprintln!("warning: {}: the cloud does not say which project this is: {why}", source.name);
                anstream::eprintln!(
                    "help: rules on `project.name` and `project.id` see only what trace files say themselves"
                );
                settings
            }
        }
    }
}

/// Hands all traces from then to then to `each`, those of all archives together.
pub(super) async fn read(
    archives: Vec<Archive<'_>>,
    from: Timestamp,
    to: Timestamp,
    each: &mut (dyn FnMut(&[Arc<Trace>]) + Send),
) -> Result<Past, ExitCode> {
    let buckets: Vec<String> = archives.iter().map(|archive| archive.settings.bucket.clone()).collect();
    let mut read = Read { from: format!("the archive (bucket {})", buckets.join(", ")), ..Read::default() };
    let mut lanes = Vec::new();
    for archive in archives {
        let bucket = Bucket::new(archive.of_project().await).map_err(|error| failed(&error))?;
        lanes.push(Lane { reading: Reading::new(bucket, from, to, clock::now()), next: None });
    }
    let bar = bar(0, "{spinner} reading the archive {wide_bar} {percent}%  {msg}  {eta} left");
    let (mut once, mut traces_read) = (Once::default(), 0);
    loop {
        for lane in &mut lanes {
            lane.advance(&mut read, &bar, traces_read).await.map_err(|error| {
                bar.finish_and_clear();
                failed(&error)
            })?;
        }
        lanes.retain(|lane| lane.next.is_some());
        let oldest = lanes.iter_mut().min_by_key(|lane| lane.next.as_ref().map(|(until, _)| *until));
        let Some((_, records)) = oldest.and_then(|lane| lane.next.take()) else { break };
        let mut traces = Vec::with_capacity(records.len());
        for record in records {
            match record {
                Record::Trace(trace) if once.is_new(&trace) => traces.push(trace),
                Record::Trace(_) => read.duplicates += 1,
                Record::Undecodable { reason, .. } => undecodable(&mut read, reason),
            }
        }
        traces_read += traces.len() as u64;
        each(&traces);
    }
    bar.finish_and_clear();
    Ok(Past { read, span: Some((from, to)) })
}

impl Lane {
    /// Reads on until there is something, or nothing more.
    async fn advance(
        &mut self,
        read: &mut Read,
        bar: &indicatif::ProgressBar,
        traces: u64,
    ) -> Result<(), source::SourceError> {
        while self.next.is_none() {
            let step = self.reading.next(clock::now()).await?;
            show(bar, &self.reading.progress, &plural(traces, "trace"));
            match step {
                Step::On => {}
                Step::Records { records, until } => self.next = Some((until, records)),
                Step::Unreadable { key, reason } => read.gaps.push(format!("file {key}: {reason}")),
                Step::Suspect { key, reason } => read.suspects.push(format!("file {key}: {reason}")),
                Step::End => break,
            }
        }
        Ok(())
    }
}

/// By days, and within a day by its files.
pub(in crate::cli) fn show(bar: &indicatif::ProgressBar, progress: &source::archive::reading::Progress, message: &str) {
    const DAY: u64 = 1000;
    let within = match progress.files_of_day {
        0 => DAY,
        files => progress.files_read_of_day * DAY / files,
    };
    let before = progress.days_listed.saturating_sub(1) * DAY;
    bar.set_length(progress.days * DAY);
    bar.set_position(if progress.days_listed > 0 { before + within } else { 0 });
    bar.set_message(message.to_owned());
}
