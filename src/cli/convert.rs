//! `tracebell convert`: rules of others into ours, and what could not be carried over.
//!
//! The rules go to standard output or into a folder; the table goes to standard error, so that the
//! output can be redirected into a file.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Subcommand;

use super::{BAD, Output, USAGE, terminal};
use crate::{
    convert::{self, Converted, Draft, key_event, sigma},
    document::{File, decode_bytes},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sigma rules for the audit logs of AWS, Azure and GCP
    Sigma {
        /// Files, or folders that are searched for .yml and .yaml
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        to: To,
    },
    /// A key event notification of CTS (v3 JSON), as it is created or listed
    KeyEvent {
        /// A file, or - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        to: To,
    },
}

#[derive(Debug, clap::Args)]
struct To {
    /// Write the rules into this folder, one file per service, instead of printing them
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// How to tell what became of each rule
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (converted, to, prefix) = match args.command {
        Command::Sigma { files, to } => {
            let mut found = Vec::new();
            for path in files {
                if let Err(error) = collect(&path, &mut found) {
                    anstream::eprintln!("error: {error:#}");
                    return Ok(ExitCode::from(USAGE));
                }
            }
            (sigma::sigma(&found), to, "sigma")
        }
        Command::KeyEvent { file, to } => {
            match read(&file).and_then(|file| key_event::key_event(&file).map_err(anyhow::Error::msg)) {
                Ok(converted) => (converted, to, "key-event"),
                Err(error) => {
                    anstream::eprintln!("error: {error:#}");
                    return Ok(ExitCode::from(USAGE));
                }
            }
        }
    };
    let drafts: Vec<&Draft> = converted.iter().filter_map(|one| one.draft.as_ref()).collect();
    let text = convert::text(&drafts.iter().map(|draft| (*draft).clone()).collect::<Vec<_>>());
    if to.output == Output::Json {
        terminal::print_json(&json(&converted, &text));
    } else {
        anstream::eprint!("{}", table(&converted));
    }
    match &to.write {
        Some(folder) => write(folder, prefix, &drafts)?,
        None if to.output == Output::Table && !text.is_empty() => say!("{}", text.trim_end()),
        None => {}
    }
    Ok(if drafts.is_empty() { ExitCode::from(BAD) } else { ExitCode::SUCCESS })
}

fn collect(path: &Path, found: &mut Vec<File>) -> anyhow::Result<()> {
    if !path.is_dir() {
        found.push(read(path)?);
        return Ok(());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read the folder `{}`", path.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let rule = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        if rule || (path.is_dir() && !path.is_symlink()) {
            collect(&path, found)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<File> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    }
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    decode_bytes(&name, &bytes).map_err(|problem| anyhow::anyhow!("{name}: {}", problem.text))
}

/// One file per service. A file that is there already is never written over.
fn write(folder: &Path, prefix: &str, drafts: &[&Draft]) -> anyhow::Result<()> {
    let mut files: BTreeMap<String, Vec<Draft>> = BTreeMap::new();
    for draft in drafts {
        files.entry(format!("{prefix}-{}.yaml", draft.service())).or_default().push((*draft).clone());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    if let Some(taken) = files.keys().map(|name| folder.join(name)).find(|path| path.exists()) {
        anyhow::bail!("{} is there already: move it away, or name another folder", taken.display());
    }
    for (name, drafts) in files {
        let path = folder.join(name);
        std::fs::write(&path, convert::text(&drafts)).with_context(|| format!("cannot write {}", path.display()))?;
        anstream::eprintln!(
            "wrote {} ({} {})",
            path.display(),
            drafts.len(),
            if drafts.len() == 1 { "rule" } else { "rules" }
        );
    }
    Ok(())
}

fn table(converted: &[Converted]) -> String {
    let mut out = String::new();
    for one in converted {
        out += &format!("{:8}  {}  ({})\n", one.verdict.as_str(), shown(&one.title), shown(&one.place));
        for note in &one.notes {
            out += &format!("          - {}\n", shown(note));
        }
    }
    let [carried, partly, refused] = convert::counts(converted);
    let told = format!("{carried} carried over, {partly} in part (as shadows), {refused} refused");
    if converted.is_empty() {
        return "error: there is no rule in what was given; expected a title and a condition in a .yml file\n"
            .to_owned();
    }
    out + &format!("{} {}: {told}\n", converted.len(), if converted.len() == 1 { "rule" } else { "rules" })
}

/// Texts of strangers on a terminal: nothing in them moves the cursor.
fn shown(text: &str) -> String {
    crate::render::inert::line(text, 1000)
}

fn json(converted: &[Converted], text: &str) -> serde_json::Value {
    let [carried, partly, refused] = convert::counts(converted);
    let rule = |one: &Converted| {
        serde_json::json!({
            "title": one.title, "place": one.place, "verdict": one.verdict.as_str(),
            "id": one.draft.as_ref().map(|draft| &draft.id), "notes": one.notes,
        })
    };
    serde_json::json!({
        "carried": carried, "partly": partly, "refused": refused,
        "rules": converted.iter().map(rule).collect::<Vec<_>>(), "yaml": text,
    })
}
