//! Stretches of the past that could not be read, and what was filled of them.

use serde_json::{Value, json};

use super::{ago, plain, print_table};
use crate::{
    backtest::text::plural,
    checkpoint::{Fill, Gap, is_filled},
    clock::{self, Timestamp},
    render::facts::when,
    store::{Accounting, Sqlite, Store, StoreError},
};

/// The newest of them are shown.
const SHOWN: usize = 10;

pub struct Gaps(Vec<(Gap, Vec<Fill>)>);

pub async fn load(store: &Sqlite, accounting: &Accounting) -> Result<Gaps, StoreError> {
    let mut found = Vec::new();
    for account in accounting.sources.iter().filter(|account| account.gaps + account.filled > 0) {
        let fills = store.fills(&account.source).await?;
        for gap in store.gaps(&account.source).await? {
            let of_gap = fills.iter().filter(|fill| fill.part.from <= gap.to && gap.from <= fill.part.to);
            let of_gap = of_gap.cloned().collect();
            found.push((gap, of_gap));
        }
    }
    found.sort_by_key(|(gap, _)| std::cmp::Reverse(gap.from));
    Ok(Gaps(found))
}

impl Gaps {
    pub fn show(&self, now: Timestamp) {
        if self.0.is_empty() {
            return;
        }
        let rows = self.0.iter().take(SHOWN).map(|(gap, fills)| {
            let long = clock::in_words(clock::since(gap.from, gap.to));
            vec![gap.source.clone(), when(gap.from), when(gap.to), long, plain(&standing(gap, fills, now))]
        });
        print_table("Gaps", &["source", "from", "to", "length", "standing"], 0..0, rows);
        if self.0.len() > SHOWN {
            say!("  and {} older ones", self.0.len() - SHOWN);
        }
        if self.0.iter().any(|(gap, fills)| !is_filled(gap, fills)) {
            say!("  `tracebell fill-gap` reads them from the archive");
        }
        say!();
    }

    pub fn as_json(&self) -> Value {
        let gap = |(gap, fills): &(Gap, Vec<Fill>)| {
            let parts: Vec<Value> = fills
                .iter()
                .map(|fill| {
                    json!({
                        "from": fill.part.from, "to": fill.part.to, "reached": fill.part.reached, "by": fill.by,
                        "at": fill.at, "traces": fill.traces, "fresh": fill.fresh, "alerts": fill.alerts,
                        "unreadable_files": fill.unreadable, "suspect_files": fill.suspects, "done": fill.done,
                    })
                })
                .collect();
            json!({
                "source": gap.source, "from": gap.from, "to": gap.to, "reason": gap.reason,
                "filled": is_filled(gap, fills), "fills": parts,
            })
        };
        self.0.iter().map(gap).collect()
    }
}

/// `filled 4 min ago by alice: 1200 traces, 37 alerts`
fn standing(gap: &Gap, fills: &[Fill], now: Timestamp) -> String {
    let Some(last) = fills.iter().max_by_key(|fill| fill.at) else { return "open".to_owned() };
    let sum = |number: fn(&Fill) -> u64| fills.iter().map(number).sum::<u64>();
    let (fresh, alerts) = (sum(|fill| fill.fresh), sum(|fill| fill.alerts));
    let (unreadable, suspect) = (sum(|fill| fill.unreadable), sum(|fill| fill.suspects.len() as u64));
    let how = if is_filled(gap, fills) {
        "filled"
    } else if fills.iter().all(|fill| fill.traces == 0 && fill.part.reached == fill.part.from) {
        "open, nothing of it read"
    } else {
        "open, filled in part"
    };
    let mut text = format!(
        "{how} {} by {}: {}, {}",
        ago(last.at, now),
        last.by,
        plural(fresh, "new trace"),
        plural(alerts, "alert")
    );
    if unreadable > 0 {
        text.push_str(&format!(", {} unreadable", plural(unreadable, "file")));
    }
    if suspect > 0 {
        text.push_str(&format!(", {} not what the tracker wrote", plural(suspect, "file")));
    }
    text
}
