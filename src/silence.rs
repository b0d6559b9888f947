//! Who and what keeps alerts from people: silences that people make, and inhibitions by other alerts.
//!
//! Pure: what is in force and the time are arguments. A silence has an end, says who made it and why,
//! and names something: one that would swallow every alert is refused. What a subscription's own
//! timetable holds back is the topic's affair.

use std::time::Duration;

use crate::{
    alert::{Alert, Mute, MuteKind},
    clock::{self, Timestamp},
    id,
    trace::Trace,
};

pub mod hygiene;
mod inhibition;
mod matcher;

pub use inhibition::Inhibition;
pub use matcher::{Is, Matcher, Of, like};

/// What mutes, as it stands when a page is judged.
#[derive(Debug, Default)]
pub struct Muting<'a> {
    pub silences: &'a [Silence],
    pub inhibitions: &'a [Inhibition],
    /// Open alerts, those that the page opened or changed as it leaves them.
    pub open: &'a [Alert],
}

/// Made by a person: what matches is recorded and not sent until it ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// `sil_` and ten characters.
    pub id: String,
    /// All of them have to match.
    pub matchers: Vec<Matcher>,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub author: String,
    pub comment: String,
    pub created_at: Timestamp,
    /// When a person ended it before its time.
    pub expired_at: Option<Timestamp>,
}

/// A silence as a person asks for it.
#[derive(Debug, Clone)]
pub struct Draft {
    pub matchers: Vec<Matcher>,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub author: String,
    pub comment: String,
}

/// Where a silence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Active,
    /// It has not begun.
    Pending,
    Expired,
}

/// An alert as matchers see it: with the trace at hand, which need not be the one that opened it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub alert: &'a Alert,
    pub trace: &'a Trace,
    /// When it happened.
    pub time: Timestamp,
}

/// Longer than this nobody remembers what a silence was for.
const LONG: Duration = Duration::from_secs(366 * 86_400);
pub const MOST_MATCHERS: usize = 32;
const LONGEST_AUTHOR: usize = 120;
/// Fits a line that people read.
const LONGEST_COMMENT: usize = 500;

impl Muting<'_> {
    /// What keeps the subject from people now: the silence that lasts longest, else an inhibition.
    pub fn judge(&self, subject: Subject<'_>, now: Timestamp) -> Option<Mute> {
        let silences = self.silences.iter().filter(|silence| silence.mutes(subject, now));
        if let Some(silence) = silences.max_by_key(|silence| (silence.ends_at, &silence.id)) {
            return Some(silence.mute());
        }
        self.inhibitions.iter().find_map(|inhibition| inhibition.mute(subject, self.open))
    }
}

impl Silence {
    /// Checks a draft; every problem at once.
    pub fn new(draft: Draft, now: Timestamp) -> Result<Self, Vec<String>> {
        let Draft { matchers, starts_at, ends_at, author, comment } = draft;
        let (author, comment) = (one_line(&author), one_line(&comment));
        let mut problems = Vec::new();
        if matchers.is_empty() {
            problems.push("a silence needs a matcher, for example `rule=kms-key-destruction`".to_owned());
        } else if matchers.iter().all(Matcher::matches_everything) {
            let all: Vec<String> = matchers.iter().map(|matcher| format!("`{matcher}`")).collect();
            problems.push(format!("{} would swallow every alert; name a rule, an actor or a severity", all.join(", ")));
        }
        if matchers.len() > MOST_MATCHERS {
            problems.push(format!("{} matchers, at most {MOST_MATCHERS} are read", matchers.len()));
        }
        if ends_at <= starts_at {
            problems.push(format!("it would end at {ends_at}, which is not after its start at {starts_at}"));
        } else if ends_at <= now {
            problems.push(format!("it would be over already: {ends_at} is past"));
        }
        if comment.is_empty() {
            problems.push("a silence needs a comment: why nobody has to hear of these alerts".to_owned());
        } else if comment.chars().count() > LONGEST_COMMENT {
            problems.push(format!("the comment is longer than {LONGEST_COMMENT} characters"));
        }
        if author.is_empty() {
            problems.push("a silence needs an author: who is to be asked about it".to_owned());
        } else if author.chars().count() > LONGEST_AUTHOR {
            problems.push(format!("the author is longer than {LONGEST_AUTHOR} characters"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut parts: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
        parts.extend([starts_at.to_string(), ends_at.to_string(), author.clone(), comment.clone(), now.to_string()]);
        let id = id::derive(&parts.iter().map(String::as_str).collect::<Vec<_>>());
        let id = format!("sil_{}", &id[..10]);
        Ok(Self { id, matchers, starts_at, ends_at, author, comment, created_at: now, expired_at: None })
    }

    /// What a person should think about once more.
    pub fn doubts(&self) -> Vec<String> {
        let lasts = clock::since(self.starts_at, self.ends_at);
        let long = format!(
            "it lasts {}: what is wrong for so long is better said by an `except` of the rule",
            clock::in_words(lasts)
        );
        (lasts > LONG).then_some(long).into_iter().collect()
    }

    pub fn standing(&self, now: Timestamp) -> Standing {
        match () {
            () if self.ended() <= now => Standing::Expired,
            () if self.starts_at > now => Standing::Pending,
            () => Standing::Active,
        }
    }

    /// When it ends or ended.
    pub fn ended(&self) -> Timestamp {
        self.expired_at.map_or(self.ends_at, |at| at.min(self.ends_at))
    }

    /// The command that makes another like it, for so long from now.
    pub fn again(&self, lasts: &str) -> String {
        let mut words = vec!["tracebell silence add".to_owned()];
        words.extend(self.matchers.iter().map(|matcher| format!("--match {}", quoted(&matcher.to_string()))));
        words.push(format!("--for {lasts} --comment {}", quoted(&self.comment)));
        words.join(" ")
    }

    /// True if the subject is kept from people: it is looked at while the silence is in force, or its
    /// trace happened then and is only recorded late. What a person ended swallows nothing any more.
    pub fn mutes(&self, subject: Subject<'_>, now: Timestamp) -> bool {
        let within = |time: Timestamp| self.starts_at <= time && time < self.ends_at;
        let holds = self.starts_at <= now && self.expired_at.is_none_or(|at| now < at);
        let in_time = within(now) || within(subject.time);
        holds && in_time && self.matchers.iter().all(|matcher| matcher.holds(subject))
    }

    pub fn mute(&self) -> Mute {
        let reason = format!("silence {} by {}: {}", self.id, self.author, self.comment);
        Mute { kind: MuteKind::Silence, by: self.id.clone(), reason }
    }
}

impl Standing {
    pub const ALL: [Self; 3] = [Self::Active, Self::Pending, Self::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == word)
    }
}

impl<'a> Subject<'a> {
    /// The alert with the trace that opened it, at the time of its newest.
    pub fn of(alert: &'a Alert) -> Self {
        Self { alert, trace: &alert.first, time: alert.last_time }
    }
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.=,:/@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests;
