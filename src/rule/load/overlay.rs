//! `overlays`: changes to packaged rules and lists, kept apart from them so that
//! the packaged files can be replaced by newer ones.
//!
//! An overlay says who hears of a rule, how loudly and what is left alone; never what the rule looks for.

use std::{collections::BTreeMap, rc::Rc};

use super::{dedup, except, lists, one, place};
use crate::{
    document::{Level, Lines, Walk, did_you_mean, walk::either},
    rule::{Rule, Template, compile::Lists},
    trace::Field,
};

/// What an overlay of a rule may set; `except` adds.
const KEYS: [&str; 5] = ["severity", "mode", "topics", "dedup", "noise_budget"];

/// What only the rule itself says.
const OWN: [&str; 7] = ["title", "match", "when", "then", "why", "runbook", "cases"];

/// All overlays of one rule.
#[derive(Debug, Default)]
pub struct Overlay<'a> {
    set: BTreeMap<&'static str, Walk<'a>>,
    exceptions: Vec<(Walk<'a>, Rc<Lines>)>,
    /// Each `id` that named the rule, to find fault with.
    ids: Vec<Walk<'a>>,
}

/// By rule id.
pub type Overlays<'a> = BTreeMap<&'a str, Overlay<'a>>;

/// One item of `overlays`; `apply`: lists change at once, rules when they are read.
pub fn read<'a>(
    walk: &Walk<'a>,
    lines: &Rc<Lines>,
    overlays: &mut Overlays<'a>,
    lists: &mut lists::Reading<'a>,
    apply: bool,
) {
    let Some(mut fields) = walk.fields() else { return };
    if let Some(name) = fields.optional("list") {
        if let Some(items) = fields.required("items") {
            lists.overlay(&name, &items, apply);
        }
        fields.finish();
        return;
    }
    let Some(id) = fields.optional("id") else {
        walk.fail_hint("an overlay names a rule or a list", "write `id: RULE` or `list: NAME`");
        return;
    };
    let overlay = id.words().map(|id| overlays.entry(id).or_default());
    let mut throwaway = Overlay::default();
    let overlay = overlay.unwrap_or(&mut throwaway);
    let mut changes = false;
    for key in KEYS {
        let Some(at) = fields.optional(key) else { continue };
        changes = true;
        if let Some(first) = overlay.set.get(key) {
            let text = format!("`{key}` is set already by the overlay in {}", place(first.file, first.node.span));
            at.report(
                Level::Error,
                fields.entry(key).unwrap_or(at.node.span),
                text,
                Some("keep one of the two".into()),
            );
        } else {
            overlay.set.insert(key, at);
        }
    }
    for exception in fields.list("except") {
        changes = true;
        overlay.exceptions.push((exception, lines.clone()));
    }
    for key in OWN {
        if fields.optional(key).is_some() {
            changes = true;
            let hint = "an overlay changes severity, mode, topics, dedup and noise_budget, and adds to except; \
                        for more, switch the rule off and write your own";
            let at = fields.entry(key).unwrap_or(walk.node.span);
            walk.report(Level::Error, at, format!("`{key}` cannot be overlaid"), Some(hint.into()));
        }
    }
    if !changes && walk.entries().is_some_and(|entries| entries.len() == 1) {
        walk.fail_hint("an overlay that changes nothing", format!("set {}, or add an `except`", either(&KEYS)));
    }
    overlay.ids.push(id);
    fields.finish();
}

/// Overlays of rules that are not there.
pub fn unknown<'a>(overlays: &Overlays<'a>, ids: impl Iterator<Item = &'a str> + Clone) {
    for (id, overlay) in overlays {
        if ids.clone().any(|known| known == *id) {
            continue;
        }
        let hint = did_you_mean(id, ids.clone()).map_or_else(
            || "an overlay needs its rule at hand: is the rule's file loaded too?".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        overlay.ids.iter().for_each(|at| at.fail_hint(format!("no rule `{id}`"), hint.clone()));
    }
}

impl Overlay<'_> {
    /// The rule with everything the overlay changes. `walk` is the rule's own.
    pub fn apply(&self, mut rule: Rule, walk: &Walk<'_>, lists: &Lists) -> Option<Rule> {
        let (severity, mode) = (self.set.get("severity"), self.set.get("mode"));
        let (topics, dedup) = (self.set.get("topics"), self.set.get("dedup"));
        let budget = self.set.get("noise_budget").map(one::noise_budget);
        let exceptions: Vec<_> = self.exceptions.iter().map(|(walk, lines)| except::read(walk, lists, lines)).collect();
        let severity = severity.map_or(Some(rule.severity), |at| self.severity(at, &rule));
        let mode = mode.map_or(Some(rule.mode), one::mode);
        let topics = topics.map_or_else(|| Some(rule.topics.clone()), one::topics);
        let dedup = dedup.map_or_else(|| Some(rule.dedup.clone()), |at| self.dedup(at, &rule, walk));
        rule.noise_budget = budget.map_or(Some(rule.noise_budget), |budget| budget.map(Some))?;
        rule.exceptions.extend(exceptions.into_iter().collect::<Option<Vec<_>>>()?);
        rule.severity = severity?;
        rule.mode = mode?;
        rule.topics = topics?;
        rule.dedup = dedup?;
        Some(rule)
    }

    fn severity(&self, at: &Walk<'_>, rule: &Rule) -> Option<crate::alert::Severity> {
        let found = one::read_severity(at)?;
        match &rule.then {
            Some(then) if then.severity <= found => {
                let text =
                    format!("the rule's `then` raises it to `{}`, which must be worse than `{found}`", then.severity);
                at.fail_hint(text, "write a lower one");
                None
            }
            _ => Some(found),
        }
    }

    fn dedup(&self, at: &Walk<'_>, rule: &Rule, walk: &Walk<'_>) -> Option<crate::rule::Dedup> {
        let dedup = dedup::read(at, Some(rule.dedup.clone()))?;
        let same = |a: &[Field], b: &[Field]| a.len() == b.len() && a.iter().all(|field| b.contains(field));
        if same(&dedup.by, &rule.dedup.by) {
            return Some(dedup);
        }
        let by = walk_of(at, "by");
        let names = |fields: &[Field]| fields.iter().map(Field::name).collect::<Vec<_>>();
        let own = names(&rule.dedup.by).join(", ");
        if rule.then.is_some() {
            by.fail_hint(format!("the rule's `then` needs its alerts folded by [{own}]"), "leave `by` out");
            return None;
        }
        let title = walk.node.get("title");
        if let Some(crate::document::Value::Text(title)) = title.map(|title| &title.value)
            && Template::parse(title, &names(&dedup.by)).is_err()
        {
            by.fail_hint(
                format!("the rule's title names the key it is folded by, [{own}]"),
                "keep what the title names",
            );
            return None;
        }
        Some(dedup)
    }
}

fn walk_of<'a>(walk: &Walk<'a>, key: &str) -> Walk<'a> {
    walk.node.get(key).map_or_else(|| walk.clone(), |node| walk.child(key, node))
}
