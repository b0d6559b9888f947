//! The verdicts for people.

use anstyle::{AnsiColor, Style};

use super::Verdicts;

pub fn text(verdicts: &Verdicts, coverage: bool) -> String {
    let rows = &verdicts.rows;
    let ids = rows.iter().map(|row| &row.rule).chain(verdicts.uncovered.iter().map(|rule| &rule.rule));
    let width = ids.map(String::len).max().unwrap_or(0);
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
        lines.push(format!("{rule:width$}  {:6}  {:case_width$}  {verdict}", row.kind(), row.name));
        if let Some(failure) = &row.failure {
            lines.push(format!("    {}:{}: {failure}", row.file, row.line));
        }
    }
    for rule in verdicts.uncovered.iter().filter(|rule| !coverage && rule.lacks == "no case") {
        lines.push(format!("{:width$}  {}", rule.rule, paint(AnsiColor::Yellow, rule.lacks)));
    }
    if coverage {
        lines.push(String::new());
        for rule in &verdicts.uncovered {
            lines.push(format!("{:width$}  {}  {}", rule.rule, paint(AnsiColor::Red, rule.lacks), rule.place));
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
