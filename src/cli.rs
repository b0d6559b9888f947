//! The command line: one file per command, this one names them.
//!
//! Exit codes: 0 good, 1 the thing asked about is bad, 2 usage or
//! configuration, 3 the outside world failed.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// `println!` for results: colour on a terminal only, and no panic on a full disk.
macro_rules! say {
    () => { say!("") };
    ($($text:tt)*) => { $crate::cli::terminal::print_line(format_args!($($text)*)) };
}

pub mod alert;
pub mod archive;
pub mod backtest;
pub mod catalog;
pub mod check;
mod columns;
pub mod completions;
pub mod convert;
pub mod delivery;
pub mod demo;
pub mod doctor;
pub mod emulate;
pub mod endpoint;
mod escape;
pub mod explain;
pub mod fill_gap;
pub mod healthcheck;
pub mod init;
pub mod lsp;
mod past;
pub mod preview;
pub mod push;
mod rules;
pub mod run;
pub mod schema;
pub mod silence;
pub mod status;
mod terminal;
pub mod test;
mod time;
pub mod traces;
pub mod tracker;

/// The thing asked about is bad: a rule test failed, problems were found.
pub const BAD: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;
/// The outside world failed: network, disk, the cloud.
pub const OUTSIDE: u8 = 3;

/// Name of the configuration file where none is given.
pub const CONFIG: &str = "tracebell.yaml";

/// The bell on a cloud account's audit log.
#[derive(Debug, Parser)]
#[command(name = "tracebell", version, about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything on this machine: emulator, bridge and inbox
    Demo(demo::Args),
    /// Watch the sources and deliver alerts
    Run(run::Args),
    /// Write a first configuration and the shipped rules
    Init(init::Args),
    /// Find every problem in configuration and rules
    Check(check::Args),
    /// Examine the way to the cloud step by step, and say what to mend
    Doctor(doctor::Args),
    /// Run the cases inside the rules
    Test(test::Args),
    /// Tell which rules a trace matches, and what is missing for those that nearly do
    Explain(explain::Args),
    /// Try rules on the real past: alerts, noise, and the difference to other rules
    Backtest(backtest::Args),
    /// Read stretches that could not be read from the archive, and ring what they hold
    FillGap(fill_gap::Args),
    /// Check that the trace files in the bucket are what the tracker wrote
    Archive(archive::Args),
    /// Services and operations: those known, and those really observed
    Catalog(catalog::Args),
    /// Show the accounting, the lag and the endpoints
    Status(status::Args),
    /// List and show alerts
    Alert(alert::Args),
    /// List, show, retry and cancel deliveries
    Delivery(delivery::Args),
    /// Show what an endpoint would get, without sending it
    Preview(preview::Args),
    /// Show how endpoints stand, test one, lift a pause
    Endpoint(endpoint::Args),
    /// Keep alerts from people for a while, and see what was kept from them
    Silence(silence::Args),
    /// Ask a running Tracebell whether it is well
    Healthcheck(healthcheck::Args),
    /// The cloud's tracker: show, create, update, delete
    Tracker(tracker::Args),
    /// Key event notifications that the cloud pushes: enable, status, disable
    Push(push::Args),
    /// The cloud's trace list
    Traces(traces::Args),
    /// CTS and IAM on loopback, with scenarios and faults
    Emulate(emulate::Args),
    /// JSON Schema of rule files or of the configuration, for editors
    Schema(schema::Args),
    /// A language server for rule files and the configuration
    Lsp(lsp::Args),
    /// Turn Sigma rules and key event notifications into rules
    Convert(convert::Args),
    /// Completions for a shell
    Completions(completions::Args),
}

/// `--output` of commands whose result programs read too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Table,
    Json,
}

/// `--config`, shared by the commands that read it.
#[derive(Debug, clap::Args)]
pub struct ConfigArg {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = CONFIG, env = "TRACEBELL_CONFIG")]
    pub config: PathBuf,
}

pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo(args) => demo::run(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Init(args) => init::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Test(args) => test::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Backtest(args) => backtest::run(args).await,
        Command::FillGap(args) => fill_gap::run(args).await,
        Command::Archive(args) => archive::run(args).await,
        Command::Catalog(args) => catalog::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Alert(args) => alert::run(args).await,
        Command::Delivery(args) => delivery::run(args).await,
        Command::Preview(args) => preview::run(args).await,
        Command::Endpoint(args) => endpoint::run(args).await,
        Command::Silence(args) => silence::run(args).await,
        Command::Healthcheck(args) => healthcheck::run(args).await,
        Command::Tracker(args) => tracker::run(args).await,
        Command::Push(args) => push::run(args).await,
        Command::Traces(args) => traces::run(args).await,
        Command::Emulate(args) => emulate::run(args).await,
        Command::Schema(args) => schema::run(args).await,
        Command::Lsp(args) => lsp::run(args).await,
        Command::Convert(args) => convert::run(args).await,
        Command::Completions(args) => completions::run(args).await,
    }
}
