//! Every way to log in, from an entry of `clouds.yaml` to a trace that is read, against the emulator.

use std::{io, path::Path, time::Duration};

use serde_json::json;
use tracebell::{
    clock::{self, Timestamp},
    cloud::{auth::Credentials, clouds},
    emulator::{
        Emulator, Settings as Emulated,
        fault::{Fault, Plan},
        identity::Mode,
    },
    source::{Pass, Record, Settings, SourceError, Walk, Window, cts::Cts, plan::Polling},
};

use super::beside::{Beside, closed};
use crate::world;

pub(super) const PASSWORD: &str = "username: alice, password: secret, user_domain_name: OTC00000000001000000001";

/// What an entry says, its addresses filled in.
pub(super) fn credentials(entry: &str, cloud: &Emulator) -> Credentials {
    let text = format!("clouds: {{ c: {{ region_name: eu-de, {entry} }} }}").replace("URL", &cloud.url());
    let read = |path: &Path| match path == Path::new("clouds.yaml") {
        true => Ok(text.clone()),
        false => Err(io::ErrorKind::NotFound.into()),
    };
    clouds::find(Some("c"), &clouds::Surroundings { variable: &|_| None, read: &read }).unwrap()
}

pub(super) async fn cloud(change: impl FnOnce(&mut Emulated)) -> Emulator {
    let mut settings = Emulated::default();
    change(&mut settings);
    let cloud = Emulator::start(settings).await.unwrap();
    cloud.handle().add([world::trace("t1", "deleteUser", clock::minus(clock::now(), Duration::from_secs(600)))]);
    cloud
}

pub(super) fn source(credentials: Credentials) -> Cts {
    let settings = Settings { name: "prod".into(), credentials, tracker: "system".into(), polling: Polling::default() };
    Cts::new(&settings).unwrap()
}

/// The ids of the last hour's traces.
pub(super) async fn read(source: &mut Cts, now: Timestamp) -> Result<Vec<String>, SourceError> {
    let to = clock::now();
    let mut walk = Walk::new(Window { from: clock::minus(to, Duration::from_secs(3600)), to, pass: Pass::Hot });
    let page = source.page(&mut walk, now).await?;
    let id = |record: &Record| match record {
        Record::Trace(trace) => trace.id.clone(),
        Record::Undecodable { id, .. } => id.clone(),
    };
    Ok(page.records.iter().map(id).collect())
}

pub(super) fn in_words(error: &SourceError) -> String {
    match error {
        SourceError::Refused { reason, fix } => format!("{reason}: {fix}"),
        SourceError::Transient { reason, .. } => reason.clone(),
    }
}

#[tokio::test]
async fn every_way_leads_to_the_traces() {
    let auth = |rest: &str| format!("auth: {{ auth_url: URL/v3, {rest} }}");
    let agency = "auth_type: agency, target_agency_name: tracebell, target_domain_name: OTC00000000001000000001";
    let ecs = "auth_type: ecs_agency, metadata_url: URL";
    for entry in [
        auth(&format!("{PASSWORD}, project_name: eu-de")),
        auth(&format!("{PASSWORD}, tenant_name: eu-de")),
        format!("{}, autocreate_aksk: true", auth(&format!("{PASSWORD}, project_name: eu-de"))),
        format!("{}, ak: AKEMULATOR, sk: SKEMULATOR", auth("project_name: eu-de")),
        format!("{}, {agency}, target_project_name: eu-de", auth(PASSWORD)),
        format!("{}, {agency}, target_project_name: eu-de, autocreate_aksk: true", auth(PASSWORD)),
        format!("{}, {agency}, target_project_name: eu-de, ak: AKEMULATOR, sk: SKEMULATOR", auth("")),
        format!("{}, {ecs}", auth("")),
        format!("{}, {ecs}", auth("project_name: eu-de")),
    ] {
        let cloud = cloud(|_| {}).await;
        let mut source = source(credentials(&entry, &cloud));
        assert_eq!(read(&mut source, clock::now()).await.unwrap(), ["t1"], "{entry}");
        // Again, without a further login.
        let before = cloud.handle().stats();
        assert_eq!(read(&mut source, clock::now()).await.unwrap(), ["t1"], "{entry}");
        let after = cloud.handle().stats();
        let asked = after.recent.len() - before.recent.len();
        assert_eq!(asked, 1, "{entry}: {:?}", after.recent);
    }
}

#[tokio::test]
async fn a_machines_key_comes_in_every_shape_and_is_renewed_in_time() {
    for (mode, wrapped) in [(Mode::Hardened, true), (Mode::Hardened, false), (Mode::Plain, true), (Mode::Plain, false)]
    {
        let change = |settings: &mut Emulated| {
            let metadata = &mut settings.iam.metadata;
            (metadata.mode, metadata.wrapped, metadata.key_lifetime) = (mode, wrapped, Duration::from_secs(900));
        };
        let cloud = cloud(change).await;
        let keys = || cloud.handle().stats().count("securitykey", 200);
        let mut source =
            source(credentials("auth: { auth_url: URL/v3 }, auth_type: ecs_agency, metadata_url: URL", &cloud));
        // Good for a quarter of an hour, three quarters of which it is used.
        for (minutes, fetched) in [(0, 1), (10, 1), (12, 2)] {
            let now = clock::plus(clock::now(), Duration::from_secs(minutes * 60));
            assert_eq!(read(&mut source, now).await.map_err(|error| in_words(&error)).unwrap(), ["t1"]);
            assert_eq!(keys(), fetched, "{minutes} minutes");
        }
        // It is gone before its time: the cloud says so, and a new one is fetched.
        cloud.handle().expire_keys();
        assert_eq!(read(&mut source, clock::now()).await.map_err(|error| in_words(&error)).unwrap(), ["t1"]);
        assert_eq!(keys(), 3);
        // A token of the metadata service that is not accepted is renewed.
        cloud.handle().expire_keys();
        cloud.handle().plan(Plan::new(Fault::Status(401)).times(1).path("/securitykey"));
        assert_eq!(read(&mut source, clock::now()).await.map_err(|error| in_words(&error)).unwrap(), ["t1"]);
    }
}

#[tokio::test]
async fn keys_for_a_while_are_renewed_too() {
    let cloud = cloud(|_| {}).await;
    let entry = format!("auth: {{ auth_url: URL/v3, {PASSWORD}, project_name: eu-de }}, autocreate_aksk: true");
    let mut source = source(credentials(&entry, &cloud));
    assert_eq!(read(&mut source, clock::now()).await.unwrap(), ["t1"]);
    cloud.handle().expire_keys();
    assert_eq!(read(&mut source, clock::now()).await.unwrap(), ["t1"]);
    assert_eq!(cloud.handle().stats().count("securitytokens", 201), 2);
    let tokens = cloud.handle().stats().recent.iter().filter(|asked| asked.path.ends_with("/traces")).count();
    assert!(tokens >= 3, "the refused request was sent again");
}

#[tokio::test]
async fn what_cannot_log_in_is_told_what_to_do() {
    let agency = format!(
        "auth: {{ auth_url: URL/v3, {PASSWORD} }}, auth_type: agency, target_domain_name: OTC00000000001000000001, target_project_name: eu-de"
    );
    let ecs = "auth: { auth_url: URL/v3 }, auth_type: ecs_agency";
    let nobody = format!("{ecs}, metadata_url: 'http://127.0.0.1:{}'", closed());
    let password = |password: &str, project: &str| {
        format!(
            "auth: {{ auth_url: URL/v3, username: alice, password: {password}, user_domain_name: OTC00000000001000000001, project_name: {project} }}"
        )
    };
    let none: fn(&mut Emulated) = |_| {};
    for (entry, change, expected) in [
        (
            format!("{agency}, target_agency_name: nobody"),
            none,
            "Could not find agency: nobody.: check `target_agency_name`",
        ),
        (
            format!("{agency}, target_agency_name: tracebell"),
            |settings| settings.iam.agent_operator = false,
            "not authorized to perform: iam:agencies:assume.: check",
        ),
        (
            format!("{ecs}, metadata_url: URL"),
            |settings| settings.iam.metadata.agency = false,
            "this server has no agency",
        ),
        (nobody, none, "there is no metadata service at `http://127.0.0.1:"),
        (password("wrong", "eu-de"), none, "The username or password is wrong.: check user name, password"),
        (password("wrong", "eu-de"), |settings| settings.iam.coded = true, "IAM.0062"),
        (password("secret", "eu-nowhere"), none, "check `project_name`"),
    ] {
        let cloud = cloud(change).await;
        let error = read(&mut source(credentials(&entry, &cloud)), clock::now()).await.unwrap_err();
        assert!(in_words(&error).contains(expected), "{entry}: {}", in_words(&error));
        // A metadata service that is not there may be there again.
        let passes = entry.contains("metadata_url: 'http");
        assert_eq!(matches!(error, SourceError::Transient { .. }), passes, "{entry}");
    }
}

#[tokio::test]
async fn wrong_passwords_lock_an_account_that_says_so() {
    let cloud = cloud(|settings| settings.iam.lock_after = 2).await;
    let entry = |password: &str| {
        format!(
            "auth: {{ auth_url: URL/v3, username: alice, password: {password}, user_domain_name: OTC00000000001000000001, project_name: eu-de }}"
        )
    };
    for password in ["one", "two"] {
        let error = read(&mut source(credentials(&entry(password), &cloud)), clock::now()).await.unwrap_err();
        assert!(in_words(&error).contains("wrong"), "{}", in_words(&error));
    }
    let error = read(&mut source(credentials(&entry("secret"), &cloud)), clock::now()).await.unwrap_err();
    assert!(in_words(&error).contains("IAM.0061") && in_words(&error).contains("unlock"), "{}", in_words(&error));
}

#[tokio::test]
async fn a_private_ca_is_trusted_where_it_is_given() {
    let cloud = cloud(|_| {}).await;
    let folder = tempfile::tempdir().unwrap();
    let middle = Beside::tls(&cloud.addr().to_string(), folder.path(), "good");
    let url = format!("https://127.0.0.1:{}", middle.port);
    let entry = format!(
        "auth: {{ auth_url: {url}/v3, {PASSWORD}, project_name: eu-de }}, cts_endpoint_override: '{url}/v1.0/%(project_id)s'"
    );
    let ca = folder.path().join("ca.pem");
    let trusting = format!("{entry}, cacert: {}", ca.display());
    assert_eq!(read(&mut source(credentials(&trusting, &cloud)), clock::now()).await.unwrap(), ["t1"]);
    let error = read(&mut source(credentials(&entry, &cloud)), clock::now()).await.unwrap_err();
    assert!(in_words(&error).contains("certificate"), "{}", in_words(&error));
    assert_eq!(cloud.handle().stats().count("auth/tokens", 201), 1, "nothing went to whom is not trusted");
}

#[tokio::test]
async fn everything_goes_through_the_proxy_that_is_named() {
    let cloud = cloud(|_| {}).await;
    let mut proxy = Beside::proxy("bell:hunter2");
    let entry = |login: &str| {
        format!(
            "auth: {{ auth_url: URL/v3, {PASSWORD}, project_name: eu-de }}, proxy: 'http://{login}@127.0.0.1:{}'",
            proxy.port
        )
    };
    let (right, wrong) = (entry("bell:hunter2"), entry("bell:hunter3"));
    assert_eq!(read(&mut source(credentials(&right, &cloud)), clock::now()).await.unwrap(), ["t1"]);
    let passed = [proxy.line(), proxy.line()];
    assert_eq!(passed, ["POST /v3/auth/tokens", "GET /v3/0123456789abcdef0123456789abcdef/traces"]);
    let error = read(&mut source(credentials(&wrong, &cloud)), clock::now()).await.unwrap_err();
    assert!(in_words(&error).contains("407") && !in_words(&error).contains("hunter"), "{}", in_words(&error));
    assert_eq!(cloud.handle().stats().recent.len(), 2, "{}", json!(cloud.handle().stats().recent));
}

#[tokio::test]
async fn programs_of_others_log_in_to_the_emulator_too() {
    let cloud = cloud(|_| {}).await;
    let url = cloud.url();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/identity.py");
    let home = tempfile::tempdir().unwrap();
    let mut python = world::python();
    python.args(["-W", "ignore", script, &url]).env("HOME", home.path());
    let output = tokio::task::spawn_blocking(move || python.output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = "agency 200 ['t1']\nautocreate ASIA True True\ndomains ['OTC00000000001000000001']\n\
                    machine ASIA True True\nsigned 200 ['t1']\nsigned 200 ['t1']\n";
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
}
