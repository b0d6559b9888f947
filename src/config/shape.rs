//! The shape of `tracebell.yaml`, for describing only: `tracebell schema config` prints it, editors complete from it.
//!
//! Mirrors what the parts beside it read; a test holds the two against each other, key by key.

use std::collections::BTreeMap;

use schemars::JsonSchema;

mod chat;

use self::chat::{Mattermost, Rocketchat, Slack};
use crate::rule::shape::Duration;

mod http;
mod inhibitions;
mod push;
mod services;
mod smn;
pub mod topic;
mod webhook;

use http::Http;
use services::{Alertmanager, Opsgenie, PagerDuty, Teams, Telegram};
use webhook::{Url, Webhook};

/// JSON Schema of the configuration.
pub fn schema() -> serde_json::Value {
    crate::rule::shape::draw::<Config>("Tracebell configuration")
}

/// Whose audit log is watched, and who is told.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Config {
    /// What must survive a restart. Default: SQLite in `tracebell.db` beside this file.
    pub state: Option<State>,
    /// Health, metrics, the pages that messages link to, and the API.
    pub http: Option<Http>,
    /// Files, or folders whose `.yaml` and `.yml` files are read. Default: `rules/`.
    pub rules: Option<Vec<String>>,
    /// Where traces come from. The checkpoint is kept under the name, so a renamed source begins anew.
    #[schemars(extend("minProperties" = 1))]
    pub sources: BTreeMap<String, Source>,
    /// What all sources together ask of one host of the cloud.
    pub cloud_requests: Option<CloudRequests>,
    /// Which destinations endpoints may be at. Default: public addresses, ports 443 and 80.
    pub outbound: Option<Outbound>,
    /// IANA name of the time zone in which people are told times, beside UTC. Default: UTC alone.
    pub timezone: Option<String>,
    /// Where notifications go.
    #[schemars(extend("minProperties" = 1))]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// The topic for what Tracebell says about itself. Without it every topic hears of it.
    pub notices: Option<String>,
    /// Who hears what: rules publish to topics, endpoints subscribe to them. Rules that name none publish to `default`.
    pub topics: BTreeMap<String, Vec<topic::Subscription>>,
    /// Which open alerts keep which others from people. Default: none.
    pub inhibitions: Option<Vec<inhibitions::Inhibition>>,
    /// When people are told in one message a minute, because more comes than they can read. Default: 300 within 1m.
    pub storm: Option<topic::StormGuard>,
}

/// What must survive a restart.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct State {
    /// A file on a local disk. One process runs on it at a time.
    pub sqlite: Sqlite,
}

/// The state in one file.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Sqlite {
    /// The file, relative to this one.
    pub path: String,
}

/// One place that traces come from.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Source {
    /// The trace list of Cloud Trace Service.
    pub cts: Cts,
    /// The bucket to which the tracker delivers trace files: for backtests beyond seven days, and to fill gaps.
    pub archive: Option<Archive>,
    /// What the cloud pushes.
    pub smn: Option<push::Push>,
}

/// The trace list of Cloud Trace Service.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Cts {
    /// Entry of `clouds.yaml`. Default: `OS_CLOUD`, or the `OS_*` variables.
    pub cloud: Option<String>,
    /// Names of projects; each becomes a source of its own if there are several. Default: the project of the credentials.
    pub projects: Option<Vec<String>>,
    /// The tracker's name. Default: `system`.
    pub tracker: Option<String>,
    /// Time between two polls, 500ms to 1h. Default: 30s.
    pub poll_every: Option<Duration>,
    /// Time between two polls of a project where nothing happens for long, up to 10m. Default: `poll_every`.
    pub poll_quiet_every: Option<Duration>,
    /// How often the tracker is looked at, 1s to 1h, or `off`. Default: 5m.
    pub watch_tracker: Option<TrackerWatch>,
    /// How much of the past each poll reads again, because traces are recorded late; at most 7d. Default: 30m.
    pub overlap: Option<Duration>,
}

/// What all sources together ask of one host of the cloud; each takes its turn.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CloudRequests {
    /// Requests a second. Default: 50.
    #[schemars(range(min = 1, max = 10_000))]
    pub per_second: Option<u32>,
    /// Requests under way at the same time. Default: 16.
    #[schemars(range(min = 1, max = 10_000))]
    pub at_once: Option<u32>,
}

/// A bucket with the tracker's trace files.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Archive {
    /// The bucket's name, 3 to 63 characters.
    pub bucket: String,
    /// What the names of trace files begin with. Default: all are read.
    pub prefix: Option<String>,
    /// The bucket's region. Default: the region of the login.
    pub region: Option<String>,
    /// Address of the S3 server. Default: `https://obs.{region}.otc.t-systems.com`.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path and not in the host. Default: in the host at the cloud's own addresses.
    pub path_style: Option<bool>,
    /// The access key. Default: `ak` of the clouds.yaml entry.
    pub access_key: Option<Secret>,
    /// Its secret. Default: `sk` of the clouds.yaml entry.
    pub secret_key: Option<Secret>,
    /// Of a key for a while.
    pub security_token: Option<Secret>,
    /// PEM file with the key that signs digests. Default: the key that the trace service documents.
    pub public_key: Option<String>,
}

/// A time, or `off`.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum TrackerWatch {
    Off(#[schemars(regex(pattern = "^off$"))] String),
    Every(Duration),
}

/// Which destinations endpoints may be at.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outbound {
    /// Networks that are not public and allowed all the same, on any port: `10.0.0.0/8`.
    pub allow: Option<Vec<String>>,
    /// Ports beside 443 and 80 at public addresses.
    pub ports: Option<Vec<u16>>,
    /// The proxy that all requests go through; none is taken from the environment.
    pub proxy: Option<Secret>,
}

/// Where notifications go: exactly one kind, and what all kinds take.
#[derive(Debug, JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [
        { "required": ["slack"] }, { "required": ["mattermost"] }, { "required": ["rocketchat"] },
        { "required": ["email"] }, { "required": ["webhook"] }, { "required": ["teams"] },
        { "required": ["telegram"] }, { "required": ["pagerduty"] }, { "required": ["opsgenie"] },
        { "required": ["alertmanager"] }, { "required": ["smn"] }
    ])
)]
pub struct Endpoint {
    /// A Slack channel, through an incoming webhook or a bot.
    pub slack: Option<Slack>,
    /// A Mattermost channel, through an incoming webhook.
    pub mattermost: Option<Mattermost>,
    /// A Rocket.Chat channel, through an incoming webhook.
    pub rocketchat: Option<Rocketchat>,
    /// Mailboxes, through a relay.
    pub email: Option<Email>,
    /// A program that takes JSON.
    pub webhook: Option<Webhook>,
    /// A Microsoft Teams channel or chat, through a workflow.
    pub teams: Option<Teams>,
    /// A Telegram chat, through a bot.
    pub telegram: Option<Telegram>,
    /// A service of PagerDuty, through its Events API v2.
    pub pagerduty: Option<PagerDuty>,
    /// Opsgenie, or a service that speaks its alert API.
    pub opsgenie: Option<Opsgenie>,
    /// Prometheus Alertmanager, through its API v2.
    pub alertmanager: Option<Alertmanager>,
    /// A topic of the cloud's Simple Message Notification.
    pub smn: Option<smn::Smn>,
    /// What it takes at most; beyond it waiting alerts become a summary.
    pub rate_limit: Option<RateLimit>,
    /// The endpoint that gets what this one cannot take.
    pub fallback: Option<String>,
    /// One attempt, connection and answer included; at most 10m. Default: 15s.
    pub timeout: Option<Duration>,
    /// The age at which a delivery becomes a dead letter. Default: 72h.
    pub give_up_after: Option<Duration>,
    /// Attempts under way at once. Default: 1 for people, which keeps the order; 16 for a webhook.
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: Option<u32>,
    /// IANA name of the time zone in which its readers are told times, beside UTC. Default: the `timezone` of all.
    pub timezone: Option<String>,
}

/// Mailboxes.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Email {
    /// The relay.
    pub smtp: Smtp,
    /// The sender: `"Tracebell <bell@example.org>"`.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

/// The relay that mail goes through.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Smtp {
    /// The relay's name.
    pub host: String,
    /// Default: 587, 465 with `tls`, 25 with `none`.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
    /// Default: `starttls`.
    pub tls: Option<Tls>,
    /// The login, if the relay wants one.
    pub username: Option<String>,
    /// The login's password.
    pub password: Option<Secret>,
    /// An access token in place of a password (XOAUTH2); one in a file is read again at each login.
    pub oauth2_token: Option<Secret>,
    /// PEM file of a private authority, trusted in addition.
    pub ca: Option<String>,
}

/// How the connection to the relay is protected.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all: for a relay on this machine.
    None,
    /// From the first command on; a relay that does not offer it is refused.
    Starttls,
    /// From the first byte.
    Tls,
}

/// Where a secret is kept. It never stands in this file.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Secret {
    /// The environment variable that holds it.
    pub env: Option<String>,
    /// The file that holds it, relative to this one.
    pub file: Option<String>,
}

/// What an endpoint takes at most.
#[derive(Debug, JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = [{ "required": ["per_second"] }, { "required": ["per_minute"] }])
)]
pub struct RateLimit {
    /// Deliveries a second.
    #[schemars(range(min = 1, max = 1_000))]
    pub per_second: Option<u32>,
    /// Deliveries a minute.
    #[schemars(range(min = 1, max = 60_000))]
    pub per_minute: Option<u32>,
    /// How many may go at once after a pause. Default: 1.
    #[schemars(range(min = 1, max = 10_000))]
    pub burst: Option<u32>,
}
