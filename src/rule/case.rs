//! Cases: examples inside a rule with their expected verdict.

use super::Rule;

#[derive(Debug, Clone)]
pub struct Case {}

#[derive(Debug, Clone)]
pub struct CaseResult {}

impl Rule {
    /// Runs every case of the rule.
    pub fn run_cases(&self) -> Vec<CaseResult> {
        unimplemented!()
    }
}
