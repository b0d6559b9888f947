//! Reload. A broken rule file keeps its last good version in force while the
//! others change; a broken configuration keeps all that runs. Either says so.

use std::{collections::BTreeMap, path::Path};

use tracing::{error, info, warn};

use super::{App, GRACE};
use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    config::{self, Kept, Loaded},
    document::{Level, draw},
    notification::Notification,
    store::Store,
};

/// Problems that fit a notice.
const TOLD: usize = 10;

/// The name under which the board tells about configuration.
pub(super) const TASK: &str = "configuration";

/// Rule files that are not in force as they stand, each with the moment it was first seen so.
pub(super) type Broken = BTreeMap<String, (Timestamp, Kept)>;

impl App {
    pub(super) async fn reload(&mut self, path: &Path) -> anyhow::Result<()> {
        let (owned, good) = (path.to_owned(), self.config.rule_files.clone());
        let loaded = match tokio::task::spawn_blocking(move || config::reload(&owned, &good)).await {
            Ok(loaded) => loaded,
            Err(panic) => {
                self.keep_running(vec![format!("reading the files crashed: {panic}")]).await;
                return Ok(());
            }
        };
        let Loaded { config, rules, problems, files, kept, .. } = loaded;
        let Some(config) = config else {
            let lines: Vec<String> = problems
                .iter()
                .filter(|problem| problem.level == Level::Error)
                .map(|problem| draw::line(problem, &files))
                .collect();
            self.keep_running(lines).await;
            return Ok(());
        };
        if config.listen != self.config.listen || config.state != self.config.state {
            warn!("`http.listen` and `state` take effect at the next start");
        }
        let same_workers = config.fingerprint == self.config.fingerprint;
        self.config = config;
        if !same_workers {
            self.drain(GRACE).await;
        }
        self.put_in_force(rules);
        if !same_workers {
            // Of those that are gone nothing more is heard, and that is well.
            let tasks = self.board.check(clock::now()).lines;
            tasks.iter().filter(|line| line.task != TASK).for_each(|line| self.board.forget(&line.task));
            self.spawn_workers()?;
            self.tell_of_orphans().await;
        }
        self.tell_of_broken_files(kept).await;
        let generation = self.generation.borrow().clone();
        info!(generation = generation.rules.generation, rules = generation.rules.rules.len(), "reloaded");
        self.committed.send_replace(());
        Ok(())
    }

    /// Says which rule files are in force as they were, on the board and once to people.
    async fn tell_of_broken_files(&mut self, kept: Vec<Kept>) {
        let now = clock::now();
        let mut broken = Broken::new();
        let mut fresh = Vec::new();
        for kept in kept {
            let before = self.broken.get(&kept.file);
            let since = before.map_or(now, |(since, _)| *since);
            if before.is_none_or(|(_, before)| *before != kept) {
                kept.problems.iter().for_each(|problem| error!("{problem}"));
                error!(file = kept.file, "{}", in_force(&kept));
                fresh.push(kept.clone());
            }
            broken.insert(kept.file.clone(), (since, kept));
        }
        for file in self.broken.keys().filter(|file| !broken.contains_key(*file)) {
            info!(file, "the rule file is good again");
        }
        self.broken = broken;
        self.board.note(TASK, self.broken_in_words());
        if fresh.is_empty() {
            return;
        }
        self.metrics.reload_failures.inc();
        let title = match fresh.as_slice() {
            [one] => format!("{} has problems: {}", one.file, in_force(one)),
            several => format!("{} rule files have problems: what was good of them goes on", several.len()),
        };
        let mut lines = vec!["All other files took effect. What was found:".to_owned()];
        let found: Vec<&String> = fresh.iter().flat_map(|kept| &kept.problems).collect();
        lines.extend(found.iter().take(TOLD).map(|problem| (*problem).clone()));
        if found.len() > TOLD {
            lines.push(format!("and {} more; `tracebell check` shows them all.", found.len() - TOLD));
        }
        let occasion = format!("kept {now}");
        self.tell(&Notification::notice(Severity::High, title, lines, now), &occasion).await;
    }

    fn broken_in_words(&self) -> Option<String> {
        let line = |(since, kept): &(Timestamp, Kept)| {
            let since = since.strftime("%Y-%m-%d %H:%M UTC");
            format!("{}: {} since {since}: {}", kept.file, in_force(kept), kept.problems.join("; "))
        };
        let lines: Vec<String> = self.broken.values().map(line).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    async fn keep_running(&mut self, problems: Vec<String>) {
        let now = clock::now();
        for problem in &problems {
            error!("{problem}");
        }
        error!("reload refused: what ran before goes on running");
        self.metrics.reload_failures.inc();
        self.board.note(TASK, Some(format!("reload refused, the former one runs: {}", problems.join("; "))));
        let mut lines = vec!["What ran before goes on running. What was found:".to_owned()];
        lines.extend(problems.iter().take(TOLD).cloned());
        if problems.len() > TOLD {
            lines.push(format!("and {} more; `tracebell check` shows them all.", problems.len() - TOLD));
        }
        let notice = Notification::notice(Severity::High, "A reload was refused: a file has problems", lines, now);
        let occasion = format!("reload {}", problems.join("\n"));
        self.tell(&notice, &occasion).await;
    }

    async fn tell(&self, notice: &Notification, occasion: &str) {
        let deliveries = self.generation.borrow().topics.notice(notice, occasion, false);
        if let Err(error) = self.store.publish(deliveries).await {
            warn!(%error, "a notice could not be stored");
        }
        self.committed.send_replace(());
    }
}

fn in_force(kept: &Kept) -> &'static str {
    if kept.known { "its last good version is in force" } else { "it is new, and nothing of it is in force" }
}
