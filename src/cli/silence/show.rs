//! What people and programs see of silences.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use serde_json::json;

use crate::{
    alert::{Alert, MuteKind},
    cli::{
        BAD, Output,
        status::{BOLD, ago, cut, plain, print_table},
        terminal::print_json,
    },
    clock::{self, Timestamp},
    render::facts::when,
    silence::{Silence, Standing, Subject, hygiene},
    store::{Muted, MutedFilter, SilenceFilter, SilenceRow, Sqlite, Store, StoreError},
};

/// How far back a new silence is tried.
pub const PAST: Duration = Duration::from_secs(7 * 86_400);
/// Alerts it is tried on at most.
pub const PAST_ALERTS: usize = 20_000;
/// Rows of what a silence swallowed.
const SAMPLES: usize = 20;
const SILENCES: usize = 1000;
/// A silence that swallows more than this share of the past is told to be wide.
const WIDE_PERCENT: usize = 50;

pub fn added(silence: &Silence, past: &[Alert], output: Output, now: Timestamp) {
    let matching = |alert: &&Alert| silence.matchers.iter().all(|matcher| matcher.holds(Subject::of(alert)));
    let caught: Vec<&Alert> = past.iter().filter(matching).collect();
    let matches: u64 = caught.iter().map(|alert| alert.count).sum();
    let mut rules: BTreeMap<&str, (u64, u64, &str)> = BTreeMap::new();
    for alert in &caught {
        let rule = rules.entry(&alert.rule).or_insert((0, 0, &alert.title));
        (rule.0, rule.1) = (rule.0 + 1, rule.1 + alert.count);
    }
    if output == Output::Json {
        let rules: Vec<_> = rules
            .iter()
            .map(|(rule, (alerts, matches, _))| json!({ "rule": rule, "alerts": alerts, "matches": matches }))
            .collect();
        let past = json!({ "alerts": caught.len(), "of": past.len(), "matches": matches, "rules": rules });
        let mut shown = silence_json(silence, now);
        shown["past_week"] = past;
        shown["doubts"] = json!(silence.doubts());
        print_json(&shown);
        return;
    }
    let begins = match silence.standing(now) {
        Standing::Pending => format!("begins {}", ago(silence.starts_at, now)),
        Standing::Active | Standing::Expired => "is in force from the next page on".to_owned(),
    };
    say!("{BOLD}{}{BOLD:#} {begins} and ends {}, {}.", silence.id, ago(silence.ends_at, now), when(silence.ends_at));
    for matcher in &silence.matchers {
        say!("  {}", plain(&matcher.to_string()));
    }
    say!();
    if caught.is_empty() {
        say!("In the last 7 days it would have swallowed nothing, of {} alerts.", past.len());
    } else {
        say!(
            "In the last 7 days it would have swallowed {} of {} alerts, {matches} matches:",
            caught.len(),
            past.len()
        );
        let lines = rules.iter().map(|(rule, (alerts, matches, title))| {
            vec![(*rule).to_owned(), alerts.to_string(), matches.to_string(), cut(title, 60)]
        });
        print_table("Past week", &["rule", "alerts", "matches", "such as"], 1..3, lines);
    }
    if past.len() >= 10 && caught.len() * 100 > past.len() * WIDE_PERCENT {
        anstream::eprintln!("warning: that is more than half of all alerts; is it meant to be so wide?");
    }
    for doubt in silence.doubts() {
        anstream::eprintln!("warning: {doubt}");
    }
    say!("\nEnd it early with `tracebell silence expire {}`.", silence.id);
}

pub fn list(rows: &[SilenceRow], output: Output, now: Timestamp) {
    if output == Output::Json {
        print_json(&json!(rows.iter().map(|row| row_json(row, now)).collect::<Vec<_>>()));
        return;
    }
    if rows.is_empty() {
        say!("No such silences.");
        return;
    }
    let lines = rows.iter().map(|row| {
        let silence = &row.silence;
        let ends = match silence.standing(now) {
            Standing::Pending => format!("begins {}", ago(silence.starts_at, now)),
            Standing::Active | Standing::Expired => ago(silence.ended(), now),
        };
        let standing = silence.standing(now).as_str().to_owned();
        let author = cut(&silence.author, 20);
        let (swallowed, matchers) = (row.swallowed.to_string(), cut(&matchers(silence), 60));
        vec![silence.id.clone(), standing, ends, swallowed, author, matchers, cut(&silence.comment, 40)]
    });
    print_table("Silences", &["id", "state", "ends", "swallowed", "author", "matches", "comment"], 3..4, lines);
}

pub async fn one(store: &Sqlite, id: &str, output: Output, now: Timestamp) -> Result<ExitCode, StoreError> {
    let Some(row) = store.silence(id).await? else { return Ok(unknown(id)) };
    let silence = &row.silence;
    let by = Some((MuteKind::Silence, silence.id.clone()));
    let muted = store.muted(MutedFilter { by, alert: None, limit: SAMPLES }).await?;
    if output == Output::Json {
        let mut shown = row_json(&row, now);
        shown["muted"] = json!(muted.iter().map(muted_json).collect::<Vec<_>>());
        print_json(&shown);
        return Ok(ExitCode::SUCCESS);
    }
    let at = |time: Timestamp| format!("{}, {}", ago(time, now), when(time));
    let mut facts = vec![
        ("silence", silence.id.clone()),
        ("state", silence.standing(now).as_str().to_owned()),
        ("matches", matchers(silence)),
        ("comment", silence.comment.clone()),
        ("author", silence.author.clone()),
        ("made", at(silence.created_at)),
        ("begins", at(silence.starts_at)),
        ("ends", at(silence.ends_at)),
    ];
    facts.extend(silence.expired_at.map(|time| ("ended early", at(time))));
    facts.push(("swallowed", format!("{} in {}", many(row.swallowed), alerts(row.alerts))));
    for (name, value) in facts {
        say!("{BOLD}{name:>12}{BOLD:#}  {}", plain(&value));
    }
    for finding in hygiene::look(silence, row.swallowed, now) {
        say!("{BOLD}{:>12}{BOLD:#}  {}", "note", finding.advice());
    }
    if !muted.is_empty() {
        say!();
        let lines = muted.iter().map(|muted| {
            let (rule, title) = (cut(&muted.rule, 40), cut(&muted.title, 60));
            vec![ago(muted.at, now), muted.severity.to_string(), rule, muted.count.to_string(), title]
        });
        print_table("Swallowed", &["when", "severity", "rule", "count", "title"], 3..4, lines);
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit code 1 if a silence should be looked at.
pub async fn report(store: &Sqlite, output: Output, now: Timestamp) -> Result<ExitCode, StoreError> {
    let mut rows = Vec::new();
    for standing in [Standing::Active, Standing::Pending] {
        let filter = SilenceFilter { standing: Some((standing, now)), limit: SILENCES, ..SilenceFilter::default() };
        rows.extend(store.silences(filter).await?);
    }
    let findings: Vec<(&SilenceRow, hygiene::Finding)> = rows
        .iter()
        .flat_map(|row| hygiene::look(&row.silence, row.swallowed, now).into_iter().map(move |finding| (row, finding)))
        .collect();
    if output == Output::Json {
        let finding = |(row, finding): &(&SilenceRow, hygiene::Finding)| json!({ "id": row.silence.id, "finding": finding, "advice": finding.advice() });
        print_json(&json!({ "silences": rows.len(), "findings": findings.iter().map(finding).collect::<Vec<_>>() }));
    } else if findings.is_empty() {
        say!("{} in force or to come, nothing to look at.", silences(rows.len()));
    } else {
        let lines = findings.iter().map(|(row, finding)| {
            let silence = &row.silence;
            vec![silence.id.clone(), cut(&silence.author, 20), cut(&matchers(silence), 40), finding.advice().to_owned()]
        });
        print_table("To look at", &["id", "author", "matches", "what"], 0..0, lines);
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}

pub fn unknown(id: &str) -> ExitCode {
    anstream::eprintln!(
        "error: no silence begins with `{}`, or more than one does; `tracebell silence list` shows them",
        plain(id)
    );
    ExitCode::from(BAD)
}

pub fn many(count: u64) -> String {
    if count == 1 { "1 alert or repeat".to_owned() } else { format!("{count} alerts and repeats") }
}

fn alerts(count: u64) -> String {
    if count == 1 { "1 alert".to_owned() } else { format!("{count} alerts") }
}

fn silences(count: usize) -> String {
    if count == 1 { "1 silence".to_owned() } else { format!("{count} silences") }
}

fn matchers(silence: &Silence) -> String {
    silence.matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn silence_json(silence: &Silence, now: Timestamp) -> serde_json::Value {
    json!({
        "id": silence.id,
        "state": silence.standing(now).as_str(),
        "matchers": silence.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "author": silence.author,
        "comment": silence.comment,
        "created_at": silence.created_at,
        "expired_at": silence.expired_at,
        "lasts_seconds": clock::since(silence.starts_at, silence.ended()).as_secs(),
    })
}

fn row_json(row: &SilenceRow, now: Timestamp) -> serde_json::Value {
    let mut shown = silence_json(&row.silence, now);
    shown["swallowed"] = json!(row.swallowed);
    shown["alerts"] = json!(row.alerts);
    shown["last_at"] = json!(row.last_at);
    shown
}

fn muted_json(muted: &Muted) -> serde_json::Value {
    json!({
        "alert": muted.alert,
        "rule": muted.rule,
        "severity": muted.severity,
        "title": muted.title,
        "count": muted.count,
        "at": muted.at,
    })
}
