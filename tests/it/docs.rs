//! The documents tell the truth: links lead somewhere, commands exist. Their examples: `examples.rs`.

use std::{fs, path::Path};

use clap::CommandFactory;
use tracebell::cli::Cli;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for (name, text) in documents() {
        let folder = Path::new(ROOT).join(&name).parent().expect("a document is in a folder").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            if link.starts_with("https://") {
                continue;
            }
            let target = if path.is_empty() { Path::new(ROOT).join(&name) } else { folder.join(path) };
            let heading = |text: String| text.lines().any(|line| line.starts_with('#') && slug(line) == anchor);
            if !target.exists() || !anchor.is_empty() && !fs::read_to_string(&target).is_ok_and(heading) {
                dead.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn commands_and_options_exist() {
    let (mut unknown, mut seen) = (Vec::new(), 0);
    for (name, text) in documents() {
        // Commands stand between backticks or alone on an indented line.
        let spans = text.split('`').skip(1).step_by(2);
        let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
        for code in spans.chain(lines).filter_map(|code| code.trim().strip_prefix("tracebell ")) {
            seen += 1;
            let mut command = Cli::command();
            for word in code.split_whitespace() {
                let found = match word.strip_prefix("--") {
                    Some(option) => {
                        let option = option.split('=').next().expect("split gives at least one part");
                        option == "help" || command.get_arguments().any(|known| known.get_long() == Some(option))
                    }
                    None => match command.find_subcommand(word).cloned() {
                        Some(next) => {
                            command = next;
                            true
                        }
                        // A value, if commands are not expected any more.
                        None => !command.has_subcommands(),
                    },
                };
                if !found {
                    unknown.push(format!("{name}: `tracebell {code}`: no `{word}`"));
                    break;
                }
            }
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    assert!(seen > 15, "{seen} commands found in the documents");
}

/// How a heading is linked to.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-')
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Every document for people, by its path from the root.
pub fn documents() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in [".", "docs", "docs/decisions"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).expect("the folder exists") {
            let name = entry.expect("the folder can be listed").file_name().to_string_lossy().into_owned();
            if name.ends_with(".md") {
                let path = format!("{folder}/{name}");
                let text = fs::read_to_string(Path::new(ROOT).join(&path)).expect("a document can be read");
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 10, "no documents found");
    found
}
