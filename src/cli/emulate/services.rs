//! The flags of `tracebell emulate` that concern OBS and SMN.

use std::time::Duration;

use crate::emulator::{Settings, obs};

#[derive(Debug, clap::Args)]
pub struct Services {
    /// Deliver trace files to this S3 server, as the tracker says: `http://127.0.0.1:9000`
    #[arg(long, value_name = "URL", help_heading = "Trace files")]
    obs: Option<String>,
    /// Access key of that server
    #[arg(long, value_name = "KEY", default_value = "AKEMULATOR", requires = "obs", help_heading = "Trace files")]
    obs_access_key: String,
    /// Secret key of that server
    #[arg(
        long,
        env = "TRACEBELL_EMULATE_OBS_SECRET_KEY",
        hide_env_values = true,
        value_name = "KEY",
        default_value = "SKEMULATOR",
        hide_default_value = true,
        help_heading = "Trace files"
    )]
    obs_secret_key: String,
    /// How often trace files are delivered
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = super::duration, requires = "obs", help_heading = "Trace files")]
    obs_cycle: Duration,
    /// How much time a signed digest of trace files covers
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = super::duration, requires = "obs", help_heading = "Trace files")]
    obs_digest: Duration,
    /// Where subscribers reach SMN's pages and certificate (default: the emulator's own address)
    #[arg(long, value_name = "URL", help_heading = "Topics and trackers")]
    smn_site: Option<String>,
    /// Before a failed delivery is tried again; each further pause is twice as long, six in all
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = super::duration, help_heading = "Topics and trackers")]
    smn_pause: Duration,
    /// An update of a tracker forgets what it does not name; else it is kept
    #[arg(long, help_heading = "Topics and trackers")]
    updates_replace: bool,
}

impl Services {
    pub fn apply(&self, settings: &mut Settings) {
        settings.obs = self.obs.as_ref().map(|endpoint| obs::Settings {
            cycle: self.obs_cycle,
            digest_every: self.obs_digest,
            ..obs::Settings::new(endpoint, &self.obs_access_key, &self.obs_secret_key)
        });
        settings.smn.site = self.smn_site.as_ref().map(|site| site.trim_end_matches('/').to_owned());
        settings.smn.pauses = (0..6).map(|power| self.smn_pause.saturating_mul(1 << power)).collect();
        settings.updates_replace = self.updates_replace;
    }
}
