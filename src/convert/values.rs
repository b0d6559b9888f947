//! Sigma's text values: wildcards `*` and `?`, a backslash before one of them takes it as it is.
//! They compare without regard to case.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `*`
    Any,
    /// `?`
    One,
}

impl Pattern {
    pub fn parse(text: &str) -> Self {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            let part = match char {
                '\\' if chars.peek().is_some_and(|next| ['*', '?', '\\'].contains(next)) => {
                    plain.extend(chars.next());
                    continue;
                }
                '*' => Part::Any,
                '?' => Part::One,
                _ => {
                    plain.push(char);
                    continue;
                }
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self(parts)
    }

    /// With anything before it, behind it, or both.
    pub fn open(mut self, before: bool, behind: bool) -> Self {
        if before && self.0.first() != Some(&Part::Any) {
            self.0.insert(0, Part::Any);
        }
        if behind && self.0.last() != Some(&Part::Any) {
            self.0.push(Part::Any);
        }
        self
    }

    /// The text, if it holds no wildcard.
    pub fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// `*` alone: any value.
    pub fn is_anything(&self) -> bool {
        self.0 == [Part::Any]
    }

    /// Open in front of a dot only: `*.DeleteSink`, `v*.compute.firewalls.delete`, `io.k8s.core.v*.secrets.delete`.
    pub fn names_one_method(&self) -> bool {
        let dotted = |rest: &str| rest.starts_with('.');
        match self.0.as_slice() {
            [Part::Any, Part::Text(rest)] => dotted(rest),
            [Part::Text(v), Part::Any, Part::Text(rest)] => {
                let before = v.strip_suffix(['v', 'V']);
                before.is_some_and(|before| before.is_empty() || before.ends_with('.')) && dotted(rest)
            }
            _ => false,
        }
    }

    /// As a glob of the rule language; `None` if it cannot say it.
    pub fn glob(&self) -> Option<String> {
        let plain = |part: &Part| matches!(part, Part::Text(text) if !text.contains('*')) || *part == Part::Any;
        let fits =
            self.0.iter().all(plain) && !matches!(self.0.first(), Some(Part::Text(text)) if text.starts_with('$'));
        fits.then(|| self.text("*", "?"))
    }

    pub fn regex(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => regex_syntax::escape(text),
            Part::Any => ".*".to_owned(),
            Part::One => ".".to_owned(),
        };
        format!("(?is)^{}$", self.0.iter().map(part).collect::<String>())
    }

    /// A value that matches.
    pub fn example(&self) -> String {
        let found = self.text("x", "x");
        // An example that is one text between two wildcards reads better without them.
        let text: Vec<&str> = self
            .0
            .iter()
            .filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None })
            .collect();
        if self.0.contains(&Part::One) || text.is_empty() { found } else { text.concat() }
    }

    pub fn shown(&self) -> String {
        self.text("*", "?")
    }

    fn text(&self, any: &str, one: &str) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Any => any.to_owned(),
            Part::One => one.to_owned(),
        };
        self.0.iter().map(part).collect()
    }

    pub fn has_letters(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Text(text) if text.chars().any(char::is_alphabetic)))
    }

    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        // The places in the text that the parts so far can end at.
        let mut ends = vec![false; text.len() + 1];
        ends[0] = true;
        for part in &self.0 {
            let mut next = vec![false; text.len() + 1];
            for at in (0..=text.len()).filter(|at| ends[*at]) {
                match part {
                    Part::Any => next[at..].fill(true),
                    Part::One if at < text.len() => next[at + 1] = true,
                    Part::One => {}
                    Part::Text(word) => {
                        let word: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
                        if text[at..].starts_with(&word) {
                            next[at + word.len()] = true;
                        }
                    }
                }
            }
            ends = next;
        }
        ends[text.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let pattern = Pattern::parse(pattern);
        let regex = regex::Regex::new(&pattern.regex()).expect("a good expression");
        for (texts, expected) in [(yes, true), (no, false)] {
            for text in texts {
                assert_eq!(pattern.matches(text), expected, "{pattern:?} {text}");
                assert_eq!(regex.is_match(text), expected, "{regex} {text}");
            }
        }
        assert!(pattern.matches(&pattern.example()), "{pattern:?}");
    }

    #[test]
    fn wildcards_and_escapes_match_as_sigma_says() {
        check("Delete*", &["DeleteTrail", "deletebucket", "Delete"], &["UnDelete"]);
        check("*a?c*", &["xxabcx", "aXc"], &["ac", "abd"]);
        check(r"a\*b", &["a*b", "A*B"], &["axb"]);
        check(r"a\\*", &[r"a\", r"a\b"], &["ab"]);
        check(r"C:\x", &[r"c:\x"], &["cx"]);
        check("", &[""], &["x"]);
        check("a+(b)", &["a+(b)"], &["aab"]);
        assert_eq!(Pattern::parse("a**b").glob().as_deref(), Some("a*b"));
        assert_eq!(Pattern::parse(r"a\*b").glob(), None);
        assert_eq!(Pattern::parse("$x").glob(), None);
    }
}
