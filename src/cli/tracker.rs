//! `tracebell tracker`: the cloud's tracker, with the documented limits checked before anything is sent.

use std::{
    io::{BufRead, IsTerminal, Write},
    process::ExitCode,
};

use clap::{Subcommand, ValueEnum};

use super::{OUTSIDE, Output, USAGE};
use crate::{
    clock,
    cloud::{auth::Credentials, clouds},
    source::{
        SourceError,
        cts::Api,
        tracker::{Change, NAME, Tracker, Trackers, Wish, problems},
    },
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the tracker, or the one of that name or id
    Show {
        name_or_id: Option<String>,
        #[command(flatten)]
        cloud: Cloud,
    },
    /// Create the tracker: traces are then kept in a bucket
    Create {
        /// The only name the cloud allows
        #[arg(long, default_value = NAME)]
        name: String,
        #[command(flatten)]
        wish: WishArgs,
        #[command(flatten)]
        cloud: Cloud,
    },
    /// Change what is named and keep the rest
    Update {
        #[arg(default_value = NAME)]
        name_or_id: String,
        #[command(flatten)]
        wish: WishArgs,
        #[command(flatten)]
        cloud: Cloud,
    },
    /// Delete the tracker; traces that were recorded stay
    Delete {
        #[arg(default_value = NAME)]
        name_or_id: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        cloud: Cloud,
    },
}

/// Which cloud is asked, how, and how the answer is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Cloud {
    /// Entry of clouds.yaml; without it `OS_CLOUD` or the `OS_*` variables
    #[arg(long, value_name = "NAME")]
    pub cloud: Option<String>,
    /// Version of the API; without it v3, and v1 where v3 is not offered
    #[arg(long)]
    pub api: Option<Version>,
    #[arg(long, short, default_value = "table")]
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Version {
    V1,
    V3,
}

#[derive(Debug, clap::Args)]
struct WishArgs {
    /// Bucket that receives the trace files
    #[arg(long)]
    bucket: Option<String>,
    /// Beginning of the names of trace files
    #[arg(long)]
    prefix: Option<String>,
    /// Let the cloud create the bucket
    #[arg(long)]
    create_bucket: bool,
    /// Send traces to the Log Tank Service too
    #[arg(long)]
    lts: bool,
    /// Do not send traces to the Log Tank Service
    #[arg(long, conflicts_with_all = ["lts", "lts_group", "lts_topic"])]
    no_lts: bool,
    /// Log group (v1 only: v3 chooses it by itself)
    #[arg(long, requires = "lts")]
    lts_group: Option<String>,
    /// Log topic (v1 only: v3 chooses it by itself)
    #[arg(long, requires = "lts")]
    lts_topic: Option<String>,
    /// `enabled` or `disabled`
    #[arg(long)]
    status: Option<String>,
}

impl WishArgs {
    fn wish(&self) -> Wish {
        Wish {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            create_bucket: self.create_bucket,
            lts: if self.lts { Some(true) } else { self.no_lts.then_some(false) },
            lts_group: self.lts_group.clone(),
            lts_topic: self.lts_topic.clone(),
            status: self.status.clone(),
        }
    }
}

impl Cloud {
    pub(super) fn credentials(&self) -> Result<Credentials, ExitCode> {
        clouds::credentials(self.cloud.as_deref()).map_err(|error| usage(&[error]))
    }

    pub(super) fn version(&self) -> Option<Api> {
        self.api.map(|version| if version == Version::V1 { Api::V1 } else { Api::V3 })
    }
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    Ok(match args.command {
        Command::Show { name_or_id, cloud } => show(name_or_id.as_deref(), &cloud).await,
        Command::Create { name, wish, cloud } => create(&name, &wish, &cloud).await,
        Command::Update { name_or_id, wish, cloud } => update(&name_or_id, &wish, &cloud).await,
        Command::Delete { name_or_id, yes, cloud } => delete(&name_or_id, yes, &cloud).await,
    }
    .unwrap_or_else(|code| code))
}

/// An `Err` is the exit code of something that was already said.
type Said = Result<ExitCode, ExitCode>;

async fn show(name_or_id: Option<&str>, cloud: &Cloud) -> Said {
    let mut trackers = trackers(cloud, &Wish::default())?;
    match name_or_id {
        Some(name_or_id) => {
            let tracker = trackers.get(name_or_id, clock::now()).await.map_err(|error| failed(&error))?;
            print_tracker(&tracker, cloud.output);
        }
        None => {
            let found = trackers.list(clock::now()).await.map_err(|error| failed(&error))?;
            match cloud.output {
                Output::Json => print(&json(&found.iter().map(|tracker| &tracker.raw).collect::<Vec<_>>())),
                Output::Table if found.is_empty() => {
                    print("no tracker in this project; create one: tracebell tracker create --bucket NAME\n");
                }
                Output::Table => found.iter().for_each(|tracker| print_tracker(tracker, Output::Table)),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(name: &str, args: &WishArgs, cloud: &Cloud) -> Said {
    let wish = args.wish();
    let mut wrong = problems(name, &wish);
    if wish.bucket.is_none() {
        wrong.push("a tracker needs a bucket: give `--bucket NAME`".to_owned());
    }
    refuse(wrong)?;
    let mut trackers = trackers(cloud, &wish)?;
    let tracker = trackers.create(name, &wish, clock::now()).await.map_err(|error| failed(&error))?;
    print_tracker(&tracker, cloud.output);
    Ok(ExitCode::SUCCESS)
}

async fn update(name_or_id: &str, args: &WishArgs, cloud: &Cloud) -> Said {
    let wish = args.wish();
    let mut wrong = problems(NAME, &wish);
    let asked = wish.bucket.is_some() || wish.prefix.is_some() || wish.lts.is_some() || wish.status.is_some();
    if !asked {
        wrong.push("nothing to change: give `--bucket`, `--prefix`, `--lts`, `--no-lts` or `--status`".to_owned());
    }
    refuse(wrong)?;
    let mut trackers = trackers(cloud, &wish)?;
    let (tracker, changes) = trackers.update(name_or_id, &wish, clock::now()).await.map_err(|error| failed(&error))?;
    match cloud.output {
        Output::Json => print_tracker(&tracker, Output::Json),
        Output::Table if changes.is_empty() => print("nothing changed: the tracker is like this already\n"),
        Output::Table => print_changes(&changes),
    }
    Ok(ExitCode::SUCCESS)
}

async fn delete(name_or_id: &str, yes: bool, cloud: &Cloud) -> Said {
    if !yes {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return Err(usage(&["deleting needs a person to confirm it, or `--yes`".to_owned()]));
        }
        anstream::eprint!("Delete the tracker `{name_or_id}`? New operations are then no longer recorded. [y/N] ");
        let mut answer = String::new();
        // An unreadable answer is no yes.
        let _ = stdin.lock().read_line(&mut answer);
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            print("nothing was deleted\n");
            return Ok(ExitCode::SUCCESS);
        }
    }
    let mut trackers = trackers(cloud, &Wish::default())?;
    let tracker = trackers.delete(name_or_id, clock::now()).await.map_err(|error| failed(&error))?;
    match cloud.output {
        Output::Json => print_tracker(&tracker, Output::Json),
        Output::Table => print(&format!("deleted the tracker `{}`\n", visible(&tracker.name))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Only v1 can name the log group and topic.
fn trackers(cloud: &Cloud, wish: &Wish) -> Result<Trackers, ExitCode> {
    let named = wish.lts_group.is_some() || wish.lts_topic.is_some();
    let api = match (cloud.version(), named) {
        (Some(Api::V3), true) => {
            let problem = "v3 chooses log group and topic by itself: leave `--lts-group` and `--lts-topic` out, or use `--api v1`";
            return Err(usage(&[problem.to_owned()]));
        }
        (None, true) => Some(Api::V1),
        (version, _) => version,
    };
    Trackers::new(&cloud.credentials()?, api).map_err(|error| failed(&error))
}

fn print_tracker(tracker: &Tracker, output: Output) {
    match output {
        Output::Json => print(&json(&tracker.raw)),
        Output::Table => {
            let settings = tracker.settings();
            let told = settings.iter().filter(|(name, value)| *name != "detail" || value != "-");
            print(&table(None, told.map(|(name, value)| vec![(*name).to_owned(), visible(value)])));
        }
    }
}

fn print_changes(changes: &[Change]) {
    let rows = changes.iter().map(|change| {
        vec![change.setting.to_owned(), visible(&change.before), "->".to_owned(), visible(&change.after)]
    });
    print(&table(None, rows));
}

fn refuse(problems: Vec<String>) -> Result<(), ExitCode> {
    if problems.is_empty() { Ok(()) } else { Err(usage(&problems)) }
}

pub(super) fn usage(problems: &[String]) -> ExitCode {
    for problem in problems {
        anstream::eprintln!("error: {}", visible(problem));
    }
    ExitCode::from(USAGE)
}

pub(super) fn failed(error: &SourceError) -> ExitCode {
    anstream::eprintln!("error: {}", visible(&error.to_string()));
    match error {
        SourceError::Refused { fix, .. } => anstream::eprintln!("help: {}", visible(fix)),
        SourceError::Transient { .. } => anstream::eprintln!("help: this may pass; try again"),
    }
    ExitCode::from(OUTSIDE)
}

/// Columns under each other, two spaces apart.
pub(super) fn table(header: Option<&[&str]>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if let Some(header) = header {
        table.set_header(header.to_vec());
    }
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.to_string().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

pub(super) fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("a value made of JSON can be written as JSON");
    format!("{text}\n")
}

/// The cloud's text as a terminal may see it: what would move the cursor or turn the text is spelt out.
pub(super) fn visible(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() || turns(char) { shown.extend(char.escape_default()) } else { shown.push(char) }
    }
    shown
}

/// Writes to standard output; a reader that went away is no fault.
pub(super) fn print(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
