//! The verdicts for people.

use anstyle::{AnsiColor, Style};

use super::Verdicts;
use crate::cli::terminal::wrap;

pub fn text(verdicts: &Verdicts, coverage: bool, width: usize) -> String {
    let rows = &verdicts.rows;
    let ids = rows.iter().map(|row| &row.rule).chain(verdicts.uncovered.iter().map(|rule| &rule.rule));
    let id_width = ids.map(String::len).max().unwrap_or(0);
    let case_width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut last = "";
    for row in rows {
        let rule = if row.rule == last { "" } else { &row.rule };
        last = &row.rule;
        let verdict = match row.failure {
            None => paint(AnsiColor::Green, "ok"),
            Some(_) => paint(AnsiColor::Red, "FAILED"),
        };
        let kind = row.kind();
        let name = row.name.as_str();
        // A case's name may be a sentence: without room for all columns the verdict comes first.
        if id_width + case_width + 18 > width {
            if !rule.is_empty() {
                lines.push(rule.to_owned());
            }
            let named = wrap(&format!("{kind:6}  {name}"), width.saturating_sub(10).max(30)).join("\n          ");
            let gap = if row.failure.is_some() { "  " } else { "      " };
            lines.push(format!("  {verdict}{gap}{named}"));
        } else {
            lines.push(format!("{rule:id_width$}  {kind:6}  {name:case_width$}  {verdict}"));
        }
        if let Some(failure) = &row.failure {
            let told = format!("{}:{}: {failure}", row.file, row.line);
            lines.extend(wrap(&told, width.saturating_sub(4).max(40)).iter().map(|line| format!("    {line}")));
        }
    }
    for rule in verdicts.uncovered.iter().filter(|rule| !coverage && rule.lacks == "no case") {
        lines.push(format!("{:id_width$}  {}", rule.rule, paint(AnsiColor::Yellow, rule.lacks)));
    }
    if coverage {
        lines.push(String::new());
        for rule in &verdicts.uncovered {
            lines.push(format!("{:id_width$}  {}  {}", rule.rule, paint(AnsiColor::Red, rule.lacks), rule.place));
        }
        let covered = verdicts.rules - verdicts.uncovered.len();
        lines.push(format!(
            "{covered} of {} have a case that fires and one that is silent",
            plural(verdicts.rules, "rule")
        ));
    }
    let failed = verdicts.failed();
    lines.push(format!(
        "\n{}, {}: {}, {}",
        plural(verdicts.rules, "rule"),
        plural(rows.len(), "case"),
        paint(AnsiColor::Green, &format!("{} ok", rows.len() - failed)),
        if failed == 0 { "0 failed".to_owned() } else { paint(AnsiColor::Red, &format!("{failed} failed")) },
    ));
    lines.join("\n")
}

fn paint(color: AnsiColor, text: &str) -> String {
    let style = Style::new().fg_color(Some(color.into()));
    format!("{style}{text}{style:#}")
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
