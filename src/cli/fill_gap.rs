//! `tracebell fill-gap`: stretches that the poller could not read, read from the archive and judged as if it had.
//!
//! Works beside a running Tracebell. What a kill leaves is taken up by the next call.

use std::{
    io::{IsTerminal, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use super::{
    BAD, ConfigArg, USAGE, check,
    past::{archive::moment, archive::show, bar},
    silence::login,
    status::{failed, plain},
    tracker,
};
use crate::{
    app,
    backtest::text::{number, plural},
    checkpoint::{GIVEN_UP, Gap, Part, parts},
    clock::{self, Timestamp},
    cloud::auth::Credentials,
    config::{self, Config},
    generation::Generation,
    ingest::{
        Failure,
        fill::{Closing, Fill, Filled, Open, Step, Telling},
    },
    render::facts::when,
    source::archive::{self, Bucket, Reading},
    store::{Sqlite, Store},
};

mod survey;

/// Traces may be recorded, and files delivered, days late.
const LATE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Files that are named which are not what the tracker wrote.
const SUSPECTS: usize = 20;

/// More alerts than this ring only after somebody said yes.
const ASK_ABOVE: u64 = 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only gaps of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only what happened since then: 2026-01-15T08:00:00Z, or how long ago, such as 30d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Only what happened until then, written like --from
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// Say what would ring, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Tell people all alerts of the gap in one message for each subscription; programs get each
    #[arg(long)]
    digest: bool,
    /// Read also what is filled: files that came later, or to another bucket. Trace ids are remembered for nine days
    #[arg(long)]
    again: bool,
    /// Count a gap as filled though files of it are missing or unreadable: for what will never come
    #[arg(long, conflicts_with = "dry_run")]
    close: bool,
    /// Do not look beforehand how much would ring, and do not ask
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    #[command(flatten)]
    config: ConfigArg,
}

/// A gap with an archive to fill it from, and what of it is not read yet.
struct Task<'c> {
    gap: Gap,
    parts: Vec<Part>,
    archive: archive::Settings,
    credentials: &'c Credentials,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&args.config.config);
    check::print_problems(&loaded.problems, &loaded.files);
    let Some(config) = loaded.config else { return Ok(ExitCode::from(USAGE)) };
    let store = match Sqlite::open_beside(&config.state).await {
        Ok(store) => store,
        Err(error) => return Ok(failed(&error)),
    };
    let generation = Arc::new(app::generation(&config, loaded.rules, &store).await?);
    let done = fill_all(&args, &config, &store, &generation).await;
    store.close().await;
    Ok(done.unwrap_or_else(|code| code))
}

/// An `Err` is the exit code of something that was already said.
async fn fill_all(
    args: &Args,
    config: &Config,
    store: &Sqlite,
    generation: &Arc<Generation>,
) -> Result<ExitCode, ExitCode> {
    let tasks = tasks(args, config, store).await?;
    let Some(mut tasks) = tasks else { return Ok(ExitCode::SUCCESS) };
    for task in &tasks {
        let Gap { source, from, to, reason } = &task.gap;
        say!("Gap of {source}: {} to {}, {}", when(*from), when(*to), clock::in_words(clock::since(*from, *to)));
        say!("  {}", plain(reason));
    }
    for task in &mut tasks {
        let known = task.archive.clone().of_project(task.credentials, clock::now()).await;
        task.archive = known.map_err(|error| tracker::failed(&error))?;
    }
    if !args.yes {
        let found = survey::survey(&tasks, store, &generation.rules).await?;
        found.show();
        if args.dry_run {
            return Ok(ExitCode::SUCCESS);
        }
        if found.alerts > ASK_ABOVE && !args.digest && !confirmed(found.alerts) {
            let alerts = plural(found.alerts, "alert");
            anstream::eprintln!(
                "error: nothing was filled; `--yes` rings {alerts} one by one, `--digest` tells them in one message"
            );
            return Err(ExitCode::from(USAGE));
        }
    }
    let mut whole = true;
    for (at, task) in tasks.iter().enumerate() {
        let is_followed = tasks[at + 1..].iter().any(|later| later.gap.source == task.gap.source);
        let (filled, open) = fill(args, task, is_followed, store, generation).await?;
        tell(&task.gap, &filled, args.digest);
        open.iter().for_each(|(part, open)| tell_open(part, *open, &task.archive));
        whole &= open.is_empty() && filled.suspects.is_empty();
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}

/// What there is to fill; `None` after it was said that there is nothing.
async fn tasks<'c>(args: &Args, config: &'c Config, store: &Sqlite) -> Result<Option<Vec<Task<'c>>>, ExitCode> {
    let known = |name: &String| config.sources.iter().any(|settings| settings.name == *name);
    if let Some(name) = args.source.as_ref().filter(|name| !known(name)) {
        let names: Vec<&str> = config.sources.iter().map(|settings| settings.name.as_str()).collect();
        return Err(tracker::usage(&[format!("no source `{name}`; configured are: {}", names.join(", "))]));
    }
    let (from, to) = (args.from.unwrap_or(Timestamp::MIN), args.to.unwrap_or(Timestamp::MAX));
    if from >= to {
        return Err(tracker::usage(&["`--from` is not before `--to`".to_owned()]));
    }
    let wanted = |name: &str| args.source.as_ref().is_none_or(|wanted| wanted == name);
    let (mut tasks, mut without, mut gaps) = (Vec::new(), Vec::new(), 0);
    for settings in config.sources.iter().filter(|settings| wanted(&settings.name)) {
        let fills = store.fills(&settings.name).await.map_err(|error| failed(&error))?;
        for gap in store.gaps(&settings.name).await.map_err(|error| failed(&error))? {
            gaps += 1;
            let fills = if args.again { &[][..] } else { &fills[..] };
            let parts = parts(&gap, fills, from, to);
            match config.archives.get(&settings.name) {
                _ if parts.is_empty() => {}
                Some(archive) => {
                    let (archive, credentials) = (archive.clone(), &settings.credentials);
                    tasks.push(Task { gap, parts, archive, credentials });
                }
                None => without.push(settings.name.as_str()),
            }
        }
    }
    without.dedup();
    if !without.is_empty() && tasks.is_empty() {
        let hint = "name the tracker's bucket: `archive: { bucket: NAME }` beside `cts`; see docs/archive.md";
        return Err(tracker::usage(&[format!(
            "no `archive` is configured for {}, which has gaps; {hint}",
            without.join(", ")
        )]));
    }
    for name in without {
        anstream::eprintln!("warning: {name} has gaps and no `archive` in the configuration: they stay");
    }
    if tasks.is_empty() {
        let of = args.source.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        let spanned = args.from.is_some() || args.to.is_some();
        match gaps {
            0 => say!("No gap{of} is recorded: nothing to fill."),
            _ if spanned => say!("No open gap{of} lies in that time: nothing to fill."),
            _ => say!("Every gap{of} is filled; `tracebell status` shows them, `--again` reads them once more."),
        }
        return Ok(None);
    }
    Ok(Some(tasks))
}

async fn fill(
    args: &Args,
    task: &Task<'_>,
    is_followed: bool,
    store: &Sqlite,
    generation: &Arc<Generation>,
) -> Result<(Filled, Vec<(Part, Open)>), ExitCode> {
    let closing = if args.close { Closing::Anyhow } else { Closing::Whole };
    let mut still_open = Vec::new();
    let telling = if args.digest { Telling::InOne } else { Telling::Each };
    let by = login().unwrap_or_else(|| "somebody".to_owned());
    let mut total = Filled::default();
    for (at, part) in task.parts.iter().enumerate() {
        let reading = reading(&task.archive, part)?;
        let source = task.gap.source.clone();
        let (store, generation) = (store.clone(), generation.clone());
        let mut fill = Fill::new(source, *part, reading, store, generation, telling, by.clone(), closing);
        if is_followed || at + 1 < task.parts.len() {
            fill = fill.followed();
        }
        let bar = bar(0, "{spinner} filling the gap {wide_bar} {percent}%  {msg}  {eta} left");
        let outcome = loop {
            let step = fill.step(clock::now()).await;
            let progress = fill.progress();
            show(
                &bar,
                progress,
                &format!("{}, {}", plural(fill.filled.fresh, "new trace"), plural(fill.filled.alerts, "alert")),
            );
            match step {
                Ok(Step::On) => {}
                Ok(Step::End(open)) => break Ok(open),
                Err(error) => break Err(error),
            }
        };
        bar.finish_and_clear();
        let open = outcome.map_err(|error| {
            let code = match error {
                Failure::Source(error) => tracker::failed(&error),
                Failure::Store(error) => failed(&error),
            };
            anstream::eprintln!("what was read until then is kept; the same command goes on where it was");
            if args.digest {
                let wait = clock::in_words(GIVEN_UP);
                anstream::eprintln!("if it does not within {wait}, people are told of what was read until then");
            }
            code
        })?;
        still_open.extend(open.map(|open| (*part, open)));
        let Filled { traces, fresh, undecodable, alerts, unreadable, reasons, suspects } = fill.filled;
        total.traces += traces;
        total.fresh += fresh;
        total.undecodable += undecodable;
        total.alerts += alerts;
        total.unreadable += unreadable;
        total.reasons.extend(reasons);
        total.suspects.extend(suspects);
    }
    Ok((total, still_open))
}

/// Says what came of it.
fn tell(gap: &Gap, filled: &Filled, digest: bool) {
    let Filled { traces, fresh, undecodable, alerts, unreadable, reasons, suspects } = filled;
    say!(
        "{} read from the archive, {} of them new; {} opened.",
        plural(*traces, "trace"),
        number(*fresh),
        plural(*alerts, "alert")
    );
    match (*alerts, digest) {
        (0, _) => {}
        (_, true) => {
            say!("People are told in one message for each subscription; it is sent while `tracebell run` runs.")
        }
        (_, false) => say!("Messages say that they are late; they are sent while `tracebell run` runs."),
    }
    if *undecodable > 0 {
        say!("{} could not be decoded and lie in quarantine.", plural(*undecodable, "record"));
    }
    if *traces == 0 {
        say!("Nothing was found in the archive between {} and {}.", when(gap.from), when(gap.to));
    }
    if *unreadable > 0 {
        anstream::eprintln!("warning: {} could not be read:", plural(*unreadable, "file"));
        reasons.iter().for_each(|reason| anstream::eprintln!("  {}", plain(reason)));
    }
    tell_suspects(suspects, gap);
}

/// Names the files that are not what the tracker wrote; what is in them was judged all the same.
fn tell_suspects(suspects: &[String], gap: &Gap) {
    if suspects.is_empty() {
        return;
    }
    let is = if suspects.len() == 1 { "is" } else { "are" };
    let files = plural(suspects.len() as u64, "file");
    anstream::eprintln!("warning: {files} of the archive {is} not what the tracker wrote:");
    suspects.iter().take(SUSPECTS).for_each(|found| anstream::eprintln!("  {}", plain(found)));
    if suspects.len() > SUSPECTS {
        anstream::eprintln!("  and {} more", suspects.len() - SUSPECTS);
    }
    anstream::eprintln!("What they hold was judged all the same; what was taken out of them is not known.");
    anstream::eprintln!(
        "help: find out who may write to the bucket, and see all that is off: `tracebell archive verify --source {} \
         --from {}`",
        gap.source,
        gap.from.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
}

/// Says why a part stays open, and what to do.
fn tell_open(part: &Part, open: Open, archive: &archive::Settings) {
    let (from, to) = (when(part.from), when(part.to));
    let bucket = &archive.bucket;
    let (why, hint) = match open {
        Open::NoFile { others: 0 } => (
            format!("bucket `{bucket}` holds no trace file that was delivered then or in the days after"),
            "check that the tracker delivers there (`tracebell tracker show`), and did then".to_owned(),
        ),
        Open::NoFile { others } => {
            let prefix = archive.prefix.as_ref().map(|prefix| format!("`{prefix}`"));
            let is = if others == 1 { "is" } else { "are" };
            (
                format!(
                    "{} of that time in bucket `{bucket}` {is} of another prefix, tracker or project",
                    plural(others, "file")
                ),
                format!(
                    "check `prefix` of the archive ({}) and `tracker` of the source (`{}`); `tracebell tracker show` \
                     tells both",
                    prefix.unwrap_or_else(|| "none".to_owned()),
                    archive.tracker
                ),
            )
        }
        Open::Unreadable => (
            "files of it could not be read".to_owned(),
            "look at them with `tracebell archive verify`; the same command tries them again".to_owned(),
        ),
        Open::Young { until } => (
            "files of it may still be delivered".to_owned(),
            format!("give the same command again after {}", when(until)),
        ),
    };
    anstream::eprintln!("warning: {from} to {to} stays open: {}", plain(&why));
    anstream::eprintln!("help: {}; `--close` counts it as filled anyhow", plain(&hint));
}

fn reading(settings: &archive::Settings, part: &Part) -> Result<Reading, ExitCode> {
    let bucket = Bucket::new(settings.clone()).map_err(|error| tracker::failed(&error))?;
    Ok(Reading::new(bucket, part.from, part.to, clock::now()).late_by(LATE).uploaded_since(part.reached))
}

/// False where there is nobody to ask.
fn confirmed(alerts: u64) -> bool {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return false;
    }
    anstream::eprint!("Ring {} one by one? `--digest` would tell them in one message. [y/N] ", plural(alerts, "alert"));
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    input.read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
