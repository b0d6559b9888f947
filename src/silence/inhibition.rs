//! An open alert that makes others not worth a message.

use super::{Is, Matcher, Of, Subject};
use crate::alert::{Alert, Mute, MuteKind};

/// While an alert that satisfies `when` is open, those that satisfy `mutes` and agree with it are not sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Inhibition {
    pub name: String,
    pub when: Vec<Matcher>,
    pub mutes: Vec<Matcher>,
    /// Present in both alerts, with the same value. None: any alert mutes any other.
    pub same: Vec<Of>,
}

impl Inhibition {
    /// The rules whose alerts inhibit; `None` if those of any rule may.
    pub fn rules(inhibitions: &[Self]) -> Option<Vec<String>> {
        let rules = inhibitions.iter().map(|inhibition| {
            let named = inhibition.when.iter().filter(|matcher| matcher.of == Of::Rule && matcher.is == Is::OneOf);
            named.filter_map(Matcher::exact).next()
        });
        Some(rules.collect::<Option<Vec<_>>>()?.concat())
    }

    /// The mute by the first of the `open` alerts that inhibits the subject, if there is one. Never by itself,
    /// and never by an alert that it would inhibit in turn: two of a kind must not silence each other.
    pub fn mute(&self, subject: Subject<'_>, open: &[Alert]) -> Option<Mute> {
        if !all(&self.mutes, subject) {
            return None;
        }
        let both = all(&self.when, subject);
        let inhibits = |other: &&Alert| {
            let source = Subject::of(other);
            other.id != subject.alert.id
                && !other.shadow
                && all(&self.when, source)
                && !(both && all(&self.mutes, source))
                && self.same.iter().all(|field| agree(field, subject, source))
        };
        let by = open.iter().find(inhibits)?;
        let reason = format!("inhibition {} by alert {} of rule {}: {}", self.name, by.id, by.rule, by.title);
        Some(Mute { kind: MuteKind::Inhibition, by: self.name.clone(), reason })
    }
}

fn all(matchers: &[Matcher], subject: Subject<'_>) -> bool {
    matchers.iter().all(|matcher| matcher.holds(subject))
}

fn agree(field: &Of, subject: Subject<'_>, source: Subject<'_>) -> bool {
    match (field.text(subject), field.text(source)) {
        (Some(one), Some(other)) if field.ignores_case() => one.to_lowercase() == other.to_lowercase(),
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}
