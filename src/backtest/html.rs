//! The report as one page for a browser: nothing is loaded, nothing runs, light and dark, wide and narrow.
//!
//! Text from traces is made harmless and escaped where it is written, by `Text`; the page forbids
//! itself scripts and everything from outside.

use std::fmt::{self, Write};

use super::{Diff, Report, RuleReport, Sample, bars, text};
use crate::{alert::Severity, clock, render::inert};

const CSS: &str = include_str!("page.css");

pub fn html(report: &Report) -> String {
    let mut page = String::with_capacity(64 * 1024);
    write(&mut page, report).expect("writing to a string cannot fail");
    page
}

/// Text in a page: one harmless line, escaped.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in inert::line(self.0, 1000).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Text whose words in backticks are set as code.
fn with_code(text: &str) -> String {
    let parts: Vec<String> = text.split('`').map(|part| Text(part).to_string()).collect();
    if parts.len().is_multiple_of(2) {
        return parts.join("`");
    }
    let set = |(at, part): (usize, &String)| {
        if at.is_multiple_of(2) { part.clone() } else { format!("<code>{part}</code>") }
    };
    parts.iter().enumerate().map(set).collect()
}

fn write(page: &mut String, report: &Report) -> fmt::Result {
    let day = |time: clock::Timestamp| time.strftime("%-d %B %Y").to_string();
    let span = format!("{} to {}", day(report.from), day(report.to));
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Backtest, {span}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n<main>\n"
    )?;
    writeln!(page, "<h1>What these rules would have rung for</h1>")?;
    writeln!(page, "<p class=\"dim\">{span}, UTC. Read from {}.</p>", Text(&report.read.from))?;
    tiles(page, report)?;
    if let Some(diff) = &report.diff {
        difference(page, diff)?;
    }
    by_day(page, report)?;
    rules(page, report)?;
    endpoints(page, report)?;
    writeln!(
        page,
        "<footer>Written by tracebell {}. Days are in UTC; an alert counts on the day it opened.</footer>",
        env!("CARGO_PKG_VERSION")
    )?;
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

fn tiles(page: &mut String, report: &Report) -> fmt::Result {
    let over = report.over_budget().count() as u64;
    let rang = report.rules.iter().filter(|rule| rule.alerts > 0).count();
    page.push_str("<section class=\"tiles\">\n");
    let tiles = [
        (text::number(report.traces), "traces read".to_owned(), false),
        (text::number(report.matched), "matched a rule".to_owned(), false),
        (text::number(report.alerts), "alerts".to_owned(), false),
        (text::a_day(report.alerts, report), "alerts a day".to_owned(), false),
        (format!("{rang} of {}", report.rules.len()), "rules rang".to_owned(), false),
        (text::number(over), "over the noise budget".to_owned(), over > 0),
    ];
    for (number, what, bad) in tiles {
        let class = if bad { "tile bad" } else { "tile" };
        writeln!(page, "<div class=\"{class}\"><b>{number}</b><span>{what}</span></div>")?;
    }
    page.push_str("</section>\n");
    let remarks = text::remarks(report);
    if !remarks.is_empty() {
        page.push_str("<ul class=\"notes\">\n");
        for remark in &remarks {
            writeln!(page, "<li>{}</li>", Text(remark))?;
        }
        page.push_str("</ul>\n");
    }
    Ok(())
}

fn by_day(page: &mut String, report: &Report) -> fmt::Result {
    let share = bars::days_a_column(report.days.len());
    let columns: Vec<[u64; 5]> = report
        .severities
        .chunks(share)
        .map(|days| std::array::from_fn(|at| days.iter().map(|day| day[at]).sum()))
        .collect();
    let total = |column: &[u64; 5]| column.iter().sum::<u64>();
    let most = columns.iter().map(total).max().unwrap_or(0).max(1);
    let title = if share == 1 { "Alerts by day".to_owned() } else { format!("Alerts, {share} days a column") };
    writeln!(page, "<section class=\"card\">\n<h2>{title}</h2>\n<div class=\"chart\">")?;
    let labels: Vec<String> = report.days.iter().step_by(share).map(|day| label(day, columns.len())).collect();
    for (column, day) in columns.iter().zip(report.days.iter().step_by(share)) {
        let all = total(column);
        write!(page, "<div class=\"day\" title=\"{day}: {}\">", text::plural(all, "alert"))?;
        if all > 0 {
            // The number above takes its part of the height.
            let height = all as f64 / most as f64 * 88.0;
            write!(page, "<b>{}</b><div class=\"stack\" style=\"height:{height:.1}%\">", text::number(all))?;
            for (severity, count) in Severity::ALL.iter().zip(column).rev().filter(|(_, count)| **count > 0) {
                let part = *count as f64 / all as f64 * 100.0;
                let told = text::number(*count);
                write!(
                    page,
                    "<i class=\"{severity}\" style=\"height:{part:.2}%\" title=\"{day}: {told} {severity}\"></i>"
                )?;
            }
            page.push_str("</div>");
        }
        page.push_str("</div>\n");
    }
    page.push_str("</div>\n<div class=\"axis\">");
    for label in labels {
        write!(page, "<span>{label}</span>")?;
    }
    page.push_str("</div>\n<div class=\"legend\">");
    for (at, severity) in Severity::ALL.iter().enumerate().rev() {
        let count: u64 = report.severities.iter().map(|day| day[at]).sum();
        write!(page, "<span><i class=\"{severity}\"></i>{severity} {}</span>", text::number(count))?;
    }
    page.push_str("</div>\n</section>\n");
    Ok(())
}

/// `15 Jan`, or only `15` where many columns share the width.
fn label(day: &str, columns: usize) -> String {
    let format = if columns > 10 { "%-d" } else { "%-d %b" };
    day.parse::<jiff::civil::Date>().map_or_else(|_| day.to_owned(), |date| date.strftime(format).to_string())
}

fn rules(page: &mut String, report: &Report) -> fmt::Result {
    let (matched, silent): (Vec<&RuleReport>, Vec<&RuleReport>) =
        report.rules.iter().partition(|rule| rule.matches > 0 || rule.alerts > 0);
    page.push_str("<section class=\"card\">\n<h2>Rules</h2>\n");
    if !matched.is_empty() {
        page.push_str(
            "<div class=\"head\"><span>rule</span><span>alerts by day</span><span class=\"right\">alerts</span>\
             <span class=\"right\">matches</span><span>noise budget</span><span></span></div>\n",
        );
    }
    for rule in &matched {
        page.push_str("<details class=\"rule\"><summary>");
        let shadow = if rule.shadow { "<span class=\"tag\">shadow</span>" } else { "" };
        write!(
            page,
            "<span class=\"name\"><i class=\"{0}\" title=\"{0}\"></i><code>{1}</code>{shadow}</span>",
            rule.severity,
            Text(&rule.rule)
        )?;
        page.push_str("<span class=\"spark-cell\">");
        spark(page, rule)?;
        write!(
            page,
            "</span><span class=\"right num alerts\">{}</span><span class=\"right num dim matches\">{}</span>",
            text::number(rule.alerts),
            text::number(rule.matches)
        )?;
        page.push_str("<span class=\"budget\">");
        if let Some(budget) = rule.noise_budget {
            let most = rule.by_day.iter().copied().max().unwrap_or(0);
            match rule.over_budget.len() as u64 {
                0 => write!(page, "<span class=\"tag good\">{most} of {budget} a day</span>")?,
                days => write!(
                    page,
                    "<span class=\"tag bad\">{most} of {budget}, over on {}</span>",
                    text::plural(days, "day")
                )?,
            }
        }
        page.push_str("</span></summary>\n");
        inside(page, rule)?;
        page.push_str("</details>\n");
    }
    if !silent.is_empty() {
        let names: Vec<&str> = silent.iter().map(|rule| rule.rule.as_str()).collect();
        let told = format!("{} matched nothing: {}", text::plural(silent.len() as u64, "rule"), names.join(", "));
        // Ids are ours; only their number can make the list longer than a line.
        let told: Vec<String> = told.split(", ").map(|name| Text(name).to_string()).collect();
        writeln!(page, "<p class=\"silent\">{}.</p>", told.join(", "))?;
    }
    page.push_str("</section>\n");
    Ok(())
}

/// Bars by day; the noise budget is a line across, and what stands above it is red.
fn spark(page: &mut String, rule: &RuleReport) -> fmt::Result {
    let share = bars::days_a_column(rule.by_day.len());
    let columns = bars::columns(&rule.by_day);
    let budget = rule.noise_budget.map(|budget| budget * share as u64);
    let most = columns.iter().copied().chain(budget).max().unwrap_or(0).max(1) as f64;
    let width = columns.len() * 10;
    write!(
        page,
        "<svg class=\"spark\" viewBox=\"0 0 {width} 28\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"alerts by day\">"
    )?;
    for (at, count) in columns.iter().enumerate() {
        let height = if *count == 0 { 0.8 } else { (*count as f64 / most * 27.0).max(2.0) };
        let over = if budget.is_some_and(|budget| *count > budget) { " class=\"over\"" } else { "" };
        let faint = if *count == 0 { " opacity=\".35\"" } else { "" };
        write!(
            page,
            "<rect{over}{faint} x=\"{}\" y=\"{:.1}\" width=\"8\" height=\"{height:.1}\"/>",
            at * 10 + 1,
            28.0 - height
        )?;
    }
    if let Some(budget) = budget {
        let y = 28.0 - budget as f64 / most * 27.0;
        write!(page, "<line x1=\"0\" x2=\"{width}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>")?;
    }
    page.push_str("</svg>");
    Ok(())
}

fn inside(page: &mut String, rule: &RuleReport) -> fmt::Result {
    let actors: Vec<String> =
        rule.actors.iter().map(|(actor, count)| format!("{} {}", Text(actor), text::number(*count))).collect();
    page.push_str("<div class=\"inside\"><dl>");
    write!(page, "<dt>severity</dt><dd>{}</dd>", rule.severity)?;
    write!(page, "<dt>stands in</dt><dd><code>{}</code></dd>", Text(&rule.place))?;
    write!(page, "<dt>most matches by</dt><dd>{}</dd>", actors.join(", "))?;
    if rule.escalated > 0 {
        write!(page, "<dt>escalated</dt><dd>{}</dd>", text::number(rule.escalated))?;
    }
    for (reason, count) in &rule.excepted {
        write!(page, "<dt>excepted</dt><dd>{}: {}</dd>", text::plural(*count, "trace"), Text(reason))?;
    }
    page.push_str("</dl>\n");
    for sample in &rule.samples {
        self::sample(page, sample)?;
    }
    page.push_str("</div>\n");
    Ok(())
}

fn sample(page: &mut String, sample: &Sample) -> fmt::Result {
    let time = sample.time.strftime("%Y-%m-%d %H:%M:%S UTC");
    let from = sample.source_ip.as_ref().map(|ip| format!(" from {}", Text(ip))).unwrap_or_default();
    let count = if sample.count > 1 { format!(", {} traces", text::number(sample.count)) } else { String::new() };
    writeln!(
        page,
        "<div class=\"sample\" style=\"border-left-color:var(--{})\"><p>{}</p><p>{time}, {}: {} <code>{}</code> on {}{from}{count}</p></div>",
        sample.severity,
        Text(&sample.title),
        Text(&sample.actor),
        Text(&sample.service),
        Text(&sample.operation),
        Text(&sample.resource),
    )
}

fn endpoints(page: &mut String, report: &Report) -> fmt::Result {
    let Some(endpoints) = report.endpoints.as_ref().filter(|endpoints| !endpoints.is_empty()) else { return Ok(()) };
    page.push_str(
        "<section class=\"card\">\n<h2>Endpoints</h2>\n<div class=\"wide\"><table><tr><th>endpoint</th>\
         <th class=\"right\">notifications</th><th class=\"right\">limit a minute</th>\
         <th>at its limit</th><th class=\"right\">longest queue</th></tr>\n",
    );
    for endpoint in endpoints {
        let limit = endpoint.limit_per_minute.map_or("none".to_owned(), text::number);
        let saturated = match endpoint.longest_queue {
            0 => "never".to_owned(),
            _ => format!("{} on {}", clock::in_words(endpoint.saturated), text::plural(endpoint.days, "day")),
        };
        writeln!(
            page,
            "<tr><td><code>{}</code></td><td class=\"right num\">{}</td><td class=\"right num\">{limit}</td>\
             <td>{saturated}</td><td class=\"right num\">{}</td></tr>",
            Text(&endpoint.endpoint),
            text::number(endpoint.notifications),
            text::number(endpoint.longest_queue)
        )?;
    }
    page.push_str("</table></div>\n</section>\n");
    Ok(())
}

fn difference(page: &mut String, diff: &Diff) -> fmt::Result {
    let class = if diff.lost_critical > 0 { "card verdict bad" } else { "card verdict" };
    writeln!(page, "<section class=\"{class}\">\n<h2>Against the rules before</h2>")?;
    writeln!(page, "<p>{}</p>", Text(&text::verdict(diff)))?;
    for rule in &diff.rules {
        writeln!(page, "<div class=\"change\"><h3><code>{}</code>", Text(&rule.rule))?;
        for (count, what, tone) in [
            (rule.lost, "lost", "bad"),
            (rule.gained, "gained", "good"),
            (rule.severity_changed, "of another severity", ""),
            (rule.folded, "folded into others", ""),
            (rule.split, "split from others", ""),
        ] {
            if count > 0 {
                write!(page, "<span class=\"tag {tone}\">{} {what}</span>", text::number(count))?;
            }
        }
        writeln!(
            page,
            "<span class=\"dim num\">{} → {}</span></h3>",
            text::number(rule.before),
            text::number(rule.now)
        )?;
        page.push_str("<ul>\n");
        for example in &rule.examples {
            let word = example.change.as_str();
            let title = example.title.as_deref().unwrap_or(&example.key);
            let time = example.time.strftime("%Y-%m-%d %H:%M:%S UTC");
            writeln!(
                page,
                "<li><b>{word}</b> {} <span class=\"dim\">({time})</span><div class=\"why\">{}</div></li>",
                Text(title),
                with_code(&example.reason)
            )?;
        }
        page.push_str("</ul>\n");
        if !rule.keys.is_empty() {
            page.push_str("<table class=\"keys\">\n");
            for (key, lost, gained) in &rule.keys {
                let change = [("−", *lost), ("+", *gained)];
                let change: Vec<String> = change
                    .iter()
                    .filter(|(_, count)| *count > 0)
                    .map(|(sign, count)| format!("{sign}{}", text::number(*count)))
                    .collect();
                writeln!(page, "<tr><td class=\"num\">{}</td><td>{}</td></tr>", change.join(" "), Text(key))?;
            }
            page.push_str("</table>\n");
        }
        page.push_str("</div>\n");
    }
    page.push_str("</section>\n");
    Ok(())
}
