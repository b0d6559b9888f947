//! `tracebell check`: every problem of configuration and rules, in one run.

use std::process::ExitCode;

use super::{BAD, ConfigArg, Output};
use crate::{
    config,
    document::{File, Level, Problem, draw},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// How to print the problems
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&args.config.config);
    let errors = loaded.problems.iter().filter(|problem| problem.level == Level::Error).count();
    if args.output == Output::Json {
        let problems: Vec<_> = loaded.problems.iter().map(|problem| json(problem, &loaded.files)).collect();
        say!("{}", serde_json::to_string_pretty(&problems)?);
    } else {
        print_problems(&loaded.problems, &loaded.files);
        let warnings = loaded.problems.len() - errors;
        let told = format!("{}, {}", count(errors, "error"), count(warnings, "warning"));
        match &loaded.config {
            Some(config) => say!(
                "good: {}, {}, {}, {}; {told}",
                count(config.sources.len(), "source"),
                count(config.endpoints.len(), "endpoint"),
                count(config.topics.topics.len(), "topic"),
                count(loaded.rules.rules.len(), "rule"),
            ),
            None => say!("bad: {told}"),
        }
    }
    Ok(if loaded.config.is_some() { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}

/// Draws problems to standard error, in colour on a terminal.
pub fn print_problems(problems: &[Problem], files: &[File]) {
    if !problems.is_empty() {
        anstream::eprintln!("{}", draw::draw(problems, files, true));
    }
}

fn json(problem: &Problem, files: &[File]) -> serde_json::Value {
    let file = files.iter().find(|file| file.name == problem.file);
    let (line, column) = file.map_or((1, 1), |file| problem.place(file));
    let level = match problem.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    serde_json::json!({
        "level": level, "file": problem.file, "line": line, "column": column,
        "path": problem.path, "text": problem.text, "hint": problem.hint,
    })
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
