//! Reload: all or nothing. A bad file keeps what runs, and says so.

use std::path::Path;

use tracing::{error, info, warn};

use super::{App, GRACE};
use crate::{
    alert::Severity,
    clock,
    config::{self, Loaded},
    document::{Level, draw},
    notification::Notification,
    store::Store,
};

/// The name under which the board tells about configuration.
pub(super) const TASK: &str = "configuration";

impl App {
    pub(super) async fn reload(&mut self, path: &Path) -> anyhow::Result<()> {
        let owned = path.to_owned();
        let loaded = match tokio::task::spawn_blocking(move || config::load(&owned)).await {
            Ok(loaded) => loaded,
            Err(panic) => {
                self.keep_running(vec![format!("reading the files crashed: {panic}")]).await;
                return Ok(());
            }
        };
        let Loaded { config, rules, problems, files, .. } = loaded;
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
        self.board.note(TASK, None);
        let generation = self.generation.borrow().clone();
        info!(generation = generation.rules.generation, rules = generation.rules.rules.len(), "reloaded");
        self.committed.send_replace(());
        Ok(())
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
        lines.extend(problems.iter().take(10).cloned());
        if problems.len() > 10 {
            lines.push(format!("and {} more; `tracebell check` shows them all.", problems.len() - 10));
        }
        let notice = Notification::notice(Severity::High, "A reload was refused: a file has problems", lines, now);
        let occasion = format!("reload {}", problems.join("\n"));
        let deliveries = self.generation.borrow().topics.notice(&notice, &occasion, false);
        if let Err(error) = self.store.publish(deliveries).await {
            warn!(%error, "a notice could not be stored");
        }
        self.committed.send_replace(());
    }
}
