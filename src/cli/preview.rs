//! `tracebell preview`: what an endpoint would get, without sending it.
//!
//! Works from the configuration alone: no network, no state unless an alert of it is asked for, and no
//! secret is read, so none can be shown.

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

use super::{OUTSIDE, status::StateArg};
use crate::{
    clock,
    delivery::Delivery,
    notification::Kind,
    render::{self, Letter},
};

mod address;
mod pick;
mod shown;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    what: What,
    /// How to show it
    #[arg(long = "as", value_name = "VIEW", value_enum, default_value = "text")]
    view: View,
    /// Write it there, byte for byte
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    file: StateArg,
}

/// Who would get it.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// Name of an endpoint in the configuration
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// A format in place of an endpoint; needs no configuration
    #[arg(long, value_name = "FORMAT", value_parser = address::FORMATS)]
    format: Option<String>,
}

/// What it would tell; without any of these, a made-up alert that opened.
#[derive(Debug, clap::Args)]
struct What {
    /// An alert of the state; the beginning of its id is enough
    #[arg(long, value_name = "ID", conflicts_with_all = ["trace", "kind"])]
    alert: Option<String>,
    /// Traces in a file, `-` for standard input, as the rules of the configuration tell them
    #[arg(long, value_name = "FILE", conflicts_with = "kind")]
    trace: Option<PathBuf>,
    /// The rule that tells the traces, if several do
    #[arg(long, value_name = "ID", requires = "trace")]
    rule: Option<String>,
    /// A made-up notification of this kind
    #[arg(long, value_name = "KIND", value_parser = Kind::ALL.map(Kind::as_str))]
    kind: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum View {
    /// What a reader sees, in plain lines
    Text,
    /// Exactly what is sent; of a mail its source
    Json,
    /// A page for a browser; of a mail its HTML part
    Html,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    Ok(told(args).await.unwrap_or_else(|code| code))
}

/// An `Err` is the exit code of something that was already said.
async fn told(args: Args) -> Result<ExitCode, ExitCode> {
    let now = clock::now();
    let address = address::of(&args.whose, &args.file)?;
    let notification = pick::notification(&args.what, &args.file, now).await?;
    let name = args.whose.endpoint.as_deref().unwrap_or("preview");
    let subscription = format!("preview/{name}");
    let id = |kind: Kind| Delivery::id(kind, "preview", &subscription);
    let (id, opened) = (id(notification.kind), id(Kind::Opened));
    // What comes after the first message of an alert belongs to its conversation.
    let follows = matches!(
        notification.kind,
        Kind::Escalated | Kind::Updated | Kind::Repeated | Kind::Summary | Kind::Silenced | Kind::Lifted
    );
    let thread = if follows { &opened } else { &id };
    let letter =
        Letter { address: &address, notification: &notification, id: &id, thread, subscription: &subscription };
    let body = render::body(&letter);
    let shown = match args.view {
        View::Json => body,
        View::Text => shown::text(&letter, &body).into_bytes(),
        View::Html => shown::page(&letter, &body).into_bytes(),
    };
    match &args.out {
        Some(path) => std::fs::write(path, shown).map_err(|error| {
            anstream::eprintln!("error: cannot write `{}`: {error}", path.display());
            ExitCode::from(OUTSIDE)
        })?,
        None => print(args.view, &shown),
    }
    Ok(ExitCode::SUCCESS)
}

/// A terminal obeys some characters; a program on the other side of a pipe gets each as it is.
fn print(view: View, shown: &[u8]) {
    let text = String::from_utf8_lossy(shown);
    let text = text.trim_end_matches(['\r', '\n']);
    if view == View::Text || std::io::stdout().is_terminal() {
        text.lines().for_each(|line| say!("{}", super::status::plain(line)));
    } else {
        say!("{text}");
    }
}
