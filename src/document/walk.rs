//! A walk over a [`Node`] tree that collects problems instead of stopping at one.

use std::{cell::RefCell, time::Duration};

use super::{Code, File, Level, Node, Problem, Span, Value, did_you_mean};

/// Nobody reads more at once, and each costs a look through the file.
pub const PROBLEM_LIMIT: usize = 200;

/// Where a walk writes what it finds, up to [`PROBLEM_LIMIT`].
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub fn push(&self, problem: Problem) {
        let mut list = self.0.borrow_mut();
        // What an anchor holds is read once for every alias, and told once.
        if list.len() == PROBLEM_LIMIT - 1 {
            let text = "more problems follow; they are shown once these are solved".to_owned();
            list.push(Problem { text, hint: None, also: None, path: String::new(), code: Code("more"), ..problem });
        } else if list.len() < PROBLEM_LIMIT && !list.contains(&problem) {
            list.push(problem);
        }
    }

    pub fn extend(&self, problems: impl IntoIterator<Item = Problem>) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }

    /// True if one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(|problem| problem.level == Level::Error)
    }

    pub fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// A node, the path to it, and where its problems go. Readers yield `None`
/// after they have reported what is wrong.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    pub file: &'a File,
    pub node: &'a Node,
    /// Dotted path, for example `topics.security[1].endpoint`; empty at the top.
    pub path: String,
    pub problems: &'a Problems,
}

/// The keys of one map. Every name asked for counts as known; [`Fields::finish`] reports the others.
#[derive(Debug)]
pub struct Fields<'a> {
    pub walk: Walk<'a>,
    known: Vec<&'static str>,
    /// Known too, but not worth recommending.
    later: Vec<&'static str>,
}

impl<'a> Walk<'a> {
    pub fn new(file: &'a File, node: &'a Node, problems: &'a Problems) -> Self {
        Self { file, node, path: String::new(), problems }
    }

    /// Reports an error at this node.
    pub fn fail(&self, text: impl Into<String>) {
        self.report(Level::Error, self.node.head(), text.into(), None);
    }

    /// Reports an error at this node, and what to do about it.
    pub fn fail_hint(&self, text: impl Into<String>, hint: impl Into<String>) {
        self.report(Level::Error, self.node.head(), text.into(), Some(hint.into()));
    }

    pub fn warn(&self, text: impl Into<String>, hint: Option<String>) {
        self.report(Level::Warning, self.node.head(), text.into(), hint);
    }

    /// Reports at a place of the same file that is not this node.
    pub fn report(&self, level: Level, span: Span, text: String, hint: Option<String>) {
        self.report_as(Code::default(), level, span, text, hint);
    }

    /// Reports a mistake of a kind that has a name.
    pub fn report_as(&self, code: Code, level: Level, span: Span, text: String, hint: Option<String>) {
        let (file, path) = (self.file.name.clone(), self.path.clone());
        self.problems.push(Problem { level, code, file, span, path, text, hint, also: None });
    }

    fn expected(&self, what: &str) {
        self.fail(format!("expected {what}, found {}", self.node.value.kind()));
    }

    /// The walk at a child; `key` is one step of the path.
    pub fn child(&self, key: &str, node: &'a Node) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { node, path, ..*self }
    }

    /// The items, each with its index in the path.
    pub fn list(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else {
            self.expected("a list");
            return None;
        };
        let at = |(index, node): (usize, &'a Node)| Self { node, path: format!("{}[{index}]", self.path), ..*self };
        Some(items.iter().enumerate().map(at).collect())
    }

    /// The keys and their values, for maps whose keys the user chooses. The node is the key's.
    pub fn entries(&self) -> Option<Vec<(&'a str, &'a Node, Self)>> {
        let Value::Map(entries) = &self.node.value else {
            self.expected("a map");
            return None;
        };
        let entry = |(key, value): &'a (Node, Node)| match &key.value {
            Value::Text(name) => Some((name.as_str(), key, self.child(name, value))),
            _ => None,
        };
        Some(entries.iter().filter_map(entry).collect())
    }

    /// The keys, for maps whose keys are ours.
    pub fn fields(&self) -> Option<Fields<'a>> {
        self.entries()?;
        Some(Fields { walk: self.clone(), known: Vec::new(), later: Vec::new() })
    }

    pub fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                self.fail_hint(format!("expected text, found {}", self.node.value.kind()), "put it in quotes");
                None
            }
            _ => {
                self.expected("text");
                None
            }
        }
    }

    /// Text that says something.
    pub fn words(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.fail("expected text, found an empty one");
            return None;
        }
        Some(text)
    }

    pub fn bool(&self) -> Option<bool> {
        match &self.node.value {
            Value::Bool(value) => Some(*value),
            Value::Text(word) => {
                let hint = match word.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "y" => "write `true`",
                    "no" | "off" | "n" => "write `false`",
                    _ => "write `true` or `false`, without quotes",
                };
                self.fail_hint(format!("expected `true` or `false`, found `{word}`"), hint);
                None
            }
            _ => {
                self.expected("`true` or `false`");
                None
            }
        }
    }

    /// A whole number from `least` to `most`.
    pub fn whole(&self, least: i64, most: i64) -> Option<i64> {
        match self.node.value {
            Value::Int(value) if (least..=most).contains(&value) => Some(value),
            Value::Int(value) => {
                self.fail(format!("expected a whole number from {least} to {most}, found {value}"));
                None
            }
            Value::Float(_) => {
                self.fail(format!("expected a whole number, found `{}`", self.source()));
                None
            }
            _ => {
                self.expected("a whole number");
                None
            }
        }
    }

    /// The node as it stands in the file, quotes and all.
    pub fn source(&self) -> &'a str {
        self.file.text.get(self.node.span.start..self.node.span.end).unwrap_or_default()
    }

    /// A duration longer than zero, such as `30s`, `5m`, `1h30m` or `7d`.
    pub fn duration(&self) -> Option<Duration> {
        const EXAMPLES: &str = "write a number and a unit: `30s`, `5m`, `1h30m`, `7d`";
        let found = match &self.node.value {
            Value::Text(text) => text.as_str(),
            Value::Int(number) => {
                self.fail_hint(format!("expected a duration, found the number {number} without a unit"), EXAMPLES);
                return None;
            }
            _ => {
                self.expected("a duration");
                return None;
            }
        };
        match read_duration(found) {
            Ok(duration) => Some(duration),
            Err(reason) => {
                let hint = shorter(found).map_or(EXAMPLES.to_owned(), |short| format!("did you mean `{short}`?"));
                self.fail_hint(format!("`{found}` is not a duration: {reason}"), hint);
                None
            }
        }
    }

    /// One of a closed list of words.
    pub fn one_of<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let found = self.text()?;
        let choice = choices.iter().find(|(word, _)| *word == found);
        if choice.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let hint = did_you_mean(found, words.iter().copied()).map(|word| format!("did you mean `{word}`?"));
            let text = format!("expected {}, found `{found}`", either(&words));
            self.report(Level::Error, self.node.head(), text, hint);
        }
        choice.map(|(_, value)| *value)
    }
}

impl<'a> Fields<'a> {
    /// The value of a key that may be missing; a key without a value counts as missing.
    pub fn optional(&mut self, key: &'static str) -> Option<Walk<'a>> {
        self.known.push(key);
        let node = self.walk.node.get(key)?;
        (node.value != Value::Null).then(|| self.walk.child(key, node))
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str) -> Option<Walk<'a>> {
        let found = self.optional(key);
        if found.is_none() {
            match self.walk.node.get(key) {
                Some(empty) => self.walk.child(key, empty).fail("expected a value, found nothing"),
                None => {
                    let text = format!("the key `{key}` is missing");
                    self.walk.report_as(Code("missing-key"), Level::Error, self.walk.node.head(), text, None);
                }
            }
        }
        found
    }

    pub fn required_text(&mut self, key: &'static str) -> Option<&'a str> {
        self.required(key)?.words()
    }

    pub fn optional_text(&mut self, key: &'static str) -> Option<&'a str> {
        self.optional(key)?.words()
    }

    pub fn optional_bool(&mut self, key: &'static str) -> Option<bool> {
        self.optional(key)?.bool()
    }

    pub fn required_duration(&mut self, key: &'static str) -> Option<Duration> {
        self.required(key)?.duration()
    }

    pub fn optional_duration(&mut self, key: &'static str) -> Option<Duration> {
        self.optional(key)?.duration()
    }

    pub fn optional_whole(&mut self, key: &'static str, least: i64, most: i64) -> Option<i64> {
        self.optional(key)?.whole(least, most)
    }

    /// The items of a list that may be missing.
    pub fn list(&mut self, key: &'static str) -> Vec<Walk<'a>> {
        self.optional(key).and_then(|walk| walk.list()).unwrap_or_default()
    }

    /// Refuses a key that belongs to a later version, in so many words.
    pub fn later(&mut self, key: &'static str, hint: &str) {
        if let Some(entry) = self.entry(key) {
            let text = format!("`{key}` is not supported yet by this version");
            let walk = self.walk.child(key, self.walk.node);
            walk.report(Level::Error, entry, text, Some(hint.to_owned()));
        }
        self.later.push(key);
    }

    /// Place of a key, if the map holds it.
    pub fn entry(&self, key: &str) -> Option<Span> {
        let Value::Map(entries) = &self.walk.node.value else { return None };
        entries.iter().find(|(name, _)| name.value == Value::Text(key.to_owned())).map(|(name, _)| name.span)
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        for (name, key, _) in self.walk.entries().unwrap_or_default() {
            if self.known.contains(&name) || self.later.contains(&name) {
                continue;
            }
            let hint = match did_you_mean(name, self.known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known keys: {}", self.known.join(", ")),
            };
            let text = format!("unknown key `{name}`");
            self.walk.report_as(Code("unknown-key"), Level::Error, key.span, text, Some(hint));
        }
    }
}

/// `a, b or c`, each in backticks.
pub fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// Whole seconds, minutes and so on, each with its unit and without spaces.
fn read_duration(text: &str) -> Result<Duration, &'static str> {
    if text.starts_with('-') {
        return Err("it is negative");
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it has no unit");
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("it holds more than numbers and units");
    }
    let short = |unit: &str| matches!(unit, "ms" | "s" | "m" | "h" | "d" | "w");
    let units = text.split(|c: char| c.is_ascii_digit()).filter(|unit| !unit.is_empty());
    if !text.starts_with(|c: char| c.is_ascii_digit()) || !units.clone().all(short) {
        return Err("a part of it is neither a number nor one of the units ms, s, m, h, d, w");
    }
    let span: jiff::Span = text.parse().map_err(|_| "the units must come largest first, each with its number")?;
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    let length = span.to_duration(days).map_err(|_| "it is too long")?;
    match Duration::try_from(length) {
        Ok(Duration::ZERO) | Err(_) => Err("it is zero"),
        Ok(length) if length > Duration::from_secs(10 * 366 * 86_400) => Err("it is longer than ten years"),
        Ok(length) => Ok(length),
    }
}

/// `10 minutes` as it is written here: `10m`.
fn shorter(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "sec" | "secs" | "second" | "seconds" | "s" => "s",
        "min" | "mins" | "minute" | "minutes" | "m" => "m",
        "hr" | "hrs" | "hour" | "hours" | "h" => "h",
        "day" | "days" | "d" => "d",
        "week" | "weeks" | "w" => "w",
        _ => return None,
    };
    let short = format!("{}{unit}", &text[..digits]);
    read_duration(&short).is_ok().then_some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_a_sign_of_sense() {
        let seconds = |text| read_duration(text).map(|duration| duration.as_secs_f64());
        for (text, expected) in
            [("30s", 30.0), ("5m", 300.0), ("1h30m", 5400.0), ("7d", 604_800.0), ("2w", 1_209_600.0), ("250ms", 0.25)]
        {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for bad in [
            "5",
            "-5s",
            "5 mins",
            "5mins",
            "1e9h",
            "0s",
            "",
            "m",
            "5m1h",
            "99999999999999999999s",
            "1M",
            "100000w",
            "5m5",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
