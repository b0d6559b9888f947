//! Logs: text on a terminal, JSON lines elsewhere.
