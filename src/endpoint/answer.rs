//! What an HTTP or SMTP answer means: delivered, later, never, paused.
//!
//! Pure. Each reason begins with a class from [`CLASSES`] and a colon, so that
//! metrics have few values while people read the rest.

use std::time::Duration;

use jiff::{fmt::strtime::BrokenDownTime, tz::TimeZone};

use crate::{
    clock::{self, Timestamp},
    delivery::Outcome,
    render::inert,
};

mod chat;
mod slack;
mod smn;

pub use chat::{mattermost, rocketchat};
pub use slack::{Refusal, slack, slack_api};
pub use smn::smn;

/// Every class a reason can begin with.
pub const CLASSES: &[&str] = &[
    "http_2xx",
    "http_3xx",
    "http_400",
    "http_401",
    "http_403",
    "http_404",
    "http_408",
    "http_410",
    "http_413",
    "http_422",
    "http_425",
    "http_429",
    "http_4xx",
    "http_5xx",
    "http_other",
    "slack_not_ok",
    "slack_error",
    "smtp_2xx",
    "smtp_4xx",
    "smtp_5xx",
    "smtp_auth",
    "smtp_starttls",
    "smtp_unable",
    "login",
    "forbidden",
    "timeout",
    "connect",
    "dns",
    "tls",
    "io",
];

/// What an HTTP server said.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub status: u16,
    /// The header as it came; see [`retry_after`].
    pub retry_after: Option<Duration>,
    /// The beginning of the body.
    pub body: &'a str,
}

/// What mends a TLS failure that does not go away.
pub const TLS_FIX: &str = "the receiver's certificate or TLS version is not accepted: see that the certificate is in \
    date, names this host and comes from a known authority (`tls.ca` or `smtp.ca` for one of your own)";

// As much of the other side's text as is kept with an attempt.
const QUOTED: usize = 200;

/// A class for metrics, from [`CLASSES`] or `other`.
pub fn class(outcome: &Outcome) -> String {
    let word = outcome.reason().split(':').next().unwrap_or_default();
    if CLASSES.contains(&word) { word.to_owned() } else { "other".to_owned() }
}

/// A reason for people: without the class that metrics count it under, and without the system's error number.
pub fn in_words(reason: &str) -> &str {
    let told = match reason.split_once(": ") {
        Some((class, rest))
            if class.starts_with("http_")
                || class.starts_with("smtp_")
                || matches!(class, "timeout" | "forbidden" | "slack_error" | "slack_not_ok" | "login") =>
        {
            rest
        }
        _ => reason,
    };
    told.rsplit_once(" (os error ").filter(|(_, number)| number.ends_with(')')).map_or(told, |(head, _)| head)
}

/// The meaning of a webhook receiver's answer.
pub fn webhook(answer: Answer<'_>) -> Outcome {
    let reason = answer.reason();
    match answer.status {
        200..=299 => Outcome::Delivered { answer: reason, receipt: None },
        300..=399 => paused(reason, "the address redirects, which is not followed: configure the new address as `url`"),
        408 | 409 | 423 | 425 | 429 | 500..=599 => Outcome::Retry { reason, retry_after: answer.retry_after },
        400 | 413 | 422 => Outcome::Refused { reason, shorter_may_help: true },
        401 | 403 => paused(
            reason,
            "the receiver does not accept our credentials: check `bearer`, `basic`, `headers` and `sign.secret`",
        ),
        404 => paused(reason, "the receiver does not know this address: check `url`"),
        410 => paused(reason, "the receiver is gone for good: configure another `url` or remove the endpoint"),
        400..=499 => paused(reason, "the receiver does not take webhooks at this address: check `url`"),
        // Informational answers never end an exchange; whatever this is, it was no acceptance.
        _ => Outcome::Retry { reason, retry_after: answer.retry_after },
    }
}

/// Where an SMTP exchange ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Greeting,
    Starttls,
    Auth,
    /// `MAIL FROM`.
    Sender,
    /// A recipient, or the mail itself.
    Mail,
}

/// The meaning of a negative SMTP reply.
pub fn smtp(stage: Stage, code: u16, text: &str) -> Outcome {
    let text = inert::line(text, QUOTED);
    let says = |class: &str| format!("{class}: the server answered {code} {text}").trim_end().to_owned();
    match (stage, code) {
        (_, 400..=499) => Outcome::Retry { reason: says("smtp_4xx"), retry_after: None },
        (Stage::Auth, _) | (_, 530 | 534 | 535 | 538) => paused(
            says("smtp_auth"),
            "the mail server does not accept our login: check `username`, `password` and `tls`",
        ),
        (Stage::Starttls, _) => {
            paused(says("smtp_starttls"), "the mail server refuses STARTTLS: check `tls` and `port`")
        }
        // A server that turns us away before it saw the mail would turn all mail away.
        (Stage::Greeting, _) => paused(
            says("smtp_5xx"),
            "the mail server does not talk to us: check `host` and whether it allows our address",
        ),
        // A sender that is not taken is every mail's matter.
        (Stage::Sender, code) if code != 552 => paused(
            says("smtp_5xx"),
            "the mail server does not take mail from our sender: check `from`, and that `username` may send as it",
        ),
        // 552 is about room for the mail, 554 may be; 550 and the like are about its addresses.
        (Stage::Sender | Stage::Mail, _) => {
            Outcome::Refused { reason: says("smtp_5xx"), shorter_may_help: matches!(code, 552 | 554) }
        }
    }
}

/// Takes nothing until somebody mends it.
pub fn paused(reason: String, fix: &str) -> Outcome {
    Outcome::Paused { reason, fix: fix.to_owned() }
}

/// Failed before there was an answer.
pub fn retry(class: &str, text: &str) -> Outcome {
    Outcome::Retry { reason: format!("{class}: {}", inert::line(text, QUOTED)), retry_after: None }
}

/// The attempt took longer than it may.
pub fn timed_out(limit: Duration) -> Outcome {
    retry("timeout", &format!("timed out after {}", clock::in_words(limit)))
}

impl Answer<'_> {
    fn reason(&self) -> String {
        let class = match self.status {
            200..=299 => "http_2xx".to_owned(),
            300..=399 => "http_3xx".to_owned(),
            400 | 401 | 403 | 404 | 408 | 410 | 413 | 422 | 425 | 429 => format!("http_{}", self.status),
            400..=499 => "http_4xx".to_owned(),
            500..=599 => "http_5xx".to_owned(),
            _ => "http_other".to_owned(),
        };
        let body = inert::line(self.body.trim(), QUOTED);
        let quoted = if body.is_empty() { String::new() } else { format!(" `{body}`") };
        format!("{class}: answered {}{quoted}", self.status)
    }
}

/// A reason without its class: what the other side said.
pub fn said(reason: &str) -> &str {
    reason.split_once(": ").map_or(reason, |(_, tail)| tail)
}

/// Nobody's wish holds an endpoint back longer.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
const LONGEST_HEADER: usize = 256;

/// How long the header asks to wait: seconds or an HTTP date in any of its three
/// spellings, held to 0..24 h. `None` if it says neither.
pub fn retry_after(header: &[u8], now: Timestamp) -> Option<Duration> {
    let text = str::from_utf8(header).ok()?.trim();
    if text.is_empty() || header.len() > LONGEST_HEADER {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit are still a number, and a huge one.
        return Some(text.parse().map_or(LONGEST_WAIT, |seconds| Duration::from_secs(seconds).min(LONGEST_WAIT)));
    }
    // IMF-fixdate, RFC 850, asctime.
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .into_iter()
        .find_map(|format| BrokenDownTime::parse(format, text).ok()?.to_datetime().ok())
        .and_then(|date| date.to_zoned(TimeZone::UTC).ok())
        .map(|date| clock::since(now, date.timestamp()).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outcome: &Outcome) -> (&'static str, String) {
        (outcome.as_str(), class(outcome))
    }

    #[test]
    fn what_a_class_says_is_not_said_twice() {
        assert_eq!(in_words("http_404: answered 404 `gone`"), "answered 404 `gone`");
        assert_eq!(in_words("connect: Connection refused (os error 111)"), "connect: Connection refused");
        assert_eq!(in_words("timeout: timed out after 15 s"), "timed out after 15 s");
        assert_eq!(in_words("what: ever"), "what: ever");
    }

    #[track_caller]
    fn check(judge: fn(Answer<'_>) -> Outcome, status: u16, body: &str, outcome: &str, class: &str) {
        let found = judge(Answer { status, retry_after: Some(Duration::from_secs(7)), body });
        assert_eq!(
            told(&found),
            (Box::leak(outcome.to_owned().into_boxed_str()) as &str, class.to_owned()),
            "{found:?}"
        );
        if let Outcome::Retry { retry_after, .. } = found {
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
        }
        assert!(CLASSES.contains(&class));
    }

    #[test]
    fn webhook_answers() {
        for (status, outcome, class) in [
            (200, "delivered", "http_2xx"),
            (202, "delivered", "http_2xx"),
            (204, "delivered", "http_2xx"),
            (299, "delivered", "http_2xx"),
            (301, "paused", "http_3xx"),
            (307, "paused", "http_3xx"),
            (400, "refused", "http_400"),
            (413, "refused", "http_413"),
            (422, "refused", "http_422"),
            (401, "paused", "http_401"),
            (403, "paused", "http_403"),
            (404, "paused", "http_404"),
            (405, "paused", "http_4xx"),
            (410, "paused", "http_410"),
            (408, "retry", "http_408"),
            (409, "retry", "http_4xx"),
            (425, "retry", "http_425"),
            (429, "retry", "http_429"),
            (500, "retry", "http_5xx"),
            (503, "retry", "http_5xx"),
            (599, "retry", "http_5xx"),
            (101, "retry", "http_other"),
            (999, "retry", "http_other"),
        ] {
            check(webhook, status, "<h1>whatever</h1>", outcome, class);
        }
    }

    #[test]
    fn slack_words() {
        for (status, body, outcome, class) in [
            (200, "ok", "delivered", "http_2xx"),
            (200, "ok\n", "delivered", "http_2xx"),
            (200, "<html>Sign in to the hotel's network</html>", "retry", "slack_not_ok"),
            (200, "", "retry", "slack_not_ok"),
            (404, "no_service", "paused", "http_404"),
            (200, "no_service", "paused", "http_2xx"),
            (410, "channel_is_archived", "paused", "http_410"),
            (404, "channel_not_found", "paused", "http_404"),
            (403, "action_prohibited", "paused", "http_403"),
            (403, "invalid_token", "paused", "http_403"),
            (404, "no_active_hooks", "paused", "http_404"),
            (400, "invalid_payload", "refused", "http_400"),
            (400, "invalid_blocks", "refused", "http_400"),
            (403, "invalid_blocks", "refused", "http_403"),
            (429, "rate_limited", "retry", "http_429"),
            (500, "rollup_error", "retry", "http_5xx"),
            (503, "", "retry", "http_5xx"),
            (302, "", "paused", "http_3xx"),
            (404, "something new", "paused", "http_404"),
        ] {
            check(slack, status, body, outcome, class);
        }
    }

    #[test]
    fn smtp_replies() {
        for (stage, code, outcome, class) in [
            (Stage::Mail, 451, "retry", "smtp_4xx"),
            (Stage::Auth, 454, "retry", "smtp_4xx"),
            (Stage::Greeting, 421, "retry", "smtp_4xx"),
            (Stage::Mail, 550, "refused", "smtp_5xx"),
            (Stage::Mail, 552, "refused", "smtp_5xx"),
            (Stage::Mail, 421, "retry", "smtp_4xx"),
            (Stage::Sender, 552, "refused", "smtp_5xx"),
            (Stage::Sender, 550, "paused", "smtp_5xx"),
            (Stage::Sender, 450, "retry", "smtp_4xx"),
            (Stage::Mail, 530, "paused", "smtp_auth"),
            (Stage::Auth, 535, "paused", "smtp_auth"),
            (Stage::Auth, 504, "paused", "smtp_auth"),
            (Stage::Starttls, 502, "paused", "smtp_starttls"),
            (Stage::Greeting, 554, "paused", "smtp_5xx"),
        ] {
            assert_eq!(told(&smtp(stage, code, "5.7.1 no")), (outcome, class.to_owned()), "{stage:?} {code}");
        }
    }

    #[test]
    fn classes_are_a_closed_set() {
        assert_eq!(class(&timed_out(Duration::from_secs(15))), "timeout");
        assert_eq!(timed_out(Duration::from_secs(15)).reason(), "timeout: timed out after 15 s");
        assert_eq!(class(&Outcome::Refused { reason: "eve: chose this".into(), shorter_may_help: false }), "other");
        assert_eq!(class(&Outcome::Delivered { answer: String::new(), receipt: None }), "other");
    }

    #[test]
    fn other_sides_text_is_short_and_harmless() {
        let body = format!("\u{1b}[2J{}", "x".repeat(4096));
        let outcome = webhook(Answer { status: 500, retry_after: None, body: &body });
        assert!(outcome.reason().chars().count() < 240 && !outcome.reason().contains('\u{1b}'));
    }

    #[test]
    fn retry_after_in_all_spellings() {
        let now: Timestamp = "2026-01-15T08:30:00Z".parse().unwrap();
        let seconds = |header: &str| retry_after(header.as_bytes(), now).map(|wait| wait.as_secs());
        for (header, expected) in [
            ("0", Some(0)),
            (" 30 ", Some(30)),
            ("86400", Some(86_400)),
            ("1000000000", Some(86_400)),
            ("999999999999999999999999999999", Some(86_400)),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("abc", None),
            ("", None),
            ("Thu, 15 Jan 2026 08:31:00 GMT", Some(60)),
            ("Thu, 15 Jan 2026 08:29:00 GMT", Some(0)),
            ("Sat, 15 Jan 2056 08:31:00 GMT", Some(86_400)),
            ("Thursday, 15-Jan-26 08:30:09 GMT", Some(9)),
            ("Thu Jan 15 08:30:05 2026", Some(5)),
            ("Thu, 32 Jan 2026 08:31:00 GMT", None),
        ] {
            assert_eq!(seconds(header), expected, "`{header}`");
        }
        assert_eq!(retry_after(&b"9".repeat(257), now), None);
        assert_eq!(retry_after(&[0xff, 0xfe], now), None);
    }
}
