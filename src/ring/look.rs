//! Which traces satisfy which parts of which rules, and what has to be remembered for it.

use std::sync::Arc;

use super::{Excepted, Looked, Sighting, pair, slot, then};
use crate::{
    rule::{Part, RuleSet},
    trace::Trace,
};

/// Looks at traces, oldest first. An exception keeps a trace from a rule's `match` and
/// steps, not from its `then`: what makes an alert worse does so whoever did it.
pub fn look(rules: &RuleSet, traces: &[Arc<Trace>]) -> Looked {
    let mut looked = Looked::default();
    let mut sorted: Vec<&Arc<Trace>> = traces.iter().collect();
    sorted.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    for trace in sorted {
        let before = looked.sightings.len();
        let mut excepted = None;
        for holding in rules.holding(trace) {
            let rule = &rules.rules[holding.rule];
            if holding.part != Part::Then {
                if excepted == Some(holding.rule) {
                    continue;
                }
                if let Some(exception) = rule.excepted(trace) {
                    excepted = Some(holding.rule);
                    let (rule, reason) = (rule.id.clone(), exception.reason.clone());
                    looked.excepted.push(Excepted { rule, reason, trace: trace.clone() });
                    continue;
                }
            }
            let then = then::slot_of(rule, trace);
            let slot = if holding.part == Part::Then { then.clone() } else { slot::of_when(rule, holding.part, trace) };
            looked.slots.extend([slot.clone(), then, pair::slot_of(rule, holding.part, trace)].into_iter().flatten());
            looked.sightings.push(Sighting { rule: holding.rule, part: holding.part, trace: trace.clone(), slot });
        }
        looked.matched += u64::from(looked.sightings.len() > before);
    }
    looked.slots.sort();
    looked.slots.dedup();
    looked
}
