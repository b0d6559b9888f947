//! `tracebell schema`: the shapes of rule files and of the configuration, for editors and other programs.

use std::process::ExitCode;

use crate::{config, rule};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which file to describe
    #[arg(value_enum)]
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Of {
    /// Rule files
    Rules,
    /// tracebell.yaml
    Config,
}

/// Where `init` writes the two, and what the first line of a file points at.
pub const RULES_FILE: &str = "tracebell-rules.schema.json";
pub const CONFIG_FILE: &str = "tracebell.schema.json";

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    say!("{}", text(args.of));
    Ok(ExitCode::SUCCESS)
}

/// JSON Schema, indented.
pub fn text(of: Of) -> String {
    let schema = match of {
        Of::Rules => rule::shape::schema(),
        Of::Config => config::shape::schema(),
    };
    format!("{schema:#}")
}
