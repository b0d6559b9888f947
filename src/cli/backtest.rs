//! `tracebell backtest`: rules against the real past. Reads only; nothing is stored, nothing is sent.

use std::{fs, path::PathBuf, process::ExitCode, sync::Arc};

use super::{BAD, OUTSIDE, USAGE, past::PastArgs, rules, rules::RulesArg, terminal};
use crate::{
    backtest::{Report, Routes, Trial, html, markdown, text},
    config::Config,
    trace::Trace,
};

/// Columns where no terminal says how many it has.
const WIDTH: usize = 110;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    past: PastArgs,
    #[command(flatten)]
    rules: RulesArg,
    /// The rules before: tell which alerts would be gained and lost, and why; exit code 1 if a critical one is lost
    #[arg(long, value_name = "PATH")]
    against: Vec<PathBuf>,
    /// How to print the report
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Write the report as one page for a browser, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    /// For a merge request
    Markdown,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    Ok(backtest(args).await.unwrap_or_else(|code| code))
}

/// An `Err` is the exit code of something that was already said.
async fn backtest(args: Args) -> Result<ExitCode, ExitCode> {
    let chosen = args.rules.load()?;
    let before = match args.against.as_slice() {
        [] => None,
        paths => Some(rules::from(paths)?),
    };
    let mut trial: Option<Trial<'_>> = None;
    let mut each = |traces: &[Arc<Trace>]| {
        let Some(first) = traces.first() else { return };
        trial.get_or_insert_with(|| Trial::new(&chosen.rules, before.as_ref(), first.time)).feed(traces);
    };
    let past = args.past.read(chosen.config.as_ref(), &mut each).await?;
    let Some(trial) = trial else {
        anstream::eprintln!("error: no traces in {}{}", past.read.from, past.unreadable());
        // Not 1: that says that a critical alert would be lost.
        return Err(ExitCode::from(USAGE));
    };
    let routes = chosen.config.as_ref().map(routes);
    let report = trial.finish(past.span, past.read, routes.as_ref());
    if let Some(path) = &args.html {
        fs::write(path, html::html(&report)).map_err(|error| {
            anstream::eprintln!("error: cannot write `{}`: {error}", path.display());
            ExitCode::from(OUTSIDE)
        })?;
    }
    match args.output {
        Format::Json => terminal::print_json(&report),
        Format::Markdown => say!("{}", markdown::markdown(&report).trim_end()),
        Format::Table => {
            say!("{}", text::text(&report, terminal::columns().unwrap_or(WIDTH)));
            hints(&report, chosen.trouble.as_deref(), args.html.as_deref());
        }
    }
    let lost = report.diff.as_ref().is_some_and(|diff| diff.lost_critical > 0);
    Ok(if lost { ExitCode::from(BAD) } else { ExitCode::SUCCESS })
}

fn hints(report: &Report, trouble: Option<&str>, html: Option<&std::path::Path>) {
    if report.endpoints.is_none() {
        let why = trouble.map(|trouble| format!(" ({trouble})")).unwrap_or_default();
        anstream::eprintln!("\nendpoints and their rate limits were not looked at: no good configuration{why}");
    }
    if let Some(path) = html {
        anstream::eprintln!("\nwritten: {}", path.display());
    }
}

fn routes(config: &Config) -> Routes {
    let rate = |(name, settings): (&String, &crate::endpoint::Settings)| Some((name.clone(), settings.rate?));
    Routes { topics: config.topics.clone(), rates: config.endpoints.iter().filter_map(rate).collect() }
}
