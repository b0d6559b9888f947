//! Which traces satisfy which parts of which rules.

use std::sync::Arc;

use super::{Excepted, Looked, Sighting};
use crate::{
    rule::{Part, RuleSet},
    trace::Trace,
};

/// Looks at traces, oldest first.
pub fn look(rules: &RuleSet, traces: &[Arc<Trace>]) -> Looked {
    let mut looked = Looked::default();
    let mut sorted: Vec<&Arc<Trace>> = traces.iter().collect();
    sorted.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    for trace in sorted {
        let before = looked.sightings.len();
        for holding in rules.holding(trace) {
            let rule = &rules.rules[holding.rule];
            if let Some(exception) = rule.excepted(trace).filter(|_| holding.part != Part::Then) {
                let (rule, reason) = (rule.id.clone(), exception.reason.clone());
                looked.excepted.push(Excepted { rule, reason, trace: trace.clone() });
                continue;
            }
            looked.sightings.push(Sighting {
                rule: holding.rule,
                part: holding.part,
                trace: trace.clone(),
                slot: None,
            });
        }
        looked.matched += u64::from(looked.sightings.len() > before);
    }
    looked
}
