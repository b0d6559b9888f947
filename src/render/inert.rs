//! Makes text from traces harmless: control characters, bidi, length.
