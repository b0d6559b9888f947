//! Rating and severity, which people take for each other, and CTS's own names for fields.

use super::{
    Finding,
    demand::Demand,
    group::{Group, Part},
};
use crate::{
    alert::Severity,
    document::{Span, Value, Walk, did_you_mean, inside},
    trace::{Field, action, field::ALIASES},
};

/// The cloud's three; a severity's name among them is no slip of the pen but a mix-up.
const RATINGS: [&str; 3] = ["normal", "warning", "incident"];

pub fn look(group: &Group<'_>) {
    group.each(&mut |group| {
        for part in &group.parts {
            if let Part::Field(demand) = part {
                raw_name(&demand.at, demand.key);
                if demand.field == Field::Rating {
                    rating(demand);
                }
            }
        }
        failed_deletion(group);
    });
}

/// `rating: critical`, `rating: warnin`. The set of ratings is the cloud's and may grow, so neither is refused.
fn rating(demand: &Demand<'_>) {
    for (word, at) in super::catalogue::literals(&demand.at) {
        if word.contains('*') || RATINGS.iter().any(|rating| rating.eq_ignore_ascii_case(&word)) {
            continue;
        }
        if let Some(severity) = Severity::parse(&word.to_lowercase()) {
            let text = format!("no trace is rated `{word}`: that is a severity");
            let hint = format!(
                "a rating is the cloud's verdict on one operation: normal, warning (it failed) or incident; a severity is \
                 yours: put `severity: {severity}` beside `match`"
            );
            Finding::new("rating-is-severity", text).at(&at, at.node.span).hint(hint).warn();
        } else {
            let hint = match did_you_mean(&word, RATINGS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the cloud rates an operation normal, warning or incident".to_owned(),
            };
            let text = format!("the cloud documents no rating `{word}`");
            Finding::new("unknown-rating", text).at(&at, at.node.span).hint(hint).warn();
        }
    }
}

/// `rating: warning` beside a deletion: often meant as "how bad", and then the rule misses every real one.
fn failed_deletion(group: &Group<'_>) {
    let demands = group.demands();
    let only_failed = |demand: &&&Demand<'_>| {
        demand.field == Field::Rating && demand.takes("warning") && !demand.takes("normal") && !demand.takes("incident")
    };
    let Some(rating) = demands.iter().find(only_failed) else { return };
    let deletes = demands.iter().find(|demand| match demand.field {
        Field::Action => demand.words == ["delete"],
        Field::Operation => {
            !demand.words.is_empty()
                && demand.words.iter().all(|word| action::of(word.trim_start_matches('*')) == "delete")
        }
        _ => false,
    });
    if let Some(deletes) = deletes {
        Finding::new("failed-deletion", "`rating: warning` takes only deletions that failed: nothing was deleted".into())
            .at(&rating.at, rating.at.node.head())
            .also(&deletes.at, "a deletion")
            .hint("for deletions that happened write `outcome: succeeded`; if you mean the failed ones, `outcome: failed` says so")
            .warn();
    }
}

/// `trace_name` where `operation` is shorter, as a key.
pub fn raw_name(at: &Walk<'_>, span: Span) {
    let name = at.file.text.get(span.start..span.end).unwrap_or_default().trim_matches(['"', '\'']);
    if let Some((_, own)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        Finding::new("raw-name", format!("`{name}` is CTS's name; Tracebell's word is `{own}`"))
            .at(at, span)
            .hint(format!("write `{own}`; both mean the same"))
            .warn();
    }
}

/// CTS's names in a list of fields: `dedup.by`, `when.count.by`, `same`.
pub fn raw_fields(at: &Walk<'_>) {
    for (_, item) in super::catalogue::literals(at) {
        raw_name(&item, item.node.span);
    }
}

/// A title: CTS's names in it, and whether it tells one alert from another.
pub fn title(at: &Walk<'_>, must_name: bool) {
    let Value::Text(text) = &at.node.value else { return };
    if must_name && !text.contains("{{") {
        Finding::new(
            "title-names-nothing",
            "this title is the same for every alert: it does not say who, or what".into(),
        )
        .at(at, at.node.span)
        .hint("name them: \"{{ actor.name }} deleted {{ resource.name or resource.id }}\"")
        .warn();
    }
    let mut from = 0;
    while let Some(open) = text[from..].find("{{").map(|found| from + found + 2) {
        let close = text[open..].find("}}").map_or(text.len(), |found| open + found);
        for word in text[open..close].split_whitespace() {
            let start = open + text[open..close].find(word).unwrap_or_default();
            if let Some((_, own)) = ALIASES.iter().find(|(alias, _)| *alias == word) {
                Finding::new("raw-name", format!("`{word}` is CTS's name; Tracebell's word is `{own}`"))
                    .at(at, inside(at.file, at.node, start..start + word.len()))
                    .hint(format!("write `{own}`; both mean the same"))
                    .warn();
            }
        }
        from = close;
    }
}
