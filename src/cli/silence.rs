//! `tracebell silence`: keep alerts from people for a while, and see what was kept from them.

use std::{process::ExitCode, time::Duration};

use clap::Subcommand;
use jiff::SpanRelativeTo;

use super::{
    BAD, Output, USAGE,
    status::{StateArg, failed, plain},
    terminal,
};
use crate::{
    clock::{self, Timestamp},
    silence::{Draft, Matcher, Silence, Standing, like},
    store::{SilenceFilter, Sqlite, Store, StoreError},
};

mod show;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Silence what matches, from the next page on
    Add(Box<AddArgs>),
    /// Show silences, those that end last first
    List(ListArgs),
    /// Show one silence and what it swallowed
    Show(OneArgs),
    /// End a silence now
    Expire(OneArgs),
    /// Find silences that should be looked at again
    Report(ReportArgs),
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// What to silence: field=value, field!=value, field=~regex or field!~regex; all of them have to hold
    #[arg(long = "match", value_name = "MATCHER", required_unless_present = "alert")]
    matchers: Vec<String>,
    /// More of the same as this alert: its rule and its key
    #[arg(long, value_name = "ALERT_ID", conflicts_with = "matchers")]
    alert: Option<String>,
    /// How long from its start: 2h, 7d
    #[arg(long = "for", value_name = "DURATION", required_unless_present = "until")]
    lasts: Option<String>,
    /// When it ends, instead of --for: 2026-01-15T08:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "lasts")]
    until: Option<String>,
    /// When it begins; without it, now
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Why nobody has to hear of these alerts
    #[arg(long, value_name = "TEXT")]
    comment: String,
    /// Who is to be asked about it; without it, the login name
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    #[command(flatten)]
    file: StateArg,
    /// How to print it
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only those that are active, pending or expired; without it, all but the expired
    #[arg(long, value_name = "STATE", value_parser = parse_standing)]
    state: Option<Standing>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    file: StateArg,
    /// How to print it
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct OneArgs {
    /// The silence's id; its beginning is enough
    id: String,
    #[command(flatten)]
    file: StateArg,
    /// How to print it
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct ReportArgs {
    #[command(flatten)]
    file: StateArg,
    /// How to print it
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    output: Output,
}

fn parse_standing(word: &str) -> Result<Standing, String> {
    Standing::parse(word).ok_or_else(|| format!("expected one of {}", Standing::ALL.map(Standing::as_str).join(", ")))
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (file, writes) = match &args.command {
        Command::Add(args) => (&args.file, true),
        Command::List(args) => (&args.file, false),
        Command::Show(args) => (&args.file, false),
        Command::Expire(args) => (&args.file, true),
        Command::Report(args) => (&args.file, false),
    };
    let path = match file.path() {
        Ok(path) => path,
        Err(code) => return Ok(code),
    };
    let opened = if writes { Sqlite::open_beside(&path).await } else { Sqlite::open_read(&path).await };
    let store = match opened {
        Ok(store) => store,
        Err(error) => return Ok(failed(&error)),
    };
    let now = clock::now();
    let done = match args.command {
        Command::Add(args) => add(&store, *args, now).await,
        Command::List(args) => list(&store, args, now).await,
        Command::Show(args) => show::one(&store, &args.id, args.output, now).await,
        Command::Expire(args) => expire(&store, args, now).await,
        Command::Report(args) => show::report(&store, args.output, now).await,
    };
    store.close().await;
    Ok(done.unwrap_or_else(|error| failed(&error)))
}

async fn add(store: &Sqlite, args: AddArgs, now: Timestamp) -> Result<ExitCode, StoreError> {
    let mut problems = Vec::new();
    let mut matchers = Vec::new();
    for text in &args.matchers {
        match Matcher::parse(text) {
            Ok(matcher) => matchers.push(matcher),
            Err(problem) => problems.push(format!("--match: {problem}")),
        }
    }
    if let Some(id) = &args.alert {
        match store.alert(id).await? {
            Some(alert) => matchers = like(&alert),
            None => problems.push(format!("--alert: no alert begins with `{id}`, or more than one does")),
        }
    }
    let starts_at = args.from.as_deref().map_or(Ok(now), |text| time("--from", text));
    let ends_at = match (&args.lasts, &args.until, &starts_at) {
        (Some(lasts), _, Ok(starts_at)) => duration(lasts).map(|lasts| clock::plus(*starts_at, lasts)),
        (Some(lasts), _, Err(_)) => duration(lasts).map(|_| now),
        (None, until, _) => time("--until", until.as_deref().unwrap_or_default()),
    };
    let author = args.author.or_else(login);
    for problem in [starts_at.as_ref().err(), ends_at.as_ref().err()].into_iter().flatten() {
        problems.push(problem.clone());
    }
    let (Ok(starts_at), Ok(ends_at), true) = (starts_at, ends_at, problems.is_empty()) else {
        return Ok(usage(&problems));
    };
    let author = author.unwrap_or_default();
    let silence = match Silence::new(Draft { matchers, starts_at, ends_at, author, comment: args.comment }, now) {
        Ok(silence) => silence,
        Err(problems) => return Ok(usage(&problems)),
    };
    store.put_silence(silence.clone()).await?;
    let past = store.alerts_since(clock::minus(now, show::PAST), show::PAST_ALERTS).await?;
    show::added(&silence, &past, args.output, now);
    Ok(ExitCode::SUCCESS)
}

async fn list(store: &Sqlite, args: ListArgs, now: Timestamp) -> Result<ExitCode, StoreError> {
    let limit = args.limit as usize;
    let standings = args.state.map_or_else(|| vec![Standing::Active, Standing::Pending], |standing| vec![standing]);
    let mut rows = Vec::new();
    for standing in standings {
        let filter = SilenceFilter { standing: Some((standing, now)), limit: limit + 1, ..SilenceFilter::default() };
        rows.extend(store.silences(filter).await?);
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    show::list(&rows, args.output, now);
    if more && args.output == Output::Table {
        say!("\nThere are more than {limit}; see them with --limit, or fewer with --state.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn expire(store: &Sqlite, args: OneArgs, now: Timestamp) -> Result<ExitCode, StoreError> {
    let Some(row) = store.silence(&args.id).await? else { return Ok(show::unknown(&args.id)) };
    let id = &row.silence.id;
    if !store.expire_silence(id, now).await? {
        anstream::eprintln!("error: `{id}` is over since {}", crate::render::facts::when(row.silence.ended()));
        return Ok(ExitCode::from(BAD));
    }
    match args.output {
        Output::Json => {
            terminal::print_json(&serde_json::json!({ "id": id, "expired_at": now, "swallowed": row.swallowed }))
        }
        Output::Table => say!("{id} is over; it swallowed {}.", show::many(row.swallowed)),
    }
    Ok(ExitCode::SUCCESS)
}

fn usage(problems: &[String]) -> ExitCode {
    for problem in problems {
        anstream::eprintln!("error: {}", plain(problem));
    }
    ExitCode::from(USAGE)
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("--for: `{text}` is not a duration; write a number and a unit, such as `2h`, `30m` or `7d`");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero()).ok_or_else(wrong)
}

fn time(flag: &str, text: &str) -> Result<Timestamp, String> {
    let zoned = |at: jiff::civil::DateTime| at.to_zoned(jiff::tz::TimeZone::UTC).map(|at| at.timestamp());
    text.parse::<Timestamp>().or_else(|_| text.parse().and_then(zoned)).map_err(|_| {
        format!("{flag}: `{text}` is not a time; write `2026-01-15T08:00:00Z`, or `2026-01-15 08:00` for UTC")
    })
}

/// Who is logged in, as the shell says.
pub(super) fn login() -> Option<String> {
    ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.trim().is_empty()))
}
