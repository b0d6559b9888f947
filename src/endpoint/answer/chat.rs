//! What Mattermost and Rocket.Chat answer to an incoming webhook.

use serde_json::Value;

use super::{Answer, paused, webhook};
use crate::delivery::Outcome;

/// `ok`, or JSON whose `id` says what was wrong.
pub fn mattermost(answer: Answer<'_>) -> Outcome {
    let said: Value = serde_json::from_str(answer.body).unwrap_or_default();
    let id = said["id"].as_str().unwrap_or_default();
    let reason = answer.reason();
    match answer.status {
        200 if answer.body.trim() == "ok" => Outcome::Delivered { answer: reason, receipt: None },
        200 => unknown(answer),
        400 if id.contains("channel_locked") || id.contains("permissions") => {
            paused(reason, "Mattermost does not let this webhook post to `channel`: leave it out, or allow it there")
        }
        400 if id.contains("invalid") || id.contains("disabled") => {
            paused(reason, "Mattermost no longer knows this webhook, or webhooks are off: check `webhook_url`")
        }
        404 if id.contains("channel") => paused(reason, "Mattermost finds no such channel: check `channel`"),
        400 | 413 => Outcome::Refused { reason, shorter_may_help: true },
        // Mattermost wraps its refusals to parse in its own failure.
        500 if id.contains("web.incoming_webhook.parse") => Outcome::Refused { reason, shorter_may_help: true },
        401 | 403 | 404 | 410 => paused(reason, "Mattermost does not accept this webhook: check `webhook_url`"),
        _ => webhook(answer),
    }
}

/// `{"success": true}`, or an `error`.
pub fn rocketchat(answer: Answer<'_>) -> Outcome {
    let said: Value = serde_json::from_str(answer.body).unwrap_or_default();
    let error = said["error"].as_str().unwrap_or_default();
    let reason = answer.reason();
    match answer.status {
        200 if said["success"] == true => Outcome::Delivered { answer: reason, receipt: None },
        200 if said["success"].is_null() => unknown(answer),
        // A message that is too long is said to be an error of the room's.
        _ if error.contains("size") || error.contains("too-long") => {
            Outcome::Refused { reason, shorter_may_help: true }
        }
        _ if error.contains("invalid-channel") || error.contains("not-allowed") => {
            paused(reason, "Rocket.Chat does not let this webhook post to its channel: look at the integration")
        }
        400 | 413 => Outcome::Refused { reason, shorter_may_help: true },
        200 | 401 | 403 | 404 | 410 => {
            paused(reason, "Rocket.Chat does not accept this webhook: check `webhook_url`, and that it is enabled")
        }
        _ => webhook(answer),
    }
}

/// A proxy's page or another program's answer: nobody said that it was taken.
fn unknown(answer: Answer<'_>) -> Outcome {
    Outcome::Retry { reason: answer.reason(), retry_after: answer.retry_after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(judge: fn(Answer<'_>) -> Outcome, status: u16, body: &str, expected: &str) {
        let outcome = judge(Answer { status, retry_after: None, body });
        assert_eq!(outcome.as_str(), expected, "{status} {body}: {outcome:?}");
        assert_ne!(super::super::class(&outcome), "other");
    }

    #[test]
    fn mattermost_answers() {
        let said = |id: &str| format!(r#"{{"id":"{id}","message":"no","status_code":400}}"#);
        check(mattermost, 200, "ok", "delivered");
        check(mattermost, 200, "<html>", "retry");
        check(mattermost, 400, &said("web.incoming_webhook.channel_locked.app_error"), "paused");
        check(mattermost, 400, &said("web.incoming_webhook.invalid.app_error"), "paused");
        check(mattermost, 404, &said("web.incoming_webhook.channel.app_error"), "paused");
        check(mattermost, 400, &said("web.incoming_webhook.text.app_error"), "refused");
        check(mattermost, 413, "", "refused");
        check(mattermost, 429, "", "retry");
        check(mattermost, 503, "", "retry");
        check(mattermost, 401, "", "paused");
    }

    #[test]
    fn rocketchat_answers() {
        check(rocketchat, 200, r#"{"success":true}"#, "delivered");
        check(rocketchat, 200, r#"{"success":false}"#, "paused");
        check(rocketchat, 200, "<html>", "retry");
        check(rocketchat, 400, r#"{"success":false,"error":"invalid-channel"}"#, "paused");
        check(rocketchat, 400, r#"{"success":false,"error":"error-message-size-exceeded"}"#, "refused");
        check(rocketchat, 400, r#"{"success":false,"error":"x"}"#, "refused");
        check(rocketchat, 401, "", "paused");
        check(rocketchat, 429, "", "retry");
        check(rocketchat, 502, "", "retry");
    }
}
