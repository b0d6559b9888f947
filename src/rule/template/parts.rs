//! Text with `{{ name }}` in its pieces; what a name may be is the caller's to say.

use std::ops::Range;

/// Makes of a name, and of where it stands, what a template keeps of it.
pub type Named<'a, N> = dyn Fn(&str, Range<usize>) -> Result<N, Flaw> + 'a;

/// One piece: plain text, or the first of several terms that yields something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<N> {
    Text(String),
    Or(Vec<Term<N>>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term<N> {
    Name(N),
    Text(String),
}

/// What is wrong, at which bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    pub range: Range<usize>,
    pub text: String,
    pub hint: Option<String>,
}

impl Flaw {
    pub fn new(range: Range<usize>, text: impl Into<String>, hint: Option<&str>) -> Self {
        Self { range, text: text.into(), hint: hint.map(str::to_owned) }
    }
}

/// Reads `text`, which is `a title` or `a template`; `name` reads the word of one name at its place.
pub fn parse<N>(text: &str, what: &str, name: &Named<'_, N>) -> Result<Vec<Part<N>>, Flaw> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|found| at + found) {
        let rest = &text[open..];
        if rest.starts_with("{%") || rest.starts_with("{#") {
            let (found, hint) = (
                format!("statements and comments are not read in {what}"),
                format!("{what} holds text and `{{{{ field }}}}` only"),
            );
            return Err(Flaw::new(open..open + 2, found, Some(&hint)));
        }
        if !rest.starts_with("{{") {
            parts.push(Part::Text(text[at..=open].to_owned()));
            at = open + 1;
            continue;
        }
        let Some(close) = rest.find("}}").map(|found| open + found) else {
            return Err(Flaw::new(open..open + 2, "`{{` is not closed", Some("close it with `}}`")));
        };
        parts.push(Part::Text(text[at..open].to_owned()));
        parts.push(Part::Or(terms(text, open + 2..close, what, name)?));
        at = close + 2;
    }
    parts.push(Part::Text(text[at..].to_owned()));
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    Ok(parts)
}

fn terms<N>(text: &str, range: Range<usize>, what: &str, name: &Named<'_, N>) -> Result<Vec<Term<N>>, Flaw> {
    let mut terms = Vec::new();
    let mut at = range.start;
    let mut wants_term = true;
    loop {
        at += text[at..range.end].len() - text[at..range.end].trim_start().len();
        let rest = &text[at..range.end];
        let Some(first) = rest.chars().next() else { break };
        let quoted = matches!(first, '"' | '\'');
        let length = if quoted {
            rest[1..]
                .find(first)
                .map(|end| end + 2)
                .ok_or_else(|| Flaw::new(at..range.end, "a quote is not closed", None))?
        } else {
            rest.find(char::is_whitespace).unwrap_or(rest.len())
        };
        let (word, place) = (&rest[..length], at..at + length);
        at += length;
        match (wants_term, word) {
            (false, "or") => wants_term = true,
            (false, _) if word.starts_with('|') => {
                let rest = text[place.start..range.end].trim_end();
                let hint = format!("{what} holds text, `{{{{ field }}}}` and `{{{{ a or b }}}}` only");
                let place = place.start..place.start + rest.len();
                return Err(Flaw::new(place, format!("`{rest}`: filters are not read in {what}"), Some(&hint)));
            }
            (false, _) => {
                let hint = "only `or` may stand between two fields: `{{ resource.name or resource.id }}`";
                return Err(Flaw::new(place, format!("`{word}` is not read in {what}"), Some(hint)));
            }
            (true, _) => {
                let quoted = quoted.then(|| Term::Text(word[1..length - 1].to_owned()));
                terms.push(quoted.map_or_else(|| name(word, place).map(Term::Name), Ok)?);
                wants_term = false;
            }
        }
    }
    if wants_term {
        let text = if terms.is_empty() { "`{{ }}` names no field" } else { "a field is missing after `or`" };
        return Err(Flaw::new(range.start - 2..range.end + 2, text, None));
    }
    Ok(terms)
}

/// Why a word that is no name cannot be one in any case.
pub fn no_calculation(word: &str, place: &Range<usize>, what: &str) -> Result<(), Flaw> {
    if word.contains(['|', '(', '[', '+', '*', '~']) {
        let hint = format!("{what} holds text, `{{{{ field }}}}` and `{{{{ a or b }}}}` only");
        let found = format!("`{word}`: filters, calls and arithmetic are not read");
        return Err(Flaw::new(place.clone(), found, Some(&hint)));
    }
    Ok(())
}
