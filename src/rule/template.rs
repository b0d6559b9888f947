//! Titles: text with `{{ field }}`, checked when loaded.
//!
//! Only fields, `key.*`, quoted text and `or`: no filter, no loop, no arithmetic.
//! So a title needs no fuel and no error path, and what it can name is known at
//! load. A template engine would have to be fenced in by a parser of this size.

use std::ops::Range;

use crate::{
    alert::Key,
    document::did_you_mean,
    trace::{
        Field, Trace,
        field::{ALIASES, NAMES},
    },
};

pub mod parts;

pub use parts::Flaw;
use parts::{Part, Term};

/// Longest title, in characters: what a phone's lock screen and a mail subject can show.
pub const TITLE_LIMIT: usize = 200;

#[derive(Debug, Clone, Default)]
pub struct Template {
    parts: Vec<Part<Name>>,
}

#[derive(Debug, Clone)]
enum Name {
    Field(Field),
    Key(String),
}

impl Template {
    /// Reads a title. `keys` are the names in `dedup.by`, which `key.*` may use.
    pub fn parse(title: &str, keys: &[String]) -> Result<Self, Flaw> {
        let parts = parts::parse(title, "a title", &|word, place| name(word, place, keys))?;
        Ok(Self { parts })
    }

    /// One line, at most [`TITLE_LIMIT`] characters. Cannot fail: a missing field reads `-`.
    pub fn render(&self, trace: &Trace, key: &Key) -> String {
        let mut line = Line::default();
        for part in &self.parts {
            match part {
                Part::Text(text) => line.push(text),
                Part::Or(terms) => {
                    let found = terms.iter().any(|term| match term {
                        Term::Name(Name::Field(field)) => trace.get(field).is_some_and(|value| line.push_word(&value)),
                        Term::Name(Name::Key(name)) => key.get(name).is_some_and(|value| line.push_word(value)),
                        Term::Text(text) => line.push_word(text),
                    });
                    if !found {
                        line.push("-");
                    }
                }
            }
        }
        line.finish()
    }
}

fn name(word: &str, place: Range<usize>, keys: &[String]) -> Result<Name, Flaw> {
    if let Some(name) = word.strip_prefix("key.") {
        let own = Field::parse(name).map_or_else(|| name.to_owned(), |field| field.name());
        if keys.contains(&own) {
            return Ok(Name::Key(own));
        }
        let hint = match keys {
            [] => "`dedup.by` is empty".to_owned(),
            keys => format!("`dedup.by` names {}", keys.join(", ")),
        };
        let own = Field::parse(name).map(|_| format!("; for the trace's own write `{{{{ {name} }}}}`"));
        let hint = format!("{hint}{}", own.unwrap_or_default());
        return Err(Flaw::new(place, format!("`{name}` is not part of the rule's key"), Some(&hint)));
    }
    if let Some(field) = Field::parse(word) {
        return Ok(Name::Field(field));
    }
    parts::no_calculation(word, &place, "a title")?;
    let hint = nearest_field(word).map(|near| format!("did you mean `{near}`?"));
    Err(Flaw::new(place, format!("`{word}` is not a field of a trace"), hint.as_deref()))
}

/// The field whose name comes closest, for "did you mean".
pub fn nearest_field(word: &str) -> Option<&'static str> {
    let names = NAMES.iter().map(|(name, _)| *name);
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    did_you_mean(word, names.clone().chain(ALIASES.iter().map(|(alias, _)| *alias)))
        // `name` alone is half of `actor.name`.
        .or_else(|| names.clone().find(|name| name.contains('.') && last(name).as_deref() == Some(word)))
}

/// Collects one clean line and stops at the limit.
#[derive(Default)]
struct Line {
    text: String,
    chars: usize,
    /// A blank is due before the next character.
    blank: bool,
    cut: bool,
}

impl Line {
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() || c.is_control() || turns(c) {
                self.blank = self.blank || c.is_whitespace() || c == '\n';
                continue;
            }
            let wanted = 1 + usize::from(self.blank && self.chars > 0);
            if self.chars + wanted > TITLE_LIMIT {
                self.cut = true;
                return;
            }
            if wanted == 2 {
                self.text.push(' ');
            }
            self.text.push(c);
            self.chars += wanted;
            self.blank = false;
        }
    }

    /// True if the text showed anything.
    fn push_word(&mut self, text: &str) -> bool {
        let before = self.chars;
        self.push(text);
        self.chars > before || self.cut
    }

    fn finish(mut self) -> String {
        if self.cut {
            let last = self.text.char_indices().nth(TITLE_LIMIT - 1).map_or(self.text.len(), |(at, _)| at);
            self.text.truncate(last);
            self.text.truncate(self.text.trim_end().len());
            self.text.push('…');
        }
        self.text
    }
}

/// Characters that turn the reading direction and could make a title lie.
fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::case::blank_trace;

    fn render(title: &str, change: impl FnOnce(&mut Trace)) -> String {
        let mut trace = blank_trace();
        change(&mut trace);
        let key = Key::from([("source_ip".to_owned(), "192.0.2.1".to_owned())]);
        Template::parse(title, &["source_ip".to_owned()]).expect("valid").render(&trace, &key)
    }

    #[test]
    fn titles_fill_in() {
        let title = "{{ actor.name }} did {{resource.name or resource.id or \"it\"}} from {{ key.source_ip }} {x}";
        let found = render(title, |trace| {
            trace.actor.name = Some("alice".into());
            trace.resource.id = Some("i-1".into());
        });
        assert_eq!(found, "alice did i-1 from 192.0.2.1 {x}");
        assert_eq!(render(title, |_| {}), "- did it from 192.0.2.1 {x}");
        assert_eq!(render("{{ user.name or resource_name }}", |_| {}), "-");
    }

    #[test]
    fn titles_are_one_clean_short_line() {
        let found = render("{{ actor.name }}!", |trace| {
            trace.actor.name = Some("a\r\nBcc: x\u{1b}[2J\u{202e}\0  b\t".into());
        });
        assert_eq!(found, "a Bcc: x[2J b !");
        let found = render("a {{ actor.name }} b", |trace| trace.actor.name = Some("ä".repeat(1_000_000)));
        assert_eq!(found.chars().count(), TITLE_LIMIT);
        assert!(found.ends_with("ä…"));
    }

    #[test]
    fn flaws_are_found_at_load() {
        for (title, at, words) in [
            ("{{ actr.name }}", "actr.name", "did you mean `actor.name`?"),
            ("{{ name }}", "name", "did you mean `actor.name`?"),
            ("x {% for a in b %}", "{%", "text and `{{ field }}` only"),
            ("x {{ actor.name", "{{", "close it"),
            ("{{ }}", "{{ }}", "names no field"),
            ("{{ actor.name or }}", "{{ actor.name or }}", "missing after"),
            ("{{ actor.name | upper }}", "| upper", "filters are not read"),
            ("{{ actor.name and code }}", "and", "only `or`"),
            ("{{ actor.name|upper }}", "actor.name|upper", "filters"),
            ("{{ key.actor.name }}", "key.actor.name", "`dedup.by` names source_ip"),
            ("{{ 'a }}", "'a ", "quote"),
        ] {
            let flaw = Template::parse(title, &["source_ip".to_owned()]).expect_err(title);
            assert_eq!(&title[flaw.range.clone()], at);
            let told = format!("{} {}", flaw.text, flaw.hint.unwrap_or_default());
            assert!(told.contains(words), "{title}: {told}");
        }
    }
}
