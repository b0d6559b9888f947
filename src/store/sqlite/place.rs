//! That the file is still where it was opened. A removed file can be written to
//! until the process ends, and then everything is gone.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::store::StoreError;

/// A path and the file that was found there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    path: Arc<PathBuf>,
    file: (u64, u64),
}

impl Place {
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let file = number(path).map_err(|error| StoreError::Unavailable {
            reason: format!("cannot look at the state file `{}`: {error}", path.display()),
        })?;
        Ok(Self { path: Arc::new(path.to_owned()), file })
    }

    /// Asked before each transaction: what cannot be kept must not be promised.
    pub fn check(&self) -> Result<(), StoreError> {
        if number(&self.path).is_ok_and(|file| file == self.file) {
            return Ok(());
        }
        let path = self.path.display();
        let reason = format!("the state file `{path}` was removed or replaced; put it back, or start tracebell again");
        Err(StoreError::Unavailable { reason })
    }
}

/// Device and inode.
fn number(path: &Path) -> io::Result<(u64, u64)> {
    let meta = fs::metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}
