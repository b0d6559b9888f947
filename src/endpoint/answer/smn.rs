//! The cloud's Simple Message Notification.

use serde::Deserialize;
use serde_json::json;

use super::{Answer, paused, retry, webhook};
use crate::delivery::Outcome;

/// `{"request_id":"…","code":"SMN.0006","message":"Topic not found."}`; the gateway before it has names of its own.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    #[serde(alias = "error_code")]
    code: String,
    #[serde(alias = "error_msg")]
    message: String,
    message_id: String,
}

impl Said {
    fn of(answer: Answer<'_>) -> Self {
        serde_json::from_str(answer.body).unwrap_or_default()
    }
}

/// The meaning of an answer to a publication.
pub fn smn(answer: Answer<'_>) -> Outcome {
    let said = Said::of(answer);
    let words = match (said.code.as_str(), said.message.as_str()) {
        ("", "") => answer.body.to_owned(),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    let general = webhook(Answer { body: &words, ..answer });
    let reason = general.reason().to_owned();
    let fix = match (answer.status, said.code.as_str()) {
        (200 | 201, _) if !said.message_id.is_empty() => {
            let receipt = json!({ "message_id": said.message_id }).to_string();
            let answer = reason.split('`').next().unwrap_or_default().trim_end().to_owned();
            return Outcome::Delivered { answer, receipt: Some(receipt) };
        }
        (200..=299, _) => return retry("http_other", "answered without SMN's `message_id`"),
        // Subject, text, structure and tags: of this publication, not of the endpoint.
        (_, "SMN.0008" | "SMN.0009" | "SMN.0021" | "SMN.0038" | "SMN.0047" | "SMN.0075") => {
            return Outcome::Refused { reason, shorter_may_help: true };
        }
        (408 | 425 | 429 | 500..=599, _) => return general,
        (_, "SMN.0001") => {
            "let the user publish: the permission `SMN:Publish` (role `SMN Administrator`), in this project"
        }
        (_, "SMN.0005" | "SMN.0006") => "there is no such topic: check `topic_urn` and `project`, or create the topic",
        (_, "SMN.0024" | "SMN.0027" | "SMN.0031" | "SMN.0032" | "SMN.0076") => {
            "check `template`: a template of that name with the protocol `default` must exist"
        }
        (_, "SMN.0057" | "SMN.0065") => "the account's quota of short messages or mails is used up: raise it, or wait",
        (401, _) | (_, "SMN.0022" | "IAM.1108") => {
            "SMN does not accept a login of this moment: check that `project` and the topic's region belong together"
        }
        (403, _) => "let the user publish: the permission `SMN:Publish` in this project, and the topic's access policy",
        (404, _) => "check `topic_urn`, and `url` if it is given: nothing is there",
        (300..=399, _) => "the address leads elsewhere: check `url`, or the catalogue's address of `smn`",
        _ => return general,
    };
    paused(reason, fix)
}
