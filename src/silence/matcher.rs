//! One condition over an alert: `rule=kms-*`, `actor.name!=alice`, `title=~.*(key|secret).*`.

use std::{borrow::Cow, fmt};

use regex::{Regex, RegexBuilder};

use super::Subject;
use crate::{
    alert::{Alert, Severity},
    document::did_you_mean,
    rule::{self, Words, check::REGEX_TEXT_LIMIT},
    trace::{self, Field},
};

/// A field, and the values it has to have or must not have.
#[derive(Debug, Clone)]
pub struct Matcher {
    pub of: Of,
    pub is: Is,
    pattern: Pattern,
}

/// What a matcher looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    Rule,
    Severity,
    Source,
    Title,
    /// The alert's id.
    Alert,
    /// A value of the alert's key, which all its traces share.
    Key(Field),
    /// A field of the trace at hand.
    Trace(Field),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    OneOf,
    /// Also true of a field that is missing.
    NoneOf,
}

#[derive(Debug, Clone)]
enum Pattern {
    Words(Vec<String>, Words),
    /// As written, and anchored at both ends.
    Regex(String, Regex),
}

/// Names that are no fields of a trace.
const OWN: [(&str, Of); 5] = [
    ("rule", Of::Rule),
    ("severity", Of::Severity),
    ("source", Of::Source),
    ("title", Of::Title),
    ("alert", Of::Alert),
];
const LONGEST: usize = 4096;

/// Matchers for more of the same: the alert's rule and the values of its key.
pub fn like(alert: &Alert) -> Vec<Matcher> {
    let mut matchers = vec![Matcher::exactly(Of::Rule, &alert.rule)];
    let keys = alert.key.iter().filter_map(|(name, value)| Some((Field::parse(name)?, value)));
    matchers.extend(keys.map(|(field, value)| Matcher::exactly(Of::Key(field), value)));
    matchers
}

impl Matcher {
    /// Reads `field=value`, `field!=value`, `field=~regex` or `field!~regex`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is not a matcher; write `field=value`, `field!=value`, `field=~regex` or `field!~regex`")
        };
        if text.len() > LONGEST {
            return Err(format!("a matcher of {} bytes, at most {LONGEST} are read", text.len()));
        }
        let at = text.find(['=', '!']).ok_or_else(wrong)?;
        let (name, rest) = text.split_at(at);
        let operators =
            [("!=", Is::NoneOf, false), ("!~", Is::NoneOf, true), ("=~", Is::OneOf, true), ("=", Is::OneOf, false)];
        let (is, regex, value) = operators
            .into_iter()
            .find_map(|(operator, is, regex)| Some((is, regex, rest.strip_prefix(operator)?)))
            .ok_or_else(wrong)?;
        let of = Of::parse(name.trim())?;
        if regex { Self::regex(of, is, value) } else { Self::words(of, is, vec![value.to_owned()]) }
    }

    /// One of these values, globs if they hold a `*`.
    pub fn words(of: Of, is: Is, values: Vec<String>) -> Result<Self, String> {
        if of == Of::Severity {
            for value in values.iter().filter(|value| !value.contains('*')) {
                known_severity(value)?;
            }
        }
        let words = Words::new(values.iter().map(String::as_str), of.ignores_case());
        Ok(Self { of, is, pattern: Pattern::Words(values, words) })
    }

    /// A text that the whole pattern describes.
    pub fn regex(of: Of, is: Is, pattern: &str) -> Result<Self, String> {
        let build = |text: &str| {
            RegexBuilder::new(text).case_insensitive(of.ignores_case()).size_limit(rule::REGEX_SIZE_LIMIT).build()
        };
        let bad = |error: regex::Error| {
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("`{pattern}` is not a regular expression: {last}")
        };
        // By itself first: `a)|(b` must not borrow the parentheses around it.
        build(pattern).map_err(bad)?;
        let anchored = build(&format!("^(?:{pattern})$")).map_err(bad)?;
        Ok(Self { of, is, pattern: Pattern::Regex(pattern.to_owned(), anchored) })
    }

    fn exactly(of: Of, value: &str) -> Self {
        let literal = !value.contains('*') && !value.starts_with('~');
        if literal && let Ok(matcher) = Self::words(of.clone(), Is::OneOf, vec![value.to_owned()]) {
            return matcher;
        }
        let escaped = regex::escape(value);
        // A value too long for a pattern is longer than any name that the cloud allows; its beginning is enough.
        let cut: String = value.chars().take(64).collect();
        Self::regex(of.clone(), Is::OneOf, &escaped)
            .or_else(|_| Self::regex(of, Is::OneOf, &format!("{}.*", regex::escape(&cut))))
            .expect("an escaped text of 64 characters is a small regular expression")
    }

    pub fn holds(&self, subject: Subject<'_>) -> bool {
        let found = self.of.text(subject).is_some_and(|value| self.pattern.describes(&value));
        found == (self.is == Is::OneOf)
    }

    /// Its values, if no other text than these is meant.
    pub fn exact(&self) -> Option<&[String]> {
        match &self.pattern {
            Pattern::Words(values, _) if !values.iter().any(|value| value.contains('*')) => Some(values),
            Pattern::Words(..) | Pattern::Regex(..) => None,
        }
    }

    /// True if it leaves no alert out.
    pub fn matches_everything(&self) -> bool {
        // Texts that have nothing in common.
        const ODD: [&str; 4] = ["a", "Zz-9 _.", "\u{e9}\u{4e2d}", "0123456789abcdef0123456789"];
        match self.is {
            Is::OneOf => ODD.iter().all(|text| self.pattern.describes(text)),
            Is::NoneOf => match &self.pattern {
                Pattern::Words(values, _) => values.iter().all(String::is_empty),
                Pattern::Regex(text, _) => text.is_empty(),
            },
        }
    }
}

impl Pattern {
    fn describes(&self, value: &str) -> bool {
        match self {
            Self::Words(_, words) => words.hold(value),
            Self::Regex(_, regex) => regex.is_match(&value[..value.floor_char_boundary(REGEX_TEXT_LIMIT)]),
        }
    }
}

impl Of {
    /// The field of that name, or what is wrong with it.
    pub fn parse(name: &str) -> Result<Self, String> {
        if let Some((_, own)) = OWN.into_iter().find(|(own, _)| *own == name) {
            return Ok(own);
        }
        let (key, field) = name.strip_prefix("key.").map_or((false, name), |field| (true, field));
        match Field::parse(field) {
            Some(field) if key => Ok(Self::Key(field)),
            Some(field) => Ok(Self::Trace(field)),
            None => {
                let fields = trace::field::NAMES.iter().map(|(name, _)| *name);
                let fields = fields.chain(trace::field::ALIASES.iter().map(|(name, _)| *name));
                let near = match key {
                    true => did_you_mean(field, fields).map(|near| format!("key.{near}")),
                    false => did_you_mean(field, fields.chain(OWN.map(|(name, _)| name))).map(str::to_owned),
                };
                let hint = near.map_or_else(
                    || "a field of a trace, `rule`, `severity`, `source`, `title`, `alert` or `key.FIELD`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                Err(format!("`{name}` is not a field of an alert ({hint})"))
            }
        }
    }

    pub fn text<'a>(&self, subject: Subject<'a>) -> Option<Cow<'a, str>> {
        let Subject { alert, trace, .. } = subject;
        Some(match self {
            Self::Rule => Cow::Borrowed(&alert.rule),
            Self::Severity => Cow::Borrowed(alert.severity.as_str()),
            Self::Source => Cow::Borrowed(&alert.source),
            Self::Title => Cow::Borrowed(&alert.title),
            Self::Alert => Cow::Borrowed(&alert.id),
            Self::Key(field) => Cow::Borrowed(alert.key.get(&field.name())?.as_str()),
            Self::Trace(field) => return trace.get(field),
        })
    }

    /// As the rule language compares.
    pub fn ignores_case(&self) -> bool {
        match self {
            Self::Rule | Self::Source | Self::Alert => false,
            Self::Severity | Self::Title => true,
            Self::Key(field) | Self::Trace(field) => field.ignores_case(),
        }
    }
}

fn known_severity(word: &str) -> Result<(), String> {
    if Severity::parse(&word.to_lowercase()).is_some() {
        return Ok(());
    }
    let known = Severity::ALL.map(Severity::as_str);
    Err(match did_you_mean(word, known) {
        Some(near) => format!("`{word}` is not a severity (did you mean `{near}`?)"),
        None => format!("`{word}` is not a severity; expected one of {}", known.join(", ")),
    })
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(field) => write!(f, "key.{}", field.name()),
            Self::Trace(field) => f.write_str(&field.name()),
            own => f.write_str(OWN.iter().find(|(_, of)| of == own).map_or("", |(name, _)| name)),
        }
    }
}

/// As [`Matcher::parse`] reads it; several values, which only the configuration can give, are joined with `|`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operator, text) = match (self.is, &self.pattern) {
            (Is::OneOf, Pattern::Words(values, _)) => ("=", values.join("|")),
            (Is::NoneOf, Pattern::Words(values, _)) => ("!=", values.join("|")),
            (Is::OneOf, Pattern::Regex(text, _)) => ("=~", text.clone()),
            (Is::NoneOf, Pattern::Regex(text, _)) => ("!~", text.clone()),
        };
        write!(f, "{}{operator}{text}", self.of)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}
