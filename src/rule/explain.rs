//! One trace before all rules: which match and why, and what is missing for those that nearly do.

use serde::{Serialize, Serializer};

use super::{Condition, Evidence, Miss, Mode, Rule, RuleSet, When};
use crate::{alert::Severity, clock, render::inert, trace::Trace};

/// Letters shown of a value of a key.
const SHOWN: usize = 80;
/// Near misses told where nothing is near.
const NEAREST: usize = 3;

#[derive(Debug, Serialize)]
pub struct Explanation<'a> {
    #[serde(serialize_with = "id")]
    pub trace: &'a Trace,
    pub matches: Vec<Match<'a>>,
    /// Rules that exactly one condition keeps silent; the nearest three where there is none.
    pub near: Vec<Near<'a>>,
}

/// A rule whose conditions hold.
#[derive(Debug, Serialize)]
pub struct Match<'a> {
    pub rule: &'a str,
    pub place: &'a str,
    pub severity: Severity,
    pub verdict: Verdict,
    /// What else there is to know: the exception's reason, what `when` still needs.
    pub note: Option<String>,
    /// What the alert would be called.
    pub title: Option<String>,
    pub evidence: Vec<Evidence>,
}

/// What a rule whose conditions hold does with the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Opens an alert, or is folded into one that is open.
    Fires,
    /// Is one part of what `when` asks for.
    Counts,
    /// Makes an alert worse that is open already.
    Escalates,
    /// Would be recorded, not sent.
    Shadow,
    /// An exception takes it out.
    Excepted,
    Off,
}

/// A rule that nearly matches.
#[derive(Debug, Serialize)]
pub struct Near<'a> {
    pub rule: &'a str,
    pub place: &'a str,
    pub severity: Severity,
    /// Everything that does not hold.
    pub misses: Vec<Miss>,
    /// Conditions that do hold.
    #[serde(skip)]
    held: usize,
}

/// Holds a trace against every rule, those that are off included.
pub fn explain<'a>(rules: &'a RuleSet, trace: &'a Trace) -> Explanation<'a> {
    let (mut matches, mut near) = (Vec::new(), Vec::new());
    for rule in &rules.rules {
        let found = of(rule, trace);
        if found.is_empty() {
            near.push(missed(rule, trace));
        }
        matches.extend(found);
    }
    matches.sort_by_key(|found: &Match<'_>| (found.verdict, std::cmp::Reverse(found.severity)));
    // Of two rules with one miss each, the one of which more holds is nearer.
    near.sort_by_key(|near| (near.misses.len(), std::cmp::Reverse(near.held)));
    let close = near.iter().take_while(|near| near.misses.len() == 1 && near.held > 0).count();
    near.truncate(if close > 0 { close } else { NEAREST });
    Explanation { trace, matches, near }
}

/// What the rule makes of the trace: nothing, or one answer for each part that holds.
fn of<'a>(rule: &'a Rule, trace: &Trace) -> Vec<Match<'a>> {
    let mut found = Vec::new();
    let steps: Vec<(usize, &Condition)> = match &rule.when {
        Some(When::Sequence { steps, .. }) => steps.iter().enumerate().filter(|(_, step)| step.holds(trace)).collect(),
        _ => Vec::new(),
    };
    let sequence = matches!(rule.when, Some(When::Sequence { .. }));
    if rule.condition.holds(trace) && (!sequence || !steps.is_empty()) {
        let mut evidence = rule.condition.evidence(trace);
        evidence.extend(steps.iter().flat_map(|(_, step)| step.evidence(trace)));
        let (verdict, note) = verdict(rule, trace, &steps);
        let title = (verdict == Verdict::Fires || verdict == Verdict::Shadow)
            .then(|| rule.title.render(trace, &rule.dedup.key(trace)));
        found.push(answer(rule, verdict, note, title, evidence));
    }
    if let Some(then) = rule.then.as_ref().filter(|then| then.condition.holds(trace)) {
        let key = super::key(&then.same, trace);
        let same: Vec<String> =
            key.iter().map(|(name, value)| format!("{name}={}", inert::cut(value, SHOWN))).collect();
        let note = format!(
            "makes an alert with {} that matched in the {} before `{}`",
            if same.is_empty() { "any key".to_owned() } else { same.join(", ") },
            clock::in_words(then.within),
            then.severity
        );
        let title = then.title.as_ref().map(|title| title.render(trace, &rule.dedup.key(trace)));
        let verdict = if rule.mode == Mode::Off { Verdict::Off } else { Verdict::Escalates };
        found.push(answer(rule, verdict, Some(note), title, then.condition.evidence(trace)));
    }
    found
}

fn answer<'a>(
    rule: &'a Rule,
    verdict: Verdict,
    note: Option<String>,
    title: Option<String>,
    evidence: Vec<Evidence>,
) -> Match<'a> {
    Match { rule: &rule.id, place: &rule.place, severity: rule.severity, verdict, note, title, evidence }
}

fn verdict(rule: &Rule, trace: &Trace, steps: &[(usize, &Condition)]) -> (Verdict, Option<String>) {
    if rule.mode == Mode::Off {
        return (Verdict::Off, Some("its conditions hold, but its mode is `off`".to_owned()));
    }
    if let Some(exception) = rule.excepted(trace) {
        let until = exception.until.map(|until| format!(" (until {until})")).unwrap_or_default();
        return (Verdict::Excepted, Some(format!("{}{until}, {}", exception.reason, exception.place)));
    }
    let need = rule.when.as_ref().map(|when| needs(when, trace, steps));
    match (rule.mode, need) {
        (Mode::Shadow, None) => (Verdict::Shadow, Some("recorded, not sent: its mode is `shadow`".to_owned())),
        (Mode::Shadow, Some(need)) => (Verdict::Shadow, Some(format!("recorded, not sent; {need}"))),
        (_, Some(need)) => (Verdict::Counts, Some(need)),
        (_, None) => (Verdict::Fires, None),
    }
}

/// What one trace is to `when`, and what has to come besides.
fn needs(when: &When, trace: &Trace, steps: &[(usize, &Condition)]) -> String {
    let value = |fields: &[crate::trace::Field]| {
        let parts: Vec<String> = super::key(fields, trace)
            .into_iter()
            .map(|(name, value)| format!("{name}={}", inert::cut(&value, SHOWN)))
            .collect();
        parts.join(", ")
    };
    let of = |fields: &[crate::trace::Field]| match fields {
        [] => String::new(),
        fields => format!(" of {}", value(fields)),
    };
    match when {
        When::Count { at_least, within, by } => {
            format!("counts towards {at_least} within {}{}", clock::in_words(*within), of(by))
        }
        When::Distinct { of: words, at_least, within, by } => {
            let names: Vec<String> = words.iter().map(crate::trace::Field::name).collect();
            format!(
                "counts towards {at_least} different {} within {}{}; here {}",
                names.join(" and "),
                clock::in_words(*within),
                of(by),
                value(words)
            )
        }
        When::FirstSeen { of: words, remember, .. } => {
            format!("fires if {} was not seen for {}", value(words), clock::in_words(*remember))
        }
        When::Absent { quiet, by, .. } => {
            format!("fires if nothing like it{} follows for {}", of(by), clock::in_words(*quiet))
        }
        When::Sequence { steps: all, within, same } => {
            let numbers: Vec<String> = steps.iter().map(|(at, _)| (at + 1).to_string()).collect();
            format!(
                "is step {} of {}, which have to come in this order within {}{}",
                numbers.join(" and "),
                all.len(),
                clock::in_words(*within),
                of(same)
            )
        }
    }
}

fn missed<'a>(rule: &'a Rule, trace: &Trace) -> Near<'a> {
    let mut misses = rule.condition.shortfall(trace);
    let mut held = held(&rule.condition, trace);
    if let Some(When::Sequence { steps, .. }) = &rule.when {
        let nearest = steps.iter().min_by_key(|step| step.shortfall(trace).len());
        if let Some(step) = nearest {
            misses.extend(step.shortfall(trace));
            held += self::held(step, trace);
        }
    }
    Near { rule: &rule.id, place: &rule.place, severity: rule.severity, misses, held }
}

/// Positive conditions that hold: a `not` that holds says nothing about nearness.
fn held(condition: &Condition, trace: &Trace) -> usize {
    match condition {
        Condition::All(all) => all.iter().map(|part| held(part, trace)).sum(),
        Condition::Any(any) => any.iter().map(|part| held(part, trace)).max().unwrap_or(0),
        Condition::Not(_) => 0,
        Condition::Field(field, check) => usize::from(trace.get(field).is_some() && check.holds(field, trace)),
    }
}

fn id<S: Serializer>(trace: &Trace, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&trace.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        document::{File, Level},
        rule,
    };

    const RULES: &str = "
rules:
  - { id: fires, title: 'By {{ actor.name }}', severity: high, match: { service: KMS, operation: disableKey } }
  - { id: shadow, title: Two, severity: low, mode: shadow, match: { service: KMS } }
  - { id: asleep, title: Three, severity: low, mode: 'off', match: { service: KMS } }
  - { id: one-away, title: Four, severity: low, match: { service: KMS, operation: deleteKey } }
  - { id: two-away, title: Five, severity: low, match: { service: KMS, operation: deleteKey, actor.name: bob } }
  - { id: elsewhere, title: Six, severity: low, match: { service: ECS } }
  - id: several
    title: Seven
    severity: low
    match: { service: KMS }
    when: { count: { at_least: 8, within: 10m, by: [actor.name] } }
  - id: excepted
    title: Eight
    severity: low
    match: { service: KMS }
    except: [ { reason: key rotation, match: { actor.name: alice } } ]
";

    fn trace() -> Trace {
        let mut trace = Trace::blank("t-1", Timestamp::UNIX_EPOCH);
        trace.service = "KMS".to_owned();
        trace.operation = "disableKey".to_owned();
        trace.actor.name = Some("alice".to_owned());
        trace
    }

    #[test]
    fn each_rule_tells_what_it_makes_of_a_trace() {
        let (rules, problems) = rule::load(&[File { name: "r.yaml".to_owned(), text: RULES.to_owned() }]);
        assert!(problems.iter().all(|found| found.level == Level::Warning), "{problems:?}");
        let trace = trace();
        let found = explain(&rules, &trace);
        let told: Vec<String> = found
            .matches
            .iter()
            .map(|found| format!("{} {:?} {}", found.rule, found.verdict, found.note.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(
            told,
            [
                "fires Fires -",
                "several Counts counts towards 8 within 10 min of actor.name=alice",
                "shadow Shadow recorded, not sent: its mode is `shadow`",
                "excepted Excepted key rotation, r.yaml:18",
                "asleep Off its conditions hold, but its mode is `off`",
            ]
        );
        assert_eq!(found.matches[0].title.as_deref(), Some("By alice"));
        let near: Vec<&str> = found.near.iter().map(|near| near.rule).collect();
        assert_eq!(near, ["one-away"]);
        assert_eq!(found.near[0].misses[0].to_string(), "`operation`: expected `deleteKey`, found `disableKey`");
    }

    #[test]
    fn without_a_near_miss_the_nearest_are_told() {
        let (rules, _) = rule::load(&[File { name: "r.yaml".to_owned(), text: RULES.to_owned() }]);
        let mut trace = trace();
        trace.service = "OBS".to_owned();
        trace.operation = "listBuckets".to_owned();
        let found = explain(&rules, &trace);
        assert!(found.matches.is_empty());
        assert_eq!(found.near.len(), 3);
    }
}
