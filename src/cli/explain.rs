//! `tracebell explain`: which rules a trace matches and why, and what is missing for those that nearly do.

use std::{path::Path, process::ExitCode};

use anstyle::{AnsiColor, Style};

use super::{
    BAD, Output, USAGE,
    rules::RulesArg,
    terminal::{columns, print_json, wrap},
    tracker::{failed, usage, visible},
};
use crate::{
    clock,
    cloud::clouds,
    render::inert,
    rule::{
        Evidence,
        explain::{Explanation, Near, Verdict, explain},
    },
    source::{Record, file, listing::Listing, tracker::NAME},
    trace::{Trace, decode::Context},
};

/// Columns where no terminal says how many it has.
const WIDTH: usize = 110;
/// Records told of one by one that are no traces: a file that holds something else has thousands.
const TOLD: usize = 10;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file with one or more traces, `-` for standard input, or the id of a trace in the cloud
    trace: String,
    #[command(flatten)]
    rules: RulesArg,
    /// Entry of clouds.yaml to fetch an id from; without it `OS_CLOUD` or the `OS_*` variables
    #[arg(long, value_name = "NAME")]
    cloud: Option<String>,
    /// How to print the explanation
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    Ok(told(args).await.unwrap_or_else(|code| code))
}

/// An `Err` is the exit code of something that was already said.
async fn told(args: Args) -> Result<ExitCode, ExitCode> {
    let chosen = args.rules.load()?;
    let path = Path::new(&args.trace);
    let (traces, unreadable) = match args.trace == "-" || path.exists() {
        true => from_file(path)?,
        false => fetch(&args).await?,
    };
    for (number, reason) in unreadable.iter().take(TOLD) {
        anstream::eprintln!("error: record {number} of `{}` is not a trace: {}", args.trace, visible(reason));
    }
    if unreadable.len() > TOLD {
        anstream::eprintln!("error: {} more records are no traces", unreadable.len() - TOLD);
    }
    if traces.is_empty() && unreadable.is_empty() {
        anstream::eprintln!("error: no trace in `{}`; expected at least one record", args.trace);
        return Err(ExitCode::from(BAD));
    }
    let explanations: Vec<Explanation<'_>> = traces.iter().map(|trace| explain(&chosen.rules, trace)).collect();
    match args.output {
        Output::Json => print_json(&explanations),
        Output::Table => {
            let width = columns().unwrap_or(WIDTH).max(40);
            for (at, explanation) in explanations.iter().enumerate() {
                if at > 0 {
                    say!();
                }
                draw(explanation, width).iter().for_each(|line| say!("{line}"));
            }
        }
    }
    Ok(if unreadable.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}

/// Traces, and what is none with its number in the file.
pub(super) type Found = (Vec<Trace>, Vec<(usize, String)>);

pub(super) fn from_file(path: &Path) -> Result<Found, ExitCode> {
    let refused = |error: std::io::Error| {
        let reason = match error.kind() {
            std::io::ErrorKind::IsADirectory => "expected a file, found a folder".to_owned(),
            _ => error.to_string(),
        };
        anstream::eprintln!("error: `{}`: {reason}", path.display());
        ExitCode::from(USAGE)
    };
    let opened = file::open(path, |_| {}).map_err(refused)?;
    let (mut traces, mut unreadable, mut number) = (Vec::new(), Vec::new(), 0);
    let now = clock::now();
    let read = file::records(opened, &mut |raw| {
        number += 1;
        match file::decode(raw, &Context::default(), now) {
            Ok(trace) => traces.push(trace),
            Err(error) => unreadable.push((number, error.reason)),
        }
    });
    match read {
        Ok(()) => Ok((traces, unreadable)),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            anstream::eprintln!("error: `{}`: {error}", path.display());
            Err(ExitCode::from(BAD))
        }
        Err(error) => Err(refused(error)),
    }
}

async fn fetch(args: &Args) -> Result<Found, ExitCode> {
    let looks_like_file = args.trace.contains(['/', '.']);
    if looks_like_file {
        return Err(usage(&[format!("`{}`: there is no such file, and it is not the id of a trace", args.trace)]));
    }
    let credentials = clouds::credentials(args.cloud.as_deref()).map_err(|error| {
        usage(&[format!("`{}` is no file here, so it would be fetched from the cloud: {error}", args.trace)])
    })?;
    let now = clock::now();
    let mut listing = Listing::of(&credentials, None, NAME, Vec::new()).map_err(|error| failed(&error))?;
    match listing.one(&args.trace, now).await.map_err(|error| failed(&error))? {
        Some(Record::Trace(trace)) => Ok((vec![Trace::clone(&trace)], Vec::new())),
        Some(Record::Undecodable { reason, .. }) => Ok((Vec::new(), vec![(1, reason)])),
        None => {
            anstream::eprintln!(
                "error: neither a file nor a trace of the last 7 days in the cloud is called `{}`",
                visible(&args.trace)
            );
            Err(ExitCode::from(BAD))
        }
    }
}

fn draw(explanation: &Explanation<'_>, width: usize) -> Vec<String> {
    let trace = explanation.trace;
    let bold = Style::new().bold();
    let dim = Style::new().dimmed();
    let mut lines =
        vec![styled(bold, &format!("{} {}", trace.time.strftime("%Y-%m-%d %H:%M:%SZ"), visible(&trace.id)))];
    let mut facts = format!(
        "{}: {} {} on {}, {}",
        inert::cut(trace.actor_label(), 80),
        trace.service,
        trace.operation,
        inert::cut(trace.resource_label(), 80),
        trace.outcome().as_str()
    );
    if let Some(ip) = &trace.source_ip {
        facts.push_str(&format!(", from {ip}"));
    }
    lines.extend(indented(&facts, 0, width));
    lines.push(String::new());
    if explanation.matches.is_empty() {
        lines.push("no rule matches".to_owned());
    }
    for found in &explanation.matches {
        let (word, color) = match found.verdict {
            Verdict::Fires => ("fires", AnsiColor::Green),
            Verdict::Counts => ("counts", AnsiColor::Cyan),
            Verdict::Escalates => ("escalates", AnsiColor::Magenta),
            Verdict::Excepted => ("excepted", AnsiColor::Yellow),
            Verdict::Shadow => ("shadow", AnsiColor::Yellow),
            Verdict::Off => ("off", AnsiColor::Yellow),
        };
        let head = format!("{}  {}  {}", found.rule, found.severity, found.place);
        lines.push(format!("{}  {head}", styled(color.on_default().bold(), &format!("{word:9}"))));
        if let Some(note) = &found.note {
            lines.extend(indented(note, 11, width));
        }
        if let Some(title) = &found.title {
            lines.extend(indented(&format!("\"{title}\""), 11, width));
        }
        let names = found.evidence.iter().map(|seen| seen.field.chars().count()).max().unwrap_or(0);
        let value = |seen: &Evidence| seen.found.as_deref().map_or("(nothing)".to_owned(), shortened);
        let values = found.evidence.iter().map(|seen| value(seen).chars().count()).filter(|width| *width <= 40);
        let values = values.max().unwrap_or(0);
        for seen in &found.evidence {
            let told = format!("{:names$}  {:values$}  is {}", seen.field, value(seen), seen.expected);
            lines.extend(indented(&told, 11, width).into_iter().map(|line| styled(dim, &line)));
        }
    }
    if !explanation.near.is_empty() {
        let close = explanation.near.iter().all(|near| near.misses.len() == 1);
        lines.push(String::new());
        lines.push(if close { "one condition away:" } else { "nearest:" }.to_owned());
        lines.extend(explanation.near.iter().flat_map(|near| missed(near, width)));
    }
    lines
}

fn missed(near: &Near<'_>, width: usize) -> Vec<String> {
    let mut lines = vec![format!("  {}  {}  {}", near.rule, near.severity, near.place)];
    lines.extend(near.misses.iter().flat_map(|miss| indented(&miss.to_string(), 4, width)));
    lines
}

fn indented(text: &str, indent: usize, width: usize) -> Vec<String> {
    let room = width.saturating_sub(indent).max(20);
    wrap(&visible(text), room).into_iter().map(|line| format!("{:indent$}{line}", "")).collect()
}

fn shortened(text: &str) -> String {
    inert::line(text, 80)
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
