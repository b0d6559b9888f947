//! Rules: what ships works, and every mistake is drawn where it stands.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tracebell::{
    document::{self, File, Level, draw},
    rule,
};

use crate::world;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rules");

fn load_text(text: &str) -> (rule::RuleSet, Vec<document::Problem>) {
    rule::load(&[File { name: "rules.yaml".into(), text: text.into() }])
}

#[test]
fn shipped_rules_load_without_a_word_and_pass_their_cases() {
    let files = rule::shipped();
    let (set, problems) = rule::load(&files);
    assert!(problems.is_empty(), "{}", draw::draw(&problems, &files, false));
    assert!(set.rules.len() >= 20, "{}", set.rules.len());
    for rule in &set.rules {
        let results = rule.run_cases();
        for result in &results {
            assert_eq!(result.failure, None, "{} {}:{}", rule.id, rule.place, result.line);
        }
        assert!(results.iter().any(|result| result.fires), "{} has no case that fires", rule.id);
        assert!(results.iter().any(|result| !result.fires), "{} has no case that is silent", rule.id);
        assert!(rule.why.is_some(), "{} does not say why", rule.id);
    }
}

#[test]
fn every_rule_file_is_embedded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let on_disk: BTreeSet<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let embedded: BTreeSet<String> = rule::shipped::FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(on_disk, embedded);
}

/// Each `bad/NAME.yaml` (or folder of files) with the drawing of its problems in
/// `bad/NAME.txt`. `TRACEBELL_UPDATE=1` writes the drawings anew.
#[test]
fn every_mistake_is_drawn_as_expected() {
    let update = std::env::var_os("TRACEBELL_UPDATE").is_some();
    let mut checked = 0;
    let mut wrong = String::new();
    for path in sorted(&Path::new(FIXTURES).join("bad")) {
        if path.extension().is_some_and(|extension| extension == "txt") {
            continue;
        }
        let paths = if path.is_dir() { sorted(&path) } else { vec![path.clone()] };
        let mut files = Vec::new();
        let mut problems = Vec::new();
        for path in paths {
            let name = path.file_name().unwrap().to_str().unwrap();
            match document::decode_bytes(name, &fs::read(&path).unwrap()) {
                Ok(file) => files.push(file),
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(rule::load(&files).1);
        let warns_only = path.file_stem().unwrap().to_str().unwrap().starts_with("warn-");
        let level = if warns_only { Level::Warning } else { Level::Error };
        assert!(problems.iter().any(|problem| problem.level == level), "{} is not refused", path.display());
        let mut drawing = draw::draw(&problems, &files, false);
        drawing.push('\n');
        for problem in &problems {
            writeln!(drawing, "\n{}", draw::line(problem, &files)).unwrap();
        }
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &drawing).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != drawing {
            writeln!(wrong, "{}:\n{drawing}", path.display()).unwrap();
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "not as in the .txt beside it (TRACEBELL_UPDATE=1 accepts):\n{wrong}");
    assert!(checked >= 30, "{checked}");
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
