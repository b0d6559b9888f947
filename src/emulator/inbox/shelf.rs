//! What the inbox received lately, in the order of arrival, for the page that shows it.
//!
//! Bounded: the oldest give way. A message that its sender edits stays at its place.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::Received;
use crate::clock::Timestamp;

/// More than a person scrolls through.
const KEPT: usize = 300;

/// Clones share what they hold.
#[derive(Debug, Clone)]
pub struct Shelf {
    inner: Arc<Mutex<Inner>>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    version: u64,
}

/// One thing that arrived.
#[derive(Debug, Clone)]
pub struct Item {
    /// The version of the shelf with which it came.
    pub number: u64,
    /// The version with which it came or was edited last.
    pub version: u64,
    pub at: Timestamp,
    pub received: Received,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { inner: Arc::default(), version: watch::Sender::new(0) }
    }
}

impl Shelf {
    /// Puts it down, or in the place of an earlier one that `replaces` recognises.
    pub fn put(&self, received: Received, at: Timestamp, replaces: impl Fn(&Received) -> bool) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.version += 1;
        let version = inner.version;
        match inner.items.iter_mut().rev().find(|item| replaces(&item.received)) {
            Some(item) => (item.version, item.received) = (version, received),
            None => inner.items.push_back(Item { number: version, version, at, received }),
        }
        if inner.items.len() > KEPT {
            inner.items.pop_front();
        }
        self.version.send_replace(version);
    }

    /// What came or changed after `version`, oldest first, and the version now.
    pub fn since(&self, version: u64) -> (Vec<Item>, u64) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.items.iter().filter(|item| item.version > version).cloned().collect(), inner.version)
    }

    /// Returns once something came after `version`.
    pub async fn beyond(&self, version: u64) {
        // The sender lives as long as the shelf, so there is nothing to fail.
        let _ = self.version.subscribe().wait_for(|now| *now > version).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, body: &str) -> Received {
        Received::Http { path: path.into(), headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn what_is_edited_stays_in_its_place_and_is_news() {
        let (shelf, now) = (Shelf::default(), Timestamp::UNIX_EPOCH);
        shelf.put(text("slack", "1"), now, |_| false);
        shelf.put(text("slack", "2"), now, |_| false);
        let (_, seen) = shelf.since(0);
        shelf.put(
            text("slack", "1, edited"),
            now,
            |other| matches!(other, Received::Http { body, .. } if body == b"1"),
        );
        let (news, version) = shelf.since(seen);
        assert_eq!(news.iter().map(|item| item.number).collect::<Vec<_>>(), [1]);
        assert_eq!(version, 3);
        assert_eq!(shelf.since(0).0.len(), 2);
    }

    #[test]
    fn the_oldest_give_way() {
        let shelf = Shelf::default();
        for n in 0..KEPT + 5 {
            shelf.put(text("soar", &n.to_string()), Timestamp::UNIX_EPOCH, |_| false);
        }
        let (items, _) = shelf.since(0);
        assert_eq!((items.len(), items[0].number), (KEPT, 6));
    }
}
