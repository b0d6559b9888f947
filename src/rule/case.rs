//! Cases: examples inside a rule with their expected verdict.

use super::{Rule, sample};
use crate::{
    alert::Severity,
    document::{Lines, Walk},
    trace::Trace,
};

pub use sample::blank_trace;

/// An example and what the rule should make of it.
#[derive(Debug, Clone)]
pub struct Case {
    pub fires: bool,
    pub trace: Trace,
    /// The title it should give, if the case says so.
    pub title: Option<String>,
    pub severity: Option<Severity>,
    /// The case in a few words: `KMS scheduleKeyDeletion normal`.
    pub name: String,
    /// Line of the case in its file.
    pub line: usize,
}

#[derive(Debug, Clone)]
pub struct CaseResult {
    pub fires: bool,
    pub name: String,
    pub line: usize,
    /// `None` if the rule did as expected; else a sentence on what differs.
    pub failure: Option<String>,
}

impl Rule {
    /// Runs every case of the rule.
    pub fn run_cases(&self) -> Vec<CaseResult> {
        let run = |case: &Case| {
            let (fires, name, line) = (case.fires, case.name.clone(), case.line);
            CaseResult { fires, name, line, failure: self.run_case(case) }
        };
        self.cases.iter().map(run).collect()
    }

    fn run_case(&self, case: &Case) -> Option<String> {
        match (case.fires, self.condition.explain(&case.trace)) {
            (true, Some(miss)) => return Some(format!("expected to fire, was silent: {miss}")),
            (false, None) => return Some("expected to be silent, fired: every condition of `match` holds".into()),
            (false, Some(_)) => return None,
            (true, None) => {}
        }
        if let Some(expected) = case.severity.filter(|severity| *severity != self.severity) {
            return Some(format!("expected severity `{expected}`, found `{}`", self.severity));
        }
        let title = self.title.render(&case.trace, &self.dedup.key(&case.trace));
        match &case.title {
            Some(expected) if *expected != title => Some(format!("expected the title `{expected}`, found `{title}`")),
            _ => None,
        }
    }
}

/// Reads one item of `cases`.
pub fn read(walk: &Walk<'_>, lines: &Lines) -> Option<Case> {
    let mut fields = walk.fields()?;
    let (fires, silent) = (fields.optional("fires"), fields.optional("silent"));
    let title = fields.optional_text("title").map(str::to_owned);
    let severity = fields.optional("severity").and_then(|walk| super::load::read_severity(&walk));
    let name = fields.optional_text("name").map(str::to_owned);
    let known = fires.is_some() || silent.is_some();
    let slip = !known && walk.entries().is_some_and(|entries| !entries.is_empty());
    fields.finish();
    if slip {
        // Told already, as an unknown key.
        return None;
    }
    let (fires, sample) = match (fires, silent) {
        (Some(sample), None) => (true, sample),
        (None, Some(sample)) => (false, sample),
        _ => {
            walk.fail_hint(
                "a case holds either `fires` or `silent`",
                "write `- fires: { service: ..., operation: ... }`",
            );
            return None;
        }
    };
    let trace = sample::read(&sample)?;
    let name = name.unwrap_or_else(|| in_words(&trace));
    let line = lines.line(walk.node.head().start);
    Some(Case { fires, trace, title, severity, name, line })
}

fn in_words(trace: &Trace) -> String {
    let words = [trace.service.as_str(), &trace.operation, trace.rating.as_str()];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}
