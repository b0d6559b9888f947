//! Rules of others turned into ours: Sigma's for cloud audit logs, and the cloud's own key event notifications.
//!
//! Each rule is carried over, carried over in part, or refused, and says exactly why. What is carried in
//! part is written as a shadow: a rule that means something slightly else must not ring before a person has
//! read it. Whatever is written loads without an error and passes its own cases.
//!
//! It knows names and grammar, not intent: it never guesses an operation that the catalogue does not list.

use crate::{
    alert::Severity,
    document::{File, Level},
    rule,
};

mod condition;
mod fields;
pub mod key_event;
mod operations;
mod sample;
mod selection;
pub mod sigma;
mod term;
mod values;
mod write;
mod yaml;

pub use term::{Note, Notes};
pub use write::text;

/// What became of one rule.
#[derive(Debug, Clone)]
pub struct Converted {
    /// The title its author gave it; the file's name if none could be read.
    pub title: String,
    /// `aws.yml:3`.
    pub place: String,
    pub verdict: Verdict,
    /// What was dropped or guessed, or why the rule was refused.
    pub notes: Vec<String>,
    /// `None` if it was refused.
    pub draft: Option<Draft>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    Carried,
    Partly,
    Refused,
}

/// A rule of ours before it is text.
#[derive(Debug, Clone)]
pub struct Draft {
    pub id: String,
    pub title: String,
    pub severity: Severity,
    pub why: Option<String>,
    pub runbook: Option<String>,
    pub topics: Vec<String>,
    /// `shadow` or `off`; `None`: live.
    pub mode: Option<&'static str>,
    pub(crate) condition: term::Term,
    pub(crate) when: Option<When>,
    /// Who wrote it, under which licence, what it could not carry: kept as comments.
    pub comments: Vec<String>,
    /// The trace of the firing case, by field; empty: none could be made up.
    pub(crate) fires: Vec<(String, String)>,
    pub(crate) silent: Vec<(String, String)>,
}

/// The stateful part, in the words of the rule language.
#[derive(Debug, Clone)]
pub(crate) enum When {
    Count { at_least: u64, within: String, by: Vec<String> },
    Distinct { of: String, at_least: u64, within: String, by: Vec<String> },
    Sequence { steps: Vec<term::Term>, within: String, same: Vec<String> },
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Carried => "carried",
            Self::Partly => "partly",
            Self::Refused => "refused",
        }
    }
}

impl Draft {
    /// The service it is about, in lower case, for the name of a file: `iam`, or `several`.
    pub fn service(&self) -> String {
        let mut found = std::collections::BTreeSet::new();
        self.condition.services(&mut found);
        match found.len() {
            1 => slug(found.first().expect("it holds one")),
            _ => "several".to_owned(),
        }
    }
}

impl Converted {
    fn refused(title: String, place: String, reasons: Vec<String>) -> Self {
        Self { title, place, verdict: Verdict::Refused, notes: reasons, draft: None }
    }
}

/// How many were carried over, carried in part, and refused.
pub fn counts(converted: &[Converted]) -> [usize; 3] {
    let count = |verdict| converted.iter().filter(|one| one.verdict == verdict).count();
    [count(Verdict::Carried), count(Verdict::Partly), count(Verdict::Refused)]
}

/// Gives each draft an id of its own, and takes back what our own loader or a rule's own case does not accept.
fn settle(converted: &mut [Converted]) {
    let mut ids = std::collections::HashSet::new();
    for one in converted {
        let Some(draft) = &mut one.draft else { continue };
        let stem = draft.id.clone();
        for number in 2.. {
            if ids.insert(draft.id.clone()) {
                break;
            }
            let suffix = format!("-{number}");
            let cut = stem.floor_char_boundary(stem.len().min(ID_LIMIT - suffix.len()));
            draft.id = format!("{}{suffix}", stem[..cut].trim_end_matches('-'));
        }
        verify(one);
    }
}

/// Longest id of a rule.
const ID_LIMIT: usize = 64;

fn verify(one: &mut Converted) {
    let Some(draft) = one.draft.as_mut() else { return };
    let failing = |draft: &Draft| -> Result<Vec<bool>, String> {
        let file = File { name: "converted.yaml".into(), text: text(std::slice::from_ref(draft)) };
        let (set, problems) = rule::load(&[file]);
        if let Some(problem) = problems.iter().find(|problem| problem.level == Level::Error) {
            return Err(format!("it would not load: {}: {}", problem.path, problem.text));
        }
        Ok(set
            .rules
            .first()
            .map(|rule| rule.run_cases())
            .unwrap_or_default()
            .iter()
            .filter(|c| c.failure.is_some())
            .map(|c| c.fires)
            .collect())
    };
    let mut found = failing(draft);
    if draft.when.is_some() && !draft.fires.is_empty() && found.as_ref().map_or(true, |failed| !failed.is_empty()) {
        // A window is worth having without its case.
        draft.fires.clear();
        found = failing(draft);
    }
    match found {
        Err(reason) => *one = Converted::refused(one.title.clone(), one.place.clone(), vec![reason]),
        Ok(failed) => {
            if failed.contains(&false) {
                draft.silent.clear();
            }
            if failed.contains(&true) {
                draft.fires.clear();
            }
            if draft.fires.is_empty() && draft.when.is_none() {
                one.notes.push("no firing case could be made up: write one".into());
                one.verdict = Verdict::Partly;
                draft.mode = draft.mode.or(Some("shadow"));
            }
        }
    }
}

/// `AWS IAM Backdoor (1)` is `aws-iam-backdoor-1`.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for char in title.chars().flat_map(char::to_lowercase) {
        if char.is_ascii_alphanumeric() {
            slug.push(char);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(ID_LIMIT);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "converted-rule".to_owned() } else { slug.to_owned() }
}
