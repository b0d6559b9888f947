//! `tracebell tracker`: the cloud's tracker, with the documented limits checked before anything is sent.

use std::{
    io::{BufRead, IsTerminal},
    process::ExitCode,
};

use clap::{Subcommand, ValueEnum};

use super::{
    BAD, OUTSIDE, Output, USAGE,
    columns::{self, Column},
    terminal,
};
use crate::{
    clock,
    cloud::{auth::Credentials, clouds},
    source::{
        SourceError,
        cts::Api,
        tracker::{Change, DATA, Granted, NAME, Tracker, Trackers, Wish, problems, settings},
    },
};

mod watch;
mod wish;

pub(super) use super::{escape::visible, terminal::json};
use wish::WishArgs;

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
    /// List all trackers, and how many there may be
    List {
        #[command(flatten)]
        cloud: Cloud,
    },
    /// Create the tracker: traces are then kept in a bucket
    Create(Box<CreateArgs>),
    /// Change what is named and keep the rest
    Update(Box<UpdateArgs>),
    /// Say whether the tracker records, as `run` watches it; exit code 1 if it does not
    Watch {
        #[arg(default_value = NAME)]
        name_or_id: String,
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

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// The only name the cloud allows for the tracker of operations
    #[arg(long, default_value = NAME)]
    name: String,
    /// `system` records operations, `data` what happens to objects in a bucket (not offered by every cloud)
    #[arg(long = "type", value_name = "TYPE", default_value = NAME)]
    kind: String,
    #[command(flatten)]
    wish: WishArgs,
    #[command(flatten)]
    cloud: Cloud,
}

#[derive(Debug, clap::Args)]
struct UpdateArgs {
    #[arg(default_value = NAME)]
    name_or_id: String,
    #[command(flatten)]
    wish: WishArgs,
    #[command(flatten)]
    cloud: Cloud,
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
        Command::List { cloud } => list(&cloud).await,
        Command::Create(args) => create(&args).await,
        Command::Update(args) => update(&args).await,
        Command::Watch { name_or_id, cloud } => watch::watch(&name_or_id, &cloud).await,
        Command::Delete { name_or_id, yes, cloud } => delete(&name_or_id, yes, &cloud).await,
    }
    .unwrap_or_else(|code| code))
}

/// An `Err` is the exit code of something that was already said.
type Said = Result<ExitCode, ExitCode>;

/// Of a tracker; the id matters least.
const COLUMNS: [Column; 7] = [
    Column { name: "NAME", least: 6, weight: 7 },
    Column { name: "TYPE", least: 6, weight: 3 },
    Column { name: "STATUS", least: 8, weight: 6 },
    Column { name: "BUCKET", least: 10, weight: 5 },
    Column { name: "PREFIX", least: 6, weight: 2 },
    Column { name: "LTS", least: 3, weight: 4 },
    Column { name: "ID", least: 36, weight: 1 },
];

const NO_TRACKER: &str = "no tracker in this project; create one: tracebell tracker create --bucket NAME\n";

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
                Output::Json => terminal::print_json(&found.iter().map(|tracker| &tracker.raw).collect::<Vec<_>>()),
                Output::Table if found.is_empty() => print(NO_TRACKER),
                Output::Table => {
                    for (at, tracker) in found.iter().enumerate() {
                        print(if at == 0 { "" } else { "\n" });
                        print_tracker(tracker, Output::Table);
                    }
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(cloud: &Cloud) -> Said {
    let mut trackers = trackers(cloud, &Wish::default())?;
    let now = clock::now();
    let found = trackers.list(now).await.map_err(|error| failed(&error))?;
    if cloud.output == Output::Json {
        terminal::print_json(&found.iter().map(|tracker| &tracker.raw).collect::<Vec<_>>());
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        print(NO_TRACKER);
    } else {
        let or_none = |text: Option<&str>| visible(text.filter(|text| !text.is_empty()).unwrap_or("-"));
        let rows = found.iter().map(|tracker| {
            let words = |name| visible(&settings::words(name, tracker.get(name)));
            vec![
                visible(&tracker.name),
                or_none(tracker.kind.as_deref()),
                words(settings::STATUS),
                words(settings::BUCKET),
                words(settings::PREFIX),
                words(settings::LTS),
                or_none(tracker.id.as_deref()),
            ]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        print(&columns::fit(&COLUMNS, &rows, terminal::columns()).text);
    }
    // Quotas are a courtesy: a cloud without v3 has none to tell.
    if let Ok(quotas) = trackers.quotas(now).await {
        let told = quotas.iter().map(|quota| {
            let of = visible(&quota.of.replace('_', " "));
            format!("{of}: {} of {}", quota.used, quota.quota)
        });
        let told: Vec<String> = told.collect();
        if !told.is_empty() {
            anstream::eprintln!("quotas: {}", told.join(", "));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(args: &CreateArgs) -> Said {
    let wish = args.wish.wish(Some(&args.kind));
    let mut wrong = problems(&args.name, &wish, version(&args.cloud, &wish));
    if !wish.values.contains_key(settings::BUCKET) && args.kind != DATA {
        wrong.push("a tracker needs a bucket: give `--bucket NAME`".to_owned());
    }
    refuse(wrong)?;
    let mut trackers = trackers(&args.cloud, &wish)?;
    let granted = trackers.create(&args.name, &wish, clock::now()).await.map_err(|error| failed(&error))?;
    print_tracker(&granted.tracker, args.cloud.output);
    Ok(tell_ignored(&granted))
}

async fn update(args: &UpdateArgs) -> Said {
    let wish = args.wish.wish(None);
    let mut wrong = problems(NAME, &wish, version(&args.cloud, &wish));
    if wish.values.is_empty() {
        wrong.push("nothing to change: give `--bucket`, `--prefix`, `--lts`, `--status` or another setting".to_owned());
    }
    refuse(wrong)?;
    let mut trackers = trackers(&args.cloud, &wish)?;
    let granted = trackers.update(&args.name_or_id, &wish, clock::now()).await.map_err(|error| failed(&error))?;
    match args.cloud.output {
        Output::Json => print_tracker(&granted.tracker, Output::Json),
        Output::Table if granted.changes.is_empty() && granted.ignored.is_empty() => {
            print("nothing changed: the tracker is like this already\n");
        }
        Output::Table => print_changes(&granted.changes),
    }
    Ok(tell_ignored(&granted))
}

/// The cloud may answer well and do nothing, so what was asked for is held against what is.
fn tell_ignored(granted: &Granted) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for Change { setting, before: is, after: asked } in &granted.ignored {
        let (is, asked) = (visible(is), visible(asked));
        if matches!(*setting, settings::LTS_GROUP | settings::LTS_TOPIC) {
            // Known: the names are required and then chosen by the cloud.
            anstream::eprintln!("note: `{setting}` is `{is}`: the cloud chooses it by itself");
            continue;
        }
        anstream::eprintln!("warning: `{setting}` is still `{is}`: the cloud accepted `{asked}` without doing it");
        code = ExitCode::from(BAD);
    }
    code
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
fn version(cloud: &Cloud, wish: &Wish) -> Option<Api> {
    let named = [settings::LTS_GROUP, settings::LTS_TOPIC].iter().any(|name| wish.values.contains_key(name));
    cloud.version().or(named.then_some(Api::V1))
}

fn trackers(cloud: &Cloud, wish: &Wish) -> Result<Trackers, ExitCode> {
    Trackers::new(&cloud.credentials()?, version(cloud, wish)).map_err(|error| failed(&error))
}

fn print_tracker(tracker: &Tracker, output: Output) {
    match output {
        Output::Json => terminal::print_json(&tracker.raw),
        Output::Table => {
            let rows = tracker.settings().into_iter().map(|(name, value)| vec![name.to_owned(), visible(&value)]);
            print(&table(None, rows));
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

pub(super) fn print(text: &str) {
    terminal::print(text);
}
