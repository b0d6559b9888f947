//! `tracebell alert`: what rang, and what became of it.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{
    BAD, Output,
    delivery::{SHORT_ID, standing},
    status::{BOLD, StateArg, ago, cut, failed, plain, print_table},
    terminal::{columns, print_json, wrap},
};
use crate::{
    alert::{Alert, Severity},
    clock::{self, Timestamp},
    endpoint::answer::in_words,
    http::api::{alert_json, listed_json},
    notification::Notification,
    render::facts::{self, when},
    store::{AlertFilter, AlertRow, History, Muted, MutedFilter, Sqlite, Store, StoreError},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show alerts, newest first
    List(ListArgs),
    /// Show one alert: its traces, who was told, and what muted it
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only those of this rule
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Only those at least as bad: info, low, medium, high or critical
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity)]
    at_least: Option<Severity>,
    /// Only those whose window is open
    #[arg(long)]
    open: bool,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    file: StateArg,
    /// How to print it
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The alert's id; its beginning is enough
    id: String,
    #[command(flatten)]
    file: StateArg,
    /// How to print it
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    output: Output,
}

/// What limits nothing that a person reads.
const MUTED: usize = 100;
/// Columns of the longest name of a fact.
const LABEL: usize = 12;

fn parse_severity(word: &str) -> Result<Severity, String> {
    Severity::parse(word).ok_or_else(|| format!("expected one of {}", Severity::ALL.map(Severity::as_str).join(", ")))
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = match &args.command {
        Command::List(args) => &args.file,
        Command::Show(args) => &args.file,
    };
    let path = match file.path() {
        Ok(path) => path,
        Err(code) => return Ok(code),
    };
    let store = match Sqlite::open_read(&path).await {
        Ok(store) => store,
        Err(error) => return Ok(failed(&error)),
    };
    let done = match args.command {
        Command::List(args) => list(&store, args).await,
        Command::Show(args) => show(&store, args).await,
    };
    store.close().await;
    Ok(done.unwrap_or_else(|error| failed(&error)))
}

async fn list(store: &Sqlite, args: ListArgs) -> Result<ExitCode, StoreError> {
    let limit = args.limit as usize;
    // One more than shown tells whether there are more.
    let filter = AlertFilter { rule: args.rule, at_least: args.at_least, open: args.open, limit: limit + 1 };
    let mut rows = store.alerts(filter).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    if args.output == Output::Json {
        print_json(&json!(rows.iter().map(listed_json).collect::<Vec<_>>()));
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        say!("No such alerts.");
        return Ok(ExitCode::SUCCESS);
    }
    let now = clock::now();
    let lines = rows.iter().map(|AlertRow { alert, closed_at }| {
        vec![
            alert.id.chars().take(SHORT_ID).collect(),
            alert.severity.to_string(),
            ago(alert.opened_at, now),
            if closed_at.is_some() { "closed".to_owned() } else { "open".to_owned() },
            alert.count.to_string(),
            plain(&alert.rule),
            cut(&alert.title, 80),
        ]
    });
    print_table("Alerts", &["id", "severity", "opened", "window", "traces", "rule", "title"], 4..5, lines);
    if more {
        say!("\nThere are more than {limit}; see them with --limit, or fewer with --rule, --at-least and --open.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &Sqlite, args: ShowArgs) -> Result<ExitCode, StoreError> {
    let Some(alert) = store.alert(&args.id).await? else {
        anstream::eprintln!(
            "error: no alert begins with `{}`, or more than one does; `tracebell alert list` shows them",
            plain(&args.id)
        );
        return Ok(ExitCode::from(BAD));
    };
    let history = store.alert_history(&alert.id).await?;
    let filter = MutedFilter { alert: Some(alert.id.clone()), limit: MUTED, ..MutedFilter::default() };
    let muted = store.muted(filter).await?;
    if args.output == Output::Json {
        print_json(&alert_json(&AlertRow { alert, closed_at: history.closed_at }, &history, &muted));
        return Ok(ExitCode::SUCCESS);
    }
    let now = clock::now();
    let room = columns().map_or(usize::MAX, |columns| columns.saturating_sub(LABEL + 2).max(LABEL));
    for (name, value) in told(&alert, &history, now) {
        for (index, line) in wrap(&plain(&value), room).iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            say!("{BOLD}{name:>LABEL$}{BOLD:#}  {line}");
        }
    }
    say!();
    deliveries(&history, now);
    kept(&muted, now);
    traces(&history, now);
    Ok(ExitCode::SUCCESS)
}

/// What it is, in the order in which a person asks.
fn told(alert: &Alert, history: &History, now: Timestamp) -> Vec<(&'static str, String)> {
    let notification = Notification::summary(alert, now);
    let mut lines = vec![
        ("alert", alert.id.clone()),
        ("severity", alert.severity.to_string()),
        ("title", facts::title(&notification)),
    ];
    lines.extend(facts::repeats(&notification).map(|words| ("matches", words)));
    lines.extend(facts::why(&notification).map(|why| ("why", why)));
    let facts = facts::facts(&notification, &jiff::tz::TimeZone::UTC);
    lines.extend(facts.into_iter().map(|fact| (lower(fact.label), fact.value)));
    lines.extend(alert.runbook.clone().map(|runbook| ("runbook", runbook)));
    lines.push(("rule", alert.rule.clone()));
    lines.push(("source", alert.source.clone()));
    lines.push(("opened", format!("{}, {}", ago(alert.opened_at, now), when(alert.opened_at))));
    lines.push(match history.closed_at {
        Some(time) => ("closed", format!("{}, {}", ago(time, now), when(time))),
        None => ("open until", format!("{}, {}", when(alert.closes_at), ago(alert.closes_at, now))),
    });
    if alert.shadow {
        lines.push(("sent", "nothing: its rule is in shadow mode".to_owned()));
    }
    lines
}

/// Labels of messages begin with a capital.
fn lower(label: &'static str) -> &'static str {
    match label {
        "Who" => "who",
        "What" => "what",
        "Resource" => "resource",
        "From" => "from",
        "Project" => "project",
        "When" => "when",
        "First" => "first",
        "Newest" => "newest",
        "Grouped by" => "grouped by",
        "What to do" => "what to do",
        other => other,
    }
}

fn deliveries(history: &History, now: Timestamp) {
    if history.deliveries.is_empty() {
        say!("Nobody was sent anything.\n");
        return;
    }
    let lines = history.deliveries.iter().map(|(row, attempts)| {
        vec![
            row.delivery.id.chars().take(SHORT_ID).collect(),
            plain(&row.delivery.endpoint),
            row.delivery.notification.kind.as_str().to_owned(),
            cut(&standing(row, now), 80),
            row.attempts.to_string(),
            attempts.last().map_or_else(String::new, |attempt| cut(in_words(&attempt.reason), 60)),
        ]
    });
    print_table("Who was told", &["delivery", "endpoint", "kind", "state", "attempts", "last answer"], 4..5, lines);
    say!();
}

fn kept(muted: &[Muted], now: Timestamp) {
    if muted.is_empty() {
        return;
    }
    let lines = muted.iter().map(|muted| {
        let whom = muted.subscription.as_deref().map_or_else(|| "everybody".to_owned(), plain);
        vec![ago(muted.at, now), muted.count.to_string(), whom, cut(&muted.by.reason, 120)]
    });
    print_table("What kept it from people", &["when", "traces", "from", "by"], 1..2, lines);
    say!();
}

fn traces(history: &History, now: Timestamp) {
    if history.traces.is_empty() {
        say!("The ledger holds none of its traces any more.");
        return;
    }
    let left_out = history.traces_total.saturating_sub(history.traces.len() as u64);
    let middle = if left_out > 0 { history.traces.len() / 2 } else { 0 };
    let mut lines = Vec::new();
    for (at, line) in history.traces.iter().enumerate() {
        if middle > 0 && at == middle {
            lines.push(vec![String::new(), format!("{left_out} more"), String::new(), String::new()]);
        }
        let reason = line.reason.as_deref().unwrap_or_default();
        lines.push(vec![ago(line.time, now), line.verdict.clone(), plain(&line.trace), cut(reason, 100)]);
    }
    print_table("Its traces", &["when", "verdict", "trace", "reason"], 0..0, lines.into_iter());
}
