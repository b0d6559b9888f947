//! Values a field may have: exact words in a set, and globs.

use std::{borrow::Cow, collections::HashSet};

/// Exact words and globs; any one of them suffices.
#[derive(Debug, Clone)]
pub struct Words {
    /// Folded if `fold`.
    exact: Exact,
    globs: Vec<Glob>,
    fold: bool,
    /// As written, for people: the first few.
    shown: Vec<String>,
    count: usize,
}

/// Few words are compared one by one: that is faster than hashing, and small.
#[derive(Debug, Clone)]
enum Exact {
    Few(Vec<Box<str>>),
    Many(HashSet<Box<str>>),
}

/// Text with `*`, which stands for any run of characters, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    pub head: String,
    pub middle: Vec<String>,
    pub tail: String,
}

/// Enough values to name in one sentence.
const SHOWN: usize = 4;

/// Up to so many words are few.
const FEW: usize = 8;

impl Words {
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>, fold: bool) -> Self {
        let mut exact = HashSet::new();
        let (mut globs, mut shown, mut count) = (Vec::new(), Vec::new(), 0);
        for word in words {
            if shown.len() < SHOWN {
                shown.push(word.to_owned());
            }
            count += 1;
            let word = if fold { fold_case(word) } else { Cow::Borrowed(word) };
            match Glob::parse(&word) {
                Some(glob) => globs.push(glob),
                None => drop(exact.insert(word.into())),
            }
        }
        let exact = if exact.len() > FEW { Exact::Many(exact) } else { Exact::Few(exact.into_iter().collect()) };
        shown.shrink_to_fit();
        globs.shrink_to_fit();
        Self { exact, globs, fold, shown, count }
    }

    pub fn hold(&self, value: &str) -> bool {
        if let (Exact::Few(words), true, []) = (&self.exact, value.is_ascii(), self.globs.as_slice()) {
            return words.iter().any(|word| match self.fold {
                true => word.eq_ignore_ascii_case(value),
                false => word.as_ref() == value,
            });
        }
        let value = if self.fold { fold_case(value) } else { Cow::Borrowed(value) };
        let value = value.as_ref();
        let exact = match &self.exact {
            Exact::Few(words) => words.iter().any(|word| word.as_ref() == value),
            Exact::Many(words) => words.contains(value),
        };
        exact || self.globs.iter().any(|glob| glob.matches(value))
    }

    /// The words without a star, folded if case does not count.
    pub fn exact(&self) -> impl Iterator<Item = &str> {
        let (few, many) = match &self.exact {
            Exact::Few(words) => (Some(words.iter()), None),
            Exact::Many(words) => (None, Some(words.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).map(AsRef::as_ref)
    }

    pub fn globs(&self) -> &[Glob] {
        &self.globs
    }

    pub fn shown(&self) -> &[String] {
        &self.shown
    }

    pub fn count(&self) -> usize {
        self.count
    }
}

impl Glob {
    /// `None` if the word holds no `*`. No escape: a literal star needs `regex`.
    pub fn parse(word: &str) -> Option<Self> {
        let (head, rest) = word.split_once('*')?;
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        let middle = middle.split('*').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Some(Self { head: head.to_owned(), middle, tail: tail.to_owned() })
    }

    pub fn matches(&self, value: &str) -> bool {
        let Some(mut rest) = value.strip_prefix(self.head.as_str()).and_then(|v| v.strip_suffix(self.tail.as_str()))
        else {
            return false;
        };
        // The leftmost place of each part leaves the most room for the next.
        for part in &self.middle {
            match rest.split_once(part.as_str()) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        true
    }
}

/// Unicode lower case, character by character; composed and decomposed letters stay different.
pub fn fold_case(text: &str) -> Cow<'_, str> {
    let lower = |byte: u8| !byte.is_ascii_uppercase() && byte.is_ascii();
    if text.bytes().all(lower) {
        Cow::Borrowed(text)
    } else if text.is_ascii() {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Owned(text.chars().flat_map(char::to_lowercase).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_the_definition_says() {
        /// The definition: a star eats any number of characters.
        fn slow(glob: &[u8], text: &[u8]) -> bool {
            match glob.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|skip| slow(rest, &text[skip..])),
                Some((c, rest)) => text.split_first().is_some_and(|(t, after)| t == c && slow(rest, after)),
            }
        }
        let mut random = fastrand::Rng::with_seed(7);
        let mut matched = 0;
        for _ in 0..20_000 {
            let mut word = |alphabet: &[u8], most: usize| -> String {
                (0..random.usize(0..=most)).map(|_| char::from(alphabet[random.usize(0..alphabet.len())])).collect()
            };
            let (glob, text) = (word(b"ab**", 6), word(b"ab", 8));
            let expected = slow(glob.as_bytes(), text.as_bytes());
            matched += usize::from(expected);
            assert_eq!(Words::new([glob.as_str()], false).hold(&text), expected, "{glob} {text}");
        }
        assert!(matched > 1_000);
    }

    #[test]
    fn case_is_folded_beyond_ascii() {
        let words = Words::new(["MÜLLER", "*Größe*"], true);
        assert!(words.hold("müller") && words.hold("xGRÖßEx") && !words.hold("muller"));
        assert!(!Words::new(["KMS"], false).hold("kms"));
        assert!(!words.hold("mu\u{308}ller"), "decomposed letters are not composed ones");
    }

    #[test]
    fn a_hundred_thousand_values_are_one_lookup() {
        let many: Vec<String> = (0..100_000).map(|n| format!("10.0.{n}")).collect();
        let words = Words::new(many.iter().map(String::as_str), true);
        let before = std::time::Instant::now();
        for n in 0..10_000 {
            assert!(words.hold(&format!("10.0.{n}")) && !words.hold(&format!("11.0.{n}")));
        }
        assert!(before.elapsed().as_millis() < 1_000);
    }
}
