//! Who writes for a source. Poller and push read what rules remember, fold traces into it and write it whole: two
//! at once would forget what the other one saw.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

/// One for each source, shared by all ways in which its traces come.
#[derive(Debug, Clone, Default)]
pub struct Turn(Arc<Mutex<()>>);

impl Turn {
    /// Held from the first read to the commit: that is what it is for.
    pub async fn wait(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0).lock_owned().await
    }
}
