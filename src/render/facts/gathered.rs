//! What one message in place of many tells: totals, who and what most, everything cut visibly.

use super::{LINES, Listing, NAME, TITLE, more};
use crate::{
    clock::{self, in_words},
    notification::{Kind, Notification},
    render::inert,
};

/// So many sentences are read rather than counted.
const FEW: u64 = 4;

/// `412 alerts and repeats in 6 min, 3 of them failed`
pub fn total(notification: &Notification) -> Option<String> {
    let gathered = notification.gathered.as_ref()?;
    let total = gathered.total;
    let mut told = format!("{total} {}", if total == 1 { "alert or repeat" } else { "alerts and repeats" });
    if let (Some(first), Some(last)) = (gathered.first, gathered.last) {
        let span = clock::since(first, last);
        if span.as_secs() > 0 {
            told += &format!(" in {}", in_words(span));
        }
    }
    told += &match gathered.failed {
        0 => String::new(),
        all if all >= total => ", all of them failed".to_owned(),
        failed => format!(", {failed} of them failed"),
    };
    Some(told)
}

pub fn listings(notification: &Notification) -> Vec<Listing> {
    let Some(gathered) = &notification.gathered else { return Vec::new() };
    let total = gathered.total;
    let mut titles: Vec<_> = gathered.titles.iter().take(LINES).map(|title| inert::line(title, TITLE)).collect();
    titles.extend(more(total, titles.len() as u64));
    let heading = match notification.kind {
        Kind::Group => "What happened",
        Kind::Digest => "The worst",
        _ => "The first",
    };
    let mut listings = vec![
        counted("By rule", &gathered.by_rule, total),
        counted("By actor", &gathered.by_actor, total),
        counted("By resource", &gathered.by_resource, total),
        counted("By service", &gathered.by_service, total),
    ];
    let all_told = u64::try_from(gathered.titles.len()).is_ok_and(|told| told >= total) && total <= FEW;
    if all_told {
        // A handful of sentences says it all; counts of one would only repeat it.
        listings.clear();
    }
    listings.push(Listing { heading, lines: titles });
    listings
}

fn counted(heading: &'static str, counts: &[(String, u64)], total: u64) -> Listing {
    let shown = &counts[..counts.len().min(LINES / 2)];
    let name = |name: &str| match inert::line(name.trim(), NAME) {
        name if name.is_empty() => "(no name)".to_owned(),
        name => name,
    };
    let mut lines: Vec<_> = shown.iter().map(|(of, count)| format!("{count} × {}", name(of))).collect();
    if !lines.is_empty() {
        let told = shown.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        lines.extend(more(total, told));
    }
    Listing { heading, lines }
}
