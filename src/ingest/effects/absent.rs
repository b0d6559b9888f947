//! What did not come, judged as a page completes a window, as far as all before it is known.
//!
//! While a gap is being filled, what it will bring may be what a rule misses: absences of the source wait until the
//! fill has passed them. Not for ever, for then one that was killed would hide a backup that failed: one that stands
//! still is not waited for, and an absence that it might yet explain is told with a notice that says so.

use super::{Watermark, recollect};
use crate::{
    checkpoint::{self, Fill},
    clock::{self, Timestamp},
    generation::Generation,
    ingest::trouble,
    ring::{self, Hit, Memories},
    rule::When,
    store::{IngestBatch, Store, StoreError},
};

/// The absences that are over due; what the rules keep of them goes into `memories`.
pub async fn tell<'g, S: Store>(
    store: &S,
    generation: &'g Generation,
    memories: &mut Memories,
    watermark: Watermark,
    batch: &mut IngestBatch,
) -> Result<Vec<Hit<'g>>, StoreError> {
    let (source, now, rules) = (batch.source.clone(), batch.now, &generation.rules);
    let fills = store.fills(&source).await?;
    let at = checkpoint::known_up_to(&fills, watermark.at, now);
    let due = recollect::due(store, memories, at, batch).await?;
    let hits = ring::tick(&source, rules, due, memories, at, watermark.late);
    for fill in fills.iter().filter(|fill| fill.is_unread()) {
        if hits.iter().any(|hit| may_be_explained(hit, fill)) {
            batch.deliveries.extend(trouble::stalled_notice(generation, fill, now));
        }
    }
    Ok(hits)
}

/// True if what a fill has not read yet may hold what was missed.
fn may_be_explained(hit: &Hit<'_>, fill: &Fill) -> bool {
    let since: Timestamp = hit.lead.time;
    let quiet = match &hit.rule.when {
        Some(When::Absent { quiet, .. }) => *quiet,
        _ => return false,
    };
    since < fill.part.to && fill.part.reached < clock::plus(since, quiet)
}
