//! The condition tree of a rule.

use crate::trace::Trace;

#[derive(Debug, Clone)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    pub fn holds(&self, _trace: &Trace) -> bool {
        unimplemented!()
    }
}
