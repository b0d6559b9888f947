//! The shape of an endpoint that is a topic of the cloud.

use schemars::JsonSchema;

/// A topic of the cloud's Simple Message Notification.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Smn {
    /// Entry of `clouds.yaml`. Default: `OS_CLOUD`, or the `OS_*` variables.
    pub cloud: Option<String>,
    /// Name of the project that publishes. Default: the project of the credentials.
    pub project: Option<String>,
    /// `urn:smn:REGION:PROJECT_ID:TOPIC`
    #[schemars(regex(pattern = "^urn:smn:[A-Za-z0-9_-]{1,32}:[A-Za-z0-9_-]{1,32}:[A-Za-z0-9_-]{1,256}$"))]
    pub topic_urn: String,
    /// A text of its own for mail, short messages and programs. Default: the same text for all.
    pub structure: Option<bool>,
    /// Name of a template that is kept in the cloud and writes the texts, from tags.
    pub template: Option<String>,
    /// The service's address. Default: the catalogue's.
    pub url: Option<String>,
}
