//! One call of Slack's Web API.

use std::time::Duration;

use reqwest::{
    Method, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::Value;

use crate::{
    clock::Timestamp,
    endpoint::{
        answer::{self, Refusal},
        client::{self, Client},
    },
};

/// An answer repeats what was posted, or lists some messages of the channel.
const ANSWER_LIMIT: usize = 1 << 20;

#[derive(Clone)]
pub struct Api {
    pub client: Client,
    /// `https://slack.com/api`
    pub base: Url,
    /// `Bearer xoxb-...`
    pub authorization: HeaderValue,
}

/// What all calls of one attempt share.
#[derive(Clone, Copy)]
pub struct Terms {
    /// Of each call.
    pub timeout: Duration,
    pub now: Timestamp,
}

impl Api {
    /// With JSON, as methods that write take it.
    pub async fn write(&self, method: &str, arguments: &Value, terms: Terms) -> Result<Value, Refusal> {
        let body = serde_json::to_vec(arguments).expect("what was read from JSON becomes JSON");
        self.call(method, Method::POST, &self.url(method), &body, terms).await
    }

    /// With a query, as methods that read take it.
    pub async fn read(&self, method: &str, arguments: &[(&str, &str)], terms: Terms) -> Result<Value, Refusal> {
        let mut url = self.url(method);
        url.query_pairs_mut().extend_pairs(arguments);
        self.call(method, Method::GET, &url, &[], terms).await
    }

    async fn call(&self, name: &str, method: Method, url: &Url, body: &[u8], terms: Terms) -> Result<Value, Refusal> {
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, self.authorization.clone())]);
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        }
        let Terms { timeout, now } = terms;
        let request = client::Request { method, url, headers, body, timeout, now };
        let said = client::ask(&self.client, request, ANSWER_LIMIT).await.map_err(Refusal::unheard)?;
        answer::slack_api(name, said.answer())
    }

    fn url(&self, method: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(method);
        }
        url
    }
}
