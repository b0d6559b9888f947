//! What stands between this machine and a page of traces: each step on the way is tried, and said in words.
//!
//! Changes nothing in the cloud. A step that cannot be tried because an earlier one failed says so.

use crate::{
    clock::{self, Timestamp},
    cloud::{
        CloudError,
        auth::{Credentials, Method, NameOrId, Session},
        catalogue::Catalogue,
    },
    source::SourceError,
};

mod network;
mod service;

/// One step, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub verdict: Verdict,
    /// What was found, in a sentence.
    pub found: String,
    /// What to do about it.
    pub fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// Traces are read, but somebody should look.
    Doubtful,
    /// Something here or in the account is wrong.
    Bad,
    /// Credentials or settings cannot be used at all.
    Unusable,
    /// The cloud could not be reached, or did not answer as it should.
    Unreachable,
    NotTried,
}

/// In this order, whatever happens.
const STEPS: [&str; 11] = [
    "configuration",
    "name",
    "connection",
    "TLS",
    "clock",
    "login",
    "catalogue",
    "traces",
    "tracker",
    "notifications",
    "quotas",
];

/// Nothing that follows can be tried.
struct Stop;

#[derive(Default)]
struct Report {
    steps: Vec<Step>,
}

impl Report {
    fn tell(&mut self, name: &'static str, verdict: Verdict, found: impl Into<String>, fix: Option<String>) {
        self.steps.push(Step { name, verdict, found: found.into(), fix });
    }

    fn good(&mut self, name: &'static str, found: impl Into<String>) {
        self.tell(name, Verdict::Good, found, None);
    }

    fn wrong(&mut self, name: &'static str, verdict: Verdict, found: impl Into<String>, fix: impl Into<String>) {
        self.tell(name, verdict, found, Some(fix.into()));
    }

    /// What a call to the cloud failed with.
    fn failed(&mut self, name: &'static str, error: impl Into<SourceError>) {
        match error.into() {
            SourceError::Refused { reason, fix } => self.wrong(name, Verdict::Bad, reason, fix),
            SourceError::Transient { reason, .. } => {
                let (found, fix) = network::in_words(&reason);
                self.wrong(name, Verdict::Unreachable, found, fix);
            }
        }
    }

    fn finish(mut self) -> Vec<Step> {
        let last = self.steps.iter().rev().find(|step| step.verdict != Verdict::Good).map_or("", |step| step.name);
        for name in
            STEPS.into_iter().filter(|name| self.steps.iter().all(|step| step.name != *name)).collect::<Vec<_>>()
        {
            self.tell(name, Verdict::NotTried, format!("not tried: `{last}` comes first"), None);
        }
        self.steps.sort_by_key(|step| STEPS.iter().position(|name| *name == step.name));
        self.steps
    }
}

/// The one step there is where no credentials could be found.
pub fn unusable(reason: &str) -> Vec<Step> {
    let mut report = Report::default();
    let fix = "write an entry in clouds.yaml and name it with `--cloud`, or set the `OS_*` variables";
    report.wrong("configuration", Verdict::Unusable, reason, fix);
    report.finish()
}

/// Tries everything, from the configuration to the newest trace.
pub async fn examine(credentials: &Credentials) -> Vec<Step> {
    let mut report = Report::default();
    // Whatever stopped it is in the report.
    let _ = walk(&mut report, credentials).await;
    report.finish()
}

async fn walk(report: &mut Report, credentials: &Credentials) -> Result<(), Stop> {
    let whole = |catalogue: &Catalogue, _: &Credentials| Ok(catalogue.clone());
    let session = Session::new(credentials, whole);
    let mut session = match session {
        Ok(session) => session,
        Err(error) => {
            let (CloudError::Refused { reason, .. } | CloudError::Transient { reason, .. }) = &error;
            let fix = if let CloudError::Refused { fix, .. } = &error { fix } else { "try again" };
            report.wrong("configuration", Verdict::Unusable, reason, fix);
            return Err(Stop);
        }
    };
    report.good("configuration", configuration(credentials));
    network::examine(report, credentials).await?;
    let now = clock::now();
    let catalogue = match session.token(now).await {
        Ok(token) => token.endpoints.clone(),
        Err(error) => {
            report.failed("login", error);
            return Err(Stop);
        }
    };
    report.good("login", login(credentials, &catalogue));
    service::examine(report, credentials, &catalogue, now).await
}

fn configuration(credentials: &Credentials) -> String {
    let place = if credentials.place.is_empty() { "given" } else { &credentials.place };
    let project = match &credentials.project {
        Some(NameOrId::Name(project) | NameOrId::Id(project)) => format!(", project `{project}`"),
        None => String::new(),
    };
    let region = credentials.region.as_ref().map(|region| format!(", region `{region}`")).unwrap_or_default();
    format!("{place}: {}{project}{region}", who(&credentials.method))
}

fn login(credentials: &Credentials, catalogue: &Catalogue) -> String {
    let what = match credentials.method {
        Method::Key(_) => "the access key is accepted",
        Method::EcsAgency { .. } => "the metadata service lends this server a key, which is accepted",
        _ if credentials.temporary_key => "the cloud gave a token, and a temporary access key for it",
        _ => "the cloud gave a token",
    };
    let id = &catalogue.project_id;
    match &catalogue.project_name {
        Some(name) if name != id => format!("{what}; project `{name}` ({id})"),
        _ => format!("{what}; project {id}"),
    }
}

fn who(method: &Method) -> String {
    match method {
        Method::Password { user: NameOrId::Name(user) | NameOrId::Id(user), .. } => format!("user `{user}`"),
        Method::Token(_) => "a token".to_owned(),
        Method::Key(key) if key.security_token.is_some() => format!("temporary access key `{}`", key.access),
        Method::Key(key) => format!("access key `{}`", key.access),
        Method::Agency(agency) => {
            let (NameOrId::Name(domain) | NameOrId::Id(domain)) = &agency.domain;
            format!("agency `{}` of `{domain}`, taken on by {}", agency.name, who(&agency.by))
        }
        Method::EcsAgency { .. } => "the agency of this server".to_owned(),
    }
}

/// How long ago something was, in words.
fn age(time: Timestamp, now: Timestamp) -> String {
    match clock::since(time, now) {
        age if age.as_secs() == 0 => "of this second".to_owned(),
        age => format!("{} old", clock::in_words(age)),
    }
}
