use std::collections::BTreeMap;

use super::*;
use crate::{
    cloud::auth::{Method, NameOrId},
    secret::Secret,
};

fn look(cloud: Option<&str>, variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Credentials, String> {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    let files: BTreeMap<_, _> = files.iter().copied().collect();
    let read = |path: &Path| {
        let text = files.get(path.to_str().unwrap()).ok_or(io::ErrorKind::NotFound)?;
        Ok((*text).to_owned())
    };
    find(cloud, &Surroundings { variable: &|name| variables.get(name).map(|v| (*v).to_owned()), read: &read })
}

const FULL: &str = "
clouds:
  otc:
    profile: otc
    auth: { username: alice, password: pw, user_domain_name: OTC1, project_name: eu-de_prod }
    region_name: eu-nl
    ak: AK
    some_key_of_openstack: { a: 1 }
";

#[test]
fn a_cloud_of_clouds_yaml_is_read() {
    let found = look(Some("otc"), &[], &[("clouds.yaml", FULL)]).unwrap();
    assert_eq!(found.auth_url, "https://iam.eu-nl.otc.t-systems.com/v3");
    assert_eq!(found.region.as_deref(), Some("eu-nl"));
    assert_eq!(found.project, Some(NameOrId::Name("eu-de_prod".to_owned())));
    let Method::Password { user, domain, password } = found.method else { panic!() };
    assert_eq!(user, NameOrId::Name("alice".to_owned()));
    assert_eq!(domain, Some(NameOrId::Name("OTC1".to_owned())));
    assert_eq!(password.expose(), "pw");
}

#[test]
fn files_are_found_in_openstacksdks_order() {
    let cloud = |project: &str| {
        format!("clouds: {{ c: {{ auth: {{ auth_url: 'http://h/v3', token: t, project_id: {project} }} }} }}")
    };
    let (own, here, home, etc) = (cloud("own"), cloud("here"), cloud("home"), cloud("etc"));
    let files = [
        ("/own.yaml", own.as_str()),
        ("clouds.yaml", here.as_str()),
        ("/h/.config/openstack/clouds.yaml", home.as_str()),
        ("/etc/openstack/clouds.yaml", etc.as_str()),
    ];
    let variables = [("OS_CLIENT_CONFIG_FILE", "/own.yaml"), ("HOME", "/h"), ("OS_CLOUD", "c")];
    for (skip, expected) in ["own", "here", "home", "etc"].iter().enumerate() {
        let found = look(None, &variables, &files[skip..]).unwrap();
        assert_eq!(found.project, Some(NameOrId::Id((*expected).to_owned())));
    }
}

#[test]
fn secrets_may_stand_in_a_file_of_their_own() {
    let open = "clouds: { c: { auth: { auth_url: 'http://h/v3/', username: u, user_domain_id: d }, region_name: r } }";
    let secure = "clouds: { c: { auth: { password: 12345 } } }";
    let found = look(Some("c"), &[], &[("clouds.yaml", open), ("secure.yaml", secure)]).unwrap();
    let Method::Password { password, domain, .. } = found.method else { panic!() };
    assert_eq!(password.expose(), "12345");
    assert_eq!(domain, Some(NameOrId::Id("d".to_owned())));
    assert_eq!(found.auth_url, "http://h/v3");
}

#[test]
fn variables_alone_are_enough() {
    let variables = [
        ("OS_AUTH_URL", "https://iam.example.org"),
        ("OS_USERNAME", "u"),
        ("OS_PASSWORD", "p"),
        ("OS_USER_DOMAIN_NAME", "d"),
        ("OS_TENANT_NAME", "t"),
        ("OS_REGION_NAME", "eu-de"),
        ("OS_CACERT", "/ca.pem"),
    ];
    let found = look(None, &variables, &[]).unwrap();
    assert_eq!(found.auth_url, "https://iam.example.org/v3");
    assert_eq!(found.project, Some(NameOrId::Name("t".to_owned())));
    assert_eq!(found.ca, Some(PathBuf::from("/ca.pem")));
    let found = look(None, &[("OS_AUTH_URL", "http://h/v3"), ("OS_TOKEN", " tok\n")], &[]).unwrap();
    assert!(matches!(found.method, Method::Token(token) if token.expose() == "tok"));
}

#[test]
fn an_access_key_does_instead_of_a_password() {
    let key = |found: Credentials| match found.method {
        Method::Key(key) => {
            (key.access, key.secret.expose().to_owned(), key.security_token.map(|token| token.expose().to_owned()))
        }
        other => panic!("{other:?}"),
    };
    let both = "clouds: { c: { profile: otc, auth: { project_name: p }, ak: AK, sk: ' SK ' } }";
    assert_eq!(key(look(Some("c"), &[], &[("clouds.yaml", both)]).unwrap()), ("AK".into(), "SK".into(), None));
    let own =
        [("OS_AUTH_URL", "http://h/v3"), ("OS_ACCESS_KEY", "AK"), ("OS_SECRET_KEY", "SK"), ("OS_SECURITY_TOKEN", "T")];
    assert_eq!(key(look(None, &own, &[]).unwrap()), ("AK".into(), "SK".into(), Some("T".into())));
    let theirs = [("OS_AUTH_URL", "http://h/v3"), ("S3_ACCESS_KEY_ID", "AK"), ("S3_SECRET_ACCESS_KEY", "SK")];
    assert_eq!(key(look(None, &theirs, &[]).unwrap()), ("AK".into(), "SK".into(), None));
    // CTS is asked with a token where there can be one, as python-otcextensions does.
    let with_password =
        [own[0], own[1], own[2], ("OS_USERNAME", "u"), ("OS_PASSWORD", "p"), ("OS_USER_DOMAIN_NAME", "d")];
    assert!(matches!(look(None, &with_password, &[]).unwrap().method, Method::Password { .. }));
}

#[test]
fn an_agency_is_taken_on_by_a_user_or_a_key_and_lends_a_project() {
    let agency = "auth_type: agency, target_agency_name: audit, target_domain_name: OTC2, target_project_name: eu-de_x";
    let by_user = format!(
        "clouds: {{ c: {{ profile: otc, auth: {{ username: u, password: p, user_domain_name: d, project_name: own }}, {agency} }} }}"
    );
    let found = look(Some("c"), &[], &[("clouds.yaml", &by_user)]).unwrap();
    assert_eq!(found.project, Some(NameOrId::Name("eu-de_x".to_owned())));
    let Method::Agency(taken) = found.method else { panic!() };
    assert_eq!((taken.name.as_str(), &taken.domain), ("audit", &NameOrId::Name("OTC2".to_owned())));
    assert!(matches!(taken.by, Method::Password { .. }));
    let variables = [
        ("OS_AUTH_TYPE", "agency"),
        ("OS_AUTH_URL", "http://h/v3"),
        ("OS_ACCESS_KEY", "AK"),
        ("OS_SECRET_KEY", "SK"),
        ("OS_TARGET_AGENCY_NAME", "audit"),
        ("OS_TARGET_DOMAIN_ID", "d2"),
        ("OS_TARGET_PROJECT_ID", "p2"),
    ];
    let found = look(None, &variables, &[]).unwrap();
    assert_eq!(found.project, Some(NameOrId::Id("p2".to_owned())));
    let Method::Agency(taken) = found.method else { panic!() };
    assert!(matches!(taken.by, Method::Key(_)) && taken.domain == NameOrId::Id("d2".to_owned()));
}

#[test]
fn the_metadata_service_is_named_or_not_asked() {
    let found = look(None, &[("OS_AUTH_TYPE", "ecs_agency"), ("OS_PROFILE", "otc")], &[]).unwrap();
    assert!(matches!(found.method, Method::EcsAgency { metadata } if metadata == "http://169.254.169.254"));
    assert_eq!(found.auth_url, "https://iam.eu-de.otc.t-systems.com/v3");
    let own = "clouds: { c: { profile: otc-swiss, auth_type: ecs_agency, metadata_url: 'http://127.0.0.1:1' } }";
    let found = look(None, &[], &[("clouds.yaml", own)]).unwrap();
    assert!(matches!(found.method, Method::EcsAgency { metadata } if metadata == "http://127.0.0.1:1"));
    assert_eq!(found.auth_url, "https://iam-pub.eu-ch2.sc.otc.t-systems.com/v3");
    // Nothing said, nothing guessed.
    assert!(look(None, &[], &[]).is_err());
}

#[test]
fn a_proxy_and_temporary_keys_are_asked_for_in_the_entry() {
    let entry =
        "clouds: { c: { profile: otc, auth: { token: t }, proxy: 'http://u:hunter2@p:3128', autocreate_aksk: true } }";
    let found = look(None, &[], &[("clouds.yaml", entry)]).unwrap();
    assert_eq!(found.proxy.as_ref().map(Secret::expose), Some("http://u:hunter2@p:3128"));
    assert!(found.temporary_key && !format!("{found:?}").contains("hunter2"));
    let plain = "clouds: { c: { profile: otc, auth: { token: t } } }";
    let found = look(None, &[("https_proxy", "http://p:1"), ("http_proxy", "http://p:1")], &[("clouds.yaml", plain)]);
    assert!(found.unwrap().proxy.is_none());
}

#[test]
fn what_is_missing_is_said_with_the_place() {
    let entry = |entry: &str| format!("clouds: {{ c: {entry} }}");
    let cases = [
        ("{ auth: { username: u } }", "has no `auth_url`"),
        ("{ profile: nowhere }", "known are `otc`"),
        ("{ profile: otc }", "has no `username`"),
        ("{ profile: otc, ak: x }", "has an access key (`ak`) and no secret key (`sk`)"),
        ("{ profile: otc, secret_key: x }", "has a secret key (`sk`) and no access key (`ak`)"),
        ("{ profile: otc, auth: { username: u } }", "has no `password`"),
        ("{ profile: otc, auth: { username: u, password: p } }", "has no `user_domain_name`"),
        ("{ profile: otc, auth_type: kerberos }", "`auth_type` in cloud `c` in `clouds.yaml` is `kerberos`"),
        ("{ profile: otc, auth_type: agency }", "has no `target_agency_name`"),
        ("{ profile: otc, auth_type: agency, target_agency_name: a }", "has no `target_domain_name`"),
        (
            "{ profile: otc, auth_type: agency, target_agency_name: a, target_domain_id: d, ak: A, sk: S, security_token: T }",
            "a permanent one",
        ),
        ("{ profile: otc, auth_type: ecs_agency, metadata_url: x }", "`metadata_url` in cloud `c`"),
        ("{ profile: otc, auth: { token: t }, proxy: 'proxy.example.org:3128' }", "`http://host:port`"),
        ("{ profile: otc, insecure: true }", "`cacert`"),
        ("{ profile: otc, verify: false }", "`cacert`"),
        ("{ auth: { auth_url: 'iam.example.org' } }", "expected `https://"),
        ("{ auth: { auth_url: 'http://h/v2.0' } }", "version 2.0"),
        ("text", "not a map"),
    ];
    for (text, expected) in cases {
        let error = look(Some("c"), &[], &[("clouds.yaml", &entry(text))]).unwrap_err();
        assert!(error.contains(expected) && error.contains("clouds.yaml"), "{text}: {error}");
    }
}

#[test]
fn a_password_inside_the_address_is_refused_and_not_shown() {
    for url in ["https://u:hunter2@iam.example.org/v3", "u:hunter2@iam.example.org"] {
        let entry = format!("clouds: {{ c: {{ auth: {{ auth_url: '{url}', username: u, password: p }} }} }}");
        let error = look(Some("c"), &[], &[("clouds.yaml", &entry)]).unwrap_err();
        assert!(error.contains("`password`") && !error.contains("hunter2"), "{error}");
    }
    for key in ["cts_endpoint_override", "smn_endpoint_override"] {
        let entry = format!(
            "clouds: {{ c: {{ auth: {{ auth_url: 'https://h/v3', token: t }}, {key}: 'https://u:hunter2@h' }} }}"
        );
        let error = look(Some("c"), &[], &[("clouds.yaml", &entry)]).unwrap_err();
        assert!(error.contains(key) && error.contains("clouds.yaml") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn it_is_said_where_was_looked() {
    let error = look(Some("x"), &[("HOME", "/h")], &[]).unwrap_err();
    for place in ["`clouds.yaml`", "`/h/.config/openstack/clouds.yaml`", "`/etc/openstack/clouds.yaml`"] {
        assert!(error.contains(place), "{error}");
    }
    let error = look(None, &[], &[]).unwrap_err();
    assert!(error.contains("OS_AUTH_URL") && error.contains("clouds.yaml"), "{error}");
    let two = "clouds: { a: {}, b: {} }";
    assert!(look(None, &[], &[("clouds.yaml", two)]).unwrap_err().contains("`a`, `b`"));
    assert!(look(Some("x"), &[], &[("clouds.yaml", two)]).unwrap_err().contains("`a`, `b`"));
}

#[test]
fn a_broken_file_does_not_show_its_passwords() {
    for text in ["clouds:\n  c: { auth: { password: hunter2 }\n - x: [", "hunter2", "clouds: hunter2"] {
        let error = look(Some("c"), &[], &[("clouds.yaml", text)]).unwrap_err();
        assert!(error.contains("clouds.yaml") && !error.contains("hunter2"), "{error}");
    }
}
