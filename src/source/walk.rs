//! Paging through one window: marker, stop rules, loops.

use super::Window;

/// Progress through one window.
#[derive(Debug, Clone)]
pub struct Walk {
    pub window: Window,
}

impl Walk {
    pub fn new(window: Window) -> Self {
        Self { window }
    }
}
