//! `tracebell push status`: each part of a push, here and in the cloud, and what to do if one is off.

use std::{process::ExitCode, time::Duration};

use serde_json::json;

use super::{Lines, Said, Site, Which, wanted};
use crate::{
    cli::{BAD, Output, status, terminal, tracker},
    clock::{self, Timestamp},
    source::{
        SourceError,
        push::cloud::{Cloud, Consent},
    },
    store::{DelayRow, PushRow, Sqlite, Standing, Store, StoreError, Way},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

const TO_DO: &str = "  what to do: ";
/// Delays of so long ago are told.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// What was found, and what to do about it.
#[derive(Default)]
struct Found {
    lines: Lines,
    advice: Vec<String>,
}

pub async fn run(args: Args) -> Said {
    let site = args.which.site()?;
    let mut cloud = site.cloud()?;
    let now = clock::now();
    let mut found = Found::default();
    let enable = format!("tracebell push enable --source {}", site.source.name);
    found.lines.add("source", &site.source.name, "");
    let topic = site.topic(&mut cloud).await.map_err(|error| tracker::failed(&error))?;
    if site.push.is_none() {
        found.lines.add("configuration", "not set up", "");
        found.advice.push(format!("run `{enable}`, which tells what to write"));
    }
    let there = in_the_cloud(&site, &mut cloud, &topic, &enable, &mut found, now).await;
    let confirmed = there.map_err(|error| tracker::failed(&error))?;
    let heard = site.heard(&topic).await.map_err(|error| status::failed(&error))?;
    said(heard.as_ref(), confirmed, &enable, &mut found, now);
    let delays = delays(&site, &mut found.lines, now).await.map_err(|error| status::failed(&error))?;
    match args.which.output {
        Output::Table => {
            found.lines.print();
            for advice in &found.advice {
                let room = terminal::columns().map_or(usize::MAX, |width| width.saturating_sub(TO_DO.len()).max(20));
                for (at, line) in terminal::wrap(&tracker::visible(advice), room).iter().enumerate() {
                    let before = if at == 0 { TO_DO } else { "" };
                    say!("{before:width$}{line}", width = TO_DO.len());
                }
            }
        }
        Output::Json => {
            let delays = delays.iter().map(|row| {
                let seconds = |part| row.spread.quantile(part).map(|took: Duration| took.as_secs_f64());
                let (p50, p99) = (seconds(0.5), seconds(0.99));
                json!({ "path": row.way.as_str(), "traces": row.spread.count(), "p50_seconds": p50, "p99_seconds": p99 })
            });
            let (delays, parts) = (delays.collect::<Vec<_>>(), found.lines.json());
            let shown = json!({
                "well": found.advice.is_empty(), "topic_urn": topic, "parts": parts, "delays": delays,
                "what_to_do": found.advice,
            });
            tracker::print(&tracker::json(&shown));
        }
    }
    Ok(if found.advice.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}

/// True if the subscription is confirmed there.
async fn in_the_cloud(
    site: &Site,
    cloud: &mut Cloud,
    topic: &str,
    enable: &str,
    found: &mut Found,
    now: Timestamp,
) -> Result<bool, SourceError> {
    let there = cloud.has_topic(topic, now).await?;
    found.lines.add("topic", if there { "well" } else { "missing" }, topic);
    let subscriptions = cloud.subscriptions(topic, now).await?;
    let standing = subscriptions.iter().filter(|one| one.endpoint == site.endpoint).map(|one| one.standing);
    let words = match standing.max_by_key(|standing| *standing == Consent::Confirmed) {
        Some(Consent::Confirmed) => "confirmed",
        Some(Consent::Unconfirmed) => "not confirmed",
        Some(Consent::Ended) => "ended",
        None => "missing",
    };
    found.lines.add("subscription", words, site.endpoint.clone());
    let events = cloud.key_events(&site.name, now).await?;
    let (standing, about) = match &events {
        Some(events) if events.topic_urn.as_deref() != Some(topic) => ("of another topic", site.name.clone()),
        Some(events) => {
            let about = format!("{}: {}", site.name, wanted::about(&events.wanted));
            (if events.enabled { "enabled" } else { "disabled" }, about)
        }
        None => ("missing", site.name.clone()),
    };
    found.lines.add("notification", standing, about);
    if site.push.is_some() && (!there || words != "confirmed" || standing != "enabled") {
        found.advice.push(format!("run `{enable}`, which makes what is missing"));
    }
    Ok(words == "confirmed")
}

/// What SMN told this Tracebell.
fn said(heard: Option<&PushRow>, confirmed: bool, enable: &str, found: &mut Found, now: Timestamp) {
    let (standing, about) = match heard {
        None => ("nothing yet", String::new()),
        Some(row) => {
            let since = status::ago(row.changed_at, now);
            match row.standing {
                Standing::Invited if confirmed => ("invited", format!("{since}, and it was confirmed")),
                Standing::Invited => {
                    let url = row.subscribe_url.as_deref().unwrap_or_default();
                    ("invited", format!("{since}; to be confirmed at {url}"))
                }
                Standing::Confirmed => ("notified", format!("first {since}")),
                Standing::Left => ("ended", since),
            }
        }
    };
    found.lines.add("SMN said", standing, about);
    let last = heard.and_then(|row| row.heard_at);
    found.lines.add("last push", &last.map_or_else(|| "never".to_owned(), |at| status::ago(at, now)), "");
    if heard.is_some_and(|row| row.standing == Standing::Left) {
        found.advice.push(format!("somebody ended the subscription: run `{enable}` unless that was wanted"));
    }
}

async fn delays(site: &Site, lines: &mut Lines, now: Timestamp) -> Result<Vec<DelayRow>, StoreError> {
    if !site.state.exists() {
        return Ok(Vec::new());
    }
    let store = Sqlite::open_read(&site.state).await?;
    let delays = store.delays(clock::minus(now, WEEK)).await;
    store.close().await;
    let delays: Vec<DelayRow> = delays?.into_iter().filter(|row| row.source == site.source.name).collect();
    for way in [Way::Push, Way::Poll] {
        let row = delays.iter().find(|row| row.way == way);
        let told = row.and_then(in_words).unwrap_or_else(|| "no new trace came this way within a week".to_owned());
        lines.add(if way == Way::Push { "delay" } else { "" }, way.as_str(), told);
    }
    Ok(delays)
}

/// `half within 2 s, 99 % within 9 s, of 123 traces`
pub fn in_words(row: &DelayRow) -> Option<String> {
    let (half, most) = (row.spread.quantile(0.5)?, row.spread.quantile(0.99)?);
    let traces = if row.spread.count() == 1 { "trace" } else { "traces" };
    let (half, most) = (clock::in_words(half), clock::in_words(most));
    Some(format!("half within {half}, 99 % within {most}, of {} {traces}", row.spread.count()))
}
