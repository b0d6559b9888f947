//! The past that commands look at: the cloud's trace list or a file, oldest first, with progress.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, mpsc::sync_channel},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    USAGE,
    time::duration,
    traces::RETENTION,
    tracker::{failed, usage, visible},
};
use crate::{
    backtest::{Read, text::plural},
    clock::{self, Timestamp},
    cloud::clouds,
    config::Config,
    source::{self, Record, Source, SourceError, Window, cts::Cts, file, plan::Polling, shelf::Shelf},
    trace::{Trace, decode::Context},
};

pub(super) mod archive;
pub(super) mod window;

use archive::moment;
use window::Told;

/// An answer is asked for so often before the command gives up.
const ATTEMPTS: u32 = 5;
/// Reasons kept of records that cannot be read.
const REASONS: usize = 3;

#[derive(Debug, clap::Args)]
pub(super) struct PastArgs {
    /// How far back to read: at most 7d of the trace list, anything with --archive
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: String,
    /// Read the sources' archives too: for what is older than the trace list keeps, or (`=all`) for everything
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "older",
        conflicts_with_all = ["from_file", "cloud"]
    )]
    archive: Option<archive::Which>,
    /// Read from then on, with --archive: 2026-01-15T08:00:00Z, or how long ago
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "archive", conflicts_with = "since")]
    from: Option<Timestamp>,
    /// Read until then, with --archive
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "archive")]
    to: Option<Timestamp>,
    /// Read traces from a file instead: one record a line, a list, or answers of the trace list; gzip too; `-` is
    /// standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["since", "source", "cloud"])]
    from_file: Option<PathBuf>,
    /// Only this source of the configuration
    #[arg(long, value_name = "NAME", conflicts_with = "cloud")]
    source: Option<String>,
    /// Entry of clouds.yaml, in place of the configuration's sources
    #[arg(long, value_name = "NAME")]
    cloud: Option<String>,
}

/// What was read, and the span that was asked for.
pub(super) struct Past {
    pub read: Read,
    pub span: Option<(Timestamp, Timestamp)>,
}

impl Past {
    /// What could not be read, to be added to a sentence; empty if everything could.
    pub fn unreadable(&self) -> String {
        match self.read.undecodable {
            0 => String::new(),
            count => {
                let reasons = self.read.undecodable_reasons.join("; ");
                format!("; {} could not be read: {}", plural(count, "record"), visible(&reasons))
            }
        }
    }
}

impl PastArgs {
    /// Hands all traces to `each`, oldest first and each once. An `Err` is the exit code of something
    /// that was already said.
    pub async fn read(
        &self,
        config: Option<&Config>,
        each: &mut (dyn FnMut(&[Arc<Trace>]) + Send),
    ) -> Result<Past, ExitCode> {
        match &self.from_file {
            Some(path) => from_file(path, each),
            None => self.sources(config, each).await,
        }
    }

    /// The archives up to where the trace list begins, or all through; then the trace list.
    async fn sources(
        &self,
        config: Option<&Config>,
        each: &mut (dyn FnMut(&[Arc<Trace>]) + Send),
    ) -> Result<Past, ExitCode> {
        let back = duration(&self.since).map_err(|problem| usage(&[problem]))?;
        let settings = self.settings(config)?;
        let now = clock::now();
        // The oldest minute may be gone by the time it is asked for.
        let kept_since = clock::minus(now, RETENTION - Duration::from_secs(60));
        let Some(which) = self.archive else {
            if back > RETENTION {
                let found = clock::in_words(back);
                return Err(usage(&[format!(
                    "`--since` is {found}; the cloud keeps traces for 7 days only: add `--archive` to read the tracker's \
                     bucket, or read files with `--from-file`"
                )]));
            }
            return cloud_list(&settings, clock::minus(now, back).max(kept_since), now, each).await;
        };
        let (from, to) = (self.from.unwrap_or(clock::minus(now, back)), self.to.unwrap_or(now).min(now));
        if from >= to {
            return Err(usage(&["the span is empty: it begins at its end or later".to_owned()]));
        }
        let archives = archive::of(config, &settings)?;
        if which == archive::Which::All || to < kept_since {
            return archive::read(archives, from, to, each).await;
        }
        if from >= kept_since {
            return cloud_list(&settings, from, to, each).await;
        }
        let last = clock::minus(kept_since, Duration::from_micros(1));
        let older = archive::read(archives, from, last, each).await?;
        let newer = cloud_list(&settings, kept_since, to, each).await?;
        Ok(Past { read: both(older.read, newer.read), span: Some((from, to)) })
    }

    fn settings(&self, config: Option<&Config>) -> Result<Vec<source::Settings>, ExitCode> {
        let Some(config) = config.filter(|_| self.cloud.is_none()) else {
            let credentials = clouds::credentials(self.cloud.as_deref()).map_err(|error| usage(&[error]))?;
            let name = self.cloud.clone().unwrap_or_else(|| "cloud".to_owned());
            let tracker = source::tracker::NAME.to_owned();
            return Ok(vec![source::Settings { name, credentials, tracker, polling: Polling::default() }]);
        };
        let wanted = |settings: &&source::Settings| self.source.as_ref().is_none_or(|name| *name == settings.name);
        let found: Vec<source::Settings> = config.sources.iter().filter(wanted).cloned().collect();
        if found.is_empty() {
            let names: Vec<&str> = config.sources.iter().map(|settings| settings.name.as_str()).collect();
            let name = self.source.as_deref().unwrap_or_default();
            return Err(usage(&[format!("no source `{name}`; configured are: {}", names.join(", "))]));
        }
        Ok(found)
    }
}

/// The trace list of these sources, in windows.
async fn cloud_list(
    settings: &[source::Settings],
    from: Timestamp,
    to: Timestamp,
    each: &mut (dyn FnMut(&[Arc<Trace>]) + Send),
) -> Result<Past, ExitCode> {
    let sources = settings.iter().map(|settings| Ok(Source::Cts(Box::new(Cts::new(settings)?))));
    let mut sources: Vec<Source> = sources.collect::<Result<_, SourceError>>().map_err(|error| failed(&error))?;
    let windows = window::windows(from, to);
    let bar = bar(
        (windows.len() * sources.len()) as u64,
        "{spinner} reading the trace list {wide_bar} {percent}%  {msg}  {eta} left",
    );
    let mut reading = Reading { bar: &bar, pages: 0, traces: 0, read: Read::default(), seen: Default::default() };
    let names: Vec<&str> = settings.iter().map(|settings| settings.name.as_str()).collect();
    reading.read.from = format!("the trace list ({})", names.join(", "));
    for window in windows {
        let mut traces = Vec::new();
        for source in &mut sources {
            reading.window(source, window.clone(), &mut traces).await.map_err(|error| {
                bar.finish_and_clear();
                failed(&error)
            })?;
            bar.inc(1);
        }
        traces.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        each(&traces);
    }
    bar.finish_and_clear();
    Ok(Past { read: reading.read, span: Some((from, to)) })
}

/// What was read in two parts.
fn both(mut older: Read, newer: Read) -> Read {
    older.from = format!("{} and {}", older.from, newer.from);
    older.duplicates += newer.duplicates;
    older.undecodable += newer.undecodable;
    older.undecodable_reasons.extend(newer.undecodable_reasons);
    older.undecodable_reasons.truncate(REASONS);
    older.gaps.extend(newer.gaps);
    older.suspects.extend(newer.suspects);
    older
}

/// What is under way.
struct Reading<'b> {
    bar: &'b ProgressBar,
    pages: u64,
    traces: u64,
    read: Read,
    seen: HashSet<String>,
}

impl Reading<'_> {
    /// Reads one window to its end.
    async fn window(
        &mut self,
        source: &mut Source,
        window: Window,
        traces: &mut Vec<Arc<Trace>>,
    ) -> Result<(), SourceError> {
        let mut each = |told: Told<'_>| {
            match told {
                Told::Page(records) => {
                    self.pages += 1;
                    records.into_iter().for_each(|record| self.take(record, traces));
                    self.bar.set_message(format!("{} pages, {} traces", self.pages, self.traces));
                }
                Told::Gap { window, reason } => {
                    self.read.gaps.push(format!("{} to {}: {reason}", window.from, window.to));
                }
                Told::Waiting { .. } => {}
            }
            ControlFlow::Continue(())
        };
        window::read(source, window, ATTEMPTS, &mut each).await.map(|_| ())
    }

    fn take(&mut self, record: Record, traces: &mut Vec<Arc<Trace>>) {
        match record {
            Record::Trace(trace) if self.seen.insert(trace.id.clone()) => {
                self.traces += 1;
                traces.push(trace);
            }
            Record::Trace(_) => self.read.duplicates += 1,
            Record::Undecodable { reason, .. } => undecodable(&mut self.read, reason),
        }
    }
}

fn from_file(path: &Path, each: &mut (dyn FnMut(&[Arc<Trace>]) + Send)) -> Result<Past, ExitCode> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let refused = |error: &std::io::Error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::IsADirectory => "expected a file, found a folder".to_owned(),
            _ => error.to_string(),
        };
        anstream::eprintln!("error: `{name}`: {reason}");
        ExitCode::from(USAGE)
    };
    let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
    let reading = bar(size, "{spinner} reading {wide_bar} {bytes} of {total_bytes}  {eta} left");
    let progress = reading.clone();
    let opened = file::open(path, move |bytes| progress.set_position(bytes)).map_err(|error| refused(&error))?;
    let mut shelf = Shelf::default();
    let outcome = file::records(opened, &mut |raw| shelf.put(raw));
    reading.finish_and_clear();
    outcome.map_err(|error| refused(&error))?;

    let mut read = Read { from: name, ..Read::default() };
    let judging = bar(shelf.records(), "{spinner} judging {wide_bar} {human_pos} of {human_len} traces  {eta} left");
    let now = clock::now();
    // One thread unpacks and decodes while this one judges.
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(2);
        scope.spawn(move || {
            for batch in shelf.batches(Context::default(), now) {
                if sender.send(batch).is_err() {
                    break;
                }
            }
        });
        for batch in receiver {
            judging.inc(batch.traces.len() as u64 + batch.duplicates + batch.undecodable.len() as u64);
            read.duplicates += batch.duplicates;
            batch.undecodable.into_iter().for_each(|reason| undecodable(&mut read, reason));
            each(&batch.traces);
        }
    });
    judging.finish_and_clear();
    Ok(Past { read, span: None })
}

fn undecodable(read: &mut Read, reason: String) {
    read.undecodable += 1;
    if read.undecodable_reasons.len() < REASONS && !read.undecodable_reasons.contains(&reason) {
        read.undecodable_reasons.push(reason);
    }
}

/// Tells traces that come again, as long as they come soon: one that comes twice has the same time both times, and
/// traces come by time.
#[derive(Default)]
pub(super) struct Once {
    day: i64,
    today: HashSet<u64>,
    yesterday: HashSet<u64>,
}

impl Once {
    pub(super) fn is_new(&mut self, trace: &Trace) -> bool {
        let day = trace.time.as_second().div_euclid(86_400);
        if day > self.day {
            self.day = day;
            self.yesterday = std::mem::take(&mut self.today);
        }
        let mut hasher = DefaultHasher::new();
        trace.id.hash(&mut hasher);
        let id = hasher.finish();
        !self.yesterday.contains(&id) && self.today.insert(id)
    }
}

/// Shows itself on a terminal only.
pub(super) fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template(template).expect("the templates are written in this file");
    bar.set_style(style.progress_chars("━╸─"));
    bar
}
