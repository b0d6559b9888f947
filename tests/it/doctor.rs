//! `tracebell doctor` on set-ups that are broken, each in its own way. Run with `--no-capture` to read the sentences.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tracebell::{
    clock,
    emulator::{
        Emulator, Settings as Emulated,
        fault::{Fault, Plan},
        tracker::Trouble,
    },
};

use crate::{
    login::beside::{Beside, closed},
    world,
};

mod many;
mod proxy;

/// What is wrong, and what the doctor is to say of it.
struct Case {
    what: &'static str,
    entry: String,
    change: fn(&mut Emulated),
    faults: Vec<Plan>,
    trouble: Option<Trouble>,
    /// Commands before the doctor.
    before: &'static [&'static str],
    step: &'static str,
    found: &'static str,
    fix: &'static str,
    code: i32,
}

const USER: &str = "username: alice, password: secret, user_domain_name: OTC00000000001000000001, project_name: eu-de";
const TRACKER: &[&str] = &["tracker create --bucket audit-bucket"];

fn good() -> String {
    format!("auth: {{ auth_url: URL/v3, {USER} }}, region_name: eu-de")
}

impl Case {
    fn new(what: &'static str, step: &'static str, found: &'static str, fix: &'static str) -> Self {
        let (entry, change) = (good(), (|_| {}) as fn(&mut Emulated));
        Self { what, entry, change, faults: Vec::new(), trouble: None, before: TRACKER, step, found, fix, code: 1 }
    }

    fn entry(mut self, from: &str, to: &str) -> Self {
        assert!(self.entry.contains(from));
        self.entry = self.entry.replace(from, to);
        self
    }

    fn and(mut self, more: &str) -> Self {
        self.entry.push_str(", ");
        self.entry.push_str(more);
        self
    }

    fn cloud(self, change: fn(&mut Emulated)) -> Self {
        Self { change, ..self }
    }

    fn fault(mut self, plan: Plan) -> Self {
        self.faults.push(plan);
        self
    }

    fn trouble(self, trouble: Trouble) -> Self {
        Self { trouble: Some(trouble), ..self }
    }

    fn before(self, before: &'static [&'static str]) -> Self {
        Self { before, ..self }
    }

    fn code(self, code: i32) -> Self {
        Self { code, ..self }
    }
}

fn cases() -> Vec<Case> {
    let case = Case::new;
    vec![
        case("nothing", "", "", "").code(0),
        case("unknown host name", "name", "no address is known for the name `iam.nowhere.invalid`", "check `auth_url`")
            .entry("URL", "https://iam.nowhere.invalid")
            .before(&[])
            .code(3),
        case("nothing listens", "connection", "nothing listens at `127.0.0.1:", "check the port in `auth_url`")
            .entry("URL", "http://127.0.0.1:CLOSED")
            .before(&[])
            .code(3),
        case("proxy unreachable", "connection", "nothing listens at the proxy `127.0.0.1:", "check `proxy`")
            .and("proxy: 'http://127.0.0.1:CLOSED'")
            .before(&[])
            .code(3),
        case("unknown CA", "TLS", "is issued by `Example Corp CA`, whom this machine does not trust", "as `cacert`")
            .entry("URL", "https://127.0.0.1:GOOD")
            .before(&[])
            .code(3),
        case("another CA", "TLS", "whom this machine does not trust", "is another CA")
            .entry("URL", "https://127.0.0.1:GOOD")
            .and("cacert: OTHER")
            .before(&[])
            .code(3),
        case("expired certificate", "TLS", "expired at 20", "renewed")
            .entry("URL", "https://127.0.0.1:EXPIRED")
            .and("cacert: EXPIRED_CA")
            .before(&[])
            .code(3),
        case("plain HTTP asked with TLS", "TLS", "` speaks no TLS", "write `http://`")
            .entry("URL", "https://HOST")
            .before(&[])
            .code(3),
        case("no CA file", "configuration", "the CA file `nowhere.pem` cannot be read", "`cacert`")
            .and("cacert: nowhere.pem")
            .before(&[])
            .code(2),
        case("wrong password", "login", "The username or password is wrong.", "check user name, password")
            .entry("password: secret", "password: hunter2")
            .before(&[]),
        case("locked account", "login", "IAM.0061: The account is locked.", "let an administrator unlock it")
            .entry("password: secret", "password: hunter2")
            .cloud(|settings| settings.iam.lock_after = 1)
            .before(&["doctor --cloud c"]),
        case("user without project", "login", "the token is not for a project", "give `project_name`")
            .entry(", project_name: eu-de", "")
            .before(&[]),
        case("wrong project", "login", "The project does not exist or is not yours.", "check `project_name`")
            .entry("project_name: eu-de", "project_name: eu-de_x")
            .before(&[]),
        case("wrong access key", "login", "verify aksk signature fail", "check `ak` and `sk`")
            .entry("username: alice, password: secret, user_domain_name: OTC00000000001000000001, ", "")
            .and("ak: AKEMULATOR, sk: hunter2")
            .before(&[]),
        case("no agency of that name", "login", "Could not find agency: nobody.", "check `target_agency_name`")
            .and("auth_type: agency, target_agency_name: nobody, target_domain_id: d, target_project_name: eu-de")
            .before(&[]),
        case("not on a server of the cloud", "login", "there is no metadata service", "on a server of the cloud only")
            .and("auth_type: ecs_agency, metadata_url: 'http://127.0.0.1:CLOSED'")
            .before(&[])
            .code(3),
        case("server without agency", "login", "this server has no agency", "choose an agency for this server")
            .and("auth_type: ecs_agency, metadata_url: URL")
            .cloud(|settings| settings.iam.metadata.agency = false)
            .before(&[]),
        case(
            "region not in the catalogue",
            "catalogue",
            "(`cts`) in region `eu-nl`",
            "set `region_name` to one of: eu-de",
        )
        .entry("region_name: eu-de", "region_name: eu-nl")
        .before(&[]),
        case(
            "no permission on traces",
            "traces",
            "the user may not read traces (403",
            "or `cts:trace:list` in a policy",
        )
        .fault(Plan::new(Fault::Status(403)).path("/traces")),
        case(
            "no permission on the tracker",
            "tracker",
            "the user may not see the tracker: the tracker service answered 403",
            "`CTS ReadOnlyAccess` in this project, or `cts:tracker:list`",
        )
        .fault(Plan::new(Fault::Status(403)).path("/trackers")),
        case(
            "no permission on notifications",
            "notifications",
            "may not read key event notifications",
            "`CTS ReadOnlyAccess` in this project",
        )
        .fault(Plan::new(Fault::Status(403)).path("/notifications"))
        .code(0),
        case("no permission on quotas", "quotas", "may not read quotas", "`CTS ReadOnlyAccess` in this project")
            .fault(Plan::new(Fault::Status(403)).path("/quotas"))
            .code(0),
        case("notifications are down", "notifications", "CTS answered 503", "only `push` and `tracker`")
            .fault(Plan::new(Fault::Status(503)).path("/notifications"))
            .code(0),
        case("quotas are down", "quotas", "CTS answered 500", "only `push` and `tracker`")
            .fault(Plan::new(Fault::Status(500)).path("/quotas"))
            .code(0),
        case("a portal's page in place of traces", "traces", "something that is no list of traces", "a proxy's page?")
            .fault(Plan::new(Fault::Html).path("/traces"))
            .code(3),
        case("tracker missing", "tracker", "there is no tracker in this project", "tracebell tracker create")
            .before(&[]),
        case("tracker disabled", "tracker", "the tracker is disabled", "tracebell tracker update --status enabled")
            .before(&["tracker create --bucket audit-bucket", "tracker update --status disabled"]),
        case(
            "the tracker's bucket is gone",
            "tracker",
            "in trouble: its bucket is gone (`noBucket`)",
            "tracker update --bucket NAME",
        )
        .trouble(Trouble::NoBucket),
        case(
            "the tracker may not write",
            "tracker",
            "in trouble: it may not write into its bucket (`bucketPolicyError`)",
            "check the bucket's policy",
        )
        .trouble(Trouble::BucketPolicyError),
        case("the account owes money", "tracker", "the account is in arrears", "settle the account's bill")
            .trouble(Trouble::Arrears),
        case("clock an hour behind", "clock", "this machine is 1 h behind the cloud", "set the clock")
            .fault(Plan::new(Fault::DateSeconds(3603)))
            .code(0),
        case("clock an hour ahead, with an access key", "clock", "ahead of the cloud", "signatures are refused")
            .entry("username: alice, password: secret, user_domain_name: OTC00000000001000000001, ", "")
            .and("ak: AKEMULATOR, sk: SKEMULATOR")
            .fault(Plan::new(Fault::DateSeconds(-3600)))
            .before(&[]),
        case(
            "cloud not in clouds.yaml",
            "configuration",
            "no cloud `c` in `clouds.yaml`; it holds `other`",
            "clouds.yaml",
        )
        .before(&[])
        .code(2),
    ]
}

fn run(folder: &Path, arguments: &str) -> Output {
    let mut command = world::tracebell();
    // Variables of the environment that name a proxy mean nothing.
    command.env_clear().env("http_proxy", "http://127.0.0.1:1").env("https_proxy", "http://127.0.0.1:1");
    command.args(arguments.split(' ')).current_dir(folder).stdin(Stdio::null()).output().unwrap()
}

/// The sentence and what to do.
async fn check(case: &Case, folders: [&Path; 2]) -> (String, String) {
    let mut settings = Emulated::default();
    (case.change)(&mut settings);
    let cloud = Emulator::start(settings).await.unwrap();
    cloud.handle().add([world::trace("t1", "deleteUser", clock::minus(clock::now(), Duration::from_secs(720)))]);
    let address = cloud.addr().to_string();
    let middles = [("GOOD", "good", folders[0]), ("EXPIRED", "expired", folders[1])]
        .into_iter()
        .filter(|(hole, ..)| case.entry.contains(&format!(":{hole}")))
        .map(|(hole, kind, folder)| (hole, Beside::tls(&address, folder, kind)))
        .collect::<Vec<_>>();
    let mut entry = case
        .entry
        .replace("cacert: OTHER", &format!("cacert: {}", folders[1].join("ca.pem").display()))
        .replace("EXPIRED_CA", &folders[1].join("ca.pem").display().to_string())
        .replace("CLOSED", &closed().to_string())
        .replace("HOST", &address)
        .replace("URL", &cloud.url());
    for (hole, middle) in &middles {
        entry = entry.replace(hole, &middle.port);
    }
    let folder = tempfile::tempdir().unwrap();
    let name = if case.what == "cloud not in clouds.yaml" { "other" } else { "c" };
    std::fs::write(folder.path().join("clouds.yaml"), format!("clouds: {{ {name}: {{ {entry} }} }}")).unwrap();
    let path = folder.path().to_owned();
    let (before, faults, trouble, handle) = (case.before, case.faults.clone(), case.trouble, cloud.handle());
    let (table, json) = tokio::task::spawn_blocking(move || {
        for command in before {
            let cloud = if command.contains("--cloud") { "" } else { " --cloud c" };
            run(&path, &format!("{command}{cloud}"));
        }
        handle.trouble(trouble);
        faults.into_iter().for_each(|plan| handle.plan(plan));
        (run(&path, "doctor --cloud c"), run(&path, "doctor --cloud c --output json"))
    })
    .await
    .unwrap();
    let text = String::from_utf8(table.stdout).unwrap();
    println!("== {} (exit {})\n{text}", case.what, table.status.code().unwrap());
    assert_eq!(table.status.code(), Some(case.code), "{}: {text}{}", case.what, String::from_utf8_lossy(&table.stderr));
    assert_eq!(json.status.code(), Some(case.code), "{}", case.what);
    for secret in ["hunter2", "SKEMULATOR", "password: secret", "null"] {
        assert!(!text.contains(secret), "{}: {text}", case.what);
    }
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    let steps = report[0]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 11, "{report:#}");
    let troubled = steps.iter().find(|step| !matches!(step["verdict"].as_str(), Some("good" | "not_tried")));
    let Some(step) = troubled else {
        assert_eq!(case.step, "", "{}: {text}", case.what);
        return (String::new(), String::new());
    };
    let of = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(of("step"), case.step, "{}: {text}", case.what);
    assert!(of("found").contains(case.found), "{}: {}", case.what, of("found"));
    assert!(of("fix").contains(case.fix), "{}: {}", case.what, of("fix"));
    // Steps that come later were tried, or say why not.
    let place = steps.iter().position(|step| step["step"] == case.step).unwrap();
    for later in &steps[place + 1..] {
        assert!(!later["found"].as_str().unwrap().is_empty(), "{later}");
    }
    (of("found"), of("fix"))
}

#[tokio::test]
async fn each_broken_set_up_has_a_sentence_of_its_own() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A CA that is none of those in use.
    drop(Beside::tls("127.0.0.1:1", other.path(), "good"));
    let mut sentences = BTreeSet::new();
    let cases = cases();
    for case in &cases {
        let expired = tempfile::tempdir().unwrap();
        let second = if case.entry.contains("OTHER") { other.path() } else { expired.path() };
        let said = check(case, [folder.path(), second]).await;
        assert!(sentences.insert(said.clone()), "{}: said before: {said:?}", case.what);
    }
    assert_eq!(sentences.len(), cases.len());
}

#[tokio::test]
async fn every_source_of_a_configuration_is_examined() {
    let cloud = Emulator::start(Emulated::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let entry = good().replace("URL", &cloud.url());
    std::fs::write(path.join("clouds.yaml"), format!("clouds: {{ a: {{ {entry} }}, b: {{ {entry} }} }}")).unwrap();
    let bridge = "sources: { prod: { cts: { cloud: a } }, test: { cts: { cloud: b, projects: [eu-de_x] } } }\n\
                  endpoints: { hook: { webhook: { url: 'https://example.org/' } } }\n\
                  topics: { default: [{ endpoint: hook }] }\n";
    std::fs::write(path.join("tracebell.yaml"), bridge).unwrap();
    std::fs::create_dir(path.join("rules")).unwrap();
    let outputs = tokio::task::spawn_blocking(move || {
        let first = run(&path, "doctor");
        // The other one first: whether the password is right is not known then.
        let swapped = bridge.replace("eu-de_x", "eu-de").replace("cloud: a", "cloud: a, projects: [eu-de_x]");
        std::fs::write(path.join("tracebell.yaml"), swapped).unwrap();
        let swapped = run(&path, "doctor");
        std::fs::write(path.join("tracebell.yaml"), "sources: 17").unwrap();
        (first, swapped, run(&path, "doctor"))
    });
    let (both, swapped, broken) = outputs.await.unwrap();
    let text = String::from_utf8(both.stdout).unwrap();
    assert_eq!(both.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&both.stderr));
    assert!(text.contains("source prod\n") && text.contains("source test\n"), "{text}");
    assert!(text.contains("project `eu-de` (0123456789abcdef0123456789abcdef)"), "{text}");
    assert!(text.ends_with("0 of 2 are well; not: source prod, source test\n"), "{text}");
    // What is wrong with the project of one is not told of the other.
    let (good, bad) = text.split_once("source test\n").unwrap();
    assert!(!good.contains("project does not exist") && good.contains("there is no tracker"), "{text}");
    assert!(bad.contains("The project does not exist") || bad.contains("project does not exist or"), "{text}");
    let other = String::from_utf8(swapped.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(other.contains("not tried within a minute after another project's login of this user"), "{other}");
    assert!(other.contains("→ mend that one first: check `project_name`"), "{other}");
    assert_eq!(broken.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("tracebell check"));
}

#[tokio::test]
async fn an_older_cloud_is_examined_as_it_is_read() {
    let cloud = Emulator::start(Emulated::default()).await.unwrap();
    cloud.handle().add([world::trace("t1", "deleteUser", clock::minus(clock::now(), Duration::from_secs(720)))]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    std::fs::write(path.join("clouds.yaml"), format!("clouds: {{ c: {{ {} }} }}", good().replace("URL", &cloud.url())))
        .unwrap();
    let handle = cloud.handle();
    let output = tokio::task::spawn_blocking(move || {
        run(&path, "tracker create --bucket audit-bucket --cloud c");
        // Neither version 3 of the traces nor of the tracker.
        for path in ["/traces", "/trackers"] {
            handle.plan(Plan::new(Fault::Code("CTS.0100".into())).path(path));
        }
        run(&path, "doctor --cloud c")
    });
    let output = output.await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for words in [
        "a page can be read (by API v2: v3 is not offered); the newest trace is",
        "`system` is enabled",
        "notifications, quotas (only API v3 has them)",
    ] {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
}
