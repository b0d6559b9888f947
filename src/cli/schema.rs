//! `tracebell schema`: the shapes of rule files, of the configuration and of webhooks, for editors and other programs.

use std::process::ExitCode;

use crate::{config, render, rule};

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
    /// What a webhook gets in the format `tracebell`
    Webhook,
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
        Of::Webhook => render::webhook::schema(),
    };
    format!("{schema:#}")
}
