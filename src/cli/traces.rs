//! `tracebell traces`: the cloud's trace list with its filters.

use std::{process::ExitCode, time::Duration};

use clap::Subcommand;

use super::time::{Span, shown};
use crate::clock::{self, Timestamp};
pub(super) use crate::source::plan::RETENTION;

mod export;
mod filter;
mod format;
mod list;
mod show;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List traces, newest first
    List(Box<list::ListArgs>),
    /// Show one trace: who, what, from where, and what was sent
    Show(show::ShowArgs),
    /// Write days of traces into a file, oldest first; goes on where it was interrupted
    Export(Box<export::ExportArgs>),
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let done = match args.command {
        Command::List(args) => list::list(*args).await,
        Command::Show(args) => show::show(args).await,
        Command::Export(args) => export::export(*args).await,
    };
    Ok(done.unwrap_or_else(|code| code))
}

/// Holds a span against what the cloud keeps.
fn check_kept(span: Span, now: Timestamp) -> Result<Span, Vec<String>> {
    // A minute of grace, so that `--since 7d` is not refused for the time it takes to type.
    if clock::since(span.from, now) > RETENTION + Duration::from_secs(60) {
        let from = shown(span.from, &span.zone);
        return Err(vec![format!("the window begins at {from}; the cloud keeps traces for 7 days only")]);
    }
    Ok(span)
}
