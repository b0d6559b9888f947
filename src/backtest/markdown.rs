//! The report for a merge request.

use std::fmt::Write;

use super::{Diff, Report, bars, text};
use crate::render::inert;

/// Rules told in the table and in the difference; a comment has a length limit.
const MOST: usize = 40;

pub fn markdown(report: &Report) -> String {
    let mut page = String::new();
    if let Some(diff) = &report.diff {
        difference(&mut page, diff);
    }
    line(&mut page, "### Backtest\n");
    line(&mut page, &format!("{}\n", text::headline(report)));
    for remark in text::remarks(report) {
        line(&mut page, &format!("* {}", plain(&remark)));
    }
    line(&mut page, "\n| rule | severity | matches | alerts | per day | most a day | noise budget |");
    line(&mut page, "|---|---|--:|--:|---|--:|---|");
    let rang = report.rules.iter().filter(|rule| rule.matches > 0 || rule.alerts > 0);
    for rule in rang.clone().take(MOST) {
        let most = rule.by_day.iter().copied().max().unwrap_or(0);
        let budget = match rule.noise_budget {
            None => String::new(),
            Some(budget) if rule.over_budget.is_empty() => format!("{budget}"),
            Some(budget) => {
                format!("**{budget}: over on {}**", text::plural(rule.over_budget.len() as u64, "day"))
            }
        };
        let row = format!(
            "| `{}` | {}{} | {} | {} | {} | {} | {budget} |",
            rule.rule,
            rule.severity,
            if rule.shadow { ", shadow" } else { "" },
            text::number(rule.matches),
            text::number(rule.alerts),
            bars::bars(&rule.by_day),
            text::number(most),
        );
        line(&mut page, &row);
    }
    let (rang, silent) = (rang.count(), report.rules.len());
    if rang > MOST {
        line(&mut page, &format!("\n{} with fewer alerts are not listed.", text::plural((rang - MOST) as u64, "rule")));
    }
    if silent > rang {
        line(&mut page, &format!("\n{} matched nothing.", text::plural((silent - rang) as u64, "rule")));
    }
    if let Some(endpoints) = report.endpoints.as_ref().filter(|endpoints| !endpoints.is_empty()) {
        line(&mut page, "");
        for endpoint in endpoints {
            line(&mut page, &format!("* {}", plain(&text::in_words(endpoint))));
        }
    }
    page
}

fn difference(page: &mut String, diff: &Diff) {
    let mark = if diff.lost_critical > 0 { ":red_circle: " } else { "" };
    line(page, &format!("### {mark}{}\n", plain(&text::verdict(diff))));
    if diff.rules.is_empty() {
        return;
    }
    line(page, "| rule | before | now | lost | gained | why |");
    line(page, "|---|--:|--:|--:|--:|---|");
    for rule in diff.rules.iter().take(MOST) {
        let why = |example: &super::Example| {
            let word = example.change.as_str();
            let time = example.time.strftime("%m-%d %H:%M");
            let title = example.title.as_deref().unwrap_or(&example.key);
            format!("{word}: {} ({time}, {})", plain(&example.reason), plain(title))
        };
        let why: Vec<String> = rule.examples.iter().map(why).collect();
        let critical = match rule.lost_critical {
            0 => String::new(),
            count => format!(" (**{count} critical**)"),
        };
        let row = format!(
            "| `{}` | {} | {} | {}{critical} | {} | {} |",
            rule.rule,
            rule.before,
            rule.now,
            rule.lost,
            rule.gained,
            why.join("<br>")
        );
        line(page, &row);
    }
    if diff.rules.len() > MOST {
        let more = text::plural((diff.rules.len() - MOST) as u64, "more rule");
        line(page, &format!("\n{more} with a difference."));
    }
    line(page, "");
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a string cannot fail");
}

/// Text as it is: no markup, no link, no mention, no end of a table's cell.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let line = inert::line(text, 1000);
    let mut letters = line.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '&' => plain.push_str("&amp;"),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            // A zero-width space would hide; an entity shows the same and means nothing.
            '@' => plain.push_str("&#64;"),
            '|' => plain.push_str("&#124;"),
            '`' => plain.push_str("&#96;"),
            '#' => plain.push_str("&#35;"),
            '!' => plain.push_str("&#33;"),
            '\\' | '*' | '_' | '[' | ']' | '~' | '$' => {
                plain.push('\\');
                plain.push(c);
            }
            // Before a blank it begins neither a link nor an emoji.
            ':' if letters.peek().is_none_or(|next| *next != ' ') => plain.push_str("&#58;"),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_traces_is_no_markup() {
        let hostile = "@all <img src=x> | [x](https://evil.example) **b** `c` :tada: #1 !2";
        let found = plain(hostile);
        for bad in ["@", "<", "|", " [", "x](", "https:", ":tada", " **", "`"] {
            assert!(!found.contains(bad), "{bad}: {found}");
        }
        assert_eq!(plain("anna.weber"), "anna.weber");
        assert_eq!(plain("5 lost: a note"), "5 lost: a note");
    }
}
