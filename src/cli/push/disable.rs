//! `tracebell push disable`: deletes what `push enable` made, by name and by address, and nothing else.

use std::{
    io::{BufRead, IsTerminal},
    process::ExitCode,
};

use serde_json::json;

use super::{Lines, Said, Which};
use crate::{
    cli::{Output, tracker},
    clock,
    source::SourceError,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub async fn run(args: Args) -> Said {
    let site = args.which.site()?;
    let mut cloud = site.cloud()?;
    let fail = |error: SourceError| tracker::failed(&error);
    let now = clock::now();
    let topic = site.topic(&mut cloud).await.map_err(fail)?;
    let events = cloud.key_events(&site.name, now).await.map_err(fail)?;
    let (ours, others): (Vec<_>, Vec<_>) = cloud
        .subscriptions(&topic, now)
        .await
        .map_err(fail)?
        .into_iter()
        .partition(|subscription| subscription.endpoint == site.endpoint);
    let there = cloud.has_topic(&topic, now).await.map_err(fail)?;
    let delete_topic = there && site.made_topic(&topic) && others.is_empty();

    let mut found = Vec::new();
    found.extend(events.as_ref().map(|_| format!("the key event notification `{}`", site.name)));
    found.extend((!ours.is_empty()).then(|| format!("the subscription of {}", site.endpoint)));
    found.extend(delete_topic.then(|| format!("the topic `{topic}`")));
    if !found.is_empty() && !args.yes {
        ask(&found)?;
    }

    let mut lines = Lines::default();
    lines.add("source", &site.source.name, "");
    let gone = |known: bool| if known { "deleted" } else { "was not there" };
    if let Some(events) = &events {
        cloud.delete_key_events(&events.id, now).await.map_err(fail)?;
    }
    lines.add("notification", gone(events.is_some()), site.name.clone());
    for subscription in &ours {
        cloud.unsubscribe(&subscription.urn, now).await.map_err(fail)?;
    }
    lines.add("subscription", gone(!ours.is_empty()), site.endpoint.clone());
    if delete_topic {
        cloud.delete_topic(&topic, now).await.map_err(fail)?;
    }
    let kept = match (there, site.made_topic(&topic)) {
        (true, false) => "kept: it was not made here",
        (true, true) if !others.is_empty() => "kept: others subscribe to it",
        _ => gone(there),
    };
    lines.add("topic", kept, topic);
    match args.which.output {
        Output::Table => lines.print(),
        Output::Json => tracker::print(&tracker::json(&json!({ "parts": lines.json() }))),
    }
    if site.push.is_some() {
        anstream::eprintln!("`smn` of the source can leave the configuration now; the trace list is read as before.");
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(found: &[String]) -> Result<(), ExitCode> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(tracker::usage(&["deleting needs a person to confirm it, or `--yes`".to_owned()]));
    }
    anstream::eprintln!("This deletes");
    found.iter().for_each(|part| anstream::eprintln!("  {}", tracker::visible(part)));
    anstream::eprint!("and alerts then wait for the next poll. Delete it? [y/N] ");
    let mut answer = String::new();
    // An unreadable answer is no yes.
    let _ = stdin.lock().read_line(&mut answer);
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        tracker::print("nothing was deleted\n");
        return Err(ExitCode::SUCCESS);
    }
    Ok(())
}
