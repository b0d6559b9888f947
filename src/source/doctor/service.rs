//! What the trace service lets us see: traces, tracker, notifications, quotas.

use std::time::Duration;

use super::{Report, Stop, Verdict, age};
use crate::{
    clock::{self, Timestamp},
    cloud::{CloudError, auth::Credentials, catalogue::Catalogue, http::Answer},
    source::{
        SourceError,
        catalogue::{self, Session},
        cts::{self, Api, Missing, missing},
        plan::RETENTION,
        tracker::{
            self, Tracker, Trackers,
            standing::{self, Health, Look},
        },
    },
    trace::decode,
};

/// Few accounts are this quiet.
const QUIET: Duration = Duration::from_secs(24 * 3600);
/// As policies of one's own name what is needed. The cloud's documentation names these two; of notifications and quotas
/// it names only the policy that has them all.
const LIST_TRACES: &str = "cts:trace:list";
const LIST_TRACKERS: &str = "cts:tracker:list";
const RECORD: &str = "check that this is the right project, and that its tracker records";
const ADDRESS: &str = "check the project, the region and `cts_endpoint_override`";

pub async fn examine(
    report: &mut Report,
    credentials: &Credentials,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Result<(), Stop> {
    match catalogue::endpoints(catalogue, credentials) {
        Ok(endpoints) => {
            let region = endpoints.region.map(|region| format!(" in region `{region}`")).unwrap_or_default();
            report.good("catalogue", format!("CTS is at {}{region}", endpoints.v3));
        }
        Err((reason, fix)) => {
            report.wrong("catalogue", Verdict::Bad, reason, fix);
            return Err(Stop);
        }
    }
    let session = match catalogue::session(credentials) {
        Ok(session) => session,
        Err(error) => {
            report.failed("traces", error);
            return Err(Stop);
        }
    };
    let mut service = Service { session, api: Api::V3, now };
    service.traces(report).await?;
    tell_tracker(report, credentials, now).await?;
    service.extra(report, "notifications", "notifications/smn", "read key event notifications").await?;
    service.extra(report, "quotas", "quotas", "read quotas").await
}

struct Service {
    session: Session,
    /// By which traces are read.
    api: Api,
    now: Timestamp,
}

impl Service {
    /// The newest traces, by the version of the API that a source would read them by.
    async fn newest(&mut self) -> Result<Answer, CloudError> {
        let (from, to) = (clock::minus(self.now, RETENTION).as_millisecond(), self.now.as_millisecond() + 1);
        let parameters = vec![("limit", "10".to_owned()), ("from", from.to_string()), ("to", to.to_string())];
        let answer = cts::ask(&mut self.session, Api::V3, tracker::NAME, &parameters, self.now).await?;
        if missing(&answer) != Some(Missing::Api) {
            return Ok(answer);
        }
        let older = cts::ask(&mut self.session, Api::V2, tracker::NAME, &parameters, self.now).await?;
        if missing(&older) != Some(Missing::Api) {
            self.api = Api::V2;
        }
        Ok(older)
    }

    async fn traces(&mut self, report: &mut Report) -> Result<(), Stop> {
        let answer = match self.newest().await {
            Ok(answer) if answer.is_transient() => {
                let reason = format!("CTS answered {}", answer.describe());
                report.wrong("traces", Verdict::Unreachable, reason, "this may pass; try again");
                return Err(Stop);
            }
            Ok(answer) => answer,
            Err(error) => {
                report.failed("traces", error);
                return Err(Stop);
            }
        };
        let old = if self.api == Api::V3 { "" } else { " (by API v2: v3 is not offered)" };
        match (answer.status.as_u16(), missing(&answer)) {
            (200, _) => {}
            (403, _) => {
                let found = format!("the user may not read traces ({})", answer.describe());
                report.wrong("traces", Verdict::Bad, found, grant(Some(LIST_TRACES)));
                return Ok(());
            }
            (_, Some(Missing::Api)) => {
                let found = format!("the trace service has no such path ({})", answer.describe());
                report.wrong("traces", Verdict::Bad, found, "check region and `cts_endpoint_override`");
                return Err(Stop);
            }
            // Where there is no tracker the next step says so.
            (_, Some(Missing::Tracker | Missing::Other)) => {
                report.wrong("traces", Verdict::Doubtful, format!("no traces of the last 7 days{old}"), RECORD);
                return Ok(());
            }
            _ => {
                let found = format!("the trace list answered {}", answer.describe());
                report.wrong("traces", Verdict::Bad, found, ADDRESS);
                return Ok(());
            }
        }
        let body = decode::readable(&answer.body);
        let Ok(page) = decode::page(&body) else {
            let found = "the trace list answered 200 with something that is no list of traces";
            report.wrong("traces", Verdict::Unreachable, found, "check what stands at this address: a proxy's page?");
            return Err(Stop);
        };
        let context = match self.session.endpoints(self.now).await {
            Ok(endpoints) => cts::context(endpoints),
            Err(error) => {
                report.failed("traces", error);
                return Err(Stop);
            }
        };
        let traces: Vec<_> =
            page.elements.iter().filter_map(|element| decode::decode(element.get(), &context, self.now).ok()).collect();
        let newest = traces.iter().map(|trace| trace.time).max();
        match newest {
            None if page.elements.is_empty() => {
                report.wrong("traces", Verdict::Doubtful, format!("no traces of the last 7 days{old}"), RECORD);
            }
            None => {
                let found = format!("none of {} traces can be read{old}", page.elements.len());
                report.wrong(
                    "traces",
                    Verdict::Bad,
                    found,
                    "tell us: `tracebell traces list --output json` shows them",
                );
            }
            Some(newest) if clock::since(newest, self.now) > QUIET => {
                let found = format!("a page can be read{old}, but the newest trace is {}", age(newest, self.now));
                report.wrong("traces", Verdict::Doubtful, found, RECORD);
            }
            Some(newest) => {
                report
                    .good("traces", format!("a page can be read{old}; the newest trace is {}", age(newest, self.now)));
            }
        }
        Ok(())
    }

    /// What only some commands need.
    async fn extra(&mut self, report: &mut Report, name: &'static str, path: &str, what: &str) -> Result<(), Stop> {
        if self.api != Api::V3 {
            report.tell(name, Verdict::NotTried, "not tried: only API v3 has them", None);
            return Ok(());
        }
        const FEW: &str = "only `push` and `tracker` need this";
        let asked = self.session.call(self.now, "CTS", |client, at| client.get(format!("{}/{path}", at.v3))).await;
        let answer = match asked {
            Ok(answer) => answer,
            // Traces are read without it.
            Err(CloudError::Transient { reason, .. }) => {
                report.wrong(name, Verdict::Doubtful, reason, FEW);
                return Ok(());
            }
            Err(error) => {
                report.failed(name, error);
                return Err(Stop);
            }
        };
        match answer.status.as_u16() {
            200 => report.good(name, "may be read"),
            403 => {
                let found = format!("the user may not {what} ({})", answer.describe());
                report.wrong(name, Verdict::Doubtful, found, grant(None));
            }
            _ => report.wrong(name, Verdict::Doubtful, format!("CTS answered {}", answer.describe()), FEW),
        }
        Ok(())
    }
}

async fn tell_tracker(report: &mut Report, credentials: &Credentials, now: Timestamp) -> Result<(), Stop> {
    let look = match Trackers::new(credentials, None) {
        Ok(mut trackers) => trackers.look(tracker::NAME, now).await,
        Err(error) => Err(error),
    };
    let look = match look {
        Ok(look) => look,
        Err(error) => {
            let stops = matches!(error, SourceError::Transient { .. });
            report.failed("tracker", error);
            return if stops { Err(Stop) } else { Ok(()) };
        }
    };
    match &look {
        Look::Forbidden { reason, .. } => {
            let found = format!("the user may not see the tracker: {reason}");
            report.wrong("tracker", Verdict::Bad, found, grant(Some(LIST_TRACKERS)));
        }
        Look::Absent => {
            let found =
                "there is no tracker in this project: no trace files are kept, and operations may go unrecorded";
            report.wrong("tracker", Verdict::Bad, found, "create it: `tracebell tracker create --bucket NAME`");
        }
        Look::Tracker(tracker, _) => tell_standing(report, tracker, look.health()),
    }
    Ok(())
}

fn tell_standing(report: &mut Report, tracker: &Tracker, health: Option<Health>) {
    let detail = tracker.detail.as_deref().filter(|detail| !detail.trim().is_empty());
    let (means, fix) = standing::trouble(detail);
    let why = match detail {
        // A word that nobody documents is told as it is.
        Some(detail) if standing::trouble(None).0 == means => format!("`{detail}`"),
        Some(detail) => format!("{means} (`{detail}`)"),
        None => means.to_owned(),
    };
    match health {
        Some(Health::Disabled) => {
            let found = "the tracker is disabled: new operations are not recorded";
            report.wrong("tracker", Verdict::Bad, found, "enable it: `tracebell tracker update --status enabled`");
        }
        Some(Health::Error) => {
            report.wrong("tracker", Verdict::Bad, format!("the tracker is in trouble: {why}"), fix);
        }
        _ if detail.is_some() => {
            let found = format!("the tracker is enabled, but something is wrong: {why}");
            report.wrong("tracker", Verdict::Doubtful, found, fix);
        }
        _ => report.good("tracker", format!("`{}` is enabled", tracker.name)),
    }
}

fn grant(action: Option<&str>) -> String {
    let own = action.map(|action| format!(", or `{action}` in a policy of your own")).unwrap_or_default();
    format!("grant the user's group the policy `CTS ReadOnlyAccess` in this project{own}")
}
