//! The HTML part: tables and inline styles, because that is what mail clients keep.

use minijinja::{Environment, HtmlEscape, Value, value::Serde};
use serde::Serialize;

use super::{count, listings};
use crate::{
    alert::Severity,
    notification::Kind,
    render::{
        Letter,
        facts::{
            self, Fact, Listing,
            chart::{self, Chart},
        },
        link::{self, Link},
    },
};

#[derive(Serialize)]
struct Page {
    headline: String,
    /// What lists of mails show after the subject.
    preview: String,
    worse: Option<String>,
    title: String,
    severity: &'static str,
    colour: &'static str,
    ink: &'static str,
    late: bool,
    count: Option<String>,
    why: Option<String>,
    runbook: Option<PageLink>,
    facts: Vec<Fact>,
    chart: Option<Drawn>,
    listings: Vec<Listing>,
    links: Vec<PageLink>,
    references: Vec<Fact>,
}

#[derive(Serialize)]
struct PageLink {
    label: &'static str,
    url: String,
    /// Where it leads, if that must be seen.
    host: Option<String>,
}

#[derive(Serialize)]
struct Drawn {
    columns: Vec<DrawnColumn>,
    most: u64,
    from: String,
    to: String,
}

#[derive(Serialize)]
struct DrawnColumn {
    count: u64,
    /// In pixels.
    height: u64,
    colour: &'static str,
}

pub fn html(letter: &Letter<'_>) -> Option<String> {
    let Letter { address, notification, id, .. } = *letter;
    let (colour, ink) = colours(notification.severity);
    // What to do stands beside why it matters, the other links at the end.
    let (runbooks, links): (Vec<Link>, Vec<Link>) =
        link::links(letter).into_iter().partition(|link| link.label == "Runbook");
    let facts = facts::facts(notification, &address.zone);
    let preview = |label: &str| facts.iter().find(|fact| fact.label == label).map(|fact| fact.value.clone());
    let preview: Vec<String> = [facts::worse(notification), count(notification), preview("Who"), preview("From")]
        .into_iter()
        .flatten()
        .collect();
    let page = Page {
        headline: facts::headline(notification),
        preview: preview.join(" · "),
        worse: facts::worse(notification),
        title: facts::title(notification),
        severity: notification.severity.as_str(),
        colour,
        ink,
        late: notification.kind == Kind::Late,
        count: count(notification),
        why: facts::why(notification),
        runbook: runbooks.into_iter().map(page_link).next(),
        facts,
        chart: chart::chart(notification, &address.zone).map(drawn),
        listings: listings(notification),
        links: links.into_iter().map(page_link).collect(),
        references: facts::references(notification, id),
    };
    // A name that ends in `.html` makes every value escaped for HTML.
    let mut environment = Environment::new();
    environment.add_filter("commands", commands);
    environment.render_named_str("mail.html", include_str!("../mail.html"), Serde(page)).ok()
}

/// What stands between backticks in our own words is for typing. The text is as inert as without.
fn commands(line: &str) -> Value {
    let parts: Vec<&str> = line.split('`').collect();
    // One that is alone is a character as any other.
    if parts.len().is_multiple_of(2) {
        return Value::from_safe_string(HtmlEscape(line).to_string());
    }
    let parts = parts.iter().enumerate().map(|(at, part)| match at % 2 {
        0 => HtmlEscape(part).to_string(),
        _ => format!("<code>{}</code>", HtmlEscape(part)),
    });
    Value::from_safe_string(parts.collect())
}

fn page_link(link: Link) -> PageLink {
    PageLink { label: link.label, host: link.foreign.then(|| link.host.clone()), url: link.url }
}

const HIGHEST: u64 = 72;

fn drawn(chart: Chart) -> Drawn {
    let column = |column: &chart::Column| DrawnColumn {
        count: column.count,
        // One that is not nothing can be seen, and nothing is a line.
        height: if column.count == 0 { 1 } else { (column.percent * HIGHEST / 100).max(3) },
        colour: if column.count == 0 { "#b6bec8" } else { colours(column.worst).0 },
    };
    Drawn { columns: chart.columns.iter().map(column).collect(), most: chart.most, from: chart.from, to: chart.to }
}

/// Of the badge and of the letters on it: legible on light and dark.
fn colours(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Critical => ("#c62828", "#ffffff"),
        Severity::High => ("#c2410c", "#ffffff"),
        Severity::Medium => ("#f2b705", "#1b1f24"),
        Severity::Low => ("#1a73e8", "#ffffff"),
        Severity::Info => ("#5f6b7a", "#ffffff"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_out_and_stay_inert() {
        for (line, expected) in [
            ("check `prod` in clouds.yaml", "check <code>prod</code> in clouds.yaml"),
            ("`<b>` & `x`", "<code>&lt;b&gt;</code> &amp; <code>x</code>"),
            ("one ` alone <i>", "one ` alone &lt;i&gt;"),
            ("", ""),
        ] {
            assert_eq!(commands(line).to_string(), expected);
        }
    }
}
