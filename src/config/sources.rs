//! `sources`: whose audit log is watched.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use super::{archive, named, secrets::Secrets};
use crate::{
    clock,
    cloud::{auth::NameOrId, clouds},
    document::{Value, Walk},
    source::{self, SourceError, cts::Cts, plan::Polling},
};

pub mod push;

/// The cloud shows traces after about a minute; asking more often than this finds nothing new.
const SHORTEST_POLL: Duration = Duration::from_millis(500);
const SHORTEST_OVERLAP: Duration = Duration::from_secs(1);
const SHORTEST_WATCH: Duration = Duration::from_secs(1);
const LONGEST_WATCH: Duration = Duration::from_secs(3600);
const LONGEST_POLL: Duration = Duration::from_secs(3600);
/// Longer, and a quiet source would seem to be behind.
const LONGEST_QUIET: Duration = Duration::from_secs(10 * 60);
/// The cloud keeps no more of the past, and trace ids are remembered for only two days longer.
const LONGEST_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the entries of `sources` come to.
#[derive(Debug, Default)]
pub struct Sources {
    pub list: Vec<source::Settings>,
    /// By the name of the source.
    pub archives: BTreeMap<String, source::archive::Settings>,
}

pub fn read(walk: &Walk<'_>, secrets: &Secrets<'_>) -> Sources {
    let entries = walk.entries().unwrap_or_default();
    if entries.is_empty() {
        walk.fail_hint("expected at least one source", "write `prod: { cts: { cloud: otc } }`");
    }
    let mut sources = Sources::default();
    for (name, _, walk) in entries.into_iter().filter(|(name, _, walk)| named(name, walk)) {
        for (settings, archive) in source(name, &walk, secrets).unwrap_or_default() {
            if sources.list.iter().any(|other| other.name == settings.name) {
                walk.fail(format!("the source `{}` is there twice; each needs a checkpoint of its own", settings.name));
            }
            sources.archives.extend(archive.map(|archive| (settings.name.clone(), archive)));
            sources.list.push(settings);
        }
    }
    sources
}

/// Changes with anything that a source is made of, its secret included. For hashing only.
pub fn fingerprint(settings: &source::Settings) -> String {
    format!("{settings:?} {}", settings.credentials.secrets())
}

/// One entry gives a source for each of its projects.
fn source(
    name: &str,
    walk: &Walk<'_>,
    secrets: &Secrets<'_>,
) -> Option<Vec<(source::Settings, Option<source::archive::Settings>)>> {
    let mut fields = walk.fields()?;
    let smn = fields.optional("smn");
    if let Some(smn) = smn.filter(|_| fields.entry("cts").is_none()) {
        let hint = "write `cts: { cloud: ... }` beside it: a push may be lost, the trace list is not";
        smn.fail_hint("`smn` alone is no source", hint);
        return None;
    }
    let cts = fields.required("cts");
    let archive = fields.optional("archive");
    fields.finish();
    let archive = archive.and_then(|walk| archive::read(walk, secrets));
    let cts = cts?;
    let mut fields = cts.fields()?;
    let cloud = fields.optional("cloud");
    let cloud_name = cloud.as_ref().and_then(|cloud| cloud.words());
    let projects = fields.list("projects");
    let tracker = fields.optional_text("tracker").unwrap_or("system").to_owned();
    let defaults = Polling::default();
    let poll_every =
        bounded(fields.optional("poll_every"), SHORTEST_POLL..=LONGEST_POLL).unwrap_or(defaults.poll_every);
    let poll_quiet_every = fields.optional("poll_quiet_every");
    let overlap = bounded(fields.optional("overlap"), SHORTEST_OVERLAP..=LONGEST_OVERLAP).unwrap_or(defaults.overlap);
    let watch_tracker = fields.optional("watch_tracker").map_or(defaults.watch_tracker, |walk| watched(&walk));
    fields.finish();
    let credentials = match clouds::credentials(cloud_name) {
        Ok(credentials) => credentials,
        Err(reason) => {
            cloud.as_ref().unwrap_or(&cts).fail_hint(reason, "clouds.yaml or the OS_* variables say who logs in where");
            return None;
        }
    };
    let poll_quiet_every = bounded(poll_quiet_every, poll_every..=LONGEST_QUIET.max(poll_every)).unwrap_or(poll_every);
    let polling = Polling { poll_every, poll_quiet_every, overlap, watch_tracker };
    let mut names: Vec<&str> = Vec::new();
    for project in &projects {
        let Some(name) = project.words() else { continue };
        if names.contains(&name) {
            project.fail_hint(format!("the project `{name}` stands here twice"), "name each project once");
        } else {
            names.push(name);
        }
    }
    let whole = source::Settings { name: name.to_owned(), credentials, tracker, polling };
    // What cannot be used at all must not replace what runs.
    if let Err(error) = Cts::new(&whole) {
        let hint = match &error {
            SourceError::Refused { fix, .. } => fix.clone(),
            SourceError::Transient { .. } => "try again".to_owned(),
        };
        cts.fail_hint(error.to_string(), hint);
        return None;
    }
    let archive =
        archive.and_then(|draft| draft.complete(&whole.credentials, cloud_name, &whole.tracker, secrets.are_read()));
    if projects.is_empty() {
        return Some(vec![(whole, archive)]);
    }
    let settings = names.iter().map(|project| {
        let (mut settings, mut archive) = (whole.clone(), archive.clone());
        settings.credentials.project = Some(NameOrId::Name((*project).to_owned()));
        if let Some(archive) = &mut archive {
            (archive.project_id, archive.project_name) = (None, Some((*project).to_owned()));
        }
        if names.len() > 1 {
            settings.name = format!("{name}/{project}");
            if let Some(archive) = &mut archive {
                archive.project = Some((*project).to_owned());
            }
        }
        (settings, archive)
    });
    Some(settings.collect())
}

/// `None` for `off`.
fn watched(walk: &Walk<'_>) -> Option<Duration> {
    match &walk.node.value {
        Value::Bool(false) => None,
        Value::Text(text) if text == "off" => None,
        _ => bounded(Some(walk.clone()), SHORTEST_WATCH..=LONGEST_WATCH),
    }
}

fn bounded(walk: Option<Walk<'_>>, range: RangeInclusive<Duration>) -> Option<Duration> {
    let walk = walk?;
    let found = walk.duration()?;
    if !range.contains(&found) {
        let [from, to, found] = [*range.start(), *range.end(), found].map(clock::in_words);
        walk.fail(format!("expected a duration from {from} to {to}, found {found}"));
        return None;
    }
    Some(found)
}
