//! Which traces of which cloud: the flags that every `tracebell traces` command has.

use std::process::ExitCode;

use clap::ValueEnum;

use crate::{
    cli::tracker::usage,
    cloud::{auth::Credentials, clouds},
    source::{
        cts::{Api, Parameters},
        tracker,
    },
};

#[derive(Debug, clap::Args)]
pub struct FilterArgs {
    #[arg(long)]
    rating: Option<Rating>,
    /// Service, for example IAM
    #[arg(long)]
    service: Option<String>,
    /// Operation, for example deleteUser (upper and lower case matter to the cloud)
    #[arg(long, alias = "trace-name")]
    operation: Option<String>,
    /// Name of the user who did it (upper and lower case matter)
    #[arg(long)]
    user: Option<String>,
    #[arg(long)]
    resource_type: Option<String>,
    #[arg(long)]
    resource_name: Option<String>,
    #[arg(long)]
    resource_id: Option<String>,
    /// `system` for operations, `data` for what happened to objects (v3; not offered by every cloud)
    #[arg(long, value_name = "TYPE")]
    trace_type: Option<String>,
    /// Of this tracker
    #[arg(long, value_name = "NAME", default_value = tracker::NAME)]
    tracker: String,
}

/// Which cloud is asked, and how.
#[derive(Debug, clap::Args)]
pub struct CloudArgs {
    /// Entry of clouds.yaml; without it `OS_CLOUD` or the `OS_*` variables
    #[arg(long, value_name = "NAME")]
    cloud: Option<String>,
    /// Version of the API; without it v3, and v1 where v3 is not offered
    #[arg(long)]
    api: Option<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Version {
    V1,
    V2,
    V3,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Rating {
    Normal,
    Warning,
    Incident,
}

impl FilterArgs {
    /// As the API names them; every problem is told.
    pub fn parameters(&self, cloud: &CloudArgs) -> Result<Parameters, Vec<String>> {
        let mut problems = Vec::new();
        match self.trace_type.as_deref() {
            None | Some("system" | "data") => {}
            Some(origin) if ["apicall", "consoleaction", "systemaction"].contains(&origin.to_lowercase().as_str()) => {
                problems.push(format!(
                    "`--trace-type` is `{origin}`, which traces say of themselves and the cloud cannot be asked for; \
                     expected `system` or `data`"
                ));
            }
            Some(other) => problems.push(format!("`--trace-type` is `{other}`; expected `system` or `data`")),
        }
        if self.trace_type.is_some() && matches!(cloud.api(), Some(Api::V1 | Api::V2)) {
            problems.push("`--trace-type` is known to v3 only: leave it out, or use `--api v3`".to_owned());
        }
        if let Some(odd) = self.tracker.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_".contains(*c)) {
            problems.push(format!("`--tracker` holds `{odd}`; expected letters, digits, `-` and `_`"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let rating = self.rating.map(|rating| match rating {
            Rating::Normal => "normal".to_owned(),
            Rating::Warning => "warning".to_owned(),
            Rating::Incident => "incident".to_owned(),
        });
        let all = [
            ("trace_rating", rating),
            ("service_type", self.service.clone()),
            ("trace_name", self.operation.clone()),
            ("user", self.user.clone()),
            ("resource_type", self.resource_type.clone()),
            ("resource_name", self.resource_name.clone()),
            ("resource_id", self.resource_id.clone()),
            ("trace_type", self.trace_type.clone()),
        ];
        Ok(all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    pub fn tracker(&self) -> &str {
        &self.tracker
    }
}

impl CloudArgs {
    pub fn credentials(&self) -> Result<Credentials, ExitCode> {
        clouds::credentials(self.cloud.as_deref()).map_err(|error| usage(&[error]))
    }

    pub fn api(&self) -> Option<Api> {
        self.api.map(|version| match version {
            Version::V1 => Api::V1,
            Version::V2 => Api::V2,
            Version::V3 => Api::V3,
        })
    }
}
