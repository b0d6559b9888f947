//! From rule files to a [`RuleSet`].

use super::RuleSet;
use crate::document::{File, Problem};

/// Compiles all rules of all files and reports every problem. The set is usable
/// only if no problem is an error.
pub fn load(_files: &[File]) -> (RuleSet, Vec<Problem>) {
    unimplemented!()
}
