//! `dedup`: which matches are the same trouble, and for how long.

use std::time::Duration;

use super::names;
use crate::{
    document::Walk,
    rule::{Dedup, When},
};

/// What a rule without `dedup` folds by. What came together for one value of `by`
/// is one trouble, and a window that goes on being full is not a new one.
pub fn usual(when: Option<&When>) -> Dedup {
    let usual = Dedup::default();
    let longer = |within: &Duration| usual.window.max(*within);
    match when {
        None => usual,
        Some(When::Count { by, within, .. } | When::Distinct { by, within, .. }) => {
            Dedup { by: by.clone(), window: longer(within) }
        }
        Some(When::Sequence { same, within, .. }) => Dedup { by: same.clone(), window: longer(within) },
        Some(When::FirstSeen { of, .. }) => Dedup { by: of.clone(), ..usual },
        Some(When::Absent { by, .. }) => Dedup { by: by.clone(), ..usual },
    }
}

/// A key left out is as in `usual`, which is missing after a bad `when`. An empty `by`
/// folds everything the rule matches into one alert.
pub fn read(walk: &Walk<'_>, usual: Option<Dedup>) -> Option<Dedup> {
    let mut fields = walk.fields()?;
    let by = fields.optional("by").map(|walk| names::read(&walk));
    let window = fields.optional("for").map(|walk| walk.duration());
    fields.finish();
    let usual = usual?;
    Some(Dedup { by: by.unwrap_or(Some(usual.by))?, window: window.unwrap_or(Some(usual.window))? })
}
