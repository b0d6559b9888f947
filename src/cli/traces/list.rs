//! `tracebell traces list`: what happened lately, newest first.

use std::{cmp::Reverse, process::ExitCode, time::Duration};

use clap::ValueEnum;
use jiff::tz::TimeZone;

use super::{
    check_kept,
    filter::{CloudArgs, FilterArgs},
    format::{Written, object},
};
use crate::{
    cli::{
        BAD,
        columns::{self, Column},
        terminal,
        time::{self, SpanArgs},
        tracker::{failed, print, usage, visible},
    },
    clock::{self, Timestamp},
    source::{
        Record,
        listing::{Listing, Query},
    },
    trace::Trace,
};

/// What the console shows too.
const SINCE: Duration = Duration::from_secs(3600);
/// What matters most in a narrow terminal; a cut id could not be asked for, so it is whole or not there.
const COLUMNS: [Column; 8] = [
    Column { name: "TIME", least: 20, weight: 8 },
    Column { name: "RATING", least: 7, weight: 4 },
    Column { name: "SERVICE", least: 5, weight: 6 },
    Column { name: "OPERATION", least: 12, weight: 7 },
    Column { name: "RESOURCE", least: 12, weight: 3 },
    Column { name: "USER", least: 6, weight: 5 },
    Column { name: "SOURCE IP", least: 13, weight: 1 },
    Column { name: "TRACE ID", least: 36, weight: 2 },
];

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// One trace; the cloud then ignores every other filter
    #[arg(long)]
    trace_id: Option<String>,
    #[command(flatten)]
    span: SpanArgs,
    /// At most so many traces
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    cloud: CloudArgs,
    #[arg(long, short, alias = "format", default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    /// One list
    Json,
    /// One object a line
    Ndjson,
    /// RFC 4180; what a spreadsheet would run as a formula is quoted with `'`
    Csv,
}

/// An `Err` is the exit code of something that was already said.
pub async fn list(args: ListArgs) -> Result<ExitCode, ExitCode> {
    let now = clock::now();
    let mut problems = Vec::new();
    let span = args.span.span(SINCE, now).and_then(|span| check_kept(span, now));
    let span = span.map_err(|found| problems.extend(found)).ok();
    let filters = args.filter.parameters(&args.cloud).map_err(|found| problems.extend(found)).ok();
    let (Some(span), Some(mut filters)) = (span, filters) else { return Err(usage(&problems)) };
    filters.extend(args.trace_id.map(|id| ("trace_id", id)));
    let credentials = args.cloud.credentials()?;
    let mut listing =
        Listing::of(&credentials, args.cloud.api(), args.filter.tracker(), filters).map_err(|error| failed(&error))?;
    let query = Query { from: span.from, to: span.to, limit: args.limit as usize };
    let mut found = listing.read(&query, now).await.map_err(|error| failed(&error))?;
    // The cloud goes by when it recorded them.
    found.records.sort_by_key(|record| match record {
        Record::Trace(trace) => Reverse(trace.time),
        Record::Undecodable { .. } => Reverse(Timestamp::MIN),
    });
    match args.output {
        Format::Json => terminal::print_json(&found.records.iter().map(object).collect::<Vec<_>>()),
        Format::Ndjson => write(Written::Ndjson, &found.records),
        Format::Csv => write(Written::Csv, &found.records),
        Format::Table => table(&found.records, &span.zone),
    }
    if found.more {
        anstream::eprintln!("there are more: raise --limit (now {}), or use `traces export`", args.limit);
    }
    if found.circle {
        anstream::eprintln!(
            "warning: the cloud's markers lead in a circle: not all traces may be listed; ask for less time at once \
             (`--from`, `--to`)"
        );
        return Ok(ExitCode::from(BAD));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(written: Written, records: &[Record]) {
    let mut out = written.head();
    for (at, record) in records.iter().enumerate() {
        written.record(record, at == 0, &mut out);
    }
    terminal::print_exactly(&out);
}

fn table(records: &[Record], zone: &TimeZone) {
    if records.is_empty() {
        return print("no traces\n");
    }
    let mut shown = COLUMNS;
    shown[0].least = time::shown(clock::now(), zone).len();
    let rows: Vec<Vec<String>> = records.iter().map(|record| row(record, zone)).collect();
    let fitted = columns::fit(&shown, &rows, terminal::columns());
    print(&fitted.text);
    if !fitted.hidden.is_empty() {
        let hidden = fitted.hidden.join(", ").to_lowercase();
        anstream::eprintln!("no room for: {hidden} (a wider terminal shows them, or `--output json`)");
    }
}

fn row(record: &Record, zone: &TimeZone) -> Vec<String> {
    match record {
        Record::Trace(trace) => cells(trace, zone),
        Record::Undecodable { id, reason, .. } => {
            let unreadable = visible(&format!("(unreadable: {reason})"));
            let none = || "-".to_owned();
            vec![none(), none(), none(), unreadable, none(), none(), none(), visible(id)]
        }
    }
}

fn cells(trace: &Trace, zone: &TimeZone) -> Vec<String> {
    let or_none = |text: Option<&str>| visible(text.filter(|text| !text.is_empty()).unwrap_or("-"));
    let resource = &trace.resource;
    let named = [&resource.kind, &resource.name].into_iter().flatten().map(String::as_str).collect::<Vec<_>>();
    let named = if named.is_empty() { resource.id.clone().unwrap_or_default() } else { named.join(" ") };
    vec![
        time::shown(trace.time, zone),
        or_none(Some(trace.rating.as_str())),
        or_none(Some(&trace.service)),
        or_none(Some(&trace.operation)),
        or_none(Some(&named)),
        or_none(trace.actor.name.as_deref().or(trace.actor.id.as_deref())),
        or_none(trace.source_ip.as_deref()),
        or_none(Some(&trace.id)),
    ]
}
