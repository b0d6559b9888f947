//! One broken rule file does not take the others down: its last good version stays.

use crate::{
    document::{Code, File, Level, Problem, draw},
    rule::{self, RuleSet},
};

/// A rule file whose problems keep it from being in force as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub file: String,
    /// Its last good version is in force; if there is none, nothing of it is.
    pub known: bool,
    /// What is wrong, a line each.
    pub problems: Vec<String>,
}

/// Rules in force and how they came about.
#[derive(Debug, Default)]
pub struct Loading {
    pub rules: RuleSet,
    /// The texts they were read from.
    pub files: Vec<File>,
    /// Errors only if no choice of versions loads.
    pub problems: Vec<Problem>,
    pub kept: Vec<Kept>,
}

/// Loads `found`, with the versions in `good` for files that have errors; `unread` could not even be read.
pub fn load(found: Vec<File>, unread: Vec<Problem>, good: &[File]) -> Loading {
    let mut loading = Loading { files: found, ..Loading::default() };
    for problem in unread {
        // A path that held several files, such as a folder that is gone, keeps them all.
        let below = format!("{}/", problem.file.trim_end_matches('/'));
        let known: Vec<File> =
            good.iter().filter(|file| file.name == problem.file || file.name.starts_with(&below)).cloned().collect();
        if known.is_empty() {
            loading.problems.push(problem);
            continue;
        }
        loading.kept.push(Kept { file: problem.file.clone(), known: true, problems: vec![draw::line(&problem, &[])] });
        loading.files.extend(known);
    }
    loop {
        let (rules, problems) = rule::load(&loading.files);
        let mut errors: Vec<&Problem> = problems.iter().filter(|problem| problem.level == Level::Error).collect();
        // What is no YAML gives no lists either, and others are not to blame for missing them.
        let no_yaml = |problem: &&Problem| problem.path.is_empty() && problem.code != Code::default();
        if errors.iter().any(no_yaml) {
            errors.retain(no_yaml);
        }
        let mut replaced = false;
        let files = std::mem::take(&mut loading.files);
        let texts = files.clone();
        for file in files {
            let of_file: Vec<&Problem> = errors.iter().copied().filter(|problem| problem.file == file.name).collect();
            let last = good.iter().find(|last| last.name == file.name);
            // With nothing good known at all this is a start, which refuses.
            if of_file.is_empty() || good.is_empty() || last == Some(&file) {
                loading.files.push(file);
                continue;
            }
            replaced = true;
            let problems = of_file.iter().map(|problem| draw::line(problem, &texts)).collect();
            loading.kept.push(Kept { file: file.name.clone(), known: last.is_some(), problems });
            loading.files.extend(last.cloned());
        }
        if !replaced {
            loading.rules = rules;
            loading.problems.extend(problems);
            return loading;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> File {
        File { name: name.into(), text: text.into() }
    }

    fn rule(id: &str, actor: &str) -> String {
        format!("rules:\n  - {{ id: {id}, title: t, severity: low, match: {{ actor.name: {actor} }} }}\n")
    }

    /// Ids in force, files that are not in force as they stand, and whether it is an error.
    #[track_caller]
    fn check(found: &[File], good: &[File], ids: &[&str], kept: &[&str], refused: bool) {
        let loading = load(found.to_vec(), Vec::new(), good);
        let errors = loading.problems.iter().any(|problem| problem.level == Level::Error);
        assert_eq!(errors, refused, "{:?}", loading.problems);
        assert_eq!(loading.kept.iter().map(|kept| kept.file.as_str()).collect::<Vec<_>>(), kept);
        if !refused {
            assert_eq!(loading.rules.rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ids);
        }
    }

    #[test]
    fn the_last_good_version_of_a_broken_file_stays() {
        let good = [file("r/a.yaml", &rule("a", "x")), file("r/b.yaml", &rule("b", "$people"))];
        let lists = file("r/lists.yaml", "lists: { people: [x] }\n");
        let good = [&good[..], std::slice::from_ref(&lists)].concat();
        let (a, b) = (&good[0], &good[1]);
        let broken = file("r/a.yaml", "rules:\n  - { id: a\n");
        let better = file("r/b.yaml", &rule("b2", "$people"));
        check(&[a.clone(), b.clone(), lists.clone()], &good, &["a", "b"], &[], false);
        check(&[broken.clone(), better.clone(), lists.clone()], &good, &["a", "b2"], &["r/a.yaml"], false);
        // A start knows nothing good.
        check(&[broken, better.clone(), lists.clone()], &[], &[], &[], true);
        // A new file without a good version is left out.
        let new = file("r/new.yaml", "rules: [ { id: Bad } ]\n");
        check(&[a.clone(), better.clone(), lists.clone(), new], &good, &["a", "b2"], &["r/new.yaml"], false);
        // A broken file goes on to give its lists to others.
        let broken_lists = file("r/lists.yaml", "lists: { people: [x] \n");
        check(&[a.clone(), better, broken_lists], &good, &["a", "b2"], &["r/lists.yaml"], false);
        // Nothing is wrong with the file that is told of, so nobody can choose.
        check(&[a.clone(), b.clone(), file("r/lists.yaml", "lists: { others: [x] }\n")], &good, &[], &[], true);
    }

    #[test]
    fn files_that_cannot_be_read_stay() {
        let good = [file("r/a.yaml", &rule("a", "x")), file("r/b.yaml", &rule("b", "x"))];
        let unread = |name: &str| Problem { file: name.into(), text: "cannot be read".into(), ..Problem::default() };
        let loading = load(vec![good[0].clone()], vec![unread("r/b.yaml")], &good);
        assert_eq!((loading.rules.rules.len(), loading.kept.len(), loading.problems.len()), (2, 1, 0));
        let loading = load(Vec::new(), vec![unread("r/")], &good);
        assert_eq!((loading.rules.rules.len(), loading.kept.len(), loading.problems.len()), (2, 1, 0));
        let loading = load(good.to_vec(), vec![unread("s")], &good);
        assert_eq!(loading.problems.len(), 1, "a path that never was");
    }
}
