//! A notification as it is kept: what is sent is the body made of it, so its text is read again only when
//! somebody asks.

use std::{fmt, ops::Deref, sync::OnceLock};

use super::Notification;
use crate::{alert::Severity, clock::Timestamp};

/// Made of a notification, or of the text that one became; never of nothing.
#[derive(Clone)]
pub struct Frozen {
    text: OnceLock<String>,
    read: OnceLock<Box<Notification>>,
}

impl Frozen {
    /// What [`Frozen::text`] gave, perhaps long ago.
    pub fn stored(text: impl Into<String>) -> Self {
        Self { text: OnceLock::from(text.into()), read: OnceLock::new() }
    }

    /// False if the text was written by a version that knew more.
    pub fn is_readable(&self) -> bool {
        self.read.get().is_some() || serde_json::from_str::<Notification>(self.text()).is_ok()
    }

    /// JSON.
    pub fn text(&self) -> &str {
        self.text.get_or_init(|| {
            serde_json::to_string(&**self).expect("these types have string keys and no failing serializers")
        })
    }
}

/// Text that cannot be read (a newer version wrote it) is told as such; its body is sent all the same.
impl Deref for Frozen {
    type Target = Notification;

    fn deref(&self) -> &Notification {
        self.read.get_or_init(|| {
            let text = self.text.get().map_or("", String::as_str);
            Box::new(serde_json::from_str(text).unwrap_or_else(|error| {
                let title = "A stored notification cannot be read by this version".to_owned();
                Notification::notice(Severity::High, title, vec![error.to_string()], Timestamp::UNIX_EPOCH)
            }))
        })
    }
}

impl From<Notification> for Frozen {
    fn from(notification: Notification) -> Self {
        Self { text: OnceLock::new(), read: OnceLock::from(Box::new(notification)) }
    }
}

impl PartialEq for Frozen {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_cannot_be_read_is_told() {
        let notification = Notification::notice(Severity::Low, "x".to_owned(), Vec::new(), Timestamp::UNIX_EPOCH);
        let made = Frozen::from(notification.clone());
        let stored = Frozen::stored(made.text());
        assert_eq!(*stored, notification);
        assert_eq!(stored, made);
        let newer = Frozen::stored(r#"{"kind":"sung"}"#);
        assert!(newer.title.contains("cannot be read") && newer.lines[0].contains("sung"), "{newer:?}");
        assert_eq!(newer.text(), r#"{"kind":"sung"}"#, "what is stored stays as it was");
        assert!(stored.is_readable() && !Frozen::stored("{}").is_readable());
    }
}
