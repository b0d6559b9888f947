//! From a neutral notification to the bytes an endpoint sends.
//!
//! All text from traces is inert in every output: it is escaped for the format
//! and never read as markup, header, mention or link.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::notification::Notification;

pub mod alertmanager;
pub mod attachments;
pub mod cloudevents;
pub mod email;
pub mod facts;
pub mod gsm;
pub mod inert;
pub mod link;
mod markdown;
pub mod opsgenie;
pub mod pagerduty;
pub mod publication;
mod reduced;
pub mod sample;
pub mod slack;
pub mod smn;
pub mod teams;
pub mod telegram;
pub mod template;
mod told;
pub mod webhook;

pub use link::Links;

/// What an endpoint wants to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Slack Block Kit JSON for an incoming webhook.
    Slack,
    /// The parts of a Slack bot's conversation.
    SlackBot,
    /// Slack's older attachments, as Mattermost draws them.
    Mattermost(attachments::Style),
    /// The same, as Rocket.Chat draws them.
    Rocketchat,
    /// A whole RFC 5322 message, headers included.
    Email(Letterhead),
    /// Tracebell's own versioned JSON.
    Webhook,
    /// An Adaptive Card for a Teams workflow.
    Teams,
    Telegram,
    /// An event of PagerDuty's Events API v2.
    PagerDuty,
    Opsgenie,
    /// Alerts of Alertmanager's API v2.
    Alertmanager,
    /// The same inside a CloudEvents envelope.
    Cloudevents,
    /// JSON in the operator's own shape.
    Template(Arc<template::Tree>),
    /// What is published to a topic of SMN.
    Publication(publication::Style),
    /// What SMN posts to a subscriber, before it is signed.
    Smn,
}

impl Format {
    /// Read by people, who drown where programs do not.
    pub fn for_people(&self) -> bool {
        match self {
            Self::Slack
            | Self::SlackBot { .. }
            | Self::Email(_)
            | Self::Teams
            | Self::Telegram
            | Self::Mattermost(_)
            | Self::Rocketchat
            // Mails and short messages stand behind it.
            | Self::Publication(_) => true,
            Self::PagerDuty | Self::Opsgenie | Self::Alertmanager => false,
            Self::Webhook | Self::Cloudevents | Self::Template(_) | Self::Smn => false,
        }
    }

    /// Its endpoint can change what it has sent.
    pub fn edits(&self) -> bool {
        match self {
            Self::SlackBot { .. } => true,
            Self::Slack
            | Self::Mattermost(_)
            | Self::Rocketchat
            | Self::Email(_)
            | Self::Webhook
            | Self::Cloudevents
            | Self::Publication(_)
            | Self::Smn
            | Self::Template(_)
            | Self::Teams
            | Self::Telegram
            | Self::PagerDuty
            | Self::Opsgenie
            | Self::Alertmanager => false,
        }
    }
}

/// The fixed parts of a mail, from configuration only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letterhead {
    /// `Tracebell <bell@example.org>`
    pub from: String,
    pub to: Vec<String>,
}

/// How an endpoint is addressed: its format, and what its readers' messages are written with.
#[derive(Debug, Clone, PartialEq)]
pub struct Address {
    pub format: Format,
    /// In which times are told, beside UTC.
    pub zone: TimeZone,
    /// Tracebell's own pages, if readers can reach them.
    pub links: Option<Links>,
}

/// One notification on its way to one endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    pub address: &'a Address,
    pub notification: &'a Notification,
    /// Of the delivery.
    pub id: &'a str,
    /// The delivery that opened the conversation; `id` itself if this one does.
    pub thread: &'a str,
    /// `topic/endpoint`, by which readers sort.
    pub subscription: &'a str,
}

impl Letter<'_> {
    /// By which services tell that two notifications are about the same trouble.
    pub(crate) fn trouble(&self) -> &str {
        match &self.notification.alert {
            Some(alert) if alert.fingerprint.is_empty() => &alert.id,
            Some(alert) => &alert.fingerprint,
            None => self.id,
        }
    }
}

impl Address {
    /// Times in UTC and no pages.
    pub fn plain(format: Format) -> Self {
        Self { format, zone: TimeZone::UTC, links: None }
    }
}

/// The frozen body of a delivery.
pub fn body(letter: &Letter<'_>) -> Vec<u8> {
    match &letter.address.format {
        Format::Slack => slack::body(letter),
        Format::SlackBot => slack::bot::body(letter),
        Format::Mattermost(style) => attachments::body(letter, style, attachments::MATTERMOST),
        Format::Rocketchat => attachments::body(letter, &attachments::Style::default(), attachments::ROCKETCHAT),
        Format::Email(letterhead) => email::body(letterhead, letter),
        Format::Webhook => webhook::body(letter),
        Format::Teams => teams::body(letter),
        Format::Telegram => telegram::body(letter),
        Format::PagerDuty => pagerduty::body(letter),
        Format::Opsgenie => opsgenie::body(letter),
        Format::Alertmanager => alertmanager::body(letter),
        Format::Cloudevents => cloudevents::body(letter),
        Format::Publication(style) => publication::body(letter, style),
        Format::Smn => smn::body(letter),
        Format::Template(tree) => template::body(tree, letter),
    }
}

/// A body that says less, for an endpoint that refused the first one.
pub fn reduced(letter: &Letter<'_>) -> Vec<u8> {
    reduced::body(letter)
}
