//! Texts that a regular expression cannot match without.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::reading::fold;

/// Not more alternatives than that are followed.
const ALTERNATIVES: usize = 32;
/// Not more repetitions than that are written out.
const REPETITIONS: u32 = 16;

/// Folded texts of which every match holds at least one; `None` if there are none of use.
pub fn required(hir: &Hir) -> Option<Vec<String>> {
    Told::of(hir).best()
}

/// What is known of the texts that a part of a pattern matches.
struct Told {
    /// All of them, if they are few.
    exact: Option<Vec<String>>,
    /// At least one of these stands in each.
    within: Option<Vec<String>>,
}

impl Told {
    fn of(hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::exactly(vec![String::new()]),
            HirKind::Literal(literal) => match str::from_utf8(&literal.0) {
                Ok(text) => Self::exactly(vec![fold(text).into_owned()]),
                Err(_) => Self::nothing(),
            },
            HirKind::Class(class) => match letters(class) {
                Some(letters) => Self::exactly(letters),
                None => Self::nothing(),
            },
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Repetition(repetition) => {
                let once = Self::of(&repetition.sub);
                match (repetition.min, repetition.max, &once.exact) {
                    (0, Some(1), Some(exact)) => Self::exactly([exact.as_slice(), &[String::new()]].concat()),
                    (0, ..) => Self::nothing(),
                    (min, Some(max), Some(exact)) if min == max && min <= REPETITIONS && exact.len() == 1 => {
                        Self::exactly(vec![exact[0].repeat(min as usize)])
                    }
                    _ => Self { exact: None, within: once.best() },
                }
            }
            HirKind::Concat(parts) => Self::joined(parts),
            HirKind::Alternation(parts) => {
                let parts: Vec<Self> = parts.iter().map(Self::of).collect();
                let all = |told: fn(&Self) -> Option<Vec<String>>| {
                    let told: Option<Vec<Vec<String>>> = parts.iter().map(told).collect();
                    told.map(|texts| texts.concat()).filter(|texts| texts.len() <= ALTERNATIVES)
                };
                Self { exact: all(|part| part.exact.clone()), within: all(Self::best) }
            }
        }
    }

    /// Parts one after the other: neighbours of which all is known grow together.
    fn joined(parts: &[Hir]) -> Self {
        let mut run = Some(vec![String::new()]);
        let mut whole = true;
        let mut best = None;
        for part in parts {
            let told = Self::of(part);
            let grown = match (&run, &told.exact) {
                (Some(run), Some(next)) if run.len() * next.len() <= ALTERNATIVES => {
                    Some(run.iter().flat_map(|a| next.iter().map(move |b| format!("{a}{b}"))).collect())
                }
                _ => None,
            };
            if grown.is_none() {
                whole = false;
                best = better(best, run.take());
                best = better(best, told.within);
            }
            run = grown.or(told.exact);
        }
        match run {
            Some(run) if whole => Self::exactly(run),
            run => Self { exact: None, within: better(best, run) },
        }
    }

    fn exactly(mut texts: Vec<String>) -> Self {
        texts.sort_unstable();
        texts.dedup();
        Self { exact: Some(texts), within: None }
    }

    fn nothing() -> Self {
        Self { exact: None, within: None }
    }

    fn best(&self) -> Option<Vec<String>> {
        better(self.exact.clone(), self.within.clone())
    }
}

/// The set whose shortest text is longer; an empty text says nothing.
fn better(one: Option<Vec<String>>, other: Option<Vec<String>>) -> Option<Vec<String>> {
    let rank = |texts: &Vec<String>| (shortest(texts), std::cmp::Reverse(texts.len()));
    one.into_iter().chain(other).filter(|texts| shortest(texts) > 0).max_by_key(rank)
}

fn shortest(texts: &[String]) -> usize {
    texts.iter().map(String::len).min().unwrap_or_default()
}

/// The letters of a small class, folded.
fn letters(class: &Class) -> Option<Vec<String>> {
    let letters: Vec<char> = match class {
        Class::Unicode(class) => class.ranges().iter().flat_map(|range| range.start()..=range.end()).take(9).collect(),
        Class::Bytes(_) => return None,
    };
    (letters.len() <= 8)
        .then(|| letters.iter().map(|letter| fold(letter.encode_utf8(&mut [0; 4])).into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, expected: &[&str]) {
        let hir = regex_syntax::ParserBuilder::new().case_insensitive(true).build().parse(pattern).unwrap();
        let mut found = required(&hir).unwrap_or_default();
        found.sort();
        assert_eq!(found, expected, "{pattern}");
    }

    #[test]
    fn literals_are_found_where_they_are_required() {
        check("^svc-[a-z]+-prod$", &["-prod"]);
        check("svc-(alpha|beta)[0-9]+", &["svc-alpha", "svc-beta"]);
        check("Session[0-9]{3}", &["session"]);
        check("a?bc*de", &["de"]);
        check("(foo)+x", &["foo"]);
        check("ab{3}c", &["abbbc"]);
        check(r"\bKMS\b.*(rotate|destroy)", &["destroy", "rotate"]);
    }

    #[test]
    fn nothing_is_required_where_anything_will_do() {
        for pattern in [".*", "[a-z]+", "(foo)?", "foo|.*", "", "^$", r"\d{4}"] {
            check(pattern, &[]);
        }
    }
}
