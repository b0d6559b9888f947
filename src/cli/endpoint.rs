//! `tracebell endpoint`: try one out before it matters.

use std::process::ExitCode;

use super::{ConfigArg, OUTSIDE, USAGE, check};
use crate::{app, config, delivery::Outcome};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Send one test notification and say what came back
    Test {
        /// Name of the endpoint in the configuration
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Command::Test { name, config } = args.command;
    let loaded = config::load(&config.config);
    if loaded.config.is_none() {
        check::print_problems(&loaded.problems, &loaded.files);
        return Ok(ExitCode::from(USAGE));
    }
    let (outcome, _) = match app::test_endpoint(&loaded, &name).await {
        Ok(answer) => answer,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    match outcome {
        Outcome::Delivered { answer } => {
            println!("{name} took the test: {answer}");
            return Ok(ExitCode::SUCCESS);
        }
        Outcome::Retry { reason, retry_after } => {
            println!("{name} did not take it now: {reason}");
            if let Some(wait) = retry_after {
                println!("it asks to wait {}", crate::clock::in_words(wait));
            }
        }
        Outcome::Refused { reason } => println!("{name} refused this body: {reason}"),
        Outcome::Paused { reason, fix } => println!("{name} takes nothing: {reason}\nwhat to do: {fix}"),
    }
    Ok(ExitCode::from(OUTSIDE))
}
