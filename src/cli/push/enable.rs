//! `tracebell push enable`: each part is made if it is not there, so the command can be repeated.

use std::{process::ExitCode, time::Duration};

use indicatif::ProgressBar;
use serde_json::json;

use super::{
    Lines, Said, Site, Which, lines_to_add,
    wanted::{self, Wanted},
};
use crate::{
    cli::{OUTSIDE, Output, USAGE, status, time::duration, tracker},
    clock::{self, Timestamp},
    source::{
        SourceError,
        push::cloud::{self, Cloud, Consent, Subscription},
    },
    store::Standing,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    wanted: Wanted,
    /// How long to wait for the confirmation that the cloud posts
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = patience)]
    wait: Duration,
}

/// The cloud's invitations are good for 48 hours.
const FRESH: Duration = Duration::from_secs(47 * 3600);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How a subscription came to be confirmed, or did not.
enum Confirmed {
    Before,
    Now,
    /// A person has to open this.
    ByPerson(String),
    /// Nothing came.
    Never,
}

fn patience(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|_| "expected a duration such as `2m` or `30s`".to_owned())
}

pub async fn run(args: Args) -> Said {
    let wanted = args.wanted.read().map_err(|wrong| tracker::usage(&wrong))?;
    let site = args.which.site()?;
    let mut cloud = site.cloud()?;
    let fail = |error: SourceError| tracker::failed(&error);
    let mut lines = Lines::default();
    lines.add("source", &site.source.name, "");

    let topic = topic(&site, &mut cloud, &mut lines).await?;
    if site.push.is_none() {
        finish(&args.which, &lines, &topic, false);
        anstream::eprint!("{}", lines_to_add(&site, &topic));
        return Ok(ExitCode::from(USAGE));
    }
    let confirmed = subscribe(&site, &mut cloud, &topic, args.wait).await?;
    let how = match &confirmed {
        Confirmed::Before => "was confirmed",
        Confirmed::Now => "confirmed",
        Confirmed::ByPerson(_) | Confirmed::Never => "not confirmed",
    };
    lines.add("subscription", how, site.endpoint.clone());

    let known = cloud.key_events(&site.name, clock::now()).await.map_err(fail)?;
    let wanted = wanted.or_else(|| known.as_ref().map(|known| known.wanted.clone())).unwrap_or_else(wanted::all);
    let same = known
        .as_ref()
        .is_some_and(|known| known.enabled && known.topic_urn.as_deref() == Some(&topic) && known.wanted == wanted);
    if !same {
        let put =
            cloud.put_key_events(&site.name, known.as_ref(), &wanted, &topic, clock::now()).await.map_err(fail)?;
        if !put.enabled {
            anstream::eprintln!("error: the cloud keeps the notification `{}` disabled", site.name);
            return Err(ExitCode::from(OUTSIDE));
        }
    }
    let what = if same {
        "was there"
    } else if known.is_some() {
        "changed"
    } else {
        "created"
    };
    lines.add("notification", what, format!("{}: {}", site.name, wanted::about(&wanted)));

    let done = matches!(confirmed, Confirmed::Before | Confirmed::Now);
    finish(&args.which, &lines, &topic, done);
    match confirmed {
        Confirmed::Before | Confirmed::Now => Ok(ExitCode::SUCCESS),
        Confirmed::ByPerson(url) => {
            anstream::eprintln!(
                "The subscription waits to be confirmed. Look at this address, and open it if it is \
                the cloud's (`smn.confirm_hosts` lets this command do it):\n\n  {}\n",
                tracker::visible(&url)
            );
            Ok(ExitCode::from(OUTSIDE))
        }
        Confirmed::Never => {
            anstream::eprintln!(
                "error: no confirmation came within {}\nhelp: Tracebell must run with this configuration, and {} must \
                 lead to it from the cloud; `tracebell_push_refused` of its metrics and its log tell what was refused",
                clock::in_words(args.wait),
                site.endpoint
            );
            Ok(ExitCode::from(OUTSIDE))
        }
    }
}

async fn topic(site: &Site, cloud: &mut Cloud, lines: &mut Lines) -> Result<String, ExitCode> {
    let fail = |error: SourceError| tracker::failed(&error);
    let topic = site.topic(cloud).await.map_err(fail)?;
    let there = cloud.has_topic(&topic, clock::now()).await.map_err(fail)?;
    if !there {
        let name = topic.rsplit(':').next().unwrap_or_default();
        let ours = cloud.topic_urn(name, clock::now()).await.map_err(fail)?;
        // One of another project cannot be made, and one of that name here would be in vain.
        let made = if ours == topic { cloud.create_topic(name, clock::now()).await.map_err(fail)? } else { ours };
        if made != topic {
            let problem = format!(
                "the topic of this project is `{made}`, and `{topic}` stands in the configuration: write the former"
            );
            return Err(tracker::usage(&[problem]));
        }
    }
    lines.add("topic", if there { "was there" } else { "created" }, topic.clone());
    Ok(topic)
}

async fn subscribe(site: &Site, cloud: &mut Cloud, topic: &str, wait: Duration) -> Result<Confirmed, ExitCode> {
    let fail = |error: SourceError| tracker::failed(&error);
    let begun = clock::now();
    let mut since = begun;
    match ours(site, cloud, topic, begun).await.map_err(fail)? {
        Some(found) if found.standing == Consent::Confirmed => return Ok(Confirmed::Before),
        Some(found) => {
            // An invitation that is here already can be accepted; for any other the cloud must invite again.
            let earliest = clock::minus(begun, FRESH);
            match invitation(site, topic, earliest).await? {
                Some(_) => since = earliest,
                None => cloud.unsubscribe(&found.urn, begun).await.map_err(fail)?,
            }
            if since == begun {
                cloud.subscribe(topic, &site.endpoint, begun).await.map_err(fail)?;
            }
        }
        None => cloud.subscribe(topic, &site.endpoint, begun).await.map_err(fail)?,
    }
    let (smn, region) = cloud.smn(begun).await.map_err(fail)?;
    let others = site.push.as_ref().map(|push| push.confirm_hosts.as_slice()).unwrap_or_default();
    let bar = ProgressBar::new_spinner().with_message("waiting for the confirmation that the cloud posts");
    bar.enable_steady_tick(Duration::from_millis(120));
    let until = clock::plus(begun, wait);
    let confirmed = loop {
        if let Some(url) = invitation(site, topic, since).await? {
            if !cloud::may_open(&url, &smn, &region, others) {
                break Confirmed::ByPerson(url);
            }
            cloud::confirm(&url, &site.source.credentials, clock::now()).await.map_err(fail)?;
            break Confirmed::Now;
        }
        if clock::now() >= until {
            break Confirmed::Never;
        }
        clock::sleep(LOOK_EVERY).await;
    };
    bar.finish_and_clear();
    // Its owner may have been quicker; and what was opened need not have worked.
    let found = ours(site, cloud, topic, clock::now()).await.map_err(fail)?;
    let agreed = found.is_some_and(|found| found.standing == Consent::Confirmed);
    match confirmed {
        Confirmed::Now if !agreed => {
            anstream::eprintln!("error: the confirmation was opened, and the cloud does not count it");
            Err(ExitCode::from(OUTSIDE))
        }
        _ if agreed => Ok(Confirmed::Now),
        other => Ok(other),
    }
}

async fn ours(
    site: &Site,
    cloud: &mut Cloud,
    topic: &str,
    now: Timestamp,
) -> Result<Option<Subscription>, SourceError> {
    let found = cloud.subscriptions(topic, now).await?;
    let mut ours = found.into_iter().filter(|found| found.endpoint == site.endpoint);
    // Of one that was cancelled and one that came after it, the latter counts.
    Ok(ours.rfind(|found| found.standing != Consent::Ended))
}

/// What the running Tracebell received and verified.
async fn invitation(site: &Site, topic: &str, since: Timestamp) -> Result<Option<String>, ExitCode> {
    let heard = site.heard(topic).await.map_err(|error| status::failed(&error))?;
    let invited = heard.filter(|row| row.standing == Standing::Invited && row.changed_at >= since);
    Ok(invited.and_then(|row| row.subscribe_url))
}

fn finish(which: &Which, lines: &Lines, topic: &str, done: bool) {
    match which.output {
        Output::Table => lines.print(),
        Output::Json => {
            tracker::print(&tracker::json(&json!({ "enabled": done, "topic_urn": topic, "parts": lines.json() })));
        }
    }
}
