//! `tracebell delivery`: what is owed, what became of it; another try for what was given up, or none.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{
    BAD, Output,
    status::{BOLD, StateArg, ago, cut, failed, plain, print_table},
    terminal::{columns, print_json, wrap},
};
use crate::{
    clock::{self, Timestamp},
    delivery::{Cause, State},
    endpoint::answer::in_words,
    notification::{AlertFacts, Notification},
    render::facts::when,
    store::{AttemptRow, DeliveryFilter, DeliveryRow, Sqlite, Store, StoreError},
};

mod pick;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show deliveries, newest first
    List(ListArgs),
    /// Show one delivery and its attempts
    Show(ShowArgs),
    /// Send dead or cancelled deliveries once more, with the same id and body
    Retry(pick::RetryArgs),
    /// Call off deliveries that are ready, held or dead
    Cancel(pick::CancelArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only those for this endpoint
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Only those in this state: ready, leased, delivered, held, folded, dead or cancelled
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<State>,
    /// Only those that wait to be told together with others
    #[arg(long, conflicts_with = "state")]
    held: bool,
    #[command(flatten)]
    made: pick::Made,
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
    /// The delivery's id; its beginning is enough
    id: String,
    #[command(flatten)]
    file: StateArg,
    /// How to print it
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    output: Output,
}

fn parse_state(word: &str) -> Result<State, String> {
    State::parse(word).ok_or_else(|| format!("expected one of {}", State::ALL.map(State::as_str).join(", ")))
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (file, writes) = match &args.command {
        Command::List(args) => (&args.file, false),
        Command::Show(args) => (&args.file, false),
        Command::Retry(args) => (&args.file, true),
        Command::Cancel(args) => (&args.file, true),
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
    let done = match args.command {
        Command::List(args) => list(&store, args).await,
        Command::Show(args) => show(&store, args).await,
        Command::Retry(args) => pick::retry(&store, args).await,
        Command::Cancel(args) => pick::cancel(&store, args).await,
    };
    store.close().await;
    Ok(done.unwrap_or_else(|error| failed(&error)))
}

async fn list(store: &Sqlite, args: ListArgs) -> Result<ExitCode, StoreError> {
    let limit = args.limit as usize;
    // One more than shown tells whether there are more.
    let state = if args.held { Some(State::Held) } else { args.state };
    let pick::Made { since, until } = args.made;
    let filter = DeliveryFilter { endpoint: args.endpoint, state, since, until, limit: limit + 1 };
    let mut rows = store.deliveries(filter).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    if args.output == Output::Json {
        print_json(&json!(rows.iter().map(row_json).collect::<Vec<_>>()));
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        say!("No such deliveries.");
        return Ok(ExitCode::SUCCESS);
    }
    let now = clock::now();
    let mut header = vec!["id", "state", "severity", "endpoint", "made", "title"];
    // A narrow terminal shows what a delivery is; `show` has the rest.
    let wide = columns().is_none_or(|columns| columns >= WIDE);
    if wide {
        header.extend(["attempts", "last answer"]);
    }
    let lines = rows.iter().map(|row| {
        let delivery = &row.delivery;
        let mut line = vec![
            delivery.id.chars().take(SHORT_ID).collect(),
            row.state.to_string(),
            delivery.notification.severity.to_string(),
            plain(&delivery.endpoint),
            ago(delivery.created_at, now),
            cut(&delivery.notification.title, 60),
        ];
        if wide {
            let said = in_words(row.last_reason.as_deref().unwrap_or(""));
            line.extend([row.attempts.to_string(), cut(said, 40)]);
        }
        line
    });
    print_table("Deliveries", &header, 6..7, lines);
    if more {
        say!("\nThere are more than {limit}; see them with --limit, or fewer with --endpoint and --state.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Columns of the longest name of a fact.
const LABEL: usize = 12;
/// From this many columns on there is room for attempts and answers.
const WIDE: usize = 110;
/// Enough of an id to be the only one like it among millions.
pub(super) const SHORT_ID: usize = 16;

async fn show(store: &Sqlite, args: ShowArgs) -> Result<ExitCode, StoreError> {
    let Some((row, attempts)) = store.delivery(&args.id).await? else { return Ok(unknown(&args.id)) };
    if args.output == Output::Json {
        let mut shown = row_json(&row);
        shown["notification"] = json!(*row.delivery.notification);
        shown["body"] = json!(String::from_utf8_lossy(&row.delivery.body));
        shown["log"] = json!(attempts.iter().map(attempt_json).collect::<Vec<_>>());
        print_json(&shown);
        return Ok(ExitCode::SUCCESS);
    }
    let now = clock::now();
    let room = columns().map_or(usize::MAX, |columns| columns.saturating_sub(LABEL + 2).max(LABEL));
    for (name, value) in facts(&row, now) {
        for (index, line) in wrap(&plain(&value), room).iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            say!("{BOLD}{name:>LABEL$}{BOLD:#}  {line}");
        }
    }
    say!();
    if attempts.is_empty() {
        say!("No attempt was recorded.");
        return Ok(ExitCode::SUCCESS);
    }
    let lines = attempts.iter().map(|attempt| {
        vec![
            attempt.attempt.to_string(),
            ago(attempt.started_at, now),
            clock::in_words(attempt.took),
            attempt.outcome.clone(),
            cut(in_words(&attempt.reason), 100),
        ]
    });
    print_table("Attempts", &["#", "when", "took", "outcome", "answer"], 0..1, lines);
    Ok(ExitCode::SUCCESS)
}

/// What is known of a delivery, in the order in which a person asks.
fn facts(row: &DeliveryRow, now: Timestamp) -> Vec<(&'static str, String)> {
    let delivery = &row.delivery;
    let notification = &delivery.notification;
    let mut facts = vec![
        ("delivery", delivery.id.clone()),
        ("state", standing(row, now)),
        ("endpoint", format!("{}, subscription {}", delivery.endpoint, delivery.subscription)),
        ("made", format!("{}, {}", ago(delivery.created_at, now), when(delivery.created_at))),
        ("attempts", row.attempts.to_string()),
    ];
    if let Some(reason) = &row.last_reason {
        facts.push(("last answer", in_words(reason).to_owned()));
    }
    facts.push(("cause", cause(&delivery.cause)));
    match delivery.covers {
        // Tracebell speaks about itself, or a person asked for a test.
        0 => {}
        1 => facts.push(("stands for", "1 alert or repeat".to_owned())),
        many => facts.push(("stands for", format!("{many} alerts and repeats"))),
    }
    facts.push(("severity", notification.severity.to_string()));
    facts.push(("title", notification.title.clone()));
    told(notification, &mut facts);
    facts
}

pub(super) fn standing(row: &DeliveryRow, now: Timestamp) -> String {
    let since = row.finished_at.map_or_else(String::new, |time| format!(", {}", ago(time, now)));
    match row.state {
        State::Ready => match row.next_at {
            Some(next) if next > now => format!("ready, next attempt {}", ago(next, now)),
            _ => "ready, due now".to_owned(),
        },
        State::Leased => "leased, an attempt is under way".to_owned(),
        State::Delivered => format!("delivered{since}"),
        State::Held => {
            let until = row.delivery.hold.as_ref().map_or_else(String::new, |hold| ago(hold.until, now));
            format!("held, told together with others {until}")
        }
        State::Cancelled => format!("cancelled by a person{since}; `tracebell delivery retry` brings it back"),
        State::Folded => format!("folded into {}{since}", row.folded_into.as_deref().unwrap_or("a summary")),
        State::Dead => format!("dead{since}; `tracebell delivery retry` sends it once more"),
    }
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Alert(alert) => format!("alert {alert} opened or got worse"),
        Cause::WindowClosed(alert) => format!("the window of alert {alert} closed"),
        Cause::Held(kind) => format!("what was held back by {} is told", kind.as_str()),
        Cause::Repeated(alert) => format!("the count of alert {alert} grew"),
        Cause::Silenced(silence) => format!("silence {silence} began or ended"),
        Cause::Overflow => "too many deliveries for the endpoint's rate limit".to_owned(),
        Cause::Notice => "Tracebell itself".to_owned(),
        Cause::Fallback(delivery) => format!("copy of {delivery}, which its endpoint did not take"),
        Cause::Test => "a person asked for a test".to_owned(),
    }
}

fn told(notification: &Notification, facts: &mut Vec<(&'static str, String)>) {
    let optional = [("why", &notification.why), ("runbook", &notification.runbook)];
    facts.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    if !notification.source.is_empty() {
        facts.push(("source", notification.source.clone()));
    }
    facts.extend(crate::render::facts::worse(notification).map(|worse| ("got worse", worse)));
    if let Some(alert) = &notification.alert {
        told_of_alert(alert, facts);
    }
    if let Some(gathered) = &notification.gathered {
        facts.push(("tells of", format!("{} alerts and repeats", gathered.total)));
        let counted = |list: &[(String, u64)]| {
            list.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
        };
        facts.push(("rules", counted(&gathered.by_rule)));
        facts.push(("actors", counted(&gathered.by_actor)));
        facts.extend(gathered.titles.iter().map(|title| ("such as", title.clone())));
    }
    facts.extend(notification.lines.iter().map(|line| ("", line.clone())));
}

fn told_of_alert(alert: &AlertFacts, facts: &mut Vec<(&'static str, String)>) {
    let trace = &alert.trace;
    facts.push(("rule", alert.rule.clone()));
    facts.push((
        "matches",
        if alert.count > 1 {
            format!("{} within {}", alert.count, clock::in_words(alert.span))
        } else {
            "1".to_owned()
        },
    ));
    facts.push(("actor", trace.actor_label().to_owned()));
    facts.push(("operation", format!("{} {} ({})", trace.service, trace.operation, trace.outcome().as_str())));
    facts.push(("resource", trace.resource_label().to_owned()));
    facts.push(("time", when(trace.time)));
    facts.extend(trace.source_ip.iter().map(|address| ("from", address.clone())));
    facts.extend(trace.region.iter().map(|region| ("region", region.clone())));
    facts.push(("trace", trace.id.clone()));
}

fn unknown(id: &str) -> ExitCode {
    anstream::eprintln!(
        "error: no delivery begins with `{}`, or more than one does; `tracebell delivery list` shows them",
        plain(id)
    );
    ExitCode::from(BAD)
}

fn row_json(row: &DeliveryRow) -> serde_json::Value {
    let delivery = &row.delivery;
    json!({
        "id": delivery.id,
        "subscription": delivery.subscription,
        "endpoint": delivery.endpoint,
        "severity": delivery.notification.severity,
        "title": delivery.notification.title,
        "cause": delivery.cause,
        "covers": delivery.covers,
        "state": row.state.as_str(),
        "attempts": row.attempts,
        "created_at": delivery.created_at,
        "next_at": row.next_at,
        "finished_at": row.finished_at,
        "folded_into": row.folded_into,
        "last_reason": row.last_reason,
    })
}

fn attempt_json(attempt: &AttemptRow) -> serde_json::Value {
    json!({
        "attempt": attempt.attempt,
        "started_at": attempt.started_at,
        "took_seconds": attempt.took.as_secs_f64(),
        "outcome": attempt.outcome,
        "reason": attempt.reason,
    })
}
