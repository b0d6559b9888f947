//! `tracebell endpoint`: how endpoints stand; try one out before it matters; go on after a pause.

use std::process::ExitCode;

use super::{
    BAD, ConfigArg, OUTSIDE, Output, USAGE, check,
    status::{StateArg, failed, plain},
};
use crate::{
    app::{self, Tryout},
    config,
    delivery::Outcome,
    endpoint::answer::in_words,
    render::facts::when,
    store::{Confirmation, Sqlite, Store},
};

mod health;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(flatten)]
    Stored(Stored),
    /// Send one test notification and say what came back; to a subscriber that has to confirm, the invitation first
    Test {
        /// Name of the endpoint in the configuration
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// What is asked of the store.
#[derive(Debug, clap::Subcommand)]
enum Stored {
    /// Show how each endpoint stands: working, held, failing or paused, and what waits for it
    List {
        #[command(flatten)]
        file: StateArg,
        /// How to print it
        #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
        output: Output,
    },
    /// Show how one endpoint stands
    Show {
        /// Name of the endpoint
        name: String,
        #[command(flatten)]
        file: StateArg,
        /// How to print it
        #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
        output: Output,
    },
    /// Lift a pause or a hold now: what waits is tried at once
    Resume {
        /// Name of the endpoint
        name: String,
        #[command(flatten)]
        file: StateArg,
    },
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (name, config) = match args.command {
        Command::Test { name, config } => (name, config),
        Command::Stored(stored) => return beside(stored).await,
    };
    let loaded = config::load(&config.config);
    if loaded.config.is_none() {
        check::print_problems(&loaded.problems, &loaded.files);
        return Ok(ExitCode::from(USAGE));
    }
    let tried = match app::test_endpoint(&loaded, &name).await {
        Ok(tried) => tried,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    Ok(ExitCode::from(match tried {
        Tryout::Notification(outcome) => told(&name, "the test", &outcome),
        Tryout::Invitation(outcome, confirmation) => {
            let why = match confirmation {
                Confirmation::Left(at) => format!("its subscriber left at {}", when(at)),
                _ => "its subscriber has not confirmed".to_owned(),
            };
            say!("{name} gets an invitation and no test: {why}");
            match told(&name, "the invitation", &outcome) {
                0 => {
                    say!(
                        "what to do: while `tracebell run` is up, open the `subscribe_url` of the invitation; then test again"
                    );
                    BAD
                }
                code => code,
            }
        }
    }))
}

/// Says what came of it, and gives the exit code.
fn told(name: &str, what: &str, outcome: &Outcome) -> u8 {
    // `plain`, because an answer is the other side's text.
    let said = plain(in_words(outcome.reason()));
    match outcome {
        Outcome::Delivered { .. } => {
            say!("{name} took {what}: {said}");
            return 0;
        }
        Outcome::Retry { retry_after, .. } => {
            say!("{name} did not take {what} now: {said}");
            if let Some(wait) = retry_after {
                say!("it asks to wait {}", crate::clock::in_words(*wait));
            }
        }
        Outcome::Refused { .. } => say!("{name} refused this body: {said}"),
        Outcome::Paused { fix, .. } => say!("{name} takes nothing: {said}\nwhat to do: {fix}"),
    }
    OUTSIDE
}

/// Beside a Tracebell that may be running.
async fn beside(command: Stored) -> anyhow::Result<ExitCode> {
    let (file, writes) = match &command {
        Stored::List { file, .. } | Stored::Show { file, .. } => (file, false),
        Stored::Resume { file, .. } => (file, true),
    };
    let path = match file.path() {
        Ok(path) => path,
        Err(code) => return Ok(code),
    };
    let opened = if writes { Sqlite::open_beside(&path).await } else { Sqlite::open_read(&path).await };
    let store = match opened {
        Ok(store) => store,
        Err(error) => return Ok(failed(&error)),
    };
    let done = match &command {
        Stored::List { file, output } => health::list(&store, file, *output).await,
        Stored::Show { name, file, output } => health::show(&store, file, name, *output).await,
        Stored::Resume { name, file } => health::resume(&store, file, name).await,
    };
    store.close().await;
    Ok(done.unwrap_or_else(|error| failed(&error)))
}
