//! Everything a message tells, for formats that have no layout of their own for it.
//!
//! All texts are harmless lines already; a format only has to keep its own marks out of them.

use crate::render::{
    Letter,
    facts::{self, Fact, Listing},
    inert::cut,
    link::{self, Link},
};

#[derive(Debug, Clone)]
pub struct Told {
    /// The sentence.
    pub title: String,
    /// What made it worse, how often, how many in one.
    pub lines: Vec<String>,
    pub facts: Vec<Fact>,
    pub why: Option<String>,
    pub listings: Vec<Listing>,
    pub links: Vec<Link>,
    pub references: Vec<Fact>,
}

/// Characters per value, lines per list: the whole, then less and less of it.
const SIZES: [(usize, usize); 5] = [(600, 20), (300, 20), (150, 10), (80, 5), (40, 3)];
const TITLE: usize = 100;
/// A reason is a few sentences where a value is a name.
const WHY: usize = 5;

/// What `make` makes of as much as `fits`, or of the least there is.
pub fn fitting<T>(letter: &Letter<'_>, make: impl Fn(&Told) -> T, fits: impl Fn(&T) -> bool) -> T {
    let whole = Told::of(letter);
    let mut sizes = SIZES.into_iter();
    loop {
        let (value, lines) = sizes.next().unwrap_or(SIZES[SIZES.len() - 1]);
        let made = make(&whole.within(value, lines));
        if sizes.len() == 0 || fits(&made) {
            return made;
        }
    }
}

impl Told {
    pub fn of(letter: &Letter<'_>) -> Self {
        let notification = letter.notification;
        let title = facts::title(notification);
        let counted = facts::total(notification).or_else(|| facts::repeats(notification));
        Self {
            title: if title.trim().is_empty() { "(no title)".to_owned() } else { title },
            lines: facts::worse(notification).into_iter().chain(counted).collect(),
            facts: facts::facts(notification, &letter.address.zone),
            why: facts::why(notification),
            listings: facts::listings(notification),
            links: link::links(letter),
            references: facts::references(notification, letter.id),
        }
    }

    /// The same in plain lines, without what stands in fields of its own elsewhere.
    pub fn plain(&self) -> Vec<String> {
        let mut lines = self.lines.clone();
        lines.extend(self.facts.iter().map(|fact| format!("{}: {}", fact.label, fact.value)));
        lines.extend(self.why.iter().map(|why| format!("Why it matters: {why}")));
        for Listing { heading, lines: items } in &self.listings {
            if !heading.is_empty() {
                lines.push(format!("{heading}:"));
            }
            lines.extend(items.iter().map(|item| format!("- {item}")));
        }
        lines
    }

    fn within(&self, value: usize, lines: usize) -> Self {
        let fact = |fact: &Fact| Fact { label: fact.label, value: cut(&fact.value, value) };
        let listing =
            |listing: &Listing| Listing { heading: listing.heading, lines: few(&listing.lines, value, lines) };
        Self {
            title: cut(&self.title, value.max(TITLE)),
            lines: self.lines.iter().map(|line| cut(line, value.max(TITLE))).collect(),
            facts: self.facts.iter().map(fact).collect(),
            why: self.why.as_ref().map(|why| cut(why, value * WHY)),
            listings: self.listings.iter().map(listing).collect(),
            links: self.links.clone(),
            references: self.references.iter().map(fact).collect(),
        }
    }
}

fn few(lines: &[String], value: usize, most: usize) -> Vec<String> {
    let mut few: Vec<String> = lines.iter().take(most).map(|line| cut(line, value)).collect();
    if lines.len() > most {
        few.push(format!("+{} more lines", lines.len() - most));
    }
    few
}
