//! `tracebell endpoint`: try one out before it matters.

use std::process::ExitCode;

use super::{ConfigArg, OUTSIDE, USAGE, check, status::plain};
use crate::{app, config, delivery::Outcome, endpoint::answer::in_words};

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
    // `plain`, because an answer is the other side's text.
    let said = plain(in_words(outcome.reason()));
    match &outcome {
        Outcome::Delivered { .. } => {
            say!("{name} took the test: {said}");
            return Ok(ExitCode::SUCCESS);
        }
        Outcome::Retry { retry_after, .. } => {
            say!("{name} did not take it now: {said}");
            if let Some(wait) = retry_after {
                say!("it asks to wait {}", crate::clock::in_words(*wait));
            }
        }
        Outcome::Refused { .. } => say!("{name} refused this body: {said}"),
        Outcome::Paused { fix, .. } => say!("{name} takes nothing: {said}\nwhat to do: {fix}"),
    }
    Ok(ExitCode::from(OUTSIDE))
}
