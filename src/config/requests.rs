//! `cloud_requests`: how much of each host of the cloud all sources together take.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    clock,
    cloud::budget::Allowance,
    document::{Code, Level, Walk},
    source,
};

/// The findings of this file, and what each is about.
pub const CODES: &[(&str, &str)] = &[("slow-polls", "more projects than can be polled as often as they should be")];

pub fn read(walk: &Walk<'_>) -> Option<Allowance> {
    let usual = Allowance::default();
    let mut fields = walk.fields()?;
    let mut whole = |key| fields.optional_whole(key, 1, 10_000).and_then(|number| u32::try_from(number).ok());
    let (per_second, at_once) = (whole("per_second"), whole("at_once"));
    fields.finish();
    Some(Allowance { per_second: per_second.unwrap_or(usual.per_second), at_once: at_once.unwrap_or(usual.at_once) })
}

/// Asks about polls that must wait for each other. `walk` is where the sources stand.
pub fn look(walk: &Walk<'_>, sources: &[source::Settings], allowance: Allowance) {
    // One login leads to one host of the trace service in each region.
    let mut hosts: BTreeMap<(&str, Option<&str>), Vec<Duration>> = BTreeMap::new();
    for source in sources {
        let credentials = &source.credentials;
        let host = (credentials.auth_url.as_str(), credentials.region.as_deref());
        hosts.entry(host).or_default().push(source.polling.poll_quiet_every);
    }
    for ((auth_url, _), polls) in hosts {
        let needed: f64 = polls.iter().map(|every| every.as_secs_f64().recip()).sum();
        if needed <= f64::from(allowance.per_second) {
            continue;
        }
        let (count, allowed) = (polls.len(), allowance.per_second);
        let every = clock::in_words(Duration::from_secs((count as u64).div_ceil(u64::from(allowed))));
        let text = format!(
            "{count} sources behind `{auth_url}` need {needed:.0} requests a second while all is quiet, and \
             {allowed} are allowed: each is polled every {every} at best"
        );
        let hint = "raise `poll_quiet_every`, or `cloud_requests.per_second`".to_owned();
        walk.report_as(Code("slow-polls"), Level::Warning, walk.node.head(), text, Some(hint));
    }
}
