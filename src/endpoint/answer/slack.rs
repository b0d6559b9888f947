//! Slack's answers: one word of an incoming webhook, or `ok` and `error` of its Web API.

use serde_json::Value;

use super::{Answer, paused, webhook};
use crate::{delivery::Outcome, render::inert};

/// The meaning of what an incoming webhook said: its one-word body says more than the status.
pub fn slack(answer: Answer<'_>) -> Outcome {
    let reason = answer.reason();
    let word = answer.body.trim();
    if (answer.status, word) == (200, "ok") {
        return Outcome::Delivered { answer: reason, receipt: None };
    }
    let fix = match word {
        "no_service" | "no_service_id" | "no_active_hooks" | "invalid_token" | "no_team" | "team_disabled" => {
            "Slack no longer knows this webhook: create a new one and configure it as `webhook_url`"
        }
        "channel_not_found" | "channel_is_archived" | "user_not_found" => {
            "the webhook's channel is gone: restore it, or create a webhook for another channel"
        }
        "action_prohibited" | "posting_to_general_channel_denied" => {
            "an administrator of the workspace forbids this webhook to post: ask them to allow it"
        }
        "invalid_payload" => return Outcome::Refused { reason, shorter_may_help: true },
        word if UNFIT.contains(&word) => return Outcome::Refused { reason, shorter_may_help: true },
        "rate_limited" | "ratelimited" | "rollup_error" => {
            return Outcome::Retry { reason, retry_after: answer.retry_after };
        }
        // A proxy's page or another program's answer: nobody said that Slack took it.
        _ if answer.status == 200 => return not_slack(answer),
        _ if matches!(answer.status, 401 | 403 | 404 | 410) => {
            "Slack does not accept this webhook: create a new one and configure it as `webhook_url`"
        }
        _ => return webhook(answer),
    };
    paused(reason, fix)
}

/// What the Web API did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Slack's own word for it; empty if there was none.
    pub word: String,
    pub outcome: Outcome,
}

impl Refusal {
    /// There was no answer from Slack.
    pub fn unheard(outcome: Outcome) -> Self {
        Self { word: String::new(), outcome }
    }
}

/// The meaning of the Web API's answer to `method`: what it returned, or why it did nothing.
pub fn slack_api(method: &str, answer: Answer<'_>) -> Result<Value, Refusal> {
    let Some(said) = serde_json::from_str::<Value>(answer.body).ok().filter(|said| said["ok"].is_boolean()) else {
        let outcome = if answer.status == 200 { not_slack(answer) } else { webhook(answer) };
        return Err(Refusal::unheard(outcome));
    };
    // A proxy may repeat an answer below another status; then nobody knows who speaks.
    if said["ok"] == true && answer.status == 200 {
        return Ok(said);
    }
    let word = said["error"].as_str().unwrap_or_default();
    Err(Refusal { word: word.to_owned(), outcome: refused(method, word, &said, answer) })
}

fn refused(method: &str, word: &str, said: &Value, answer: Answer<'_>) -> Outcome {
    let reason = format!("slack_error: Slack answered `{}` to {method}", inert::line(word, 60));
    let fix = match word {
        "missing_scope" => {
            let needed = inert::line(said["needed"].as_str().unwrap_or("chat:write"), 80);
            return paused(
                reason,
                &format!("give the app the scope `{needed}` (OAuth & Permissions, Bot Token Scopes), install it again"),
            );
        }
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "not_allowed_token_type"
        | "team_not_found"
        | "user_is_bot" => {
            "Slack does not accept the token: install the app again and configure its Bot User OAuth Token as `token`"
        }
        "not_in_channel" => "the app is not in the channel: write `/invite @` and its name there",
        "channel_not_found" => {
            "there is no such channel, or it is private and the app is not in it: check `channel`, or invite the app"
        }
        "is_archived" => "the channel is archived: restore it, or configure another `channel`",
        "no_permission"
        | "access_denied"
        | "accesslimited"
        | "ekm_access_denied"
        | "enterprise_is_restricted"
        | "team_access_not_granted"
        | "restricted_action"
        | "restricted_action_read_only_channel"
        | "restricted_action_thread_only_channel"
        | "posting_to_general_channel_denied" => {
            "the workspace does not let the app post there: ask an administrator, or configure another `channel`"
        }
        "org_login_required" | "two_factor_setup_required" => {
            "the workspace moves or wants a login first: ask an administrator when it will take messages"
        }
        "unknown_method" | "method_deprecated" | "deprecated_endpoint" => {
            "this is not Slack's Web API: check `api_url`"
        }
        word if UNFIT.contains(&word) => return Outcome::Refused { reason, shorter_may_help: true },
        // Rate limits, Slack's own failures, and words that are new: none of them says that the next try fails too.
        _ => return Outcome::Retry { reason, retry_after: answer.retry_after },
    };
    paused(reason, fix)
}

/// Words that mean the message itself.
const UNFIT: [&str; 22] = [
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_attachments",
    "no_text",
    "msg_too_long",
    "msg_blocks_too_long",
    "too_many_attachments",
    "attachment_payload_limit_exceeded",
    "invalid_arguments",
    "invalid_arg_name",
    "invalid_array_arg",
    "invalid_charset",
    "invalid_form_data",
    "invalid_json",
    "json_not_object",
    "invalid_post_type",
    "missing_post_type",
    "missing_charset",
    "invalid_metadata_format",
    "invalid_metadata_schema",
    "metadata_too_large",
    "metadata_must_be_sent_from_app",
];

fn not_slack(answer: Answer<'_>) -> Outcome {
    let reason = answer.reason();
    let tail = reason.split_once(": ").map_or(reason.as_str(), |(_, tail)| tail);
    Outcome::Retry { reason: format!("slack_not_ok: {tail}"), retry_after: answer.retry_after }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::class, *};

    #[track_caller]
    fn check(status: u16, body: &str, outcome: &str, told: &str) {
        let answer = Answer { status, retry_after: Some(Duration::from_secs(7)), body };
        let refusal = slack_api("chat.postMessage", answer).expect_err("refused");
        assert_eq!(refusal.outcome.as_str(), outcome, "{refusal:?}");
        assert!(format!("{:?}", refusal.outcome).contains(told), "{refusal:?}");
        assert_ne!(class(&refusal.outcome), "other");
    }

    #[test]
    fn web_api_words() {
        for (word, outcome, told) in [
            ("invalid_auth", "paused", "install the app again"),
            ("account_inactive", "paused", "Bot User OAuth Token"),
            ("token_revoked", "paused", "`token`"),
            ("token_expired", "paused", "`token`"),
            ("not_in_channel", "paused", "/invite"),
            ("channel_not_found", "paused", "check `channel`"),
            ("is_archived", "paused", "archived"),
            ("missing_scope", "paused", "`chat:write`"),
            ("no_permission", "paused", "administrator"),
            ("org_login_required", "paused", "administrator"),
            ("msg_too_long", "refused", "msg_too_long"),
            ("invalid_blocks", "refused", "invalid_blocks"),
            ("too_many_attachments", "refused", ""),
            ("rate_limited", "retry", "7s"),
            ("ratelimited", "retry", "7s"),
            ("fatal_error", "retry", "fatal_error"),
            ("internal_error", "retry", ""),
            ("service_unavailable", "retry", ""),
            ("request_timeout", "retry", ""),
            ("a_word_of_next_year", "retry", "a_word_of_next_year"),
        ] {
            check(200, &format!(r#"{{"ok":false,"error":"{word}"}}"#), outcome, told);
        }
        let needed = r#"{"ok":false,"error":"missing_scope","needed":"reactions:write","provided":"chat:write"}"#;
        check(200, needed, "paused", "`reactions:write`");
        check(429, r#"{"ok":false,"error":"ratelimited"}"#, "retry", "7s");
        check(200, "<html>Sign in</html>", "retry", "slack_not_ok");
        check(200, r#"{"error":"invalid_auth"}"#, "retry", "slack_not_ok");
        check(503, "", "retry", "http_5xx");
        check(302, "", "paused", "http_3xx");
        check(500, r#"{"ok":true}"#, "retry", "");
        check(200, "{\"ok\":false,\"error\":\"\u{1b}[2J`\"}", "retry", "[2J");
    }

    #[test]
    fn what_was_done_is_returned() {
        let body = r#"{"ok":true,"channel":"C1","ts":"1.2"}"#;
        let answer = Answer { status: 200, retry_after: None, body };
        assert_eq!(slack_api("chat.postMessage", answer).expect("done")["ts"], "1.2");
    }
}
