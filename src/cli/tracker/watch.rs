//! `tracebell tracker watch`: what `run` would say of the tracker, once, for people and for scripts.

use std::process::ExitCode;

use serde_json::json;

use super::{Cloud, Output, Said, failed, print, print_tracker, visible};
use crate::{
    cli::{BAD, terminal},
    clock,
    source::{
        SourceError,
        tracker::{
            Trackers,
            standing::{Health, Look, trouble},
        },
    },
};

pub async fn watch(name_or_id: &str, cloud: &Cloud) -> Said {
    let mut trackers = Trackers::new(&cloud.credentials()?, cloud.version()).map_err(|error| failed(&error))?;
    let look = trackers.look(name_or_id, clock::now()).await.map_err(|error| failed(&error))?;
    let health = look.health();
    let tracker = match look {
        Look::Tracker(tracker, _) => Some(tracker),
        Look::Absent => None,
        Look::Forbidden { reason, fix } => return Err(failed(&SourceError::Refused { reason, fix })),
    };
    let name = visible(tracker.as_ref().map_or(name_or_id, |tracker| &tracker.name));
    let health = health.expect("a look that was allowed found something");
    let (verdict, help) = match health {
        Health::Enabled => (format!("the tracker `{name}` is enabled: the cloud records what happens"), None),
        Health::Disabled => (
            format!("the tracker `{name}` is disabled: the cloud records nothing"),
            Some("enable it: `tracebell tracker update --status enabled`"),
        ),
        Health::Absent => (
            format!("there is no tracker `{name}`: the cloud records nothing new"),
            Some("create it: `tracebell tracker create --bucket NAME`"),
        ),
        Health::Error => {
            let (means, fix) = trouble(tracker.as_ref().and_then(|tracker| tracker.detail.as_deref()));
            (format!("the tracker `{name}` is in trouble: {means}"), Some(fix))
        }
    };
    match cloud.output {
        Output::Json => terminal::print_json(&json!({
            "standing": health.as_str(), "verdict": verdict, "help": help,
            "tracker": tracker.as_ref().map(|tracker| &tracker.raw),
        })),
        Output::Table => {
            print(&format!("{verdict}\n"));
            if let Some(tracker) = &tracker {
                print("\n");
                print_tracker(tracker, Output::Table);
            }
            if let Some(help) = help {
                anstream::eprintln!("help: {help}");
            }
        }
    }
    Ok(if health == Health::Enabled { ExitCode::SUCCESS } else { ExitCode::from(BAD) })
}
