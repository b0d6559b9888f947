//! What the trace service lets us see: traces, tracker, notifications, quotas.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::{Report, Stop, Verdict, age};
use crate::{
    clock::{self, Timestamp},
    cloud::{CloudError, auth::Credentials, catalogue::Catalogue, http::Answer},
    source::{
        catalogue::{self, Session},
        cts,
        plan::RETENTION,
    },
    trace::decode,
};

/// Few accounts are this quiet.
const QUIET: Duration = Duration::from_secs(24 * 3600);

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
            report.failed("traces", &error);
            return Err(Stop);
        }
    };
    let mut service = Service { session, v1: false, now };
    service.traces(report).await?;
    service.tracker(report).await?;
    for (name, path, action, what) in [
        ("notifications", "notifications/smn", "cts:notification:list", "read key event notifications"),
        ("quotas", "quotas", "cts:quota:get", "read quotas"),
    ] {
        service.extra(report, name, path, action, what).await?;
    }
    Ok(())
}

struct Service {
    session: Session,
    /// Where v3 is not offered.
    v1: bool,
    now: Timestamp,
}

impl Service {
    async fn ask(&mut self, name: &'static str, v3: &str, v1: &str, report: &mut Report) -> Result<Answer, Stop> {
        let asked = self.get(v3, v1).await;
        let answer = match asked {
            Ok(answer) if answer.status == StatusCode::NOT_FOUND && !self.v1 && !is_of_cts(&answer) => {
                self.v1 = true;
                self.get(v3, v1).await
            }
            asked => asked,
        };
        match answer {
            Ok(answer) if answer.is_transient() => {
                let reason = format!("CTS answered {}", answer.describe());
                report.wrong(name, Verdict::Unreachable, reason, "this may pass; try again");
                Err(Stop)
            }
            Ok(answer) => Ok(answer),
            Err(error) => {
                report.failed(name, &error);
                Err(Stop)
            }
        }
    }

    async fn get(&mut self, v3: &str, v1: &str) -> Result<Answer, CloudError> {
        let old = self.v1;
        let call = self.session.call(self.now, "CTS", |client, endpoints| match old {
            true => client.get(format!("{}/{v1}", endpoints.v1)),
            false => client.get(format!("{}/{v3}", endpoints.v3)),
        });
        call.await
    }

    async fn traces(&mut self, report: &mut Report) -> Result<(), Stop> {
        let (from, to) = (clock::minus(self.now, RETENTION).as_millisecond(), self.now.as_millisecond() + 1);
        let window = format!("limit=10&from={from}&to={to}");
        let (v3, v1) = (format!("traces?trace_type=system&{window}"), format!("system/trace?{window}"));
        let answer = self.ask("traces", &v3, &v1, report).await?;
        let old = if self.v1 { " (by API v1: v3 is not offered)" } else { "" };
        match answer.status.as_u16() {
            200 => {}
            403 => {
                self.forbidden(report, "traces", Verdict::Bad, &answer, "cts:trace:list", "read traces");
                return Ok(());
            }
            404 if is_of_cts(&answer) => {
                report.wrong("traces", Verdict::Doubtful, format!("no traces of the last 7 days{old}"), RECORD);
                return Ok(());
            }
            404 => {
                let found = format!("the trace service has no such path ({})", answer.describe());
                report.wrong("traces", Verdict::Bad, found, "check region and `cts_endpoint_override`");
                return Err(Stop);
            }
            _ => {
                let found = format!("the trace list answered {}", answer.describe());
                report.wrong(
                    "traces",
                    Verdict::Bad,
                    found,
                    "check the project, the region and `cts_endpoint_override`",
                );
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
                report.failed("traces", &error);
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

    async fn tracker(&mut self, report: &mut Report) -> Result<(), Stop> {
        let answer = self.ask("tracker", "trackers", "tracker", report).await?;
        match answer.status.as_u16() {
            200 => {}
            403 => {
                self.forbidden(report, "tracker", Verdict::Bad, &answer, "cts:tracker:list", "see the tracker");
                return Ok(());
            }
            404 => {}
            _ => {
                let found = format!("the tracker service answered {}", answer.describe());
                report.wrong(
                    "tracker",
                    Verdict::Bad,
                    found,
                    "check the project, the region and `cts_endpoint_override`",
                );
                return Ok(());
            }
        }
        let listed = answer.json().filter(|_| answer.status == StatusCode::OK);
        let Some(tracker) = listed.as_ref().and_then(system_tracker) else {
            let found =
                "there is no tracker in this project: no trace files are kept, and operations may go unrecorded";
            report.wrong("tracker", Verdict::Bad, found, "create it: `tracebell tracker create --bucket NAME`");
            return Ok(());
        };
        let text = |name: &str| tracker.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let (status, detail) = (text("status"), text("detail"));
        match (status, detail) {
            (Some("disabled"), _) => {
                let found = "the tracker is disabled: new operations are not recorded";
                report.wrong("tracker", Verdict::Bad, found, "enable it: `tracebell tracker update --status enabled`");
            }
            (Some("error"), detail) => {
                let found = format!("the tracker is in trouble: {}", detail.unwrap_or("the cloud does not say why"));
                report.wrong("tracker", Verdict::Bad, found, "check its bucket: that it exists, and its policy");
            }
            (_, Some(detail)) => {
                let found = format!("the tracker is enabled, but the cloud says: {detail}");
                report.wrong("tracker", Verdict::Doubtful, found, "check its bucket: that it exists, and its policy");
            }
            _ => report.good("tracker", "`system` is enabled"),
        }
        Ok(())
    }

    /// What only some commands need.
    async fn extra(
        &mut self,
        report: &mut Report,
        name: &'static str,
        path: &str,
        action: &str,
        what: &str,
    ) -> Result<(), Stop> {
        if self.v1 {
            report.tell(name, Verdict::NotTried, "not tried: API v1 does not have them", None);
            return Ok(());
        }
        const FEW: &str = "only `push` and `tracker` need this";
        let answer = match self.get(path, path).await {
            Ok(answer) => answer,
            // Traces are read without it.
            Err(CloudError::Transient { reason, .. }) => {
                report.wrong(name, Verdict::Doubtful, reason, FEW);
                return Ok(());
            }
            Err(error) => {
                report.failed(name, &error);
                return Err(Stop);
            }
        };
        match answer.status.as_u16() {
            200 => report.good(name, "may be read"),
            403 => self.forbidden(report, name, Verdict::Doubtful, &answer, action, what),
            _ => {
                let found = format!("CTS answered {}", answer.describe());
                report.wrong(name, Verdict::Doubtful, found, FEW);
            }
        }
        Ok(())
    }

    fn forbidden(
        &self,
        report: &mut Report,
        name: &'static str,
        verdict: Verdict,
        answer: &Answer,
        action: &str,
        what: &str,
    ) {
        let found = format!("the user may not {what} ({})", answer.describe());
        let fix = format!(
            "grant the user's group the policy `CTS ReadOnlyAccess` in this project, or `{action}` in a policy of your own"
        );
        report.wrong(name, verdict, found, fix);
    }
}

const RECORD: &str = "check that this is the right project, and that its tracker records";

fn is_of_cts(answer: &Answer) -> bool {
    answer.error_code().is_some_and(|code| code.starts_with("CTS."))
}

/// A list in v3; one object, or a list, in v1. Some clouds answer an empty object for none.
fn system_tracker(json: &Value) -> Option<&Value> {
    let list = json.get("trackers").unwrap_or(json);
    let mut trackers = match list {
        Value::Array(list) => list.iter().collect::<Vec<_>>(),
        one => vec![one],
    }
    .into_iter()
    .filter(|tracker| tracker.get("tracker_name").is_some_and(Value::is_string));
    let first = trackers.next();
    first
        .filter(|tracker| tracker["tracker_name"] == "system")
        .or_else(|| trackers.find(|tracker| tracker["tracker_name"] == "system").or(first))
}
