//! A token typed in becomes a session.

use axum::{
    Extension,
    extract::{Form, State, rejection::FormRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{Shared, Who};
use crate::http::{problem::Problem, session};

#[derive(Debug, Deserialize)]
pub struct Typed {
    token: String,
    #[serde(default)]
    next: String,
}

pub async fn form(Extension(asked): Who) -> Problem {
    let text = match asked.access.has_tokens() {
        true => "Type a token of the configuration.",
        false => "No token is configured under `http.tokens`.",
    };
    Problem::new(StatusCode::UNAUTHORIZED, text)
}

pub async fn enter(Extension(asked): Who, typed: Result<Form<Typed>, FormRejection>) -> Result<Response, Problem> {
    let Form(typed) = typed.map_err(|_| Problem::bad("expected a form with a token"))?;
    let token = asked.access.token(typed.token.trim(), asked.client, asked.now)?;
    let cookie = session::open(&asked.access, token, asked.now);
    match next(&typed.next) {
        Some(next) => Ok(to(next, cookie)),
        None => {
            Ok((StatusCode::OK, [(header::SET_COOKIE, cookie)], "signed in; open the page you wanted\n")
                .into_response())
        }
    }
}

pub async fn leave(State(_): State<Shared>, Extension(asked): Who) -> Response {
    let gone = "signed out\n";
    ([(header::SET_COOKIE, session::close(&asked.access))], gone).into_response()
}

/// Another page, as seen from the root.
fn to(next: &str, cookie: String) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, next.to_owned()), (header::SET_COOKIE, cookie)]).into_response()
}

/// One of our own pages, without what an address allows, or nothing: whoever wrote the link to the
/// form must not choose where it leads.
pub fn next(path: &str) -> Option<&str> {
    let path = path.trim_start_matches('/').split('?').next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/');
    let ours = path.starts_with("alerts/") || path.starts_with("silences/");
    (ours && path.len() < 100 && path.bytes().all(plain)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_leads_to_our_own_pages_only() {
        assert_eq!(next("/alerts/alr_abc/silence?until=1&sig=x"), Some("alerts/alr_abc/silence"));
        assert_eq!(next("silences/sil_a"), Some("silences/sil_a"));
        for bad in ["", "/", "//evil.example/alerts/x", "https://evil.example", "alerts/../login", "alerts/\r\nx:"] {
            assert_eq!(next(bad), None, "{bad:?}");
        }
    }
}
