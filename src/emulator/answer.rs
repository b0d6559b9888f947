//! How each family of services says no: Keystone, CTS, the gateway before them.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

pub type Answer = Result<Response, Refusal>;

#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    body: Value,
}

impl Refusal {
    /// The body CTS, IAM and the gateway share.
    pub fn coded(status: StatusCode, code: &str, text: impl Into<String>) -> Self {
        Self { status, body: json!({"error_code": code, "error_msg": text.into()}) }
    }

    /// A fault of the request, in the words of CTS.
    pub fn bad_request(code: &str, text: impl Into<String>) -> Self {
        Self::coded(StatusCode::BAD_REQUEST, code, text)
    }

    pub fn no_tracker(name: &str) -> Self {
        Self::coded(StatusCode::NOT_FOUND, "CTS.0214", format!("The tracker {name} does not exist."))
    }

    pub fn keystone(status: StatusCode, text: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { status, body: json!({"error": {"code": status.as_u16(), "message": text, "title": title}}) }
    }

    /// SMN has a shape of its own.
    pub fn smn(status: StatusCode, code: &str, text: &str) -> Self {
        let request_id = super::world::hex_id("request", code);
        Self { status, body: json!({"request_id": request_id, "code": code, "message": text}) }
    }

    pub fn text(&self) -> String {
        self.body.to_string()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json_text(self.status, self.text())
    }
}

pub fn json_value(status: StatusCode, body: &Value) -> Response {
    json_text(status, body.to_string())
}

pub fn json_text(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
