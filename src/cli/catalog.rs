//! `tracebell catalog`: the operations that are known, and those that were really observed.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Subcommand;

use super::{
    BAD, ConfigArg, OUTSIDE, Output, USAGE,
    past::PastArgs,
    tracker::{json, print, table, visible},
};
use crate::{
    backtest::text::plural,
    catalog::{
        self,
        seen::{Known, Seen},
    },
    config,
    trace::Trace,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Services, resource types and operations that are known
    List(ListArgs),
    /// Operations that were observed, and what the catalogue says to them
    Seen(SeenArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Only this service, for example KMS; case does not matter
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// How to print the catalogue
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct SeenArgs {
    #[command(flatten)]
    past: PastArgs,
    #[command(flatten)]
    config: ConfigArg,
    /// Write what the catalogue does not know into this file, one `SERVICE | type | operations` a line
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Everything that was observed, not only what the catalogue does not know as it is spelled
    #[arg(long)]
    all: bool,
    /// How to print the operations
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    Ok(match args.command {
        Command::List(args) => list(&args),
        Command::Seen(args) => seen(args).await.unwrap_or_else(|code| code),
    })
}

fn list(args: &ListArgs) -> ExitCode {
    if let Some(service) = args.service.as_ref().filter(|service| !catalog::is_service(service)) {
        let near = catalog::nearest_service(service);
        let hint = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        anstream::eprintln!("error: no service `{}` in the catalogue{hint}", visible(service));
        return ExitCode::from(USAGE);
    }
    let wanted = |entry: &catalog::Entry| {
        args.service.as_ref().is_none_or(|service| service.eq_ignore_ascii_case(entry.service))
    };
    let entries = catalog::entries().filter(wanted);
    match args.output {
        Output::Json => {
            let entry = |entry: catalog::Entry| {
                let operations: Vec<&str> = entry.operations().collect();
                serde_json::json!({ "service": entry.service, "resource_type": entry.resource_type, "operations": operations })
            };
            print(&json(&entries.map(entry).collect::<Vec<_>>()));
        }
        Output::Table => {
            let (mut last, mut services, mut operations) = ("", 0, 0);
            let mut rows = Vec::new();
            for entry in entries {
                services += u64::from(entry.service != last);
                for (at, operation) in entry.operations().enumerate() {
                    let service = if entry.service == last { "" } else { entry.service };
                    last = entry.service;
                    let kind = if at == 0 { entry.resource_type } else { "" };
                    rows.push(vec![service.to_owned(), kind.to_owned(), operation.to_owned()]);
                    operations += 1;
                }
            }
            print(&table(Some(&["SERVICE", "RESOURCE TYPE", "OPERATION"]), rows.into_iter()));
            print(&format!("\n{}, {}\n", plural(services, "service"), plural(operations, "operation")));
        }
    }
    ExitCode::SUCCESS
}

/// An `Err` is the exit code of something that was already said.
async fn seen(args: SeenArgs) -> Result<ExitCode, ExitCode> {
    let path = &args.config.config;
    let config = path.exists().then(|| config::load(path)).and_then(|loaded| loaded.config);
    let mut seen = Seen::default();
    let mut each = |traces: &[Arc<Trace>]| traces.iter().for_each(|trace| seen.add(trace));
    let past = args.past.read(config.as_ref(), &mut each).await?;
    if seen.traces == 0 {
        anstream::eprintln!("error: no traces in {}{}", past.read.from, past.unreadable());
        return Err(ExitCode::from(BAD));
    }
    let observed = seen.observed();
    let shown: Vec<_> = observed.iter().filter(|one| args.all || one.known != Known::AsSpelled).collect();
    match args.output {
        Output::Json => print(&json(&shown)),
        Output::Table => {
            let row = |one: &&&catalog::seen::Observed| {
                let types: Vec<String> = one.resource_types.iter().map(|kind| visible(kind)).collect();
                let known = match &one.known {
                    Known::AsSpelled => "known".to_owned(),
                    Known::OtherCase(name) => format!("known as {name}"),
                    Known::Operation => "operation not known".to_owned(),
                    Known::Service => "service not known".to_owned(),
                };
                vec![visible(&one.service), visible(&one.operation), types.join(" "), one.count.to_string(), known]
            };
            if !shown.is_empty() {
                let header = ["SERVICE", "OPERATION", "RESOURCE TYPES", "TRACES", "CATALOGUE"];
                print(&table(Some(&header), shown.iter().map(|one| row(&one))));
                print("\n");
            }
            print(&summary(&observed, seen.traces));
        }
    }
    if past.read.undecodable > 0 {
        anstream::eprintln!("warning: not all of {}{}", past.read.from, past.unreadable());
    }
    if let Some(path) = &args.write {
        fs::write(path, catalog::seen::extension(&observed)).map_err(|error| {
            anstream::eprintln!("error: cannot write `{}`: {error}", path.display());
            ExitCode::from(OUTSIDE)
        })?;
        anstream::eprintln!("written: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(observed: &[catalog::seen::Observed], traces: u64) -> String {
    let count = |wanted: fn(&Known) -> bool| observed.iter().filter(|one| wanted(&one.known)).count();
    let services: BTreeMap<&str, ()> = observed.iter().map(|one| (one.service.as_str(), ())).collect();
    format!(
        "{} of {} and {}: {} known, {} known in another spelling, {} not known\n",
        plural(traces, "trace"),
        plural(services.len() as u64, "service"),
        plural(observed.len() as u64, "operation"),
        count(|known| *known == Known::AsSpelled),
        count(|known| matches!(known, Known::OtherCase(_))),
        count(|known| matches!(known, Known::Operation | Known::Service)),
    )
}
