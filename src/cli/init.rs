//! `tracebell init`: a first configuration to edit, the shipped rules beside it, and the schemas that editors read.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;

use super::{
    CONFIG, USAGE,
    schema::{self, Of},
};
use crate::{document::File, rule};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder to write to; made if missing
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    dir: PathBuf,
    /// Overwrite files that exist
    #[arg(long)]
    force: bool,
}

const FIRST: &str = include_str!("init/tracebell.yaml");
/// Where the first configuration looks for rules.
const RULES: &str = "rules";

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let files = files(rule::shipped());
    let existing: Vec<&str> =
        files.iter().filter(|file| exists(&args.dir, file)).map(|file| file.name.as_str()).collect();
    if !existing.is_empty() && !args.force {
        anstream::eprintln!(
            "error: {} already there: {}; nothing was written; choose another `--dir`, or overwrite with `--force`",
            if existing.len() == 1 { "one file is" } else { "some files are" },
            existing.iter().map(|name| format!("`{}`", args.dir.join(name).display())).collect::<Vec<_>>().join(", "),
        );
        return Ok(ExitCode::from(USAGE));
    }
    for file in &files {
        write(&args.dir, file, args.force)?;
    }
    let config = args.dir.join(CONFIG);
    let here = args.dir == Path::new(".");
    let option = if here { String::new() } else { format!(" --config {}", config.display()) };
    say!(
        "wrote {config} and {rules} rule files in {folder}

next:
  1. edit {config}: whose traces, and who is told
  2. tracebell check{option}
  3. tracebell run{option}",
        config = config.display(),
        rules = files.iter().filter(|file| file.name.starts_with(RULES)).count(),
        folder = args.dir.join(RULES).display(),
    );
    Ok(ExitCode::SUCCESS)
}

/// Everything to write, with paths relative to the folder.
fn files(shipped: Vec<File>) -> Vec<File> {
    let schema = |name: &str, of| File { name: name.to_owned(), text: format!("{}\n", schema::text(of)) };
    let mut files = vec![
        File { name: CONFIG.into(), text: FIRST.into() },
        schema(schema::CONFIG_FILE, Of::Config),
        schema(schema::RULES_FILE, Of::Rules),
    ];
    files.extend(shipped.into_iter().map(|file| {
        let name = file.name.rsplit('/').next().unwrap_or(&file.name);
        File { name: format!("{RULES}/{name}"), text: file.text }
    }));
    files
}

/// A link that leads nowhere is there too.
fn exists(dir: &Path, file: &File) -> bool {
    dir.join(&file.name).symlink_metadata().is_ok()
}

fn write(dir: &Path, file: &File, force: bool) -> anyhow::Result<()> {
    let path = dir.join(&file.name);
    let parent = path.parent().expect("a file in a folder has a parent");
    fs::create_dir_all(parent).with_context(|| format!("cannot make the folder `{}`", parent.display()))?;
    let mut options = fs::OpenOptions::new();
    // `create_new` refuses a file that appeared since we looked.
    if force {
        options.write(true).create(true).truncate(true)
    } else {
        options.write(true).create_new(true)
    };
    options
        .open(&path)
        .and_then(|mut open| open.write_all(file.text.as_bytes()))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(dir: &Path, force: bool) -> Args {
        Args { dir: dir.into(), force }
    }

    async fn code(args: Args) -> String {
        format!("{:?}", run(args).await.unwrap())
    }

    #[tokio::test]
    async fn nothing_is_overwritten_unless_asked() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("new/tracebell.yaml");
        let new = dir.path().join("new");
        assert_eq!(code(args(&new, false)).await, format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(fs::read_to_string(&config).unwrap(), FIRST);
        assert!(new.join("rules").is_dir());

        fs::write(&config, "mine").unwrap();
        fs::remove_dir_all(new.join("rules")).unwrap();
        assert_eq!(code(args(&new, false)).await, format!("{:?}", ExitCode::from(USAGE)));
        assert_eq!(fs::read_to_string(&config).unwrap(), "mine");
        assert!(!new.join("rules").exists(), "half of it was written");

        assert_eq!(code(args(&new, true)).await, format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(fs::read_to_string(&config).unwrap(), FIRST);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = format!("{:#}", run(args(&file, false)).await.unwrap_err());
        assert!(error.starts_with("cannot make the folder `"), "{error}");
    }

    #[test]
    fn shipped_names_become_plain_paths() {
        let shipped = vec![File { name: "<embedded>/rules/iam.yaml".into(), text: "rules: []".into() }];
        let files = files(shipped);
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, [CONFIG, schema::CONFIG_FILE, schema::RULES_FILE, "rules/iam.yaml"]);
    }

    /// Settings that are commented out begin with `#` and no space, so that
    /// taking the `#` away gives a configuration too.
    #[test]
    fn the_first_configuration_is_yaml_with_and_without_its_options() {
        let all: String = FIRST
            .lines()
            .map(|line| {
                let indent = line.len() - line.trim_start().len();
                match line[indent..].strip_prefix('#') {
                    Some(setting) if setting.starts_with(|c: char| !c.is_whitespace() && c != '#') => {
                        format!("{}{setting}\n", &line[..indent])
                    }
                    _ => format!("{line}\n"),
                }
            })
            .collect();
        assert_ne!(all, FIRST);
        let read = |text: &str| serde_yaml::from_str::<serde_json::Value>(text).unwrap();
        let (first, all) = (read(FIRST), read(&all));
        let kinds = |config: &serde_json::Value| -> Vec<String> {
            let endpoints = config["endpoints"].as_object().unwrap();
            let mut kinds: Vec<String> =
                endpoints.values().flat_map(|e| e.as_object().unwrap().keys().cloned()).collect();
            kinds.sort();
            kinds
        };
        assert_eq!(kinds(&first), ["email"]);
        assert_eq!(kinds(&all), ["email", "fallback", "rate_limit", "slack", "webhook"]);
        for config in [&first, &all] {
            for subscription in config["topics"].as_object().unwrap().values().flat_map(|t| t.as_array().unwrap()) {
                let name = subscription["endpoint"].as_str().unwrap();
                assert!(config["endpoints"].get(name).is_some(), "no endpoint {name}");
            }
            let topic = config["notices"].as_str().unwrap();
            assert!(config["topics"].get(topic).is_some(), "no topic {topic}");
        }
    }
}
