//! `tracebell push`: what the cloud pushes, set up, shown and taken down through its APIs.
//!
//! Three parts live in the cloud: a topic, a subscription of this Tracebell to it, and a key event notification that
//! tells the topic. What is made here is called `tracebell_SOURCE`, and nothing else is ever deleted.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::{
    ConfigArg, Output, USAGE, terminal,
    tracker::{failed, usage, visible},
};
use crate::{
    config,
    document::draw,
    source::{
        self, SourceError,
        push::{self, cloud::Cloud},
    },
    store::{PushRow, Sqlite, Store, StoreError},
};

mod disable;
mod enable;
mod show;
mod wanted;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create topic, subscription and key event notification, and confirm the subscription
    Enable(enable::Args),
    /// Show how each part stands, when the cloud pushed last, and how long traces take
    Status(show::Args),
    /// Delete what `push enable` created; the trace list is read as before
    Disable(disable::Args),
}

/// Narrower than this nothing is broken.
const NARROWEST: usize = 16;
/// Names of sources that an error tells.
const NAMED: usize = 10;

/// Which source, and how the result is shown.
#[derive(Debug, clap::Args)]
struct Which {
    /// The source; without it the only one
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
    /// How to print it
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value = "table")]
    output: Output,
}

/// A source with everything that its push needs.
struct Site {
    source: source::Settings,
    /// `None`: the configuration does not take pushes yet.
    push: Option<push::Settings>,
    /// Where the cloud posts.
    endpoint: String,
    state: std::path::PathBuf,
    config: std::path::PathBuf,
    /// `tracebell_SOURCE`, in the letters that topics and notifications may have.
    name: String,
}

/// An `Err` is the exit code of something that was already said.
type Said = Result<ExitCode, ExitCode>;

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let done = match args.command {
        Command::Enable(args) => enable::run(args).await,
        Command::Status(args) => show::run(args).await,
        Command::Disable(args) => disable::run(args).await,
    };
    Ok(done.unwrap_or_else(|code| code))
}

impl Which {
    fn site(&self) -> Result<Site, ExitCode> {
        let loaded = config::load(&self.config.config);
        let Some(config) = loaded.config else {
            for problem in &loaded.problems {
                anstream::eprintln!("{}", draw::line(problem, &loaded.files));
            }
            return Err(ExitCode::from(USAGE));
        };
        let names: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
        let source = match (&self.source, config.sources.as_slice()) {
            (Some(name), sources) => sources.iter().find(|source| source.name == *name).cloned(),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        };
        let Some(source) = source else {
            let given = self.source.as_ref().map_or_else(String::new, |name| format!("there is no source `{name}`; "));
            let told = names[..names.len().min(NAMED)].join(", ");
            let more = match names.len() {
                ..=NAMED => String::new(),
                all => format!(" and {} more", all - NAMED),
            };
            return Err(usage(&[format!("{given}give `--source` with one of: {told}{more}")]));
        };
        if source.name.contains('/') {
            let problem = "a push belongs to one project: give this one a source of its own, with one entry in \
                           `cts.projects`";
            return Err(usage(&[problem.to_owned()]));
        }
        let Some(public_url) = &config.http.public_url else {
            let problem = "the cloud must know where to post: write `http: { public_url: https://... }` into the \
                           configuration, an address that leads here from outside";
            return Err(usage(&[problem.to_owned()]));
        };
        let endpoint = format!("{public_url}/ingest/smn/{}", source.name);
        let push = config.pushes.iter().find(|push| push.source == source.name).cloned();
        let (name, config_path) = (cloud_name(&source.name), self.config.config.clone());
        Ok(Site { source, push, endpoint, state: config.state.clone(), config: config_path, name })
    }
}

impl Site {
    fn cloud(&self) -> Result<Cloud, ExitCode> {
        Cloud::new(&self.source.credentials).map_err(|error| failed(&error))
    }

    /// The topic that is configured, or the one that would be made.
    async fn topic(&self, cloud: &mut Cloud) -> Result<String, SourceError> {
        match &self.push {
            Some(push) => Ok(push.topics[0].clone()),
            None => cloud.topic_urn(&self.name, crate::clock::now()).await,
        }
    }

    fn made_topic(&self, urn: &str) -> bool {
        urn.rsplit(':').next() == Some(&self.name)
    }

    /// What SMN said to the running Tracebell; `None` if there is no state yet.
    async fn heard(&self, topic: &str) -> Result<Option<PushRow>, StoreError> {
        if !self.state.exists() {
            return Ok(None);
        }
        let store = Sqlite::open_read(&self.state).await?;
        let rows = store.pushes().await;
        store.close().await;
        Ok(rows?.into_iter().find(|row| row.source == self.source.name && row.topic_urn == topic))
    }
}

/// Letters, digits and `_` are what both services take, at most 64.
fn cloud_name(source: &str) -> String {
    let plain: String = source.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let (whole, short) = (format!("tracebell_{plain}"), crate::id::derive(&["push", source]));
    // Two sources must not come to one name.
    if plain == source && whole.len() <= 64 { whole } else { format!("tracebell_{:.40}_{:.8}", plain, short) }
}

/// Lines under each other: what, how it stands, and more about it.
#[derive(Default)]
struct Lines(Vec<[String; 3]>);

impl Lines {
    fn add(&mut self, what: &str, standing: &str, more: impl Into<String>) {
        self.0.push([what.to_owned(), standing.to_owned(), more.into()]);
    }

    fn print(&self) {
        self.fitted(terminal::columns()).iter().for_each(|line| say!("{line}"));
    }

    /// As wide as the terminal is: what is too long goes on below itself.
    fn fitted(&self, width: Option<usize>) -> Vec<String> {
        let rows: Vec<[String; 3]> = self.0.iter().map(|row| row.each_ref().map(|cell| visible(cell))).collect();
        let widest = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
        let (first, second) = (widest(0), widest(1));
        let before = first + 2 + second + 2;
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(before).max(NARROWEST));
        let mut lines = Vec::new();
        for [what, standing, more] in &rows {
            for (at, part) in terminal::wrap(more, room).iter().enumerate() {
                let line = match at {
                    0 => format!("{what:first$}  {standing:second$}  {part}"),
                    _ => format!("{:before$}{part}", ""),
                };
                lines.push(line.trim_end().to_owned());
            }
        }
        lines
    }

    fn json(&self) -> Value {
        let rows = self
            .0
            .iter()
            .map(|[what, standing, more]| serde_json::json!({ "part": what, "standing": standing, "about": more }));
        rows.collect()
    }
}

/// What stands in the configuration, to be copied.
fn lines_to_add(site: &Site, topic: &str) -> String {
    format!(
        "Write this beside `cts` of the source into {}:\n\n  sources:\n    {}:\n      cts: {{ ... }}\n      smn: {{ \
         topic_urn: \"{topic}\" }}\n\nA running Tracebell takes it up by itself within seconds. Then run this \
         command again.\n",
        site.config.display(),
        site.source.name
    )
}

#[cfg(test)]
mod tests {
    use super::{Lines, cloud_name};

    #[test]
    fn a_narrow_terminal_is_not_overrun() {
        let mut lines = Lines::default();
        lines.add("source", "prod", "");
        lines.add("topic", "was there", "urn:smn:eu-de:0123456789abcdef0123456789abcdef:tracebell_prod");
        lines.add("notification", "created", "tracebell_prod: every operation");
        let found = lines.fitted(Some(46));
        assert!(found.iter().all(|line| line.chars().count() <= 46), "{found:#?}");
        assert_eq!(found[0], "source        prod");
        assert_eq!(
            found[1..3],
            ["topic         was there  urn:smn:eu-de:0123456", "                         789abcdef0123456789ab"]
        );
        assert_eq!(lines.fitted(None).len(), 3);
        assert_eq!(lines.fitted(None)[2], "notification  created    tracebell_prod: every operation");
    }

    #[test]
    fn names_are_such_that_the_cloud_takes_them() {
        assert_eq!(cloud_name("prod"), "tracebell_prod");
        assert_ne!(cloud_name("a.b"), cloud_name("a-b"));
        for name in ["a.b", &"x".repeat(64)] {
            let found = cloud_name(name);
            assert!(found.len() <= 64 && found.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{found}");
        }
    }
}
