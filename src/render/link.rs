//! Addresses that may become a link: of a runbook (from configuration), of a console page (from a
//! trace), and of Tracebell's own pages, signed so that who got the message may use them.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    clock::{self, Timestamp},
    notification::Notification,
    render::{Letter, inert::cut},
    secret::Secret,
};

/// Where Tracebell's own pages are, as the readers of its messages reach them.
#[derive(Debug, Clone, PartialEq)]
pub struct Links {
    /// `https://bell.example.org`, without a slash at the end.
    base: String,
    /// Signs what an address allows.
    key: Secret,
}

/// What an address allows whoever has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To read what became of an alert.
    View,
    /// To silence what is like the alert.
    Silence,
    /// To see a silence and end it.
    End,
}

/// An address in a message works this long.
const WORKS_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

impl Links {
    pub fn new(base: &str, key: Secret) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), key }
    }

    /// Of the page that tells what became of an alert, written into a message at `now`.
    pub fn view(&self, alert: &str, now: Timestamp) -> String {
        format!("{}/{}", self.base, self.signed(Purpose::View, alert, now))
    }

    /// Of the form that silences what is like the alert.
    pub fn silence(&self, alert: &str, now: Timestamp) -> String {
        format!("{}/{}", self.base, self.signed(Purpose::Silence, alert, now))
    }

    /// Of the page of a silence, below the root.
    pub fn end(&self, silence: &str, now: Timestamp) -> String {
        self.signed(Purpose::End, silence, now)
    }

    /// True if this Tracebell wrote the address for that purpose and it is not too old.
    pub fn allows(&self, purpose: Purpose, about: &str, until: i64, signature: &str, now: Timestamp) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        now.as_second() <= until && self.mac(purpose, about, until).verify_slice(&signature).is_ok()
    }

    /// Below the root.
    fn signed(&self, purpose: Purpose, about: &str, now: Timestamp) -> String {
        let until = clock::plus(now, WORKS_FOR).as_second();
        let signature = URL_SAFE_NO_PAD.encode(self.mac(purpose, about, until).finalize().into_bytes());
        let page = match purpose {
            Purpose::View => format!("alerts/{about}"),
            Purpose::Silence => format!("alerts/{about}/silence"),
            Purpose::End => format!("silences/{about}"),
        };
        format!("{page}?until={until}&sig={signature}")
    }

    fn mac(&self, purpose: Purpose, about: &str, until: i64) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(self.key.expose().as_bytes()).expect("HMAC takes keys of any length");
        mac.update(format!("{purpose:?}\n{about}\n{until}").as_bytes());
        mac
    }
}

/// An address that is safe to put behind a word, and the host it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// `Runbook`: what is there.
    pub label: &'static str,
    pub url: String,
    pub host: String,
    /// Whoever wrote the trace could have chosen it: every format shows the host.
    pub foreign: bool,
}

// Longer addresses are cut or refused by mail clients and by Slack.
const LONGEST: usize = 2000;
const HOST: usize = 100;

/// Labels of links to our own pages, which formats may show in ways of their own.
pub const BECAME: &str = "What became of it";
pub const SILENCE: &str = "Silence this";

/// All links of a message, in the order in which they are shown: what to do, the thing itself,
/// what became of it, and how to hear no more of it.
pub fn links(letter: &Letter<'_>) -> Vec<Link> {
    let Letter { address, notification, .. } = *letter;
    let mut links: Vec<Link> =
        [Link::runbook(notification), Link::console(notification)].into_iter().flatten().collect();
    if let (Some(pages), Some(alert)) = (&address.links, &notification.alert) {
        let now = notification.created_at;
        let own = [(BECAME, pages.view(&alert.id, now)), (SILENCE, pages.silence(&alert.id, now))];
        links.extend(own.into_iter().filter_map(|(label, url)| Link::own(label, &url)));
    }
    links
}

impl Link {
    /// The rule's runbook, if it is an address: `http` too, since it comes from the rule's author.
    pub fn runbook(notification: &Notification) -> Option<Self> {
        Self::own("Runbook", notification.runbook.as_deref()?)
    }

    /// The console page of the trace: only `https`.
    pub fn console(notification: &Notification) -> Option<Self> {
        let opening = notification.alert.as_ref().map(|alert| &alert.trace);
        let trace = notification.worse.as_ref().map(|worse| &worse.trace).or(opening)?;
        let (url, host) = parse(trace.console_url.as_deref()?, &["https://"])?;
        Some(Self { label: "Open in console", url, host, foreign: true })
    }

    /// The label, and the host where it must be seen: `Open in console (console.otc.t-systems.com)`.
    pub fn words(&self) -> String {
        if self.foreign { format!("{} ({})", self.label, cut(&self.host, HOST)) } else { self.label.to_owned() }
    }

    /// From configuration or of our own making.
    fn own(label: &'static str, text: &str) -> Option<Self> {
        let (url, host) = parse(text, &["https://", "http://"])?;
        Some(Self { label, url, host, foreign: false })
    }
}

/// The address and its host, if there is nothing in it that a format or a reader could misread.
fn parse(text: &str, schemes: &[&str]) -> Option<(String, String)> {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme))?;
    let plain = |b: u8| b.is_ascii_graphic() && !b"<>\"'`|\\^{}".contains(&b);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // No `@`: what looks like the host would be a user name.
    let host_is_plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
    (text.len() <= LONGEST && text.bytes().all(plain) && host_is_plain).then(|| (text.to_owned(), host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::{Key, Severity},
        notification::AlertFacts,
        render::{Address, Format},
        trace::Trace,
    };

    #[test]
    fn signed_addresses_allow_what_they_were_written_for() {
        let links = Links::new("https://bell.example.org/", Secret::new("k"));
        let now = Timestamp::UNIX_EPOCH;
        let address = links.silence("alr_1", now);
        assert!(address.starts_with("https://bell.example.org/alerts/alr_1/silence?until=2592000&sig="), "{address}");
        let signature = address.rsplit_once('=').expect("a signature").1;
        let allows = |purpose, alert, until, now| links.allows(purpose, alert, until, signature, now);
        assert!(allows(Purpose::Silence, "alr_1", 2_592_000, now));
        assert!(!allows(Purpose::View, "alr_1", 2_592_000, now));
        assert!(!allows(Purpose::Silence, "alr_2", 2_592_000, now));
        assert!(!allows(Purpose::Silence, "alr_1", 9_592_000, now));
        assert!(!allows(Purpose::Silence, "alr_1", 2_592_000, clock::plus(now, WORKS_FOR * 2)));
        assert!(!links.allows(Purpose::View, "alr_1", 2_592_000, "%", now));
    }

    #[test]
    fn only_plain_addresses_become_links() {
        let host = |text| parse(text, &["https://"]).map(|(_, host)| host);
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

    #[test]
    fn a_message_has_one_list_of_links() {
        let mut notification = Notification::notice(Severity::High, "t", vec![], Timestamp::UNIX_EPOCH);
        notification.runbook = Some("https://wiki.example.org/kms".into());
        let mut trace = Trace::blank("t1", Timestamp::UNIX_EPOCH);
        trace.console_url = Some("https://console.example.org/kms".into());
        notification.alert = Some(AlertFacts {
            id: "alr_1".into(),
            rule: "r".into(),
            fingerprint: String::new(),
            key: Key::new(),
            count: 1,
            tells: 1,
            first_time: None,
            span: Duration::ZERO,
            open_until: None,
            trace,
        });
        let words = |address: &Address| {
            let letter = Letter { address, notification: &notification, id: "m", thread: "m", subscription: "s/e" };
            links(&letter).iter().map(Link::words).collect::<Vec<_>>()
        };
        let mut address = Address::plain(Format::Slack);
        assert_eq!(words(&address), ["Runbook", "Open in console (console.example.org)"]);
        address.links = Some(Links::new("https://bell.example.org", Secret::new("k")));
        let all = ["Runbook", "Open in console (console.example.org)", "What became of it", "Silence this"];
        assert_eq!(words(&address), all);
    }
}
