//! `tracebell status`: the accounting identity, the lag and the endpoints, read beside a running Tracebell.

use std::{path::PathBuf, process::ExitCode};

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use super::{
    BAD, ConfigArg, OUTSIDE, Output, USAGE,
    terminal::{columns, print_json},
};
use crate::{
    clock::{self, Timestamp},
    config,
    delivery::Pause,
    document,
    endpoint::answer::in_words,
    render::facts,
    store::{Accounting, DelayRow, EndpointState, Sqlite, Store, StoreError},
};

mod gaps;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    state: StateArg,
    /// How to print it
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    output: Output,
}

/// Whose state is looked at.
#[derive(Debug, clap::Args)]
pub(super) struct StateArg {
    /// The state file; without it, `state` of the configuration
    #[arg(long, value_name = "FILE")]
    state_file: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const ALARM: Style = AnsiColor::Red.on_default().bold();

/// How far back delays are told.
const WEEK: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let path = match args.state.path() {
        Ok(path) => path,
        Err(code) => return Ok(code),
    };
    let store = match Sqlite::open_read(&path).await {
        Ok(store) => store,
        Err(error) => return Ok(failed(&error)),
    };
    let now = clock::now();
    let read = async {
        let delays = store.delays(clock::minus(now, WEEK)).await?;
        let (accounting, endpoints) = (store.accounting().await?, store.endpoints().await?);
        let gaps = gaps::load(&store, &accounting).await?;
        Ok::<_, StoreError>((accounting, endpoints, delays, gaps))
    }
    .await;
    store.close().await;
    let (accounting, endpoints, delays, gaps) = match read {
        Ok(read) => read,
        Err(error) => return Ok(failed(&error)),
    };
    match args.output {
        Output::Table => {
            gaps.show(now);
            show(&accounting, &endpoints, now);
            show_delays(&delays);
        }
        Output::Json => {
            let mut shown = as_json(&accounting, &endpoints);
            shown["delays"] = delays.iter().map(delay_as_json).collect();
            shown["gaps"] = gaps.as_json();
            print_json(&shown);
        }
    }
    Ok(if holds(&accounting) { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}

impl StateArg {
    /// Where the configuration is.
    pub(super) fn config(&self) -> &std::path::Path {
        &self.config.config
    }

    /// The file, or the exit code after every problem of the configuration was told. A secret that is
    /// missing in this shell does not matter here.
    pub(super) fn path(&self) -> Result<PathBuf, ExitCode> {
        if let Some(path) = &self.state_file {
            return Ok(path.clone());
        }
        let loaded = config::load(&self.config.config);
        loaded.state.clone().ok_or_else(|| {
            for problem in &loaded.problems {
                anstream::eprintln!("{}", document::draw::line(problem, &loaded.files));
            }
            ExitCode::from(USAGE)
        })
    }
}

/// Tells the error; a refused file is a mistake of the caller, anything else the world's.
pub(super) fn failed(error: &StoreError) -> ExitCode {
    anstream::eprintln!("error: {error}");
    ExitCode::from(if matches!(error, StoreError::Refused { .. }) { USAGE } else { OUTSIDE })
}

pub(super) fn holds(accounting: &Accounting) -> bool {
    accounting.sources.iter().all(|source| source.balanced())
        && accounting.subscriptions.iter().all(|subscription| subscription.balanced())
}

pub(super) fn show(accounting: &Accounting, endpoints: &[EndpointState], now: Timestamp) {
    if accounting.sources.is_empty() {
        say!("Nothing was read yet.\n");
    } else {
        sources(accounting, now);
    }
    if !accounting.subscriptions.is_empty() {
        subscriptions(accounting);
    }
    if !accounting.windows.is_empty() {
        windows(accounting);
    }
    if !endpoints.is_empty() {
        show_endpoints(endpoints, now);
    }
}

fn sources(accounting: &Accounting, now: Timestamp) {
    let rows = accounting.sources.iter().map(|source| {
        let counts = &source.counts;
        let numbers =
            [counts.fetched, counts.duplicate, counts.undecodable, counts.evaluated, counts.unmatched, counts.matched];
        let mut row = vec![source.source.clone()];
        row.extend(numbers.map(|number| number.to_string()));
        row
    });
    let header = ["source", "fetched", "duplicate", "undecodable", "evaluated", "unmatched", "matched"];
    print_table("Traces", &header, 1..7, rows);
    let counts = || accounting.sources.iter().map(|source| &source.counts);
    let read = counts().all(|counts| counts.fetched == counts.duplicate + counts.undecodable + counts.evaluated);
    let judged = counts().all(|counts| counts.evaluated == counts.unmatched + counts.matched);
    verdict("fetched = duplicate + undecodable + evaluated", read);
    verdict("evaluated = unmatched + matched", judged);
    match accounting.quarantined {
        0 => {}
        1 => say!("  1 record could not be read and is kept in quarantine"),
        many => say!("  {many} records could not be read and are kept in quarantine"),
    }
    say!();

    let rows = accounting.sources.iter().map(|source| {
        let (read_to, lag) = match &source.checkpoint {
            Some(checkpoint) => {
                (facts::when(checkpoint.watermark), clock::in_words(clock::since(checkpoint.watermark, now)))
            }
            None => ("no complete read yet".to_owned(), "-".to_owned()),
        };
        vec![source.source.clone(), read_to, lag, source.gaps.to_string(), source.filled.to_string()]
    });
    print_table("Reading", &["source", "complete up to", "lag", "open gaps", "filled gaps"], 3..5, rows);
    say!();
}

fn subscriptions(accounting: &Accounting) {
    let rows = accounting.subscriptions.iter().map(|account| {
        let numbers =
            [account.owed, account.delivered, account.summarised, account.suppressed, account.pending, account.dead];
        let mut row = vec![account.subscription.clone()];
        row.extend(numbers.map(|number| number.to_string()));
        row
    });
    let header = ["subscription", "owed", "delivered", "summarised", "suppressed", "pending", "dead"];
    print_table("Alerts and repeats", &header, 1..7, rows);
    let holds = accounting.subscriptions.iter().all(|account| account.balanced());
    verdict("owed = delivered + summarised + suppressed + pending + dead", holds);
    say!();
}

fn windows(accounting: &Accounting) {
    let rows = accounting
        .windows
        .iter()
        .map(|window| vec![window.rule.clone(), window.keys.to_string(), window.evicted.to_string()]);
    print_table("What rules remember", &["rule", "keys", "evicted"], 1..3, rows);
    if accounting.windows.iter().any(|window| window.evicted > 0) {
        say!("  evicted keys gave way to newer ones: the rule counts by a field with too many values");
    }
    say!();
}

fn show_endpoints(endpoints: &[EndpointState], now: Timestamp) {
    let rows = endpoints.iter().map(|state| {
        let oldest = state.oldest.map_or_else(|| "-".to_owned(), |oldest| ago(oldest, now));
        vec![
            state.endpoint.clone(),
            state.ready.to_string(),
            state.dead.to_string(),
            oldest,
            plain(&standing(state, now)),
        ]
    });
    print_table("Endpoints", &["endpoint", "waiting", "dead", "oldest", "standing"], 1..3, rows);
}

/// By the way that traces came; one that nothing came by is left out.
fn show_delays(delays: &[DelayRow]) {
    if delays.is_empty() {
        return;
    }
    let rows = delays.iter().map(|row| {
        let part = |part| row.spread.quantile(part).map_or_else(|| "-".to_owned(), clock::in_words);
        let count = row.spread.count().to_string();
        vec![row.source.clone(), row.way.as_str().to_owned(), count, part(0.5), part(0.99)]
    });
    say!();
    print_table(
        "From record to store, this week",
        &["source", "path", "traces", "half within", "99 % within"],
        2..3,
        rows,
    );
}

fn delay_as_json(row: &DelayRow) -> serde_json::Value {
    let seconds = |part| row.spread.quantile(part).map(|took| took.as_secs_f64());
    json!({
        "source": row.source,
        "path": row.way.as_str(),
        "traces": row.spread.count(),
        "p50_seconds": seconds(0.5),
        "p99_seconds": seconds(0.99),
    })
}

fn standing(state: &EndpointState, now: Timestamp) -> String {
    let reason =
        state.last_reason.as_deref().map_or_else(|| "no reason given".to_owned(), |reason| in_words(reason).to_owned());
    if let Some(Pause { reason, fix }) = state.trouble.as_ref().and_then(|trouble| trouble.paused.as_ref()) {
        return format!("paused: {reason}; {fix}");
    }
    match (state.hold_until, state.failures) {
        (Some(until), _) if until > now => format!("held, again {}: {reason}", ago(until, now)),
        (_, 0) => "well".to_owned(),
        (_, 1) => format!("last attempt failed: {reason}"),
        (_, failures) => format!("last {failures} attempts failed: {reason}"),
    }
}

fn verdict(identity: &str, holds: bool) {
    let (style, words) = if holds { (GOOD, "holds") } else { (ALARM, "DOES NOT HOLD") };
    say!("  {identity}: {style}{words}{style:#}");
}

/// An aligned table under a title, as wide as the terminal allows; the columns in `numbers` are aligned right.
pub(super) fn print_table(
    title: &str,
    header: &[&str],
    numbers: std::ops::Range<usize>,
    rows: impl Iterator<Item = Vec<String>>,
) {
    let mut rows: Vec<Vec<String>> = rows.collect();
    if let Some(columns) = columns() {
        fit(header, &mut rows, columns);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    table.add_rows(rows);
    for index in numbers {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    say!("{BOLD}{title}{BOLD:#}");
    for line in table.lines() {
        say!(" {}", line.trim_end());
    }
}

/// A column is not cut to less than this.
const NARROWEST: usize = 16;

/// Cuts the widest columns until a row fits into one line of the terminal.
fn fit(header: &[&str], rows: &mut [Vec<String>], columns: usize) {
    let length = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = header.iter().map(|name| length(name)).collect();
    for row in rows.iter() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(cell));
        }
    }
    // A blank on each side of a cell, and one before the table.
    while widths.iter().map(|width| width + 2).sum::<usize>() + 1 > columns {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => break,
        }
    }
    for row in rows {
        for (cell, width) in row.iter_mut().zip(&widths) {
            *cell = cut(cell, *width);
        }
    }
}

/// One line of at most `limit` characters.
pub(super) fn cut(text: &str, limit: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= limit {
        text
    } else {
        text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
    }
}

/// `4 min ago`, `in 3 s`: the largest unit is enough.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> String {
    let about = |duration| clock::in_words(duration).split(' ').take(2).collect::<Vec<_>>().join(" ");
    if time > now {
        format!("in {}", about(clock::since(now, time)))
    } else {
        format!("{} ago", about(clock::since(time, now)))
    }
}

/// One line that cannot steer a terminal, whatever an endpoint or a trace put into it.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_format(c) { ' ' } else { c }).collect()
}

/// Characters that reorder or hide text.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn as_json(accounting: &Accounting, endpoints: &[EndpointState]) -> serde_json::Value {
    let sources: Vec<_> = accounting
        .sources
        .iter()
        .map(|source| {
            let counts = &source.counts;
            json!({
                "source": source.source,
                "fetched": counts.fetched,
                "duplicate": counts.duplicate,
                "undecodable": counts.undecodable,
                "evaluated": counts.evaluated,
                "unmatched": counts.unmatched,
                "matched": counts.matched,
                "gaps": source.gaps,
                "gaps_filled": source.filled,
                "watermark": source.checkpoint.as_ref().map(|checkpoint| checkpoint.watermark),
                "holds": source.balanced(),
            })
        })
        .collect();
    let subscriptions: Vec<_> = accounting
        .subscriptions
        .iter()
        .map(|account| {
            json!({
                "subscription": account.subscription,
                "owed": account.owed,
                "delivered": account.delivered,
                "summarised": account.summarised,
                "suppressed": account.suppressed,
                "pending": account.pending,
                "dead": account.dead,
                "holds": account.balanced(),
            })
        })
        .collect();
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|state| {
            json!({
                "endpoint": state.endpoint,
                "ready": state.ready,
                "dead": state.dead,
                "oldest": state.oldest,
                "hold_until": state.hold_until,
                "failures": state.failures,
                "last_reason": state.last_reason,
                "overflow_at": state.overflow_at,
            })
        })
        .collect();
    let windows: Vec<_> = accounting
        .windows
        .iter()
        .map(|window| json!({ "rule": window.rule, "keys": window.keys, "evicted": window.evicted }))
        .collect();
    json!({
        "holds": holds(accounting),
        "sources": sources,
        "subscriptions": subscriptions,
        "endpoints": endpoints,
        "quarantined": accounting.quarantined,
        "windows": windows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(columns: usize, expected: [&str; 3]) {
        let mut rows =
            vec![vec!["id".to_owned(), "a title that is long".to_owned(), "an answer that is longer".to_owned()]];
        fit(&["id", "title", "answer"], &mut rows, columns);
        assert_eq!(rows[0], expected);
    }

    #[test]
    fn the_widest_columns_are_cut_first() {
        check(60, ["id", "a title that is long", "an answer that is longer"]);
        check(51, ["id", "a title that is long", "an answer that is lon…"]);
        check(20, ["id", "a title that is…", "an answer that …"]);
    }

    #[test]
    fn times_are_told_in_one_unit() {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        assert_eq!(ago(at(0), at(725)), "12 min ago");
        assert_eq!(ago(at(9), at(0)), "in 9 s");
    }
}
