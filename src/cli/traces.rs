//! `tracebell traces`: the cloud's trace list with its filters.

use std::{process::ExitCode, time::Duration};

use clap::{Subcommand, ValueEnum};
use jiff::{SpanRelativeTo, tz::TimeZone};

use super::{
    Output,
    tracker::{Cloud, failed, json, print, table, usage, visible},
};
use crate::{
    clock::{self, Timestamp},
    source::{
        Record,
        listing::{Listing, Query},
    },
    trace::Trace,
};

/// The cloud keeps this much.
pub(super) const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// What the console shows too.
const SINCE: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List traces, newest first
    List(Box<ListArgs>),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[arg(long)]
    rating: Option<RatingArg>,
    /// Service, for example IAM
    #[arg(long)]
    service: Option<String>,
    /// Operation, for example deleteUser (upper and lower case matter to the cloud)
    #[arg(long, alias = "trace-name")]
    operation: Option<String>,
    /// Name of the user who did it
    #[arg(long)]
    user: Option<String>,
    #[arg(long)]
    resource_type: Option<String>,
    #[arg(long)]
    resource_name: Option<String>,
    #[arg(long)]
    resource_id: Option<String>,
    /// One trace; the cloud then ignores every other filter
    #[arg(long)]
    trace_id: Option<String>,
    /// How far back, for example 2h, 30m, 7d (default: 1h)
    #[arg(long, conflicts_with = "from")]
    since: Option<String>,
    /// Begin: 2026-01-15T08:00:00Z, 2026-01-15 (UTC), or milliseconds since 1970
    #[arg(long)]
    from: Option<String>,
    /// End, written like the begin (default: now)
    #[arg(long)]
    to: Option<String>,
    /// At most so many traces
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    cloud: Cloud,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RatingArg {
    Normal,
    Warning,
    Incident,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Command::List(args) = args.command;
    Ok(list(*args).await.unwrap_or_else(|code| code))
}

/// An `Err` is the exit code of something that was already said.
async fn list(args: ListArgs) -> Result<ExitCode, ExitCode> {
    let now = clock::now();
    let (from, to) = window(&args, now).map_err(|problem| usage(&[problem]))?;
    let rating = args.rating.map(|rating| match rating {
        RatingArg::Normal => "normal".to_owned(),
        RatingArg::Warning => "warning".to_owned(),
        RatingArg::Incident => "incident".to_owned(),
    });
    let query = Query {
        from,
        to,
        limit: args.limit as usize,
        filters: [
            ("trace_rating", rating),
            ("service_type", args.service),
            ("trace_name", args.operation),
            ("user", args.user),
            ("resource_type", args.resource_type),
            ("resource_name", args.resource_name),
            ("resource_id", args.resource_id),
            ("trace_id", args.trace_id),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect(),
    };
    let credentials = args.cloud.credentials()?;
    let mut listing = Listing::new(&credentials, args.cloud.version()).map_err(|error| failed(&error))?;
    let found = listing.read(&query, now).await.map_err(|error| failed(&error))?;
    match args.cloud.output {
        Output::Json => print(&json(&found.records.iter().map(object).collect::<Vec<_>>())),
        Output::Table => {
            let rows = found.records.iter().map(row);
            let header = ["TIME", "RATING", "SERVICE", "OPERATION", "RESOURCE", "USER", "SOURCE IP", "TRACE ID"];
            match found.records.is_empty() {
                true => print("no traces\n"),
                false => print(&table(Some(&header), rows)),
            }
        }
    }
    if found.more {
        anstream::eprintln!("there are more: raise --limit (now {})", args.limit);
    }
    Ok(ExitCode::SUCCESS)
}

fn window(args: &ListArgs, now: Timestamp) -> Result<(Timestamp, Timestamp), String> {
    let to = args.to.as_deref().map_or(Ok(now), |text| time("--to", text))?;
    let from = match (&args.from, &args.since) {
        (Some(from), _) => time("--from", from)?,
        (None, Some(since)) => clock::minus(now, duration(since)?),
        (None, None) => clock::minus(to, SINCE),
    };
    if from >= to {
        return Err(format!("the window begins at {from} and ends at {to}; expected the begin before the end"));
    }
    // A minute of grace, so that `--since 7d` is not refused for the time it takes to type.
    if clock::since(from, now) > RETENTION + Duration::from_secs(60) {
        return Err(format!("the window begins at {from}; the cloud keeps traces for 7 days only"));
    }
    Ok((from, to))
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`--since` is `{text}`; expected a duration such as `2h`, `30m` or `7d`");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero()).ok_or_else(wrong)
}

fn time(flag: &str, text: &str) -> Result<Timestamp, String> {
    if let Ok(ms) = text.parse::<i64>()
        && text.len() >= 12
        && let Ok(time) = Timestamp::from_millisecond(ms)
    {
        return Ok(time);
    }
    text.parse::<Timestamp>()
        .or_else(|_| text.parse::<jiff::civil::DateTime>()?.to_zoned(TimeZone::UTC).map(|time| time.timestamp()))
        .map_err(|_| {
            format!("`{flag}` is `{text}`; expected a time such as `2026-01-15T08:00:00Z`, or milliseconds since 1970")
        })
}

fn row(record: &Record) -> Vec<String> {
    match record {
        Record::Trace(trace) => cells(trace),
        Record::Undecodable { id, reason, .. } => {
            let unreadable = format!("(unreadable: {reason})");
            vec!["-".into(), "-".into(), "-".into(), cell(&unreadable), "-".into(), "-".into(), "-".into(), cell(id)]
        }
    }
}

fn cells(trace: &Trace) -> Vec<String> {
    let or_none = |text: Option<&str>| cell(text.filter(|text| !text.is_empty()).unwrap_or("-"));
    let resource = &trace.resource;
    let resource = [&resource.kind, &resource.name].into_iter().flatten().map(String::as_str).collect::<Vec<_>>();
    let resource = if resource.is_empty() { trace.resource.id.clone().unwrap_or_default() } else { resource.join(" ") };
    vec![
        trace.time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        or_none(Some(trace.rating.as_str())),
        or_none(Some(&trace.service)),
        or_none(Some(&trace.operation)),
        or_none(Some(&resource)),
        or_none(trace.actor.name.as_deref().or(trace.actor.id.as_deref())),
        or_none(trace.source_ip.as_deref()),
        or_none(Some(&trace.id)),
    ]
}

fn cell(text: &str) -> String {
    const WIDTH: usize = 48;
    let text = visible(text);
    if text.chars().count() <= WIDTH { text } else { text.chars().take(WIDTH - 1).chain(['…']).collect() }
}

fn object(record: &Record) -> serde_json::Value {
    match record {
        Record::Trace(trace) => serde_json::to_value(trace.as_ref()).expect("a trace can be written as JSON"),
        Record::Undecodable { id, raw, reason } => serde_json::json!({ "id": id, "undecodable": reason, "raw": raw }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_read_as_people_write_them() {
        for (text, seconds) in [("2h", 7200), ("30m", 1800), ("7d", 604_800), ("1h30m", 5400), ("90s", 90)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["", "5", "-2h", "0s", "soon", "1 month"] {
            assert!(duration(text).is_err_and(|error| error.contains("--since")), "{text}");
        }
        for text in ["2026-01-15T08:00:00Z", "2026-01-15T09:00:00+01:00", "2026-01-15T08:00:00", "1768464000000"] {
            assert_eq!(time("--from", text).unwrap().as_second(), 1_768_464_000, "{text}");
        }
        assert_eq!(time("--from", "2026-01-15").unwrap().as_second(), 1_768_435_200);
        for text in ["", "17", "yesterday", "2026-13-01"] {
            assert!(time("--to", text).is_err_and(|error| error.contains("--to")), "{text}");
        }
    }

    #[test]
    fn a_cell_shows_what_would_move_the_cursor() {
        assert_eq!(cell("a\u{1b}[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb\\nc\\u{202e}d");
        assert_eq!(cell(&"é".repeat(60)).chars().count(), 48);
    }
}
