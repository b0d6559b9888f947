//! `tracebell delivery retry` and `cancel`: one delivery, or many by endpoint, state and time.

use std::{
    io::{IsTerminal, Write as _},
    process::ExitCode,
};

use super::{
    super::{BAD, USAGE, status::StateArg, status::plain, time},
    parse_state, unknown,
};
use crate::{
    clock::{self, Timestamp},
    delivery::State,
    store::{Pick, Sqlite, Store, StoreError},
};

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false, args = ["id", "endpoint", "all"])]
pub(super) struct Which {
    /// The delivery's id; its beginning is enough
    id: Option<String>,
    /// Those for this endpoint
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Those for all endpoints
    #[arg(long)]
    all: bool,
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = parse_state, conflicts_with = "id")]
    state: Option<State>,
    #[command(flatten)]
    made: Made,
}

/// When deliveries were made.
#[derive(Debug, clap::Args)]
pub(super) struct Made {
    /// Made since then: `2h`, `7d` or 2026-01-15T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Made before then, written like --since
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
}

#[derive(Debug, clap::Args)]
pub(super) struct RetryArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub file: StateArg,
}

#[derive(Debug, clap::Args)]
pub(super) struct CancelArgs {
    #[command(flatten)]
    which: Which,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    pub file: StateArg,
}

impl Which {
    fn pick(self) -> Pick {
        Pick { id: self.id, endpoint: self.endpoint, state: self.state, since: self.made.since, until: self.made.until }
    }
}

/// A time, or how long ago.
fn moment(text: &str) -> Result<Timestamp, String> {
    match time::duration(text) {
        Ok(ago) => Ok(clock::minus(clock::now(), ago)),
        Err(_) => text.parse::<Timestamp>().map_err(|_| {
            format!("`{text}` is no time; expected how long ago, such as `2h` or `7d`, or `2026-01-15T08:00:00Z`")
        }),
    }
}

/// Of many, those given up; those that a person called off only if told so.
pub(super) async fn retry(store: &Sqlite, args: RetryArgs) -> Result<ExitCode, StoreError> {
    let mut pick = args.which.pick();
    if pick.id.is_none() {
        pick.state.get_or_insert(State::Dead);
    }
    let retried = store.retry(pick.clone(), clock::now()).await?;
    match (retried, &pick.id) {
        (0, Some(id)) => match store.delivery(id).await? {
            None => return Ok(unknown(id)),
            Some((row, _)) if row.state == State::Dead => {
                anstream::eprintln!("error: `{}` stays dead: {}", row.delivery.id, row.last_reason.unwrap_or_default());
            }
            Some((row, _)) => anstream::eprintln!(
                "error: `{}` is {}, only a dead or cancelled one can be retried",
                row.delivery.id,
                row.state
            ),
        },
        (0, None) => {
            say!("There are no such {} deliveries to retry.", pick.state.map_or("dead", State::as_str));
            return Ok(ExitCode::SUCCESS);
        }
        (1, _) => {
            say!("1 delivery is ready again.");
            return Ok(ExitCode::SUCCESS);
        }
        (count, _) => {
            say!("{count} deliveries are ready again.");
            return Ok(ExitCode::SUCCESS);
        }
    }
    Ok(ExitCode::from(BAD))
}

/// Nobody will be told of what is cancelled, so it is asked for twice.
pub(super) async fn cancel(store: &Sqlite, args: CancelArgs) -> Result<ExitCode, StoreError> {
    let pick = args.which.pick();
    let count = store.cancellable(pick.clone()).await?;
    if count == 0 {
        let Some(id) = &pick.id else {
            say!("There are no such deliveries to cancel.");
            return Ok(ExitCode::SUCCESS);
        };
        let Some((row, _)) = store.delivery(id).await? else { return Ok(unknown(id)) };
        anstream::eprintln!(
            "error: `{}` is {}, only a ready, held or dead one can be cancelled",
            row.delivery.id,
            row.state
        );
        return Ok(ExitCode::from(BAD));
    }
    let what = in_words(count, pick.endpoint.as_deref());
    if !args.yes && !confirmed(&what) {
        anstream::eprintln!("error: nothing was cancelled; `--yes` cancels {what} without asking");
        return Ok(ExitCode::from(USAGE));
    }
    let cancelled = store.cancel(pick.clone(), clock::now()).await?;
    say!(
        "{} cancelled, with copies for a fallback; `tracebell delivery retry` brings them back one by one.",
        in_words(cancelled, pick.endpoint.as_deref())
    );
    Ok(ExitCode::SUCCESS)
}

fn in_words(count: u64, endpoint: Option<&str>) -> String {
    let noun = if count == 1 { "delivery" } else { "deliveries" };
    let to = endpoint.map_or_else(String::new, |name| format!(" for {}", plain(name)));
    format!("{count} {noun}{to}")
}

/// False where there is nobody to ask.
fn confirmed(what: &str) -> bool {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return false;
    }
    anstream::eprint!("Cancel {what}? Nobody will be told of them. [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    input.read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
