//! Our reading of `clouds.yaml` beside that of openstacksdk, on the same files and variables.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tracebell::cloud::{
    auth::{Agency, Credentials, Method, NameOrId},
    clouds::{Surroundings, find},
};

use crate::world;

struct Case {
    what: &'static str,
    /// Below the test's folder: `here` is where the program runs.
    files: Vec<(&'static str, &'static str)>,
    variables: Vec<(&'static str, &'static str)>,
    cloud: Option<&'static str>,
    /// `None`: as openstacksdk. Else what we do, on purpose: a part of our error, or of what we read.
    ours: Option<&'static str>,
}

fn case(
    what: &'static str,
    files: &[(&'static str, &'static str)],
    variables: &[(&'static str, &'static str)],
) -> Case {
    Case { what, files: files.to_vec(), variables: variables.to_vec(), cloud: Some("c"), ours: None }
}

impl Case {
    fn cloud(self, cloud: Option<&'static str>) -> Self {
        Self { cloud, ..self }
    }

    fn ours(self, ours: &'static str) -> Self {
        Self { ours: Some(ours), ..self }
    }
}

const HERE: &str = "here/clouds.yaml";
const PLAIN: &str = "
clouds:
  c:
    auth: { auth_url: https://iam.example.org/v3, username: u, password: pw, user_domain_name: D, project_name: p }
    region_name: eu-de
";
const VARIABLES: &[(&str, &str)] = &[
    ("OS_AUTH_URL", "https://env.example.org/v3"),
    ("OS_USERNAME", "eu"),
    ("OS_PASSWORD", "ep"),
    ("OS_USER_DOMAIN_NAME", "ED"),
    ("OS_PROJECT_NAME", "epr"),
    ("OS_REGION_NAME", "eu-nl"),
];

fn cases() -> Vec<Case> {
    let one = |what, text| case(what, &[(HERE, text)], &[]);
    vec![
        one("a plain entry", PLAIN),
        case("the file in the home folder", &[("home/.config/openstack/clouds.yaml", PLAIN)], &[]),
        case("the file for the whole machine", &[("xdg/openstack/clouds.yaml", PLAIN)], &[("XDG_CONFIG_DIRS", "FOLDER/xdg")]),
        case("another folder for settings", &[("cfg/openstack/clouds.yaml", PLAIN)], &[("XDG_CONFIG_HOME", "FOLDER/cfg")]),
        case(
            "another folder for settings hides none in the home",
            &[("home/.config/openstack/clouds.yaml", PLAIN)],
            &[("XDG_CONFIG_HOME", "FOLDER/cfg")],
        ),
        case(
            "here before home",
            &[(HERE, PLAIN), ("home/.config/openstack/clouds.yaml", "clouds: { c: { auth: { auth_url: 'https://no/v3' } } }")],
            &[],
        ),
        case("`.yml`", &[("here/clouds.yml", PLAIN)], &[]),
        case(
            "JSON",
            &[("here/clouds.json", r#"{"clouds": {"c": {"auth": {"auth_url": "https://j/v3", "token": "t"}, "auth_type": "token"}}}"#)],
            &[],
        ),
        case("a file named by a variable", &[("own.yaml", PLAIN), (HERE, "clouds: {}")], &[("OS_CLIENT_CONFIG_FILE", "FOLDER/own.yaml")]),
        case("a named file that is not there", &[(HERE, PLAIN)], &[("OS_CLIENT_CONFIG_FILE", "FOLDER/none.yaml")]),
        case("the cloud by a variable", &[(HERE, PLAIN)], &[("OS_CLOUD", "c")]).cloud(None),
        one("the only cloud there is", PLAIN).cloud(None),
        case(
            "secrets apart",
            &[
                (HERE, "clouds: { c: { auth: { auth_url: 'https://h/v3', username: u, user_domain_id: d, project_id: p } } }"),
                ("here/secure.yaml", "clouds: { c: { auth: { password: pw } } }"),
            ],
            &[],
        ),
        case(
            "secrets win",
            &[(HERE, PLAIN), ("home/.config/openstack/secure.yaml", "clouds: { c: { auth: { password: better } } }")],
            &[],
        ),
        case(
            "secrets in a file named by a variable",
            &[(HERE, PLAIN), ("s.yaml", "clouds: { c: { auth: { password: best } } }")],
            &[("OS_CLIENT_SECURE_FILE", "FOLDER/s.yaml")],
        ),
        one("the profile's address and region", "clouds: { c: { profile: otc, auth: { username: u, password: p, user_domain_name: D, project_name: p } } }"),
        one("the profile by its old key", "clouds: { c: { cloud: otc, auth: { username: u, password: p, user_domain_name: D, project_name: p }, region_name: eu-nl } }"),
        case(
            "a profile of one's own",
            &[
                (HERE, "clouds: { c: { profile: corp, auth: { username: u, password: p, user_domain_name: D, project_name: p } } }"),
                (
                    "here/clouds-public.yaml",
                    "public-clouds: { corp: { auth: { auth_url: 'https://iam.{region_name}.corp.example/v3' }, region_name: r1 } }",
                ),
            ],
            &[],
        ),
        one("regions: the first", "clouds: { c: { auth: { auth_url: 'https://h/v3', token: t }, auth_type: token, regions: [eu-nl, eu-de] } }"),
        one("regions in one text", "clouds: { c: { auth: { auth_url: 'https://h/v3', token: t }, auth_type: token, region_name: 'eu-nl,eu-de' } }"),
        one(
            "what is true in one region",
            "clouds: { c: { auth: { auth_url: 'https://h/v3', token: t }, auth_type: token, regions: [{ name: r, values: { cacert: /r.pem } }, s] } }",
        ),
        one("a placeholder in the address", "clouds: { c: { auth: { auth_url: 'https://iam.{region_name}.example/v3', token: t }, auth_type: token, region_name: x } }"),
        one("ids before names", "clouds: { c: { auth: { auth_url: 'https://h/v3', username: u, user_id: ui, password: p, user_domain_name: D, user_domain_id: di, project_name: p, project_id: pi } } }"),
        one("the tenant of old", "clouds: { c: { auth: { auth_url: 'https://h/v3', username: u, password: p, user_domain_name: D, tenant_name: t } } }"),
        one("project before tenant", "clouds: { c: { auth: { auth_url: 'https://h/v3', username: u, password: p, user_domain_name: D, tenant_name: t, project_name: p } } }"),
        one("one domain for both", "clouds: { c: { auth: { auth_url: 'https://h/v3', username: u, password: p, domain_name: D, project_name: p } } }"),
        one("a default domain", "clouds: { c: { auth: { auth_url: 'https://h/v3', username: u, password: p, default_domain_name: D, project_name: p } } }"),
        one("dashes", "clouds: { c: { auth: { auth_url: 'https://h/v3', username: u, password: p, user-domain-name: D, project-name: p }, region-name: r } }"),
        one("login beside `auth`", "clouds: { c: { auth_url: 'https://h/v3', username: u, password: p, user_domain_name: D, project_name: p } }"),
        one("the entry's own project before `auth`'s", "clouds: { c: { auth: { auth_url: 'https://h/v3', username: u, password: p, user_domain_name: D, project_name: inner }, project_name: outer } }"),
        one("a CA", "clouds: { c: { auth: { auth_url: 'https://h/v3', token: t }, auth_type: token, cacert: /ca.pem } }"),
        one(
            "an agency",
            "clouds: { c: { auth_type: agency, auth: { auth_url: 'https://h/v3', username: u, password: p, user_domain_name: D, target_domain_name: T, target_agency_name: a, target_project_name: tp } } }",
        ),
        one("a project of digits", "clouds: { c: { auth: { auth_url: 'https://h/v3', username: u, password: p, user_domain_name: D, project_id: 12345 } } }"),
        case("variables alone", &[], VARIABLES).cloud(None),
        case("variables before the only cloud", &[(HERE, PLAIN)], VARIABLES).cloud(None),
        case("a cloud that is named before variables", &[(HERE, PLAIN)], VARIABLES),
        case("variables by their name", &[(HERE, PLAIN)], VARIABLES).cloud(Some("envvars")),
        case(
            "variables by a name of one's own",
            &[(HERE, PLAIN)],
            &[VARIABLES[0], VARIABLES[1], VARIABLES[2], VARIABLES[3], VARIABLES[4], ("OS_CLOUD_NAME", "mine"), ("OS_CLOUD", "mine")],
        )
        .cloud(None),
        case("the tenant of old in a variable", &[], &[VARIABLES[0], VARIABLES[1], VARIABLES[2], VARIABLES[3], ("OS_TENANT_NAME", "t")]).cloud(None),
        case("a variable that only selects", &[(HERE, PLAIN)], &[("OS_REGION_NAME", "eu-nl")]).cloud(None),
        one("no such cloud", "clouds: { other: {} }").ours("no cloud `c`"),
        // On purpose otherwise.
        one("a broken file", "clouds: [").ours("is not valid YAML"),
        case("a broken file before a good one", &[(HERE, "clouds: ["), ("home/.config/openstack/clouds.yaml", PLAIN)], &[]).ours("is not valid YAML"),
        one("a password of digits", "clouds: { c: { auth: { auth_url: 'https://h/v3', username: u, password: 12345, user_domain_name: D, project_name: p } } }"),
        one("a token without `auth_type`", "clouds: { c: { auth: { auth_url: 'https://h/v3', token: t, project_name: p } } }").ours(r#""token":"t""#),
        one("certificates unchecked", "clouds: { c: { auth: { auth_url: 'https://h/v3', token: t }, auth_type: token, verify: false } }").ours("`cacert`"),
        one("the Swiss profile, whose address lacks its scheme", "clouds: { c: { profile: otc-swiss, auth: { username: u, password: p, user_domain_name: D, project_name: p } } }")
            .ours("https://iam-pub.eu-ch2.sc.otc.t-systems.com/v3"),
        one("an unknown profile", "clouds: { c: { profile: nowhere, auth: { username: u, password: p } } }").ours("known are `otc`"),
        one("an address without version", "clouds: { c: { auth: { auth_url: 'https://h', token: t }, auth_type: token } }").ours("https://h/v3"),
        case("a variable that tells nothing of a login", &[(HERE, PLAIN)], &[("OS_CACERT", "/e.pem")]).cloud(None).ours("https://iam.example.org/v3"),
    ]
}

fn ours(case: &Case, folder: &Path) -> Value {
    let variables: BTreeMap<&str, String> = variables(case, folder).into_iter().collect();
    let here = folder.join("here");
    let read = |path: &Path| -> io::Result<String> {
        // The machine's own settings are none of this test's.
        if path.is_absolute() && !path.starts_with(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        fs::read_to_string(here.join(path))
    };
    match find(case.cloud, &Surroundings { variable: &|name| variables.get(name).cloned(), read: &read }) {
        Ok(found) => told(&found),
        Err(reason) => json!({ "error": reason }),
    }
}

fn told(found: &Credentials) -> Value {
    let text = |one: &NameOrId| match one {
        NameOrId::Name(text) | NameOrId::Id(text) => text.clone(),
    };
    let (agency, method) = match &found.method {
        Method::Agency(agency) => {
            let Agency { by, name, .. } = agency.as_ref();
            (Some(name.clone()), by)
        }
        method => (None, method),
    };
    let (mut user, mut domain, mut password, mut token) = (None, None, None, None);
    match method {
        Method::Password { user: name, domain: of, password: secret } => {
            (user, domain, password) = (Some(text(name)), of.as_ref().map(text), Some(secret.expose().to_owned()));
        }
        Method::Token(secret) => token = Some(secret.expose().to_owned()),
        other => panic!("{other:?}"),
    }
    json!({
        "url": found.auth_url, "user": user, "domain": domain, "password": password, "token": token,
        "project": found.project.as_ref().map(text), "agency": agency, "region": found.region,
        "ca": found.ca.as_ref().map(|path| path.display().to_string()),
    })
}

fn variables<'a>(case: &'a Case, folder: &Path) -> Vec<(&'a str, String)> {
    let folder = folder.to_str().unwrap();
    let mut variables = vec![("HOME", format!("{folder}/home"))];
    variables.extend(case.variables.iter().map(|(name, value)| (*name, value.replace("FOLDER", folder))));
    variables
}

#[test]
fn entries_are_read_as_openstacksdk_reads_them() {
    let cases = cases();
    let root = tempfile::tempdir().unwrap();
    let folders: Vec<PathBuf> = (0..cases.len()).map(|at| root.path().join(at.to_string())).collect();
    let mut lines = String::new();
    for (case, folder) in cases.iter().zip(&folders) {
        fs::create_dir_all(folder.join("here")).unwrap();
        for (path, text) in &case.files {
            fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
            fs::write(folder.join(path), text).unwrap();
        }
        let variables: BTreeMap<_, _> = variables(case, folder).into_iter().collect();
        lines.push_str(&format!("{}\n", json!({ "folder": folder, "variables": variables, "cloud": case.cloud })));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/openstack_config.py");
    let mut command = world::python();
    let mut child =
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    let theirs: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(theirs.len(), cases.len(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut different = Vec::new();
    for ((case, folder), theirs) in cases.iter().zip(&folders).zip(&theirs) {
        let ours = ours(case, folder);
        let good = match case.ours {
            None => ours == *theirs && theirs.get("error").is_none(),
            // On purpose: were it the same, there would be nothing to tell.
            Some(wanted) => ours.to_string().contains(wanted) && ours != *theirs,
        };
        if !good {
            different.push(format!("{}\n  ours   {ours}\n  theirs {theirs}", case.what));
        }
    }
    assert!(different.is_empty(), "{} of {} differ:\n{}", different.len(), cases.len(), different.join("\n"));
}
