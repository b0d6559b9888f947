//! `tracebell archive`: whether the trace files in the bucket are what the tracker wrote.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use serde_json::json;

use super::{
    BAD, ConfigArg, Output, USAGE, check,
    past::{archive::moment, bar},
    status::{plain, print_table},
    terminal::print_json,
    tracker::{failed, usage},
};
use crate::{
    backtest::text::plural,
    clock::{self, Timestamp},
    config::{self, Config},
    render::facts::when,
    source::archive::{
        Bucket, Settings,
        audit::{Audit, Finding, Seen},
        digest::PublicKey,
    },
};

/// Findings that are listed; the rest is counted.
const LISTED: usize = 50;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check digests, their signatures, and that each trace file is there and unchanged
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// Only the archive of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// How far back: 7d, 90d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = moment)]
    since: Timestamp,
    /// From then: 2026-01-15T08:00:00Z, or how long ago
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "since")]
    from: Option<Timestamp>,
    /// Until then, written like --from; without it, now
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// PEM file with the public key that signs the digests; without it, the `public_key` of the archive, else the
    /// one that the trace service documents
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    config: ConfigArg,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Command::Verify(args) = args.command;
    let loaded = config::load(&args.config.config);
    check::print_problems(&loaded.problems, &loaded.files);
    let Some(config) = loaded.config else { return Ok(ExitCode::from(USAGE)) };
    Ok(verify(&args, &config).await.unwrap_or_else(|code| code))
}

/// An `Err` is the exit code of something that was already said.
async fn verify(args: &VerifyArgs, config: &Config) -> Result<ExitCode, ExitCode> {
    let (from, to) = (args.from.unwrap_or(args.since), args.to.unwrap_or_else(clock::now));
    if from >= to {
        return Err(usage(&["the span is empty: it begins at its end or later".to_owned()]));
    }
    let key = args.public_key.as_ref().map(|path| {
        let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
        read.and_then(|text| PublicKey::parse(&text))
            .map_err(|reason| usage(&[format!("`--public-key` {}: {reason}", path.display())]))
    });
    let key = key.transpose()?;
    let mut good = true;
    let mut told = Vec::new();
    for (name, settings) in chosen(args, config)? {
        let key = key.as_ref().unwrap_or(&settings.public_key);
        let audit = look(settings, key.clone(), from, to).await?;
        good &= audit.findings.is_empty() && audit.seen.digests > 0;
        match args.output {
            Output::Table => show(name, settings, &audit, from, to),
            Output::Json => told.push(as_json(name, settings, &audit)),
        }
    }
    if args.output == Output::Json {
        print_json(&json!({ "from": from, "to": to, "good": good, "archives": told }));
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}

fn chosen<'c>(args: &VerifyArgs, config: &'c Config) -> Result<Vec<(&'c str, &'c Settings)>, ExitCode> {
    let wanted = |name: &str| args.source.as_ref().is_none_or(|wanted| wanted == name);
    let found = config.archives.iter().filter(|(name, _)| wanted(name));
    let found: Vec<(&str, &Settings)> = found.map(|(name, settings)| (name.as_str(), settings)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let hint = "name the tracker's bucket: `archive: { bucket: NAME }` beside `cts`; see docs/archive.md";
    Err(usage(&[match &args.source {
        Some(name) => format!("source `{name}` has no archive in the configuration; {hint}"),
        None => format!("no source has an archive in the configuration; {hint}"),
    }]))
}

async fn look(settings: &Settings, key: PublicKey, from: Timestamp, to: Timestamp) -> Result<Audit, ExitCode> {
    let bucket = Bucket::new(settings.clone()).map_err(|error| failed(&error))?;
    let mut audit = Audit::new(bucket, key, from, to, clock::now());
    let bar = bar(audit.seen.days, "{spinner} looking at the archive {wide_bar} {pos} of {len} days  {msg}");
    loop {
        let more = audit.step().await.map_err(|error| {
            bar.finish_and_clear();
            failed(&error)
        })?;
        bar.set_position(audit.seen.days_looked_at.saturating_sub(1));
        bar.set_message(format!("{}, {}", plural(audit.seen.digests, "digest"), plural(audit.seen.files, "file")));
        if !more {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(audit)
}

fn show(name: &str, settings: &Settings, audit: &Audit, from: Timestamp, to: Timestamp) {
    let Seen { digests, signed, files, whole, too_young, .. } = audit.seen;
    say!("Archive of {name}: bucket {}, {} to {}", settings.bucket, when(from), when(to));
    if digests == 0 {
        say!("  There are no digests in this time: nothing can be verified.");
        say!("  The tracker writes them if trace file verification is on: `tracebell tracker update --validate on`.");
    } else {
        let all = |good: u64, of: u64, word: &str| match good == of {
            true => format!("all {}", plural(of, word)),
            false => format!("{good} of {}", plural(of, word)),
        };
        say!("  {} are signed by the trace service", all(signed, digests, "digest"));
        say!("  {} that they name are there and unchanged", all(whole, files, "file"));
        if too_young > 0 {
            say!("  {} came after the last digest and cannot be verified yet", plural(too_young, "file"));
        }
    }
    if audit.findings.is_empty() {
        if digests > 0 {
            say!("  Nothing is missing, changed or added.\n");
        }
        return;
    }
    say!();
    let rows = audit
        .findings
        .iter()
        .take(LISTED)
        .map(|finding| vec![finding.wrong.in_words().to_owned(), plain(&finding.object), plain(&finding.detail)]);
    let title = format!(
        "{} off",
        match audit.findings.len() {
            1 => "1 thing is".to_owned(),
            many => format!("{many} things are"),
        }
    );
    print_table(&title, &["what", "object", "found"], 0..0, rows);
    if audit.findings.len() > LISTED {
        say!("  and {} more; `--output json` lists all", audit.findings.len() - LISTED);
    }
    say!();
}

fn as_json(name: &str, settings: &Settings, audit: &Audit) -> serde_json::Value {
    let Seen { digests, signed, files, whole, .. } = audit.seen;
    let finding = |finding: &Finding| json!({ "what": finding.wrong.in_words(), "object": finding.object, "found": finding.detail });
    json!({
        "source": name,
        "bucket": settings.bucket,
        "digests": digests,
        "digests_signed": signed,
        "files": files,
        "files_unchanged": whole,
        "findings": audit.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
