//! The shape of `smn` in a source.

use schemars::JsonSchema;

use super::Secret;
use crate::rule::shape::Duration;

/// Key event notifications that the cloud pushes through SMN to `/ingest/smn/NAME`. The trace list stays the promise.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Push {
    /// The topic, or several: `urn:smn:REGION:PROJECT_ID:TOPIC`. What is signed for others is refused.
    pub topic_urn: Topics,
    /// PEM file of the one certificate that signs. Then none is ever fetched.
    pub certificate: Option<String>,
    /// Where certificates are fetched. Default: `smn.REGION.otc.t-systems.com` of the topic's region.
    pub certificate_host: Option<String>,
    /// The name that a fetched certificate is for. Default: the host's.
    pub certificate_name: Option<String>,
    /// PEM file of the authority that vouches for certificates. Default: those that this machine trusts.
    pub ca: Option<String>,
    /// How old a message may be, 1m to 24h. Default: 1h.
    pub max_age: Option<Duration>,
    /// How far the cloud's clock may be ahead, 1s to 1h. Default: 5m.
    pub clock_skew: Option<Duration>,
    /// Lets a function post the events that trigger it. Without it none is let in.
    pub function_token: Option<Secret>,
    /// Hosts beside the cloud's own on which `tracebell push enable` may open a confirmation.
    pub confirm_hosts: Option<Vec<String>>,
}

/// One topic, or several.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Topics {
    One(String),
    Several(Vec<String>),
}
