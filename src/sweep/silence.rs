//! What silences have to do with closing windows, and that people hear before one ends.

use std::{collections::BTreeMap, time::Duration};

use super::Sweep;
use crate::{
    alert::{MuteKind, Severity},
    clock::{self, Timestamp},
    generation::Generation,
    notification::Notification,
    render::facts::when,
    silence::{Muting, Standing, Subject},
    store::{self, Muted, MutedFilter, OpenAlert, SilenceFilter, SilenceRow, Store, StoreError},
};

/// Time to prolong a silence before what it swallows rings again.
const BEFORE_END: Duration = Duration::from_secs(3600);
/// Who made a shorter one remembers it.
const WORTH_A_WORD: Duration = Duration::from_secs(4 * 3600);
/// Silences and rows that one look takes.
const AT_ONCE: usize = 100;
const ROWS: usize = 1000;
/// Rules that fit a notice.
const TOLD: usize = 8;

impl<S: Store> Sweep<S> {
    /// Tells once of each silence that ends within the hour, if it ran long and swallowed something.
    pub(super) async fn tell_of_silences(&self, generation: &Generation, now: Timestamp) -> Result<(), StoreError> {
        let filter = SilenceFilter {
            standing: Some((Standing::Active, now)),
            ends_before: Some(clock::plus(now, BEFORE_END)),
            limit: AT_ONCE,
        };
        for row in self.store.silences(filter).await? {
            let silence = &row.silence;
            let lasts = clock::since(silence.starts_at, silence.ends_at);
            if row.warned_at.is_some() || row.swallowed == 0 || lasts <= WORTH_A_WORD {
                continue;
            }
            let by = Some((MuteKind::Silence, silence.id.clone()));
            let muted = self.store.muted(MutedFilter { by, alert: None, limit: ROWS }).await?;
            let notice = ending(&row, &muted, now);
            let notices = generation.topics.notice(&notice, &format!("silence {} ends", silence.id), false);
            self.store.warn_of_silence(&silence.id, notices, now).await?;
            self.committed.send_replace(());
        }
        Ok(())
    }
}

/// Which of the summaries of closing windows nobody is to be told.
pub(super) async fn swallowed<S: Store>(
    store: &S,
    generation: &Generation,
    closing: &[OpenAlert],
    now: Timestamp,
) -> Result<Vec<Muted>, StoreError> {
    let owing = || closing.iter().map(|closing| &closing.alert).filter(|alert| alert.untold() > 0 && !alert.shadow);
    let Some(oldest) = owing().map(|alert| alert.last_time).min() else { return Ok(Vec::new()) };
    let mutes = store::mutes(store, &generation.inhibitions, oldest.min(now), now).await?;
    let muting = Muting { silences: &mutes.silences, inhibitions: &generation.inhibitions, open: &mutes.open };
    let muted = owing().filter_map(|alert| {
        let mute = muting.judge(Subject::of(alert), now)?;
        Some(Muted::of(alert, mute, alert.untold(), now))
    });
    Ok(muted.collect())
}

fn ending(row: &SilenceRow, muted: &[Muted], now: Timestamp) -> Notification {
    let silence = &row.silence;
    let matchers: Vec<String> = silence.matchers.iter().map(|matcher| format!("`{matcher}`")).collect();
    let mut lines = vec![
        format!("It ends at {}: what matches {} rings again from then on.", when(silence.ends_at), matchers.join(", ")),
        format!("Made by {}: {}.", silence.author, silence.comment.trim_end_matches('.')),
        format!("It kept {} back, the last one {}.", many(row.swallowed), row.last_at.map_or_else(String::new, when)),
    ];
    let mut rules: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for muted in muted {
        rules.entry(&muted.rule).or_insert((0, &muted.title)).0 += muted.count;
    }
    let mut rules: Vec<_> = rules.into_iter().collect();
    rules.sort_by_key(|(rule, (count, _))| (std::cmp::Reverse(*count), *rule));
    let named =
        rules.iter().take(TOLD).map(|(rule, (count, title))| format!("{count} of rule {rule}, such as: {title}"));
    lines.extend(named);
    lines.push(format!("To prolong it: `{}`", silence.again("8h")));
    let left = clock::in_words(Duration::from_secs(clock::since(now, silence.ends_at).as_secs() / 60 * 60));
    let title = format!("Silence {} ends in {left}", silence.id);
    Notification::notice(Severity::Info, title, lines, now)
}

fn many(count: u64) -> String {
    if count == 1 { "1 alert or repeat".to_owned() } else { format!("{count} alerts and repeats") }
}
