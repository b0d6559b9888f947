//! What an HTTP or SMTP answer means: delivered, later, never, paused.
