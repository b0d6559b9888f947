//! The report for a terminal.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};

use super::{Change, Diff, Pressure, Report, RuleReport, Sample, bars};
use crate::{alert::Severity, clock, render::inert};

/// Rules told in detail.
const DETAILS: usize = 5;
/// Below this many columns a rule takes two lines.
const NARROW: usize = 78;
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The report, as wide as `width` allows.
pub fn text(report: &Report, width: usize) -> String {
    let width = width.max(30);
    let mut lines = summary(report, width);
    lines.push(String::new());
    lines.extend(rules(report, width));
    for rule in report.rules.iter().filter(|rule| rule.alerts > 0).take(DETAILS) {
        lines.push(String::new());
        lines.extend(details(rule, width));
    }
    if let Some(endpoints) = &report.endpoints {
        lines.push(String::new());
        lines.extend(endpoints.iter().flat_map(|endpoint| wrapped(&in_words(endpoint), "", width)));
    }
    if let Some(diff) = &report.diff {
        lines.push(String::new());
        lines.extend(difference(diff, width));
    }
    lines.join("\n")
}

/// What was read and what came of it, in one sentence.
pub fn headline(report: &Report) -> String {
    let [from, to] = [report.from, report.to].map(|time| time.strftime("%Y-%m-%d %H:%M").to_string());
    format!(
        "{}, {from} to {to} UTC: {} read, {} matched, {} ({} a day)",
        clock::in_words(clock::since(report.from, report.to)),
        plural(report.traces, "trace"),
        number(report.matched),
        plural(report.alerts, "alert"),
        a_day(report.alerts, report),
    )
}

/// Rules, or files, named in a remark.
const NAMED: usize = 6;

/// So many on a usual day: `0.4`, `12`.
pub fn a_day(count: u64, report: &Report) -> String {
    // Less than a day says nothing about more.
    let days = clock::since(report.from, report.to).as_secs_f64() / 86_400.0;
    let rate = count as f64 / days.max(1.0);
    if rate == 0.0 || rate >= 9.95 { number(rate.round() as u64) } else { format!("{rate:.1}") }
}

/// What a reader of the numbers has to know: what was left out.
pub fn remarks(report: &Report) -> Vec<String> {
    let read = &report.read;
    let mut remarks = Vec::new();
    if report.shadow_alerts > 0 {
        remarks.push(format!("{} more of rules in shadow, not sent", plural(report.shadow_alerts, "alert")));
    }
    if read.duplicates > 0 {
        remarks.push(format!("{} left out: seen before", plural(read.duplicates, "trace")));
    }
    if read.undecodable > 0 {
        let why = read.undecodable_reasons.join("; ");
        remarks.push(format!("{} could not be read: {why}", plural(read.undecodable, "record")));
    }
    remarks.extend(notes(report));
    remarks.extend(read.gaps.iter().map(|gap| format!("not read: {gap}")));
    remarks.extend(read.suspects.iter().take(NAMED).map(|found| format!("not what the tracker wrote: {found}")));
    if let Some(more) = read.suspects.len().checked_sub(NAMED).filter(|more| *more > 0) {
        remarks.push(format!("and {more} more files of the archive that are not what the tracker wrote"));
    }
    let over: Vec<&str> = report.over_budget().map(|rule| rule.rule.as_str()).collect();
    if !over.is_empty() {
        // The table names the others.
        let more = over.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = over.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        remarks.push(format!("over the noise budget: {named}{more}"));
    }
    remarks
}

/// The notes of rules; a note that several share is told once.
fn notes(report: &Report) -> Vec<String> {
    let mut shared: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in &report.rules {
        if let Some(note) = &rule.note {
            shared.entry(note).or_default().push(&rule.rule);
        }
    }
    let told = |(note, rules): (&str, Vec<&str>)| match rules.as_slice() {
        [rule] => format!("{rule} {note}"),
        rules => format!("each {note}: {}", rules.join(", ")),
    };
    shared.into_iter().map(told).collect()
}

fn summary(report: &Report, width: usize) -> Vec<String> {
    let mut lines = wrapped(&headline(report), "", width);
    lines = lines.into_iter().map(|line| styled(BOLD, &line)).collect();
    lines.extend(remarks(report).iter().flat_map(|remark| wrapped(&inert::line(remark, 1000), "  ", width)));
    lines
}

/// One line a rule; those that matched nothing share one.
fn rules(report: &Report, width: usize) -> Vec<String> {
    let (matched, silent): (Vec<&RuleReport>, Vec<&RuleReport>) =
        report.rules.iter().partition(|rule| rule.matches > 0 || rule.alerts > 0);
    let columns = bars::columns(&vec![0; report.days.len()]).len().max(7);
    let wide = width >= NARROW;
    let taken = 8 + 2 + 8 + 2 + 7 + 2 + columns + 2 + 6 + 2 + 14;
    let longest = matched.iter().map(|rule| rule.rule.chars().count()).max().unwrap_or(4).max(4);
    let name_width = if wide { longest.min(width.saturating_sub(taken + 2)).max(16) } else { longest.min(width) };
    let mut lines = Vec::new();
    if !matched.is_empty() && wide {
        lines.push(styled(
            DIM,
            &format!(
                "{:name_width$}  {:8}  {:>8}  {:>7}  {:columns$}  {:>6}  BUDGET",
                "RULE", "SEVERITY", "MATCHES", "ALERTS", "PER DAY", "A DAY"
            ),
        ));
    }
    for rule in matched {
        let severity = severity(rule.severity, &format!("{:8}", rule.severity.as_str()));
        let name = inert::cut(&rule.rule, name_width);
        let bars = bars::bars(&rule.by_day);
        if wide {
            let (matches, alerts) = (number(rule.matches), number(rule.alerts));
            let rate = a_day(rule.alerts, report);
            let row = format!("{name:name_width$}  {severity}  {matches:>8}  {alerts:>7}  {bars:columns$}  {rate:>6}");
            lines.push(format!("{row}  {}", budget(rule)).trim_end().to_owned());
        } else {
            lines.push(name);
            let (matches, alerts) = (number(rule.matches), plural(rule.alerts, "alert"));
            lines.push(format!("  {severity} {bars} {alerts} of {matches}"));
            lines
                .extend(Some(budget(rule)).filter(|verdict| !verdict.is_empty()).map(|verdict| format!("  {verdict}")));
        }
    }
    let share = bars::days_a_column(report.days.len());
    if share > 1 {
        lines.push(styled(DIM, &format!("one column stands for {share} days")));
    }
    if !silent.is_empty() {
        let names: Vec<&str> = silent.iter().map(|rule| rule.rule.as_str()).collect();
        let text = format!("{} matched nothing: {}", plural(silent.len() as u64, "rule"), names.join(", "));
        lines.push(String::new());
        lines.extend(wrapped(&text, "", width).iter().map(|line| styled(DIM, line)));
    }
    lines
}

/// The verdict on the noise budget; most alerts of a day where there is none.
fn budget(rule: &RuleReport) -> String {
    let most = rule.by_day.iter().copied().max().unwrap_or(0);
    let shadow = if rule.shadow { ", shadow" } else { "" };
    match rule.noise_budget {
        None if rule.shadow => "shadow".to_owned(),
        None => String::new(),
        Some(budget) if rule.over_budget.is_empty() => {
            styled(AnsiColor::Green.on_default(), &format!("{most} of {budget}{shadow}"))
        }
        Some(budget) => {
            let days = plural(rule.over_budget.len() as u64, "day");
            styled(AnsiColor::Red.on_default(), &format!("{most} of {budget}: over on {days}{shadow}"))
        }
    }
}

fn details(rule: &RuleReport, width: usize) -> Vec<String> {
    let mut lines = vec![format!("{}  {}", styled(BOLD, &rule.rule), styled(DIM, &rule.place))];
    let actors: Vec<String> = rule.actors.iter().map(|(actor, count)| format!("{actor} {}", number(*count))).collect();
    lines.extend(wrapped(&format!("by {}", actors.join(", ")), "  ", width));
    if rule.escalated > 0 {
        lines.push(format!("  escalated {}", times(rule.escalated)));
    }
    for (reason, count) in &rule.excepted {
        let text = format!("excepted {}: {}", plural(*count, "trace"), inert::line(reason, 200));
        lines.extend(wrapped(&text, "  ", width));
    }
    lines.extend(rule.samples.iter().flat_map(|sample| told(sample, width)));
    lines
}

fn told(sample: &Sample, width: usize) -> Vec<String> {
    let time = sample.time.strftime("%m-%d %H:%M:%S").to_string();
    let count = if sample.count > 1 { format!(" ({} traces)", number(sample.count)) } else { String::new() };
    let from = sample.source_ip.as_ref().map(|ip| format!(" from {ip}")).unwrap_or_default();
    let Sample { actor, service, operation, resource, .. } = sample;
    let facts = format!("{actor}: {service} {operation} on {resource}{from}{count}");
    let mut lines = wrapped(&sample.title, "                  ", width);
    if let Some(first) = lines.first_mut() {
        let rest = first.trim_start().to_owned();
        *first = format!("  {}  {rest}", severity(sample.severity, &time));
    }
    lines.extend(wrapped(&facts, "                  ", width).iter().map(|line| styled(DIM, line)));
    lines
}

/// `sec-slack: 120 notifications; saturated for 14 min on 3 days, longest queue 41`
pub fn in_words(endpoint: &Pressure) -> String {
    let told = plural(endpoint.notifications, "notification");
    let name = &endpoint.endpoint;
    match endpoint.limit_per_minute {
        None => format!("{name}: {told}, no rate limit"),
        Some(_) if endpoint.longest_queue == 0 => format!("{name}: {told}, never at its rate limit"),
        Some(limit) => format!(
            "{name}: {told}; at its limit of {limit} a minute for {} on {}, longest queue {}",
            clock::in_words(endpoint.saturated),
            plural(endpoint.days, "day"),
            number(endpoint.longest_queue),
        ),
    }
}

fn difference(diff: &Diff, width: usize) -> Vec<String> {
    let mut lines = wrapped(&verdict(diff), "", width);
    lines = lines.into_iter().map(|line| styled(BOLD, &line)).collect();
    for rule in &diff.rules {
        lines.push(String::new());
        lines.push(format!("{}  {}", styled(BOLD, &rule.rule), counts(rule)));
        for (key, lost, gained) in &rule.keys {
            let change = [("-", *lost), ("+", *gained)];
            let change: Vec<String> =
                change.iter().filter(|(_, count)| *count > 0).map(|(sign, count)| format!("{sign}{count}")).collect();
            lines.extend(wrapped(&format!("{:>6}  {key}", change.join(" ")), "  ", width));
        }
        for example in &rule.examples {
            let sign = example.change.as_str();
            let color = match example.change {
                Change::Lost => AnsiColor::Red,
                Change::Gained => AnsiColor::Green,
                Change::Severity | Change::Folded | Change::Split => AnsiColor::Yellow,
            };
            let time = example.time.strftime("%m-%d %H:%M:%S");
            let title = example.title.as_deref().unwrap_or(&example.key);
            let mut told = wrapped(&format!("{sign} {time}  {title}"), "  ", width);
            if let Some(first) = told.first_mut() {
                *first = first.replacen(sign, &styled(color.on_default(), sign), 1);
            }
            lines.extend(told);
            lines.extend(wrapped(&example.reason, "      ", width));
        }
    }
    lines
}

/// The difference in one sentence.
pub fn verdict(diff: &Diff) -> String {
    if diff.rules.is_empty() {
        return format!("no difference: {} either way", plural(diff.now, "alert"));
    }
    let critical = match diff.lost_critical {
        0 => "none of them critical".to_owned(),
        count => format!("{} of them critical", number(count)),
    };
    let lost = if diff.lost == 0 { "0 lost".to_owned() } else { format!("{} lost, {critical}", number(diff.lost)) };
    format!("{} before, {} now: {lost}; {} gained", plural(diff.before, "alert"), number(diff.now), number(diff.gained))
}

/// `12 -> 9: 4 lost, 1 gained, 2 of another severity`
pub fn counts(rule: &super::RuleDiff) -> String {
    let parts = [
        (rule.lost, "lost"),
        (rule.gained, "gained"),
        (rule.severity_changed, "of another severity"),
        (rule.folded, "folded into others"),
        (rule.split, "split from others"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", number(*count)))
        .collect();
    format!("{} -> {}: {}", number(rule.before), number(rule.now), parts.join(", "))
}

/// `12,345`
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

pub fn plural(count: u64, word: &str) -> String {
    format!("{} {word}{}", number(count), if count == 1 { "" } else { "s" })
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", number(count)) }
}

fn severity(severity: Severity, text: &str) -> String {
    let style = match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Cyan.on_default(),
        Severity::Info => DIM,
    };
    styled(style, text)
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Lines of at most `width` columns that begin with `indent`, broken at blanks.
fn wrapped(text: &str, indent: &str, width: usize) -> Vec<String> {
    let room = width.saturating_sub(indent.chars().count()).max(12);
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let mut word: String = word.to_owned();
        let mut letters = word.chars().count();
        if length > 0 && length + 1 + letters > room {
            lines.push(String::new());
            length = 0;
        }
        while letters > room {
            let rest: String = word.chars().skip(room).collect();
            lines.last_mut().expect("there is always a last line").extend(word.chars().take(room));
            lines.push(String::new());
            (length, letters) = (0, rest.chars().count());
            word = rest;
        }
        let line = lines.last_mut().expect("there is always a last line");
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(&word);
        length += letters;
    }
    lines.into_iter().map(|line| format!("{indent}{line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (count, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(count), expected);
        }
    }

    #[test]
    fn lines_break_at_blanks_and_keep_to_the_width() {
        assert_eq!(wrapped("one two three four", "  ", 16), ["  one two three", "  four"]);
        for line in wrapped(&format!("a {} b", "x".repeat(60)), " ", 20) {
            assert!(line.chars().count() <= 20, "{line}");
        }
    }
}
