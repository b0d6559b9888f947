//! Where notifications go. A closed set, so an enum rather than a trait.
//!
//! Sends frozen bodies and tells what the answer means; does not know the
//! store, rules or rate limits.

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;

use crate::{
    clock::Timestamp,
    delivery::{Leased, Outcome, Rate},
    id,
    render::{Address, Format, Links},
};

pub mod alertmanager;
pub mod answer;
pub mod chat;
pub mod client;
pub mod email;
pub mod guard;
pub mod opsgenie;
pub mod pagerduty;
mod post;
pub mod slack;
pub mod smn;
pub mod teams;
pub mod telegram;
pub mod webhook;

/// One endpoint as configured.
#[derive(Debug, Clone)]
pub struct Settings {
    pub name: String,
    pub kind: KindSettings,
    pub rate: Option<Rate>,
    /// Name of the endpoint that gets what this one cannot take.
    pub fallback: Option<String>,
    /// Whole attempt, connect and answer included. Default 15 s.
    pub timeout: Duration,
    /// A delivery older than this becomes a dead letter. Default 72 h.
    pub give_up_after: Duration,
    /// Deliveries under way at once. Slack 1 (keeps order), email 1, webhook 16.
    pub concurrency: usize,
    /// In which its readers are told times, beside UTC.
    pub zone: TimeZone,
    /// Which destinations may be connected to; the same for all endpoints.
    pub outbound: Arc<client::Outbound>,
}

#[derive(Debug, Clone)]
pub enum KindSettings {
    Slack(slack::Settings),
    SlackBot(slack::bot::Settings),
    Mattermost(chat::Settings),
    Rocketchat(chat::Settings),
    Email(email::Settings),
    Webhook(webhook::Settings),
    Teams(teams::Settings),
    Telegram(telegram::Settings),
    PagerDuty(pagerduty::Settings),
    Opsgenie(opsgenie::Settings),
    Alertmanager(alertmanager::Settings),
    Smn(smn::Settings),
}

/// A connected endpoint; cheap to clone.
#[derive(Clone)]
pub enum Endpoint {
    Slack(slack::Slack),
    SlackBot(slack::bot::Bot),
    Chat(chat::Chat),
    Email(email::Email),
    Webhook(webhook::Webhook),
    Teams(teams::Teams),
    Telegram(telegram::Telegram),
    PagerDuty(pagerduty::PagerDuty),
    Opsgenie(opsgenie::Opsgenie),
    Alertmanager(alertmanager::Alertmanager),
    Smn(smn::Topic),
}

/// The settings cannot work, whatever the other side says.
#[derive(Debug, thiserror::Error)]
#[error("endpoint `{name}`: {reason}")]
pub struct InvalidEndpoint {
    pub name: String,
    pub reason: String,
}

impl Settings {
    /// An endpoint that takes one at a time, without a limit or a fallback, for 72 hours.
    pub fn new(name: impl Into<String>, kind: KindSettings) -> Self {
        Self {
            name: name.into(),
            kind,
            rate: None,
            fallback: None,
            timeout: Duration::from_secs(15),
            give_up_after: Duration::from_secs(72 * 3600),
            concurrency: 1,
            zone: TimeZone::UTC,
            outbound: Arc::default(),
        }
    }

    /// Who must confirm before anything is sent, if somebody must.
    pub fn subscriber(&self) -> Option<String> {
        match &self.kind {
            KindSettings::Webhook(webhook) if webhook.smn.is_some() => Some(webhook::smn::subscriber(&webhook.url)),
            _ => None,
        }
    }

    /// A hash of what [`Endpoint::check`] tries, if there is anything to try.
    pub fn credentials(&self) -> Option<String> {
        match &self.kind {
            KindSettings::SlackBot(bot) => Some(id::derive(&["credentials", bot.token.expose()])),
            _ => None,
        }
    }

    /// How notifications are addressed to this endpoint.
    pub fn address(&self, links: Option<&Links>) -> Address {
        Address { format: self.format(), zone: self.zone.clone(), links: links.cloned() }
    }

    /// What follows must know what was answered before it.
    pub fn keeps_order(&self) -> bool {
        self.concurrency == 1 || self.format().edits()
    }

    fn format(&self) -> Format {
        match &self.kind {
            KindSettings::Slack(_) => Format::Slack,
            KindSettings::SlackBot(_) => Format::SlackBot,
            KindSettings::Mattermost(chat) => Format::Mattermost(chat.style()),
            KindSettings::Rocketchat(_) => Format::Rocketchat,
            KindSettings::Email(email) => Format::Email(email.letterhead()),
            KindSettings::Teams(_) => Format::Teams,
            KindSettings::Telegram(_) => Format::Telegram,
            KindSettings::PagerDuty(_) => Format::PagerDuty,
            KindSettings::Opsgenie(_) => Format::Opsgenie,
            KindSettings::Alertmanager(_) => Format::Alertmanager,
            KindSettings::Smn(smn) => Format::Publication(smn.style.clone()),
            KindSettings::Webhook(webhook) => webhook.format.clone(),
        }
    }

    fn invalid(&self, reason: impl Into<String>) -> InvalidEndpoint {
        InvalidEndpoint { name: self.name.clone(), reason: reason.into() }
    }
}

impl Endpoint {
    pub fn new(settings: &Settings) -> Result<Self, InvalidEndpoint> {
        match &settings.kind {
            KindSettings::Slack(slack) => slack::Slack::new(settings, slack).map(Self::Slack),
            KindSettings::SlackBot(bot) => slack::bot::Bot::new(settings, bot).map(Self::SlackBot),
            KindSettings::Mattermost(chat) => chat::Chat::mattermost(settings, chat).map(Self::Chat),
            KindSettings::Rocketchat(chat) => chat::Chat::rocketchat(settings, chat).map(Self::Chat),
            KindSettings::Email(email) => email::Email::new(settings, email).map(Self::Email),
            KindSettings::Webhook(webhook) => webhook::Webhook::new(settings, webhook).map(Self::Webhook),
            KindSettings::Teams(teams) => teams::Teams::new(settings, teams).map(Self::Teams),
            KindSettings::Telegram(telegram) => telegram::Telegram::new(settings, telegram).map(Self::Telegram),
            KindSettings::PagerDuty(duty) => pagerduty::PagerDuty::new(settings, duty).map(Self::PagerDuty),
            KindSettings::Opsgenie(genie) => opsgenie::Opsgenie::new(settings, genie).map(Self::Opsgenie),
            KindSettings::Smn(topic) => smn::Topic::new(settings, topic).map(Self::Smn),
            KindSettings::Alertmanager(settled) => {
                alertmanager::Alertmanager::new(settings, settled).map(Self::Alertmanager)
            }
        }
    }

    /// Whom the other side takes for SMN: nothing but an invitation may be sent before it confirmed.
    pub fn publisher(&self) -> Option<Arc<webhook::Publisher>> {
        match self {
            Self::Webhook(webhook) => webhook.publisher().cloned(),
            _ => None,
        }
    }

    /// Asks the other side to confirm, or to come back.
    pub async fn invite(&self, invitation: webhook::Invitation, now: Timestamp) -> Outcome {
        match self {
            Self::Webhook(webhook) => webhook.invite(invitation, now).await,
            _ => Outcome::Refused { reason: "nobody has to confirm here".to_owned(), shorter_may_help: false },
        }
    }

    /// One attempt. Never panics on what the other side says; bounded by the endpoint's timeout.
    pub async fn send(&self, leased: &Leased, now: Timestamp) -> Outcome {
        let Leased { delivery, attempt, .. } = leased;
        match self {
            Self::Slack(slack) => slack.send(delivery, now).await,
            Self::SlackBot(bot) => bot.send(leased, now).await,
            Self::Chat(chat) => chat.send(delivery, now).await,
            Self::Email(email) => email.send(delivery, now).await,
            Self::Webhook(webhook) => webhook.send(delivery, *attempt, now).await,
            Self::Teams(teams) => teams.send(delivery, now).await,
            Self::Telegram(telegram) => telegram.send(leased, now).await,
            Self::PagerDuty(duty) => duty.send(delivery, now).await,
            Self::Opsgenie(genie) => genie.send(delivery, now).await,
            Self::Alertmanager(alertmanager) => alertmanager.send(delivery, now).await,
            Self::Smn(topic) => topic.send(delivery, now).await,
        }
    }

    /// Tries the endpoint's credentials without sending anything; `None` for kinds that offer no way to.
    pub async fn check(&self, now: Timestamp) -> Option<Outcome> {
        match self {
            Self::SlackBot(bot) => Some(bot.check(now).await),
            _ => None,
        }
    }
}
