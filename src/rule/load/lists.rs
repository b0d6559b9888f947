//! `lists`: named values, which rules of any file may use.

use std::collections::BTreeMap;

use super::place;
use crate::{
    document::{File, Level, Span, Walk, did_you_mean},
    rule::compile::{self, Lists},
};

/// Lists as they are read, and where each one stands.
#[derive(Debug, Default)]
pub struct Reading<'a> {
    pub lists: Lists,
    places: BTreeMap<&'a str, (&'a File, Span)>,
    replaced: BTreeMap<&'a str, (&'a File, Span)>,
}

impl<'a> Reading<'a> {
    /// The lists of one file.
    pub fn add(&mut self, walk: &Walk<'a>) {
        for (name, key, at) in walk.entries().unwrap_or_default() {
            if let Some((first, span)) = self.places.insert(name, (walk.file, key.span)) {
                let text = format!("the list `{name}` stands already in {}", place(first, span));
                let hint = "give one of the two another name; to replace a packaged list, write an overlay";
                walk.report(Level::Error, key.span, text, Some(hint.into()));
            }
            self.lists.lists.insert(name.to_owned(), values(&at));
        }
    }

    /// Checks an overlay's items for a list, and replaces the list's own by them if `apply`.
    pub fn overlay(&mut self, name: &Walk<'a>, items: &Walk<'a>, apply: bool) {
        let Some(list) = name.words() else { return };
        let values = values(items);
        if !self.places.contains_key(list) {
            let near = did_you_mean(list, self.places.keys().copied());
            let hint = near
                .map_or_else(|| "a new list stands under `lists:`".into(), |near| format!("did you mean `{near}`?"));
            name.fail_hint(format!("no list `{list}`"), hint);
        } else if let Some((first, span)) = self.replaced.get(list) {
            let text = format!("the list `{list}` is replaced already in {}", place(first, *span));
            name.fail_hint(text, "join the two overlays");
        } else {
            self.replaced.insert(list, (name.file, name.node.span));
            if apply {
                self.lists.lists.insert(list.to_owned(), values);
            }
        }
    }
}

fn values(walk: &Walk<'_>) -> Vec<String> {
    walk.list().unwrap_or_default().iter().filter_map(compile::scalar).collect()
}
