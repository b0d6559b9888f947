//! Addresses that may become a link: of a runbook (from configuration) and of a console page (from a trace).

use crate::notification::Notification;

/// An address that is safe to put behind a word, and the host it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub url: String,
    pub host: String,
}

// Longer addresses are cut or refused by mail clients and by Slack.
const LONGEST: usize = 2000;

impl Link {
    /// The rule's runbook, if it is an address: `http` too, since it comes from the rule's author.
    pub fn runbook(notification: &Notification) -> Option<Self> {
        Self::parse(notification.runbook.as_deref()?, &["https://", "http://"])
    }

    /// The console page of the trace. Whoever wrote the trace could have chosen it:
    /// only `https`, and every format shows the host.
    pub fn console(notification: &Notification) -> Option<Self> {
        let opening = notification.alert.as_ref().map(|alert| &alert.trace);
        let trace = notification.worse.as_ref().map(|worse| &worse.trace).or(opening)?;
        Self::parse(trace.console_url.as_deref()?, &["https://"])
    }

    fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme))?;
        let plain = |b: u8| b.is_ascii_graphic() && !b"<>\"'`|\\^{}".contains(&b);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // No `@`: what looks like the host would be a user name.
        let host_is_plain =
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
        (text.len() <= LONGEST && text.bytes().all(plain) && host_is_plain)
            .then(|| Self { url: text.to_owned(), host: host.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_become_links() {
        let host = |text| Link::parse(text, &["https://"]).map(|link| link.host);
        assert_eq!(host("https://console.example.org/kms?a=1#/x"), Some("console.example.org".into()));
        for refused in [
            "http://console.example.org/",
            "javascript:alert(1)",
            "https://",
            "https:///path",
            "https://console.example.org@evil.example/",
            "https://evil.example/\"><script>",
            "https://evil.example/a|b>",
            "https://evil.example/\r\nBcc:x",
            "https://ex\u{e4}mple.org/",
            "HTTPS://example.org",
        ] {
            assert_eq!(host(refused), None, "{refused}");
        }
    }
}
