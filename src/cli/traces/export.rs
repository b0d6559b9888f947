//! `tracebell traces export`: days of traces into a file, oldest first.
//!
//! Written window by window. What is done stands beside the file, so a second start of the same
//! command goes on where the first one ended, however that was; the file itself appears when it is whole.

use std::{ops::ControlFlow, path::PathBuf, process::ExitCode, time::Duration};

use indicatif::ProgressBar;

use super::{
    RETENTION, check_kept,
    filter::{CloudArgs, FilterArgs},
    format::Written,
};
use crate::{
    backtest::text::plural,
    cli::{
        BAD, OUTSIDE,
        past::{
            bar,
            window::{self, Told},
        },
        time::{self, Span, SpanArgs},
        tracker::{failed, print, usage, visible},
    },
    clock::{self, Timestamp},
    id,
    source::{Pass, Record, Source, SourceError, Window, listing::Listing},
};

mod jobs;
mod part;

use jobs::Job;
use part::{Asked, Part, PartError};

/// More than ten minutes of patience with a cloud that is busy.
const ATTEMPTS: u32 = 10;
/// Who asks for all that the cloud keeps loses a moment of it while asking, which is no gap.
const GRACE: Duration = Duration::from_secs(60);
/// A window with more records than this is halved, so that memory does not grow with the traffic.
const CROWDED: usize = 10_000;

#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    span: SpanArgs,
    /// How to write them; without it the name of the file says it, else NDJSON
    #[arg(long, short, visible_alias = "output", value_name = "FORMAT")]
    format: Option<Written>,
    /// The file; `.gz` at its end compresses it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One file for each day, its date in the name
    #[arg(long, value_name = "BY")]
    split: Option<Split>,
    /// Replace what is there, and begin anew what was not finished
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    cloud: CloudArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Split {
    Day,
}

/// An `Err` is the exit code of something that was already said.
pub async fn export(args: ExportArgs) -> Result<ExitCode, ExitCode> {
    let now = clock::now();
    let mut problems = Vec::new();
    let keep = |problems: &mut Vec<String>, found: Vec<String>| problems.extend(found);
    let span = args.span.span(RETENTION, now).map_err(|found| keep(&mut problems, found)).ok();
    // Without a begin: as much as there is.
    let span = span.map(|span| match args.span.has_begin() {
        true => span,
        false => Span { from: span.from.max(clock::minus(now, RETENTION)), ..span },
    });
    let filters = args.filter.parameters(&args.cloud).map_err(|found| keep(&mut problems, found)).ok();
    let written = jobs::written(&args.out, args.format).map_err(|found| problems.push(found)).ok();
    let (Some(span), Some(filters), Some(written)) = (span, filters, written) else { return Err(usage(&problems)) };
    let credentials = args.cloud.credentials()?;
    let asked = Asked {
        wish: format!(
            "{:?} {filters:?} {:?} {:?} {written:?} {:?} {:?} {:?} {:?}",
            args.span.written(),
            args.filter.tracker(),
            args.cloud.api(),
            args.split,
            credentials.auth_url,
            credentials.project,
            credentials.region
        ),
        who: hex::encode(id::hash(&["who", &credentials.method.who()])),
        from: span.from,
        to: span.to,
    };
    let mut part = Part::open(&args.out, asked, args.overwrite).map_err(|error| refused(&error))?;
    let (from, to) = (part.state.asked.from, part.state.asked.to);
    let by_day = args.split.map(|_| span.zone.clone());
    let jobs = jobs::plan(&args.out, from, to, by_day.as_ref());
    if part.resumed {
        let at = time::shown(part.state.next, &span.zone);
        anstream::eprintln!("going on at {at}: {} were written before", plural(part.state.traces, "trace"));
    } else if let Err(problems) = startable(&span, &jobs, args.overwrite, now) {
        part.forget();
        return Err(usage(&problems));
    }
    let listing =
        Listing::of(&credentials, args.cloud.api(), args.filter.tracker(), filters).map_err(|error| failed(&error))?;
    let mut source = Source::Listing(Box::new(listing));
    let windows: usize = jobs.iter().map(|job| window::windows(job.from.max(part.state.next), job.to).len()).sum();
    let bar = bar(windows as u64, "{spinner} exporting {wide_bar} {percent}%  {msg}  {eta} left");
    let mut run = Run { part: &mut part, source: &mut source, bar: &bar, written, begun: now, before: 0 };
    run.before = run.part.state.traces;
    let outcome = run.all(&jobs).await;
    bar.finish_and_clear();
    outcome.map_err(|stopped| {
        let code = match &stopped {
            Stopped::Source(error) => failed(error),
            Stopped::Part(error) => refused(error),
        };
        anstream::eprintln!("what was written is kept: the same command goes on from there");
        code
    })?;
    let state = &part.state;
    let files = if jobs.len() == 1 { args.out.display().to_string() } else { plural(jobs.len() as u64, "file") };
    let (from, to) = (time::shown(from, &span.zone), time::shown(to, &span.zone));
    let bytes = indicatif::HumanBytes(state.total_bytes);
    print(&format!("{files}: {} from {from} to {to}, {bytes}\n", plural(state.traces, "trace")));
    if state.undecodable > 0 {
        anstream::eprintln!(
            "{} could not be decoded and stand there as they came",
            plural(state.undecodable, "record")
        );
    }
    let mut code = ExitCode::SUCCESS;
    for gap in &state.gaps {
        anstream::eprintln!("warning: not all traces are in it: {}", visible(gap));
        code = ExitCode::from(BAD);
    }
    part.forget();
    Ok(code)
}

/// Whether a first start may begin. A second one goes on with what is there, and with what the cloud still keeps.
fn startable(span: &Span, jobs: &[Job], overwrite: bool, now: Timestamp) -> Result<(), Vec<String>> {
    check_kept(span.clone(), now)?;
    match jobs.iter().find(|job| job.path.exists()) {
        Some(job) if !overwrite => {
            let path = job.path.display();
            Err(vec![format!("`{path}` is there already: name another file, or give `--overwrite`")])
        }
        _ => Ok(()),
    }
}

/// What is under way.
struct Run<'a> {
    part: &'a mut Part,
    source: &'a mut Source,
    bar: &'a ProgressBar,
    written: (Written, bool),
    begun: Timestamp,
    /// Traces that an earlier start wrote.
    before: u64,
}

enum Stopped {
    Source(SourceError),
    Part(PartError),
}

impl Run<'_> {
    async fn all(&mut self, jobs: &[Job]) -> Result<(), Stopped> {
        for (at, job) in jobs.iter().enumerate().skip(self.part.state.job) {
            let (written, packed) = self.written;
            if self.part.is_there(job) {
                self.part.pass(job, at + 1).map_err(Stopped::Part)?;
                continue;
            }
            self.part.begin(job, written, packed).map_err(Stopped::Part)?;
            let grace = if self.part.resumed { Duration::ZERO } else { GRACE };
            let begin = job.from.max(self.part.state.next);
            self.pass_over(begin, job.to, grace)?;
            for window in window::windows(begin, job.to) {
                self.pass_over(window.from.max(self.part.state.next), job.to, GRACE)?;
                let from = window.from.max(self.part.state.next);
                if from <= window.to {
                    self.window(Window { from, ..window }).await?;
                }
                self.bar.inc(1);
            }
            self.part.finish(job, at + 1, written, packed).map_err(Stopped::Part)?;
        }
        Ok(())
    }

    /// What the cloud has forgotten meanwhile, from here to at most `end`, is one gap.
    fn pass_over(&mut self, from: Timestamp, end: Timestamp, grace: Duration) -> Result<(), Stopped> {
        let oldest = clock::minus(clock::now(), RETENTION);
        if from > end || clock::since(from, oldest) <= grace {
            return Ok(());
        }
        let to = clock::minus(oldest, Duration::from_millis(1)).min(end);
        let gap = format!("{from} to {to}: the cloud has forgotten them by now");
        let window = Window { from, to, pass: Pass::CatchUp };
        self.part.write(&window, &[], vec![gap], self.written).map_err(Stopped::Part)
    }

    /// Reads one window, in halves if it holds too much, and writes it down.
    async fn window(&mut self, window: Window) -> Result<(), Stopped> {
        let mut windows = vec![window];
        while let Some(window) = windows.pop() {
            let (mut records, mut gaps) = (Vec::new(), Vec::new());
            let (bar, told) = (self.bar.clone(), self.message());
            let mut each = |told_now: Told<'_>| {
                match told_now {
                    Told::Page(page) => {
                        records.extend(page);
                        bar.set_message(told.clone());
                    }
                    Told::Gap { window, reason } => gaps.push(format!("{} to {}: {reason}", window.from, window.to)),
                    Told::Waiting { wait, reason } => {
                        bar.set_message(format!("{told}, waiting {}: {}", clock::in_words(wait), visible(reason)));
                    }
                }
                let crowded = records.len() > CROWDED && halves(&window).is_some();
                if crowded { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let read = window::read(self.source, window.clone(), ATTEMPTS, &mut each).await.map_err(Stopped::Source)?;
            if let (ControlFlow::Break(()), Some([early, late])) = (read, halves(&window)) {
                windows.extend([late, early]);
                continue;
            }
            let oldest = clock::minus(clock::now(), RETENTION);
            if clock::since(window.from, oldest) > GRACE {
                let to = oldest.min(window.to);
                gaps.push(format!("{} to {to}: the cloud may have forgotten some while it was asked", window.from));
            }
            self.part.write(&window, &records, gaps, self.written).map_err(Stopped::Part)?;
        }
        self.bar.set_message(self.message());
        Ok(())
    }

    fn message(&self) -> String {
        let (traces, seconds) = (self.part.state.traces, clock::since(self.begun, clock::now()).as_secs_f64());
        let rate = (traces - self.before) as f64 / seconds.max(0.1);
        format!("{} traces, {rate:.0}/s", indicatif::HumanCount(traces))
    }
}

fn halves(window: &Window) -> Option<[Window; 2]> {
    let (from, to) = (window.from.as_millisecond(), window.to.as_millisecond());
    let time = |ms: i64| Timestamp::from_millisecond(ms).ok();
    let middle = from + (to - from) / 2;
    let (end, begin) = (time(middle)?, time(middle + 1)?);
    let part = |from, to| Window { from, to, pass: Pass::CatchUp };
    (to - from > Duration::from_secs(1).as_millis() as i64).then(|| [part(window.from, end), part(begin, window.to)])
}

fn refused(error: &PartError) -> ExitCode {
    match error {
        PartError::Other { .. } | PartError::Somebody { .. } => usage(&[error.to_string()]),
        PartError::Disk { .. } => {
            anstream::eprintln!("error: {}", visible(&error.to_string()));
            ExitCode::from(OUTSIDE)
        }
    }
}

/// Records oldest first; a record without a time stands where it was read.
fn in_order(records: &[Record]) -> Vec<&Record> {
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by_key(|record| match record {
        Record::Trace(trace) => (trace.time, trace.id.as_str()),
        Record::Undecodable { id, .. } => (Timestamp::MIN, id.as_str()),
    });
    sorted
}
